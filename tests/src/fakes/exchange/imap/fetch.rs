//! FETCH: flags, sizes, dates, and bodies by section.

use super::{
    super::{
        store::{Mailbox, Message},
        wire::{End, Wire},
    },
    parse::{Command, Value},
    session::join,
    view::View,
};

const BAD_ARGUMENT: &str = "BAD Command Argument Error. 11";

pub(super) async fn answer(
    wire: &mut Wire,
    mailbox: &Mailbox,
    view: &View,
    places: &[usize],
    command: &Command,
    by_uid: bool,
) -> Result<String, End> {
    let Some(items) = command
        .arguments
        .get(1)
        .and_then(|value| items(value, by_uid))
    else {
        return Ok(BAD_ARGUMENT.to_owned());
    };
    let marks_seen = !view.read_only && items.iter().any(Item::marks_seen);
    for place in places {
        let message = mailbox.with(&view.folder, |folder| {
            let message = folder.by_uid(view.uids[*place])?;
            if marks_seen {
                message.flags.insert("\\Seen".to_owned());
            }
            Some(message.clone())
        });
        let Some(Some(message)) = message else {
            continue;
        };
        wire.put(format!("* {} FETCH (", place + 1).as_bytes());
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                wire.put(b" ");
            }
            item.write(wire, &message);
        }
        wire.say(")");
        // One message at a time: a large mailbox is not gathered in memory.
        wire.flush().await?;
    }
    Ok(format!("OK {} completed.", command.name))
}

enum Item {
    Uid,
    Flags,
    Size,
    Date,
    Body {
        /// The name in the answer.
        name: String,
        section: Section,
        /// Where it begins and how much is wanted.
        part: Option<(usize, usize)>,
        peek: bool,
    },
}

enum Section {
    All,
    Header,
    Text,
    Fields { names: Vec<String>, wanted: bool },
}

impl Item {
    fn marks_seen(&self) -> bool {
        matches!(self, Self::Body { peek: false, .. })
    }

    fn write(&self, wire: &mut Wire, message: &Message) {
        let text = match self {
            Self::Uid => format!("UID {}", message.uid),
            Self::Flags => format!("FLAGS ({})", join(&message.flags)),
            Self::Size => format!("RFC822.SIZE {}", message.bytes.len()),
            Self::Date => {
                let date = message.date.strftime("%d-%b-%Y %H:%M:%S +0000");
                format!("INTERNALDATE \"{date}\"")
            }
            Self::Body {
                name,
                section,
                part,
                ..
            } => {
                let bytes = section.of(&message.bytes);
                let bytes = match part {
                    None => &bytes[..],
                    Some((from, count)) => {
                        let from = (*from).min(bytes.len());
                        &bytes[from..from.saturating_add(*count).min(bytes.len())]
                    }
                };
                wire.put(format!("{name} {{{}}}\r\n", bytes.len()).as_bytes());
                wire.put(bytes);
                return;
            }
        };
        wire.put(text.as_bytes());
    }
}

impl Section {
    fn of<'a>(&self, message: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        let header_end = message
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(message.len(), |end| end + 4);
        let (header, text) = message.split_at(header_end);
        match self {
            Self::All => message.into(),
            Self::Header => header.into(),
            Self::Text => text.into(),
            Self::Fields { names, wanted } => {
                let mut fields = Vec::new();
                let mut inside = false;
                for line in header.split_inclusive(|byte| *byte == b'\n') {
                    if line == b"\r\n" {
                        break;
                    }
                    if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                        let named = names
                            .iter()
                            .any(|known| known.as_bytes().eq_ignore_ascii_case(name));
                        inside = named == *wanted;
                    }
                    if inside {
                        fields.extend_from_slice(line);
                    }
                }
                fields.extend_from_slice(b"\r\n");
                fields.into()
            }
        }
    }
}

fn items(value: &Value, by_uid: bool) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for value in value.values() {
        let word = value.word()?;
        match word.to_ascii_uppercase().as_str() {
            "UID" => items.push(Item::Uid),
            "FLAGS" => items.push(Item::Flags),
            "RFC822.SIZE" => items.push(Item::Size),
            "INTERNALDATE" => items.push(Item::Date),
            "FAST" | "ALL" => items.extend([Item::Flags, Item::Date, Item::Size]),
            upper => items.push(body(upper)?),
        }
    }
    if by_uid && !items.iter().any(|item| matches!(item, Item::Uid)) {
        items.insert(0, Item::Uid);
    }
    Some(items)
}

fn body(word: &str) -> Option<Item> {
    let whole = |name: &str, section, peek| Item::Body {
        name: name.to_owned(),
        section,
        part: None,
        peek,
    };
    match word {
        "RFC822" => return Some(whole(word, Section::All, false)),
        "RFC822.HEADER" => return Some(whole(word, Section::Header, true)),
        "RFC822.TEXT" => return Some(whole(word, Section::Text, false)),
        _ => {}
    }
    let peek = word.starts_with("BODY.PEEK[");
    let inside = word
        .strip_prefix("BODY.PEEK[")
        .or_else(|| word.strip_prefix("BODY["))?;
    let (name, part) = inside.split_once(']')?;
    let section = match name.split_once(" (") {
        Some((kind, names)) => Section::Fields {
            names: names
                .trim_end_matches(')')
                .split_ascii_whitespace()
                .map(|name| name.trim_matches('"').to_owned())
                .collect(),
            wanted: match kind {
                "HEADER.FIELDS" => true,
                "HEADER.FIELDS.NOT" => false,
                _ => return None,
            },
        },
        None => match name {
            "" => Section::All,
            "HEADER" => Section::Header,
            "TEXT" | "1" => Section::Text,
            _ => return None,
        },
    };
    let (part, origin) = match part.strip_prefix('<').and_then(|p| p.strip_suffix('>')) {
        None => (None, String::new()),
        Some(numbers) => {
            let (from, count) = numbers.split_once('.')?;
            let origin = format!("<{from}>");
            (Some((from.parse().ok()?, count.parse().ok()?)), origin)
        }
    };
    Some(Item::Body {
        name: format!("BODY[{name}]{origin}"),
        section,
        part,
        peek,
    })
}
