//! The engine's pulse: whether it turns, and whether its timers are on time.
//!
//! Owns a few numbers that the engine counts up and the supervisor reads. Neither waits for the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Instant;

/// Later than this a timer is late: many times what a busy host does to a thread, and less than the shortest time in
/// which routers with adverts every second count each other out.
const TOLERANCE: Duration = Duration::from_millis(100);

/// What the engine has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Turns.
    pub(super) turns: u64,
    /// Timers on time.
    pub(super) on_time: u64,
    /// Timers, and answers to a call, that were late.
    pub(super) late: u64,
}

/// Counted by the engine, read by others.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    turns: AtomicU64,
    on_time: AtomicU64,
    late: AtomicU64,
    /// When somebody called, in nanoseconds; 0: nobody has, or it has been heard.
    called: AtomicU64,
}

impl Pulse {
    /// The engine does what was due so much earlier.
    pub(super) fn timer(&self, lateness: Duration) {
        let count = if lateness > TOLERANCE { &self.late } else { &self.on_time };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The engine takes a turn.
    pub(super) fn turn(&self, now: Instant) {
        let called = self.called.swap(0, Ordering::Relaxed);
        if called != 0 && now.since(Instant::from_nanos(called)) > TOLERANCE {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a call, which is to be answered by a turn; an earlier one that was not counts on. Who calls wakes the engine.
    pub(super) fn call(&self, now: Instant) {
        let _ = self.called.compare_exchange(0, now.as_nanos(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The numbers now.
    pub(super) fn read(&self) -> Reading {
        Reading {
            turns: self.turns.load(Ordering::Relaxed),
            on_time: self.on_time.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(milliseconds))
    }

    #[test]
    fn timers_and_turns_are_counted() {
        let pulse = Pulse::default();
        pulse.timer(Duration::ZERO);
        pulse.timer(TOLERANCE);
        pulse.timer(TOLERANCE + Duration::from_nanos(1));
        pulse.turn(at(1));
        assert_eq!(pulse.read(), Reading { turns: 1, on_time: 2, late: 1 });
    }

    #[test]
    fn a_call_that_is_answered_late_is_late_once() {
        let pulse = Pulse::default();
        pulse.call(at(1_000));
        pulse.turn(at(1_050));
        assert_eq!(pulse.read().late, 0);
        pulse.call(at(2_000));
        pulse.call(at(2_190));
        pulse.turn(at(2_200));
        pulse.turn(at(9_000));
        assert_eq!(pulse.read(), Reading { turns: 3, on_time: 0, late: 1 }, "the first call counts");
    }
}
