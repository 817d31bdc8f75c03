//! What the tests of this program share.

use portreeve_tests::harness::{Client, Device, World, secrets::BODY_MARKER};
use std::time::{Duration, Instant};

/// The mailbox of most tests.
pub(crate) const MAILBOX: &str = "scans@contoso.com";

/// Somebody else with a mailbox.
pub(crate) const FRIEND: &str = "friend@contoso.com";

/// A complete message with this subject; its body must never turn up in a log.
pub(crate) fn message(subject: &str) -> String {
    format!(
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
         From: Scanner <{MAILBOX}>\r\n\
         To: <{FRIEND}>\r\n\
         Message-ID: <{subject}@scanner.contoso.lan>\r\n\
         Subject: {subject}\r\n\
         \r\n\
         {BODY_MARKER}\r\n\
         .a line that begins with a dot\r\n\
         ..and one with two\r\n"
    )
}

/// A message as it goes over the wire after DATA: dots stuffed, and the end.
pub(crate) fn stuffed(message: &str) -> String {
    let mut wire = String::new();
    for line in message.split_inclusive('\n') {
        if line.starts_with('.') {
            wire.push('.');
        }
        wire.push_str(line);
    }
    wire.push_str(".\r\n");
    wire
}

/// Sends a message from the mailbox to the friend in a session that is logged in.
pub(crate) fn send(smtp: &mut Client, message: &str) {
    open_data(smtp);
    smtp.send(&stuffed(message)).expect("250");
}

/// MAIL, RCPT and DATA.
pub(crate) fn open_data(smtp: &mut Client) {
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    smtp.line(&format!("RCPT TO:<{FRIEND}>")).expect("250");
    smtp.line("DATA").expect("354");
}

/// Tries to log in by IMAP; the tagged answer.
pub(crate) fn imap_answer(world: &World, device: &Device) -> String {
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
    let answer = imap.expect_until("a ").last();
    answer.lines().last().unwrap_or_default().to_owned()
}

/// Waits until something is true that no event tells about.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_true() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
