//! What can be wrong with a message on the wire, in words with what to do, and a bounded memory of it.
//!
//! Every occurrence counts; a report is made when a kind of trouble is new and then at a bounded rate with the count,
//! so a flood fills neither the log nor the memory.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::snapshot::TroubleStatus;
use crate::time::Instant;
use crate::vrrp::fields::{ChecksumForm, Interval, Version};
use crate::vrrp::packet::ParseError;

/// Kinds of trouble and peers that one instance remembers; the longest unseen is forgotten first.
const REMEMBERED: usize = 16;
/// The same trouble from the same peer is reported again no sooner than this.
const REPEAT_AFTER: Duration = Duration::from_mins(1);
/// Reports of one instance within [`REPEAT_AFTER`], over all kinds and peers.
const REPORTS: u8 = 8;
/// `status` shows trouble no older than this.
const SHOWN_FOR: Duration = Duration::from_mins(1);

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Came from one of this host's own addresses.
    OwnAddress,
    /// TTL or hop limit other than 255.
    HopLimit(u8),
    /// Another protocol version than this instance speaks.
    Version {
        /// Theirs.
        theirs: u8,
        /// Ours.
        ours: Version,
    },
    /// Looks like CARP, which shares VRRP's protocol number and group.
    Carp,
    /// No advertisement at all.
    Malformed(ParseError),
    /// The right checksum in the form that this instance is told not to accept.
    ChecksumForm(ChecksumForm),
    /// Another authentication type than configured.
    AuthType,
    /// Wrong password.
    Password,
    /// Not to the VRRP group, at a multicast instance.
    Unicast,
    /// Multicast to a unicast instance.
    Multicast,
    /// From nobody in `peers`.
    NotAPeer,
    /// Version 2: another interval, so the advert is dropped.
    IntervalV2 {
        /// Theirs.
        theirs: Interval,
        /// Ours.
        ours: Interval,
    },
    /// Version 3: another interval; noted only.
    IntervalV3 {
        /// Theirs.
        theirs: Interval,
        /// Ours.
        ours: Interval,
    },
    /// Another list of addresses; noted only.
    AddressList,
    /// Another router says that it owns the addresses, like this one; noted only.
    SecondOwner,
}

impl Trouble {
    /// Orders kinds, whatever they carry.
    fn kind(self) -> u8 {
        match self {
            Trouble::OwnAddress => 0,
            Trouble::HopLimit(_) => 1,
            Trouble::Version { .. } => 2,
            Trouble::Carp => 3,
            Trouble::Malformed(ParseError::Checksum) => 4,
            Trouble::Malformed(ParseError::Length { .. }) => 5,
            Trouble::Malformed(_) => 6,
            Trouble::ChecksumForm(_) => 7,
            Trouble::AuthType => 8,
            Trouble::Password => 9,
            Trouble::Unicast => 10,
            Trouble::Multicast => 11,
            Trouble::NotAPeer => 12,
            Trouble::IntervalV2 { .. } => 13,
            Trouble::IntervalV3 { .. } => 14,
            Trouble::AddressList => 15,
            Trouble::SecondOwner => 16,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::OwnAddress => f.write_str(
                "sent from an address of this host: adverts are looped back, or another host has the same address",
            ),
            Trouble::HopLimit(limit) => write!(
                f,
                "dropped: TTL or hop limit {limit} instead of 255: forwarded by a router, or the peer is set so"
            ),
            Trouble::Version { theirs, ours } => write!(
                f,
                "dropped: speaks VRRP version {theirs}, this instance version {ours}: set `version` alike on both \
                 (keepalived: `vrrp_version`, default 2)"
            ),
            Trouble::Carp => f.write_str(
                "dropped: CARP, not VRRP: give this instance another virtual_router_id than the CARP group's",
            ),
            Trouble::Malformed(ParseError::Checksum) => f.write_str(
                "dropped: wrong checksum: damaged on the way, or the peer computes it over other addresses",
            ),
            Trouble::Malformed(error) => write!(f, "dropped: {error}"),
            Trouble::ChecksumForm(form) => write!(
                f,
                "dropped: checksum of form {form}, which `checksum` does not allow: set it to \"auto\" or \"{form}\""
            ),
            Trouble::AuthType => f.write_str("dropped: another authentication type: set `auth` alike on both"),
            Trouble::Password => f.write_str("dropped: wrong password: set `auth` alike on both"),
            Trouble::Unicast => f.write_str(
                "dropped: not sent to the VRRP group, but this instance uses multicast: set `peers` on both or on neither",
            ),
            Trouble::Multicast => f.write_str(
                "dropped: sent by multicast, this instance has `peers`: set `peers` on both or on neither",
            ),
            Trouble::NotAPeer => f.write_str("dropped: not one of `peers`"),
            Trouble::IntervalV2 { theirs, ours } => write!(
                f,
                "dropped: advertises every {}, this instance every {}: version 2 demands the same",
                seconds(*theirs),
                seconds(*ours)
            ),
            Trouble::IntervalV3 { theirs, ours } => write!(
                f,
                "advertises every {}, this instance every {}: works, but a takeover takes the master's interval",
                seconds(*theirs),
                seconds(*ours)
            ),
            Trouble::AddressList => {
                f.write_str("advertises other addresses: set `addresses` alike on all routers")
            }
            Trouble::SecondOwner => f.write_str(
                "advertises priority 255 as this router does: only one can own the addresses; the greater address wins",
            ),
        }
    }
}

