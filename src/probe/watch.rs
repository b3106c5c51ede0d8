//! Hears of files for all file checks: one inotify instance, read by one task.
//!
//! A watch is on a directory and for a name in it. Opened by the first check that needs it. Loses nothing in silence: when
//! the kernel had no room for an event, or tells of a watch that is not known yet, everybody is told to look.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::rc::Rc;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::os::Readable;

/// Who has the instance besides the subscriptions: [`Open`] and its task.
const OWNERS: usize = 2;

/// The instance, once somebody needs it.
#[derive(Debug, Default)]
pub(super) struct Files(RefCell<Option<Open>>);

#[derive(Debug)]
struct Open {
    inotify: Arc<Inotify>,
    state: Rc<RefCell<State>>,
    task: JoinHandle<()>,
}

/// A watch and the name that counts.
pub(super) type Place = (WatchDescriptor, OsString);

#[derive(Debug, Default)]
struct State {
    /// Per watch, who wants to know of which names.
    watches: BTreeMap<WatchDescriptor, BTreeMap<u64, BTreeSet<OsString>>>,
    subscribers: BTreeMap<u64, Rc<Notify>>,
    next: u64,
}

/// One check's part of it. To drop it ends its watches.
#[derive(Debug)]
pub(super) struct Subscription {
    id: u64,
    /// Told when something happened; keeps that until it is waited for.
    pub(super) happened: Rc<Notify>,
    /// To add watches with.
    pub(super) inotify: Arc<Inotify>,
    state: Rc<RefCell<State>>,
}

impl Files {
    /// A new part, without watches. Must be called on the thread of a [`tokio::task::LocalSet`]. Fails in words.
    pub(super) fn subscribe(&self) -> Result<Subscription, String> {
        let mut open = self.0.borrow_mut();
        if open.as_ref().is_none_or(|open| open.task.is_finished()) {
            *open = Some(Open::new()?);
        }
        let Some(open) = open.as_ref() else { return Err("no inotify".to_owned()) };
        let mut state = open.state.borrow_mut();
        let id = state.next;
        state.next += 1;
        let happened = Rc::new(Notify::new());
        state.subscribers.insert(id, Rc::clone(&happened));
        Ok(Subscription { id, happened, inotify: Arc::clone(&open.inotify), state: Rc::clone(&open.state) })
    }
}

impl Open {
    fn new() -> Result<Self, String> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).map_err(|errno| {
            let hint = if errno == Errno::EMFILE { ": raise fs.inotify.max_user_instances" } else { "" };
            format!("no inotify: {}{hint}", errno.desc())
        })?;
        let readable = Readable::of(&inotify).map_err(|error| error.to_string())?;
        let (inotify, state) = (Arc::new(inotify), Rc::new(RefCell::new(State::default())));
        let task = tokio::task::spawn_local(listen(Arc::clone(&inotify), readable, Rc::clone(&state)));
        Ok(Open { inotify, state, task })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscription {
    /// Has exactly these watches from now on.
    pub(super) fn place(&self, places: Vec<Place>) {
        let mut state = self.state.borrow_mut();
        for names in state.watches.values_mut() {
            names.remove(&self.id);
        }
        for (watch, name) in places {
            state.watches.entry(watch).or_default().entry(self.id).or_default().insert(name);
        }
        // Whoever looks just now may have added a watch that is not placed yet, and it may be one of these.
        if Arc::strong_count(&self.inotify) > OWNERS + state.subscribers.len() {
            return;
        }
        let idle: Vec<_> =
            state.watches.iter().filter(|(_, names)| names.is_empty()).map(|(watch, _)| *watch).collect();
        for watch in idle {
            state.watches.remove(&watch);
            // Fails for one whose directory is gone.
            let _ = self.inotify.rm_watch(watch);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.place(Vec::new());
        self.state.borrow_mut().subscribers.remove(&self.id);
    }
}

async fn listen(inotify: Arc<Inotify>, readable: Readable, state: Rc<RefCell<State>>) {
    while let Ok(mut ready) = readable.ready().await {
        ready.clear_ready();
        loop {
            match inotify.read_events() {
                Ok(events) => {
                    let mut state = state.borrow_mut();
                    for event in &events {
                        state.take(event);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => return state.borrow().tell_all(),
            }
        }
    }
}

impl State {
    fn take(&mut self, event: &InotifyEvent) {
        let forgotten = event.mask.contains(AddWatchFlags::IN_IGNORED);
        match self.watches.get(&event.wd) {
            Some(watchers) => {
                for (id, names) in watchers {
                    // What has no name is about the directory itself.
                    if event.name.as_ref().is_none_or(|name| names.contains(name)) {
                        self.tell(*id);
                    }
                }
            }
            // Somebody is just about to place it, or the kernel lost some (its number is -1 then).
            None if !forgotten => self.tell_all(),
            None => {}
        }
        if forgotten {
            self.watches.remove(&event.wd);
        }
    }

    fn tell(&self, id: u64) {
        if let Some(happened) = self.subscribers.get(&id) {
            happened.notify_one();
        }
    }

    fn tell_all(&self) {
        self.subscribers.values().for_each(|happened| happened.notify_one());
    }
}
