//! All checks of a node: who is due, which outcome belongs to whom, what changes with another configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, Fact};
use super::outcome::Outcome;
use super::status::CheckStatus;
use crate::config::model::CheckConfig;
use crate::time::Instant;

/// First runs are at most this far apart: a thousand checks do not begin at one moment, and a few do not wait.
const SPREAD: Duration = Duration::from_millis(5);

/// Numbers what runs a probe; an outcome of one that is no longer wanted says nothing. Never used twice.
pub type RunnerId = u64;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Have what runs this check's probe, in place of what there was for a check of that name.
    Start {
        /// Comes back with its outcomes.
        runner: RunnerId,
        /// The check.
        check: Arc<str>,
        /// What to look at.
        config: Box<CheckConfig>,
    },
    /// Run the probe once.
    Run(RunnerId),
    /// It is no longer needed, nor a run that is under way.
    End(RunnerId),
    /// Something is news.
    Tell(Fact),
}

/// All checks.
#[derive(Debug, Default)]
pub struct Checks {
    by_name: BTreeMap<Arc<str>, Entry>,
    by_runner: BTreeMap<RunnerId, Arc<str>>,
    order: BTreeSet<(Instant, RunnerId)>,
    runners: RunnerId,
}

#[derive(Debug)]
struct Entry {
    check: Check,
    config: CheckConfig,
    runner: RunnerId,
    /// Its place in the order.
    due: Instant,
}

impl Checks {
    /// Takes these checks. One that stays the same is not touched, one that changes goes on with its verdict. What each
    /// says is told afresh, in case somebody has just come to listen.
    pub fn configure(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<String, CheckConfig>,
        actions: &mut Vec<Action>,
    ) {
        self.take(now, wanted, false, actions);
    }

    /// The same, and what runs the probes of those that stay the same is exchanged, too.
    pub fn renew(&mut self, now: Instant, wanted: &BTreeMap<String, CheckConfig>, actions: &mut Vec<Action>) {
        self.take(now, wanted, true, actions);
    }

    fn take(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<String, CheckConfig>,
        all: bool,
        actions: &mut Vec<Action>,
    ) {
        let gone: Vec<Arc<str>> =
            self.by_name.keys().filter(|name| !wanted.contains_key(&***name)).cloned().collect();
        for name in gone {
            if let Some(entry) = self.by_name.remove(&name) {
                self.forget(&entry, actions);
            }
        }
        let starting = |name: &String, config: &CheckConfig| {
            all || self.by_name.get(name.as_str()).is_none_or(|entry| entry.config != *config)
        };
        let starting: Vec<(&String, &CheckConfig)> =
            wanted.iter().filter(|(name, config)| starting(name, config)).collect();
        let count = u32::try_from(starting.len()).unwrap_or(u32::MAX).max(1);
        for (place, (name, config)) in (0_u32..).zip(starting) {
            let first = now.after((config.interval / count).min(SPREAD) * place);
            self.start(now, name, config, first, actions);
        }
        actions.extend(self.by_name.values().map(|entry| Action::Tell(entry.check.fact())));
    }

    fn start(
        &mut self,
        now: Instant,
        name: &str,
        config: &CheckConfig,
        first: Instant,
        actions: &mut Vec<Action>,
    ) {
        self.runners += 1;
        let runner = self.runners;
        let name: Arc<str> = Arc::from(name);
        let check = match self.by_name.remove(&name) {
            None => Check::new(now, Arc::clone(&name), config, first),
            Some(mut old) => {
                self.forget(&old, actions);
                old.check.reconfigure(now, config, first);
                old.check
            }
        };
        let due = check.deadline();
        self.order.insert((due, runner));
        self.by_runner.insert(runner, Arc::clone(&name));
        actions.push(Action::Start { runner, check: Arc::clone(&name), config: Box::new(config.clone()) });
        self.by_name.insert(name, Entry { check, config: config.clone(), runner, due });
    }

