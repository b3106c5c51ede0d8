//! When an address came to a host or left it: netlink events, stamped by a reader that waits in the kernel at real-time
//! priority. The kernel stamps no netlink message itself, so each time includes one wake-up of the reader (some tens of
//! microseconds), the same for both programs.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use super::space::Space;
use super::wire::now;

/// `RTMGRP_IPV4_IFADDR`.
const GROUP: u32 = 0x10;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const IFA_LOCAL: u16 = 2;
/// Room for the events of thousands of addresses, in bytes.
const BUFFER: usize = 16 << 20;
/// Real-time priority of the reader.
const PRIORITY: &str = "60";

/// An address came or left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// Since the Unix epoch.
    pub(crate) at: Duration,
    /// Came, or left.
    pub(crate) added: bool,
    /// The address.
    pub(crate) address: Ipv4Addr,
}

/// The reader; ends when dropped.
#[derive(Debug)]
pub(crate) struct Monitor {
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    events: Mutex<Vec<Event>>,
    stop: AtomicBool,
}

impl Monitor {
    /// Listens in `space`.
    pub(crate) fn new(space: &Space) -> Self {
        let socket = space.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute);
            let socket = socket.expect("a netlink socket");
            setsockopt(&socket, RcvBufForce, &BUFFER).expect("a buffer");
            setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, 50_000)).expect("a time limit");
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP)).expect("bind to address events");
            socket
        });
        let seen = Arc::new(Seen::default());
        let reader = thread::spawn({
            let seen = Arc::clone(&seen);
            move || read(&socket, &seen)
        });
        Monitor { seen, reader: Some(reader) }
    }

    /// All events at `start` or later.
    pub(crate) fn since(&self, start: Duration) -> Vec<Event> {
        lock(&self.seen.events).iter().filter(|event| event.at >= start).copied().collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(socket: &OwnedFd, seen: &Seen) {
    let thread = nix::unistd::gettid().to_string();
    let status = Command::new("chrt").args(["--fifo", "--pid", PRIORITY, &thread]).status();
    assert!(status.is_ok_and(|status| status.success()), "`chrt` (util-linux) and leave to use it");
    let mut bytes = vec![0; 65_536];
    while !seen.stop.load(Ordering::Relaxed) {
        let Ok(length) = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) else { continue };
        let at = now();
        let mut rest = bytes.get(..length).unwrap_or_default();
        let mut events = lock(&seen.events);
        while let Some((kind, body, next)) = split(rest) {
            if let (RTM_NEWADDR | RTM_DELADDR, Some(address)) = (kind, local(body)) {
                events.push(Event { at, added: kind == RTM_NEWADDR, address });
            }
            rest = next;
        }
    }
}

/// The first netlink message: its type, its body, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?)).ok()?;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((kind, bytes.get(16..length)?, bytes.get(next..)?))
}

/// `IFA_LOCAL` of an address message.
fn local(body: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = body.get(8..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        if kind == IFA_LOCAL {
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(rest.get(4..8)?).ok()?));
        }
        rest = rest.get(length.next_multiple_of(4).max(4)..)?;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
