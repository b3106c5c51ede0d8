//! A third party that sends 20,000 packets at 5,000 a second, well-formed or not.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, send, socket};

use super::network::{CLIENT, Network, address, link};

/// Packets of a flood.
pub(crate) const PACKETS: u32 = 20_000;
/// How many go out together, and how often.
const TOGETHER: u32 = 5;
const TICK: Duration = Duration::from_millis(1);
/// The kinds of malformed packets.
const KINDS: u32 = 10;

/// A VRRP packet to be; wrong in whatever way its fields say.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) addresses: Vec<Ipv4Addr>,
    version: u8,
    kind: u8,
    count: Option<u8>,
    hop_limit: u8,
    good_checksum: bool,
    /// Keep only so many bytes of the VRRP message.
    cut: Option<usize>,
    /// Flags and fragment offset of the IP header.
    fragment: u16,
}

impl Packet {
    /// An advert of version 3 for 100 ms that is in order.
    pub(crate) fn good(vrid: u8, priority: u8, addresses: &[Ipv4Addr]) -> Self {
        Packet {
            vrid,
            priority,
            addresses: addresses.to_vec(),
            version: 3,
            kind: 1,
            count: None,
            hop_limit: 255,
            good_checksum: true,
            cut: None,
            fragment: 0,
        }
    }

    /// The `number`th malformed packet; the kinds take turns.
    fn bad(number: u32, vrid: u8, addresses: &[Ipv4Addr]) -> Self {
        let good = Packet::good(vrid, 250, addresses);
        match number % KINDS {
            0 => Packet { cut: Some(6), ..good },
            1 => Packet { good_checksum: false, ..good },
            2 => Packet { hop_limit: 254, ..good },
            3 => Packet { version: if number % 20 < KINDS { 2 } else { 4 }, ..good },
            4 => Packet { kind: 7, ..good },
            5 => Packet { count: Some(9), ..good },
            6 => Packet { count: Some(0), addresses: Vec::new(), ..good },
            7 => Packet { vrid: vrid.wrapping_add(1), ..good },
            8 => Packet { fragment: if number % 20 < KINDS { 0x2000 } else { 0x0002 }, ..good },
            _ => good,
        }
    }

    /// The frame that carries it.
    fn frame(&self, link: [u8; 6]) -> Vec<u8> {
        let (source, group) = (address(0, CLIENT).octets(), [224, 0, 0, 18]);
        let count = self.count.unwrap_or(u8::try_from(self.addresses.len()).unwrap_or(u8::MAX));
        let mut message = vec![self.version << 4 | self.kind, self.vrid, self.priority, count, 0, 10, 0, 0];
        message.extend(self.addresses.iter().flat_map(Ipv4Addr::octets));
        if self.version == 2 {
            // Room for the password.
            message.extend([0; 8]);
        }
        message.truncate(self.cut.unwrap_or(message.len()));
        let length = u16::try_from(message.len()).expect("a short message");
        if message.len() >= 8 {
            // Version 3 with the pseudo-header of RFC 5798.
            let mut covered = [&source[..], &group, &[0, 112], &length.to_be_bytes()].concat();
            if self.version == 2 {
                covered.clear();
            }
            covered.extend(&message);
            let sum = checksum(&covered);
            let sum = if self.good_checksum { sum } else { sum ^ 0x5555 };
            message[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        let mut header = vec![0x45, 0xc0];
        header.extend((length + 20).to_be_bytes());
        header.extend([0, 1]);
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.hop_limit, 112, 0, 0]);
        header.extend(source);
        header.extend(group);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        [&[1, 0, 0x5e, 0, 0, 18], &link[..], &[8, 0], &header, &message].concat()
    }
}

/// Sends 20,000 malformed packets, mostly for `vrid`; how long that took.
pub(crate) fn malformed(network: &Network, vrid: u8, addresses: &[Ipv4Addr]) -> Duration {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    flood(network, |number, mac| {
        let mut frame = Packet::bad(number, vrid, addresses).frame(mac);
        if number % KINDS == 9 {
            // Random bytes after the IP header, by xorshift.
            for byte in &mut frame[34..] {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                *byte = seed.to_le_bytes()[0];
            }
        }
        frame
    })
}

/// Sends 20,000 times the same packet; how long that took.
pub(crate) fn alike(network: &Network, packet: &Packet) -> Duration {
    flood(network, |_, mac| packet.frame(mac))
}

fn flood(network: &Network, mut frame: impl FnMut(u32, [u8; 6]) -> Vec<u8> + Send) -> Duration {
    let (socket, mac) = network.hosts[CLIENT].run(open);
    let frames: Vec<Vec<u8>> = (0..PACKETS).map(|number| frame(number, mac)).collect();
    let start = Instant::now();
    for (tick, together) in (0..).zip(frames.chunks(usize::try_from(TOGETHER).expect("a small number"))) {
        std::thread::sleep((start + TICK * tick).saturating_duration_since(Instant::now()));
        for frame in together {
            send(socket.as_raw_fd(), frame, MsgFlags::empty()).expect("send a frame");
        }
    }
    start.elapsed()
}

fn open() -> (OwnedFd, [u8; 6]) {
    let link = link("eth0");
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>);
    let socket = socket.expect("a packet socket");
    bind(socket.as_raw_fd(), &link).expect("bind to a link");
    (socket, link.addr().expect("an Ethernet link"))
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
