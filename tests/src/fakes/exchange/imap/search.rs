//! SEARCH by flags, numbers and words.

use super::{
    super::{
        store::{Mailbox, Message},
        wire::Wire,
    },
    parse::{Command, Value},
    view::View,
};
use std::collections::BTreeSet;

pub(super) fn answer(
    wire: &mut Wire,
    mailbox: &Mailbox,
    view: &View,
    command: &Command,
    by_uid: bool,
) -> String {
    let Some(keys) = keys(&command.arguments, view) else {
        return "BAD Command Argument Error. 11".to_owned();
    };
    let found = mailbox.with(&view.folder, |folder| {
        let mut found = Vec::new();
        for (place, uid) in view.uids.iter().enumerate() {
            if let Some(message) = folder.by_uid(*uid)
                && keys.iter().all(|key| key.fits(message))
            {
                found.push(if by_uid { *uid as usize } else { place + 1 });
            }
        }
        found
    });
    let mut line = "* SEARCH".to_owned();
    for number in found.unwrap_or_default() {
        line.push(' ');
        line.push_str(&number.to_string());
    }
    wire.say(&line);
    format!("OK {} completed.", command.name)
}

enum Key {
    All,
    Flag(&'static str, bool),
    Uids(BTreeSet<u32>),
    Header(String, String),
    Text(String),
    Not(Box<Key>),
}

impl Key {
    fn fits(&self, message: &Message) -> bool {
        let text = || String::from_utf8_lossy(&message.bytes).to_lowercase();
        match self {
            Self::All => true,
            Self::Flag(flag, set) => message.flags.contains(*flag) == *set,
            Self::Uids(uids) => uids.contains(&message.uid),
            Self::Header(name, value) => text()
                .split("\r\n")
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_once(':'))
                .any(|(field, body)| field == name && body.contains(value.as_str())),
            Self::Text(value) => text().contains(value.as_str()),
            Self::Not(key) => !key.fits(message),
        }
    }
}

fn keys(arguments: &[Value], view: &View) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    let mut rest = arguments.iter();
    while let Some(value) = rest.next() {
        if let Value::List(values) = value {
            keys.extend(self::keys(values, view)?);
            continue;
        }
        let word = value.word()?.to_ascii_uppercase();
        if word == "CHARSET" {
            rest.next();
            continue;
        }
        keys.push(key(&word, &mut rest, view)?);
    }
    Some(keys)
}

fn key<'a>(word: &str, rest: &mut impl Iterator<Item = &'a Value>, view: &View) -> Option<Key> {
    let mut text = || Some(rest.next()?.word()?.to_lowercase());
    let uids = |places: Vec<usize>| places.into_iter().map(|place| view.uids[place]).collect();
    Some(match word {
        "ALL" => Key::All,
        "SEEN" => Key::Flag("\\Seen", true),
        "UNSEEN" => Key::Flag("\\Seen", false),
        "DELETED" => Key::Flag("\\Deleted", true),
        "UNDELETED" => Key::Flag("\\Deleted", false),
        "FLAGGED" => Key::Flag("\\Flagged", true),
        "UNFLAGGED" => Key::Flag("\\Flagged", false),
        "ANSWERED" => Key::Flag("\\Answered", true),
        "UNANSWERED" => Key::Flag("\\Answered", false),
        "UID" => Key::Uids(uids(view.places(&text()?, true)?)),
        "HEADER" => Key::Header(text()?, text()?),
        "SUBJECT" | "FROM" | "TO" | "CC" => Key::Header(word.to_lowercase(), text()?),
        "BODY" | "TEXT" => Key::Text(text()?),
        "NOT" => {
            let next = rest.next()?.word()?.to_ascii_uppercase();
            Key::Not(Box::new(key(&next, rest, view)?))
        }
        set => Key::Uids(uids(view.places(set, false)?)),
    })
}
