//! Another configuration for the running agent: read, checked, and only then handed over.
//!
//! Owns: which file is read, that one reload runs at a time, and what came of the last one. Whoever asks waits here, on a
//! thread of its own: the engine gets a whole configuration or nothing. Fails: with an [`Answer`] that says why; the
//! configuration before it goes on then.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::engine::Query;
use super::log::Log;
use super::records::Drains;
use super::supervisor::Supervisor;
use crate::agent::outlook::Outlook;
use crate::agent::snapshot::{ConfigurationStatus, ReloadStatus};
use crate::bus::Changes;
use crate::config::{self, Config, Diagnostics, Loaded, Purpose};
use crate::observe::notice::Notice;
use crate::os::clock;
use crate::os::process::Waker;
use crate::os::queue::Queue;

/// How long the engine may take to answer.
const ENGINE_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait for another reload to end.
const OTHERS_LIMIT: Duration = Duration::from_secs(20);
/// SIGHUPs that may wait: one, which reads what is there by then.
pub(super) const HANG_UPS: usize = 1;
/// Stack of the thread that SIGHUP wakes.
const STACK: usize = 1 << 20;

/// What comes of a request. Keys are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Answer {
    /// The configuration runs.
    Applied {
        /// What it did.
        plan: Outlook,
        /// Diagnostics that are no errors, as text.
        warnings: String,
    },
    /// The configuration is legal and was not taken: nobody asked for that.
    Planned {
        /// What it would do.
        plan: Outlook,
        /// Diagnostics that are no errors, as text.
        warnings: String,
    },
    /// The configuration is not legal.
    Invalid {
        /// Why, as text.
        diagnostics: String,
    },
    /// These instances hand over and do not compete any more.
    Drained {
        /// Those that were asked for, and those that move with them.
        instances: Vec<String>,
        /// The longest that handing over takes, in milliseconds.
        limit_ms: u64,
        /// What else is to be said, such as that this cannot be remembered.
        note: Option<String>,
    },
    /// These instances compete again.
    Undrained {
        /// Those that were drained.
        instances: Vec<String>,
        /// What else is to be said.
        note: Option<String>,
    },
    /// What was asked for would do harm, or makes no sense.
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// Something else is in the way.
    Failed {
        /// What.
        why: String,
    },
}

/// Reads configurations for the running agent.
pub(super) struct Reloader {
    path: PathBuf,
    router_id: String,
    queries: Arc<Queue<Query>>,
    waker: Waker,
    pub(super) log: Log,
    pub(super) drains: Drains,
    supervisor: Supervisor,
    changes: Arc<Changes>,
    status: Mutex<ConfigurationStatus>,
    /// Whether the running configuration has any instance.
    any: AtomicBool,
    busy: Mutex<bool>,
    free: Condvar,
}

impl Reloader {
    /// For an agent that runs what `loaded` says, which came from `path`; `router_id` is what it calls itself where the
    /// configuration does not say.
    pub(super) fn new(
        path: PathBuf,
        loaded: &Loaded,
        router_id: String,
        queries: Arc<Queue<Query>>,
        waker: Waker,
        (log, drains, supervisor, changes): (Log, Drains, Supervisor, Arc<Changes>),
    ) -> Self {
        let status = ConfigurationStatus {
            file: path.display().to_string(),
            sha256: loaded.digest(),
            loaded_at: now(),
            last_reload: None,
        };
        let any = AtomicBool::new(!loaded.config.instances.is_empty());
        let (status, busy, free) = (Mutex::new(status), Mutex::new(false), Condvar::new());
        Reloader {
            path,
            router_id,
            queries,
            waker,
            log,
            drains,
            supervisor,
            changes,
            status,
            any,
            busy,
            free,
        }
    }

    /// Starts the thread that reloads when the engine passes on a SIGHUP.
    pub(super) fn follow(self: &Arc<Self>, hang_ups: Arc<Queue<()>>) -> io::Result<()> {
        let reloader = Arc::clone(self);
        thread::Builder::new().name("reload".into()).stack_size(STACK).spawn(move || {
            while hang_ups.wait(HANG_UPS, &mut Vec::new()) {
                reloader.reload(false);
            }
        })?;
        Ok(())
    }

    /// The running configuration, for `status`.
    pub(super) fn status(&self) -> ConfigurationStatus {
        lock(&self.status).clone()
    }

    /// Reads the configuration and has the agent take it. The log tells what came of it, too.
    pub(super) fn reload(&self, color: bool) -> Answer {
        let answer = match self.turn() {
            Some(_turn) => {
                self.supervisor.reloading();
                let answer = self.read_and_apply(color);
                self.supervisor.reloaded(refused(&answer));
                answer
            }
            None => Answer::Failed { why: "another reload does not end; nothing changed".to_owned() },
        };
        let (applied, text) = match (refused(&answer), &answer) {
            (None, Answer::Applied { plan, .. }) => (true, plan.summary.clone()),
            (why, _) => (false, why.unwrap_or_default()),
        };
        if let Answer::Failed { why } = &answer {
            self.log.tell(Notice::ReloadFailed { why: why.clone() });
        }
        lock(&self.status).last_reload = Some(ReloadStatus { at: now(), applied, text });
        self.changes.mark();
        answer
    }

