//! Messages as they come in, many per system call, into buffers that are used again and again.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::os::fd::RawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn6, recvmmsg};
use nix::sys::time::TimeSpec;

use super::BATCH;
use crate::net::{Family, Ipv4Packet};
use crate::os::clock;
use crate::time::Instant;

/// Room for one message: the longest that VRRP knows is 8 bytes and 255 IPv6 addresses, 4,088. A longer one is cut off,
/// and is then not as long as its address count says.
const ROOM: usize = 4352;

/// A message that waited longer than this, in nanoseconds, is taken for one with a wrong stamp.
const OLDEST: u64 = 60_000_000_000;

/// A payload that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub hop_limit: u8,
    /// When the kernel took it from the wire: a timer that an advert restarts runs from then on, however long the
    /// process took to wake up.
    pub at: Instant,
    /// What follows the IP header.
    pub payload: &'a [u8],
}

/// Up to [`BATCH`] messages.
pub struct Batch {
    /// [`BATCH`] times [`ROOM`]; the kernel gives memory to the pages that are written.
    buffer: Vec<u8>,
    headers_v4: MultiHeaders<()>,
    headers_v6: MultiHeaders<SockaddrIn6>,
    entries: Vec<Entry>,
}

struct Entry {
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    at: Instant,
    payload: Range<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            buffer: vec![0; BATCH * ROOM],
            headers_v4: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec))),
            headers_v6: MultiHeaders::preallocate(
                BATCH,
                Some(nix::cmsg_space!(TimeSpec, libc::in6_pktinfo, libc::c_int)),
            ),
            entries: Vec::with_capacity(BATCH),
        }
    }
}

impl Batch {
    /// The message at `place`, in the order of arrival.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<Received<'_>> {
        let entry = self.entries.get(place)?;
        Some(Received {
            source: entry.source,
            destination: entry.destination,
            hop_limit: entry.hop_limit,
            at: entry.at,
            payload: self.buffer.get(entry.payload.clone())?,
        })
    }

    /// Messages held: those of the last receive that were whole IP packets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn receive(&mut self, fd: RawFd, family: Family) -> nix::Result<usize> {
        self.entries.clear();
        let result = match family {
            Family::Ipv4 => self.receive_v4(fd),
            Family::Ipv6 => self.receive_v6(fd),
        };
        match result {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            other => other,
        }
    }

    fn receive_v4(&mut self, fd: RawFd) -> nix::Result<usize> {
        let Batch { buffer, headers_v4, entries, .. } = self;
        let mut arrived: [(usize, Option<TimeSpec>); BATCH] = [(0, None); BATCH];
        let mut count = 0;
        {
            let mut rooms: Vec<[IoSliceMut<'_>; 1]> =
                buffer.chunks_exact_mut(ROOM).map(|room| [IoSliceMut::new(room)]).collect();
            let messages = recvmmsg(fd, headers_v4, rooms.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
            for (place, message) in arrived.iter_mut().zip(messages) {
                *place = (message.bytes, Controls::of(&message).stamp);
                count += 1;
            }
        }
        let clocks = Clocks::read();
        let rooms = buffer.chunks_exact(ROOM).enumerate();
        for ((place, room), (length, stamp)) in rooms.zip(arrived).take(count) {
            let bytes = room.get(..length).unwrap_or(room);
            let Some(packet) = Ipv4Packet::parse(bytes) else { continue };
            // The header is what stands before the payload, and padding what stands behind it.
            let header = usize::from(bytes.first().copied().unwrap_or(0) & 0x0f) * 4;
            let start = place * ROOM + header;
            entries.push(Entry {
                source: IpAddr::V4(packet.source),
                destination: IpAddr::V4(packet.destination),
                hop_limit: packet.ttl,
                at: clocks.at(stamp),
                payload: start..start + packet.payload.len(),
            });
        }
        Ok(count)
    }

    fn receive_v6(&mut self, fd: RawFd) -> nix::Result<usize> {
        let Batch { buffer, headers_v6, entries, .. } = self;
        let mut rooms: Vec<[IoSliceMut<'_>; 1]> =
            buffer.chunks_exact_mut(ROOM).map(|room| [IoSliceMut::new(room)]).collect();
        let messages = recvmmsg(fd, headers_v6, rooms.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let clocks = Clocks::read();
        let mut count = 0;
        for (place, message) in messages.enumerate() {
            count += 1;
            let Controls { stamp, destination, hop_limit } = Controls::of(&message);
            let (Some(destination), Some(hop_limit), Some(from)) = (destination, hop_limit, message.address)
            else {
                continue;
            };
            let start = place * ROOM;
            entries.push(Entry {
                source: IpAddr::V6(from.ip()),
                destination: IpAddr::V6(destination),
                hop_limit,
                at: clocks.at(stamp),
                payload: start..start + message.bytes.min(ROOM),
            });
        }
        Ok(count)
    }
}

/// What the kernel says beside a message: what the socket asked for.
#[derive(Default)]
struct Controls {
    stamp: Option<TimeSpec>,
    destination: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
}

impl Controls {
    fn of<S>(message: &RecvMsg<'_, '_, S>) -> Self {
        let mut controls = Controls::default();
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these three are asked for")]
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampns(stamp) => controls.stamp = Some(stamp),
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    controls.destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                }
                ControlMessageOwned::Ipv6HopLimit(limit) => controls.hop_limit = u8::try_from(limit).ok(),
                _ => {}
            }
        }
        controls
    }
}

/// The two clocks at one moment: the kernel stamps by the one, timers go by the other.
struct Clocks {
    stamping: i128,
    now: Instant,
}

impl Clocks {
    fn read() -> Self {
        Clocks { stamping: clock::stamping(), now: clock::now() }
    }

    /// When a message with that stamp arrived. Never later than now, and now where the stamp makes no sense: the clock
    /// of the stamps may have been set in between.
    fn at(&self, stamp: Option<TimeSpec>) -> Instant {
        let age = stamp.map_or(0, |stamp| self.stamping - clock::nanoseconds(stamp));
        match u64::try_from(age) {
            Ok(age) if age < OLDEST => self.now.before(Duration::from_nanos(age)),
            Ok(_) | Err(_) => self.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_become_points_in_time_and_nonsense_becomes_now() {
        let now = Instant::from_nanos(50_000_000_000);
        let clocks = Clocks { stamping: 1_700_000_000_000_000_500, now };
        let at = |seconds, nanoseconds| clocks.at(Some(TimeSpec::new(seconds, nanoseconds)));
        assert_eq!(at(1_700_000_000, 400), now.before(Duration::from_nanos(100)));
        assert_eq!(at(1_699_999_999, 500), now.before(Duration::from_secs(1)));
        assert_eq!(at(1_700_000_001, 0), now, "from the future");
        assert_eq!(at(1_600_000_000, 0), now, "before the clock was set");
        assert_eq!(clocks.at(None), now);
    }
}
