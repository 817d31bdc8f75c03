//! Commands with their arguments: atoms, strings, literals, lists.

use super::{
    super::wire::{End, Wire, end},
    LINE_LIMIT,
};

/// The largest literal taken: what APPEND may bring.
const LITERAL_LIMIT: usize = 150 * 1024 * 1024;

pub(super) struct Command {
    pub(super) tag: String,
    /// In upper case; `UID FETCH` and its like are one name.
    pub(super) name: String,
    pub(super) arguments: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// An atom, brackets and what is in them included.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Command {
    /// An argument that is an atom or a string, as text.
    pub(super) fn word(&self, place: usize) -> Option<&str> {
        self.arguments.get(place).and_then(Value::word)
    }
}

impl Value {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Atom(text) => Some(text),
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Self::List(_) => None,
        }
    }

    /// The values of a list; of anything else, itself.
    pub(super) fn values(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            single => std::slice::from_ref(single),
        }
    }
}

/// Reads one command, its literals included. `None`: it was bad, and the client has been told.
pub(super) async fn command(wire: &mut Wire) -> Result<Option<Command>, End> {
    let mut line = Vec::new();
    wire.line(&mut line).await?;
    complete(wire, line).await
}

/// Reads the rest of a command whose first line has been read.
pub(super) async fn complete(wire: &mut Wire, first: Vec<u8>) -> Result<Option<Command>, End> {
    let mut raw = first;
    let mut line_start = 0;
    while let Some((size, waits)) = literal(&raw[line_start..]) {
        if size > LITERAL_LIMIT {
            return Err(end());
        }
        if waits {
            wire.say("+ Ready for additional command text.");
        }
        raw.extend_from_slice(b"\r\n");
        wire.octets(size, &mut raw).await?;
        line_start = raw.len();
        let mut line = Vec::new();
        wire.line(&mut line).await?;
        raw.extend_from_slice(&line);
    }
    if raw.len() - line_start > LINE_LIMIT {
        wire.say("* BAD Command Error. 10");
        return Ok(None);
    }
    let parsed = parse(&raw);
    if parsed.is_none() {
        let tag = raw.split(|byte| *byte == b' ').next().unwrap_or_default();
        let tag = String::from_utf8_lossy(tag).into_owned();
        wire.say(&format!("{tag} BAD Command Error. 12"));
    }
    Ok(parsed)
}

/// The size of the literal that a line ends with, and whether the client waits for a go-ahead.
fn literal(line: &[u8]) -> Option<(usize, bool)> {
    let inside = line.strip_suffix(b"}")?;
    let open = inside.iter().rposition(|byte| *byte == b'{')?;
    let number = std::str::from_utf8(&inside[open + 1..]).ok()?;
    match number.strip_suffix('+') {
        Some(number) => Some((number.parse().ok()?, false)),
        None => Some((number.parse().ok()?, true)),
    }
}

fn parse(raw: &[u8]) -> Option<Command> {
    let mut input = Input { raw, at: 0 };
    let tag = input.atom()?;
    let mut name = input.blank().then(|| input.atom())??.to_ascii_uppercase();
    if name == "UID" {
        input.blank();
        name = format!("UID {}", input.atom()?.to_ascii_uppercase());
    }
    let mut arguments = Vec::new();
    while input.blank() && input.at < raw.len() {
        arguments.push(input.value()?);
    }
    (input.at == raw.len()).then_some(Command {
        tag,
        name,
        arguments,
    })
}

struct Input<'a> {
    raw: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn peek(&self) -> Option<u8> {
        self.raw.get(self.at).copied()
    }

    /// Skips blanks; whether there were any.
    fn blank(&mut self) -> bool {
        let start = self.at;
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        self.at > start
    }

    fn value(&mut self) -> Option<Value> {
        match self.peek()? {
            b'(' => self.list(),
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => self.atom().map(Value::Atom),
        }
    }

    fn list(&mut self) -> Option<Value> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.blank();
            if self.peek()? == b')' {
                self.at += 1;
                return Some(Value::List(values));
            }
            values.push(self.value()?);
        }
    }

    fn quoted(&mut self) -> Option<Value> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(Value::Text(text)),
                b'\\' => {
                    text.push(self.peek()?);
                    self.at += 1;
                }
                byte => text.push(byte),
            }
        }
    }

    fn literal(&mut self) -> Option<Value> {
        let rest = &self.raw[self.at..];
        let line_end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (size, _) = literal(&rest[..line_end])?;
        let text = rest.get(line_end + 2..line_end + 2 + size)?.to_vec();
        self.at += line_end + 2 + size;
        Some(Value::Text(text))
    }

    /// An atom; in `BODY[…]` anything may stand between the brackets.
    fn atom(&mut self) -> Option<String> {
        let start = self.at;
        let mut inside = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'[' => inside = true,
                b']' => inside = false,
                b' ' | b'(' | b')' | b'"' | b'{' if !inside => break,
                _ => {}
            }
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.raw[start..self.at]).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, literal, parse};

    #[test]
    fn arguments_of_every_kind() {
        let command = parse(
            b"a1 uid fetch 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (DATE FROM)]<0.10>) \"x\\\"y\" {3+}\r\na b NIL",
        )
        .unwrap();
        assert_eq!(
            (command.tag.as_str(), command.name.as_str()),
            ("a1", "UID FETCH")
        );
        let atom = |text: &str| Value::Atom(text.to_owned());
        assert_eq!(
            command.arguments,
            [
                atom("1:*"),
                Value::List(vec![
                    atom("FLAGS"),
                    atom("BODY.PEEK[HEADER.FIELDS (DATE FROM)]<0.10>")
                ]),
                Value::Text(b"x\"y".to_vec()),
                Value::Text(b"a b".to_vec()),
                atom("NIL"),
            ]
        );
    }

    #[test]
    fn a_literal_at_the_end_of_a_line_is_seen() {
        assert_eq!(literal(b"a LOGIN {12}"), Some((12, true)));
        assert_eq!(literal(b"a LOGIN {12+}"), Some((12, false)));
        assert_eq!(literal(b"a LOGIN \"{12\"}x"), None);
    }
}
