//! A look at a TLS ClientHello: just enough to say in the log what a device offers.

use std::fmt;

/// The first octet of a TLS record that holds a handshake message.
pub(super) const HANDSHAKE: u8 = 0x16;
/// So much of a hello is looked at. Versions stand in front; a hello that needs more is modern.
pub(super) const OCTETS: usize = 1024;

/// What stands at the start of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello {
    /// No TLS at all.
    NotTls,
    /// A hello whose versions are not here yet.
    Unfinished,
    /// The highest version that the device offers.
    Offers(Version),
}

/// A version as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u16);

impl Version {
    const TLS_1_2: Self = Self(0x0303);

    /// Whether we do not speak it.
    pub(super) fn is_too_old(self) -> bool {
        self < Self::TLS_1_2
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0002 => f.write_str("SSL 2"),
            0x0300 => f.write_str("SSL 3"),
            0x0301 => f.write_str("TLS 1.0"),
            0x0302 => f.write_str("TLS 1.1"),
            0x0303 => f.write_str("TLS 1.2"),
            0x0304 => f.write_str("TLS 1.3"),
            other => write!(f, "TLS version {other:#06x}"),
        }
    }
}

/// Looks at the start of a stream.
pub(super) fn read(bytes: &[u8]) -> Hello {
    match bytes {
        [HANDSHAKE, 3, ..] | [HANDSHAKE] => {}
        // SSL 2: length with its high bit set, message type 1, version 0x0002 or 0x03xx.
        [length, _, 1, major @ (0 | 3), minor, ..] if length & 0x80 != 0 => {
            return Hello::Offers(Version(u16::from_be_bytes([*major, *minor])));
        }
        _ => return Hello::NotTls,
    }
    // Record header (5), handshake header (4), then the hello itself.
    let Some(hello) = bytes.get(9..) else {
        return Hello::Unfinished;
    };
    match versions(hello) {
        Some(version) => Hello::Offers(version),
        None => Hello::Unfinished,
    }
}

/// The extension `supported_versions` of TLS 1.3 (RFC 8446, section 4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;

fn versions(hello: &[u8]) -> Option<Version> {
    let mut rest = hello;
    let legacy = Version(take_u16(&mut rest)?);
    let extensions = skip_to_extensions(&mut rest);
    let mut rest = match extensions {
        Some(()) => rest,
        // Old hellos end here; a cut one says at least this much.
        None => return Some(legacy),
    };
    while let Some(kind) = take_u16(&mut rest) {
        let Some(length) = take_u16(&mut rest) else {
            break;
        };
        let Some(body) = take(&mut rest, usize::from(length)) else {
            break;
        };
        if kind == SUPPORTED_VERSIONS {
            let offered = body.get(1..)?.chunks_exact(2);
            let known = offered
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                // Reserved values that clients send to keep servers honest (RFC 8701) are no versions.
                .filter(|version| (0x0300..=0x0304).contains(version));
            return known.max().map(Version).or(Some(legacy));
        }
    }
    Some(legacy)
}

/// Skips random, session id, cipher suites, compression methods and the extensions' length.
fn skip_to_extensions(rest: &mut &[u8]) -> Option<()> {
    take(rest, 32)?;
    let session = take(rest, 1)?[0];
    take(rest, usize::from(session))?;
    let suites = take_u16(rest)?;
    take(rest, usize::from(suites))?;
    let compressions = take(rest, 1)?[0];
    take(rest, usize::from(compressions))?;
    take_u16(rest)?;
    Some(())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    take(rest, 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A hello with these legacy and, if any, supported versions.
    fn hello(legacy: u16, supported: &[u16]) -> Vec<u8> {
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        if !supported.is_empty() {
            let list: Vec<u8> = supported
                .iter()
                .flat_map(|version| version.to_be_bytes())
                .collect();
            let mut extensions = vec![0, 10, 0, 2, 0, 0, 0, 43];
            extensions.extend((u16::try_from(list.len()).unwrap() + 1).to_be_bytes());
            extensions.push(u8::try_from(list.len()).unwrap());
            extensions.extend(list);
            body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
            body.extend(extensions);
        }
        let length = u16::try_from(body.len()).unwrap();
        let mut record = vec![HANDSHAKE, 3, 1];
        record.extend((length + 4).to_be_bytes());
        record.extend([1, 0]);
        record.extend(length.to_be_bytes());
        record.extend(body);
        record
    }

    #[test]
    fn the_highest_offered_version_is_named() {
        let named = |bytes: &[u8]| match read(bytes) {
            Hello::Offers(version) => version.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(named(&hello(0x0301, &[])), "TLS 1.0");
        assert_eq!(named(&hello(0x0303, &[])), "TLS 1.2");
        assert_eq!(named(&hello(0x0303, &[0x6a6a, 0x0304, 0x0303])), "TLS 1.3");
        assert_eq!(named(&hello(0x0303, &[0x0302, 0x0301])), "TLS 1.1");
        assert_eq!(named(&[0x80, 0x2e, 1, 0, 2, 0, 0]), "SSL 2");
        assert_eq!(named(b"EHLO me\r\n"), "NotTls");
        assert_eq!(named(&[HANDSHAKE]), "Unfinished");
        assert_eq!(named(&hello(0x0303, &[])[..9]), "Unfinished");
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(start in 0usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut input = [&[][..], &[HANDSHAKE, 3], &[HANDSHAKE, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3]][start].to_vec();
            input.extend(bytes);
            read(&input);
        }

        #[test]
        fn a_cut_hello_never_passes_for_plain_text(cut in 1usize..60) {
            let whole = hello(0x0303, &[0x0304]);
            prop_assert_ne!(read(&whole[..cut.min(whole.len())]), Hello::NotTls);
        }
    }
}
