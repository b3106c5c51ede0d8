//! Whether the engine has proven lately that it is alive. A value: takes readings of its pulse, at equal distances.

use crate::daemon::pulse::Reading;

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It turned, and its timers are on time.
    Alive,
    /// It took no turn since the last reading, though it was called.
    Stands,
    /// It turned, and most timers since the last reading were late.
    Late,
}

/// Compares each reading with the one before. systemd counts how long there was no proof: one reading that is none does no
/// harm, a whole watchdog's period of them ends the process.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    last: Option<Reading>,
}

impl Vigil {
    /// What this reading proves. The first is one of an engine that has just begun to turn.
    pub(super) fn look(&mut self, now: Reading) -> Proof {
        let Some(last) = self.last.replace(now) else { return Proof::Alive };
        if now.turns == last.turns {
            Proof::Stands
        } else if now.late.saturating_sub(last.late) > now.on_time.saturating_sub(last.on_time) {
            Proof::Late
        } else {
            Proof::Alive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(turns: u64, on_time: u64, late: u64) -> Reading {
        Reading { turns, on_time, late }
    }

    #[test]
    fn an_engine_that_turns_is_alive_also_without_timers() {
        let mut vigil = Vigil::default();
        for turns in 0..4 {
            assert_eq!(vigil.look(reading(turns, 0, 0)), Proof::Alive);
        }
    }

    #[test]
    fn one_that_does_not_turn_stands_until_it_does() {
        let mut vigil = Vigil::default();
        vigil.look(reading(7, 3, 0));
        assert_eq!(vigil.look(reading(7, 3, 0)), Proof::Stands);
        assert_eq!(vigil.look(reading(7, 3, 0)), Proof::Stands);
        assert_eq!(vigil.look(reading(8, 4, 0)), Proof::Alive);
    }

    #[test]
    fn one_that_is_mostly_late_is_starved_and_one_that_is_late_now_and_then_is_not() {
        let mut vigil = Vigil::default();
        vigil.look(reading(1, 1, 0));
        assert_eq!(vigil.look(reading(2, 1, 1)), Proof::Late);
        assert_eq!(vigil.look(reading(3, 1, 2)), Proof::Late);
        assert_eq!(vigil.look(reading(7, 2, 4)), Proof::Late, "one of three was on time");
        assert_eq!(vigil.look(reading(9, 3, 5)), Proof::Alive, "one of two was");
        assert_eq!(vigil.look(reading(9, 3, 5)), Proof::Stands);
        assert_eq!(vigil.look(reading(10, 3, 5)), Proof::Alive, "nothing was due");
    }
}
