//! Units of states, and role targets: what `desired` wants, done by systemd.
//!
//! Owns: one job after the other for each instance and group, and what is still to be done while the bus is away. Never:
//! blocks, or gives a unit up: a job that fails is tried again. A failure is a [`UnitDone`] with a hint.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::desired::{Desired, Goal, Job, Verdict};
use crate::agent::message::{Entered, Whose};
use crate::agent::snapshot::VrState;
use crate::bus::{Bus, Need, Trouble, escape};
use crate::config::model::{UnitName, Units as Named};
use crate::os::clock;
use crate::time::Instant;

/// Longer than this no job is waited for; it goes on all the same. systemd's own limit for a start is 90 s.
const JOB_LIMIT: Duration = Duration::from_mins(2);
/// How long the end waits for a bus that is away: nobody knows when it comes back, and the host wants to go on.
const AWAY_LIMIT: Duration = Duration::from_secs(2);
/// Errors of systemd that mean there is no such unit, or that it is not loaded.
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
/// Errors that mean the agent's user may not.
const DENIED: [&str; 3] = [
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
    "org.freedesktop.DBus.Error.AuthFailed",
];

/// What came of starting or stopping a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitDone {
    /// Whose state it belongs to.
    pub whose: Whose,
    /// The name of the instance or group.
    pub name: Arc<str>,
    /// The unit.
    pub unit: String,
    /// It was to be started; otherwise, to be stopped.
    pub started: bool,
    /// How it ended.
    pub outcome: UnitOutcome,
    /// How long that took, waiting for the bus included.
    pub took: Duration,
}

/// How starting or stopping a unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitOutcome {
    /// Well.
    Done,
    /// A role target whose unit is not installed: nobody wants it. For debugging only, and told once.
    NotInstalled,
    /// Not well; it is tried again.
    Failed {
        /// Why: the job's result, or systemd's words.
        why: String,
        /// How to mend it.
        hint: String,
        /// How long until the next attempt.
        again: Duration,
    },
}

/// Whose unit: role targets are apart from units, so that neither waits for the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    whose: Whose,
    name: Arc<str>,
    role: bool,
}

#[derive(Debug)]
enum Message {
    Entered(Box<Entered>),
    Finish(oneshot::Sender<Vec<String>>),
}

/// Starts and stops units; a task of the services' thread.
#[derive(Clone, Debug)]
pub struct Units(mpsc::UnboundedSender<Message>);

impl Units {
    /// Begins; results go to `tell`. To be called within a `LocalSet`.
    #[must_use]
    pub fn new(bus: &Bus, tell: impl Fn(UnitDone) + 'static) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (ended, results) = mpsc::unbounded_channel();
        let work = Work {
            desired: Desired::new(),
            bus: bus.clone(),
            need: None,
            tell: Rc::new(tell),
            ended,
            under_way: BTreeMap::new(),
            not_installed: BTreeSet::new(),
            finish: None,
            patience: None,
        };
        tokio::task::spawn_local(work.run(receiver, results));
        Units(sender)
    }

    /// A state was entered: its units are to run from now on, and no others of its owner.
    pub fn entered(&self, entered: Entered) {
        // The task ends with this handle, not before.
        let _ = self.0.send(Message::Entered(Box::new(entered)));
    }

    /// Stops everything and waits for that, at most for `limit`, and for a bus that is away less; the units that may still
    /// run then.
    pub async fn finish(&self, limit: Duration) -> Vec<String> {
        let (sender, mut receiver) = oneshot::channel();
        if self.0.send(Message::Finish(sender)).is_err() {
            return Vec::new();
        }
        match tokio::time::timeout(limit, &mut receiver).await {
            Ok(left) => left.unwrap_or_default(),
            Err(_) => vec!["no answer from systemd in time".to_owned()],
        }
    }
}

/// The name of the role target of the instance `name`.
#[must_use]
pub fn role_target(name: &str) -> String {
    format!("failover-master@{}.target", escape(name))
}

struct Work {
    desired: Desired<Owner>,
    bus: Bus,
    /// Keeps the connection where there are units to start: they shall not wait for one.
    need: Option<Need>,
    tell: Rc<dyn Fn(UnitDone)>,
    ended: mpsc::UnboundedSender<Ended>,
    /// The newest job of each owner.
    under_way: BTreeMap<Owner, tokio::task::JoinHandle<()>>,
    /// Role targets of which it was said that they are not installed.
    not_installed: BTreeSet<String>,
    finish: Option<oneshot::Sender<Vec<String>>>,
    /// When the end stops waiting for the bus if that is away then.
    patience: Option<Instant>,
}

struct Ended {
    job: Job<Owner>,
    result: Result<(), Failure>,
    took: Duration,
}

/// Why a job failed.
enum Failure {
    /// The connection was lost meanwhile: the job is asked for again when it is back.
    Lost,
    /// There is no such unit.
    Missing(String),
    /// Anything else: why, and what to do.
    Other(String, String),
}

