//! Raw frames: those that reach a host, and those that a test makes up.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use failover::net::LinkIndex;
use failover::os::frame::FrameSender;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use super::super::bytes::complement;
use super::super::lab::space::Space;

/// `PACKET_OUTGOING`: what the host itself sends.
const OUTGOING: u8 = 4;

/// Everything that reaches a namespace.
pub(super) struct Tap(OwnedFd);

impl Tap {
    pub(super) fn open(space: &Space) -> Self {
        Tap(space.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
            setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, 20_000)).unwrap();
            socket
        }))
    }

    /// The frames that come in within `span`, those that came in since the tap was opened or read included.
    #[expect(clippy::disallowed_methods, reason = "a real wire is read in real time")]
    pub(super) fn listen(&self, span: Duration) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut bytes = [0; 2048];
        let end = Instant::now() + span;
        while Instant::now() < end {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let Ok(message) = recvmsg::<LinkAddr>(self.0.as_raw_fd(), &mut parts, None, MsgFlags::empty())
            else {
                continue;
            };
            let (length, link) = (message.bytes, message.address.unwrap());
            if link.pkttype() != OUTGOING {
                frames.push(bytes[..length].to_vec());
            }
        }
        frames
    }
}

/// An IP packet in a frame, header fields told apart.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) mac_to: [u8; 6],
    pub(super) mac_from: [u8; 6],
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// TOS or traffic class.
    pub(super) class: u8,
    pub(super) hop_limit: u8,
    pub(super) protocol: u8,
    pub(super) payload: Vec<u8>,
}

impl Packet {
    /// The packet in `frame`, if it is one.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (ip, version) = (&frame[14..], frame[14] >> 4);
        let word = |at: usize| usize::from(u16::from_be_bytes([ip[at], ip[at + 1]]));
        let v4 = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&ip[at..at + 4]).unwrap());
        let v6 = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).unwrap());
        let (mac_to, mac_from) = (frame[..6].try_into().unwrap(), frame[6..12].try_into().unwrap());
        match (&frame[12..14], version) {
            ([0x08, 0x00], 4) => Some(Packet {
                mac_to,
                mac_from,
                source: v4(12),
                destination: v4(16),
                class: ip[1],
                hop_limit: ip[8],
                protocol: ip[9],
                payload: ip[usize::from(ip[0] & 0x0f) * 4..word(2)].to_vec(),
            }),
            ([0x86, 0xdd], 6) => Some(Packet {
                mac_to,
                mac_from,
                source: v6(8),
                destination: v6(24),
                class: ip[0] << 4 | ip[1] >> 4,
                hop_limit: ip[7],
                protocol: ip[6],
                payload: ip[40..40 + word(4)].to_vec(),
            }),
            _ => None,
        }
    }

    /// As a frame, padded to Ethernet's 60 bytes.
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut frame = [self.mac_to, self.mac_from].concat();
        let length = self.payload.len();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend([0x08, 0x00]);
                frame.extend(self.header4(source, destination, u16::try_from(20 + length).unwrap()));
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.extend([0x86, 0xdd]);
                frame.extend(self.header6(source, destination, u16::try_from(length).unwrap()));
            }
            _ => panic!("two families"),
        }
        frame.extend(&self.payload);
        frame.resize(frame.len().max(60), 0);
        frame
    }

    fn header4(&self, source: Ipv4Addr, destination: Ipv4Addr, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut header =
            vec![0x45, self.class, high, low, 0, 1, 0x40, 0, self.hop_limit, self.protocol, 0, 0];
        header.extend([source.octets(), destination.octets()].as_flattened());
        let checksum = complement(&header).to_be_bytes();
        header[10..12].copy_from_slice(&checksum);
        header
    }

    fn header6(&self, source: Ipv6Addr, destination: Ipv6Addr, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut header = vec![0x60 | self.class >> 4, self.class << 4, 0, 0, high, low];
        header.extend([self.protocol, self.hop_limit]);
        header.extend([source.octets(), destination.octets()].as_flattened());
        header
    }
}

/// Puts `frame` on the namespace's `eth0`.
pub(super) fn put(space: &Space, frame: &[u8]) {
    space.run(|| {
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let refused = FrameSender::open().unwrap().send_all(&[(LinkIndex(index), frame)]);
        assert_eq!(refused, 0);
    });
}
