//! Ethernet frames that tell the link who now has an address (RFC 9568, section 6.4.2).
//!
//! Owns: the bytes of a gratuitous ARP and of an unsolicited neighbour advertisement. Never: decides when or how often
//! they are sent. Cannot fail. Frames are as short as they are: padding to Ethernet's 60 bytes is the driver's.
//!
//! RFC 9568 has the virtual router's own MAC in these frames. Addresses here are held with the interface's MAC, so the
//! interface's stands where that one would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{ICMPV6, Sum};
use crate::net::MacAddr;

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
/// Where Ethernet sends what goes to `ff02::1` (RFC 2464, section 7).
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const ETHERNET_HEADER: usize = 14;

/// The frame that announces `address` at `mac`: a gratuitous ARP request for IPv4, an unsolicited neighbour
/// advertisement (router flag as given, solicited clear, override set) for IPv6.
#[must_use]
pub fn frame(address: IpAddr, mac: MacAddr, router: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => gratuitous_arp(v4, mac),
        IpAddr::V6(v6) => neighbour_advertisement(v6, mac, router),
    }
}

fn ethernet(destination: MacAddr, source: MacAddr, ethertype: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ETHERNET_HEADER + payload.len());
    bytes.extend(destination.0);
    bytes.extend(source.0);
    bytes.extend(ethertype);
    bytes.extend(payload);
    bytes
}

/// An ARP announcement (RFC 5227, section 2.3): a broadcast request whose sender and target are both `address`.
///
/// Nobody evaluates a request's target hardware address, and practice differs: RFC 5227 has zeros, keepalived and FRR
/// have ones. Errata 7947 and 7949 of RFC 9568 ask for the announced MAC, so that is what stands there.
fn gratuitous_arp(address: Ipv4Addr, mac: MacAddr) -> Vec<u8> {
    const ETHERNET: [u8; 2] = [0, 1];
    const IPV4: [u8; 2] = [0x08, 0x00];
    const LENGTHS: [u8; 2] = [6, 4];
    const REQUEST: [u8; 2] = [0, 1];

    let mut arp = Vec::with_capacity(28);
    arp.extend([ETHERNET, IPV4, LENGTHS, REQUEST].as_flattened());
    let party = || mac.0.into_iter().chain(address.octets());
    arp.extend(party()); // sender
    arp.extend(party()); // target
    ethernet(BROADCAST, mac, ETHERTYPE_ARP, &arp)
}

/// An unsolicited neighbour advertisement (RFC 4861, sections 4.4 and 7.2.6), sent from the address itself as
/// keepalived and FRR do.
fn neighbour_advertisement(address: Ipv6Addr, mac: MacAddr, router: bool) -> Vec<u8> {
    const TYPE: u8 = 136;
    const ROUTER: u8 = 0x80;
    const OVERRIDE: u8 = 0x20;
    const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];
    /// Bytes of the message: header, flags, target, option.
    const LENGTH: u8 = 4 + 4 + 16 + 8;
    const VERSION_6: [u8; 4] = [0x60, 0, 0, 0];
    const HOP_LIMIT: u8 = 255;

    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    let message = |checksum: [u8; 2]| {
        let [high, low] = checksum;
        let mut bytes = vec![TYPE, 0, high, low, flags, 0, 0, 0];
        bytes.extend(address.octets());
        bytes.extend(TARGET_LINK_LAYER_ADDRESS);
        bytes.extend(mac.0);
        bytes
    };
    let sum = Sum::pseudo_header(address.into(), ALL_NODES.into(), ICMPV6, usize::from(LENGTH));
    let checksum = sum.add(&message([0, 0])).checksum();

    let mut packet = Vec::with_capacity(40 + usize::from(LENGTH));
    packet.extend(VERSION_6);
    packet.extend([0, LENGTH, ICMPV6, HOP_LIMIT]);
    packet.extend(address.octets());
    packet.extend(ALL_NODES.octets());
    packet.extend(message(checksum.to_be_bytes()));
    ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6, &packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([0x02, 0x00, 0x5e, 0x10, 0x20, 0x30]);

    #[test]
    fn the_arp_frame_is_these_bytes() {
        let bytes = frame("192.0.2.1".parse().unwrap(), MAC, true);
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x08,
            0x06, // Ethernet
            0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01, // a request
            0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 192, 0, 2, 1, // sender
            0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 192, 0, 2, 1, // target
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn only_the_router_flag_differs() {
        let target = "2001:db8::1".parse().unwrap();
        let (host, router) = (frame(target, MAC, false), frame(target, MAC, true));
        let flags = ETHERNET_HEADER + 40 + 4;
        assert_eq!((host[flags], router[flags]), (0x20, 0xa0));
        let (checksum, rest) = (flags - 2, flags + 1);
        assert_eq!((&host[..checksum], &host[rest..]), (&router[..checksum], &router[rest..]));
    }
}
