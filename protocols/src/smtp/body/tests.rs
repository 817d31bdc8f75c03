//! The decoder against a naive one that sees the whole input at once, and against the ways of
//! smuggling a second message (SEC Consult, 2023; CVE-2023-51764 to -51766).

use memchr::memmem;
use proptest::prelude::*;

use super::*;

/// What a body gives: its content, and where it ends, if it does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Decoded {
    content: Vec<u8>,
    end: Option<usize>,
    bad: Option<&'static str>,
}

fn decode(line_ends: LineEnds, pieces: &[&[u8]]) -> Decoded {
    let mut body = Body::new(line_ends);
    let mut decoded = Decoded::default();
    let mut before = 0;
    for piece in pieces {
        let mut at = 0;
        loop {
            let fed = body.feed(&piece[at..]);
            at += fed.consumed;
            match fed.chunk {
                Chunk::Bytes(bytes) => {
                    assert!(!bytes.is_empty());
                    if decoded.bad.is_none() {
                        decoded.content.extend_from_slice(bytes);
                    }
                }
                Chunk::More => {
                    assert_eq!(at, piece.len());
                    break;
                }
                Chunk::End => {
                    decoded.end = Some(before + at);
                    assert_eq!(body.feed(b"x").chunk, Chunk::End);
                    assert_eq!(body.feed(b"x").consumed, 0);
                    return decoded;
                }
                Chunk::Bad(why) => {
                    assert_eq!(decoded.bad, None, "told once");
                    decoded.bad = Some(why);
                }
            }
        }
        before += piece.len();
    }
    decoded
}

fn repaired(input: &[u8]) -> Decoded {
    decode(LineEnds::Repair, &[input])
}

/// The rules, line by line and without any cleverness.
fn naive(input: &[u8]) -> Decoded {
    let mut content = Vec::new();
    let mut rest = input;
    let mut behind_crlf = true;
    while !rest.is_empty() {
        let text_ends = rest.iter().position(|b| b"\r\n".contains(b));
        let (text, tail) = rest.split_at(text_ends.unwrap_or(rest.len()));
        let crs = tail.iter().take_while(|&&b| b == b'\r').count();
        let has_lf = tail.get(crs) == Some(&b'\n');
        if behind_crlf && text == b"." && crs == 1 && has_lf {
            return Decoded {
                content,
                end: Some(input.len() - tail.len() + 2),
                bad: None,
            };
        }
        if text == b"." && (tail.is_empty() || behind_crlf && tail == b"\r") {
            // It may become the end: nothing may come out yet.
            break;
        }
        let stuffed = text.len() > 1 && text[0] == b'.' && (behind_crlf || text[1] == b'.');
        content.extend_from_slice(if stuffed { &text[1..] } else { text });
        rest = &tail[crs + usize::from(has_lf)..];
        if !has_lf && rest.is_empty() {
            // CRs at the very end: an LF may follow.
            break;
        }
        let ends = if has_lf { 1 } else { crs.min(2) };
        content.extend_from_slice(&b"\r\n\r\n"[..2 * ends]);
        behind_crlf = has_lf && crs > 0;
    }
    Decoded {
        content,
        end: None,
        bad: None,
    }
}

/// Every input over the alphabet that matters, up to the given length.
fn all_inputs(longest: u32, mut check: impl FnMut(&[u8])) {
    const ALPHABET: [u8; 4] = *b"\r\n.a";
    for length in 0..=longest {
        for mut number in 0..4usize.pow(length) {
            let input: Vec<u8> = (0..length)
                .map(|_| {
                    let letter = ALPHABET[number % 4];
                    number /= 4;
                    letter
                })
                .collect();
            check(&input);
        }
    }
}

#[test]
fn every_short_input_gives_what_the_naive_decoder_gives() {
    all_inputs(8, |input| {
        let expected = naive(input);
        assert_eq!(
            repaired(input),
            expected,
            "{:?}",
            input.escape_ascii().to_string()
        );
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode(LineEnds::Repair, &octets), expected);
        let pairs: Vec<&[u8]> = input.chunks(2).collect();
        assert_eq!(decode(LineEnds::Repair, &pairs), expected);
    });
}

