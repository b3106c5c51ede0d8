//! Every fact worth telling a person, as one enum: its text, severity and journal fields stand side by side.
//!
//! Logs, metrics and signals are renderings of these values; nobody else writes texts about the agent. A text says what
//! happened, why, and where it helps what to do.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

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

/// The instance that a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its interface as configured.
    pub interface: LinkName,
    /// Its identifier.
    pub vrid: Vrid,
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
    /// The kernel refused to remove an address.
    AddressStuck {
        /// The address.
        address: Prefix,
        /// Where.
        interface: String,
        /// The kernel's word.
        text: String,
    },
    /// An address that a dead agent left behind is taken away.
    LeftoverRemoved {
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
        /// On which interface.
        interface: String,
        /// For which family.
        family: Family,
        /// The kernel's word.
        text: String,
    },
    /// Adverts cannot be sent.
    SendFailed {
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
            | Report::AddressRestored { .. }
            | Report::LeftoverRemoved { .. }
            | Report::ForeignAddress { .. }
            | Report::NotOwner { .. }
            | Report::SendFailed { .. }
            | Report::EventsMissed { .. } => Severity::Warning,
            Report::ChecksumForm { .. } => Severity::Notice,
            Report::AddressRefused { .. } | Report::AddressStuck { .. } | Report::SocketRefused { .. } => {
                Severity::Error
            }
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
            | Report::AddressRefused { subject, .. }
            | Report::ForeignAddress { subject, .. }
            | Report::NotOwner { subject, .. } => Some(subject),
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

    /// The text of the log line, `(NAME)` first where it is about an instance.
    #[must_use]
    pub fn message(&self) -> String {
        match self.subject() {
            Some(subject) => format!("({}) {}", subject.name, self.text()),
            None => self.text(),
        }
    }

    fn text(&self) -> String {
        match self {
            Report::Transition { state, reason, .. } => format!("Entering {state} state: {reason}"),
            Report::NewMaster { peer, priority, .. } => format!("{peer} is MASTER with priority {priority}"),
            Report::Contested { peer, priority, count, .. } => format!(
                "{peer} claims the addresses too, with priority {priority} (advert {count} of this kind): keeping and \
                 announcing them; if this goes on, {peer} does not hear our adverts"
            ),
            Report::Trouble { peer, trouble, count, .. } => format!("{peer}: {trouble} (seen {count}×)"),
            Report::ChecksumForm { peer, form, .. } => {
                format!("sending checksums of form {form} from now on, as {peer} does")
            }
            Report::AddressRestored { address, .. } => {
                format!("{address} was removed by somebody: putting it back")
            }
            Report::AddressRefused { address, text, attempts, again, .. } => {
                let next = if *again { "trying again" } else { "giving up" };
                format!("the kernel refused to add {address} (attempt {attempts}): {text}; {next}")
            }
            Report::AddressStuck { address, interface, text } => {
                format!("the kernel refused to remove {address} from {interface}: {text}")
            }
            Report::LeftoverRemoved { address, interface } => {
                format!("{address} on {interface} was left behind by an agent that died: removing it")
            }
            Report::ForeignAddress { address, .. } => format!(
                "{address} is on the interface, but failover did not put it there: it will not be removed, and two hosts \
                 may answer for it"
            ),
            Report::NotOwner { address, .. } => format!(
                "priority 255 is for the router whose own addresses these are, but {address} is not on the interface: adding \
                 it; unless that is meant, set a priority of 254 at most"
            ),
            Report::SocketRefused { interface, family, text } => {
                format!("no {family} VRRP socket on {interface}: {text}; trying again every 5 s")
            }
            Report::SendFailed { interface, family, text, count } => {
                format!("{family} adverts cannot be sent on {interface}: {text} (seen {count}×)")
            }
            Report::EventsMissed { count } => {
                format!("events of the kernel were lost: reading links and addresses afresh (seen {count}×)")
            }
            Report::Configured { instances: 1 } => "configured with 1 instance".to_owned(),
            Report::Configured { instances } => format!("configured with {instances} instances"),
            Report::Reconfigured(counts) => format!("took another configuration: {counts}"),
            Report::Stopping => "stopping: handing over and taking the addresses away".to_owned(),
            Report::Stopped { left: 0 } => "stopped, no address left behind".to_owned(),
            Report::Stopped { left } => format!(
                "stopped, but {left} addresses could not be taken away in time: see `ip address`, they carry protocol 112"
            ),
        }
    }

    /// Identifies the kind of message in the journal; listed in failover(8).
    #[must_use]
    pub fn message_id(&self) -> &'static str {
        match self {
            Report::Transition { state: VrState::Master, .. } => "4f9d2c61b7e04a5f8d3b1c9ea2760e11",
            Report::Transition { state: VrState::Backup, .. } => "0c1e7a52d98b4f7c9a63e5d80b1f4a22",
            Report::Transition { state: VrState::Fault, .. } => "b83f6d0a1c7e4952a5d4f9e8c3017b33",
            Report::Transition { state: VrState::Init, .. } => "7d25c9e3f0a84b16b9e7d1a46c8f5044",
            Report::NewMaster { .. } => "e16a80b4d3c94f27a8b5c2f7190d6e55",
            Report::Contested { .. } => "5a9c1e7f3d204b68b1f6e0a9d8c37466",
            Report::Trouble { .. } => "c7f40d9e6a1b4382950ed7b3f1a82c77",
            Report::ChecksumForm { .. } => "2b8e5f1c9d7a4063a4c9f0e6b7d31a88",
            Report::AddressRestored { .. } => "91d3a7c0e5f84b29bd60c8a1f2e49b99",
            Report::AddressRefused { .. } => "f60b2d8c4a9e4715833fc1d5e7a90baa",
            Report::AddressStuck { .. } => "3ce7f19a0b5d4c86a72e9d40f8b61cbb",
            Report::LeftoverRemoved { .. } => "a05d8e3b7f1c49629e4b6d2c0f957dcc",
            Report::ForeignAddress { .. } => "68b1f4d09c2e4a75b0d3e7f8a5c16edd",
            Report::NotOwner { .. } => "0b7e61d48f2a4c95b36ad8125c90ef37",
            Report::SocketRefused { .. } => "d94e0a7b2f6c4813ac5f1e9d7b38ffee",
            Report::SendFailed { .. } => "17c6b9f2e8d04a3595ad3c0e4f7b80ff",
            Report::EventsMissed { .. } => "8af30c5d1e9b47629d7e2b6f04c81a10",
            Report::Configured { .. } => "be2d71f9a0c64e38876bd5f3e1490b21",
            Report::Reconfigured(_) => "95c0d7e2a4b84f6189f1e3d2706bc154",
            Report::Stopping => "40e9c8b6d5f74a12b3a1f7d2690ce832",
            Report::Stopped { .. } => "d2f85a1e7b3c49608c4d9e0f6ab17943",
        }
    }

    /// Journal fields, such as `("FAILOVER_INSTANCE", "web")`; names are of [`FIELDS`].
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("MESSAGE_ID", self.message_id().to_owned())];
        if let Some(subject) = self.subject() {
            fields.push(("FAILOVER_INSTANCE", subject.name.to_string()));
            fields.push(("FAILOVER_INTERFACE", subject.interface.to_string()));
            fields.push(("FAILOVER_VRID", subject.vrid.to_string()));
        }
        match self {
            Report::Transition { previous, state, priority, reason, .. } => fields.extend([
                ("FAILOVER_STATE", state.to_string()),
                ("FAILOVER_PREVIOUS_STATE", previous.to_string()),
                ("FAILOVER_PRIORITY", priority.to_string()),
                ("FAILOVER_REASON", reason.clone()),
            ]),
            Report::NewMaster { peer, .. }
            | Report::Contested { peer, .. }
            | Report::Trouble { peer, .. }
            | Report::ChecksumForm { peer, .. } => fields.push(("FAILOVER_PEER", peer.to_string())),
            Report::AddressStuck { interface, .. }
            | Report::LeftoverRemoved { interface, .. }
            | Report::SocketRefused { interface, .. }
            | Report::SendFailed { interface, .. } => {
                fields.push(("FAILOVER_INTERFACE", interface.clone()));
            }
            Report::AddressRestored { .. }
            | Report::AddressRefused { .. }
            | Report::ForeignAddress { .. }
            | Report::NotOwner { .. }
            | Report::EventsMissed { .. }
            | Report::Configured { .. }
            | Report::Reconfigured(_)
            | Report::Stopping
            | Report::Stopped { .. } => {}
        }
        fields
    }
}

/// Every name that [`Report::fields`] may use.
pub const FIELDS: [&str; 9] = [
    "MESSAGE_ID",
    "FAILOVER_INSTANCE",
    "FAILOVER_STATE",
    "FAILOVER_PREVIOUS_STATE",
    "FAILOVER_REASON",
    "FAILOVER_PRIORITY",
    "FAILOVER_INTERFACE",
    "FAILOVER_VRID",
    "FAILOVER_PEER",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_reads_as_existing_journal_greps_expect() {
        let subject = Subject {
            name: "web".into(),
            interface: LinkName::new("eth0").unwrap(),
            vrid: Vrid::new(51).unwrap(),
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
