//! The PROXY header of load balancers, versions 1 and 2.
//!
//! Who may send one is decided by whoever reads it; the header's further values (TLVs) are skipped.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// What stands at the start of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// It may be a header; at least so many octets are needed to go on.
    Incomplete(usize),
    /// There is no PROXY header.
    Absent,
    /// A header without addresses (`LOCAL`, `UNKNOWN`): the balancer speaks for itself.
    Local {
        /// The length of the header.
        consumed: usize,
    },
    /// A header with the addresses of the real connection.
    From {
        /// Who connected to the balancer.
        source: SocketAddr,
        /// Where to.
        destination: SocketAddr,
        /// The length of the header.
        consumed: usize,
    },
    /// It begins like a PROXY header, but is none.
    Bad(&'static str),
}

/// The longest version 1 header, line end included (section 2.1 of the specification).
pub const V1_OCTETS: usize = 107;
/// The longest version 2 header taken: the fixed part and so many octets of addresses and TLVs.
pub const V2_PAYLOAD_OCTETS: usize = 536;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED: usize = 16;
const V1_SIGNATURE: &[u8; 6] = b"PROXY ";

/// Looks for a PROXY header at the start of `bytes`; call it again with more after
/// [`Parsed::Incomplete`].
pub fn parse(bytes: &[u8]) -> Parsed {
    if begins(bytes, V2_SIGNATURE) {
        version_2(bytes)
    } else if begins(bytes, V1_SIGNATURE) {
        version_1(bytes)
    } else {
        Parsed::Absent
    }
}

/// Whether `bytes`, as far as they go, are the signature.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let n = bytes.len().min(signature.len());
    bytes[..n] == signature[..n]
}

fn version_1(bytes: &[u8]) -> Parsed {
    let Some(end) = bytes.iter().take(V1_OCTETS).position(|&b| b == b'\n') else {
        return if bytes.len() >= V1_OCTETS {
            Parsed::Bad("a version 1 header without end")
        } else {
            Parsed::Incomplete(bytes.len() + 1)
        };
    };
    let consumed = end + 1;
    let words: Option<Vec<&str>> = bytes[..end]
        .strip_suffix(b"\r")
        .and_then(|line| std::str::from_utf8(line).ok())
        .map(|line| line.split(' ').skip(1).collect());
    let addresses = match words.as_deref() {
        Some(["UNKNOWN", ..]) => return Parsed::Local { consumed },
        Some(["TCP4", source, destination, from, to]) => {
            endpoints::<Ipv4Addr>(source, destination, from, to)
        }
        Some(["TCP6", source, destination, from, to]) => {
            endpoints::<Ipv6Addr>(source, destination, from, to)
        }
        _ => None,
    };
    match addresses {
        Some((source, destination)) => Parsed::From {
            source,
            destination,
            consumed,
        },
        None => Parsed::Bad("a version 1 header whose words make no sense"),
    }
}

fn endpoints<A: FromStr + Into<IpAddr>>(
    source: &str,
    destination: &str,
    from: &str,
    to: &str,
) -> Option<(SocketAddr, SocketAddr)> {
    let endpoint = |address: &str, port: &str| {
        let address: A = address.parse().ok()?;
        Some(endpoint(address.into(), port.parse().ok()?))
    };
    Some((endpoint(source, from)?, endpoint(destination, to)?))
}

