//! Every fact worth telling a person, as one enum: its text, severity and journal fields stand side by side.
//!
//! Logs, metrics and signals are renderings of these values; nobody else writes texts about the agent. A text says what
//! happened, why, and where it helps what to do.

mod around;
mod journal;
mod planned;
mod text;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use around::Around;
pub use journal::FIELDS;
pub use planned::Planned;

use super::snapshot::VrState;
use super::trouble::Trouble;
use crate::config::plan::Change;
use crate::net::{Family, LinkName, Prefix};
use crate::vrrp::fields::{ChecksumForm, Priority, Vrid};

/// How much a person should care; the numbers are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 3: something is broken that the agent cannot mend.
    Error,
    /// 4: somebody should look.
    Warning,
    /// 5: normal but significant, such as a takeover.
    Notice,
    /// 6: for the record.
    Info,
    /// 7: for debugging.
    Debug,
}

impl Severity {
    /// The number of syslog.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Severity::Error => 3,
            Severity::Warning => 4,
            Severity::Notice => 5,
            Severity::Info => 6,
            Severity::Debug => 7,
        }
    }
}

/// The instance that a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its interface as configured.
    pub interface: LinkName,
    /// Its identifier.
    pub vrid: Vrid,
    /// The group that it moves with.
    pub group: Option<Arc<str>>,
}

/// How many instances a configuration touched, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// Not touched.
    pub kept: usize,
    /// Changed while they went on.
    pub changed: usize,
    /// Stopped and started anew.
    pub restarted: usize,
    /// New.
    pub added: usize,
    /// Gone.
    pub removed: usize,
}

impl Reconfigured {
    /// One more.
    pub fn count(&mut self, change: &Change) {
        *match change {
            Change::Kept => &mut self.kept,
            Change::Changed(_) => &mut self.changed,
            Change::Restarted(_) => &mut self.restarted,
            Change::Added => &mut self.added,
            Change::Removed => &mut self.removed,
        } += 1;
    }
}

impl fmt::Display for Reconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reconfigured { kept, changed, restarted, added, removed } = *self;
        let parts = [
            (changed, "changed"),
            (restarted, "restarted"),
            (added, "added"),
            (removed, "removed"),
            (kept, "kept"),
        ];
        let words: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        f.write_str(&if words.is_empty() { "no instances".to_owned() } else { words.join(", ") })
    }
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// An instance changed its state.
    Transition {
        /// Which.
        subject: Subject,
        /// Where from.
        previous: VrState,
        /// Where to.
        state: VrState,
        /// Its priority.
        priority: Priority,
        /// Why, in words.
        reason: String,
    },
    /// A BACKUP hears a master that it did not hear before.
    NewMaster {
        /// Which.
        subject: Subject,
        /// The master's address.
        peer: IpAddr,
        /// The master's priority.
        priority: Priority,
        /// How many others were heard before it that were not told of.
        before: u64,
    },
    /// A MASTER heard somebody else claim the addresses, and keeps them.
    Contested {
        /// Which.
        subject: Subject,
        /// Who.
        peer: IpAddr,
        /// With what priority.
        priority: Priority,
        /// How often since the agent started.
        count: u64,
    },
    /// Something is wrong with what a peer sends.
    Trouble {
        /// Which.
        subject: Subject,
        /// Whose message.
        peer: IpAddr,
        /// What.
        trouble: Trouble,
        /// How often since the agent started.
        count: u64,
    },
    /// The checksum form that this instance sends follows its peers.
    ChecksumForm {
        /// Which.
        subject: Subject,
        /// Whose form.
        peer: IpAddr,
        /// The form sent from now on.
        form: ChecksumForm,
    },
    /// An address of a MASTER was removed by somebody, and is put back.
    AddressRestored {
        /// Which.
        subject: Subject,
        /// The address.
        address: Prefix,
    },
    /// The address that the adverts of a MASTER come from is gone; it goes on without for a moment.
    SourceGone {
        /// Which.
        subject: Subject,
        /// The address.
        address: IpAddr,
        /// How long it waits for that address, or another one, before it is in FAULT.
        patience: Duration,
    },
    /// The kernel refused to add an address.
    AddressRefused {
        /// Which.
        subject: Subject,
        /// The address.
        address: Prefix,
        /// The kernel's word.
        text: String,
        /// How many times it has now been tried.
        attempts: u8,
        /// Whether it is tried again before giving up.
        again: bool,
    },
    /// The lease of an address of a MASTER could not be renewed.
    LeaseNotRenewed {
        /// Which.
        subject: Subject,
        /// The address.
        address: Prefix,
        /// The kernel's word.
        text: String,
        /// How long the kernel keeps it from now on; `None` where that is not known.
        left: Option<Duration>,
        /// It has failed before, and now the end of the lease is near.
        again: bool,
    },
    /// The kernel refused to remove an address.
    AddressStuck {
        /// The instances that have it.
        instances: Vec<Arc<str>>,
        /// The address.
        address: Prefix,
        /// Where.
        interface: String,
        /// The kernel's word.
        text: String,
    },
    /// An address that a dead agent left behind is taken away.
    LeftoverRemoved {
        /// The instances that have it.
        instances: Vec<Arc<str>>,
        /// The address.
        address: Prefix,
        /// Where.
        interface: String,
    },
    /// A virtual address is on an interface, put there by somebody else.
    ForeignAddress {
        /// Which.
        subject: Subject,
        /// The address.
        address: Prefix,
    },
    /// An instance of priority 255 adds an address that it should own already.
    NotOwner {
        /// Which.
        subject: Subject,
        /// The address.
        address: Prefix,
    },
    /// A VRRP socket could not be opened.
    SocketRefused {
        /// The instances that need it.
        instances: Vec<Arc<str>>,
        /// On which interface.
        interface: String,
        /// For which family.
        family: Family,
        /// The kernel's word.
        text: String,
    },
    /// Adverts cannot be sent.
    SendFailed {
        /// The instances that send there.
        instances: Vec<Arc<str>>,
        /// On which interface.
        interface: String,
        /// For which family.
        family: Family,
        /// The kernel's word.
        text: String,
        /// How often since the agent started.
        count: u64,
    },
    /// Kernel events were lost; links and addresses are read afresh.
    EventsMissed {
        /// How often since the agent started.
        count: u64,
    },
    /// The agent took a configuration.
    Configured {
        /// How many instances it has.
        instances: usize,
    },
    /// The agent took another configuration.
    Reconfigured(Reconfigured),
    /// Checks, groups, commands and units.
    Around(Around),
    /// Something that was asked for.
    Planned(Planned),
    /// The agent leaves.
    Stopping,
    /// The agent is done; what it could not take away.
    Stopped {
        /// Addresses that are still there.
        left: usize,
    },
}

