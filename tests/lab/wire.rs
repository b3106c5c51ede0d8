//! Everything that hosts put on the wire, as one packet socket in the switch's namespace saw it: each frame once, with
//! the kernel's time stamp and the port that it came in by, so that who sent it is a fact and no inference.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::TimeVal;

use super::frame::{Frame, Vrrp, decode};
use super::space::Space;
use super::wait;

/// `PACKET_OUTGOING`: what the bridge sends out of a port, which some other port has brought in.
const OUTGOING: u8 = 4;
/// Room for a burst of frames while the machine is busy, in bytes.
const BUFFER: usize = 16 << 20;
/// Frames that a failing test prints.
const TAIL: usize = 60;

/// The capture; ends when dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    frames: Mutex<Vec<Frame>>,
    ports: Mutex<BTreeMap<usize, String>>,
    stop: AtomicBool,
}

impl Wire {
    /// Starts to capture in the switch's namespace.
    pub(crate) fn new(switch: &Space) -> Self {
        let socket = switch.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
            let socket = socket.expect("packet socket");
            setsockopt(&socket, ReceiveTimestampns, &true).expect("time stamps");
            setsockopt(&socket, RcvBufForce, &BUFFER).expect("buffer");
            setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, 20_000)).expect("time limit");
            socket
        });
        let seen = Arc::new(Seen::default());
        let reader = thread::spawn({
            let seen = Arc::clone(&seen);
            move || read(&socket, &seen)
        });
        Wire { seen, reader: Some(reader) }
    }

    /// Says which host is behind the port with this index; frames from other ports are not kept.
    pub(crate) fn name_port(&self, index: usize, host: &str) {
        lock(&self.seen.ports).insert(index, host.to_owned());
    }

    /// All frames stamped at `start` or later.
    pub(crate) fn since(&self, start: Duration) -> Vec<Frame> {
        lock(&self.seen.frames).iter().filter(|frame| frame.at >= start).cloned().collect()
    }

    /// The VRRP messages of `vrid` stamped at `start` or later: when, from which host, what.
    pub(crate) fn adverts(&self, start: Duration, vrid: u8) -> Vec<(Duration, String, Vrrp)> {
        self.since(start)
            .into_iter()
            .filter_map(|frame| {
                let vrrp = frame.vrrp(vrid)?.clone();
                Some((frame.at, frame.from, vrrp))
            })
            .collect()
    }

    /// The hosts that claimed `vrid` (adverts of a priority above 0) at `start` or later.
    pub(crate) fn claimants(&self, start: Duration, vrid: u8) -> BTreeSet<String> {
        let claims = self.adverts(start, vrid).into_iter().filter(|(_, _, vrrp)| vrrp.priority > 0);
        claims.map(|(_, host, _)| host).collect()
    }

    /// The first frame stamped at `start` or later that `wanted` accepts; fails the test after `limit`.
    pub(crate) fn await_frame(
        &self,
        text: &str,
        start: Duration,
        limit: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Frame {
        wait(text, limit, || self.since(start).into_iter().find(|frame| wanted(frame)))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if thread::panicking() {
            let frames = lock(&self.seen.frames);
            let now = now();
            println!("--- wire, last {TAIL} of {} frames; seconds before now", frames.len());
            for frame in frames.iter().skip(frames.len().saturating_sub(TAIL)) {
                println!(
                    "{:9.4} {} {:?}",
                    now.saturating_sub(frame.at).as_secs_f64(),
                    frame.from,
                    frame.what
                );
            }
        }
    }
}

/// The present on the clock of the time stamps.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

fn read(socket: &OwnedFd, seen: &Seen) {
    let mut bytes = [0; 2048];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    while !seen.stop.load(Ordering::Relaxed) {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let fd = socket.as_raw_fd();
        let Ok(message) = recvmsg::<LinkAddr>(fd, &mut parts, Some(&mut control), MsgFlags::empty()) else {
            continue;
        };
        let stamp = message.cmsgs().into_iter().flatten().find_map(|control| {
            if let ControlMessageOwned::ScmTimestampns(stamp) = control {
                Some(Duration::from(stamp))
            } else {
                None
            }
        });
        let (length, address) = (message.bytes, message.address);
        let Some(link) = address.filter(|link| link.pkttype() != OUTGOING) else { continue };
        let Some(from) = lock(&seen.ports).get(&link.ifindex()).cloned() else { continue };
        if let Some((mac, what)) = bytes.get(..length).and_then(decode) {
            lock(&seen.frames).push(Frame { at: stamp.unwrap_or_else(now), from, mac, what });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
