//! The two clocks: the one that timers go by, and the one that people read.
//!
//! The only place that reads a clock. Cannot fail on Linux 2.6.39 and later; if it did, time would stand still.

use std::time::SystemTime;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::time::Instant;

/// Time since boot, suspend included (`CLOCK_BOOTTIME`): a node that slept must know for how long.
#[must_use]
pub fn now() -> Instant {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(Instant::ZERO, |time| Instant::from_nanos(u64::try_from(nanoseconds(time)).unwrap_or(0)))
}

/// Nanoseconds since 1970 by the clock that the kernel stamps packets with (`CLOCK_REALTIME`); it may jump.
pub(super) fn stamping() -> i128 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, nanoseconds)
}

/// A point in time of either clock as one number.
pub(super) fn nanoseconds(time: TimeSpec) -> i128 {
    i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
}

/// The time of day, for log lines; it may jump.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time of day")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_goes_forward() {
        let first = super::now();
        let second = super::now();
        assert!(second >= first);
        assert!(first > crate::time::Instant::ZERO);
    }
}
