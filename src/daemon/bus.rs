//! The thread that serves the agent's objects on D-Bus, and the way from there to the engine.
//!
//! Decides nothing, and keeps nobody waiting: what blocks has threads of its own, a few. Fails at the start when the
//! thread cannot be had; a bus that is not there is no failure.

use std::io;
use std::sync::Arc;
use std::thread;

use super::control::{Asked, Claim};
use super::log::Log;
use super::reload::{Answer, Reloader};
use crate::agent::outlook::Plain;
use crate::agent::snapshot::Snapshot;
use crate::bus::server::{self, Action, Agent, Done, Refusal, Word};
use crate::bus::{Changes, system_bus};
use crate::observe::notice::Notice;

/// Stack of the threads: configurations are read on them.
const STACK: usize = 1 << 20;

/// Those who know the agent.
pub(super) struct Knows {
    pub(super) asked: Asked,
    pub(super) reloader: Arc<Reloader>,
    pub(super) log: Log,
}

/// Starts the thread, which is told by `changes` when something changed.
pub(super) fn start(knows: Knows, changes: &Arc<Changes>, claim: &Claim) -> io::Result<()> {
    let (peers, changes) = (claim.bus()?, Arc::clone(changes));
    thread::Builder::new().name("bus".into()).stack_size(STACK).spawn(move || {
        let agent: Arc<dyn Agent> = Arc::new(knows);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // One beside those that do something, for looks.
            .max_blocking_threads(server::ACTIONS + 1)
            .thread_name("bus")
            .thread_stack_size(STACK)
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(server::run(agent, changes, peers, &system_bus())),
            Err(error) => agent.tell(Word::Unserved { why: format!("nobody can ask: {error}") }),
        }
    })?;
    Ok(())
}

impl Agent for Knows {
    fn snapshot(&self) -> Option<Snapshot> {
        self.asked.snapshot(&self.reloader).ok()
    }

    fn act(&self, action: Action) -> Result<Done, Refusal> {
        let (answer, nothing) = match action {
            Action::Reload => (self.reloader.reload(false), "reloaded: nothing changed"),
            Action::Plan { file } => {
                (self.reloader.plan(file.as_deref(), false), "a reload would change nothing")
            }
            Action::Drain { names, force } => (self.reloader.drain(&names, force), ""),
            Action::Undrain { names } => (self.reloader.undrain(&names), ""),
        };
        match answer {
            Answer::Applied { plan, warnings } | Answer::Planned { plan, warnings } => {
                Ok(Done::Said { text: plan.in_words(nothing, &Plain), warnings })
            }
            // What cannot be remembered is a failure on the command line, too, although it is done.
            Answer::Drained { note: Some(why), .. } | Answer::Undrained { note: Some(why), .. } => {
                Err(Refusal::Failed(why))
            }
            Answer::Drained { instances: names, limit_ms, note: None } => {
                Ok(Done::Drained { names, limit: std::time::Duration::from_millis(limit_ms) })
            }
            Answer::Undrained { instances: names, note: None } => Ok(Done::Undrained { names }),
            Answer::Invalid { diagnostics } => Err(Refusal::Invalid(diagnostics)),
            Answer::Refused { why } => Err(Refusal::Refused(why)),
            Answer::Failed { why } => Err(Refusal::Failed(why)),
        }
    }

    fn tell(&self, word: Word) {
        self.log.tell(match word {
            Word::Away { why } => Notice::BusAway { why },
            Word::Joined { again } => Notice::BusJoined { again },
            Word::Lost { why } => Notice::BusLost { why },
            Word::NameTaken => Notice::BusNameTaken,
            Word::Unserved { why } => Notice::BusUnserved { why },
        });
    }
}