#[test]
fn only_crlf_dot_crlf_ends_a_body() {
    all_inputs(8, |input| {
        // The CRLF of the DATA command counts.
        let whole = [b"\r\n", input].concat();
        let end = memmem::find(&whole, b"\r\n.\r\n").map(|at| at + 3);
        assert_eq!(
            repaired(input).end,
            end,
            "{:?}",
            input.escape_ascii().to_string()
        );
        assert_eq!(decode(LineEnds::Refuse, &[input]).end, end);
    });
}

/// Whether any server, however loose, could see an end of data.
fn ends_somewhere(encoded: &[u8]) -> bool {
    let is_end = |b: &u8| b"\r\n".contains(b);
    encoded
        .windows(3)
        .any(|w| is_end(&w[0]) && w[1] == b'.' && is_end(&w[2]))
}

/// The body as it goes to the exchange, without the final `.` CRLF.
fn encoded(content: &[u8], pieces: usize) -> Vec<u8> {
    let mut stuffer = Stuffer::new();
    let mut out = Vec::new();
    for piece in content.chunks(pieces) {
        stuffer.encode(piece, &mut out);
    }
    stuffer.finish(&mut out);
    assert!(out.ends_with(b".\r\n"));
    out.truncate(out.len() - 3);
    out
}

#[test]
fn what_goes_on_has_one_end_for_every_server() {
    all_inputs(8, |input| {
        let content = repaired(input).content;
        let out = encoded(&content, 1000);
        assert_eq!(out, encoded(&content, 1));
        // The content begins behind the CRLF of our own DATA command.
        assert!(!ends_somewhere(&[b"\r\n", &out[..]].concat()));
        let lone = out.iter().enumerate().any(|(i, b)| match b {
            b'\n' => i == 0 || out[i - 1] != b'\r',
            b'\r' => out.get(i + 1) != Some(&b'\n'),
            _ => false,
        });
        assert!(!lone, "{:?}", out.escape_ascii().to_string());
    });
}

#[test]
fn smuggled_messages_stay_content() {
    let ends = [
        "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\0\r\n", "\r\0\n",
    ];
    for before in ends {
        for after in ends {
            let smuggled = format!("x{before}.{after}MAIL FROM:<evil@x>");
            let input = format!("{smuggled}\r\n.\r\nNOOP\r\n");
            let decoded = repaired(input.as_bytes());
            let ends_early = smuggled.contains("\r\n.\r\n");
            let mail = memmem::find(&decoded.content, b"MAIL FROM").is_some();
            assert_eq!(mail, !ends_early, "{input:?}");
            assert_eq!(&input[decoded.end.unwrap()..] == "NOOP\r\n", !ends_early);
            assert!(!ends_somewhere(&encoded(&decoded.content, 7)), "{input:?}");
        }
    }
}

#[test]
fn a_body_in_its_usual_form() {
    for (input, content) in [
        (".\r\n", ""),
        ("a\r\n.\r\n", "a\r\n"),
        ("..\r\n.\r\n", ".\r\n"),
        ("..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"),
        (".a\r\n.\r\n", "a\r\n"),
        ("a.\r\n.\r\n", "a.\r\n"),
        ("\r\n.\r\n", "\r\n"),
        ("a\0\u{ff}\r\n.\r\n", "a\0\u{ff}\r\n"),
    ] {
        let decoded = repaired(input.as_bytes());
        assert_eq!(decoded.content, content.as_bytes(), "{input:?}");
        assert_eq!(decoded.end, Some(input.len()));
    }
}

