//! The default gateways of this machine, as Linux tells them.
//!
//! Behind a gateway many devices can share its address (NAT, a container's bridge), so it never
//! identifies one of them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The gateways; empty where the system does not tell.
pub(super) fn gateways() -> Vec<IpAddr> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let mut gateways = ipv4(&read("/proc/net/route"));
    gateways.extend(ipv6(&read("/proc/net/ipv6_route")));
    gateways
}

/// Columns: interface, destination, gateway, flags, …, mask; addresses as they lie in memory.
fn ipv4(table: &str) -> Vec<IpAddr> {
    let word = |cell: Option<&str>| u32::from_str_radix(cell?, 16).ok();
    let gateway = |line: &str| {
        let mut cells = line.split_whitespace().skip(1);
        let (destination, gateway) = (word(cells.next())?, word(cells.next())?);
        let ip = Ipv4Addr::from(gateway.to_ne_bytes());
        (destination == 0 && !ip.is_unspecified()).then_some(ip.into())
    };
    table.lines().skip(1).filter_map(gateway).collect()
}

/// Columns: destination, its length, source, its length, next hop, …; addresses in network order.
fn ipv6(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let hop = u128::from_str_radix(cells.get(4)?, 16).ok()?;
        let ip = Ipv6Addr::from(hop);
        (*cells.get(1)? == "00" && !ip.is_unspecified()).then_some(ip.into())
    };
    table.lines().filter_map(gateway).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_and_no_other() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0107010A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0007010A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
";
        assert_eq!(ipv4(table), ["10.1.7.1".parse::<IpAddr>().unwrap()]);
        assert!(ipv4("").is_empty() && ipv4("x\ny z\n").is_empty());
    }

    #[test]
    fn the_default_route_of_ipv6() {
        let zero = "0".repeat(32);
        let table = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000064 1 0 00000003 eth0\n\
             fe80000000000000 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
        );
        assert_eq!(ipv6(&table), ["fe80::1".parse::<IpAddr>().unwrap()]);
    }
}
