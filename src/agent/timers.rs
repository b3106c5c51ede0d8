//! When each instance is due next: an index over what the instances themselves say, so that a thousand of them cost no
//! more per turn than one. It holds no truth of its own; [`Timers::set`] follows every change of an instance.

use std::collections::BTreeSet;

use crate::time::Instant;

/// Deadlines by instance number.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Instant, usize)>,
    of: Vec<Option<Instant>>,
}

impl Timers {
    /// Forgets everything and makes room for `count` instances.
    pub(crate) fn reset(&mut self, count: usize) {
        self.order.clear();
        self.of.clear();
        self.of.resize(count, None);
    }

    /// Instance `number` is due at `deadline`, or never.
    pub(crate) fn set(&mut self, number: usize, deadline: Option<Instant>) {
        let Some(known) = self.of.get_mut(number) else { return };
        if *known == deadline {
            return;
        }
        if let Some(old) = *known {
            self.order.remove(&(old, number));
        }
        if let Some(new) = deadline {
            self.order.insert((new, number));
        }
        *known = deadline;
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// The instances that are due at `now`, earliest first.
    pub(crate) fn due(&self, now: Instant, into: &mut Vec<usize>) {
        into.clear();
        into.extend(self.order.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, number)| number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_comes_in_order_and_only_once_set() {
        let at = Instant::from_nanos;
        let mut timers = Timers::default();
        timers.reset(3);
        timers.set(0, Some(at(30)));
        timers.set(1, Some(at(10)));
        timers.set(2, Some(at(20)));
        timers.set(1, Some(at(25)));
        timers.set(9, Some(at(1)));
        let mut due = Vec::new();
        timers.due(at(25), &mut due);
        assert_eq!(due, [2, 1]);
        assert_eq!(timers.first(), Some(at(20)));
        timers.set(2, None);
        assert_eq!(timers.first(), Some(at(25)));
    }
}
