//! The loop of the services' thread: the checks as a value, a task for each probe, and what is run for states.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use super::aside;
use super::board::Board;
use super::inbox::{Inbox, Waiting};
use super::tell;
use crate::agent::message::Watched;
use crate::bus::Bus;
use crate::config::model::CheckConfig;
use crate::daemon::log::Log;
use crate::health::checks::{Action, Checks, RunnerId};
use crate::health::outcome::Outcome;
use crate::hook::notify::Notifier;
use crate::hook::units::Units;
use crate::observe::notice::Notice;
use crate::os::clock;
use crate::probe::{Runner, Shared};

/// Outcomes that may wait for the loop; a probe that has more waits itself.
const OUTCOMES: usize = 256;
/// How long commands may run on that began under another user than a new configuration has.
const LEFT_BEHIND: Duration = Duration::from_mins(10);
/// How long the end waits for programs that are just being started, to end them, too: where they lie may not answer.
const CLEARING: Duration = Duration::from_millis(500);

/// Serves the inbox until it is told to end. `stood_aside` changes when the agent has stood aside.
pub(super) fn run(inbox: &Inbox, board: &Arc<Board>, stood_aside: watch::Receiver<u64>, log: &Log) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            inbox.unserved();
            return log.tell(Notice::NoServices { why: error.to_string() });
        }
    };
    let done = LocalSet::new().block_on(&runtime, async {
        let (outcomes, mut found) = mpsc::channel(OUTCOMES);
        let mut service = Service::new(outcomes, log.clone());
        spawn_local(aside::follow(Arc::clone(board), stood_aside, log.clone()));
        loop {
            if let Some(done) = service.turn(inbox, &mut found, board).await {
                return done;
            }
        }
    });
    // What the tasks ran goes with them, and the process ends as soon as it hears that this is done: not before.
    runtime.shutdown_timeout(CLEARING);
    let _ = done.try_send(());
}

/// Runs commands as the user of `watched`, and tells the log what became of them.
fn notifier(watched: &Watched, log: &Log) -> Notifier {
    let log = log.clone();
    Notifier::new(watched.script_user.clone(), move |done| log.report(tell::command(done)))
}

/// What a probe found out.
struct Found {
    runner: RunnerId,
    /// Whether it was asked to.
    asked: bool,
    outcome: Outcome,
}

/// A probe's task.
struct Task {
    run: Rc<Notify>,
    task: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Service {
    notifier: Rc<Notifier>,
    units: Units,
    bus: Bus,
    checks: Checks,
    tasks: BTreeMap<RunnerId, Task>,
    outcomes: mpsc::Sender<Found>,
    shared: Option<Rc<Shared>>,
    watched: Arc<Watched>,
    actions: Vec<Action>,
    log: Log,
}

impl Service {
    fn new(outcomes: mpsc::Sender<Found>, log: Log) -> Self {
        let bus = Bus::default();
        let told = log.clone();
        let units = Units::new(&bus, move |done| told.report(tell::unit(&done)));
        Service {
            units,
            bus,
            notifier: Rc::new(notifier(&Watched::default(), &log)),
            checks: Checks::default(),
            tasks: BTreeMap::new(),
            outcomes,
            shared: None,
            watched: Arc::default(),
            actions: Vec::new(),
            log,
        }
    }

    /// One turn; when it was the last, who waits for the end.
    async fn turn(
        &mut self,
        inbox: &Inbox,
        found: &mut mpsc::Receiver<Found>,
        board: &Board,
    ) -> Option<SyncSender<()>> {
        let due = self.checks.deadline().map(|at| at.since(clock::now()));
        let pause = async {
            match due {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let mut ended = None;
        tokio::select! {
            waiting = inbox.take() => ended = self.obey(waiting),
            Some(first) = found.recv() => {
                let mut next = Some(first);
                while let Some(Found { runner, asked, outcome }) = next {
                    let now = clock::now();
                    if asked {
                        self.checks.ran(now, runner, outcome, &mut self.actions);
                    } else {
                        self.checks.saw(now, runner, outcome, &mut self.actions);
                    }
                    next = found.try_recv().ok();
                }
            }
            () = pause => {}
        }
        self.checks.timeout(clock::now(), &mut self.actions);
        self.act(board);
        let (limit, done) = ended?;
        self.tasks.clear();
        let ((), left) = tokio::join!(self.notifier.finish(limit), self.units.finish(limit));
        for unit in left {
            self.log.tell(Notice::MayStillRun { unit });
        }
        // Whoever waited may have given up.
        Some(done)
    }

    fn obey(&mut self, waiting: Waiting) -> Option<(Duration, SyncSender<()>)> {
        let Waiting { watch, entered, questions, finish } = waiting;
        if let Some(watched) = watch {
            self.watch(watched);
        }
        for (entered, told) in entered.into_values() {
            self.units.entered(entered.clone());
            if told && entered.hooks.as_ref().is_some_and(|hooks| !hooks.notify.is_empty()) {
                self.notifier.enter(entered);
            }
        }
        for question in questions {
            // Whoever asked may have given up.
            let _ = question.try_send(self.checks.status(clock::now()));
        }
        finish
    }

    fn watch(&mut self, watched: Arc<Watched>) {
        let now = clock::now();
        let another = self.watched.script_user != watched.script_user;
        if another {
            let old = std::mem::replace(&mut self.notifier, Rc::new(notifier(&watched, &self.log)));
            // What it has begun it may end.
            spawn_local(async move { old.finish(LEFT_BEHIND).await });
        }
        if another || self.shared.is_none() {
            // Everything that runs as somebody begins anew.
            self.shared = Some(Rc::new(Shared::with_bus(watched.script_user.clone(), self.bus.clone())));
            self.checks.renew(now, &watched.checks, &mut self.actions);
        } else {
            self.checks.configure(now, &watched.checks, &mut self.actions);
        }
        self.watched = watched;
    }

    fn act(&mut self, board: &Board) {
        let mut facts = Vec::new();
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Start { runner, check, config } => self.start(runner, &check, &config),
                Action::Run(runner) => {
                    if let Some(task) = self.tasks.get(&runner) {
                        task.run.notify_one();
                    }
                }
                Action::End(runner) => drop(self.tasks.remove(&runner)),
                Action::Tell(fact) => facts.push(fact),
            }
        }
        board.put(facts);
    }

    fn start(&mut self, runner: RunnerId, check: &str, config: &CheckConfig) {
        let Some(shared) = &self.shared else { return };
        let mut probe = Runner::new(check, config, shared);
        let run = Rc::new(Notify::new());
        let (asked, outcomes) = (Rc::clone(&run), self.outcomes.clone());
        let task = spawn_local(async move {
            loop {
                let found = tokio::select! {
                    () = asked.notified() => Found { runner, asked: true, outcome: probe.run().await },
                    outcome = probe.changed() => Found { runner, asked: false, outcome },
                };
                if outcomes.send(found).await.is_err() {
                    return;
                }
            }
        });
        self.tasks.insert(runner, Task { run, task: task.abort_handle() });
    }
}
