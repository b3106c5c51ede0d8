//! ICMP echo: requests to one address, and the replies to them.
//!
//! A socket for ICMP datagrams is what the kernel gives to those in `net.ipv4.ping_group_range`; a raw one needs
//! `CAP_NET_RAW`. Either is connected, so that nobody else is heard. Never: takes a reply for another request's. Fails: with
//! an outcome, which is unknown where this host may not ask.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::net::{Trouble, words};
use super::trace::Trace;
use crate::config::model::{Host, PingProbe};
use crate::health::outcome::Outcome;
use crate::os::clock;

/// Longest time from one request to the next.
const LONGEST_GAP: Duration = Duration::from_millis(200);
/// Header and payload of a request, in bytes.
const LENGTH: usize = 32;
/// Longest reply that is read, in bytes: with an IPv4 header of the greatest length.
const LONGEST: usize = LENGTH + 60;

/// Makes every run's payload its own.
static RUNS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Ping {
    probe: PingProbe,
    gap: Duration,
}

/// A socket, and whether the kernel hands out whole packets.
struct Wire {
    /// The runtime has no type for ICMP, and to it this one is just datagrams.
    socket: UdpSocket,
    raw: bool,
    v4: bool,
}

/// What a run has seen.
#[derive(Debug)]
struct Run {
    token: u64,
    sent: u16,
    answered: [bool; 16],
    lost: u16,
    last_error: Option<String>,
}

impl Ping {
    pub(super) fn new(probe: &PingProbe, limit: Duration) -> Self {
        // All requests leave in the first half of the limit.
        let gap = LONGEST_GAP.min(limit / (2 * u32::from(probe.count).max(1)));
        Ping { probe: probe.clone(), gap }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        match self.look(trace).await {
            Ok(text) => Outcome::passed(text),
            Err(trouble) => trouble.into(),
        }
    }

    async fn look(&self, trace: &Trace) -> Result<String, Trouble> {
        let wire = Wire::open(&self.probe.address)?;
        let (count, wanted) = (u16::from(self.probe.count), u16::from(self.probe.min_replies));
        let token = clock::now().as_nanos() ^ RUNS.fetch_add(1, Ordering::Relaxed).rotate_right(16);
        let mut run = Run { token, sent: 0, answered: [false; 16], lost: 0, last_error: None };
        trace.enter("reply");
        loop {
            if run.sent < count {
                run.send(&wire).await;
            }
            let all_sent = run.sent == count;
            let verdict = run.verdict(&wire, trace, count, wanted);
            let verdict = if all_sent {
                Some(verdict.await)
            } else {
                tokio::time::timeout(self.gap, verdict).await.ok()
            };
            match verdict {
                Some(Ok(text)) => return Ok(format!("{text} from {}", self.probe.address)),
                Some(Err(why)) => {
                    return Err(Trouble::failed(format!("no reply from {}: {why}", self.probe.address)));
                }
                None => {}
            }
        }
    }
}

impl Run {
    fn replies(&self) -> u16 {
        self.answered.iter().map(|answered| u16::from(*answered)).sum()
    }

    /// Takes in what comes until there are enough replies, or can be no more.
    async fn verdict(
        &mut self,
        wire: &Wire,
        trace: &Trace,
        count: u16,
        wanted: u16,
    ) -> Result<String, String> {
        loop {
            let replies = self.replies();
            if replies >= wanted {
                trace.close(&format!("{replies} of {count} came, {wanted} wanted"));
                let plural = if replies == 1 { "y" } else { "ies" };
                return Ok(format!("{replies} repl{plural}"));
            }
            if count.saturating_sub(self.lost) < wanted {
                return Err(self.last_error.take().unwrap_or_default());
            }
            trace.note(format!("{replies} of {count} came, {wanted} wanted"));
            self.receive(wire).await;
        }
    }

    async fn send(&mut self, wire: &Wire) {
        let packet = request(wire.v4, self.token, self.sent);
        self.sent += 1;
        if let Err(error) = wire.socket.send(&packet).await {
            self.lose(&error);
        }
    }

    /// A request that the kernel or a router refused.
    fn lose(&mut self, error: &io::Error) {
        self.lost += 1;
        self.last_error = Some(words(error));
    }

    /// Waits for something, and takes it in.
    async fn receive(&mut self, wire: &Wire) {
        let mut buffer = [0; LONGEST];
        match wire.socket.recv(&mut buffer).await {
            Ok(length) => {
                let packet = buffer.get(..length).unwrap_or_default();
                let reply = wire.message(packet).and_then(|message| reply(wire, message, self.token));
                if let Some(answered) =
                    reply.and_then(|sequence| self.answered.get_mut(usize::from(sequence)))
                {
                    *answered = true;
                }
            }
            Err(error) => self.lose(&error),
        }
    }
}

