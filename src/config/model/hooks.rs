//! What happens around an instance or a group: the checks that it listens to, the commands and units of its states.

use std::fmt;
use std::num::NonZeroI16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a check does to an instance that tracks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// Failing puts the instance in FAULT.
    Fault,
    /// A weight, see [`Weight`].
    Weight(Weight),
    /// While the file passes, the number in it is added to the priority; only of a
    /// [`FileWant::Weight`](super::FileWant::Weight).
    FileWeight,
}

/// What is added to the priority: a negative one while the check fails, a positive one while it passes. -253 to 253.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(NonZeroI16);

impl Weight {
    /// The most that can be added or taken away: from 254 to 1.
    pub const MOST: i16 = 253;

    /// `number` as a weight; `None` for 0 and beyond [`Weight::MOST`].
    #[must_use]
    pub fn new(number: i16) -> Option<Self> {
        let fits = (-Self::MOST..=Self::MOST).contains(&number);
        NonZeroI16::new(number).filter(|_| fits).map(Weight)
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i16 {
        self.0.get()
    }
}

/// A program and its arguments; never run through a shell.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Absolute.
    pub program: PathBuf,
    /// What follows it; no zero bytes.
    pub arguments: Vec<String>,
}

impl fmt::Debug for Command {
    /// The program alone: an argument may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:?} and {} arguments)", self.program, self.arguments.len())
    }
}

/// `notify` and `units`: few instances have them, so they stand apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hooks {
    /// Commands.
    pub notify: Notify,
    /// Units.
    pub units: Units,
}

impl Hooks {
    /// The two, if there is anything in them.
    #[must_use]
    pub fn new(notify: Notify, units: Units) -> Option<Arc<Self>> {
        let nothing = notify.is_empty() && units.is_empty();
        (!nothing).then(|| Arc::new(Hooks { notify, units }))
    }
}

/// `notify`: what is run on entering a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// On becoming MASTER.
    pub master: Option<Command>,
    /// On becoming BACKUP.
    pub backup: Option<Command>,
    /// On entering FAULT.
    pub fault: Option<Command>,
    /// When the agent stops.
    pub stop: Option<Command>,
    /// After that, on each of these occasions.
    pub any: Option<Command>,
    /// How long each may run, 1 s to 10 min.
    pub timeout: Duration,
}

impl Notify {
    /// How long a command may run where nothing is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// Whether there is nothing to run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.master, &self.backup, &self.fault, &self.stop, &self.any].into_iter().all(Option::is_none)
    }
}

impl Default for Notify {
    fn default() -> Self {
        let timeout = Self::DEFAULT_TIMEOUT;
        Notify { master: None, backup: None, fault: None, stop: None, any: None, timeout }
    }
}

/// `units`: what runs while in a state. A unit of two states goes on running from one to the other.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Units {
    /// While MASTER; each unit once.
    pub master: Vec<UnitName>,
    /// While BACKUP; each unit once.
    pub backup: Vec<UnitName>,
    /// While in FAULT; each unit once.
    pub fault: Vec<UnitName>,
}

impl Units {
    /// Whether there is nothing to start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.master.is_empty() && self.backup.is_empty() && self.fault.is_empty()
    }
}

/// The name of a unit of systemd with its suffix; no template without an instance, 3–255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitName(pub(in crate::config) String);

impl UnitName {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the last dot: the type.
    #[must_use]
    pub fn suffix(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a user of this host, 1–32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(pub String);

impl UserName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// Who runs scripts where nothing is said.
    pub const SCRIPTS: &str = "failover-script";
}

impl Default for UserName {
    fn default() -> Self {
        UserName(Self::SCRIPTS.to_owned())
    }
}

/// `[group.NAME]`: instances that move together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Names of instances, in configured order; at least one, each in no other group.
    pub members: Vec<String>,
    /// Commands and units of its states.
    pub hooks: Option<Arc<Hooks>>,
}