#[test]
fn lone_line_ends_are_repaired() {
    for (input, content) in [
        ("a\nb\r\n.\r\n", "a\r\nb\r\n"),
        ("a\rb\r\n.\r\n", "a\r\nb\r\n"),
        // Text mode made CR CR LF of CRLF: still one line end, or every line would be a paragraph.
        ("a\r\r\nb\r\n.\r\n", "a\r\nb\r\n"),
        ("a\r\rb\r\n.\r\n", "a\r\n\r\nb\r\n"),
        // With and without dot-stuffing.
        ("a\n..b\r\n.\r\n", "a\r\n.b\r\n"),
        ("a\n.b\r\n.\r\n", "a\r\n.b\r\n"),
        ("a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"),
    ] {
        let decoded = repaired(input.as_bytes());
        assert_eq!(decoded.content, content.as_bytes(), "{input:?}");
        assert_eq!(decoded.end, Some(input.len()));
    }
}

#[test]
fn lone_line_ends_are_refused_where_told_so_and_the_end_is_still_found() {
    for (input, why) in [
        ("a\nb\r\n.\r\n", Some(BARE_LF)),
        ("a\rb\n\r\n.\r\n", Some(BARE_CR)),
        (".\n\r\n.\r\n", Some(BARE_LF)),
        (".\r\r\n\r\n.\r\n", Some(BARE_CR)),
        ("a\r\r\n.\r\n", Some(BARE_CR)),
        ("a\r\n\r\n.b\r\n.\r\n", None),
    ] {
        let decoded = decode(LineEnds::Refuse, &[input.as_bytes()]);
        assert_eq!(decoded.bad, why, "{input:?}");
        assert_eq!(decoded.end, Some(input.len()));
        let octets: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        assert_eq!(decode(LineEnds::Refuse, &octets), decoded);
    }
}

#[test]
fn an_end_with_other_line_ends_is_noticed() {
    for (input, expected) in [
        ("a\r\n.\r\n", false),
        ("a\n.b\r\n..\n", false),
        ("a\n.\n", true),
        ("a\n.\r\n", true),
        ("a\r\n.\n", true),
        ("a\r.\r", true),
        ("a\r\n.\r\r", true),
    ] {
        let mut body = Body::new(LineEnds::Repair);
        let mut rest = input.as_bytes();
        loop {
            let fed = body.feed(rest);
            rest = &rest[fed.consumed..];
            if matches!(fed.chunk, Chunk::More | Chunk::End) {
                break;
            }
        }
        assert_eq!(body.saw_odd_end(), expected, "{input:?}");
    }
}

#[test]
fn clean_input_comes_out_in_one_piece() {
    let line = b"VGhlIHNjYW4gb2YgYSBkb2N1bWVudCwgaW4gYmFzZTY0LCA3NiBsZXR0ZXJzIGEgbGluZS4uLi4K\r\n";
    let input = line.repeat(100);
    let fed = Body::new(LineEnds::Repair).feed(&input).consumed;
    assert_eq!(fed, input.len());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same(
        input in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..200),
        size in 1usize..20,
        refuse in any::<bool>(),
    ) {
        let line_ends = if refuse { LineEnds::Refuse } else { LineEnds::Repair };
        let pieces: Vec<&[u8]> = input.chunks(size).collect();
        prop_assert_eq!(decode(line_ends, &pieces), decode(line_ends, &[&input]));
        prop_assert_eq!(repaired(&input), naive(&input));
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same(
        content in proptest::collection::vec(
            prop_oneof![3 => "[a.]{0,5}", 1 => "[^\r\n]{0,9}"], 0..20),
        size in 1usize..20,
    ) {
        let content = content.iter().fold(String::new(), |text, line| text + line + "\r\n");
        let sent = [&encoded(content.as_bytes(), size)[..], b".\r\n"].concat();
        let decoded = repaired(&sent);
        prop_assert_eq!(decoded.end, Some(sent.len()));
        prop_assert_eq!(decoded.content, content.into_bytes());
    }

    /// Content that nobody normalised cannot end the body either.
    #[test]
    fn the_encoder_trusts_nobody(
        content in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..200),
        size in 1usize..20,
    ) {
        let out = encoded(&content, size);
        prop_assert!(!ends_somewhere(&[b"\r\n", &out[..]].concat()));
        prop_assert!(out.is_empty() || out.ends_with(b"\n"));
    }
}