impl Wire {
    fn open(host: &Host) -> Result<Self, Trouble> {
        let target = match host {
            Host::Address(address) => SocketAddr::new(*address, 0),
            Host::LinkLocal(address, link) => {
                let index = nix::net::if_::if_nametoindex(link.as_str())
                    .map_err(|_| Trouble::failed(format!("there is no interface {link}")))?;
                SocketAddr::V6(SocketAddrV6::new(*address, 0, 0, index))
            }
            Host::Name(name) => {
                SocketAddr::new(name.parse::<IpAddr>().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), 0)
            }
        };
        let v4 = target.is_ipv4();
        let (domain, protocol) =
            if v4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let open = |kind: Type| Socket::new(domain, kind.nonblocking(), Some(protocol));
        let (socket, raw) = match open(Type::DGRAM) {
            Ok(socket) => (socket, false),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => match open(Type::RAW) {
                Ok(socket) => (socket, true),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    let text = "this user may not ping: it needs CAP_NET_RAW, \
                                or a group in the range of net.ipv4.ping_group_range";
                    return Err(Trouble::unknown(text));
                }
                Err(error) => return Err(Self::refused(&error)),
            },
            Err(error) => return Err(Self::refused(&error)),
        };
        socket
            .connect(&target.into())
            .map_err(|error| Trouble::kernel(format!("no route to {host}: {}", words(&error)), &error))?;
        let socket =
            UdpSocket::from_std(OwnedFd::from(socket).into()).map_err(|error| Self::refused(&error))?;
        Ok(Wire { socket, raw, v4 })
    }

    fn refused(error: &io::Error) -> Trouble {
        Trouble::kernel(format!("cannot open a socket for ICMP: {}", words(error)), error)
    }

    /// The ICMP message in what was read.
    fn message<'p>(&self, packet: &'p [u8]) -> Option<&'p [u8]> {
        if !(self.raw && self.v4) {
            return Some(packet);
        }
        let words = usize::from(packet.first()? & 0x0f);
        packet.get(words * 4..)
    }
}

/// An identifier, of use with raw sockets only: others have the kernel's.
fn identifier(token: u64) -> [u8; 2] {
    let [.., high, low] = token.to_be_bytes();
    [high, low]
}

/// An echo request (RFC 792; RFC 4443, section 4.1).
fn request(v4: bool, token: u64, sequence: u16) -> [u8; LENGTH] {
    let [id_high, id_low] = identifier(token);
    let [high, low] = sequence.to_be_bytes();
    let mut packet = [0; LENGTH];
    let header = [if v4 { 8 } else { 128 }, 0, 0, 0, id_high, id_low, high, low];
    let bytes = header.into_iter().chain(token.to_be_bytes());
    for (to, from) in packet.iter_mut().zip(bytes) {
        *to = from;
    }
    if v4 {
        // Of IPv6 the kernel makes it, which knows the addresses.
        let [high, low] = checksum(&packet).to_be_bytes();
        for (to, from) in packet.iter_mut().skip(2).zip([high, low]) {
            *to = from;
        }
    }
    packet
}

/// The sequence number of a message that answers a request with `token`.
fn reply(wire: &Wire, message: &[u8], token: u64) -> Option<u16> {
    let [kind, code, _, _, id_high, id_low, high, low, payload @ ..] = message else { return None };
    let wanted = if wire.v4 { 0 } else { 129 };
    let ours = payload.starts_with(&token.to_be_bytes())
        && payload.len() == LENGTH - 8
        && (!wire.raw || [*id_high, *id_low] == identifier(token));
    ((*kind, *code) == (wanted, 0) && ours).then(|| u16::from_be_bytes([*high, *low]))
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let pair = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
        sum += u32::from(u16::from_be_bytes(pair));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(raw: bool, v4: bool) -> (tokio::runtime::Runtime, Wire) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = runtime.block_on(async { UdpSocket::from_std(socket).unwrap() });
        (runtime, Wire { socket, raw, v4 })
    }

    #[test]
    fn requests_are_as_the_rfcs_have_them() {
        let packet = request(true, 0x0102_0304_0506_0708, 0x0a0b);
        assert_eq!(checksum(&packet), 0, "the sum over a packet with its checksum");
        assert_eq!(packet[..2], [8, 0]);
        assert_eq!(packet[4..16], [7, 8, 0x0a, 0x0b, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(request(false, 1, 0)[..4], [128, 0, 0, 0]);
    }

    #[test]
    fn only_the_reply_to_our_own_request_counts() {
        for (v4, kind) in [(true, 0), (false, 129)] {
            let (_runtime, wire) = wire(true, v4);
            let mut good = request(v4, 77, 3);
            good[0] = kind;
            assert_eq!(reply(&wire, &good, 77), Some(3));
            assert_eq!(reply(&wire, &good, 78), None, "another token");
            assert_eq!(
                reply(&wire, &request(v4, 77, 3), 77),
                None,
                "our own request, as a raw socket on lo hears it"
            );
            for at in [1, 4, 5, 15] {
                let mut bad = good;
                bad[at] ^= 1;
                assert_eq!(reply(&wire, &bad, 77), None, "byte {at}");
            }
            for length in 0..good.len() {
                assert_eq!(reply(&wire, &good[..length], 77), None, "{length} bytes");
            }
        }
    }

    #[test]
    fn a_raw_packet_loses_its_header_and_no_packet_is_too_short() {
        let (_runtime, raw) = wire(true, true);
        let mut packet = vec![0x46];
        packet.extend([0; 23]);
        packet.extend([9, 9]);
        assert_eq!(raw.message(&packet), Some(&[9, 9][..]));
        assert_eq!(raw.message(&[]), None);
        assert_eq!(raw.message(&[0x4f, 0]), None);
        let (_runtime, datagram) = wire(false, true);
        assert_eq!(datagram.message(&[1, 2]), Some(&[1, 2][..]));
    }
}
