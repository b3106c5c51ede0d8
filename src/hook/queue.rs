//! Which command is run next: per subject one at a time and in order, the latest state winning, so many at once over all.
//!
//! Pure: no clock, no process. Owns at most one occasion that is being told and one that waits per subject; a newer one
//! takes the place of the one that waits, which is handed back so that somebody says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::agent::message::{Entered, Whose};
use crate::agent::snapshot::VrState;
use crate::config::model::Command;

/// An instance or a group, by its name.
pub type Subject = (Whose, Arc<str>);

/// A command to run now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What happened.
    pub entered: Arc<Entered>,
    /// What to run for it.
    pub command: Command,
    /// Occasions of this subject that were skipped since the last command.
    pub skipped: u32,
}

impl Task {
    /// Whose it is.
    #[must_use]
    pub fn subject(&self) -> Subject {
        subject(&self.entered)
    }
}

fn subject(entered: &Entered) -> Subject {
    (entered.whose, Arc::clone(&entered.name))
}

/// The commands of all subjects.
#[derive(Debug)]
pub struct Queue {
    /// Those about whom something is running or waits.
    subjects: BTreeMap<Subject, Line>,
    /// Those that have something to run and run nothing, longest waiting first; each once.
    ready: VecDeque<Subject>,
    running: usize,
    most: usize,
}

#[derive(Debug, Default)]
struct Line {
    running: bool,
    /// What is left of the occasion that was begun.
    begun: Option<(Arc<Entered>, VecDeque<Command>)>,
    waiting: Option<Arc<Entered>>,
    skipped: u32,
}

impl Line {
    /// The next command. An occasion that was begun is told to its end.
    fn next(&mut self) -> Option<(Arc<Entered>, Command)> {
        loop {
            if let Some((entered, commands)) = &mut self.begun
                && let Some(command) = commands.pop_front()
            {
                return Some((Arc::clone(entered), command));
            }
            let entered = self.waiting.take()?;
            let commands = commands(&entered).collect();
            self.begun = Some((entered, commands));
        }
    }

    fn has_more(&self) -> bool {
        self.begun.as_ref().is_some_and(|(_, commands)| !commands.is_empty())
            || self.waiting.as_ref().is_some_and(|entered| commands(entered).next().is_some())
    }
}

/// What is run on an occasion, in order.
pub fn commands(entered: &Entered) -> impl Iterator<Item = Command> {
    let notify = entered.hooks.as_ref().map(|hooks| &hooks.notify);
    let own = notify.and_then(|notify| match (entered.leaving, entered.state) {
        (true, _) => notify.stop.as_ref(),
        (false, VrState::Master) => notify.master.as_ref(),
        (false, VrState::Backup) => notify.backup.as_ref(),
        (false, VrState::Fault) => notify.fault.as_ref(),
        (false, VrState::Init) => None,
    });
    // INIT is the state of an instance that waits for the kernel, or for its end: no state to tell of.
    let occasion = entered.leaving || entered.state != VrState::Init;
    let any = notify.and_then(|notify| notify.any.as_ref()).filter(|_| occasion);
    [own.cloned(), any.cloned()].into_iter().flatten()
}

impl Queue {
    /// An empty one that lets `most` commands run at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Queue { subjects: BTreeMap::new(), ready: VecDeque::new(), running: 0, most }
    }

    /// Something happened. Answers what is not told any more, because this is newer; only what had something to run.
    pub fn push(&mut self, entered: Entered) -> Option<Arc<Entered>> {
        let whose = subject(&entered);
        let line = self.subjects.entry(whose.clone()).or_default();
        let before = line.waiting.replace(Arc::new(entered));
        let skipped = before.filter(|entered| commands(entered).next().is_some());
        if skipped.is_some() {
            line.skipped = line.skipped.saturating_add(1);
        }
        self.settle(whose);
        skipped
    }

    /// What is to be run now, if anything; to be asked until there is nothing.
    pub fn take(&mut self) -> Option<Task> {
        if self.running >= self.most {
            return None;
        }
        while let Some(whose) = self.ready.pop_front() {
            let Some(line) = self.subjects.get_mut(&whose) else { continue };
            if let Some((entered, command)) = line.next() {
                line.running = true;
                self.running += 1;
                let skipped = std::mem::take(&mut line.skipped);
                return Some(Task { entered, command, skipped });
            }
            self.settle(whose);
        }
        None
    }

    /// The command of this subject has ended.
    pub fn done(&mut self, whose: &Subject) {
        if let Some(line) = self.subjects.get_mut(whose)
            && line.running
        {
            line.running = false;
            self.running -= 1;
            self.settle(whose.clone());
        }
    }

    /// Whether nothing runs and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Lets go of everything that waits; answers what would have been told. What runs stays until it is done.
    pub fn give_up(&mut self) -> Vec<Arc<Entered>> {
        self.ready.clear();
        let mut given_up = Vec::new();
        for line in self.subjects.values_mut() {
            line.begun = None;
            given_up.extend(line.waiting.take().filter(|entered| commands(entered).next().is_some()));
        }
        self.subjects.retain(|_, line| line.running);
        given_up
    }

    /// Puts a subject where it belongs: among those that are ready, or away when there is nothing left of it.
    fn settle(&mut self, whose: Subject) {
        let Some(line) = self.subjects.get(&whose) else { return };
        if line.running {
            return;
        }
        let listed = self.ready.contains(&whose);
        match (line.has_more(), listed) {
            (true, false) => self.ready.push_back(whose),
            (true, true) => {}
            (false, _) => {
                self.ready.retain(|other| *other != whose);
                self.subjects.remove(&whose);
            }
        }
    }
}

#[cfg(test)]
mod tests;
