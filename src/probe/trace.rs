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
    note: String,
}

impl Trace {
    pub(super) fn new() -> Self {
        Trace(RefCell::new(State { done: Vec::new(), open: None, note: String::new() }))
    }

    /// Begins a step, ending the one before.
    pub(super) fn enter(&self, name: &'static str) {
        self.close("");
        self.0.borrow_mut().open = Some((name, clock::now()));
    }

    /// Says how far the open step is, in a few words: for a time limit that ends it, and for a step that is closed without
    /// words of its own.
    pub(super) fn note(&self, text: String) {
        self.0.borrow_mut().note = text;
    }

    /// Ends the open step; `text` says what came of it, in a few words.
    pub(super) fn close(&self, text: &str) {
        let mut state = self.0.borrow_mut();
        let note = std::mem::take(&mut state.note);
        if let Some((name, since)) = state.open.take() {
            let took = clock::now().since(since);
            let text = if text.is_empty() { note } else { text.to_owned() };
            state.done.push(Phase { name: name.to_owned(), text, took });
        }
    }

    /// The step that is open, and how far it is.
    pub(super) fn open(&self) -> Option<String> {
        let state = self.0.borrow();
        let (name, _) = state.open?;
        Some(if state.note.is_empty() { name.to_owned() } else { format!("{name}: {}", state.note) })
    }

    /// Every step; the open one ends here.
    pub(super) fn finish(self) -> Vec<Phase> {
        self.close("");
        self.0.into_inner().done
    }
}
