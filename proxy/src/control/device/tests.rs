//! Devices on a real store, through the same functions as the command line.

use super::{
    super::tests::{asker, control, mailbox, trail},
    *,
};
use crate::control::{Fault, password::MAX_PASSWORD};

fn wanted(name: &str) -> Add {
    Add {
        name: name.into(),
        mailboxes: vec!["Scans@contoso.com".into()],
        login: None,
        secret: Secret::Generate,
        networks: Vec::new(),
        protocols: Vec::new(),
    }
}

fn keep(password: &str) -> Secret {
    Secret::Keep(Password::from(password.to_owned()))
}

#[tokio::test]
async fn a_scanner_gets_a_login_a_password_and_a_card() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    let added = add(&control, wanted("Scanner 2nd floor"), &asker)
        .await
        .unwrap();
    assert_eq!(added.device.login, "scanner-2nd-floor");
    assert_eq!(added.device.mailboxes, ["scans@contoso.com"]);
    assert!(added.generated && added.device.password == "generated");
    let password = added.card.password.unwrap();
    assert_eq!(
        password
            .expose()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .count(),
        20
    );
    assert!(
        added
            .card
            .remarks
            .iter()
            .any(|remark| remark.contains("run --lan"))
    );
    assert!(
        added
            .card
            .remarks
            .iter()
            .any(|remark| remark.contains("not running"))
    );
    assert_eq!(added.card.servers[0].host, "127.0.0.1");

    let twin = add(&control, wanted("Scanner, 2nd Floor"), &asker)
        .await
        .unwrap();
    assert_eq!(twin.device.login, "scanner-2nd-floor-2");

    let trail = trail(&control).await;
    assert_eq!(trail[1].0, "device.add");
    assert_eq!(trail[1].1, "scanner-2nd-floor");
    assert!(trail.iter().all(|line| !line.2.contains(password.expose())));

    let by_login = show(
        &control,
        Show {
            device: "SCANNER-2nd-floor".into(),
        },
        &asker,
    )
    .await
    .unwrap();
    assert_eq!(by_login.device, added.device);
    assert!(by_login.card.password.is_none());
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_says_what_was_meant() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    let with_login = |login: &str| Add {
        login: Some(login.into()),
        ..wanted("A")
    };
    add(&control, with_login("help@contoso.com"), &asker)
        .await
        .unwrap();
    for (wrong, words) in [
        (
            Add {
                mailboxes: vec!["scan@contoso.com".into()],
                ..wanted("B")
            },
            "did you mean scans@contoso.com?",
        ),
        (
            Add {
                mailboxes: vec![],
                ..wanted("B")
            },
            "at least one mailbox",
        ),
        (
            Add {
                networks: vec!["10.0.0".into()],
                ..wanted("B")
            },
            "not a network",
        ),
        (
            Add {
                protocols: vec!["http".into()],
                ..wanted("B")
            },
            "not a protocol",
        ),
        (
            Add {
                secret: keep(""),
                ..wanted("B")
            },
            "is empty",
        ),
        (
            Add {
                secret: keep("a\tb"),
                ..wanted("B")
            },
            "control character",
        ),
        (
            Add {
                secret: keep(&"x".repeat(MAX_PASSWORD + 1)),
                ..wanted("B")
            },
            "longer than 256",
        ),
        (
            Add {
                secret: Secret::None,
                ..wanted("B")
            },
            "needs --networks",
        ),
        (
            Add {
                secret: Secret::None,
                networks: vec!["0.0.0.0/0".into()],
                ..wanted("B")
            },
            "nearly everybody",
        ),
        (wanted(""), "cannot be a device's name"),
        (with_login("HELP@contoso.com"), "is taken"),
        (with_login("\u{7}"), "cannot be a user name"),
    ] {
        let failure = add(&control, wrong, &asker).await.unwrap_err();
        assert_eq!(failure.fault, Fault::Request);
        assert!(failure.message.contains(words), "{failure}");
    }
    assert_eq!(list(&control, List {}, &asker).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_device_known_by_its_network_has_no_login_on_its_card() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    let request = Add {
        secret: Secret::None,
        networks: vec!["192.0.2.20".into()],
        protocols: vec!["SMTP".into()],
        ..wanted("Franking machine")
    };
    let added = add(&control, request, &asker).await.unwrap();
    assert_eq!(added.device.networks, ["192.0.2.20/32"]);
    assert!(added.card.user.is_none() && added.card.password.is_none());
    assert!(
        added
            .card
            .servers
            .iter()
            .all(|server| server.protocol == "SMTP")
    );
}

