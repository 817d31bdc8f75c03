//! LIST, STATUS and what makes and removes folders.

use super::{
    super::{
        store::{Folder, Mailbox},
        wire::Wire,
    },
    parse::{Command, Value},
};
use std::fmt::Write;

pub(super) fn answer(wire: &mut Wire, mailbox: &Mailbox, command: &Command) -> String {
    let name = command.name.as_str();
    let done = format!("OK {name} completed.");
    let (Some(first), second) = (command.word(0), command.word(1)) else {
        return "BAD Command Argument Error. 11".to_owned();
    };
    match name {
        "LIST" | "LSUB" => {
            let pattern = format!("{first}{}", second.unwrap_or_default());
            list(wire, mailbox, name, &pattern);
            done
        }
        "STATUS" => status(wire, mailbox, first, command.arguments.get(1)),
        "CREATE" => {
            let path = first.trim_end_matches('/');
            let mut folders = mailbox.folders();
            if folders.contains_key(path) {
                return format!("NO {path} already exists.");
            }
            folders.insert(path.to_owned(), Folder::new());
            done
        }
        "DELETE" if first.eq_ignore_ascii_case("INBOX") => "NO INBOX cannot be deleted.".to_owned(),
        "DELETE" => match mailbox.folders().remove(first) {
            Some(_) => done,
            None => format!("NO {first} doesn't exist."),
        },
        "RENAME" => {
            let mut folders = mailbox.folders();
            match (folders.remove(first), second) {
                (Some(folder), Some(to)) => {
                    folders.insert(to.to_owned(), folder);
                    done
                }
                _ => format!("NO {first} doesn't exist."),
            }
        }
        _ => {
            let subscribed = name == "SUBSCRIBE";
            match mailbox.with(first, |folder| folder.subscribed = subscribed) {
                Some(()) => done,
                None => format!("NO {first} doesn't exist."),
            }
        }
    }
}

fn list(wire: &mut Wire, mailbox: &Mailbox, name: &str, pattern: &str) {
    if pattern.is_empty() {
        wire.say(&format!("* {name} (\\Noselect \\HasChildren) \"/\" \"\""));
        return;
    }
    for (path, folder) in mailbox.folders().iter() {
        if (name == "LSUB" && !folder.subscribed) || !matches(pattern, path) {
            continue;
        }
        let special = match path.as_str() {
            "Drafts" => " \\Drafts",
            "Sent" => " \\Sent",
            "Trash" => " \\Trash",
            _ => "",
        };
        wire.say(&format!(
            "* {name} (\\HasNoChildren{special}) \"/\" \"{path}\""
        ));
    }
}

fn status(wire: &mut Wire, mailbox: &Mailbox, name: &str, items: Option<&Value>) -> String {
    let mut text = String::new();
    let found = mailbox.with(name, |folder| {
        for item in items.map(Value::values).unwrap_or_default() {
            let item = item.word().unwrap_or_default().to_ascii_uppercase();
            let seen = |message: &&super::super::store::Message| !message.flags.contains("\\Seen");
            let number = match item.as_str() {
                "MESSAGES" => folder.messages.len(),
                "UNSEEN" => folder.messages.iter().filter(seen).count(),
                "UIDNEXT" => folder.next as usize,
                "UIDVALIDITY" => folder.validity as usize,
                "RECENT" => 0,
                _ => return false,
            };
            let _ = write!(text, "{item} {number} ");
        }
        true
    });
    match found {
        None => format!("NO {name} doesn't exist."),
        Some(false) => "BAD Command Argument Error. 11".to_owned(),
        Some(true) => {
            wire.say(&format!("* STATUS \"{name}\" ({})", text.trim_end()));
            "OK STATUS completed.".to_owned()
        }
    }
}

/// Whether a pattern with `*` and `%` names this folder.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case(name) && name == "INBOX" {
        return true;
    }
    glob(pattern.as_bytes(), name.as_bytes())
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if glob(rest, name) => true,
        (Some((b'*', _)), Some((_, tail))) => glob(pattern, tail),
        (Some((b'%', rest)), _) if glob(rest, name) => true,
        (Some((b'%', _)), Some((byte, tail))) => *byte != b'/' && glob(pattern, tail),
        (Some((a, rest)), Some((b, tail))) => a == b && glob(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_name_folders() {
        assert!(matches("*", "INBOX"));
        assert!(matches("%", "Sent"));
        assert!(matches("inbox", "INBOX"));
        assert!(!matches("%", "Archive/2026"));
        assert!(matches("Archive/*", "Archive/2026"));
        assert!(!matches("Archive", "INBOX"));
    }
}
