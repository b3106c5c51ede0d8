//! `address_lease`: how long the kernel keeps an address that is not renewed.
//!
//! Owns: the arithmetic of leases. Never: knows who renews, or when that happened last. Cannot fail.

use std::fmt;
use std::time::Duration;

use crate::vrrp::fields::{Interval, Priority, Version, master_down_interval};

/// Shortest time between two renewals: with adverts every 10 ms, renewing as often would be work for nothing.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(500);
/// What the kernel's rounding costs: it takes an address away up to 0.3 s before or after its time.
const ROUNDING: Duration = Duration::from_millis(500);

/// What `address_lease` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AddressLease {
    /// The shortest lease that outlasts every takeover ([`automatic`]).
    #[default]
    Auto,
    /// None: addresses stay until somebody takes them away.
    Off,
    /// So many seconds, not below the automatic ones.
    Seconds(u32),
}

impl fmt::Display for AddressLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressLease::Auto => f.write_str("auto"),
            AddressLease::Off => f.write_str("off"),
            AddressLease::Seconds(seconds) => write!(f, "{seconds}s"),
        }
    }
}

/// The lease of an instance's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What the kernel is told: so long it keeps an address after its last renewal.
    pub seconds: u32,
    /// Time between two renewals.
    pub renewal: Duration,
}

impl Lease {
    /// The lease of an instance that is set to `lease` and advertises in this `version` every `interval`; `None` where
    /// addresses stay.
    #[must_use]
    pub fn new(lease: AddressLease, version: Version, interval: Interval) -> Option<Self> {
        let seconds = match lease {
            AddressLease::Off => return None,
            AddressLease::Auto => automatic(version, interval),
            AddressLease::Seconds(seconds) => seconds,
        };
        Some(Lease { seconds, renewal: renewal(interval) })
    }

    /// The lease as a span of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }
}

/// Time between two renewals: the advert interval, but half a second at least.
fn renewal(interval: Interval) -> Duration {
    interval.duration().max(SHORTEST_RENEWAL)
}

/// The shortest lease in whole seconds, which is how the kernel counts, that ends after any peer has taken over.
///
/// The last renewal may be as old as one renewal period when the agent dies. From then on the slowest peer, which is one
/// of the lowest priority, waits for its master-down interval: that of this interval, since a peer learns it (version 3)
/// or has the same (version 2).
#[must_use]
pub fn automatic(version: Version, interval: Interval) -> u32 {
    // What no priority's is longer than: a skew of one interval, or of one second (RFC 9568 and RFC 3768, section 6.1).
    let lowest =
        Priority::new(1).map_or(Duration::ZERO, |lowest| master_down_interval(version, lowest, interval));
    let least = lowest + renewal(interval) + ROUNDING;
    let whole = least.as_secs() + u64::from(least.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v3(milliseconds: u16) -> u32 {
        automatic(Version::V3, Interval::from_centiseconds(milliseconds / 10).unwrap())
    }

    #[test]
    fn the_automatic_lease_outlasts_every_takeover() {
        assert_eq!([v3(10), v3(50), v3(100), v3(200), v3(250)], [2, 2, 2, 2, 2]);
        assert_eq!([v3(300), v3(500), v3(1000), v3(2000), v3(40_950)], [3, 3, 6, 11, 206]);
        let v2 = |seconds| automatic(Version::V2, Interval::from_seconds(seconds).unwrap());
        assert_eq!([v2(1), v2(2), v2(255)], [6, 10, 1022]);
        for centiseconds in 1..=4095 {
            let interval = Interval::from_centiseconds(centiseconds).unwrap();
            let lease = Lease::new(AddressLease::Auto, Version::V3, interval).unwrap();
            let slowest = master_down_interval(Version::V3, Priority::new(1).unwrap(), interval);
            let longest = slowest + lease.renewal + ROUNDING;
            assert!(lease.duration() >= longest, "{centiseconds}");
            assert!(
                lease.duration() < longest + Duration::from_secs(1),
                "{centiseconds}: the shortest that does"
            );
        }
    }

    #[test]
    fn a_lease_is_renewed_with_the_adverts_but_not_too_often() {
        let lease = |kind, centiseconds| {
            Lease::new(kind, Version::V3, Interval::from_centiseconds(centiseconds).unwrap())
        };
        let fast = Lease { seconds: 2, renewal: Duration::from_millis(500) };
        assert_eq!(lease(AddressLease::Auto, 1), Some(fast));
        let slow = Lease { seconds: 60, renewal: Duration::from_secs(2) };
        assert_eq!(lease(AddressLease::Seconds(60), 200), Some(slow));
        assert_eq!(lease(AddressLease::Off, 100), None);
    }
}
