//! What checks say, on its way to the engine: the newest of each check.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::health::check::Fact;
use crate::os::process::Waker;

/// Facts that the engine has not taken yet; never more than there are checks.
pub(in crate::daemon) struct Board {
    facts: Mutex<BTreeMap<Arc<str>, Fact>>,
    /// Whether the host is to stand aside from now on.
    aside: Mutex<Option<bool>>,
    waker: Waker,
}

impl Board {
    pub(super) fn new(waker: Waker) -> Self {
        Board { facts: Mutex::default(), aside: Mutex::default(), waker }
    }

    /// Puts facts there, the newest in place of older ones, and wakes the engine.
    pub(super) fn put(&self, news: impl IntoIterator<Item = Fact>) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = facts.len();
        let mut any = false;
        for mut fact in news {
            any = true;
            let older = facts.remove(&fact.check);
            // That it is held is to be told, even if more came of it since.
            fact.held = fact.held.or_else(|| older.and_then(|older| older.held));
            facts.insert(Arc::clone(&fact.check), fact);
        }
        drop(facts);
        if any && before == 0 {
            self.waker.wake();
        }
    }

    /// From now on the host is to stand aside, or is not; wakes the engine.
    pub(super) fn stand_aside(&self, aside: bool) {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) = Some(aside);
        self.waker.wake();
    }

    /// Takes whether the host is to stand aside, if that is new.
    pub(in crate::daemon) fn take_aside(&self) -> Option<bool> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes what is there.
    pub(in crate::daemon) fn take(&self) -> BTreeMap<Arc<str>, Fact> {
        std::mem::take(&mut *self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
