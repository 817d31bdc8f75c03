//! SMTP submission as Exchange Online speaks it: STARTTLS, AUTH XOAUTH2, then messages.

mod body;
mod submission;
mod transaction;

pub use submission::Submission;
pub(super) use submission::Submissions;

use super::{
    Protocol, Reaction, Stage,
    login::Verdict,
    store::{Mailbox, SmtpSession},
    wire::{End, Wire, end},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use std::sync::atomic::Ordering;
use transaction::Transaction;

/// The name that the fake gives itself.
const HOST: &str = "FAKE0001.eurprd01.prod.outlook.com";

/// The largest message that the service takes.
const SIZE_LIMIT: u64 = 157_286_400;

/// RFC 5321 section 4.5.3.1.4: longest command line, its end included. A token does not fit there.
const COMMAND_LIMIT: usize = 512;

/// RFC 4954 section 4: longest line with a response that both sides should take.
const RESPONSE_LIMIT: usize = 12_288;

const REFUSED: &str = "535 5.7.3 Authentication unsuccessful [FAKE0001.eurprd01.prod.outlook.com]";
const TOO_MANY: &str = "432 4.3.2 Concurrent connections limit exceeded. Visit \
     https://aka.ms/concurrent_sending for more information. \
     [Hostname=FAKE0001.eurprd01.prod.outlook.com]";
const BAD_COMMAND: &str = "500 5.3.3 Unrecognized command";

pub(super) async fn session(wire: &mut Wire) -> Result<(), End> {
    if !wire.meet(Stage::Greeting, "").await? {
        let now = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
        wire.say(&format!(
            "220 {HOST} Microsoft ESMTP MAIL Service ready at {now} [08DE2A6028D26C22]"
        ));
    }
    let mut line = Vec::new();
    let mut greeted = false;
    let mut login: Option<SmtpSession> = None;
    let mut transaction = Transaction::default();
    loop {
        wire.line(&mut line).await?;
        if line.len() + 2 > COMMAND_LIMIT {
            wire.say("500 5.5.2 Line too long");
            continue;
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" if rest.trim().is_empty() => wire.say("501 5.5.4 Invalid domain name"),
            "EHLO" => {
                greeted = true;
                transaction = Transaction::default();
                if !wire.meet(Stage::Hello, "").await? {
                    abilities(wire);
                }
            }
            "HELO" => {
                greeted = true;
                transaction = Transaction::default();
                wire.say(&format!("250 {HOST} Hello [127.0.0.1]"));
            }
            "STARTTLS" if wire.is_tls() || !wire.site.settings().starttls => wire.say(BAD_COMMAND),
            "STARTTLS" => {
                if !wire.meet(Stage::StartTls, "").await? {
                    wire.say("220 2.0.0 SMTP server ready");
                    wire.start_tls().await?;
                    greeted = false;
                }
            }
            "AUTH" if !greeted => wire.say("503 5.5.2 Send hello first"),
            "AUTH" if login.is_some() => wire.say("503 5.5.1 Already authenticated"),
            "AUTH" => login = auth(wire, rest, &mut line).await?,
            "NOOP" => wire.say("250 2.0.0 OK"),
            "RSET" => {
                transaction = Transaction::default();
                wire.say("250 2.0.0 Resetting");
            }
            "QUIT" => {
                wire.say("221 2.0.0 Service closing transmission channel");
                return Ok(());
            }
            "MAIL" | "RCPT" | "DATA" | "BDAT" if login.is_none() => {
                wire.say("530 5.7.57 Client not authenticated to send mail. [FAKE0001]");
            }
            command => {
                let Some(login) = &login else {
                    wire.say(BAD_COMMAND);
                    continue;
                };
                transaction.command(wire, &login.0, command, rest).await?;
            }
        }
    }
}

fn abilities(wire: &mut Wire) {
    let settings = wire.site.settings().clone();
    wire.say(&format!("250-{HOST} Hello [127.0.0.1]"));
    wire.say(&format!("250-SIZE {SIZE_LIMIT}"));
    wire.say("250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES");
    if wire.is_tls() {
        wire.say(&format!("250-AUTH {}", settings.mechanisms));
    } else if settings.starttls {
        wire.say("250-STARTTLS");
    }
    wire.say("250-8BITMIME\r\n250-BINARYMIME");
    if settings.smtp_utf8 {
        wire.say("250-CHUNKING\r\n250 SMTPUTF8");
    } else {
        wire.say("250 CHUNKING");
    }
}

async fn auth(wire: &mut Wire, rest: &str, line: &mut Vec<u8>) -> Result<Option<SmtpSession>, End> {
    let site = wire.site.clone();
    let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
    let mechanism = mechanism.to_ascii_uppercase();
    let offered = site.settings().mechanisms;
    let known = offered.split(' ').any(|name| name == mechanism);
    if !known || !["XOAUTH2", "OAUTHBEARER"].contains(&mechanism.as_str()) {
        site.counts.logged_in(Protocol::Smtp, false);
        wire.say(match mechanism.as_str() {
            "LOGIN" => {
                "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [FAKE0001]"
            }
            _ => "504 5.7.4 Unrecognized authentication type [FAKE0001]",
        });
        return Ok(None);
    }
    if initial.is_empty() {
        // Before TLS the trap is kept open: a client that walks into it is counted.
        wire.say("334 ");
        wire.line(line).await?;
    } else {
        line.clear();
        line.extend_from_slice(initial.as_bytes());
    }
    if !wire.is_tls() {
        site.counts.token_in_the_clear(Protocol::Smtp);
        wire.say("530 5.7.0 Must issue a STARTTLS command first");
        return Ok(None);
    }
    if line.len() > RESPONSE_LIMIT {
        line.clear();
    }
    let mut replaced = false;
    match site.script.take(Protocol::Smtp, Stage::Login) {
        None => {}
        Some(Reaction::Refuse) => line.clear(),
        Some(Reaction::Challenge(json)) => {
            wire.say(&format!("334 {}", STANDARD.encode(json)));
            wire.line(line).await?;
            let right = if mechanism == "XOAUTH2" { "" } else { "AQ==" };
            if line != right.as_bytes() {
                wire.say("501 5.5.4 Invalid response to a challenge");
                return Err(end());
            }
            line.clear();
        }
        Some(reaction) => replaced = wire.react(reaction, "").await?,
    }
    if replaced {
        site.counts.logged_in(Protocol::Smtp, false);
        return Ok(None);
    }
    let Verdict::Open(mailbox) = site.judge(Protocol::Smtp, line) else {
        site.counts.logged_in(Protocol::Smtp, false);
        wire.say(REFUSED);
        return Ok(None);
    };
    let session = mailbox.enter_smtp();
    if wire.is_over_limit(&session.0, Stage::Login) {
        site.counts.logged_in(Protocol::Smtp, false);
        wire.say(TOO_MANY);
        return Ok(None);
    }
    site.counts.logged_in(Protocol::Smtp, true);
    wire.say("235 2.7.0 Authentication successful");
    Ok(Some(session))
}

impl Wire {
    fn is_over_limit(&self, mailbox: &Mailbox, stage: Stage) -> bool {
        let limit = self.site.settings().connection_limit;
        let open = mailbox.smtp_sessions.load(Ordering::SeqCst);
        limit.is_some_and(|(limit, noticed_at)| noticed_at == stage && open > limit)
    }
}
