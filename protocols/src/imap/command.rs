//! The frame of a command: its tag, its verb, and the literal that a line announces.
//!
//! What LOGIN's arguments mean is read in `arguments`.

use super::arguments::closing_quote;

/// Tags are echoed; real ones have less than 20 characters.
const TAG_LIMIT: usize = 128;

/// A command before the login, split but not interpreted.
pub(super) struct Command<'a> {
    pub(super) tag: &'a str,
    pub(super) verb: Verb,
    /// What follows the verb and a blank, to the end of the command.
    pub(super) arguments: &'a [u8],
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Login,
    Authenticate,
    /// Known, but only of use after the login.
    AfterLogin(&'static str),
}

/// A line that is no command we know.
pub(super) struct NotUnderstood<'a> {
    /// The tag to answer with, if there is one.
    pub(super) tag: Option<&'a str>,
}

/// What a line announces at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) octets: usize,
    /// Whether the client waits for our `+` before it sends them.
    pub(super) waits: bool,
}

impl<'a> Command<'a> {
    /// Splits the beginning of a command, with or without its line end.
    pub(super) fn split(command: &'a [u8]) -> Result<Self, NotUnderstood<'a>> {
        let command = command.trim_ascii_start();
        let (tag, rest) = split_word(command);
        let tag = Some(tag)
            .filter(|tag| !tag.is_empty() && tag.len() <= TAG_LIMIT)
            .filter(|tag| tag.iter().all(|&b| is_tag_char(b)))
            .and_then(|tag| str::from_utf8(tag).ok())
            .ok_or(NotUnderstood { tag: None })?;
        let (verb, arguments) = split_word(rest);
        match Verb::of(verb) {
            Some(verb) => Ok(Self {
                tag,
                verb,
                arguments,
            }),
            None => Err(NotUnderstood { tag: Some(tag) }),
        }
    }
}

impl Verb {
    const BEFORE_LOGIN: [(&'static str, Self); 7] = [
        ("LOGIN", Self::Login),
        ("AUTHENTICATE", Self::Authenticate),
        ("CAPABILITY", Self::Capability),
        ("STARTTLS", Self::StartTls),
        ("ID", Self::Id),
        ("NOOP", Self::Noop),
        ("LOGOUT", Self::Logout),
    ];

    /// RFC 3501, 9051 and the extensions that clients of Exchange use.
    const AFTER_LOGIN: [&'static str; 29] = [
        "SELECT",
        "EXAMINE",
        "CREATE",
        "DELETE",
        "RENAME",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "LIST",
        "LSUB",
        "XLIST",
        "STATUS",
        "APPEND",
        "NAMESPACE",
        "IDLE",
        "ENABLE",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
        "SEARCH",
        "FETCH",
        "STORE",
        "COPY",
        "MOVE",
        "UID",
        "COMPRESS",
        "GETQUOTA",
        "GETQUOTAROOT",
        "DONE",
    ];

    fn of(word: &[u8]) -> Option<Self> {
        let same = |name: &str| name.as_bytes().eq_ignore_ascii_case(word);
        Self::BEFORE_LOGIN
            .iter()
            .find(|(name, _)| same(name))
            .map(|&(_, verb)| verb)
            .or_else(|| {
                let name = Self::AFTER_LOGIN.iter().find(|name| same(name))?;
                Some(Self::AfterLogin(name))
            })
    }

    /// The verb as the trace shows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AfterLogin(name) => name,
            other => Self::BEFORE_LOGIN
                .iter()
                .find(|(_, verb)| *verb == other)
                .map_or("", |(name, _)| name),
        }
    }
}

/// The literal at the end of a line: `{n}` or `{n+}` where an argument begins, not inside quotes.
pub(super) fn announced_literal(line: &[u8]) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&b| b == b'{')?;
    if !(open == 0 || matches!(inner[open - 1], b' ' | b'(')) || ends_in_quotes(&inner[..open]) {
        return None;
    }
    let number = &inner[open + 1..];
    let (digits, waits) = match number.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (number, true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let octets = digits.iter().fold(0usize, |n, digit| {
        n.saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    Some(Announced { octets, waits })
}

/// Whether a quote that begins an argument is still open at the end.
fn ends_in_quotes(line: &[u8]) -> bool {
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let Some(end) = closing_quote(quoted) else {
                return true;
            };
            rest = &quoted[end + 1..];
        }
        let Some(blank) = rest.iter().position(|&b| matches!(b, b' ' | b'(')) else {
            return false;
        };
        rest = &rest[blank + 1..];
    }
}

/// The first word of a line, and what follows the blank after it.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line
        .iter()
        .position(|&b| matches!(b, b' ' | b'\r' | b'\n'))
        .unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.strip_prefix(b" ").unwrap_or(rest))
}

/// RFC 3501: any ASTRING-CHAR except "+".
fn is_tag_char(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_told_from_passwords_that_look_like_them() {
        let octets = |line: &str| announced_literal(line.as_bytes()).map(|a| (a.octets, a.waits));
        assert_eq!(octets("A1 LOGIN {13}"), Some((13, true)));
        assert_eq!(octets("A1 LOGIN {13+}"), Some((13, false)));
        assert_eq!(octets(" {2}"), Some((2, true)));
        assert_eq!(octets(r#"A1 LOGIN "dom\user" {5}"#), Some((5, true)));
        assert_eq!(octets(r#"A1 LOGIN "a\"b" {5}"#), Some((5, true)));
        assert_eq!(octets(r#"A1 LOGIN "u" "{1}""#), None);
        assert_eq!(octets(r#"A1 LOGIN "u" "a {1}"#), None);
        assert_eq!(octets("A1 LOGIN u pass{1}"), None);
        assert_eq!(octets("A1 LOGIN {}"), None);
        assert_eq!(octets("A1 LOGIN {-1}"), None);
        assert_eq!(
            octets("A1 LOGIN {99999999999999999999999999}"),
            Some((usize::MAX, true))
        );
    }

    #[test]
    fn tags_and_verbs() {
        let verb = |line: &str| Command::split(line.as_bytes()).ok().map(|c| c.verb);
        assert_eq!(verb("a1 login u p\r\n"), Some(Verb::Login));
        assert_eq!(verb(" . Noop\r\n"), Some(Verb::Noop));
        assert_eq!(verb("1 select INBOX"), Some(Verb::AfterLogin("SELECT")));
        assert_eq!(verb("GET / HTTP/1.1"), None);
        assert_eq!(verb("+ NOOP"), None);
        assert_eq!(verb(&format!("{} NOOP", "a".repeat(129))), None);
        assert_eq!(verb(""), None);
    }
}