#[tokio::test]
async fn a_file_is_taken_whole_or_not_at_all() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    let csv = |text: &str| Import {
        csv: Password::from(text.to_owned()),
    };
    let wrong = csv("name,login,password,mailbox,networks\n\
         Fax,fax,,scans@contoso.com,\n\
         Fax two,FAX,,scans@contoso.com,\n\
         Door,door,secret-of-the-door,nobody@contoso.com,\n\
         Gate,gate,,scans@contoso.com,10.0.0.0/99\n");
    let failure = import(&control, wrong, &asker).await.unwrap_err();
    let lines: Vec<&str> = failure.message.lines().map(str::trim).collect();
    assert_eq!(lines[0], "No device was added:");
    assert!(
        lines[1].starts_with("line 3: The user name FAX is taken"),
        "{}",
        lines[1]
    );
    assert!(lines[2].starts_with("line 4: There is no mailbox `nobody@contoso.com`"));
    assert!(lines[3].starts_with("line 5: `10.0.0.0/99` is not a network"));
    assert!(!failure.message.contains("secret-of-the-door"));
    assert!(list(&control, List {}, &asker).await.unwrap().is_empty());

    let right = csv(
        "name,login,password,mailbox\nFax,fax,old-password,scans@contoso.com\nDoor,,,scans@contoso.com\n",
    );
    let imported = import(&control, right, &asker).await.unwrap();
    assert_eq!(imported[0].device.password, "chosen");
    assert!(imported[0].password.is_none());
    assert_eq!(imported[1].device.login, "door");
    assert!(imported[1].password.is_some());
    assert!(
        trail(&control)
            .await
            .iter()
            .all(|line| !line.2.contains("old-password"))
    );
}

#[tokio::test]
async fn a_new_password_disabling_and_removal_are_written_down() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    let first = add(&control, wanted("Fax"), &asker).await.unwrap();
    let request = NewPassword {
        device: "fax".into(),
        secret: Secret::Generate,
    };
    let second = new_password(&control, request, &asker).await.unwrap();
    assert_ne!(
        first.card.password.unwrap().expose(),
        second.card.password.unwrap().expose()
    );
    let request = SetEnabled {
        device: "Fax".into(),
        enabled: false,
    };
    assert!(
        !set_enabled(&control, request, &asker)
            .await
            .unwrap()
            .enabled
    );
    assert!(!list(&control, List {}, &asker).await.unwrap()[0].enabled);
    remove(
        &control,
        Remove {
            device: "fax".into(),
        },
        &asker,
    )
    .await
    .unwrap();
    let failure = remove(
        &control,
        Remove {
            device: "fax".into(),
        },
        &asker,
    )
    .await
    .unwrap_err();
    assert!(failure.message.contains("There is no device `fax`"));
    let actions: Vec<String> = trail(&control)
        .await
        .into_iter()
        .map(|line| line.0)
        .collect();
    assert_eq!(
        actions,
        [
            "device.remove",
            "device.disable",
            "device.new-password",
            "device.add"
        ]
    );
}

#[tokio::test]
async fn a_name_that_two_devices_have_names_neither() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    add(&control, wanted("Fax"), &asker).await.unwrap();
    add(
        &control,
        Add {
            login: Some("reception".into()),
            ..wanted("Fax")
        },
        &asker,
    )
    .await
    .unwrap();
    let by_login = show(
        &control,
        Show {
            device: "fax".into(),
        },
        &asker,
    )
    .await
    .unwrap();
    assert_eq!(by_login.device.login, "fax");
    add(
        &control,
        Add {
            login: Some("a".into()),
            ..wanted("Lobby")
        },
        &asker,
    )
    .await
    .unwrap();
    add(
        &control,
        Add {
            login: Some("b".into()),
            ..wanted("lobby")
        },
        &asker,
    )
    .await
    .unwrap();
    let failure = show(
        &control,
        Show {
            device: "Lobby".into(),
        },
        &asker,
    )
    .await
    .unwrap_err();
    assert!(
        failure.message.contains("2 devices") && failure.message.contains("a, b"),
        "{failure}"
    );
}
