//! The agent's objects on D-Bus: on the system bus, where polkit says who may have something done, and peer to peer on a
//! socket whose permissions say it.
//!
//! Owns: the objects as they were last told of, connections and their bounds, the name on the bus. Never: decides
//! anything about the agent, keeps the engine waiting, or keeps more for a client than the bounds here allow: who does
//! not read is let go of, and what changed meanwhile is told at once and as it is by then. A lost bus is joined again;
//! a call that cannot be answered is an error of D-Bus for the caller.

mod calls;
mod changes;
mod counters;
mod describe;
mod handshake;
mod join;
mod news;
mod objects;
mod path;
mod peers;
mod permission;
mod places;
mod serve;
mod stamps;
mod standard;
mod stream;
mod value;
mod view;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::agent::snapshot::Snapshot;

pub use changes::Changes;
use view::View;

/// Our name on the bus.
const NAME: &str = "org.failover1";
/// Things that are done at once; more wait for their turn.
pub const ACTIONS: usize = 3;

/// What a caller can have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the configuration again and take it.
    Reload,
    /// Tell what a reload would do.
    Plan {
        /// Another file than the agent's own, as an absolute path.
        file: Option<PathBuf>,
    },
    /// Have instances hand over and not compete.
    Drain {
        /// Which, by name; all when there are none.
        names: Vec<String>,
        /// Also where nobody takes over.
        force: bool,
    },
    /// Have instances compete again.
    Undrain {
        /// Which, by name; all when there are none.
        names: Vec<String>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// What changes, as `failover plan` has it, and diagnostics that are no errors.
    Said {
        /// The changes.
        text: String,
        /// The diagnostics.
        warnings: String,
    },
    /// These hand over.
    Drained {
        /// Their names.
        names: Vec<String>,
        /// The longest that handing over takes.
        limit: Duration,
    },
    /// These compete again.
    Undrained {
        /// Their names.
        names: Vec<String>,
    },
}

/// Why nothing came of it, in the words of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The configuration is not legal.
    Invalid(String),
    /// It would do harm, or makes no sense.
    Refused(String),
    /// Something else is in the way.
    Failed(String),
}

/// What is to be told about the objects and who asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// There is no system bus to be on.
    Away {
        /// Why.
        why: String,
    },
    /// The objects are on the system bus.
    Joined {
        /// They were before, or could not be.
        again: bool,
    },
    /// The system bus was lost.
    Lost {
        /// Why.
        why: String,
    },
    /// Another program has our name; it is waited for.
    NameTaken,
    /// Somebody, or nobody, is served.
    Unserved {
        /// Who, and why.
        why: String,
    },
}

/// Who knows the agent. Its methods block for as long as the answer takes, and are called on threads for that.
pub trait Agent: Send + Sync + 'static {
    /// What the agent is doing; none when it does not answer.
    fn snapshot(&self) -> Option<Snapshot>;
    /// Has something done.
    fn act(&self, action: Action) -> Result<Done, Refusal>;
    /// Is told something for the log. Does not block.
    fn tell(&self, word: Word);
}

/// What all connections share.
struct Hub {
    agent: Arc<dyn Agent>,
    view: View,
    /// Turns for what is done.
    turns: Arc<Semaphore>,
    /// This host's number (`machine-id(5)`), or empty.
    machine: String,
}

/// Serves the objects for good: to who connects to `peers`, and on the bus at `address`, unless that is empty. Belongs on
/// a runtime of its own with [`ACTIONS`] + 1 threads for what blocks.
pub async fn run(agent: Arc<dyn Agent>, changes: Arc<Changes>, peers: UnixListener, address: &str) {
    let machine = tokio::fs::read_to_string("/etc/machine-id").await.unwrap_or_default();
    let hub = Arc::new(Hub {
        view: View::new(changes),
        turns: Arc::new(Semaphore::new(ACTIONS)),
        machine: machine.trim().to_owned(),
        agent,
    });
    tokio::join!(hub.view.keep(&hub.agent), peers::accept(&hub, peers), join::keep(&hub, address));
}
