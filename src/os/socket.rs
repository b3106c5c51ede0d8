//! A VRRP socket: raw, IP protocol 112, for one link and one family; receives and sends.
//!
//! Owns the socket's options and its filter. Computes no checksum and reads no VRRP: it carries payloads. Fails when the
//! privilege is missing (`CAP_NET_RAW`), when the link is gone, or when the kernel refuses a send.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv6RecvPacketInfo, RcvBuf, RcvBufForce, ReceiveTimestampns, SndBufForce};
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, sendmmsg, sendmsg, setsockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::filter::{Filter, Instruction, program};
use super::{OsError, Trying, sys};
use crate::net::{Family, LinkIndex};

mod batch;

pub use batch::{Batch, Received};

/// IP protocol number of VRRP (RFC 9568, section 5.1.1.4).
const VRRP: i32 = 112;
/// DSCP CS6, network control (RFC 9568, section 5.1.1.1 leaves it open; peers and switches favour it).
const TRAFFIC_CLASS: u32 = 0xc0;
/// Queueing priority inside this host, the highest that needs no privilege (`SO_PRIORITY`).
const QUEUE_PRIORITY: u32 = 6;
/// Bytes of messages that may wait, counted as the kernel does (about 1 KB for each): some seconds of a thousand
/// masters at ten adverts a second. Memory is used only while they wait.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Bytes that may wait to be sent.
const SEND_BUFFER: usize = 1 << 20;
/// What fails when a send does.
const SENDING: &str = "sending an advert";
/// Messages per system call, in and out.
pub const BATCH: usize = 32;

/// An open VRRP socket.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Socket,
    link: LinkIndex,
    family: Family,
    group: bool,
}

/// A payload on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// IP source: an address of this host.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// What follows the IP header.
    pub payload: &'a [u8],
}

/// Room for the headers of a batch of sends, used again and again.
pub struct SendBuffers {
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
}

impl Default for SendBuffers {
    fn default() -> Self {
        SendBuffers {
            v4: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(libc::in_pktinfo))),
            v6: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(libc::in6_pktinfo))),
        }
    }
}

impl VrrpSocket {
    /// Opens a socket that hears and speaks VRRP on `link` alone; `group` makes it a member of the VRRP group.
    pub fn open(link: LinkIndex, family: Family, group: bool, filter: &Filter) -> Result<Self, OsError> {
        let domain = match family {
            Family::Ipv4 => Domain::IPV4,
            Family::Ipv6 => Domain::IPV6,
        };
        let kind = Type::RAW.nonblocking().cloexec();
        let socket =
            Socket::new_raw(domain, kind, Some(Protocol::from(VRRP))).trying("opening a raw socket")?;
        let mut opened = VrrpSocket { socket, link, family, group: false };
        // From the first moment the kernel queues what arrives: the filter first, then the link, then away with what
        // came by another link in between.
        opened.set_filter(filter)?;
        opened.bind()?;
        opened.discard_queue();
        match family {
            Family::Ipv4 => opened.set_options_v4()?,
            Family::Ipv6 => opened.set_options_v6()?,
        }
        setsockopt(&opened.socket, ReceiveTimestampns, &true).trying("asking for times of arrival")?;
        opened.set_buffers();
        opened.socket.set_priority(QUEUE_PRIORITY).trying("setting the queueing priority")?;
        opened.set_group(group)?;
        Ok(opened)
    }

    /// Replaces the filter, in one step as far as packets are concerned.
    pub fn set_filter(&self, filter: &Filter) -> Result<(), OsError> {
        let instruction = |i: Instruction| SockFilter::new(i.code, i.jt, i.jf, i.k);
        let program: Vec<SockFilter> = program(self.family, filter).into_iter().map(instruction).collect();
        self.socket.attach_filter(&program).trying("attaching the packet filter")
    }

    /// Joins or leaves the VRRP group.
    pub fn set_group(&mut self, group: bool) -> Result<(), OsError> {
        if group == self.group {
            return Ok(());
        }
        let by_index = InterfaceIndexOrAddress::Index(self.link.0);
        match (self.family.vrrp_group(), group) {
            (IpAddr::V4(address), true) => self.socket.join_multicast_v4_n(&address, &by_index),
            (IpAddr::V4(address), false) => self.socket.leave_multicast_v4_n(&address, &by_index),
            (IpAddr::V6(address), true) => self.socket.join_multicast_v6(&address, self.link.0),
            (IpAddr::V6(address), false) => self.socket.leave_multicast_v6(&address, self.link.0),
        }
        .trying("changing the membership in the VRRP group")?;
        self.group = group;
        Ok(())
    }

    /// Sends one payload.
    pub fn send(&self, message: &Outgoing<'_>) -> Result<(), OsError> {
        let iov = [IoSlice::new(message.payload)];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        match (message.source, message.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let info = packet_info_v4(self.link, source);
                let cmsg = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(fd, &iov, &cmsg, flags, Some(&destination_v4(destination)))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let info = packet_info_v6(self.link, source);
                let cmsg = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(fd, &iov, &cmsg, flags, Some(&destination_v6(destination, self.link)))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(Errno::EAFNOSUPPORT),
        }
        .map(drop)
        .trying(SENDING)
    }

