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
/// `PROXY UNKNOWN` and its line end.
const V1_SHORTEST: usize = 15;

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
            Parsed::Incomplete(V1_SHORTEST.max(bytes.len() + 1))
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
        return Parsed::Incomplete(V2_FIXED);
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
