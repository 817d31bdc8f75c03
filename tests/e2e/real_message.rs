//! Messages that are easy to damage, and what may differ when they arrive.

use std::fmt::Write as _;

/// A message with everything that a line protocol can break, in CRLF form.
pub(crate) fn difficult() -> Vec<u8> {
    let mut text = String::from(
        "From: Scanner <scans@contoso.com>\n\
         To: scans@contoso.com\n\
         Subject: =?utf-8?q?Pr=C3=BCfbericht?= with dots, spaces and a long line\n\
         Date: Sun, 22 Nov 2026 20:15:00 +0000\n\
         Message-ID: <difficult.1@scanner.contoso.com>\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\
         X-Folded: one\n\
         \ttwo\n\
         \n",
    );
    text.push_str(&body());
    text.replace('\n', "\r\n").into_bytes()
}

/// A body that no mail program encodes for its journey, with LF.
pub(crate) fn plain_body() -> String {
    let mut text =
        String::from("ünïcödé, 漢字, and a quote: \"\n\n.a line that begins with a dot\n");
    for number in 0..3000 {
        let _ = writeln!(text, "{number:06} 0123456789 abcdefghijklmnopqrstuvwxyz .");
    }
    text
}

fn body() -> String {
    let mut text = String::from(
        ".\n\
         ..\n\
         .a line that begins with a dot\n\
         \n\
         spaces at the end   \n\
         a tab at the end\t\n\
         From the beginning of a line\n\
         ünïcödé, 漢字, and a quote: \"\n\
         * 1 FETCH (BODY[] {5}\n\
         a1 OK not a tag\n\
         +OK nor this\n\
         {12}\n",
    );
    // One line as long as RFC 5322 allows, and enough lines for several packets.
    text.push_str(&"x".repeat(990));
    text.push('\n');
    for number in 0..3000 {
        let _ = writeln!(text, "{number:06} 0123456789 abcdefghijklmnopqrstuvwxyz .");
    }
    text.push_str("\n.\n\nthe last line\n");
    text
}

/// Fails unless `arrived` (as on Dovecot's disk, with LF) is `sent` with nothing but trace lines that
/// Postfix and LMTP put at the top (RFC 5321, section 4.4).
pub(crate) fn assert_arrived(arrived: &[u8], sent: &[u8]) {
    let sent = lf(sent);
    assert!(
        arrived.ends_with(&sent),
        "the bytes differ; sent {} octets, arrived {}:\n{}",
        sent.len(),
        arrived.len(),
        difference(arrived, &sent)
    );
    let added = String::from_utf8_lossy(&arrived[..arrived.len() - sent.len()]).into_owned();
    for line in added.lines() {
        let known = ["Return-Path:", "Delivered-To:", "Received:", "\t", " "];
        assert!(
            known.iter().any(|start| line.starts_with(start)),
            "a line was added that is no trace line: {line}"
        );
    }
}

/// Fails unless the bodies are the same; for programs that write their own header.
pub(crate) fn assert_body(arrived: &[u8], body: &[u8]) {
    let text = lf(arrived);
    let start = text.windows(2).position(|pair| pair == b"\n\n");
    let found = &text[start.expect("a header") + 2..];
    let body = lf(body);
    assert!(
        found == body,
        "the bodies differ:\n{}",
        difference(found, &body)
    );
}

/// The same with LF as line end.
pub(crate) fn lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\r' || rest.peek() != Some(&b'\n') {
            out.push(byte);
        }
    }
    out
}

/// The first line, counted from the end, that is not the same.
fn difference(found: &[u8], wanted: &[u8]) -> String {
    let [found, wanted] = [found, wanted].map(String::from_utf8_lossy);
    let pairs = found.lines().rev().zip(wanted.lines().rev());
    match pairs.enumerate().find(|(_, (a, b))| a != b) {
        Some((number, (a, b))) => format!("line {number} from the end: {a:?} and not {b:?}"),
        None => "one is the end of the other".to_owned(),
    }
}
