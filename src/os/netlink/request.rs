//! Requests as bytes of rtnetlink. Pure.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope,
    CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::AddressChange;
use crate::net::{LinkIndex, Prefix};

/// Appends the request for `change` on `link` to `bytes`; `protocol` marks an added address as ours.
pub(super) fn address_change(
    bytes: &mut Vec<u8>,
    sequence: u32,
    link: LinkIndex,
    change: &AddressChange,
    protocol: u8,
) {
    match change {
        AddressChange::Add { prefix, label, scope, preferred } => {
            let mut message = about(link, *prefix);
            message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(protocol)));
            if let Some(label) = label {
                message.attributes.push(AddressAttribute::Label(label.clone()));
            }
            if prefix.address().is_ipv6() {
                // The address moves: whoever held it until now would answer, and so would a peer that still does.
                message.header.flags |= AddressHeaderFlags::Nodad;
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
                if !preferred {
                    let mut lifetimes = CacheInfo::default();
                    lifetimes.ifa_valid = u32::MAX;
                    message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
                }
            } else {
                message.header.scope = AddressScope::from(scope.number());
            }
            let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
            append(bytes, sequence, flags, RouteNetlinkMessage::NewAddress(message));
        }
        AddressChange::Remove { prefix } => {
            let message = RouteNetlinkMessage::DelAddress(about(link, *prefix));
            append(bytes, sequence, NLM_F_ACK, message);
        }
    }
}

/// The request for all links, without their statistics.
pub(super) fn dump_links(sequence: u32) -> Vec<u8> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut bytes = Vec::new();
    append(&mut bytes, sequence, NLM_F_DUMP, RouteNetlinkMessage::GetLink(message));
    bytes
}

/// The request for all addresses of both families.
pub(super) fn dump_addresses(sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, sequence, NLM_F_DUMP, RouteNetlinkMessage::GetAddress(AddressMessage::default()));
    bytes
}

fn about(link: LinkIndex, prefix: Prefix) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match prefix.address() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = prefix.length();
    message.header.index = link.0;
    message.attributes.push(AddressAttribute::Local(prefix.address()));
    message.attributes.push(AddressAttribute::Address(prefix.address()));
    message
}

fn append(bytes: &mut Vec<u8>, sequence: u32, flags: u16, message: RouteNetlinkMessage) {
    let mut message = NetlinkMessage::from(message);
    debug_assert!(matches!(message.payload, NetlinkPayload::InnerMessage(_)), "a request has a body");
    message.header.flags = NLM_F_REQUEST | flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = bytes.len();
    bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
    if let Some(room) = bytes.get_mut(start..) {
        message.serialize(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Scope;
    use crate::os::netlink::decode::{self, messages};
    use crate::os::netlink::{Address, Event};

    fn add(prefix: &str, length: u8, preferred: bool) -> AddressChange {
        let prefix = Prefix::new(prefix.parse().unwrap(), length).unwrap();
        AddressChange::Add { prefix, label: None, scope: Scope::Global, preferred }
    }

    #[test]
    fn what_is_asked_for_reads_back_as_what_is_meant() {
        let mut bytes = Vec::new();
        for (sequence, change) in
            (10..).zip([add("192.0.2.7", 24, true), add("2001:db8::7", 64, false), add("10.0.0.1", 32, true)])
        {
            address_change(&mut bytes, sequence, LinkIndex(3), &change, 112);
        }
        let read: Vec<_> = messages(&bytes).map(|m| (m.sequence, decode::event(&m).unwrap())).collect();
        let expected = [("192.0.2.7", 24), ("2001:db8::7", 64), ("10.0.0.1", 32)].map(|(address, length)| {
            Event::Address(Address {
                link: LinkIndex(3),
                prefix: Prefix::new(address.parse().unwrap(), length).unwrap(),
                protocol: 112,
                tentative: false,
                secondary: false,
            })
        });
        assert_eq!(read, (10..).zip(expected).collect::<Vec<_>>());
    }

    #[test]
    fn a_removal_names_the_address_and_its_prefix() {
        let mut bytes = Vec::new();
        let prefix = Prefix::new("192.0.2.7".parse().unwrap(), 24).unwrap();
        address_change(&mut bytes, 1, LinkIndex(3), &AddressChange::Remove { prefix }, 112);
        let message = messages(&bytes).next().unwrap();
        let gone = Event::AddressGone { link: LinkIndex(3), prefix };
        assert_eq!(decode::event(&message), Some(gone));
        assert_eq!(message.payload[1], 24);
    }
}
