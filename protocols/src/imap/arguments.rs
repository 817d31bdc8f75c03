//! The two arguments of LOGIN.
//!
//! imap-codec knows the grammar; the lenient reader takes over where old devices leave it: a lone
//! backslash or 8-bit characters between quotes, blanks or odd characters without quotes, both
//! arguments in one literal. It never guesses where the grammar gives an answer.

use imap_codec::{
    CommandCodec,
    decode::Decoder,
    imap_types::command::{Command, CommandBody},
};

use crate::Credentials;

/// Reads a whole LOGIN command with its literals, its lines ended by CRLF; `arguments` is what
/// follows the verb. Converted at once, because the codec's types print secrets in debug builds.
pub(super) fn login(command: &[u8], arguments: &[u8]) -> Option<Credentials> {
    match CommandCodec::default().decode(command) {
        Ok((
            [],
            Command {
                body: CommandBody::Login { username, password },
                ..
            },
        )) => Some(Credentials::new(
            username.as_ref(),
            password.declassify().as_ref(),
        )),
        _ => lenient(arguments),
    }
}

/// The lenient reader: any byte but `"`, CR, LF and NUL may stand between quotes, `\"` and `\\` are
/// escapes, any other backslash is itself; what is not quoted ends at a blank, the password at the
/// end of the line.
fn lenient(arguments: &[u8]) -> Option<Credentials> {
    let arguments = arguments.strip_suffix(b"\r\n").unwrap_or(arguments);
    let (login, rest) = match Argument::first(arguments)? {
        // Some devices put "user password" into one literal.
        (Argument::Literal(both), rest) if rest.trim_ascii().is_empty() => {
            let (login, rest) = Argument::first(both)?;
            (login, rest)
        }
        other => other,
    };
    let password = Argument::last(rest.strip_prefix(b" ")?)?;
    let (login, password) = (login.value(), password.value());
    if login.contains(&0) || password.contains(&0) {
        return None;
    }
    Some(Credentials::new(&login, &password))
}

enum Argument<'a> {
    Literal(&'a [u8]),
    Word(&'a [u8]),
    /// Between the quotes, still escaped.
    Quoted(&'a [u8]),
}

impl<'a> Argument<'a> {
    /// The argument at the beginning, and what follows it.
    fn first(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let input = trim_blanks_start(input);
        if let Some(quoted) = input.strip_prefix(b"\"") {
            let end = closing_quote(quoted)?;
            return Some((Self::Quoted(&quoted[..end]), &quoted[end + 1..]));
        }
        if let Some((literal, rest)) = literal(input) {
            return Some((Self::Literal(literal), rest));
        }
        let end = input.iter().position(|&b| b == b' ')?;
        let (word, rest) = input.split_at(end);
        (!word.contains(&b'\n')).then_some((Self::Word(word), rest))
    }

    /// The argument that is all of the input.
    fn last(input: &'a [u8]) -> Option<Self> {
        let input = trim_blanks_start(input);
        if let Some(quoted) = input.strip_prefix(b"\"") {
            return match closing_quote(quoted) {
                Some(end) if end + 1 == quoted.len() => Some(Self::Quoted(&quoted[..end])),
                Some(_) => None,
                // `"p\"`: the device did not escape the backslash that ends its password.
                None => quoted
                    .strip_suffix(b"\"")
                    .filter(|password| is_one_line(password))
                    .map(Self::Quoted),
            };
        }
        if let Some((literal, rest)) = literal(input) {
            return rest.is_empty().then_some(Self::Literal(literal));
        }
        is_one_line(input).then_some(Self::Word(input))
    }

    fn value(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let quoted = match self {
            Self::Literal(bytes) | Self::Word(bytes) => return bytes.to_vec().into(),
            Self::Quoted(bytes) => bytes,
        };
        let mut value = Vec::with_capacity(quoted.len());
        let mut bytes = quoted.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if byte == b'\\' {
                value.push(
                    bytes
                        .next_if(|&b| matches!(b, b'"' | b'\\'))
                        .unwrap_or(byte),
                );
            } else {
                value.push(byte);
            }
        }
        value.into()
    }
}

/// Where the quote ends that begins before `quoted`, if it ends on this line.
pub(super) fn closing_quote(quoted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some(at),
            b'\r' | b'\n' => return None,
            b'\\' if matches!(quoted.get(at + 1), Some(b'"' | b'\\')) => at += 2,
            _ => at += 1,
        }
    }
}

