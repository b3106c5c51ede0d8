//! Flap damping: a check whose verdict changes too often is held failing for a while, longer each time.
//!
//! The same idea as route flap damping (RFC 2439), with a count in place of a decaying penalty: what an administrator
//! configures is what happens.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::model::Flap;
use crate::time::Instant;

/// When the verdict of one check changed, and how long it is held for that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damping {
    /// The latest changes, oldest first; no more than are too many.
    changes: VecDeque<Instant>,
    /// Held until then.
    held_until: Option<Instant>,
    /// How long the next hold is; none where it is a first one.
    next: Option<Duration>,
    /// When the last hold ended.
    released_at: Option<Instant>,
}

impl Damping {
    /// Until when the check is held.
    #[must_use]
    pub fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// The verdict changed at `now`: for how long the check is held, if that was once too often.
    pub fn changed(&mut self, now: Instant, flap: Flap) -> Option<Duration> {
        if self.held_until.is_some() {
            return None;
        }
        let most = usize::from(flap.changes) + 1;
        self.changes.push_back(now);
        while self.changes.len() > most {
            self.changes.pop_front();
        }
        let first = self.changes.front().copied().filter(|_| self.changes.len() == most)?;
        if now.since(first) > flap.within {
            return None;
        }
        let calm = self.released_at.is_none_or(|at| now.since(at) > flap.within);
        let hold = self.next.filter(|_| !calm).unwrap_or(flap.hold).min(flap.max_hold);
        self.next = Some(hold.saturating_mul(2).min(flap.max_hold));
        self.held_until = Some(now.after(hold));
        self.changes.clear();
        Some(hold)
    }

    /// Ends a hold whose time has come; whether one ended.
    pub fn release(&mut self, now: Instant) -> bool {
        let ended = self.held_until.is_some_and(|until| until <= now);
        if ended {
            self.released_at = self.held_until.take();
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAP: Flap = Flap {
        changes: 2,
        within: Duration::from_mins(1),
        hold: Duration::from_secs(10),
        max_hold: Duration::from_secs(35),
    };

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_secs(seconds))
    }

    /// Changes at these seconds, releasing in between; the seconds of each hold.
    fn holds(damping: &mut Damping, changes: &[u64]) -> Vec<Option<u64>> {
        let mut holds = Vec::new();
        for second in changes {
            damping.release(at(*second));
            holds.push(damping.changed(at(*second), FLAP).map(|hold| hold.as_secs()));
        }
        holds
    }

    #[test]
    fn one_change_too_many_holds_and_each_hold_is_longer_up_to_the_longest() {
        let mut damping = Damping::default();
        assert_eq!(holds(&mut damping, &[0, 1, 2]), [None, None, Some(10)]);
        assert_eq!(damping.held_until(), Some(at(12)));
        assert_eq!(holds(&mut damping, &[5]), [None], "held: nothing counts");
        assert_eq!(holds(&mut damping, &[12, 13, 14]), [None, None, Some(20)]);
        assert_eq!(holds(&mut damping, &[34, 35, 36]), [None, None, Some(35)]);
        assert_eq!(holds(&mut damping, &[71, 72, 73]), [None, None, Some(35)]);
    }

    #[test]
    fn after_a_calm_the_next_hold_is_a_first_one_again() {
        let mut damping = Damping::default();
        assert_eq!(holds(&mut damping, &[0, 1, 2]), [None, None, Some(10)]);
        assert_eq!(holds(&mut damping, &[71, 72, 73]), [None, None, Some(10)]);
    }

    #[test]
    fn changes_that_are_far_apart_hold_nothing() {
        let mut damping = Damping::default();
        assert_eq!(holds(&mut damping, &[0, 40, 61, 101, 122, 163]), [None; 6]);
        assert_eq!(holds(&mut damping, &[164, 165]), [Some(10), None]);
    }

    #[test]
    fn a_hold_ends_at_its_time_and_once() {
        let mut damping = Damping::default();
        holds(&mut damping, &[0, 1, 2]);
        assert!(!damping.release(at(11)));
        assert!(damping.release(at(12)));
        assert!(!damping.release(at(13)));
    }
}
