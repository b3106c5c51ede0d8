//! Links and addresses of the demo's own namespaces, asked of the kernel directly: no `ip` program is needed.
//!
//! rtnetlink answers a request before the system call that made it returns, so nothing here waits.
//! Fails with what was tried and the kernel's word.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

/// A request failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub(super) struct LinkError {
    what: String,
    source: io::Error,
}

/// Where the far end of a cable goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum FarEnd<'a> {
    /// Into the network namespace of the process with this identifier.
    Process(u32),
    /// Into this network namespace.
    Namespace(BorrowedFd<'a>),
}

/// A network namespace's links: those of the namespace that the thread was in when it made this value.
pub(super) struct Links {
    socket: Socket,
    sequence: u32,
}

impl Links {
    pub(super) fn open() -> Result<Self, LinkError> {
        let trying = |source| LinkError { what: "cannot open a netlink socket".to_owned(), source };
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(trying)?;
        socket.bind_auto().map_err(trying)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(trying)?;
        Ok(Links { socket, sequence: 0 })
    }

    /// Makes a bridge that is up.
    pub(super) fn add_bridge(&mut self, name: &str) -> Result<(), LinkError> {
        let mut message = link(name);
        raise(&mut message);
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        self.request(
            format!("cannot make the bridge {name}"),
            NLM_F_CREATE | NLM_F_EXCL,
            RouteNetlinkMessage::NewLink(message),
        )
    }

    /// Makes a pair of linked interfaces: `port`, up and in the bridge with index `bridge`, and `far_name` elsewhere.
    pub(super) fn add_cable(
        &mut self,
        port: &str,
        bridge: u32,
        far_name: &str,
        far_end: FarEnd<'_>,
    ) -> Result<(), LinkError> {
        let mut far = link(far_name);
        far.attributes.push(match far_end {
            FarEnd::Process(pid) => LinkAttribute::NetNsPid(pid),
            FarEnd::Namespace(fd) => LinkAttribute::NetNsFd(fd.as_raw_fd()),
        });
        let mut near = link(port);
        raise(&mut near);
        near.attributes.push(LinkAttribute::Controller(bridge));
        near.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
        ]));
        self.request(
            format!("cannot make the link {port}"),
            NLM_F_CREATE | NLM_F_EXCL,
            RouteNetlinkMessage::NewLink(near),
        )
    }

    /// Removes an interface and with it the other end of its cable; one that is gone already is fine.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), LinkError> {
        let message = RouteNetlinkMessage::DelLink(link(name));
        match self.request(format!("cannot remove {name}"), 0, message) {
            Err(error) if error.source.raw_os_error().map(Errno::from_raw) == Some(Errno::ENODEV) => Ok(()),
            other => other,
        }
    }

    /// Gives `address` to the interface `name` with index `index`, and raises it.
    pub(super) fn configure(
        &mut self,
        name: &str,
        index: u32,
        address: Ipv4Addr,
        length: u8,
    ) -> Result<(), LinkError> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = length;
        message.header.index = index;
        message.attributes.push(AddressAttribute::Local(IpAddr::V4(address)));
        message.attributes.push(AddressAttribute::Address(IpAddr::V4(address)));
        self.request(
            format!("cannot give {address} to {name}"),
            NLM_F_CREATE | NLM_F_EXCL,
            RouteNetlinkMessage::NewAddress(message),
        )?;
        let mut message = link(name);
        raise(&mut message);
        self.request(format!("cannot raise {name}"), 0, RouteNetlinkMessage::SetLink(message))
    }

    fn request(&mut self, what: String, flags: u16, body: RouteNetlinkMessage) -> Result<(), LinkError> {
        self.sequence += 1;
        let mut message = NetlinkMessage::from(body);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.exchange(&bytes).map_err(|source| LinkError { what, source })
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<()> {
        self.socket.send(request, 0)?;
        let (answer, _) = self.socket.recv_from_full()?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        let NetlinkPayload::Error(verdict) = answer.payload else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the kernel's answer is no acknowledgement",
            ));
        };
        if verdict.code.is_none() { Ok(()) } else { Err(verdict.to_io()) }
    }
}

fn link(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn raise(message: &mut LinkMessage) {
    message.header.flags |= LinkFlags::Up;
    message.header.change_mask |= LinkFlags::Up;
}
