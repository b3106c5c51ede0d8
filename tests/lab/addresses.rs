//! Which addresses a host has, straight from the kernel: `ip` of Debian 12 does not show who added an address.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::space::Space;

/// An address on a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// Index of the link.
    pub(crate) link: u32,
    pub(crate) address: IpAddr,
    /// Bits of the network part.
    pub(crate) length: u8,
    /// `IFA_PROTO`; 0 when nobody said who put it there.
    pub(crate) protocol: u8,
}

/// All addresses in `space`, sorted.
pub(crate) fn dump(space: &Space) -> Vec<Held> {
    let mut held = space.run(|| {
        let mut socket = Socket::new(NETLINK_ROUTE).expect("netlink");
        socket.bind_auto().expect("netlink");
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetAddress(AddressMessage::default()));
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).expect("netlink request");
        let mut held = Vec::new();
        while collect(&socket.recv_from_full().expect("netlink answer").0, &mut held) {}
        held
    });
    held.sort();
    held
}

/// Takes one datagram of the answer apart; false when it was the last.
fn collect(datagram: &[u8], held: &mut Vec<Held>) -> bool {
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).expect("netlink message");
        if matches!(message.payload, NetlinkPayload::Done(_)) {
            return false;
        }
        let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) = message.payload else {
            panic!("unexpected answer {message:?}");
        };
        held.extend(one(&address));
        let length = usize::try_from(message.header.length).expect("length").next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

pub(super) fn one(message: &AddressMessage) -> Option<Held> {
    let mut address = None;
    let mut local = None;
    let mut protocol = 0;
    for attribute in &message.attributes {
        if let AddressAttribute::Address(value) = attribute {
            address = Some(*value);
        } else if let AddressAttribute::Local(value) = attribute {
            local = Some(*value);
        } else if let AddressAttribute::Protocol(value) = attribute {
            protocol = u8::from(*value);
        }
    }
    let address = local.or(address)?;
    Some(Held { link: message.header.index, address, length: message.header.prefix_len, protocol })
}
