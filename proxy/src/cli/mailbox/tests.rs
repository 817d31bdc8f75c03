//! What people read about mailboxes.

use super::*;
use crate::control::mailbox::{trial::TestedProtocol, view::State};

fn view(address: &str, words: &str, devices: &[&str]) -> MailboxView {
    MailboxView {
        address: address.into(),
        state: State {
            kind: "works".into(),
            words: words.into(),
            code: None,
            trace: None,
            since: None,
        },
        provider: "exchange-online".into(),
        tenant: None,
        client_id: None,
        signs_in_as: address.into(),
        signed_in_as: None,
        shares_sign_in_with: Vec::new(),
        sign_in: None,
        renewed_at: None,
        token_expires_at: None,
        devices: devices.iter().map(|device| (*device).to_owned()).collect(),
        created_at: 0,
    }
}

#[test]
fn a_list_in_words() {
    assert!(listed(&[]).contains("portreeve mailbox add"));
    let mailboxes = [
        view(
            "fax@contoso.com",
            "waiting for sign-in (code FXLMB3C4X)",
            &[],
        ),
        view("scans@contoso.com", "works", &["Scanner 2nd floor", "Fax"]),
    ];
    assert_eq!(
        listed(&mailboxes),
        "\
MAILBOX            STATE                                 TOKEN GOOD UNTIL  DEVICES
fax@contoso.com    waiting for sign-in (code FXLMB3C4X)  -                 none
scans@contoso.com  works                                 -                 Scanner 2nd floor, Fax
"
    );
}

#[test]
fn a_mailbox_in_full_names_only_what_is_known() {
    let text = shown(&view("scans@contoso.com", "works", &["Fax"]));
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        names,
        [
            "Mailbox",
            "State",
            "Provider",
            "Signs in as",
            "Devices",
            "Added"
        ]
    );
}

#[test]
fn removal_in_words() {
    let one = view("scans@contoso.com", "works", &["Fax"]);
    assert_eq!(
        consequences(&one),
        "The device Fax uses scans@contoso.com and will be refused there."
    );
    let removed = Removed {
        mailbox: one,
        sign_in_kept: false,
        devices_without_mailbox: vec!["Fax".into()],
    };
    let text = gone("scans@contoso.com", &removed);
    assert!(text.contains("its sign-in is forgotten") && text.contains("refused: Fax."));
}

#[test]
fn a_test_in_words() {
    let protocol = |protocol: &str, works, words: &str| TestedProtocol {
        protocol: protocol.into(),
        server: "outlook.office365.com:993".into(),
        works,
        words: words.into(),
        milliseconds: 812,
    };
    let tested = Tested {
        mailbox: "scans@contoso.com".into(),
        has_token: true,
        token: "A token for scans@contoso.com is at hand, good for 61 min.".into(),
        protocols: vec![
            protocol("imap", true, "logged in"),
            protocol("smtp", false, "535 5.7.139"),
        ],
    };
    assert!(!tested.works());
    assert_eq!(
        seen(&tested),
        "\
A token for scans@contoso.com is at hand, good for 61 min.

PROTOCOL  RESULT   SERVER                     TOOK    WHAT WAS SEEN
IMAP      works    outlook.office365.com:993  812 ms  logged in
SMTP      refused  outlook.office365.com:993  812 ms  535 5.7.139
"
    );
}
