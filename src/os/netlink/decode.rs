//! Bytes of rtnetlink to [`Event`]s.
//!
//! Reads the few attributes that matter and skips the rest: a message of a newer kernel must not become unreadable for
//! an attribute that nobody asked for. Pure; what is malformed is left out.

use std::ffi::CStr;
use std::iter;
use std::net::IpAddr;

use netlink_packet_core::{NetlinkBuffer, NlasIterator};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::AddressHeader;
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType};

use super::{Address, Event, Link};
use crate::net::{LinkIndex, LinkName, MacAddr, Prefix};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;

/// Bytes of `struct ifinfomsg` and `struct ifaddrmsg`.
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

/// One netlink message of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
}

/// The messages of a datagram; ends at the first that is malformed.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let payload = rest.get(16..length)?;
        let message = Message {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            payload,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// What a message says, if it is about links or addresses.
pub(super) fn event(message: &Message<'_>) -> Option<Event> {
    match message.kind {
        RTM_NEWLINK => link(message.payload).map(Event::Link),
        RTM_DELLINK => {
            let header = LinkHeader::parse(message.payload).ok()?;
            // A port that leaves a bridge is reported as a deleted link of the bridge family.
            (header.interface_family == AddressFamily::Unspec)
                .then_some(Event::LinkGone(LinkIndex(header.index)))
        }
        RTM_NEWADDR => address(message.payload).map(Event::Address),
        RTM_DELADDR => {
            address(message.payload).map(|gone| Event::AddressGone { link: gone.link, prefix: gone.prefix })
        }
        _ => None,
    }
}

fn link(payload: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(payload).ok()?;
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let (mut name, mut mac, mut mtu) = (None, None, None);
    for attribute in NlasIterator::new(payload.get(LINK_HEADER..)?) {
        let Ok(attribute) = attribute else { break };
        match attribute.kind() {
            IFLA_IFNAME => name = text(attribute.value()).and_then(LinkName::new),
            IFLA_MTU => mtu = number(attribute.value()),
            IFLA_ADDRESS if header.link_layer_type == LinkLayerType::Ether => {
                mac = attribute.value().try_into().ok().map(MacAddr);
            }
            _ => {}
        }
    }
    Some(Link {
        index: LinkIndex(header.index),
        name: name?,
        mac,
        up: header.flags.contains(LinkFlags::Up),
        carrier: header.flags.contains(LinkFlags::LowerUp),
        // What has no MTU is a wireless event and no news about the link.
        mtu: mtu?,
    })
}

fn address(payload: &[u8]) -> Option<Address> {
    let header = AddressHeader::parse(payload).ok()?;
    let (mut address, mut local, mut protocol) = (None, None, 0);
    let mut flags = u32::from(header.flags.bits());
    for attribute in NlasIterator::new(payload.get(ADDRESS_HEADER..)?) {
        let Ok(attribute) = attribute else { break };
        let value = attribute.value();
        match attribute.kind() {
            IFA_ADDRESS => address = ip(header.family, value),
            IFA_LOCAL => local = ip(header.family, value),
            IFA_FLAGS => flags = number(value).unwrap_or(flags),
            IFA_PROTO => protocol = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let is_v4 = header.family == AddressFamily::Inet;
    Some(Address {
        link: LinkIndex(header.index),
        // On a point-to-point link IFA_ADDRESS is the peer's.
        prefix: Prefix::new(local.or(address)?, header.prefix_len)?,
        protocol,
        tentative: !is_v4 && flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0,
        secondary: is_v4 && flags & IFA_F_SECONDARY != 0,
    })
}

fn ip(family: AddressFamily, value: &[u8]) -> Option<IpAddr> {
    if family == AddressFamily::Inet {
        <[u8; 4]>::try_from(value).ok().map(IpAddr::from)
    } else if family == AddressFamily::Inet6 {
        <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
    } else {
        None
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// A string with its terminating zero.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    CStr::from_bytes_until_nul(value).ok()?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link_payload(family: u8, kind: u16, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![family, 0];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(attributes.concat());
        bytes
    }

    fn message(kind: u16, payload: &[u8]) -> Option<Event> {
        event(&Message { kind, flags: 0, sequence: 0, payload })
    }

    #[test]
    fn a_link_is_read_and_unknown_attributes_are_skipped() {
        let attributes = [
            attribute(IFLA_IFNAME, b"eth0\0"),
            attribute(999, &[1, 2, 3]),
            attribute(IFLA_MTU, &1500_u32.to_ne_bytes()),
            attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]),
        ];
        let payload = link_payload(0, 1, 0x1_0001, &attributes);
        let expected = Link {
            index: LinkIndex(7),
            name: LinkName::new("eth0").unwrap(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            up: true,
            carrier: true,
            mtu: 1500,
        };
        assert_eq!(message(RTM_NEWLINK, &payload), Some(Event::Link(expected)));
        assert_eq!(message(RTM_DELLINK, &payload), Some(Event::LinkGone(LinkIndex(7))));
        let loopback = link_payload(0, 772, 1, &attributes);
        let Some(Event::Link(link)) = message(RTM_NEWLINK, &loopback) else { panic!("a link") };
        assert_eq!((link.mac, link.up, link.carrier), (None, true, false));
    }

    #[test]
    fn a_port_leaving_a_bridge_is_not_a_deleted_link() {
        let attributes = [attribute(IFLA_IFNAME, b"eth0\0"), attribute(IFLA_MTU, &1500_u32.to_ne_bytes())];
        let bridge = link_payload(7, 1, 1, &attributes);
        assert_eq!(message(RTM_DELLINK, &bridge), None);
        assert_eq!(message(RTM_NEWLINK, &bridge), None);
    }

    #[test]
    fn addresses_are_read_with_their_owner_and_flags() {
        let mut v4 = vec![2, 24, 0x81, 0];
        v4.extend(7_u32.to_ne_bytes());
        v4.extend(attribute(IFA_ADDRESS, &[192, 0, 2, 1]));
        v4.extend(attribute(IFA_LOCAL, &[192, 0, 2, 2]));
        v4.extend(attribute(IFA_PROTO, &[112]));
        let expected = Address {
            link: LinkIndex(7),
            prefix: Prefix::new("192.0.2.2".parse().unwrap(), 24).unwrap(),
            protocol: 112,
            tentative: false,
            secondary: true,
        };
        assert_eq!(message(RTM_NEWADDR, &v4), Some(Event::Address(expected)));
        let prefix = Prefix::new("192.0.2.2".parse().unwrap(), 24).unwrap();
        assert_eq!(message(RTM_DELADDR, &v4), Some(Event::AddressGone { link: LinkIndex(7), prefix }));

        for (flags, tentative) in [(0x80_u32, false), (0xc0, true), (0x88, true), (0x81, false)] {
            let mut v6 = vec![10, 64, 0, 0];
            v6.extend(7_u32.to_ne_bytes());
            v6.extend(attribute(IFA_ADDRESS, &[0xfe; 16]));
            v6.extend(attribute(IFA_FLAGS, &flags.to_ne_bytes()));
            let Some(Event::Address(address)) = message(RTM_NEWADDR, &v6) else { panic!("an address") };
            assert_eq!((address.tentative, address.secondary, address.protocol), (tentative, false, 0));
        }
    }

    #[test]
    fn datagrams_of_several_messages_and_garbage() {
        let mut datagram = Vec::new();
        for kind in [3_u16, 4] {
            datagram.extend(18_u32.to_ne_bytes());
            datagram.extend(kind.to_ne_bytes());
            datagram.extend([0; 10]);
            datagram.extend([9, 9, 0, 0]);
        }
        assert_eq!(
            messages(&datagram).map(|m| (m.kind, m.payload.len())).collect::<Vec<_>>(),
            [(3, 2), (4, 2)]
        );
        for length in 0..datagram.len() {
            assert!(messages(&datagram[..length]).count() <= 2);
        }
        let zero_length = [0; 32];
        assert_eq!(messages(&zero_length).count(), 0);
    }
}
