//! D-Bus: units of systemd, asked and told over the system bus; and our own objects ([`server`]).
//!
//! Owns one connection to systemd, kept while somebody needs it and made again when it is lost; what is known of every watched
//! unit; jobs under way. Never: decides what a state means, blocks, or keeps a connection that nobody needs. A call
//! that fails is a [`Trouble`]; a lost connection is a [`Standing`], with the time since when and the reason.

mod caller;
mod escape;
mod keeper;
mod link;
pub mod logind;
pub mod server;
mod signals;
mod unit;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tokio::sync::{Notify, oneshot, watch};

use crate::os::clock;
use crate::time::Instant;

pub use caller::job_of_caller;
pub use escape::escape;
use link::Link;
pub use link::Trouble;
pub use server::Changes;
use unit::Slot;
pub use unit::{Seen, Watch};

/// Where the bus is when nothing is said.
const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";
/// What is said where it is nowhere.
const NOWHERE: &str = "there is no system bus: DBUS_SYSTEM_BUS_ADDRESS is set to nothing";
/// Ends of jobs that are remembered, because the end may be told before the answer that names the job.
const ENDED_JOBS: usize = 256;

/// Where the system bus of this host is: `DBUS_SYSTEM_BUS_ADDRESS`, or where it usually is. Nowhere, if that is set to
/// nothing.
#[must_use]
pub fn system_bus() -> String {
    std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| SYSTEM_BUS.to_owned())
}

/// The way to systemd; clones share one connection. Belongs to a thread with a `LocalSet`.
#[derive(Clone, Debug)]
pub struct Bus(Rc<Inner>);

/// Whether systemd can be spoken to.
#[derive(Clone, Debug)]
pub struct Standing {
    link: Option<Link>,
    /// Since when it is so.
    pub since: Instant,
    /// Why not; empty before the first attempt and while it can.
    pub why: Arc<str>,
}

impl Standing {
    /// Whether it can.
    #[must_use]
    pub fn up(&self) -> bool {
        self.link.is_some()
    }
}

/// Keeps the connection while it lives.
#[derive(Debug)]
pub struct Need(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Address of the bus.
    address: String,
    standing: watch::Sender<Standing>,
    /// Watched units by name.
    slots: RefCell<BTreeMap<String, Weak<Slot>>>,
    /// Names of watched units by their object's path; several are aliases of one unit.
    paths: RefCell<BTreeMap<String, BTreeSet<String>>>,
    todo: RefCell<Todo>,
    work: Notify,
    jobs: RefCell<Jobs>,
    needs: Cell<usize>,
    kept: Cell<bool>,
    idle: Notify,
}

/// What is to be read again.
#[derive(Debug, Default)]
struct Todo {
    /// Every unit.
    all: bool,
    /// These.
    names: BTreeSet<String>,
    /// These, if they are loaded: to ask for one that is not would load it, which would be told as news again.
    loaded: BTreeSet<String>,
    /// systemd reads its files: news of units are told together at the end.
    reloading: bool,
}

/// Jobs that somebody waits for, and those that ended lately.
#[derive(Debug, Default)]
struct Jobs {
    waiting: BTreeMap<String, oneshot::Sender<String>>,
    ended: VecDeque<(String, String)>,
}

impl Default for Bus {
    /// By the system bus.
    fn default() -> Self {
        Bus::new(system_bus())
    }
}

impl Bus {
    /// The way by the bus at `address`. Connects when it is needed.
    #[must_use]
    pub fn new(address: String) -> Self {
        let standing = Standing { link: None, since: clock::now(), why: Arc::from("") };
        Bus(Rc::new(Inner {
            address,
            standing: watch::Sender::new(standing),
            slots: RefCell::default(),
            paths: RefCell::default(),
            todo: RefCell::default(),
            work: Notify::new(),
            jobs: RefCell::default(),
            needs: Cell::new(0),
            kept: Cell::new(false),
            idle: Notify::new(),
        }))
    }

    /// Whether systemd runs this host at all (`sd_booted(3)`), and is not kept from us by a bus without an address.
    #[must_use]
    pub fn booted() -> bool {
        std::path::Path::new("/run/systemd/system").is_dir() && !system_bus().is_empty()
    }

    /// Keeps the connection for as long as the value lives. To be called within a `LocalSet`.
    #[must_use]
    pub fn need(&self) -> Need {
        let inner = &self.0;
        inner.needs.set(inner.needs.get() + 1);
        if !inner.kept.replace(true) {
            let first = Standing { link: None, since: clock::now(), why: Arc::from("") };
            inner.standing.send_replace(first);
            tokio::task::spawn_local(keeper::keep(Rc::clone(inner)));
        }
        Need(Rc::clone(inner))
    }