impl Work {
    async fn run(
        mut self,
        mut messages: mpsc::UnboundedReceiver<Message>,
        mut results: mpsc::UnboundedReceiver<Ended>,
    ) {
        loop {
            self.begin_jobs();
            let next = self.desired.deadline().into_iter().chain(self.patience).min();
            let wait = next.map(|at| at.since(clock::now()));
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Entered(entered)) => self.entered(&entered),
                    Some(Message::Finish(sender)) => {
                        self.desired.rest();
                        self.finish = Some(sender);
                        self.patience = Some(clock::now().after(AWAY_LIMIT));
                    }
                    None => return,
                },
                Some(ended) = results.recv() => self.job_ended(ended),
                () = sleep(wait) => {}
            }
            let at_its_end = self.patience.take_if(|at| *at <= clock::now()).is_some();
            if (self.desired.settled() || at_its_end && !self.bus.is_up())
                && let Some(sender) = self.finish.take()
            {
                // Who does not wait any more does not want to know.
                let _ = sender.send(self.desired.unfinished());
            }
        }
    }

    fn entered(&mut self, entered: &Entered) {
        let state = if entered.leaving { VrState::Init } else { entered.state };
        let none = Named::default();
        let named = entered.hooks.as_ref().map_or(&none, |hooks| &hooks.units);
        let mut all: Vec<&str> = Vec::new();
        for unit in named.master.iter().chain(&named.backup).chain(&named.fault) {
            if !all.contains(&unit.as_str()) {
                all.push(unit.as_str());
            }
        }
        if !all.is_empty() {
            self.need.get_or_insert_with(|| self.bus.need());
        }
        let run: Vec<&str> = of_state(named, state).iter().map(UnitName::as_str).collect();
        let owner = |role| Owner { whose: entered.whose, name: Arc::clone(&entered.name), role };
        self.desired.set(owner(false), &all, &run);
        if entered.whose == Whose::Instance && Bus::booted() {
            let target = role_target(&entered.name);
            let run: &[&str] = if state == VrState::Master { &[&target] } else { &[] };
            self.desired.set(owner(true), &[&target], run);
        }
    }

    fn begin_jobs(&mut self) {
        for job in self.desired.next(clock::now()) {
            let (bus, ended) = (self.bus.clone(), self.ended.clone());
            let owner = job.owner.clone();
            let task = tokio::task::spawn_local(async move {
                let began = clock::now();
                let result = perform(&bus, &job).await;
                let took = clock::now().since(began);
                // When nobody listens any more the agent is gone.
                let _ = ended.send(Ended { job, result, took });
            });
            // What is replaced before it was asked for must not be asked for after its replacement.
            if let Some(replaced) = self.under_way.insert(owner, task) {
                replaced.abort();
            }
        }
    }

    fn job_ended(&mut self, ended: Ended) {
        let Ended { job, result, took } = ended;
        let (started, role) = (job.goal == Goal::Run, job.owner.role);
        let quiet = role && matches!(result, Err(Failure::Missing(_)));
        let well = result.is_ok() || quiet;
        let again = match self.desired.done(job.number, well, clock::now()) {
            Verdict::Forgotten => return,
            Verdict::Well => Duration::ZERO,
            Verdict::Again(delay) => delay,
        };
        let outcome = match result {
            Ok(()) => UnitOutcome::Done,
            Err(Failure::Missing(_)) if role => {
                if !self.not_installed.insert(job.unit.clone()) {
                    return;
                }
                UnitOutcome::NotInstalled
            }
            Err(Failure::Missing(why)) => {
                let hint = format!("install {}, or take it out of `units`", job.unit);
                UnitOutcome::Failed { why, hint, again }
            }
            Err(Failure::Lost) => return,
            Err(Failure::Other(why, hint)) => UnitOutcome::Failed { why, hint, again },
        };
        let Owner { whose, name, .. } = job.owner;
        (self.tell)(UnitDone { whose, name, unit: job.unit, started, outcome, took });
    }
}

fn of_state(units: &Named, state: VrState) -> &[UnitName] {
    match state {
        VrState::Master => &units.master,
        VrState::Backup => &units.backup,
        VrState::Fault => &units.fault,
        VrState::Init => &[],
    }
}

async fn perform(bus: &Bus, job: &Job<Owner>) -> Result<(), Failure> {
    let start = job.goal == Goal::Run;
    // To wait for the bus has no limit: the state is applied when it is back.
    bus.ready().await;
    let result = match tokio::time::timeout(JOB_LIMIT, bus.job(&job.unit, start)).await {
        Ok(result) => result,
        Err(_) => Ok("timeout".to_owned()),
    };
    match result {
        Ok(result) if result == "done" || (start && result == "skipped") => Ok(()),
        Ok(result) => Err(Failure::Other(told(&result), format!("systemctl status {}", job.unit))),
        Err(Trouble::Away(_)) => Err(Failure::Lost),
        // What is not loaded does not run.
        Err(Trouble::Refused { name, .. }) if !start && name == NO_SUCH_UNIT => Ok(()),
        Err(Trouble::Refused { name, text }) if name == NO_SUCH_UNIT => Err(Failure::Missing(text)),
        Err(Trouble::Refused { name, text }) if DENIED.contains(&name.as_str()) => {
            let hint = if job.owner.role {
                "the agent's user may not start and stop role targets: install systemd/failover.rules for polkit"
                    .to_owned()
            } else {
                let unit = &job.unit;
                format!(
                    "the agent's user may not start and stop {unit}: allow it in a rule for polkit, see failover(8)"
                )
            };
            Err(Failure::Other(text, hint))
        }
        Err(trouble) => Err(Failure::Other(trouble.to_string(), format!("systemctl status {}", job.unit))),
    }
}

/// The result of a job in words.
fn told(result: &str) -> String {
    match result {
        "canceled" => "another job took its place".to_owned(),
        "timeout" => "the job did not end in time".to_owned(),
        "failed" => "the job failed".to_owned(),
        "dependency" => "a unit that it depends on failed".to_owned(),
        other => format!("the job ended as {other}"),
    }
}

async fn sleep(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}
