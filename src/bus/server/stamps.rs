//! Points in time as D-Bus has them: microseconds since 1970. Pure.
//!
//! The agent tells how long ago something was, by the clock that counts from boot. The same event must have the same
//! stamp each time it is told of, or every look would be news: so a stamp stays until the event is another one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;

/// Two stamps closer than this are of one event, beside what the clock readings leave open.
const SAME: Duration = Duration::from_millis(1);

/// When a snapshot was taken, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Not earlier than this.
    pub(super) from: Instant,
    /// Not later than this.
    pub(super) until: Instant,
    /// The time of day at `until`, in microseconds since 1970.
    pub(super) wall: u64,
}

/// The stamps of one snapshot.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    kept: BTreeMap<(String, &'static str), (Instant, u64)>,
    /// Those of the snapshot before it.
    before: BTreeMap<(String, &'static str), (Instant, u64)>,
}

impl Stamps {
    /// Another snapshot begins.
    pub(super) fn begin(&mut self) {
        self.before = std::mem::take(&mut self.kept);
    }

    /// A snapshot ends: what it did not ask for is forgotten.
    pub(super) fn end(&mut self) {
        self.before.clear();
    }

    /// When that was which is called `name` in the object at `path`, and which was so many seconds ago.
    pub(super) fn at(&mut self, path: &str, name: &'static str, ago: f64, taken: Taken) -> u64 {
        let ago = Duration::try_from_secs_f64(ago).unwrap_or_default();
        let at = taken.until.before(ago);
        let key = (path.to_owned(), name);
        let near = |other: Instant| {
            at.since(other).max(other.since(at)) <= taken.until.since(taken.from).saturating_add(SAME)
        };
        let (at, wall) = match self.before.get(&key) {
            Some(&(kept, wall)) if near(kept) => (kept, wall),
            _ => (at, taken.wall.saturating_sub(u64::try_from(ago.as_micros()).unwrap_or(u64::MAX))),
        };
        self.kept.insert(key, (at, wall));
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(millis: u64) -> Taken {
        let until = Instant::from_nanos(millis * 1_000_000);
        let from = until.before(Duration::from_millis(3));
        Taken { from, until, wall: 1_000_000_000 + millis * 1_000 }
    }

    #[test]
    fn an_event_keeps_its_stamp_and_another_has_its_own() {
        let mut stamps = Stamps::default();
        stamps.begin();
        let first = stamps.at("/a", "Since", 2.0, taken(10_000));
        assert_eq!(first, 1_008_000_000);
        stamps.begin();
        // Read 2 ms later than the agent reckoned.
        assert_eq!(stamps.at("/a", "Since", 3.0, taken(11_002)), first);
        // Set at another time of day meanwhile: the event is the same.
        stamps.begin();
        assert_eq!(stamps.at("/a", "Since", 4.0, Taken { wall: 5, ..taken(12_000) }), first);
        stamps.begin();
        assert_eq!(stamps.at("/a", "Since", 0.5, taken(13_000)), 1_012_500_000);
    }

    #[test]
    fn what_is_no_span_of_time_is_now() {
        let mut stamps = Stamps::default();
        for ago in [f64::NAN, -1.0, f64::INFINITY] {
            assert_eq!(stamps.at("/a", "Since", ago, taken(10_000)), 1_010_000_000);
        }
    }
}
