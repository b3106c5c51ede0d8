//! The client's question "is anybody there?": one ICMP echo request, sent as any program on the client would send it.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::space::Space;

/// How long an answer may take; on this wire it takes a fraction of a millisecond, address resolution included.
const LIMIT: Duration = Duration::from_millis(300);

pub(super) static NEXT: AtomicU16 = AtomicU16::new(1);

/// Asks `target` once; the request's identifier and sequence if an answer came back.
pub(crate) fn ask(client: &Space, target: IpAddr) -> Option<(u16, u16)> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let sequence = 1;
    client.run(|| {
        let (domain, protocol, kind) = match target {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol)).expect("raw socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("time limit");
        let request = request(kind, id, sequence);
        // Refused at once where there is no neighbour or no route: that is a "no".
        socket.send_to(&request, &SockAddr::from(SocketAddr::new(target, 0))).ok()?;
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if answered(&socket, target, id, sequence) {
                return Some((id, sequence));
            }
        }
        None
    })
}

/// An echo request of this kind.
pub(super) fn request(kind: u8, id: u16, sequence: u16) -> Vec<u8> {
    let [i0, i1] = id.to_be_bytes();
    let [s0, s1] = sequence.to_be_bytes();
    // Over IPv6 the kernel fills in the checksum; over IPv4 it is ours to make.
    let sum = u32::from(kind) * 256 + u32::from(id) + u32::from(sequence);
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).expect("two carries at most");
    let [c0, c1] = if kind == 8 { (!folded).to_be_bytes() } else { [0, 0] };
    vec![kind, 0, c0, c1, i0, i1, s0, s1]
}

/// Reads one packet; whether it is the answer to our request, whose identifier nobody else in this process uses.
fn answered(mut socket: &Socket, target: IpAddr, id: u16, sequence: u16) -> bool {
    let mut bytes = [0; 256];
    let Ok(length) = socket.read(&mut bytes) else { return false };
    bytes.get(..length).and_then(|packet| self::sequence(packet, target.is_ipv4(), id)) == Some(sequence)
}

/// The sequence of an echo reply with our identifier, as a raw socket reads it.
pub(super) fn sequence(packet: &[u8], v4: bool, id: u16) -> Option<u16> {
    // IPv4 sockets deliver the header too.
    let (start, kind) = if v4 { (20, 0) } else { (0, 129) };
    let packet = packet.get(start..)?;
    let ours = packet.first() == Some(&kind) && packet.get(4..6) == Some(&id.to_be_bytes());
    let sequence = packet.get(6..8)?.try_into().ok()?;
    ours.then(|| u16::from_be_bytes(sequence))
}
