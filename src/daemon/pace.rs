//! How the engine waits: exactly when little is due, cheaply when much arrives.
//!
//! Waking up is what waiting costs. A timer wakes a sleeping processor about a tenth of a millisecond late; so after a
//! calm the engine has itself woken [`LEAD`] before the deadline and stays awake for the rest, at most once per
//! [`CALM`]. And to be woken for each of thousands of messages a second costs more than the messages; so above
//! [`BUSY`] it looks for them every [`PAUSE_MS`], while the timer, the kernel's answers and signals wake it as ever.
//!
//! Holds only figures: reads no clock and waits for nothing.

use std::time::Duration;

use crate::time::Instant;

/// How long before a deadline to wake up: longer than a timer is late.
const LEAD: Duration = Duration::from_micros(200);
/// Only the first deadline after so long without any is worth that.
const CALM: Duration = Duration::from_millis(50);
/// Over so long messages are counted.
const WINDOW: Duration = Duration::from_millis(10);
/// More messages in a window than this are many.
const BUSY: usize = 20;
/// How long many messages may wait, in milliseconds: a tenth of the shortest advert interval.
pub(super) const PAUSE_MS: u8 = 1;

/// What happened lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    acted: Instant,
    window: Instant,
    messages: usize,
    busy: bool,
}

impl Pace {
    /// How long before the next deadline to wake up.
    pub(super) fn lead(&self, now: Instant) -> Duration {
        if now.since(self.acted) >= CALM { LEAD } else { Duration::ZERO }
    }

    /// A deadline was served.
    pub(super) fn acted(&mut self, now: Instant) {
        self.acted = now;
    }

    /// So many messages were read in a turn, perhaps none.
    pub(super) fn heard(&mut self, now: Instant, count: usize) {
        self.messages += count;
        let span = now.since(self.window);
        if span >= WINDOW {
            self.busy = self.messages > BUSY && span < WINDOW * 2;
            self.window = now;
            self.messages = 0;
        }
    }

    /// Whether messages come so fast that they are better read together.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(microseconds: u64) -> Instant {
        Instant::from_nanos(10_000_000_000).after(Duration::from_micros(microseconds))
    }

    #[test]
    fn only_the_first_deadline_after_a_calm_is_met_awake() {
        let mut pace = Pace::default();
        assert_eq!(pace.lead(at(0)), LEAD);
        pace.acted(at(0));
        assert_eq!(pace.lead(at(10_000)), Duration::ZERO);
        assert_eq!(pace.lead(at(60_000)), LEAD);
    }

    #[test]
    fn a_stream_of_messages_is_busy_until_it_ends() {
        let mut pace = Pace::default();
        for n in 0..300 {
            pace.heard(at(n * 100), 1);
        }
        assert!(pace.is_busy());
        for n in 0..30 {
            pace.heard(at(30_000 + n * 1000), 0);
        }
        assert!(!pace.is_busy());
        // A burst after a long silence is no stream.
        pace.heard(at(1_000_000), 64);
        assert!(!pace.is_busy());
    }
}
