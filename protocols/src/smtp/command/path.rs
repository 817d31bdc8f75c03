//! The path of MAIL and RCPT, however a device writes it.
//!
//! Taken beyond RFC 5321: blanks around colon and brackets, no colon, no brackets, and a display
//! name in front of the brackets.

use super::BadArguments;

/// Splits `FROM:<path> parameters` into path (without brackets) and parameters.
pub(super) fn split<'a>(args: &'a [u8], keyword: &str) -> Result<(&'a str, &'a str), BadArguments> {
    let args = std::str::from_utf8(args).map_err(|_| BadArguments::Syntax)?;
    let (found, rest) = args
        .split_at_checked(keyword.len())
        .ok_or(BadArguments::Syntax)?;
    if !found.eq_ignore_ascii_case(keyword) {
        return Err(BadArguments::Syntax);
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
    match opening(rest) {
        Some(open) => {
            let inside = &rest[open + 1..];
            let close = find(inside, |c| c == '>').ok_or(BadArguments::Syntax)?;
            Ok((&inside[..close], &inside[close + 1..]))
        }
        None if rest.is_empty() => Err(BadArguments::Syntax),
        None => {
            let end = find(rest, char::is_whitespace).unwrap_or(rest.len());
            Ok((&rest[..end], &rest[end..]))
        }
    }
}

/// Where the opening bracket of the path is, if it has one; `AUTH=<>` behind a path without
/// brackets is none.
fn opening(rest: &str) -> Option<usize> {
    let open = find(rest, |c| c == '<')?;
    let before = &rest[..open];
    let is_parameter = before.ends_with('=');
    let is_behind_address = find(before, char::is_whitespace)
        .is_some_and(|blank| before[..blank].contains('@') && !before.starts_with('"'));
    (!is_parameter && !is_behind_address).then_some(open)
}

/// The first matching character outside quotes.
fn find(text: &str, matches: impl Fn(char) -> bool) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if quoted {
            escaped = c == '\\';
            quoted = c != '"';
        } else if c == '"' {
            quoted = true;
        } else if matches(c) {
            return Some(at);
        }
    }
    None
}