    /// Sends several payloads with as few system calls as their sources allow. `failed` hears of each that the kernel
    /// refused, by its place; the others go out.
    pub fn send_all(
        &self,
        messages: &[Outgoing<'_>],
        buffers: &mut SendBuffers,
        mut failed: impl FnMut(usize, OsError),
    ) {
        let mut at = 0;
        while let Some(first) = messages.get(at) {
            let rest = messages.get(at..).unwrap_or_default();
            // A batch shares its control messages, so it has one source.
            let run = rest.iter().take(BATCH).take_while(|message| message.source == first.source).count();
            if run == 1 {
                if let Err(error) = self.send(first) {
                    failed(at, error);
                }
                at += 1;
                continue;
            }
            match self.send_run(first.source, rest.get(..run).unwrap_or_default(), buffers) {
                Ok(sent) => at += sent.max(1),
                Err(errno) => {
                    failed(at, OsError { what: SENDING, source: errno.into() });
                    at += 1;
                }
            }
        }
    }

    /// Sends messages of one source; answers how many went out before the first that did not, or why the first did not.
    fn send_run(
        &self,
        source: IpAddr,
        messages: &[Outgoing<'_>],
        buffers: &mut SendBuffers,
    ) -> nix::Result<usize> {
        let fd = self.socket.as_raw_fd();
        let iovs: Vec<[IoSlice<'_>; 1]> = messages.iter().map(|m| [IoSlice::new(m.payload)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        match source {
            IpAddr::V4(source) => {
                let to: Vec<Option<SockaddrIn>> = messages.iter().map(|m| v4(m.destination)).collect();
                let info = packet_info_v4(self.link, source);
                let cmsg = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmmsg(fd, &mut buffers.v4, &iovs, &to, cmsg, flags).map(Iterator::count)
            }
            IpAddr::V6(source) => {
                let to: Vec<_> = messages.iter().map(|m| v6(m.destination, self.link)).collect();
                let info = packet_info_v6(self.link, source);
                let cmsg = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmmsg(fd, &mut buffers.v6, &iovs, &to, cmsg, flags).map(Iterator::count)
            }
        }
    }

    /// Reads what has arrived, at most [`BATCH`] messages, into `batch`. Answers how many there were, those that were
    /// no IP packet included; fewer than [`BATCH`] means that nothing is left.
    pub fn receive(&self, batch: &mut Batch) -> Result<usize, OsError> {
        batch.receive(self.socket.as_raw_fd(), self.family).trying("receiving adverts")
    }

    fn bind(&self) -> Result<(), OsError> {
        let index =
            i32::try_from(self.link.0).map_err(|_| Errno::ENODEV).trying("binding to the interface")?;
        let fd = self.socket.as_fd();
        match sys::set_option(fd, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, index) {
            // Before Linux 5.1 only a name will do.
            Err(Errno::ENOPROTOOPT) => {
                let name = nix::net::if_::if_indextoname(self.link.0).trying("looking up the interface")?;
                self.socket.bind_device(Some(name.as_bytes())).trying("binding to the interface")
            }
            other => other.trying("binding to the interface"),
        }
    }

    fn discard_queue(&self) {
        let mut batch = [std::mem::MaybeUninit::uninit(); 1];
        // Bounded: a flood that is faster than this loop is none that a start could be spared.
        for _ in 0..1024 {
            if self.socket.recv(&mut batch).is_err() {
                return;
            }
        }
    }

    fn set_options_v4(&self) -> Result<(), OsError> {
        let socket = &self.socket;
        socket.set_multicast_all_v4(false).trying("limiting multicast to our group")?;
        socket.set_multicast_loop_v4(false).trying("turning off multicast loop-back")?;
        socket.set_multicast_ttl_v4(255).trying("setting the multicast TTL")?;
        socket.set_ttl_v4(255).trying("setting the TTL")?;
        socket.set_tos_v4(TRAFFIC_CLASS).trying("setting the DSCP")
    }

    fn set_options_v6(&self) -> Result<(), OsError> {
        let socket = &self.socket;
        // IPV6_MULTICAST_ALL has no effect on a raw socket that is bound to no address: the filter, and who reads, drop
        // what is to another group.
        socket.set_multicast_loop_v6(false).trying("turning off multicast loop-back")?;
        socket.set_multicast_hops_v6(255).trying("setting the multicast hop limit")?;
        socket.set_unicast_hops_v6(255).trying("setting the hop limit")?;
        socket.set_tclass_v6(TRAFFIC_CLASS).trying("setting the DSCP")?;
        socket.set_recv_hoplimit_v6(true).trying("asking for hop limits")?;
        setsockopt(socket, Ipv6RecvPacketInfo, &true).trying("asking for destinations")
    }

    /// Large buffers where they are granted; small ones work too, with more losses after a pause.
    fn set_buffers(&self) {
        if setsockopt(&self.socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&self.socket, RcvBuf, &RECEIVE_BUFFER);
        }
        let _ = setsockopt(&self.socket, SndBufForce, &SEND_BUFFER);
    }
}

impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn packet_info_v4(link: LinkIndex, source: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: i32::try_from(link.0).unwrap_or(0),
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

fn packet_info_v6(link: LinkIndex, source: Ipv6Addr) -> libc::in6_pktinfo {
    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: link.0 }
}

fn destination_v4(address: Ipv4Addr) -> SockaddrIn {
    SocketAddrV4::new(address, 0).into()
}

fn destination_v6(address: Ipv6Addr, link: LinkIndex) -> SockaddrIn6 {
    let scoped = address.is_multicast() || crate::net::is_link_local(address);
    SocketAddrV6::new(address, 0, 0, if scoped { link.0 } else { 0 }).into()
}

/// A destination of the other family has no address here, and the kernel refuses to send to it.
fn v4(address: IpAddr) -> Option<SockaddrIn> {
    match address {
        IpAddr::V4(address) => Some(destination_v4(address)),
        IpAddr::V6(_) => None,
    }
}

fn v6(address: IpAddr, link: LinkIndex) -> Option<SockaddrIn6> {
    match address {
        IpAddr::V6(address) => Some(destination_v6(address, link)),
        IpAddr::V4(_) => None,
    }
}
