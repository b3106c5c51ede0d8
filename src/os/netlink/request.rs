//! Requests as bytes of rtnetlink. Pure.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope,
    CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::AddressChange;
use crate::net::{LinkIndex, Prefix, Scope};

/// Appends the request for `change` on `link` to `bytes`; `protocol` marks an added address as ours.
pub(super) fn address_change(
    bytes: &mut Vec<u8>,
    sequence: u32,
    link: LinkIndex,
    change: &AddressChange,
    protocol: u8,
) {
    match change {
        AddressChange::Add { prefix, label, scope, preferred, route, lease } => {
            let mut message = about(link, *prefix);
            describe(&mut message, protocol, label.as_ref(), *scope, *route);
            live(&mut message, *prefix, *preferred, *lease);
            let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
            append(bytes, sequence, flags, RouteNetlinkMessage::NewAddress(message));
        }
        AddressChange::Renew { prefix, label, scope, preferred, route, lease } => {
            let mut message = about(link, *prefix);
            // All of it again: the kernel takes the protocol and the flags from here, and adds the address if it is gone.
            describe(&mut message, protocol, label.as_ref(), *scope, *route);
            live(&mut message, *prefix, *preferred, *lease);
            let flags = NLM_F_ACK | NLM_F_REPLACE;
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

/// What an address is, but for how long.
fn describe(message: &mut AddressMessage, protocol: u8, label: Option<&String>, scope: Scope, route: bool) {
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(protocol)));
    if let Some(label) = label {
        message.attributes.push(AddressAttribute::Label(label.clone()));
    }
    if message.header.family == AddressFamily::Inet6 {
        // The address moves: whoever held it until now would answer, and so would a peer that still does.
        message.header.flags |= AddressHeaderFlags::Nodad;
        let without = if route { AddressFlags::empty() } else { AddressFlags::Noprefixroute };
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad | without));
    } else {
        message.header.scope = AddressScope::from(scope.number());
    }
}

/// How long an address lives. Without this attribute it does so without end.
fn live(message: &mut AddressMessage, prefix: Prefix, preferred: bool, lease: Option<u32>) {
    let preferred = preferred || prefix.address().is_ipv4();
    if lease.is_none() && preferred {
        return;
    }
    let mut lifetimes = CacheInfo::default();
    lifetimes.ifa_valid = lease.unwrap_or(u32::MAX);
    lifetimes.ifa_preferred = if preferred { lifetimes.ifa_valid } else { 0 };
    message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
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
    use netlink_packet_core::NlasIterator;

    use super::*;
    use crate::os::netlink::decode::{self, messages};
    use crate::os::netlink::{Address, Event};

    fn add(prefix: &str, length: u8, preferred: bool) -> AddressChange {
        let prefix = Prefix::new(prefix.parse().unwrap(), length).unwrap();
        AddressChange::Add {
            prefix,
            label: None,
            scope: Scope::Global,
            preferred,
            route: true,
            lease: Some(6),
        }
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

    /// The attribute `IFA_CACHEINFO` as bytes: preferred and valid lifetime, if there is one.
    fn lifetimes(change: &AddressChange) -> Option<(u32, u32)> {
        const IFA_CACHEINFO: u16 = 6;
        let mut bytes = Vec::new();
        address_change(&mut bytes, 1, LinkIndex(3), change, 112);
        let message = messages(&bytes).next().unwrap();
        let mut attributes = NlasIterator::new(&message.payload[8..]).map(Result::unwrap);
        let found = attributes.find(|attribute| attribute.kind() == IFA_CACHEINFO)?;
        let word = |at: usize| u32::from_ne_bytes(*found.value()[at..].first_chunk().unwrap());
        Some((word(0), word(4)))
    }

    #[test]
    fn a_lease_is_both_lifetimes_but_for_an_address_that_is_not_to_be_a_source() {
        for (address, length, preferred, lease, expected) in [
            ("192.0.2.7", 24, true, Some(6), Some((6, 6))),
            ("192.0.2.7", 24, false, Some(6), Some((6, 6))),
            ("192.0.2.7", 24, true, None, None),
            ("2001:db8::7", 64, true, Some(2), Some((2, 2))),
            ("2001:db8::7", 128, false, Some(2), Some((0, 2))),
            ("2001:db8::7", 128, false, None, Some((0, u32::MAX))),
            ("2001:db8::7", 64, true, None, None),
        ] {
            let prefix = Prefix::new(address.parse().unwrap(), length).unwrap();
            let (label, scope, route) = (None, Scope::Global, true);
            let add = AddressChange::Add { prefix, label: label.clone(), scope, preferred, route, lease };
            assert_eq!(lifetimes(&add), expected, "{add:?}");
            let renew = AddressChange::Renew { prefix, label, scope, preferred, route, lease };
            assert_eq!(lifetimes(&renew), expected, "{renew:?}");
        }
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