/// An interval in words, such as "1 s" or "0.25 s".
pub(crate) fn seconds(interval: Interval) -> String {
    format!("{} s", f64::from(interval.centiseconds()) / 100.0)
}

/// The trouble of one instance.
#[derive(Debug, Default)]
pub(crate) struct TroubleLog {
    entries: BTreeMap<(u8, IpAddr), Entry>,
    window: Instant,
    reported: u8,
}

#[derive(Debug)]
struct Entry {
    trouble: Trouble,
    count: u64,
    seen: Instant,
    reported_at: Option<Instant>,
}

impl TroubleLog {
    /// Counts `trouble` with `peer`; the count so far if it is to be reported now.
    pub(crate) fn note(&mut self, now: Instant, trouble: Trouble, peer: IpAddr) -> Option<u64> {
        let key = (trouble.kind(), peer);
        if !self.entries.contains_key(&key) && self.entries.len() >= REMEMBERED {
            self.forget_oldest();
        }
        let fresh = Entry { trouble, count: 0, seen: now, reported_at: None };
        let entry = self.entries.entry(key).or_insert(fresh);
        entry.count += 1;
        entry.seen = now;
        entry.trouble = trouble;
        if entry.reported_at.is_some_and(|at| now.since(at) < REPEAT_AFTER) {
            return None;
        }
        if now.since(self.window) >= REPEAT_AFTER {
            self.window = now;
            self.reported = 0;
        }
        if self.reported >= REPORTS {
            return None;
        }
        self.reported += 1;
        entry.reported_at = Some(now);
        Some(entry.count)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.seen).map(|(key, _)| *key);
        if let Some(key) = oldest {
            self.entries.remove(&key);
        }
    }

    /// What `status` shows: the trouble of the last minute, the newest last.
    pub(crate) fn status(&self, now: Instant) -> Vec<TroubleStatus> {
        let mut recent: Vec<_> =
            self.entries.iter().filter(|(_, entry)| now.since(entry.seen) <= SHOWN_FOR).collect();
        recent.sort_by_key(|(_, entry)| entry.seen);
        let status = |((_, peer), entry): (&(u8, IpAddr), &Entry)| TroubleStatus {
            text: format!("{peer}: {}", entry.trouble),
            count: entry.count,
            seen_seconds_ago: now.since(entry.seen).as_secs_f64(),
        };
        recent.into_iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn the_same_trouble_is_counted_always_and_reported_once_a_minute() {
        let peer = IpAddr::from([10, 0, 0, 2]);
        let mut log = TroubleLog::default();
        assert_eq!(log.note(at(0), Trouble::Password, peer), Some(1));
        for _ in 0..999 {
            assert_eq!(log.note(at(59), Trouble::Password, peer), None);
        }
        assert_eq!(log.note(at(60), Trouble::Password, peer), Some(1001));
        let status = log.status(at(61));
        assert_eq!((status.len(), status[0].count), (1, 1001));
        assert!(status[0].text.starts_with("10.0.0.2: dropped: wrong password"), "{}", status[0].text);
        assert!(log.status(at(200)).is_empty());
    }

    #[test]
    fn many_peers_neither_flood_the_log_nor_the_memory() {
        let mut log = TroubleLog::default();
        let reports = (0..=255u8)
            .filter(|n| log.note(at(1), Trouble::HopLimit(1), IpAddr::from([10, 0, 0, *n])).is_some())
            .count();
        assert_eq!(reports, usize::from(REPORTS));
        assert_eq!(log.status(at(1)).len(), REMEMBERED);
    }
}
