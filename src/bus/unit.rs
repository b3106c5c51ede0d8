//! What is known of a unit, and who waits for news of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use tokio::sync::watch;
use zbus::message::Sequence;

use super::{Inner, Need, Standing, Trouble};

/// A unit as systemd tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `LoadState`: `loaded`, `not-found`, `masked`, `bad-setting`, `error`, …
    pub load: String,
    /// `ActiveState`.
    pub active: String,
    /// `SubState`.
    pub sub: String,
    /// `Result` of a service; empty where it was not asked for.
    pub result: String,
    /// `NRestarts` of a service: automatic restarts since it was last started by hand. 0 where it was not asked for.
    pub restarts: u32,
}

impl Seen {
    /// Whether there is no such unit: no file, and nothing that runs.
    #[must_use]
    pub fn missing(&self) -> bool {
        self.load == "not-found" && self.active == "inactive"
    }
}

impl fmt::Display for Seen {
    /// The state with its detail: "active (running)", "failed (exit-code)", "activating (auto-restart)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = !matches!(self.result.as_str(), "" | "success");
        let detail = if self.active == "failed" && told { &self.result } else { &self.sub };
        write!(f, "{} ({detail})", self.active)?;
        match self.load.as_str() {
            // A unit that runs without its file may have been made without one.
            "loaded" | "stub" | "merged" | "not-found" => Ok(()),
            load => write!(f, ", {load}"),
        }
    }
}

/// A watched unit.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    /// Its object; empty before the first answer.
    pub(super) path: RefCell<String>,
    sender: watch::Sender<Option<Seen>>,
    /// The newest message that said something of the unit, and of the service that it is. An older one says nothing.
    state_at: Cell<Sequence>,
    service_at: Cell<Sequence>,
    /// What the properties of the service are known to be, also before anything else is.
    service: RefCell<(String, u32)>,
    restarts: Cell<bool>,
    asked: Cell<bool>,
}

impl Slot {
    pub(super) fn new(name: &str) -> Self {
        Slot {
            name: name.to_owned(),
            path: RefCell::default(),
            sender: watch::Sender::new(None),
            state_at: Cell::default(),
            service_at: Cell::default(),
            service: RefCell::default(),
            restarts: Cell::new(false),
            asked: Cell::new(false),
        }
    }

    /// Somebody watches; whether there is something to be read for that.
    pub(super) fn ask(&self, restarts: bool) -> bool {
        let more = restarts && !self.restarts.replace(self.restarts.get() || restarts);
        !self.asked.replace(true) || more
    }

    /// Whether the properties of the service matter in the state `active`.
    pub(super) fn wants_service(&self, active: &str) -> bool {
        self.name.ends_with(".service") && (self.restarts.get() || active == "failed")
    }

    /// Whether a service failed and it is not known why.
    pub(super) fn lacks_reason(&self) -> bool {
        let failed = self.sender.borrow().as_ref().is_some_and(|seen| seen.active == "failed");
        failed
            && self.name.ends_with(".service")
            && matches!(self.service.borrow().0.as_str(), "" | "success")
    }

    /// A new connection numbers its messages afresh.
    pub(super) fn renumber(&self) {
        self.state_at.set(Sequence::default());
        self.service_at.set(Sequence::default());
    }

    /// What the message at `position` says of the service.
    pub(super) fn service(&self, position: Sequence, result: Option<String>, restarts: Option<u32>) {
        if position < self.service_at.get() {
            return;
        }
        self.service_at.set(position);
        let mut service = self.service.borrow_mut();
        if let Some(result) = result {
            service.0 = result;
        }
        if let Some(restarts) = restarts {
            service.1 = restarts;
        }
    }

    /// What the message at `position` says of the unit; where it says nothing, it stays.
    pub(super) fn state(
        &self,
        position: Sequence,
        load: Option<&str>,
        active: Option<&str>,
        sub: Option<&str>,
    ) {
        if position < self.state_at.get() {
            return;
        }
        self.state_at.set(position);
        self.sender.send_if_modified(|seen| {
            // Before everything was read once there is nothing to change.
            if seen.is_none() && load.is_none() {
                return false;
            }
            let seen = seen.get_or_insert_default();
            let before = seen.clone();
            for (place, word) in [(&mut seen.load, load), (&mut seen.active, active), (&mut seen.sub, sub)] {
                if let Some(word) = word {
                    word.clone_into(place);
                }
            }
            seen.result.clone_from(&self.service.borrow().0);
            seen.restarts = self.service.borrow().1;
            *seen != before
        });
    }

    /// Tells of what [`Slot::service`] learned.
    pub(super) fn tell(&self) {
        self.state(self.state_at.get(), None, None, None);
    }

    pub(super) fn seen(&self) -> Option<Seen> {
        self.sender.borrow().clone()
    }
}

/// The sight of one unit, shared with all who watch it.
#[derive(Debug)]
pub struct Watch {
    slot: Rc<Slot>,
    need: Need,
    seen: watch::Receiver<Option<Seen>>,
    standing: watch::Receiver<Standing>,
}

impl Watch {
    pub(super) fn new(slot: Rc<Slot>, need: Need, standing: watch::Receiver<Standing>) -> Self {
        let seen = slot.sender.subscribe();
        Watch { slot, need, seen, standing }
    }

    /// What is known: nothing before the first answer. While systemd cannot be asked, what it was before.
    #[must_use]
    pub fn seen(&mut self) -> Option<Seen> {
        self.seen.borrow_and_update().clone()
    }

    /// Whether systemd can be asked.
    #[must_use]
    pub fn standing(&mut self) -> Standing {
        self.standing.borrow_and_update().clone()
    }

    /// Waits for news since [`Watch::seen`] and [`Watch::standing`]. To drop the wait loses nothing.
    pub async fn changed(&mut self) {
        // Both senders live as long as this does.
        tokio::select! {
            _ = self.seen.changed() => {}
            _ = self.standing.changed() => {}
        }
    }

    /// Asks systemd now.
    pub async fn read(&mut self) -> Result<Seen, Trouble> {
        let inner: &Inner = &self.need.0;
        let Some(link) = inner.link() else {
            return Err(Trouble::Away(self.standing.borrow().why.to_string()));
        };
        inner.read(&link, std::slice::from_ref(&self.slot.name)).await?;
        self.seen.borrow_and_update().clone().ok_or_else(|| Trouble::Strange("no state".to_owned()))
    }
}
