//! A client that asks an address every millisecond, and counts what is never answered: ICMP echo requests, as any program
//! on the client would send them. Nothing is asked twice.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use failover::os::process::real_time;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::ask::{NEXT, request, sequence};
use super::space::Space;

/// Time between two requests.
const PACE: Duration = Duration::from_millis(1);
/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_millis(200);
/// Real-time priority, below that of the agents: a busy machine must not pass for an outage.
const PRIORITY: i32 = 40;

/// The running client.
#[derive(Debug)]
pub(crate) struct Client {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Served>,
}

/// What the client saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) asked: u32,
    /// Requests that were never answered.
    pub(crate) lost: u32,
    /// The most in a row of them.
    pub(crate) in_a_row: u32,
}

impl Client {
    /// Asks `target`, an IPv4 address, from now on.
    pub(crate) fn start(space: &Space, target: IpAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (end, space) = (Arc::clone(&over), space.again());
        let thread = thread::spawn(move || space.run(|| ask(target, &end)));
        Client { over, thread }
    }

    /// Stops asking.
    pub(crate) fn stop(self) -> Served {
        self.over.store(true, Ordering::Relaxed);
        let served = self.thread.join().expect("the client");
        println!("the client: {served:?}");
        served
    }
}

fn ask(target: IpAddr, over: &AtomicBool) -> Served {
    // Refused without the privilege: then it is an ordinary one.
    let _ = real_time(PRIORITY);
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("raw socket");
    socket.set_nonblocking(true).expect("a socket that does not block");
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let to = SockAddr::from(SocketAddr::new(target, 0));
    let mut answered = BTreeMap::new();
    let (mut next, mut end) = (Instant::now(), None);
    while end.is_none_or(|end| Instant::now() < end) {
        let now = Instant::now();
        if end.is_none() && now >= next {
            let number = u16::try_from(answered.len()).expect("a client asks for a minute at most");
            answered.insert(number, false);
            // One that cannot be sent, because nobody has the address, is a request without an answer.
            let _ = socket.send_to(&request(8, id, number), &to);
            // Late: on from here, without a volley that would make up for it.
            next = (next + PACE).max(now);
        }
        let wait = next.saturating_duration_since(now).max(Duration::from_micros(100));
        let mut watched = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let _ = ppoll(&mut watched, Some(TimeSpec::from(wait)), None);
        let mut bytes = [0; 256];
        while let Ok(length) = socket.read(&mut bytes) {
            if let Some(number) = bytes.get(..length).and_then(|packet| sequence(packet, true, id)) {
                answered.insert(number, true);
            }
        }
        if end.is_none() && over.load(Ordering::Relaxed) {
            end = Some(Instant::now() + PATIENCE);
        }
    }
    served(answered.values().copied())
}

fn served(answered: impl Iterator<Item = bool>) -> Served {
    let mut served = Served { asked: 0, lost: 0, in_a_row: 0 };
    let mut row = 0;
    for answered in answered {
        served.asked += 1;
        row = if answered { 0 } else { row + 1 };
        served.lost += u32::from(!answered);
        served.in_a_row = served.in_a_row.max(row);
    }
    served
}