/// An IPv4 address in IPv6 clothing is an IPv4 address to everything that compares networks.
fn endpoint(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

fn version_2(bytes: &[u8]) -> Parsed {
    let Some((head, rest)) = bytes.split_at_checked(V2_FIXED) else {
        // A client that begins with an empty line is told apart as soon as it goes on.
        let need = if bytes.len() < V2_SIGNATURE.len() {
            bytes.len() + 1
        } else {
            V2_FIXED
        };
        return Parsed::Incomplete(need);
    };
    let payload = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if payload > V2_PAYLOAD_OCTETS {
        return Parsed::Bad("a version 2 header longer than any balancer sends");
    }
    let consumed = V2_FIXED + payload;
    let local = match head[12] {
        0x20 => true,
        0x21 => false,
        _ => return Parsed::Bad("a version 2 header with an unknown version or command"),
    };
    let Some(payload) = rest.get(..payload) else {
        return Parsed::Incomplete(consumed);
    };
    if local {
        return Parsed::Local { consumed };
    }
    let addresses = match head[13] {
        // Unspecified, or a Unix socket: no address that a network could hold.
        0x00 | 0x31 => return Parsed::Local { consumed },
        0x11 => pair::<4>(payload),
        0x21 => pair::<16>(payload),
        _ => return Parsed::Bad("a version 2 header for something other than TCP"),
    };
    match addresses {
        Some((source, destination)) => Parsed::From {
            source,
            destination,
            consumed,
        },
        None => Parsed::Bad("a version 2 header too short for its addresses"),
    }
}

/// Two addresses, then two ports.
fn pair<const N: usize>(payload: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = payload.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let to = rest.first_chunk::<2>()?;
    Some((
        endpoint(IpAddr::from(*source), u16::from_be_bytes(*from)),
        endpoint(IpAddr::from(*destination), u16::from_be_bytes(*to)),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn from(source: &str, destination: &str, consumed: usize) -> Parsed {
        Parsed::From {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            consumed,
        }
    }

    #[test]
    fn version_1() {
        for (header, expected) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO x",
                from("192.0.2.1:56324", "198.51.100.2:25", 44),
            ),
            (
                "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
                from("[2001:db8::1]:1", "[2001:db8::2]:65535", 44),
            ),
            (
                "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n",
                from("192.0.2.1:1", "192.0.2.2:2", 50),
            ),
            ("PROXY UNKNOWN\r\n", Parsed::Local { consumed: 15 }),
            (
                "PROXY UNKNOWN ffff:: :: 1 2\r\nQUIT",
                Parsed::Local { consumed: 29 },
            ),
        ] {
            assert_eq!(parse(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn version_1_that_makes_no_sense() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!(long.len(), V1_OCTETS + 1);
        for header in [
            "PROXY \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 x\r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.2 1 25\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
            &long,
        ] {
            assert!(
                matches!(parse(header.as_bytes()), Parsed::Bad(_)),
                "{header}"
            );
        }
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
        assert_eq!(
            parse(longest.as_bytes()),
            Parsed::Local {
                consumed: V1_OCTETS
            }
        );
    }

    #[test]
    fn version_2() {
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 0, 25];
        assert_eq!(
            parse(&v2(0x21, 0x11, &four)),
            from("192.0.2.1:56324", "198.51.100.2:25", 28)
        );
        let mut six = vec![0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        six.extend_from_within(..);
        six.extend([0, 1, 0, 2]);
        // A TLV behind the addresses is part of the header.
        six.extend([4, 0, 1, 0]);
        let mut bytes = v2(0x21, 0x21, &six);
        bytes.extend(b"EHLO");
        assert_eq!(
            parse(&bytes),
            from("[2001:db8::1]:1", "[2001:db8::1]:2", 56)
        );
        assert_eq!(parse(&v2(0x20, 0, &[])), Parsed::Local { consumed: 16 });
        assert_eq!(parse(&v2(0x21, 0, b"xx")), Parsed::Local { consumed: 18 });
        assert_eq!(
            parse(&v2(0x20, 0x11, &four)),
            Parsed::Local { consumed: 28 }
        );
        let unix = [0; 216];
        assert_eq!(
            parse(&v2(0x21, 0x31, &unix)),
            Parsed::Local { consumed: 232 }
        );
    }

    #[test]
    fn version_2_that_makes_no_sense() {
        for bytes in [
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x11, &[0; V2_PAYLOAD_OCTETS + 1]),
        ] {
            assert!(matches!(parse(&bytes), Parsed::Bad(_)));
        }
    }

    #[test]
    fn a_client_that_speaks_mail_has_no_header() {
        for start in ["EHLO x\r\n", "P", "PROX", "\r\n", "\x16\x03\x01"] {
            let expected = match start {
                "P" | "PROX" | "\r\n" => start.len() + 1,
                _ => 0,
            };
            let need = match parse(start.as_bytes()) {
                Parsed::Absent => 0,
                Parsed::Incomplete(need) => need,
                other => panic!("{other:?}"),
            };
            assert_eq!(need, expected, "{start:?}");
        }
        assert_eq!(parse(b"PASS x\r\n"), Parsed::Absent);
        assert_eq!(parse(b"\r\n\r\nEHLO"), Parsed::Absent);
    }

    proptest! {
        /// Reading on to what it says it needs always ends, and the same answer comes.
        #[test]
        fn reading_as_much_as_is_needed_gives_the_same(
            header in prop_oneof![
                Just(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n".to_vec()),
                Just(v2(0x21, 0x11, &[7; 30])),
                Just(v2(0x20, 0, &[7; 3])),
                proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| v2(0x21, 0x11, &bytes)),
                "PROXY [A-Z0-9 .:\r]{0,120}\n".prop_map(String::into_bytes),
            ],
            rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [header, rest].concat();
            let whole = parse(&bytes);
            let mut read = 0;
            let stepwise = loop {
                match parse(&bytes[..read]) {
                    Parsed::Incomplete(need) if need <= bytes.len() => {
                        prop_assert!(need > read);
                        read = need;
                    }
                    found => break found,
                }
            };
            prop_assert_eq!(stepwise, whole);
            if let Parsed::From { consumed, .. } | Parsed::Local { consumed } = whole {
                prop_assert!(consumed <= bytes.len());
                prop_assert!(consumed <= 16 + V2_PAYLOAD_OCTETS);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }
    }
}
