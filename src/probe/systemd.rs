//! The state of a unit of systemd, told as it changes.
//!
//! Owns: what the unit may be, the count of its restarts, and how long systemd may be away before that is news. Never:
//! fails because systemd does not answer: that says nothing about the unit and is unknown.

mod restarts;

use std::rc::Rc;
use std::time::Duration;

use super::Shared;
use super::trace::Trace;
use crate::bus::{Bus, Seen, Standing, Trouble, Watch};
use crate::config::model::{SystemdProbe, UnitState};
use crate::health::outcome::{Finding, Outcome};
use crate::os::clock;
use crate::time::Instant;
use restarts::Count;

/// How long systemd may be away without a word: the bus was restarted, or systemd executed itself afresh.
const GRACE: Duration = Duration::from_secs(3);
/// Parts of the time limit, in eighths, that a run waits for systemd: it ends by itself, as unknown, rather than by the
/// limit, as a failure.
const PATIENCE: u32 = 7;

/// The probe.
#[derive(Debug)]
pub(super) struct Systemd {
    unit: String,
    states: Vec<UnitState>,
    count: Option<Count>,
    patience: Duration,
    bus: Bus,
    watch: Option<Watch>,
    /// What was said last.
    told: Option<(Finding, String)>,
}

/// What there is to say, and when there will be something else to say although nothing happens.
struct Judgement {
    said: Option<(Finding, String)>,
    again: Option<Instant>,
}

impl Systemd {
    pub(super) fn new(probe: &SystemdProbe, limit: Duration, shared: &Rc<Shared>) -> Self {
        Systemd {
            unit: probe.unit.as_str().to_owned(),
            states: probe.states.clone(),
            count: probe.max_restarts.map(Count::new),
            patience: limit * PATIENCE / 8,
            bus: shared.bus.clone(),
            watch: None,
            told: None,
        }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        let end = clock::now().after(self.patience);
        self.watch();
        trace.enter("bus");
        if !self.connected(end).await {
            return self.without();
        }
        trace.enter("state");
        let left = end.since(clock::now());
        let Some(watch) = &mut self.watch else { return Outcome::unknown("not watched") };
        let read = tokio::time::timeout(left, watch.read()).await;
        let seen = match read {
            Ok(Ok(seen)) => seen,
            Ok(Err(Trouble::Away(_))) => return self.without(),
            Ok(Err(trouble)) => return Outcome::unknown(trouble.to_string()),
            Err(_) => return Outcome::unknown(format!("systemd did not answer within {:?}", self.patience)),
        };
        trace.close(&seen.to_string());
        let now = clock::now();
        let (finding, text) = self.judge_unit(&seen, now);
        self.say(finding, text)
    }

    /// Waits until something else is to be said. What was said is noted at the end, without a wait in between.
    pub(super) async fn changed(&mut self) -> Outcome {
        loop {
            self.watch();
            let Some(watch) = &mut self.watch else { return std::future::pending().await };
            let (standing, seen) = (watch.standing(), watch.seen());
            let judgement = self.judge(&standing, seen.as_ref(), clock::now());
            if let Some((finding, text)) = judgement.said.filter(|said| self.told.as_ref() != Some(said)) {
                return self.say(finding, text);
            }
            let Some(watch) = &mut self.watch else { return std::future::pending().await };
            let wait = judgement.again.map(|at| at.since(clock::now()));
            tokio::select! {
                () = watch.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Begins to watch: here and not at first, because that takes the runtime of the services' thread.
    fn watch(&mut self) {
        let restarts = self.count.is_some();
        self.watch.get_or_insert_with(|| self.bus.watch(&self.unit, restarts));
    }

    async fn connected(&mut self, end: Instant) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        // Where there is something to say anyway, a run does not wait for the bus.
        let known = self.told.is_some();
        loop {
            if watch.standing().up() {
                return true;
            }
            let left = end.since(clock::now());
            if known || left.is_zero() {
                return false;
            }
            // Whether it ended by time is seen above.
            let _ = tokio::time::timeout(left, watch.changed()).await;
        }
    }

    /// What is to be said when systemd cannot be asked: within the grace, what was said last.
    fn without(&mut self) -> Outcome {
        let Some(watch) = &mut self.watch else { return Outcome::unknown("not watched") };
        let standing = watch.standing();
        let now = clock::now();
        match &self.told {
            Some((finding, text)) if standing.up() || now.since(standing.since) < GRACE => {
                Outcome::new(*finding, text.clone())
            }
            Some(_) | None => {
                let (finding, text) = away(&standing, now);
                self.say(finding, text)
            }
        }
    }

    fn say(&mut self, finding: Finding, text: String) -> Outcome {
        self.told = Some((finding, text.clone()));
        Outcome::new(finding, text)
    }

    fn judge(&mut self, standing: &Standing, seen: Option<&Seen>, now: Instant) -> Judgement {
        if !standing.up() {
            let end = standing.since.after(GRACE);
            if now < end {
                return Judgement { said: None, again: Some(end) };
            }
            // The time that it is away grows; that is no news.
            let known = self.told.as_ref().is_some_and(|(finding, _)| *finding == Finding::Unknown);
            return Judgement { said: (!known).then(|| away(standing, now)), again: None };
        }
        let Some(seen) = seen else { return Judgement { said: None, again: None } };
        let said = Some(self.judge_unit(seen, now));
        Judgement { said, again: self.count.as_ref().and_then(|count| count.eases(now)) }
    }

    fn judge_unit(&mut self, seen: &Seen, now: Instant) -> (Finding, String) {
        if let Some(count) = &mut self.count {
            count.saw(seen.restarts, now);
        }
        if seen.missing() {
            return (Finding::Failed, format!("unit {} does not exist", self.unit));
        }
        if !self.states.iter().any(|state| state.word() == seen.active) {
            return (Finding::Failed, seen.to_string());
        }
        match self.count.as_ref().and_then(|count| count.too_many(now)) {
            Some(text) => (Finding::Failed, format!("{seen}, {text}")),
            None => (Finding::Passed, seen.to_string()),
        }
    }
}

fn away(standing: &Standing, now: Instant) -> (Finding, String) {
    let seconds = now.since(standing.since).as_secs();
    let why = if standing.why.is_empty() { "no answer" } else { &standing.why };
    (Finding::Unknown, format!("systemd cannot be asked for {seconds} s: {why}"))
}

async fn sleep(span: Option<Duration>) {
    match span {
        // Timers round down to a millisecond.
        Some(span) => tokio::time::sleep(span + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}
