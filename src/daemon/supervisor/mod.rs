//! What systemd is told: that the agent is ready, what it is doing, that it reloads or leaves, and that it is alive.
//!
//! Owns the way from the engine and the reloads to the thread that tells it ([`keeper`]); nobody else sends to systemd,
//! which may be slow to read. The engine puts there what is new and goes on. Fails by saying so in the log once, and
//! trying again. Where nobody listens (`$NOTIFY_SOCKET`), there is no thread, and nothing happens.

mod keeper;
mod outbox;
mod vigil;
mod voice;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use super::log::Log;
use super::pulse::Pulse;
use crate::os::clock;
use crate::os::process::Waker;
use crate::time::Instant;

/// How long a reload waits until systemd was told of it: so that `systemctl reload` ends after that.
const TOLD_LIMIT: Duration = Duration::from_secs(1);
/// Stack of the thread.
const STACK: usize = 256 << 10;

/// What is new since the thread last looked.
#[derive(Debug, Default)]
struct News {
    /// The engine serves.
    ready: bool,
    /// What the instances are doing.
    summary: Option<String>,
    /// The agent leaves, and needs so long at most.
    leaving: Option<Duration>,
    reload: Option<Reload>,
}

/// What is to be told of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reload {
    /// It began.
    Begun,
    /// It ended; why the configuration was not taken.
    Ended(Option<String>),
}

#[derive(Debug, Default)]
struct State {
    news: News,
    /// How many reloads' beginnings and ends there were, and how many of them have been told.
    reloads: (u64, u64),
}

/// The way to the thread; by default there is nobody to tell.
#[derive(Clone, Default)]
pub(super) struct Supervisor {
    pulse: Arc<Pulse>,
    /// None where nobody listens.
    desk: Option<Arc<Desk>>,
}

/// Where news lie for the thread.
#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

impl Supervisor {
    /// Starts the thread, where there is somebody to tell. The engine is woken by `waker` for a proof that it is alive.
    pub(super) fn start(waker: Waker, log: Log) -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Supervisor::default());
        }
        let pulse = Arc::new(Pulse::default());
        let desk = Arc::new(Desk::default());
        let keeper = keeper::Keeper::new(Arc::clone(&desk), Arc::clone(&pulse), waker, log);
        thread::Builder::new().name("supervisor".into()).stack_size(STACK).spawn(move || keeper.run())?;
        Ok(Supervisor { pulse, desk: Some(desk) })
    }

    /// What the engine counts up.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Whether anybody listens.
    pub(super) fn listens(&self) -> bool {
        self.desk.is_some()
    }

    /// The engine serves: its sockets are open, and it has seen the host's links and addresses.
    pub(super) fn ready(&self) {
        self.put(|news| news.ready = true);
    }

    /// What the instances are doing, in a line.
    pub(super) fn summary(&self, line: String) {
        self.put(|news| news.summary = Some(line));
    }

    /// The agent leaves, which takes at most so long.
    pub(super) fn leaving(&self, limit: Duration) {
        self.put(|news| news.leaving = Some(limit));
    }

    /// A reload begins. Waits until that was told, a moment at most.
    pub(super) fn reloading(&self) {
        self.tell(Reload::Begun);
    }

    /// It ended; why the configuration was not taken. Waits until that was told, a moment at most.
    pub(super) fn reloaded(&self, refused: Option<String>) {
        self.tell(Reload::Ended(refused));
    }

    fn put(&self, change: impl FnOnce(&mut News)) {
        let Some(desk) = &self.desk else { return };
        change(&mut desk.lock().news);
        desk.changed.notify_all();
    }

    fn tell(&self, reload: Reload) {
        let Some(desk) = &self.desk else { return };
        let mut state = desk.lock();
        state.news.reload = Some(reload);
        state.reloads.0 += 1;
        let number = state.reloads.0;
        desk.changed.notify_all();
        let waits = |state: &mut State| state.reloads.1 < number;
        // Whether it was told in time makes no difference.
        drop(desk.changed.wait_timeout_while(state, TOLD_LIMIT, waits));
    }
}

impl Desk {
    /// Waits for news, for the first of `ticks`, or, for a new summary alone, until `quiet`. What there is, and how many
    /// beginnings and ends of reloads that includes.
    fn wait(&self, ticks: [Option<Instant>; 2], quiet: Instant) -> (News, u64) {
        let mut state = self.lock();
        loop {
            let now = clock::now();
            let news = &state.news;
            let urgent = news.ready || news.leaving.is_some() || news.reload.is_some();
            let line = news.summary.as_ref().map(|_| quiet);
            let until = ticks.into_iter().chain([line]).flatten().min();
            if urgent || until.is_some_and(|until| until <= now) {
                return (std::mem::take(&mut state.news), state.reloads.0);
            }
            state = match until {
                Some(until) => {
                    let waited = self.changed.wait_timeout(state, until.since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// So many beginnings and ends of reloads have been told.
    fn told(&self, reloads: u64) {
        self.lock().reloads.1 = reloads;
        self.changed.notify_all();
    }

    /// What a thread that panicked left is whole: values are set, never half.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
