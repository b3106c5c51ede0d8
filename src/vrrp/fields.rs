//! The fields of VRRP as types, and the arithmetic of its intervals.
//!
//! A value of these types is legal by construction; what is not is refused where it comes in (configuration, wire).
//! Intervals are computed in nanoseconds: the smallest step that occurs, 1/256 of a centisecond, is 39,062.5 ns, so
//! nothing is rounded but half a nanosecond. Rounding the skew to centiseconds would make all priorities tie at short
//! intervals.

use std::fmt;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Version of the protocol, fixed per virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768 (and RFC 2338 with a password). IPv4 only, whole seconds.
    V2,
    /// RFC 9568. IPv4 and IPv6, centiseconds.
    V3,
}

impl Version {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// Virtual router identifier, 1–255 (RFC 9568, section 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `number` as an identifier; `None` for 0.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        NonZeroU8::new(number).map(Vrid)
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Priority of a router that competes, 1–255. 0 on the wire is no priority: see [`Claim::Resign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// 255: the router owns the addresses (RFC 9568, section 5.2.4).
    pub const OWNER: Priority = Priority(NonZeroU8::MAX);
    /// 100: the default (RFC 9568, section 6.1).
    pub const DEFAULT: Priority = Priority(NonZeroU8::new(100).unwrap());

    /// `number` as a priority; `None` for 0.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        NonZeroU8::new(number).map(Priority)
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0.get()
    }

    /// Whether this router owns the addresses.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the priority byte of an advert says (RFC 9568, section 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// "I hold the addresses, with this priority."
    Hold(Priority),
    /// Priority 0: "I let go of them now."
    Resign,
}

impl Claim {
    /// The claim that byte `number` makes.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        Priority::new(number).map_or(Claim::Resign, Claim::Hold)
    }

    /// The byte on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Claim::Hold(priority) => priority.number(),
            Claim::Resign => 0,
        }
    }
}

/// Time between two adverts of a MASTER, in centiseconds.
///
/// Version 3 carries 1–4095 centiseconds in 12 bits (RFC 9568, section 5.2.7 and erratum 8301), version 2 carries
/// 1–255 whole seconds (RFC 3768, section 5.3.7). The type holds either; [`Interval::fits`] tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u16);

impl Interval {
    /// One second: the default of both versions.
    pub const DEFAULT: Interval = Interval(100);
    /// Longest that version 3 carries: 40.95 s.
    pub const LONGEST_V3: Interval = Interval(4095);

    /// `centiseconds` as a version 3 interval; `None` outside 1–4095.
    #[must_use]
    pub fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        (1..=4095).contains(&centiseconds).then_some(Interval(centiseconds))
    }

    /// `seconds` as a version 2 interval; `None` for 0.
    #[must_use]
    pub fn from_seconds(seconds: u8) -> Option<Self> {
        (seconds != 0).then(|| Interval(u16::from(seconds) * 100))
    }

    /// The interval in centiseconds, 1–25,500.
    #[must_use]
    pub fn centiseconds(self) -> u16 {
        self.0
    }

    /// The interval in whole seconds, as version 2 carries it; `None` if it is not a whole number of them.
    #[must_use]
    pub fn seconds(self) -> Option<u8> {
        if self.0.is_multiple_of(100) { u8::try_from(self.0 / 100).ok() } else { None }
    }

    /// Whether adverts of `version` can carry this interval.
    #[must_use]
    pub fn fits(self, version: Version) -> bool {
        match version {
            Version::V2 => self.seconds().is_some(),
            Version::V3 => self.0 <= Self::LONGEST_V3.0,
        }
    }

    /// The interval as a span of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0) * 10)
    }
}

/// `Skew_Time`: how much longer a router of a lower priority waits before it takes over.
///
/// Version 3: `(256 - priority) * interval / 256`, with the *master's* interval (RFC 9568, section 6.1).
/// Version 2: `(256 - priority) / 256` seconds, whatever the interval (RFC 3768, section 6.1).
#[must_use]
pub fn skew_time(version: Version, priority: Priority, interval: Interval) -> Duration {
    let steps = 256 - u64::from(priority.number());
    let base = match version {
        Version::V2 => 100,
        Version::V3 => u64::from(interval.centiseconds()),
    };
    // One centisecond is 10,000,000 ns and 10,000,000 / 256 = 78,125 / 2.
    Duration::from_nanos(steps * base * 78_125 / 2)
}

/// `Active_Down_Interval` (version 2: `Master_Down_Interval`): three intervals and the skew without an advert
/// mean that the master is gone (RFC 9568, section 6.1; RFC 3768, section 6.1).
#[must_use]
pub fn master_down_interval(version: Version, priority: Priority, interval: Interval) -> Duration {
    interval.duration() * 3 + skew_time(version, priority, interval)
}

/// Which of the two checksums of version 3 over IPv4 a packet has.
///
/// RFC 9568 sums the message alone; RFC 5798 was read by keepalived, FRR and others as asking for a pseudo-header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// The message alone.
    #[serde(rename = "rfc9568")]
    Rfc9568,
    /// With an IPv4 pseudo-header.
    #[serde(rename = "rfc5798")]
    Rfc5798,
}

impl fmt::Display for ChecksumForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChecksumForm::Rfc9568 => "rfc9568",
            ChecksumForm::Rfc5798 => "rfc5798",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(number: u8) -> Priority {
        Priority::new(number).unwrap()
    }

    #[test]
    fn claims_and_their_byte_are_inverse() {
        for number in 0..=255 {
            assert_eq!(Claim::from_number(number).number(), number);
        }
        assert_eq!(Claim::from_number(0), Claim::Resign);
        assert!(priority(255).is_owner());
        assert!(!priority(254).is_owner());
        assert_eq!(Priority::DEFAULT.number(), 100);
    }

    #[test]
    fn intervals_hold_what_the_wire_can_carry() {
        assert_eq!(Interval::from_centiseconds(0), None);
        assert_eq!(Interval::from_centiseconds(4096), None);
        assert_eq!(Interval::from_centiseconds(1).unwrap().duration(), Duration::from_millis(10));
        assert_eq!(Interval::from_centiseconds(4095).unwrap().duration(), Duration::from_millis(40_950));
        assert_eq!(Interval::from_seconds(0), None);
        assert_eq!(Interval::from_seconds(1).unwrap().duration(), Duration::from_secs(1));
        assert_eq!(Interval::from_seconds(255).unwrap().duration(), Duration::from_secs(255));
        assert_eq!(Interval::from_seconds(255).unwrap().seconds(), Some(255));
        assert!(!Interval::from_seconds(41).unwrap().fits(Version::V3));
        assert!(!Interval::from_centiseconds(150).unwrap().fits(Version::V2));
        assert!(Interval::from_centiseconds(300).unwrap().fits(Version::V2));
    }

    /// Priority, interval, skew and master-down interval in half nanoseconds, which is exact: worked out by hand from
    /// the formulas of RFC 9568, section 6.1, in centiseconds.
    const VERSION_3: [(u8, u16, u64, u64); 10] = [
        (100, 100, 1_218_750_000, 7_218_750_000),
        (254, 100, 15_625_000, 6_015_625_000),
        (1, 100, 1_992_187_500, 7_992_187_500),
        (200, 100, 437_500_000, 6_437_500_000),
        (150, 10, 82_812_500, 682_812_500),
        (100, 1, 12_187_500, 72_187_500),
        (120, 4095, 43_509_375_000, 289_209_375_000),
        (50, 50, 804_687_500, 3_804_687_500),
        (100, 300, 3_656_250_000, 21_656_250_000),
        (255, 100, 7_812_500, 6_007_812_500),
    ];

    /// The same for version 2, of RFC 3768, section 6.1; the interval in seconds.
    const VERSION_2: [(u8, u8, u64, u64); 8] = [
        (100, 1, 1_218_750_000, 7_218_750_000),
        (254, 1, 15_625_000, 6_015_625_000),
        (1, 1, 1_992_187_500, 7_992_187_500),
        (200, 1, 437_500_000, 6_437_500_000),
        (100, 3, 1_218_750_000, 19_218_750_000),
        (150, 10, 828_125_000, 60_828_125_000),
        (120, 255, 1_062_500_000, 1_531_062_500_000),
        (255, 1, 7_812_500, 6_007_812_500),
    ];

    #[test]
    fn tm_01_version_3_skew_scales_with_the_interval() {
        for (number, centiseconds, skew, _) in VERSION_3 {
            let interval = Interval::from_centiseconds(centiseconds).unwrap();
            let computed = skew_time(Version::V3, priority(number), interval);
            assert_eq!(computed, Duration::from_nanos(skew / 2), "priority {number}, {centiseconds} cs");
        }
    }

    #[test]
    fn tm_02_version_3_master_down_interval_is_three_intervals_and_the_skew() {
        for (number, centiseconds, _, down) in VERSION_3 {
            let interval = Interval::from_centiseconds(centiseconds).unwrap();
            let computed = master_down_interval(Version::V3, priority(number), interval);
            assert_eq!(computed, Duration::from_nanos(down / 2), "priority {number}, {centiseconds} cs");
        }
    }

    #[test]
    fn tm_03_version_2_skew_is_the_same_at_every_interval() {
        for (number, seconds, skew, down) in VERSION_2 {
            let interval = Interval::from_seconds(seconds).unwrap();
            let computed = skew_time(Version::V2, priority(number), interval);
            assert_eq!(computed, Duration::from_nanos(skew / 2), "priority {number}, {seconds} s");
            let computed = master_down_interval(Version::V2, priority(number), interval);
            assert_eq!(computed, Duration::from_nanos(down / 2), "priority {number}, {seconds} s");
        }
    }

    #[test]
    fn tm_04_skew_strictly_decreases_with_priority_at_every_interval() {
        for centiseconds in 1..=4095 {
            let interval = Interval::from_centiseconds(centiseconds).unwrap();
            for number in 1..255 {
                let lower = skew_time(Version::V3, priority(number), interval);
                assert!(skew_time(Version::V3, priority(number + 1), interval) < lower);
            }
        }
    }
}
