//! Which units of states are to run, and the job that is to be done next for each owner. Pure: takes the time and what
//! came of a job, and says what to do.
//!
//! Owns: for each owner its units, what each is to do, whether it does, and when to try again. The newest state wins: a
//! job that it contradicts is replaced. Never: asks systemd; a unit that somebody else stopped or started is left so
//! until the next state. Total.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;

/// The first delay after a job that failed; it doubles.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// What a unit is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Run.
    Run,
    /// Not run.
    Rest,
}

/// A job for systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job<K> {
    /// Comes back with what came of it; never used twice.
    pub(super) number: u64,
    /// Whose.
    pub(super) owner: K,
    /// Which unit.
    pub(super) unit: String,
    /// To be started or to be stopped.
    pub(super) goal: Goal,
}

/// What becomes of a job that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody waits for it any more.
    Forgotten,
    /// The unit does what it is to do.
    Well,
    /// There will be another attempt after this time.
    Again(Duration),
}

/// All owners.
#[derive(Debug)]
pub(super) struct Desired<K> {
    owners: BTreeMap<K, Owner>,
    last: u64,
}

#[derive(Debug, Default)]
struct Owner {
    /// In configured order.
    units: Vec<Unit>,
    /// The job under way: its number, the unit, and whether it is to be started.
    busy: Option<(u64, String, Goal)>,
}

#[derive(Debug)]
struct Unit {
    name: String,
    goal: Goal,
    reached: bool,
    /// Still named by the configuration; who is not is forgotten when it rests.
    named: bool,
    failures: u32,
    again: Instant,
}

impl Unit {
    fn due(&self, now: Instant) -> bool {
        !self.reached && self.again <= now
    }
}

impl<K: Ord + Clone> Desired<K> {
    pub(super) fn new() -> Self {
        Desired { owners: BTreeMap::new(), last: 0 }
    }

    /// `owner` has `all` units, in order, and those of `run` are to run; all others rest. The first time, that includes
    /// those which nobody saw started: an agent that was killed may have left them running.
    pub(super) fn set(&mut self, owner: K, all: &[&str], run: &[&str]) {
        let owner = self.owners.entry(owner).or_default();
        owner.units.iter_mut().for_each(|unit| unit.named = false);
        for &name in all {
            match owner.units.iter_mut().find(|unit| unit.name == name) {
                Some(unit) => unit.named = true,
                None => owner.units.push(Unit {
                    name: name.to_owned(),
                    goal: Goal::Rest,
                    reached: false,
                    named: true,
                    failures: 0,
                    again: Instant::ZERO,
                }),
            }
        }
        let place = |name: &str| all.iter().position(|other| *other == name).unwrap_or(usize::MAX);
        owner.units.sort_by_key(|unit| place(&unit.name));
        for unit in &mut owner.units {
            let goal = if run.contains(&unit.name.as_str()) { Goal::Run } else { Goal::Rest };
            if goal != unit.goal {
                (unit.goal, unit.reached, unit.failures, unit.again) = (goal, false, 0, Instant::ZERO);
            }
        }
        owner.units.retain(|unit| unit.named || !unit.reached || unit.goal == Goal::Run);
        // The end of a job that is contradicted now says nothing of the new goal.
        owner.drop_contradicted();
    }

    /// The jobs to begin now: for each owner one at a time, first what is to stop, then what is to start, in order. A job
    /// under way whose unit is to do the opposite is no longer waited for: the new one replaces it.
    pub(super) fn next(&mut self, now: Instant) -> Vec<Job<K>> {
        let mut jobs = Vec::new();
        for (key, owner) in &mut self.owners {
            owner.drop_contradicted();
            if owner.busy.is_some() {
                continue;
            }
            let due = |goal| owner.units.iter().find(|unit| unit.goal == goal && unit.due(now));
            let Some(unit) = due(Goal::Rest).or_else(|| due(Goal::Run)) else { continue };
            self.last += 1;
            let job = Job { number: self.last, owner: key.clone(), unit: unit.name.clone(), goal: unit.goal };
            owner.busy = Some((job.number, job.unit.clone(), job.goal));
            jobs.push(job);
        }
        jobs
    }

    /// What came of the job `number`.
    pub(super) fn done(&mut self, number: u64, well: bool, now: Instant) -> Verdict {
        for owner in self.owners.values_mut() {
            let Some((_, name, _)) = owner.busy.take_if(|(busy, ..)| *busy == number) else { continue };
            let Some(unit) = owner.units.iter_mut().find(|unit| unit.name == name) else { break };
            let mut verdict = Verdict::Well;
            if well {
                (unit.reached, unit.failures) = (true, 0);
            } else {
                let longer = FIRST_DELAY.saturating_mul(1 << unit.failures.min(16)).min(LONGEST_DELAY);
                unit.failures = unit.failures.saturating_add(1);
                unit.again = now.after(longer);
                verdict = Verdict::Again(longer);
            }
            owner.units.retain(|unit| unit.named || !unit.reached || unit.goal == Goal::Run);
            return verdict;
        }
        Verdict::Forgotten
    }

    /// When the next attempt is due, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let idle = self.owners.values().filter(|owner| owner.busy.is_none());
        idle.flat_map(|owner| &owner.units).filter(|unit| !unit.reached).map(|unit| unit.again).min()
    }

    /// Everything is to rest, for the end; what failed before is tried once more.
    pub(super) fn rest(&mut self) {
        for unit in self.owners.values_mut().flat_map(|owner| &mut owner.units) {
            if unit.goal == Goal::Run {
                (unit.goal, unit.reached) = (Goal::Rest, false);
            }
            (unit.failures, unit.again) = (0, Instant::ZERO);
        }
        self.owners.values_mut().for_each(Owner::drop_contradicted);
    }

    /// Units that do not yet do what they are to do.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let units = self.owners.values().flat_map(|owner| &owner.units);
        units.filter(|unit| !unit.reached).map(|unit| unit.name.clone()).collect()
    }

    /// Whether all was done or tried.
    pub(super) fn settled(&self) -> bool {
        let tried = |unit: &Unit| unit.reached || unit.failures > 0;
        self.owners.values().all(|owner| owner.busy.is_none() && owner.units.iter().all(tried))
    }
}

impl Owner {
    fn drop_contradicted(&mut self) {
        let units = &self.units;
        self.busy.take_if(|(_, name, goal)| {
            units.iter().find(|unit| unit.name == *name).is_none_or(|unit| unit.goal != *goal)
        });
        // A start that takes long does not keep another unit running that is to stop.
        let to_stop = self.units.iter().any(|unit| unit.goal == Goal::Rest && unit.due(Instant::ZERO));
        self.busy.take_if(|(_, _, goal)| *goal == Goal::Run && to_stop);
    }
}

#[cfg(test)]
mod tests;