    /// Watches `unit`; `restarts`: and counts its automatic restarts. All who watch one unit share what is known of it.
    #[must_use]
    pub fn watch(&self, unit: &str, restarts: bool) -> Watch {
        let need = self.need();
        let known = self.0.slots.borrow().get(unit).and_then(Weak::upgrade);
        let slot = known.unwrap_or_else(|| {
            let slot = Rc::new(Slot::new(unit));
            self.0.slots.borrow_mut().insert(unit.to_owned(), Rc::downgrade(&slot));
            slot
        });
        if slot.ask(restarts) {
            self.0.todo.borrow_mut().names.insert(unit.to_owned());
            self.0.work.notify_one();
        }
        Watch::new(slot, need, self.0.standing.subscribe())
    }

    /// Whether systemd can be spoken to now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.standing.borrow().up()
    }

    /// Waits until systemd can be spoken to, and keeps the connection meanwhile.
    pub async fn ready(&self) {
        let _need = self.need();
        let mut standing = self.0.standing.subscribe();
        // The sender lives as long as this.
        let _ = standing.wait_for(Standing::up).await;
    }

    /// Starts or stops `unit`, replacing a job that is in the way, and waits for the end of the job, however long; its
    /// result is one of those that systemd names (`done`, `failed`, `canceled`, …). See [`Bus::ready`].
    pub async fn job(&self, unit: &str, start: bool) -> Result<String, Trouble> {
        let _need = self.need();
        let mut standing = self.0.standing.subscribe();
        let Some(link) = self.0.link() else {
            return Err(Trouble::Away(standing.borrow().why.to_string()));
        };
        let job = link.queue_job(unit, start).await?;
        let ended = self.0.end_of(&job);
        tokio::select! {
            result = ended => result.map_err(|_| Trouble::Away("the job was lost sight of".to_owned())),
            () = lost(&mut standing) => Err(Trouble::Away(standing.borrow().why.to_string())),
        }
    }
}

async fn lost(standing: &mut watch::Receiver<Standing>) {
    while standing.borrow_and_update().up() {
        if standing.changed().await.is_err() {
            return;
        }
    }
}

impl Inner {
    fn link(&self) -> Option<Link> {
        self.standing.borrow().link.clone()
    }

    /// Nobody can be asked from now on. The time of the first loss stays.
    fn away(&self, why: &str) {
        self.jobs.borrow_mut().waiting.clear();
        self.standing.send_modify(|standing| {
            if standing.link.take().is_some() {
                standing.since = clock::now();
            }
            standing.why = Arc::from(why);
        });
    }

    fn up(&self, link: &Link) {
        let standing = Standing { link: Some(link.clone()), since: clock::now(), why: Arc::from("") };
        self.standing.send_replace(standing);
    }

    fn slot(&self, name: &str) -> Option<Rc<Slot>> {
        self.slots.borrow().get(name).and_then(Weak::upgrade)
    }

    /// Every watched unit's name; units that nobody watches any more are forgotten.
    fn names(&self) -> Vec<String> {
        self.slots.borrow_mut().retain(|_, slot| slot.strong_count() > 0);
        let names: Vec<String> = self.slots.borrow().keys().cloned().collect();
        let slots = self.slots.borrow();
        self.paths.borrow_mut().retain(|_, named| {
            named.retain(|name| slots.contains_key(name));
            !named.is_empty()
        });
        names
    }

    fn at(&self, path: &str) -> Vec<Rc<Slot>> {
        let paths = self.paths.borrow();
        paths.get(path).into_iter().flatten().filter_map(|name| self.slot(name)).collect()
    }

    fn end_of(&self, job: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut jobs = self.jobs.borrow_mut();
        match jobs.ended.iter().find(|(path, _)| path == job) {
            // Nobody listening is a job that nobody waits for.
            Some((_, result)) => drop(sender.send(result.clone())),
            None => drop(jobs.waiting.insert(job.to_owned(), sender)),
        }
        receiver
    }

    fn job_ended(&self, job: &str, result: &str) {
        let mut jobs = self.jobs.borrow_mut();
        if let Some(waiting) = jobs.waiting.remove(job) {
            drop(waiting.send(result.to_owned()));
        }
        jobs.waiting.retain(|_, waiting| !waiting.is_closed());
        jobs.ended.push_back((job.to_owned(), result.to_owned()));
        if jobs.ended.len() > ENDED_JOBS {
            jobs.ended.pop_front();
        }
    }
}

impl Drop for Need {
    fn drop(&mut self) {
        let left = self.0.needs.get().saturating_sub(1);
        self.0.needs.set(left);
        if left == 0 {
            self.0.idle.notify_one();
        }
    }
}
