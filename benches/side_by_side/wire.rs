//! What hosts `a` and `b` send: VRRP adverts and gratuitous ARP, each with the kernel's time stamp of the moment at which
//! it reached the port of the bridge.
//!
//! The reader looks every few milliseconds and never waits in the kernel, so that a frame wakes nobody.

use std::io::IoSliceMut;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg,
    setsockopt, socket,
};
use socket2::SockFilter;

use super::space::Space;

/// How often the reader looks.
const LOOK: Duration = Duration::from_millis(5);
/// Room for a burst of frames on one port while the machine is busy, in bytes.
const BUFFER: usize = 64 << 20;
/// `PACKET_OUTGOING`: what the bridge sends out of a port, which some other port has brought in.
const OUTGOING: u32 = 4;

/// A frame that came out of a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Since the Unix epoch.
    pub(crate) at: Duration,
    /// Which segment it was on.
    pub(crate) segment: u8,
    /// Which host sent it.
    pub(crate) host: usize,
    /// What it says.
    pub(crate) what: What,
}

/// The two kinds of frames that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A VRRP advert.
    Advert { vrid: u8, priority: u8 },
    /// Gratuitous ARP for an address.
    Announce(Ipv4Addr),
}

/// The capture; ends when dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    frames: Mutex<Vec<Frame>>,
    looks: AtomicU64,
    lost: AtomicU64,
    stop: AtomicBool,
}

struct Port {
    segment: u8,
    host: usize,
    socket: socket2::Socket,
    /// What the socket had lost before the first frame that counts.
    lost_before: Option<u32>,
}

impl Wire {
    /// Captures on these ports: segment, host, link.
    pub(crate) fn new(switch: &Space, ports: Vec<(u8, usize, LinkAddr)>) -> Self {
        let ports: Vec<Port> = switch.run(|| {
            ports
                .into_iter()
                .map(|(segment, host, link)| Port { segment, host, socket: open(link), lost_before: None })
                .collect()
        });
        let seen = Arc::new(Seen::default());
        let reader = thread::spawn({
            let seen = Arc::clone(&seen);
            move || read(ports, &seen)
        });
        Wire { seen, reader: Some(reader) }
    }

    /// Everything stamped at `start` or later, oldest first, once the reader has caught up with the present.
    pub(crate) fn since(&self, start: Duration) -> Vec<Frame> {
        let looks = self.seen.looks.load(Ordering::Acquire);
        while self.seen.looks.load(Ordering::Acquire) < looks + 2 {
            thread::sleep(LOOK);
        }
        let mut frames: Vec<Frame> =
            lock(&self.seen.frames).iter().filter(|frame| frame.at >= start).copied().collect();
        frames.sort_by_key(|frame| frame.at);
        assert_eq!(self.seen.lost.load(Ordering::Relaxed), 0, "frames lost by the capture: no measurement");
        frames
    }

    /// The host that sent the latest advert; waits for one.
    pub(crate) fn master(&self) -> usize {
        wait("an advert", Duration::from_secs(10), || {
            let frames = self.since(Duration::ZERO);
            frames.iter().rev().find(|frame| frame.claims()).map(|frame| frame.host)
        })
    }

    /// Adverts of claimants (a priority above 0) stamped at `start` or later, oldest first: host and time.
    pub(crate) fn adverts(&self, start: Duration, host: usize) -> Vec<Duration> {
        let frames = self.since(start).into_iter().filter(|frame| frame.host == host && frame.claims());
        frames.map(|frame| frame.at).collect()
    }
}

impl Frame {
    /// Whether it claims an address: an advert of a priority above 0.
    pub(crate) fn claims(&self) -> bool {
        matches!(self.what, What::Advert { priority: 1.., .. })
    }

    /// Whether it is gratuitous ARP.
    pub(crate) fn announces(&self) -> bool {
        matches!(self.what, What::Announce(_))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// The present on the clock of the time stamps.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

/// Waits until `look` finds something, at most `limit`; then ends the run.
pub(crate) fn wait<T>(text: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < end, "not within {limit:?}: {text}");
        thread::sleep(LOOK);
    }
}

fn open(link: LinkAddr) -> socket2::Socket {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
    let socket = socket2::Socket::from(socket.expect("a packet socket"));
    socket.attach_filter(&filter()).expect("a filter");
    setsockopt(&socket, ReceiveTimestampns, &true).expect("time stamps");
    setsockopt(&socket, RcvBufForce, &BUFFER).expect("a buffer");
    setsockopt(&socket, RxqOvfl, &1).expect("a count of what is lost");
    bind(socket.as_raw_fd(), &link).expect("bind to a port");
    // Away with what came by other ports until now, with no filter and little room.
    while socket.recv(&mut [std::mem::MaybeUninit::uninit(); 1]).is_ok() {}
    socket
}

/// Frames that came in, VRRP over IPv4 or ARP, their first 64 bytes.
fn filter() -> [SockFilter; 9] {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const PACKET_TYPE: u32 = 0xffff_f004;
    [
        SockFilter::new(LOAD_WORD, 0, 0, PACKET_TYPE),
        SockFilter::new(EQUAL, 6, 0, OUTGOING),
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(EQUAL, 3, 0, 0x0806),
        SockFilter::new(EQUAL, 0, 3, 0x0800),
        SockFilter::new(LOAD_BYTE, 0, 0, 23),
        SockFilter::new(EQUAL, 0, 1, 112),
        SockFilter::new(RETURN, 0, 0, 64),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

fn read(mut ports: Vec<Port>, seen: &Seen) {
    let mut fresh = Vec::new();
    while !seen.stop.load(Ordering::Relaxed) {
        for port in &mut ports {
            drain(port, &mut fresh, seen);
        }
        lock(&seen.frames).append(&mut fresh);
        seen.looks.fetch_add(1, Ordering::Release);
        thread::sleep(LOOK);
    }
}

fn drain(port: &mut Port, fresh: &mut Vec<Frame>, seen: &Seen) {
    let mut bytes = [0; 64];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec, u32);
    loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let fd = port.socket.as_raw_fd();
        let Ok(message) = recvmsg::<()>(fd, &mut parts, Some(&mut control), MsgFlags::empty()) else {
            return;
        };
        let (mut at, mut lost) = (Duration::ZERO, 0);
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these two were asked for")]
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampns(stamp) => at = Duration::from(stamp),
                ControlMessageOwned::RxqOvfl(count) => lost = count,
                _ => {}
            }
        }
        let before = *port.lost_before.get_or_insert(lost);
        seen.lost.fetch_max(u64::from(lost.saturating_sub(before)), Ordering::Relaxed);
        let length = message.bytes;
        if let Some(what) = bytes.get(..length).and_then(decode) {
            fresh.push(Frame { at, segment: port.segment, host: port.host, what });
        }
    }
}

fn decode(frame: &[u8]) -> Option<What> {
    let body = frame.get(14..)?;
    if frame.get(12..14)? == [8, 6] {
        let sender: [u8; 4] = body.get(14..18)?.try_into().ok()?;
        let target: [u8; 4] = body.get(24..28)?.try_into().ok()?;
        return (sender == target).then(|| What::Announce(Ipv4Addr::from(sender)));
    }
    let payload = body.get(usize::from(*body.first()? & 0x0f) * 4..)?;
    Some(What::Advert { vrid: *payload.get(1)?, priority: *payload.get(2)? })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
