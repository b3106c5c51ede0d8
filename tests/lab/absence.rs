//! How long an address is away, by the kernel's events: from the one that it is gone until the one that it is back, as a
//! reader at real-time priority gets them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use failover::os::process::real_time;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::TimeVal;

use super::addresses::one;
use super::space::Space;

/// `RTMGRP_IPV4_IFADDR`.
const IPV4_ADDRESSES: u32 = 0x10;
/// Real-time priority, below that of the agents.
const PRIORITY: i32 = 40;
/// Microseconds between two looks at whether it is over.
const LOOK: i64 = 20_000;

/// Who reads the events.
#[derive(Debug)]
pub(crate) struct Absence {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Absence {
    /// Reads what is told of `address`, which is there, from now on.
    pub(crate) fn watch(space: &Space, address: IpAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut socket = space.run(|| Socket::new(NETLINK_ROUTE).expect("netlink"));
        socket.bind(&SocketAddr::new(0, IPV4_ADDRESSES)).expect("netlink events");
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, LOOK)).expect("a time limit");
        let end = Arc::clone(&over);
        let thread = thread::spawn(move || read(&socket, address, &end));
        Absence { over, thread }
    }

    /// Reads no more; how long it was away, each time. The last time may not be over.
    pub(crate) fn stop(self) -> Vec<Duration> {
        self.over.store(true, Ordering::Relaxed);
        let away = self.thread.join().expect("who reads");
        println!("away for {away:?}");
        away
    }
}

fn read(socket: &Socket, address: IpAddr, over: &AtomicBool) -> Vec<Duration> {
    // Refused without the privilege: then it is an ordinary one.
    let _ = real_time(PRIORITY);
    let (mut away, mut since) = (Vec::new(), None);
    while !over.load(Ordering::Relaxed) {
        let Ok((datagram, _)) = socket.recv_from_full() else { continue };
        let now = Instant::now();
        match (told(&datagram, address), since) {
            (Some(false), None) => since = Some(now),
            (Some(true), Some(start)) => {
                away.push(now.duration_since(start));
                since = None;
            }
            (Some(true) | None, _) | (Some(false), Some(_)) => {}
        }
    }
    away.extend(since.map(|start: Instant| start.elapsed()));
    away
}

/// Whether an event says that `address` is there or that it is gone; `None` where it says nothing of it.
fn told(event: &[u8], address: IpAddr) -> Option<bool> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(event).expect("netlink message");
    let NetlinkPayload::InnerMessage(message) = message.payload else { return None };
    let (there, message) = if let RouteNetlinkMessage::NewAddress(message) = message {
        (true, message)
    } else if let RouteNetlinkMessage::DelAddress(message) = message {
        (false, message)
    } else {
        return None;
    };
    (one(&message)?.address == address).then_some(there)
}
