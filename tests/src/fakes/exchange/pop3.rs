//! POP3 as Exchange Online speaks it: AUTH XOAUTH2 in two steps only.

use super::{
    Protocol, Reaction, Stage,
    login::Verdict,
    store::Mailbox,
    wire::{End, Wire, end},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::HashSet, sync::Arc};

const GREETING: &str = "+OK The Microsoft Exchange POP3 service is ready. \
     [RgBBAEsARQAwADAAMAAxAC4AZgBhAGsAZQAuAGUAeABhAG0AcABsAGUA]";
const FAILED: &str = "-ERR Authentication failure: unknown user name or bad password.";
const PROTOCOL_ERROR: &str = "-ERR Protocol error. Connection is closed. 10";

/// Longest line with a token that the service takes since July 2025.
const TOKEN_LINE_LIMIT: usize = 4096;

pub(super) async fn session(wire: &mut Wire) -> Result<(), End> {
    if !wire.meet(Stage::Greeting, "").await? {
        wire.say(GREETING);
    }
    let mut line = Vec::new();
    loop {
        wire.line(&mut line).await?;
        let (verb, rest) = split(&line);
        match verb.as_str() {
            "CAPA" => {
                if !wire.meet(Stage::Hello, "").await? {
                    capabilities(wire);
                }
            }
            "AUTH" if rest.is_empty() => wire.say("+OK\r\nPLAIN\r\nXOAUTH2\r\n."),
            "AUTH" if rest.eq_ignore_ascii_case("XOAUTH2") => {
                wire.say("+ ");
                wire.line(&mut line).await?;
                if let Some(mailbox) = login(wire, &mut line).await? {
                    return transactions(wire, &mailbox).await;
                }
            }
            "USER" => wire.say("+OK"),
            "PASS" => {
                wire.site.counts.logged_in(Protocol::Pop3, false);
                wire.say("-ERR Logon failure: unknown user name or bad password.");
            }
            "QUIT" => {
                wire.say("+OK Microsoft Exchange Server POP3 server signing off.");
                return Ok(());
            }
            // AUTH with everything on one line among them.
            _ => {
                wire.say(PROTOCOL_ERROR);
                return Ok(());
            }
        }
    }
}

async fn login(wire: &mut Wire, line: &mut Vec<u8>) -> Result<Option<Arc<Mailbox>>, End> {
    let site = wire.site.clone();
    if line.len() > TOKEN_LINE_LIMIT {
        site.counts.logged_in(Protocol::Pop3, false);
        wire.say(PROTOCOL_ERROR);
        wire.flush().await?;
        return Err(end());
    }
    let mut replaced = false;
    match site.script.take(Protocol::Pop3, Stage::Login) {
        None => {}
        Some(Reaction::Refuse) => line.clear(),
        Some(Reaction::Challenge(json)) => {
            wire.say(&format!("+ {}", STANDARD.encode(json)));
            wire.line(line).await?;
            line.clear();
        }
        Some(reaction) => replaced = wire.react(reaction, "").await?,
    }
    if replaced {
        site.counts.logged_in(Protocol::Pop3, false);
        return Ok(None);
    }
    let verdict = site.judge(Protocol::Pop3, line);
    site.counts
        .logged_in(Protocol::Pop3, matches!(verdict, Verdict::Open(_)));
    match verdict {
        Verdict::Open(mailbox) => {
            wire.say("+OK User successfully authenticated.");
            Ok(Some(mailbox))
        }
        Verdict::NotConnected | Verdict::Refused => {
            wire.say(FAILED);
            Ok(None)
        }
    }
}

fn capabilities(wire: &mut Wire) {
    wire.say("+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.");
}

async fn transactions(wire: &mut Wire, mailbox: &Mailbox) -> Result<(), End> {
    let messages = mailbox.messages("INBOX");
    let mut deleted = HashSet::new();
    let mut line = Vec::new();
    let mut first = true;
    loop {
        wire.line(&mut line).await?;
        if std::mem::take(&mut first) && wire.meet(Stage::Command, "").await? {
            continue;
        }
        let (verb, rest) = split(&line);
        let mut words = rest.split_ascii_whitespace();
        let chosen = words.next().map(|word| {
            let number: usize = word.parse().unwrap_or(0);
            messages
                .get(number.wrapping_sub(1))
                .filter(|message| !deleted.contains(&message.uid))
                .map(|message| (number, message))
        });
        let left = || {
            messages
                .iter()
                .filter(|message| !deleted.contains(&message.uid))
        };
        match (verb.as_str(), chosen) {
            ("NOOP", _) => wire.say("+OK"),
            ("CAPA", _) => capabilities(wire),
            ("STAT", _) => {
                let size: usize = left().map(|message| message.bytes.len()).sum();
                wire.say(&format!("+OK {} {size}", left().count()));
            }
            ("LIST" | "UIDL" | "RETR" | "TOP" | "DELE", Some(None)) => {
                wire.say("-ERR The specified message is out of range.");
            }
            ("LIST", Some(Some((number, message)))) => {
                wire.say(&format!("+OK {number} {}", message.bytes.len()));
            }
            ("UIDL", Some(Some((number, message)))) => {
                wire.say(&format!("+OK {number} {}", message.uid));
            }
            ("LIST" | "UIDL", None) => {
                wire.say("+OK");
                for (place, message) in messages.iter().enumerate() {
                    if deleted.contains(&message.uid) {
                        continue;
                    }
                    let number = match verb.as_str() {
                        "LIST" => message.bytes.len(),
                        _ => message.uid as usize,
                    };
                    wire.say(&format!("{} {number}", place + 1));
                }
                wire.say(".");
            }
            ("RETR", Some(Some((_, message)))) => {
                wire.say("+OK");
                stuffed(wire, &message.bytes, usize::MAX);
            }
            ("TOP", Some(Some((_, message)))) => {
                let lines = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                wire.say("+OK");
                stuffed(wire, &message.bytes, lines);
            }
            ("DELE", Some(Some((_, message)))) => {
                deleted.insert(message.uid);
                wire.say("+OK");
            }
            ("RSET", _) => {
                deleted.clear();
                wire.say("+OK");
            }
            ("QUIT", _) => {
                mailbox.with("INBOX", |folder| {
                    folder
                        .messages
                        .retain(|message| !deleted.contains(&message.uid));
                });
                mailbox.touch();
                wire.say("+OK Microsoft Exchange Server POP3 server signing off.");
                return Ok(());
            }
            _ => wire.say("-ERR Protocol error. 14"),
        }
    }
}

/// Writes a message with dots stuffed: its header and so many lines of its body.
fn stuffed(wire: &mut Wire, message: &[u8], body_lines: usize) {
    let mut left: Option<usize> = None;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        match &mut left {
            Some(0) => break,
            Some(left) => *left -= 1,
            None if line == b"\r\n" => left = Some(body_lines),
            None => {}
        }
        if line.starts_with(b".") {
            wire.put(b".");
        }
        wire.put(line);
    }
    if !message.ends_with(b"\r\n") {
        wire.put(b"\r\n");
    }
    wire.say(".");
}

fn split(line: &[u8]) -> (String, String) {
    let line = String::from_utf8_lossy(line);
    let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
    (verb.to_ascii_uppercase(), rest.trim().to_owned())
}