    fn forget(&mut self, entry: &Entry, actions: &mut Vec<Action>) {
        self.order.remove(&(entry.due, entry.runner));
        self.by_runner.remove(&entry.runner);
        actions.push(Action::End(entry.runner));
    }

    /// When [`Checks::timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Time passed.
    pub fn timeout(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while self.order.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, runner)) = self.order.pop_first() else { return };
            self.with(runner, |check| {
                let (run, news) = check.timeout(now);
                actions.extend(news.map(Action::Tell));
                actions.extend(run.then_some(Action::Run(runner)));
            });
        }
    }

    /// A run that was asked for ended.
    pub fn ran(&mut self, now: Instant, runner: RunnerId, outcome: Outcome, actions: &mut Vec<Action>) {
        self.with(runner, |check| actions.extend(check.ran(now, outcome).map(Action::Tell)));
    }

    /// A probe saw something change.
    pub fn saw(&mut self, now: Instant, runner: RunnerId, outcome: Outcome, actions: &mut Vec<Action>) {
        self.with(runner, |check| actions.extend(check.saw(now, outcome).map(Action::Tell)));
    }

    fn with(&mut self, runner: RunnerId, act: impl FnOnce(&mut Check)) {
        let Some(entry) = self.by_runner.get(&runner).and_then(|name| self.by_name.get_mut(name)) else {
            // Of a check that is gone or has another one by now; nothing in the order is of such a one.
            return;
        };
        act(&mut entry.check);
        let due = entry.check.deadline();
        self.order.remove(&(entry.due, runner));
        self.order.insert((due, runner));
        entry.due = due;
    }

    /// Every check, for `status`.
    #[must_use]
    pub fn status(&self, now: Instant) -> Vec<CheckStatus> {
        self.by_name.values().map(|entry| entry.check.status(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Initial, Probe};
    use crate::health::standing::Verdict;
    use crate::net::LinkName;

    fn config(interval: u64) -> CheckConfig {
        CheckConfig {
            probe: Probe::Interface(LinkName::new("eth0").unwrap()),
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(interval),
            fall: 1,
            rise: 1,
            initial: Initial::Unknown,
            flap: None,
        }
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(milliseconds))
    }

    fn named(checks: &[(&str, CheckConfig)]) -> BTreeMap<String, CheckConfig> {
        checks.iter().map(|(name, config)| ((*name).to_owned(), config.clone())).collect()
    }

    /// What is to be done, in short.
    fn short(actions: &mut Vec<Action>) -> Vec<String> {
        let words = |action| match action {
            Action::Start { runner, check, .. } => format!("start {check} {runner}"),
            Action::Run(runner) => format!("run {runner}"),
            Action::End(runner) => format!("end {runner}"),
            Action::Tell(fact) => format!("{} {}", fact.check, fact.verdict),
        };
        std::mem::take(actions).into_iter().map(words).collect()
    }

    #[test]
    fn another_configuration_touches_only_what_differs_and_keeps_verdicts() {
        let (mut checks, mut actions) = (Checks::default(), Vec::new());
        checks.configure(at(0), &named(&[("a", config(1000)), ("b", config(1000))]), &mut actions);
        assert_eq!(short(&mut actions), ["start a 1", "start b 2", "a unknown", "b unknown"]);
        checks.timeout(at(5), &mut actions);
        assert_eq!(short(&mut actions), ["run 1", "run 2"]);
        checks.ran(at(6), 1, Outcome::passed(""), &mut actions);
        checks.ran(at(6), 2, Outcome::failed(""), &mut actions);
        assert_eq!(short(&mut actions), ["a passing", "b failing"]);

        let next = named(&[("a", config(1000)), ("b", config(500)), ("c", config(1000))]);
        checks.configure(at(10), &next, &mut actions);
        assert_eq!(
            short(&mut actions),
            ["end 2", "start b 3", "start c 4", "a passing", "b failing", "c unknown"]
        );
        checks.ran(at(11), 2, Outcome::passed(""), &mut actions);
        assert_eq!(short(&mut actions), [""; 0], "what the old one found out says nothing any more");
        checks.timeout(at(20), &mut actions);
        assert_eq!(short(&mut actions), ["run 3", "run 4"]);
        checks.ran(at(21), 3, Outcome::passed(""), &mut actions);
        assert_eq!(short(&mut actions), ["b passing"]);

        let same = named(&[("a", config(1000)), ("b", config(500))]);
        checks.renew(at(25), &same, &mut actions);
        let renewed = ["end 4", "end 1", "start a 5", "end 3", "start b 6", "a passing", "b passing"];
        assert_eq!(short(&mut actions), renewed, "verdicts stay, too, where who runs the probes is another");

        checks.configure(at(30), &named(&[]), &mut actions);
        assert_eq!(short(&mut actions), ["end 5", "end 6"]);
        assert_eq!(checks.deadline(), None);
        assert!(checks.status(at(30)).is_empty());
    }

    #[test]
    fn first_runs_are_spread_over_no_more_than_an_interval() {
        for (count, interval, last) in [(3_u64, 1000, 10), (1000, 1000, 999), (50, 50, 49)] {
            let (mut checks, mut actions) = (Checks::default(), Vec::new());
            let names: Vec<String> = (0..count).map(|number| format!("{number:04}")).collect();
            let wanted = names.iter().map(|name| (name.clone(), config(interval))).collect();
            checks.configure(at(0), &wanted, &mut actions);
            actions.clear();
            checks.timeout(at(last - 1), &mut actions);
            assert!(u64::try_from(actions.len()).unwrap() < count, "{count}: not all at {} ms", last - 1);
            checks.timeout(at(last), &mut actions);
            assert_eq!(u64::try_from(actions.len()).unwrap(), count, "{count}");
        }
    }

    #[test]
    fn runs_that_go_to_their_limit_keep_the_pace() {
        let (mut checks, mut actions) = (Checks::default(), Vec::new());
        checks.configure(at(0), &named(&[("a", config(1000))]), &mut actions);
        checks.timeout(at(0), &mut actions);
        actions.clear();
        // The limit is the interval: the end is heard of a little after the next run is due.
        for second in 1..5 {
            checks.timeout(at(second * 1000), &mut actions);
            assert_eq!(short(&mut actions), [""; 0]);
            checks.ran(at(second * 1000 + 2), 1, Outcome::failed("no answer"), &mut actions);
            checks.timeout(at(second * 1000 + 2), &mut actions);
            let told = short(&mut actions);
            assert_eq!(told.last().map(String::as_str), Some("run 1"), "{told:?}");
        }
        assert_eq!(checks.deadline(), Some(at(5000)), "not later each time");
        // One that comes much too late is dropped.
        checks.timeout(at(5000), &mut actions);
        checks.ran(at(5500), 1, Outcome::failed("no answer"), &mut actions);
        checks.timeout(at(5500), &mut actions);
        assert_eq!(short(&mut actions), [""; 0]);
        assert_eq!(checks.deadline(), Some(at(6000)));
    }

    #[test]
    fn a_run_that_does_not_end_is_not_begun_again_and_fails_in_time() {
        let (mut checks, mut actions) = (Checks::default(), Vec::new());
        checks.configure(at(0), &named(&[("a", config(1000))]), &mut actions);
        actions.clear();
        let mut told = Vec::new();
        for second in 0..20 {
            checks.timeout(at(second * 1000), &mut actions);
            told.extend(short(&mut actions).into_iter().map(|word| (second, word)));
        }
        assert_eq!(told, [(0, "run 1".to_owned()), (7, "a failing".to_owned())]);
        checks.ran(at(20_000), 1, Outcome::passed(""), &mut actions);
        assert_eq!(short(&mut actions), ["a passing"]);
        assert_eq!(checks.status(at(20_000))[0].verdict, Verdict::Passing);
    }
}