impl Report {
    /// How much a person should care.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Report::Transition { state: VrState::Fault, .. } => Severity::Error,
            Report::Transition { .. } => Severity::Notice,
            Report::NewMaster { .. } | Report::Configured { .. } | Report::Stopping => Severity::Info,
            Report::Reconfigured(_) => Severity::Notice,
            Report::Contested { .. }
            | Report::Trouble { .. }
            | Report::SourceGone { .. }
            | Report::LeaseNotRenewed { again: false, .. }
            | Report::LeftoverRemoved { .. }
            | Report::ForeignAddress { .. }
            | Report::NotOwner { .. }
            | Report::SendFailed { .. }
            | Report::EventsMissed { .. } => Severity::Warning,
            Report::ChecksumForm { .. } => Severity::Notice,
            Report::AddressRefused { .. }
            | Report::AddressRestored { .. }
            | Report::LeaseNotRenewed { again: true, .. }
            | Report::AddressStuck { .. }
            | Report::SocketRefused { .. } => Severity::Error,
            Report::Around(around) => around.severity(),
            Report::Planned(planned) => planned.severity(),
            Report::Stopped { left: 0 } => Severity::Info,
            Report::Stopped { .. } => Severity::Error,
        }
    }

    /// The instance that it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Report::Transition { subject, .. }
            | Report::NewMaster { subject, .. }
            | Report::Contested { subject, .. }
            | Report::Trouble { subject, .. }
            | Report::ChecksumForm { subject, .. }
            | Report::AddressRestored { subject, .. }
            | Report::SourceGone { subject, .. }
            | Report::AddressRefused { subject, .. }
            | Report::LeaseNotRenewed { subject, .. }
            | Report::ForeignAddress { subject, .. }
            | Report::NotOwner { subject, .. } => Some(subject),
            Report::Around(around) => around.subject(),
            Report::Planned(planned) => planned.subject(),
            Report::AddressStuck { .. }
            | Report::LeftoverRemoved { .. }
            | Report::SocketRefused { .. }
            | Report::SendFailed { .. }
            | Report::EventsMissed { .. }
            | Report::Configured { .. }
            | Report::Reconfigured(_)
            | Report::Stopping
            | Report::Stopped { .. } => None,
        }
    }

    /// The instances that it concerns, besides the one that it is about.
    #[must_use]
    pub fn concerned(&self) -> &[Arc<str>] {
        match self {
            Report::AddressStuck { instances, .. }
            | Report::LeftoverRemoved { instances, .. }
            | Report::SocketRefused { instances, .. }
            | Report::SendFailed { instances, .. }
            | Report::Around(Around::Verdict { instances, .. }) => instances,
            Report::Transition { .. }
            | Report::NewMaster { .. }
            | Report::Contested { .. }
            | Report::Trouble { .. }
            | Report::ChecksumForm { .. }
            | Report::AddressRestored { .. }
            | Report::SourceGone { .. }
            | Report::AddressRefused { .. }
            | Report::LeaseNotRenewed { .. }
            | Report::ForeignAddress { .. }
            | Report::NotOwner { .. }
            | Report::Around(_)
            | Report::Planned(_)
            | Report::EventsMissed { .. }
            | Report::Configured { .. }
            | Report::Reconfigured(_)
            | Report::Stopping
            | Report::Stopped { .. } => &[],
        }
    }

    /// The text of the log line, `(NAME)` first where it is about an instance.
    #[must_use]
    pub fn message(&self) -> String {
        match self.subject() {
            Some(subject) => format!("({}) {}", subject.name, self.text()),
            None => self.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_reads_as_existing_journal_greps_expect() {
        let subject = Subject {
            name: "web".into(),
            interface: LinkName::new("eth0").unwrap(),
            vrid: Vrid::new(51).unwrap(),
            group: None,
        };
        let report = Report::Transition {
            subject,
            previous: VrState::Backup,
            state: VrState::Master,
            priority: Priority::DEFAULT,
            reason: "10.0.0.2 resigned".to_owned(),
        };
        assert_eq!(report.message(), "(web) Entering MASTER state: 10.0.0.2 resigned");
        assert_eq!(report.severity(), Severity::Notice);
        assert!(report.fields().contains(&("FAILOVER_PREVIOUS_STATE", "BACKUP".to_owned())));
        assert!(report.fields().iter().all(|(name, _)| FIELDS.contains(name)));
    }
}
