//! Reports of what is done on purpose: hand-over, drain, standing aside.

use std::time::Duration;

use super::{Severity, Subject};
use crate::config::plan::KeyChange;

/// Something that an administrator or the host asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// A MASTER has resigned and holds its addresses until somebody else has them.
    HandingOver {
        /// Which.
        subject: Subject,
        /// The longest that it does.
        limit: Duration,
    },
    /// Nobody took over from it: it is MASTER as before.
    NotTaken {
        /// Which.
        subject: Subject,
    },
    /// An instance is not to hold its addresses until it is told otherwise.
    Drained {
        /// Which.
        subject: Subject,
    },
    /// It competes again.
    Undrained {
        /// Which.
        subject: Subject,
    },
    /// It goes on with another configuration.
    Changed {
        /// Which.
        subject: Subject,
        /// What is different.
        keys: Vec<KeyChange>,
    },
    /// The host is about to shut down or to sleep, or has woken up again.
    Aside(bool),
}

impl Planned {
    pub(super) fn severity(&self) -> Severity {
        match self {
            Planned::HandingOver { .. } | Planned::Undrained { .. } | Planned::Aside(_) => Severity::Notice,
            Planned::Changed { .. } => Severity::Info,
            Planned::Drained { .. } | Planned::NotTaken { .. } => Severity::Warning,
        }
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        match self {
            Planned::HandingOver { subject, .. }
            | Planned::NotTaken { subject }
            | Planned::Drained { subject }
            | Planned::Undrained { subject }
            | Planned::Changed { subject, .. } => Some(subject),
            Planned::Aside(_) => None,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Planned::HandingOver { limit, .. } => format!(
                "resigned; holds its addresses until another router has them, at most {:.3} s",
                limit.as_secs_f64()
            ),
            Planned::Drained { .. } => {
                "drained: hands over and does not compete, also after a restart, until `failover undrain`"
                    .to_owned()
            }
            Planned::NotTaken { .. } => {
                "nobody took over: goes on as MASTER, and is not drained; does another router run? \
                 `failover drain --force` drains all the same"
                    .to_owned()
            }
            Planned::Undrained { .. } => "competes again: no longer drained".to_owned(),
            Planned::Changed { keys, .. } => {
                let words: Vec<String> =
                    keys.iter().map(|KeyChange { key, change }| format!("{key}: {change}")).collect();
                format!("goes on with another configuration: {}", words.join("; "))
            }
            Planned::Aside(true) => {
                "this host is about to shut down or to sleep: handing over, and not competing".to_owned()
            }
            Planned::Aside(false) => "this host goes on: competing again".to_owned(),
        }
    }

    pub(super) fn message_id(&self) -> &'static str {
        match self {
            Planned::HandingOver { .. } => "5c2f7be1a4d04f6c8d19e3b07a62c4d8",
            Planned::Drained { .. } => "e90b3d6f1c7a4825b4f6a0d2c8e5719b",
            Planned::NotTaken { .. } => "8d0f6a37c5b24e19a7d3f1b09c4e6258",
            Planned::Undrained { .. } => "2a7d51c8e06f43b9a1c4f8e7d3b09652",
            Planned::Changed { .. } => "b7b1200cf8514860aeb7301aa7a430ae",
            Planned::Aside(_) => "b6e4f09a2d7c4c18935be1f0a7d86c23",
        }
    }
}
