//! One check as a value: when its probe runs, and how outcomes become a verdict.
//!
//! `fall` failures in a row make it failing, `rise` successes in a row passing; nothing known makes it unknown at once.
//! At most one run is under way. Runs keep their pace: the next is due an interval after the last was due, not after it
//! ended. One that was due while another was under way begins as soon as that ends, if it is less than half an interval
//! late: a run that goes to its time limit, which may be the interval, must not cost the next one. What was missed by more
//! is not made up for.

use std::sync::Arc;
use std::time::Duration;

use super::damping::Damping;
use super::outcome::{Finding, Outcome};
use super::standing::Verdict;
use super::status::{CheckStatus, LastRun};
use crate::config::model::{CheckConfig, Flap, Initial};
use crate::time::Instant;

/// A run that has not answered this long after its time limit is not waited for; the next is not begun before it ends.
pub const OVERDUE: Duration = Duration::from_secs(5);

impl From<Initial> for Verdict {
    fn from(initial: Initial) -> Self {
        match initial {
            Initial::Unknown => Verdict::Unknown,
            Initial::Passing => Verdict::Passing,
            Initial::Failing => Verdict::Failing,
        }
    }
}

/// What is news of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Which.
    pub check: Arc<str>,
    /// What it says.
    pub verdict: Verdict,
    /// The number in a file of weight.
    pub weight: Option<i16>,
    /// Why, in one line.
    pub text: String,
    /// It changed too often and is held failing for this long from now on.
    pub held: Option<Duration>,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    name: Arc<str>,
    kind: &'static str,
    interval: Duration,
    timeout: Duration,
    fall: u8,
    rise: u8,
    flap: Option<Flap>,
    /// What the outcomes say.
    verdict: Verdict,
    /// What it says to others: the verdict, or failing while it is held.
    told: Verdict,
    since: Instant,
    in_a_row: (Finding, u32),
    damping: Damping,
    weight: Option<i16>,
    due_at: Instant,
    running_since: Option<Instant>,
    /// When the latest run was due that did not begin because another was under way.
    missed: Option<Instant>,
    last: Option<(Instant, Outcome)>,
    runs: u64,
    failures: u64,
    changes: u64,
}

impl Check {
    /// A check that runs first at `first`.
    #[must_use]
    pub fn new(now: Instant, name: Arc<str>, config: &CheckConfig, first: Instant) -> Self {
        let verdict = config.initial.into();
        Check {
            name,
            kind: config.probe.word(),
            interval: config.interval,
            timeout: config.timeout,
            fall: config.fall,
            rise: config.rise,
            flap: config.flap,
            verdict,
            told: verdict,
            since: now,
            in_a_row: (Finding::Unknown, 0),
            damping: Damping::default(),
            weight: None,
            due_at: first,
            running_since: None,
            missed: None,
            last: None,
            runs: 0,
            failures: 0,
            changes: 0,
        }
    }

    /// Looks at something else, or by other rules, from `first` on: what it said goes on to count until there is another
    /// verdict.
    pub fn reconfigure(&mut self, now: Instant, config: &CheckConfig, first: Instant) {
        let fresh = Check::new(now, Arc::clone(&self.name), config, first);
        *self = if self.told == Verdict::Unknown {
            fresh
        } else {
            Check {
                verdict: self.told,
                told: self.told,
                since: self.since,
                weight: self.weight,
                last: self.last.take(),
                runs: self.runs,
                failures: self.failures,
                changes: self.changes,
                ..fresh
            }
        };
    }

