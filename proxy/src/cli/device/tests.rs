//! What people read about devices, and what is read from them.

use super::*;

fn view(name: &str, login: &str) -> DeviceView {
    DeviceView {
        name: name.into(),
        login: login.into(),
        password: "generated".into(),
        mailboxes: vec!["scans@contoso.com".into()],
        networks: Vec::new(),
        protocols: Vec::new(),
        enabled: true,
        created_at: 0,
    }
}

#[test]
fn a_list_in_words() {
    assert!(listed(&[]).contains("portreeve device add"));
    let mut second = view("Fax", "fax");
    second.networks = vec!["10.1.7.20/32".into()];
    second.protocols = vec!["smtp".into()];
    second.enabled = false;
    let text = listed(&[view("Scanner 2nd floor", "scanner-2nd-floor"), second]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("DEVICE             USER NAME          MAILBOX"));
    assert!(
        lines[1].contains("generated  everywhere    all   enabled"),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].contains("generated  10.1.7.20/32  smtp  disabled"),
        "{}",
        lines[2]
    );
}

#[test]
fn a_device_without_a_mailbox_is_said_to_be_refused() {
    let mut device = view("Fax", "fax");
    device.mailboxes.clear();
    device.enabled = false;
    assert_eq!(
        about(&device),
        "Device:   Fax\nMailbox:  none: its logins are refused\nState:    disabled\n"
    );
}

#[test]
fn imported_devices_show_only_passwords_that_were_made() {
    let imported = [
        Imported {
            device: view("Fax", "fax"),
            password: None,
        },
        Imported {
            device: view("Door", "door"),
            password: Some(Password::from("abcd-efgh".to_owned())),
        },
    ];
    let text = new_devices(&imported);
    assert!(
        text.contains("Fax     fax        as given   scans@contoso.com"),
        "{text}"
    );
    assert!(text.contains("Door    door       abcd-efgh  scans@contoso.com"));
    assert!(text.contains("once only"));
}

#[test]
fn files_that_are_no_csv_are_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    assert!(
        read_csv(&file)
            .unwrap_err()
            .message
            .contains("cannot be read")
    );
    std::fs::write(&file, b"name\xff").unwrap();
    assert!(read_csv(&file).unwrap_err().message.contains("CSV UTF-8"));
    let large = "x".repeat(usize::try_from(MAX_CSV).unwrap() + 1);
    std::fs::write(&file, &large).unwrap();
    assert!(
        read_csv(&file)
            .unwrap_err()
            .message
            .contains("larger than 2 MB")
    );
    std::fs::write(&file, &large[1..]).unwrap();
    assert!(read_csv(&file).is_ok());
}