/// `{n}` or `{n+}`, the line end, and n octets.
fn literal(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|&b| b == b'\r')?;
    let (announcement, rest) = input.split_at(end);
    if announcement.iter().rposition(|&b| b == b'{') != Some(0) {
        return None;
    }
    let announced = super::command::announced_literal(announcement)?;
    rest.strip_prefix(b"\r\n")?
        .split_at_checked(announced.octets)
}

fn is_one_line(input: &[u8]) -> bool {
    !input.contains(&b'\r') && !input.contains(&b'\n')
}

fn trim_blanks_start(input: &[u8]) -> &[u8] {
    let blanks = input.iter().take_while(|b| matches!(b, b' ' | b'\t'));
    &input[blanks.count()..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(arguments: &[u8]) -> Option<(String, Vec<u8>)> {
        let command = [b"A1 LOGIN ", arguments, b"\r\n"].concat();
        login(&command, &command[8..]).map(|c| (c.login.clone(), c.password().to_vec()))
    }

    #[test]
    fn what_the_grammar_has_and_what_devices_send() {
        for (arguments, login, password) in [
            (&b"u@x pw"[..], "u@x", &b"pw"[..]),
            (br#""u@x" "p\\w""#, "u@x", br"p\w"),
            (br#""u@x" "a\"b""#, "u@x", br#"a"b"#),
            (br#""u@x" """#, "u@x", b""),
            (b"{3}\r\nu@x {2}\r\npw", "u@x", b"pw"),
            (b"{3+}\r\nu@x {2+}\r\npw", "u@x", b"pw"),
            (b"{3}\r\nu@x \"pw\"", "u@x", b"pw"),
            // outside the grammar
            (br#""dom\user" pw"#, r"dom\user", b"pw"),
            (br#""dom\user" "p\w""#, r"dom\user", br"p\w"),
            (br#""u" "p\""#, "u", br"p\"),
            (b"\"u\" \"p\xe4\xff\"", "u", b"p\xe4\xff"),
            ("\"ü\" \"pä\"".as_bytes(), "ü", "pä".as_bytes()),
            (b"u  pw", "u", b"pw"),
            (b"u my pass word", "u", b"my pass word"),
            (b"u p(a)s{3}", "u", b"p(a)s{3}"),
            (br#""u" "{1}""#, "u", b"{1}"),
            (b"{4}\r\nu pw", "u", b"pw"),
            (b"{9}\r\n\"u\" \"p w\"", "u", b"p w"),
        ] {
            assert_eq!(
                read(arguments),
                Some((login.to_owned(), password.to_vec())),
                "{:?}",
                String::from_utf8_lossy(arguments)
            );
        }
    }

    #[test]
    fn what_is_no_pair_of_arguments() {
        for arguments in [
            &b""[..],
            b" ",
            b"u",
            b"\"u\"",
            b"\"u",
            b"\"u\" \"p",
            b"\"u\" \"p\" x",
            b"\"u\"p",
            b"{1}\r\nu",
            b"u p\0w",
            b"\"u\" \"p\0\"",
            b"{99999999999999999999}\r\nu p",
            b"u {1}\r\np x",
        ] {
            assert_eq!(
                read(arguments),
                None,
                "{:?}",
                String::from_utf8_lossy(arguments)
            );
        }
    }

    proptest! {
        #[test]
        fn the_lenient_reader_agrees_with_the_grammar(
            login in "[ -~]{1,12}", password in "[ -~]{0,12}", shape in 0u8..9,
        ) {
            let write = |text: &str, shape: u8| match shape {
                0 => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")).into_bytes(),
                1 => format!("{{{}}}\r\n{text}", text.len()).into_bytes(),
                _ => format!("{{{}+}}\r\n{text}", text.len()).into_bytes(),
            };
            let arguments = [
                &write(&login, shape % 3)[..], b" ", &write(&password, shape / 3),
            ].concat();
            let expected = Some((login.clone(), password.clone().into_bytes()));
            prop_assert_eq!(read(&arguments), expected.clone());
            let line = [&arguments[..], b"\r\n"].concat();
            let found = lenient(&line).map(|c| (c.login.clone(), c.password().to_vec()));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn arbitrary_arguments_never_panic(arguments in proptest::collection::vec(
            prop_oneof![
                any::<u8>(),
                proptest::sample::select(b"\"\\{}+12 \r\n".to_vec()),
            ],
            0..60,
        )) {
            let _ = read(&arguments);
            let _ = lenient(&arguments);
        }
    }
}