    /// When [`Check::timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.damping.held_until().map_or(self.due_at, |until| until.min(self.due_at))
    }

    /// What it says now.
    #[must_use]
    pub fn fact(&self) -> Fact {
        let text = self.last.as_ref().map_or("not run yet", |(_, outcome)| &outcome.text);
        Fact {
            check: Arc::clone(&self.name),
            verdict: self.told,
            weight: self.weight,
            text: text.to_owned(),
            held: None,
        }
    }

    /// Time passed: whether the probe is to be run, and what is news.
    pub fn timeout(&mut self, now: Instant) -> (bool, Option<Fact>) {
        let mut news = None;
        if self.damping.release(now) {
            self.tell(now, self.verdict);
            let mut fact = self.fact();
            fact.text = format!("no longer held: {}", fact.text);
            news = Some(fact);
        }
        if now < self.due_at {
            return (false, news);
        }
        let due = self.due_at;
        let next = due.after(self.interval);
        self.due_at = if next > now { next } else { now.after(self.interval) };
        match self.running_since {
            None => {
                self.running_since = Some(now);
                (true, news)
            }
            Some(since) if now.since(since) > self.timeout + OVERDUE => {
                let silent = Outcome::failed("the run before has not ended");
                (false, self.count(now, silent).or(news))
            }
            Some(_) => {
                self.missed = Some(due);
                (false, news)
            }
        }
    }

    /// What a run that was asked for found out.
    pub fn ran(&mut self, now: Instant, outcome: Outcome) -> Option<Fact> {
        self.running_since = None;
        if let Some(due) = self.missed.take().filter(|due| now.since(*due) < self.interval / 2) {
            self.due_at = due;
        }
        self.count(now, outcome)
    }

    /// What a probe saw without having been asked.
    pub fn saw(&mut self, now: Instant, outcome: Outcome) -> Option<Fact> {
        self.count(now, outcome)
    }

    fn count(&mut self, now: Instant, outcome: Outcome) -> Option<Fact> {
        let finding = outcome.finding;
        self.runs += 1;
        self.failures += u64::from(finding == Finding::Failed);
        self.in_a_row = match self.in_a_row {
            (same, times) if same == finding => (same, times.saturating_add(1)),
            _ => (finding, 1),
        };
        let weight = if finding == Finding::Passed { outcome.weight } else { self.weight };
        let other_number = weight != self.weight;
        self.weight = weight;
        self.last = Some((now, outcome));
        let verdict = match self.in_a_row {
            (Finding::Unknown, _) => Verdict::Unknown,
            (Finding::Passed, times) if times >= u32::from(self.rise) => Verdict::Passing,
            (Finding::Failed, times) if times >= u32::from(self.fall) => Verdict::Failing,
            (Finding::Passed | Finding::Failed, _) => self.verdict,
        };
        let previous = std::mem::replace(&mut self.verdict, verdict);
        let held = self.damp(now, previous);
        let told = if self.damping.held_until().is_some() { Verdict::Failing } else { verdict };
        let news = self.tell(now, told) || held.is_some() || (other_number && told == Verdict::Passing);
        news.then(|| Fact { held, ..self.fact() })
    }

    /// For how long it is held from now on, if it changed once too often. That nothing was known is no change.
    fn damp(&mut self, now: Instant, previous: Verdict) -> Option<Duration> {
        let definite = |verdict| verdict != Verdict::Unknown;
        if previous == self.verdict || !definite(previous) || !definite(self.verdict) {
            return None;
        }
        self.damping.changed(now, self.flap?)
    }

    /// Says something from now on; whether that is another thing.
    fn tell(&mut self, now: Instant, told: Verdict) -> bool {
        let news = self.told != told;
        if news {
            self.told = told;
            self.since = now;
            self.changes += 1;
        }
        news
    }

    /// For `status`.
    #[must_use]
    pub fn status(&self, now: Instant) -> CheckStatus {
        let last = self.last.as_ref().map(|(at, outcome)| LastRun {
            finding: outcome.finding,
            text: outcome.text.clone(),
            seconds_ago: now.since(*at).as_secs_f64(),
            took_ms: outcome.took.as_secs_f64() * 1000.0,
            output: outcome.output.clone(),
        });
        CheckStatus {
            name: self.name.to_string(),
            kind: self.kind.to_owned(),
            verdict: self.told,
            since_seconds: now.since(self.since).as_secs_f64(),
            weight: self.weight,
            last,
            in_a_row: self.in_a_row.1,
            fall: self.fall,
            rise: self.rise,
            held_seconds: self.damping.held_until().map(|until| until.since(now).as_secs_f64()),
            runs: self.runs,
            failures: self.failures,
            changes: self.changes,
        }
    }
}

#[cfg(test)]
mod tests;
