//! What a run is doing and has done: the steps with their times, so that a time limit can say what it ended.

use std::cell::RefCell;

use crate::health::outcome::Phase;
use crate::os::clock;
use crate::time::Instant;

/// The steps of one run. One step is open at a time.
#[derive(Debug)]
pub(super) struct Trace(RefCell<State>);

#[derive(Debug)]
struct State {
    done: Vec<Phase>,
    open: Option<(&'static str, Instant)>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Trace(RefCell::new(State { done: Vec::new(), open: None }))
    }

    /// Begins a step, ending the one before.
    pub(super) fn enter(&self, name: &'static str) {
        self.close("");
        self.0.borrow_mut().open = Some((name, clock::now()));
    }

    /// Ends the open step; `text` says what came of it, in a few words.
    pub(super) fn close(&self, text: &str) {
        let mut state = self.0.borrow_mut();
        if let Some((name, since)) = state.open.take() {
            let took = clock::now().since(since);
            state.done.push(Phase { name: name.to_owned(), text: text.to_owned(), took });
        }
    }

    /// The step that is open.
    pub(super) fn open(&self) -> Option<&'static str> {
        self.0.borrow().open.map(|(name, _)| name)
    }

    /// Every step; the open one ends here.
    pub(super) fn finish(self) -> Vec<Phase> {
        self.close("");
        self.0.into_inner().done
    }
}
