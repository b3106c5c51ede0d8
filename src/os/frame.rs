//! Ethernet frames on their way out: one packet socket for all links.
//!
//! Owns the socket. Receives nothing. A frame that the kernel refuses is counted and dropped: announcements are
//! repeated, and nobody could do anything about one.

use std::io::IoSlice;
use std::os::fd::AsRawFd;

use nix::sys::socket::sockopt::SndBufForce;
use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, sendmmsg, setsockopt};
use socket2::{Domain, Socket, Type};

use super::{OsError, Trying, sys};
use crate::net::{LinkIndex, MacAddr};

/// Frames per system call.
const BATCH: usize = 64;
/// Bytes that may wait to be sent, as the kernel counts them (about 0.8 KB per announcement).
const SEND_BUFFER: usize = 8 << 20;

/// Puts frames on links.
pub struct FrameSender {
    socket: Socket,
    headers: MultiHeaders<LinkAddr>,
}

impl FrameSender {
    /// Opens the socket; needs `CAP_NET_RAW`.
    pub fn open() -> Result<Self, OsError> {
        // Protocol 0: nothing is ever received.
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new_raw(Domain::PACKET, kind, None).trying("opening a packet socket")?;
        let _ = setsockopt(&socket, SndBufForce, &SEND_BUFFER);
        Ok(FrameSender { socket, headers: MultiHeaders::preallocate(BATCH, None) })
    }

    /// Sends frames in order, each to its link. Answers how many were refused.
    pub fn send_all(&mut self, frames: &[(LinkIndex, &[u8])]) -> u64 {
        let mut refused = 0;
        let mut at = 0;
        while at < frames.len() {
            let end = frames.len().min(at + BATCH);
            let chunk = frames.get(at..end).unwrap_or_default();
            let to: Vec<Option<LinkAddr>> = chunk.iter().map(|(link, frame)| address(*link, frame)).collect();
            let iovs: Vec<[IoSlice<'_>; 1]> = chunk.iter().map(|(_, frame)| [IoSlice::new(frame)]).collect();
            let fd = self.socket.as_raw_fd();
            let sent = sendmmsg(fd, &mut self.headers, &iovs, &to, [], MsgFlags::MSG_DONTWAIT);
            match sent.map(Iterator::count) {
                Ok(sent) if sent > 0 => at += sent,
                // The first of the rest is the one that was refused.
                Ok(_) | Err(_) => {
                    refused += 1;
                    at += 1;
                }
            }
        }
        refused
    }
}

/// Where a frame goes, read from its own header; `None` for what has none.
fn address(link: LinkIndex, frame: &[u8]) -> Option<LinkAddr> {
    let [d0, d1, d2, d3, d4, d5, _, _, _, _, _, _, kind_hi, kind_lo] = *frame.first_chunk()?;
    sys::link_address(link, MacAddr([d0, d1, d2, d3, d4, d5]), u16::from_be_bytes([kind_hi, kind_lo]))
}
