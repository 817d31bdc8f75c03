//! IMAP as Exchange Online speaks it: AUTHENTICATE XOAUTH2, then a small but real mailbox.

mod fetch;
mod folders;
mod parse;
mod search;
mod session;
mod view;

use super::{
    Protocol, Reaction, Stage,
    login::Verdict,
    store::Mailbox,
    wire::{End, Wire, end},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::sync::Arc;

const GREETING: &str = "* OK The Microsoft Exchange IMAP4 service is ready. \
     [RgBBAEsARQAwADAAMAAxAC4AZgBhAGsAZQAuAGUAeABhAG0AcABsAGUA]";
const BEFORE_LOGIN: &str = "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID \
     UNSELECT CHILDREN IDLE NAMESPACE LITERAL+";
const BEFORE_TLS: &str = "IMAP4 IMAP4rev1 LOGINDISABLED STARTTLS ID UNSELECT CHILDREN IDLE \
     NAMESPACE LITERAL+";
const AFTER_LOGIN: &str = "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID \
     UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE \
     NAMESPACE LITERAL+";

const IDENTITY: &str =
    "* ID (\"name\" \"Microsoft.Exchange.Imap4.Imap4Server\" \"version\" \"15.20\")";

/// Longest command line of the server product.
const LINE_LIMIT: usize = 10_240;

pub(super) async fn session(wire: &mut Wire) -> Result<(), End> {
    if !wire.meet(Stage::Greeting, "").await? {
        wire.say(GREETING);
    }
    loop {
        let Some(command) = parse::command(wire).await? else {
            continue;
        };
        let tag = command.tag.as_str();
        match command.name.as_str() {
            "CAPABILITY" => {
                if !wire.meet(Stage::Hello, tag).await? {
                    let offers_tls = wire.site.settings().starttls;
                    let list = match (wire.is_tls(), offers_tls) {
                        (true, _) => BEFORE_LOGIN.to_owned(),
                        (false, true) => BEFORE_TLS.to_owned(),
                        (false, false) => BEFORE_TLS.replace(" STARTTLS", ""),
                    };
                    wire.say(&format!("* CAPABILITY {list}"));
                    wire.say(&format!("{tag} OK CAPABILITY completed."));
                }
            }
            "NOOP" => wire.say(&format!("{tag} OK NOOP completed.")),
            "ID" => {
                wire.say(IDENTITY);
                wire.say(&format!("{tag} OK ID completed"));
            }
            "STARTTLS" if !wire.is_tls() && wire.site.settings().starttls => {
                if !wire.meet(Stage::StartTls, tag).await? {
                    wire.say(&format!("{tag} OK Begin TLS negotiation now."));
                    wire.start_tls().await?;
                }
            }
            "LOGOUT" => {
                log_out(wire, tag);
                return Ok(());
            }
            "LOGIN" => {
                wire.site.counts.logged_in(Protocol::Imap, false);
                wire.say(&format!("{tag} NO LOGIN failed."));
            }
            "AUTHENTICATE" => match authenticate(wire, &command).await? {
                Login::Open(mailbox) => return session::run(wire, mailbox).await,
                Login::NotConnected => return not_connected(wire).await,
                Login::Refused => {}
            },
            _ => wire.say(&format!("{tag} BAD Command received in Invalid state.")),
        }
    }
}

enum Login {
    Open(Arc<Mailbox>),
    NotConnected,
    Refused,
}

async fn authenticate(wire: &mut Wire, command: &parse::Command) -> Result<Login, End> {
    let site = wire.site.clone();
    let tag = command.tag.as_str();
    let mechanism = command.word(0).unwrap_or_default().to_ascii_uppercase();
    if mechanism != "XOAUTH2" {
        site.counts.logged_in(Protocol::Imap, false);
        wire.say(&format!("{tag} NO AUTHENTICATE failed."));
        return Ok(Login::Refused);
    }
    let mut line = Vec::new();
    if let Some(initial) = command.word(1) {
        line.extend_from_slice(initial.as_bytes());
    } else {
        wire.say("+ ");
        wire.line(&mut line).await?;
    }
    if !wire.is_tls() {
        site.counts.token_in_the_clear(Protocol::Imap);
        line.clear();
    }
    let mut replaced = false;
    match site.script.take(Protocol::Imap, Stage::Login) {
        None => {}
        Some(Reaction::Refuse) => line.clear(),
        Some(Reaction::Challenge(json)) => {
            wire.say(&format!("+ {}", STANDARD.encode(json)));
            wire.line(&mut line).await?;
            if !line.is_empty() {
                wire.say(&format!("{tag} BAD Command Argument Error. 12"));
                return Err(end());
            }
        }
        Some(reaction) => replaced = wire.react(reaction, tag).await?,
    }
    if replaced {
        site.counts.logged_in(Protocol::Imap, false);
        return Ok(Login::Refused);
    }
    let verdict = site.judge(Protocol::Imap, &line);
    let success = !matches!(verdict, Verdict::Refused);
    site.counts.logged_in(Protocol::Imap, success);
    if success {
        wire.put(tag.as_bytes());
        wire.say(" OK AUTHENTICATE completed.");
    } else {
        wire.say(&format!("{tag} NO AUTHENTICATE failed."));
    }
    Ok(match verdict {
        Verdict::Open(mailbox) => Login::Open(mailbox),
        Verdict::NotConnected => Login::NotConnected,
        Verdict::Refused => Login::Refused,
    })
}

/// The token is good, the mailbox is not: the first command that needs one fails.
async fn not_connected(wire: &mut Wire) -> Result<(), End> {
    loop {
        let Some(command) = parse::command(wire).await? else {
            continue;
        };
        let tag = command.tag.as_str();
        match command.name.as_str() {
            "CAPABILITY" => {
                wire.say(&format!("* CAPABILITY {AFTER_LOGIN}"));
                wire.say(&format!("{tag} OK CAPABILITY completed."));
            }
            "LOGOUT" => {
                log_out(wire, tag);
                return Ok(());
            }
            _ => {
                wire.say(&format!(
                    "{tag} BAD User is authenticated but not connected."
                ));
                wire.say("* BYE Connection closed. 14");
                return Ok(());
            }
        }
    }
}

fn log_out(wire: &mut Wire, tag: &str) {
    wire.say("* BYE Microsoft Exchange Server IMAP4 server signing off.");
    wire.put(tag.as_bytes());
    wire.say(" OK LOGOUT completed.");
}
