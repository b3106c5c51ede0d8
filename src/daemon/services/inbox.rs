//! Orders on their way to the services' thread: the newest of each kind, so that there are never many.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::agent::message::{Entered, Watched, Whose};
use crate::health::status::CheckStatus;

/// Questions that may wait; of more the oldest is not answered.
const QUESTIONS: usize = 16;

/// Something for the thread to do.
pub(super) enum Order {
    /// Have these checks.
    Watch(Arc<Watched>),
    /// A state was entered, or has other units; whether commands are to be told.
    Entered(Box<Entered>, bool),
    /// Tell about every check.
    Status(SyncSender<Vec<CheckStatus>>),
    /// End, within this time, and say so.
    Finish(Duration, SyncSender<()>),
}

/// What waits.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) watch: Option<Arc<Watched>>,
    pub(super) entered: BTreeMap<(Whose, Arc<str>), (Entered, bool)>,
    pub(super) questions: Vec<SyncSender<Vec<CheckStatus>>>,
    pub(super) finish: Option<(Duration, SyncSender<()>)>,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    served: bool,
}

/// The orders that wait.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    news: Notify,
}

impl Inbox {
    pub(super) fn put(&self, order: Order) {
        let mut state = self.lock();
        let waiting = &mut state.waiting;
        match order {
            Order::Watch(watched) => waiting.watch = Some(watched),
            Order::Entered(mut entered, mut told) => {
                let key = (entered.whose, Arc::clone(&entered.name));
                if let Some((older, older_told)) = waiting.entered.remove(&key) {
                    entered.previous = older.previous;
                    entered.leaving |= older.leaving;
                    told |= older_told;
                }
                waiting.entered.insert(key, (*entered, told));
            }
            Order::Status(reply) => {
                if waiting.questions.len() >= QUESTIONS {
                    waiting.questions.remove(0);
                }
                waiting.questions.push(reply);
            }
            Order::Finish(limit, reply) => waiting.finish = Some((limit, reply)),
        }
        drop(state);
        self.news.notify_one();
    }

    /// Waits for something; all that there is.
    pub(super) async fn take(&self) -> Waiting {
        self.news.notified().await;
        std::mem::take(&mut self.lock().waiting)
    }

    /// Whether somebody takes what is put here.
    pub(super) fn is_served(&self) -> bool {
        self.lock().served
    }

    /// From now on somebody does; `false` if somebody did before.
    pub(super) fn serve(&self) -> bool {
        !std::mem::replace(&mut self.lock().served, true)
    }

    /// Nobody does, after all.
    pub(super) fn unserved(&self) {
        self.lock().served = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
