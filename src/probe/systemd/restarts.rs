//! Automatic restarts of a service in a window of time that slides. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::model::Restarts;
use crate::time::Instant;

/// The restarts of one service.
#[derive(Debug)]
pub(super) struct Count {
    most: usize,
    within: Duration,
    /// The counter of systemd when it was last looked at.
    last: Option<u32>,
    /// When each was seen, the oldest first; at most one more than are allowed.
    seen: VecDeque<Instant>,
}

impl Count {
    pub(super) fn new(bound: Restarts) -> Self {
        Count { most: usize::from(bound.count), within: bound.within, last: None, seen: VecDeque::new() }
    }

    /// systemd counts `restarts` since the service was last started by hand. What was before the first look does not
    /// count: nobody knows when that was. A counter that went back is a start by hand, and all begins anew.
    pub(super) fn saw(&mut self, restarts: u32, now: Instant) {
        let fresh = match self.last.replace(restarts) {
            None => 0,
            Some(last) if restarts < last => {
                self.seen.clear();
                restarts
            }
            Some(last) => restarts - last,
        };
        let fresh = usize::try_from(fresh).unwrap_or(usize::MAX).min(self.most.saturating_add(1));
        self.seen.extend(std::iter::repeat_n(now, fresh));
        while self.seen.len() > self.most.saturating_add(1) {
            self.seen.pop_front();
        }
        while self.seen.front().is_some_and(|&at| now.since(at) >= self.within) {
            self.seen.pop_front();
        }
    }

    /// What to say if there were too many.
    pub(super) fn too_many(&self, now: Instant) -> Option<String> {
        let recent = self.seen.iter().filter(|&&at| now.since(at) < self.within).count();
        (recent > self.most)
            .then(|| format!("restarted more than {} times within {:?}", self.most, self.within))
    }

    /// When there will be no more than are allowed, if there are now.
    pub(super) fn eases(&self, now: Instant) -> Option<Instant> {
        self.too_many(now)?;
        self.seen.front().map(|at| at.after(self.within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_secs(seconds))
    }

    fn count(most: u16) -> Count {
        Count::new(Restarts { count: most, within: Duration::from_secs(10) })
    }

    #[test]
    fn more_than_allowed_within_the_window_are_too_many_until_the_oldest_leaves_it() {
        let mut count = count(2);
        count.saw(7, at(0));
        for (restarts, second) in [(8, 1), (9, 2)] {
            count.saw(restarts, at(second));
            assert_eq!(count.too_many(at(second)), None);
        }
        count.saw(10, at(3));
        assert_eq!(count.too_many(at(3)).as_deref(), Some("restarted more than 2 times within 10s"),);
        assert_eq!(count.eases(at(3)), Some(at(11)));
        assert!(count.too_many(at(10)).is_some());
        assert_eq!(count.too_many(at(11)), None);
    }

    #[test]
    fn several_restarts_between_two_looks_all_count() {
        let mut count = count(2);
        count.saw(0, at(0));
        count.saw(1000, at(1));
        assert!(count.too_many(at(1)).is_some());
        assert_eq!(count.seen.len(), 3);
    }

    #[test]
    fn none_allowed_means_none() {
        let mut count = count(0);
        count.saw(3, at(0));
        assert_eq!(count.too_many(at(0)), None);
        count.saw(4, at(1));
        assert!(count.too_many(at(1)).is_some());
    }

    #[test]
    fn a_start_by_hand_begins_anew() {
        let mut count = count(0);
        count.saw(0, at(0));
        count.saw(1, at(1));
        assert!(count.too_many(at(1)).is_some());
        count.saw(0, at(2));
        assert_eq!(count.too_many(at(2)), None);
        count.saw(5, at(3));
        count.saw(1, at(4));
        assert!(count.too_many(at(4)).is_some(), "one restart since the start by hand");
    }
}
