//! Time as the pure layers know it: nanoseconds since an origin that only `os::clock` knows.
//!
//! Nothing here reads a clock. In production the origin is the boot of the machine and the clock counts suspend
//! (`CLOCK_BOOTTIME`); in the simulator it is the start of the run. Spans are [`std::time::Duration`].
//! Arithmetic saturates: a time beyond 584 years is "never" for every purpose of this program.

use std::time::Duration;

/// A point in time: nanoseconds since the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant(0);

    /// The point `nanoseconds` after the origin.
    #[must_use]
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Instant(nanoseconds)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that passed from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `span` after `self`.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Instant(self.0.saturating_add(nanos(span)))
    }

    /// The point `span` before `self`, or the origin.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Instant(self.0.saturating_sub(nanos(span)))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_exact_and_saturates() {
        let start = Instant::from_nanos(5);
        assert_eq!(start.after(Duration::from_nanos(7)), Instant::from_nanos(12));
        assert_eq!(start.after(Duration::MAX), Instant::from_nanos(u64::MAX));
        assert_eq!(start.before(Duration::from_nanos(9)), Instant::ZERO);
        assert_eq!(Instant::from_nanos(9).since(start), Duration::from_nanos(4));
        assert_eq!(start.since(Instant::from_nanos(9)), Duration::ZERO);
    }
}
