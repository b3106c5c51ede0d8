//! The services' thread: runs checks, and the commands and units of states. One asynchronous runtime, on which nothing may
//! block; started when there is first something to do, so that an agent without checks and hooks has neither.
//!
//! Owns the way there and back: orders go in as the newest of their kind, verdicts come out as the newest of each check, so
//! neither way grows, nobody waits for the other, and nothing that still counts is lost. Fails by saying in the log that
//! the thread could not be started; the agent goes on without.

mod aside;
mod board;
mod inbox;
mod run;
mod tell;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::log::Log;
use crate::agent::message::{Entered, Watched};
use crate::health::status::CheckStatus;
use crate::observe::notice::Notice;
use crate::os::process::Waker;

pub(super) use board::Board;
use inbox::{Inbox, Order};

/// Stack of the thread: TLS handshakes and regular expressions run on it.
const STACK: usize = 1 << 20;
/// How long a question about the checks may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The way to the thread. The engine, and those who answer questions, each have one.
#[derive(Clone)]
pub(super) struct Services {
    inbox: Arc<Inbox>,
    board: Arc<Board>,
    /// How often the agent has stood aside.
    aside: watch::Sender<u64>,
    log: Log,
    /// systemd runs this host, so that role targets may follow the states.
    under_systemd: bool,
}

impl Services {
    /// Without the thread yet. Verdicts are put on `board`, and the engine is woken by `waker` for them.
    pub(super) fn new(waker: Waker, log: Log) -> Self {
        let board = Arc::new(Board::new(waker));
        // As sd_booted(3) has it.
        let under_systemd = Path::new("/run/systemd/system").is_dir();
        Services { inbox: Arc::default(), board, aside: watch::Sender::default(), log, under_systemd }
    }

    /// Where verdicts wait for the engine.
    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Have these checks.
    pub(super) fn watch(&self, watched: &Arc<Watched>) {
        let order = Order::Watch(Arc::clone(watched));
        if watched.checks.is_empty() {
            // For a thread that there is, or for one that hooks may need later.
            self.inbox.put(order);
        } else {
            self.order(order);
        }
    }

    /// An instance or a group entered a state, or has other units in it and is not to be `told`. Nothing happens where
    /// nobody waits for it.
    pub(super) fn entered(&self, entered: &Entered, told: bool) {
        let waited_for = entered.hooks.is_some() || self.under_systemd || (!told && self.inbox.is_served());
        if waited_for {
            self.order(Order::Entered(Box::new(entered.clone()), told));
        }
    }

    /// No instance holds an address: a host that waits for that may go.
    pub(super) fn stood_aside(&self) {
        self.aside.send_modify(|times| *times += 1);
    }

    /// Every check as it stands; none when there are none, or when the thread does not answer.
    pub(super) fn checks(&self) -> Vec<CheckStatus> {
        if !self.inbox.is_served() {
            return Vec::new();
        }
        let (reply, answer) = sync_channel(1);
        self.inbox.put(Order::Status(reply));
        answer.recv_timeout(ANSWER_LIMIT).unwrap_or_default()
    }

    /// Ends the checks, and waits until what is run for the last states has ended, at most `limit`.
    pub(super) fn finish(&self, limit: Duration) {
        if !self.inbox.is_served() {
            return;
        }
        let (reply, answer) = sync_channel(1);
        self.inbox.put(Order::Finish(limit, reply));
        // A little more, for the thread to end what it could not wait for.
        let _ = answer.recv_timeout(limit + ANSWER_LIMIT);
    }

    fn order(&self, order: Order) {
        self.inbox.put(order);
        if !self.inbox.serve() {
            return;
        }
        let (inbox, board, log) = (Arc::clone(&self.inbox), Arc::clone(&self.board), self.log.clone());
        let aside = self.aside.subscribe();
        let thread = thread::Builder::new().name("services".into()).stack_size(STACK);
        if let Err(error) = thread.spawn(move || run::run(&inbox, &board, aside, &log)) {
            self.inbox.unserved();
            self.log.tell(Notice::NoServices { why: format!("{error}; trying again at the next change") });
        }
    }
}
