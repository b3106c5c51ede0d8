//! The kernel's reports on links and addresses, as they happen.
//!
//! Owns one netlink socket. Never waits. When the kernel could not deliver a report for want of room, it says so once
//! ([`Drained::overrun`]): something was lost, and only a dump tells what is.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{MsgFlags, recv, setsockopt};

use super::{Event, decode};
use crate::os::{OsError, Trying};

/// Bytes of reports that may wait: several thousand.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Longest report; the kernel's are a few kilobytes at most.
const ROOM: usize = 16 << 10;
/// Reports read in one turn; the rest waits for the next.
const TURN: usize = 1024;

/// Hears of changes.
pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
}

/// What became of reading the reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Reports were lost: what the caller knows may be wrong.
    pub overrun: bool,
}

impl Monitor {
    /// Subscribes to links and to addresses of both families.
    pub fn open() -> Result<Self, OsError> {
        let mut socket = Socket::new(NETLINK_ROUTE).trying("opening a netlink socket")?;
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER);
        }
        socket.bind(&SocketAddr::new(0, 0)).trying("binding a netlink socket")?;
        for group in [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR] {
            socket.add_membership(group).trying("subscribing to links and addresses")?;
        }
        socket.set_non_blocking(true).trying("setting up a netlink socket")?;
        Ok(Monitor { socket, buffer: vec![0; ROOM] })
    }

    /// Reads what has been reported and hands it over in order.
    pub fn drain(&mut self, mut each: impl FnMut(Event)) -> Result<Drained, OsError> {
        let mut drained = Drained::default();
        for _ in 0..TURN {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            match recv(self.socket.as_raw_fd(), &mut self.buffer, flags) {
                Ok(length) => match self.buffer.get(..length) {
                    Some(datagram) => {
                        decode::messages(datagram)
                            .filter_map(|message| decode::event(&message))
                            .for_each(&mut each);
                    }
                    // Longer than the buffer: its end is lost.
                    None => drained.overrun = true,
                },
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => drained.overrun = true,
                Err(errno) => return Err(errno).trying("reading link and address reports"),
            }
        }
        Ok(drained)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
