//! A session after login: one command after the other, on one mailbox.

use super::{
    super::{
        Stage,
        store::Mailbox,
        wire::{End, Wire},
    },
    AFTER_LOGIN, IDENTITY, fetch, folders, log_out,
    parse::{self, Command, Value},
    search,
    view::{View, uids},
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::watch;

const BAD_ARGUMENT: &str = "BAD Command Argument Error. 11";

pub(super) async fn run(wire: &mut Wire, mailbox: Arc<Mailbox>) -> Result<(), End> {
    let mut kick = wire.site.kick.subscribe();
    let mut selected: Option<View> = None;
    let mut first = true;
    let mut line = Vec::new();
    loop {
        tokio::select! {
            biased;
            read = wire.line(&mut line) => read?,
            words = kicked(&mut kick, &mailbox.address) => {
                wire.say(&words);
                return Ok(());
            }
        }
        let Some(command) = parse::complete(wire, std::mem::take(&mut line)).await? else {
            continue;
        };
        let tag = command.tag.as_str();
        if std::mem::take(&mut first) && wire.meet(Stage::Command, tag).await? {
            continue;
        }
        match command.name.as_str() {
            "LOGOUT" => {
                log_out(wire, tag);
                return Ok(());
            }
            "IDLE" => {
                if let Some(words) = idle(wire, &mailbox, &mut selected, &mut kick, tag).await? {
                    wire.say(&words);
                    return Ok(());
                }
            }
            _ => {
                let answer = answer(wire, &mailbox, &mut selected, &command).await?;
                wire.put(tag.as_bytes());
                wire.say(&format!(" {answer}"));
            }
        }
    }
}

/// Does what a command says; gives the tagged answer.
async fn answer(
    wire: &mut Wire,
    mailbox: &Mailbox,
    selected: &mut Option<View>,
    command: &Command,
) -> Result<String, End> {
    let name = command.name.as_str();
    let done = Ok(format!("OK {name} completed."));
    let bad = Ok(BAD_ARGUMENT.to_owned());
    match name {
        "CAPABILITY" => wire.say(&format!("* CAPABILITY {AFTER_LOGIN}")),
        "ID" => wire.say(IDENTITY),
        "NAMESPACE" => wire.say("* NAMESPACE ((\"\" \"/\")) NIL NIL"),
        "NOOP" | "CHECK" => {
            if let Some(view) = selected {
                view.tell_changes(wire, mailbox);
            }
        }
        "SELECT" | "EXAMINE" => return Ok(select(wire, mailbox, selected, command)),
        "CLOSE" | "UNSELECT" => {
            if let Some(view) = selected.take()
                && name == "CLOSE"
                && !view.read_only
            {
                expunge(mailbox, &view, |_| true);
            }
        }
        "LIST" | "LSUB" | "STATUS" | "CREATE" | "DELETE" | "RENAME" | "SUBSCRIBE"
        | "UNSUBSCRIBE" => return Ok(folders::answer(wire, mailbox, command)),
        "APPEND" => return Ok(append(wire, mailbox, selected, command)),
        "COMPRESS" | "STARTTLS" | "LOGIN" | "AUTHENTICATE" => {
            return Ok("BAD Command received in Invalid state.".to_owned());
        }
        "FETCH" | "UID FETCH" | "STORE" | "UID STORE" | "SEARCH" | "UID SEARCH" | "COPY"
        | "UID COPY" | "MOVE" | "UID MOVE" | "EXPUNGE" | "UID EXPUNGE" => {
            let Some(view) = selected else {
                return Ok("BAD Command received in Invalid state.".to_owned());
            };
            let (by_uid, verb) = match name.strip_prefix("UID ") {
                Some(verb) => (true, verb),
                None => (false, name),
            };
            match verb {
                "SEARCH" => return Ok(search::answer(wire, mailbox, view, command, by_uid)),
                "EXPUNGE" => {
                    let set = command.word(0).unwrap_or("1:*");
                    let Some(places) = view.places(set, by_uid) else {
                        return bad;
                    };
                    let named: BTreeSet<_> = places.iter().map(|place| view.uids[*place]).collect();
                    expunge(mailbox, view, |uid| named.contains(&uid));
                    view.tell_changes(wire, mailbox);
                    return done;
                }
                _ => {}
            }
            let Some(places) = command.word(0).and_then(|set| view.places(set, by_uid)) else {
                return bad;
            };
            return match verb {
                "FETCH" => fetch::answer(wire, mailbox, view, &places, command, by_uid).await,
                "STORE" => Ok(store(wire, mailbox, view, &places, command, by_uid)),
                _ => Ok(copy(wire, mailbox, view, &places, command, verb == "MOVE")),
            };
        }
        _ => return Ok("BAD Command Error. 12".to_owned()),
    }
    done
}

fn select(
    wire: &mut Wire,
    mailbox: &Mailbox,
    selected: &mut Option<View>,
    command: &Command,
) -> String {
    *selected = None;
    let Some(name) = command.word(0) else {
        return BAD_ARGUMENT.to_owned();
    };
    let Some((validity, next)) = mailbox.with(name, |folder| (folder.validity, folder.next)) else {
        return format!("NO {name} doesn't exist.");
    };
    let uids = uids(mailbox, name);
    wire.say(&format!("* {} EXISTS", uids.len()));
    wire.say("* 0 RECENT");
    wire.say("* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)");
    wire.say(
        "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)] Permanent flags",
    );
    wire.say(&format!("* OK [UIDVALIDITY {validity}] UIDVALIDITY value"));
    wire.say(&format!(
        "* OK [UIDNEXT {next}] The next unique identifier value"
    ));
    let read_only = command.name == "EXAMINE";
    *selected = Some(View {
        folder: name.to_owned(),
        read_only,
        uids,
    });
    let mode = if read_only { "READ-ONLY" } else { "READ-WRITE" };
    format!("OK [{mode}] {} completed.", command.name)
}

/// Waits for DONE and tells what arrives. The words, if the session is to end.
async fn idle(
    wire: &mut Wire,
    mailbox: &Mailbox,
    selected: &mut Option<View>,
    kick: &mut watch::Receiver<super::super::Kick>,
    tag: &str,
) -> Result<Option<String>, End> {
    let mut changes = mailbox.watch();
    let mut line = Vec::new();
    wire.say("+ IDLE accepted, awaiting DONE command.");
    loop {
        if let Some(view) = selected {
            view.tell_changes(wire, mailbox);
        }
        tokio::select! {
            biased;
            read = wire.line(&mut line) => {
                read?;
                let answer = if line.eq_ignore_ascii_case(b"DONE") {
                    "OK IDLE completed."
                } else {
                    "BAD Command Error. 12"
                };
                wire.say(&format!("{tag} {answer}"));
                return Ok(None);
            }
            words = kicked(kick, &mailbox.address) => return Ok(Some(words)),
            _ = changes.changed() => {}
        }
    }
}

/// Waits until the sessions of this mailbox are told to end; gives the words for it.
async fn kicked(kick: &mut watch::Receiver<super::super::Kick>, address: &str) -> String {
    while kick.changed().await.is_ok() {
        let kick = kick.borrow_and_update();
        let mailbox = kick.mailbox.as_deref();
        if mailbox.is_none_or(|mailbox| mailbox.eq_ignore_ascii_case(address)) {
            return kick.words.clone();
        }
    }
    std::future::pending().await
}

fn append(
    wire: &mut Wire,
    mailbox: &Mailbox,
    selected: &mut Option<View>,
    command: &Command,
) -> String {
    let flags = match command.arguments.get(1) {
        Some(list @ Value::List(_)) => flags(list),
        _ => BTreeSet::new(),
    };
    let (Some(name), Some(Value::Text(bytes))) = (command.word(0), command.arguments.last()) else {
        return BAD_ARGUMENT.to_owned();
    };
    match mailbox.put(name, &Arc::from(bytes.as_slice()), flags) {
        None => format!("NO [TRYCREATE] {name} doesn't exist."),
        Some((uid, validity)) => {
            if let Some(view) = selected {
                view.tell_changes(wire, mailbox);
            }
            format!("OK [APPENDUID {validity} {uid}] APPEND completed.")
        }
    }
}

fn store(
    wire: &mut Wire,
    mailbox: &Mailbox,
    view: &View,
    places: &[usize],
    command: &Command,
    by_uid: bool,
) -> String {
    let (Some(item), Some(list)) = (command.word(1), command.arguments.get(2)) else {
        return BAD_ARGUMENT.to_owned();
    };
    let item = item.to_ascii_uppercase();
    let given = flags(list);
    for place in places {
        let uid = view.uids[*place];
        let now = mailbox.with(&view.folder, |folder| {
            let message = folder.by_uid(uid)?;
            match item.as_bytes().first() {
                Some(b'+') => message.flags.extend(given.iter().cloned()),
                Some(b'-') => message.flags.retain(|flag| !given.contains(flag)),
                _ => message.flags.clone_from(&given),
            }
            Some(message.flags.clone())
        });
        if let Some(Some(now)) = now
            && !item.ends_with(".SILENT")
        {
            let uid = if by_uid {
                format!(" UID {uid}")
            } else {
                String::new()
            };
            wire.say(&format!(
                "* {} FETCH (FLAGS ({}){uid})",
                place + 1,
                join(&now)
            ));
        }
    }
    mailbox.touch();
    format!("OK {} completed.", command.name)
}

fn copy(
    wire: &mut Wire,
    mailbox: &Mailbox,
    view: &mut View,
    places: &[usize],
    command: &Command,
    and_remove: bool,
) -> String {
    let Some(target) = command.word(1) else {
        return BAD_ARGUMENT.to_owned();
    };
    let Some(validity) = mailbox.with(target, |folder| folder.validity) else {
        return format!("NO [TRYCREATE] {target} doesn't exist.");
    };
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for place in places {
        let uid = view.uids[*place];
        let found = mailbox.with(&view.folder, |folder| folder.by_uid(uid).cloned());
        if let Some(Some(message)) = found
            && let Some((copied, _)) = mailbox.put(target, &message.bytes, message.flags)
        {
            from.push(uid.to_string());
            to.push(copied.to_string());
        }
    }
    let code = format!("[COPYUID {validity} {} {}]", from.join(","), to.join(","));
    if !and_remove {
        return format!("OK {code} {} completed.", command.name);
    }
    wire.say(&format!("* OK {code}"));
    mailbox.with(&view.folder, |folder| {
        folder
            .messages
            .retain(|message| !from.contains(&message.uid.to_string()));
    });
    mailbox.touch();
    view.tell_changes(wire, mailbox);
    format!("OK {} completed.", command.name)
}

/// Removes deleted messages that are `named`.
fn expunge(mailbox: &Mailbox, view: &View, named: impl Fn(u32) -> bool) {
    mailbox.with(&view.folder, |folder| {
        folder
            .messages
            .retain(|message| !(message.flags.contains("\\Deleted") && named(message.uid)));
    });
    mailbox.touch();
}

fn flags(list: &Value) -> BTreeSet<String> {
    let words = list.values().iter().filter_map(Value::word);
    words.map(canonical).collect()
}

/// System flags in their usual spelling; they are the same in any case.
fn canonical(flag: &str) -> String {
    ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(flag))
        .unwrap_or(flag)
        .to_owned()
}

/// Flags as they stand between parentheses.
pub(super) fn join(flags: &BTreeSet<String>) -> String {
    flags.iter().cloned().collect::<Vec<_>>().join(" ")
}