    fn read_and_apply(&self, color: bool) -> Answer {
        let loaded = match config::load(&self.path, Purpose::Run) {
            Ok(loaded) => loaded,
            Err(diagnostics) => {
                self.log.tell(refusal(&diagnostics));
                return Answer::Invalid { diagnostics: diagnostics.render(color) };
            }
        };
        if loaded.warnings.warnings() > 0 {
            let summary = loaded.warnings.summary().unwrap_or_default();
            self.log.tell(Notice::ConfigurationWarns { summary });
        }
        let any = !loaded.config.instances.is_empty();
        if !any && self.any.load(Ordering::Relaxed) {
            let path = self.path.display();
            let why = format!(
                "{path} has no instance any more: is it being written? To run none, stop the agent; nothing changed"
            );
            return Answer::Failed { why };
        }
        let (digest, warnings) = (loaded.digest(), loaded.warnings.render(color));
        let config = Box::new(self.complete(loaded.config));
        let ticket = Ticket::default();
        match self.ask(&ticket, |reply, ticket| Query::Reload(config, reply, ticket)) {
            Ok(plan) => {
                self.any.store(any, Ordering::Relaxed);
                let mut status = lock(&self.status);
                status.sha256 = digest;
                status.loaded_at = now();
                Answer::Applied { plan, warnings }
            }
            Err(why) => Answer::Failed { why },
        }
    }

    /// Reads the configuration, or another one at `path`, and tells what taking it would do.
    pub(super) fn plan(&self, path: Option<&Path>, color: bool) -> Answer {
        match config::load(path.unwrap_or(&self.path), Purpose::Run) {
            Ok(loaded) => {
                let warnings = loaded.warnings.render(color);
                let config = Box::new(self.complete(loaded.config));
                match self.ask(&Ticket::default(), |reply, _| Query::Outlook(config, reply)) {
                    Ok(plan) => Answer::Planned { plan, warnings },
                    Err(why) => Answer::Failed { why },
                }
            }
            Err(diagnostics) => Answer::Invalid { diagnostics: diagnostics.render(color) },
        }
    }

    fn complete(&self, mut config: Config) -> Config {
        config.agent.router_id.get_or_insert_with(|| self.router_id.clone());
        config
    }

    /// Asks the engine. One that does not answer in time finds the ticket used up, and does nothing later.
    pub(super) fn ask<T>(
        &self,
        ticket: &Ticket,
        query: impl FnOnce(SyncSender<T>, Ticket) -> Query,
    ) -> Result<T, String> {
        let (reply, answer) = sync_channel(1);
        self.queries
            .push(query(reply, ticket.clone()))
            .map_err(|_| "too many requests at once; nothing changed".to_owned())?;
        self.waker.wake();
        let mut outcome = answer.recv_timeout(ENGINE_LIMIT);
        if matches!(outcome, Err(RecvTimeoutError::Timeout)) && !ticket.use_up() {
            outcome = answer.recv_timeout(ENGINE_LIMIT);
        }
        outcome.map_err(|error| match error {
            RecvTimeoutError::Timeout => "the agent does not answer; nothing changed".to_owned(),
            RecvTimeoutError::Disconnected => "the agent is stopping; nothing changed".to_owned(),
        })
    }

    /// Waits until no other reload runs; `None` if that takes too long.
    fn turn(&self) -> Option<Turn<'_>> {
        let waited = self.free.wait_timeout_while(lock(&self.busy), OTHERS_LIMIT, |busy| *busy);
        let (mut busy, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *busy {
            return None;
        }
        *busy = true;
        Some(Turn(self))
    }
}

/// Who gets to use it first decides whether a request is done or withdrawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// Whether this was the first use.
    pub(super) fn use_up(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// The right to reload.
struct Turn<'r>(&'r Reloader);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.busy) = false;
        self.0.free.notify_one();
    }
}

/// Why a reload did not do what was asked.
fn refused(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Invalid { .. } => Some("the configuration is not valid".to_owned()),
        Answer::Refused { why } | Answer::Failed { why } => Some(why.clone()),
        Answer::Applied { .. } | Answer::Planned { .. } => None,
        Answer::Drained { .. } | Answer::Undrained { .. } => None,
    }
}

/// What the log says of a configuration that is not taken.
fn refusal(diagnostics: &Diagnostics) -> Notice {
    let summary = diagnostics.summary().unwrap_or_default();
    Notice::ConfigurationRefused { summary, first: diagnostics.first_line() }
}

/// The time of day (RFC 3339, UTC, whole seconds).
fn now() -> String {
    let now = Timestamp::try_from(clock::wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a thread that panicked left is whole: values are set, never half.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
