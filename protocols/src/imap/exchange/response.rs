//! A line of a server before the login, as far as we have to understand it.

use std::fmt;

/// One line, borrowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// `* CAPABILITY ...`: the atoms.
    Capability(&'a str),
    /// Another untagged status with its text.
    Status(Status, &'a str),
    /// The answer to our last command.
    Tagged(Status, &'a str),
    /// `+`, with or without a challenge.
    Continue(&'a str),
    /// Anything else.
    Other(&'a str),
}

/// How a status line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

impl<'a> Line<'a> {
    /// Reads a line; `tag` is the number of our last command.
    pub(super) fn read(line: &'a str, tag: u32) -> Self {
        if let Some(challenge) = line.strip_prefix('+') {
            return Self::Continue(challenge.trim());
        }
        let (first, rest) = split_word(line);
        let (word, text) = split_word(rest);
        let is_ours = first
            .strip_prefix('P')
            .is_some_and(|number| number.parse() == Ok(tag));
        match Status::of(word) {
            Some(status @ (Status::Ok | Status::No | Status::Bad)) if is_ours => {
                Self::Tagged(status, text)
            }
            Some(status) if first == "*" => Self::Status(status, text),
            None if first == "*" && word.eq_ignore_ascii_case("CAPABILITY") => {
                Self::Capability(text)
            }
            _ => Self::Other(line),
        }
    }
}

impl Status {
    const NAMES: [(&'static str, Self); 5] = [
        ("OK", Self::Ok),
        ("NO", Self::No),
        ("BAD", Self::Bad),
        ("BYE", Self::Bye),
        ("PREAUTH", Self::Preauth),
    ];

    fn of(word: &str) -> Option<Self> {
        let found = |(name, _): &&(&str, Self)| name.eq_ignore_ascii_case(word);
        Self::NAMES.iter().find(found).map(|&(_, status)| status)
    }

    fn name(self) -> &'static str {
        let found = |(_, status): &&(&'static str, Self)| *status == self;
        Self::NAMES.iter().find(found).map_or("", |(name, _)| name)
    }
}

/// For the trace.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(atoms) => write!(f, "* CAPABILITY {atoms}"),
            Self::Status(status, text) => write!(f, "* {} {text}", status.name()),
            Self::Tagged(status, text) => write!(f, "<tag> {} {text}", status.name()),
            Self::Continue(challenge) => write!(f, "+ {challenge}"),
            Self::Other(line) => f.write_str(line),
        }
    }
}

/// The atoms of a `[CAPABILITY ...]` code.
pub(super) fn capability_code(text: &str) -> Option<&str> {
    let code = text.strip_prefix('[')?;
    let (code, _) = code.split_once(']')?;
    let (word, atoms) = split_word(code);
    word.eq_ignore_ascii_case("CAPABILITY").then_some(atoms)
}

/// What follows a prefix, whatever its case.
pub(super) fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        .then(|| &text[prefix.len()..])
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_before_the_login() {
        assert_eq!(Line::read("* OK hi", 0), Line::Status(Status::Ok, "hi"));
        assert_eq!(
            Line::read("P2 NO AUTHENTICATE failed.", 2),
            Line::Tagged(Status::No, "AUTHENTICATE failed.")
        );
        assert_eq!(Line::read("P1 OK x", 2), Line::Other("P1 OK x"));
        assert_eq!(Line::read("P1 OK", 1), Line::Tagged(Status::Ok, ""));
        assert_eq!(Line::read("+", 1), Line::Continue(""));
        assert_eq!(Line::read("+ e30=", 1), Line::Continue("e30="));
        assert_eq!(
            Line::read("* capability IMAP4rev1 ID", 1),
            Line::Capability("IMAP4rev1 ID")
        );
        assert_eq!(Line::read("", 1), Line::Other(""));
        assert_eq!(capability_code("[CAPABILITY A B] ready"), Some("A B"));
        assert_eq!(capability_code("[ALERT] ready"), None);
    }
}
