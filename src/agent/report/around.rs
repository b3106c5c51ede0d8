//! Reports of what happens around instances: verdicts of checks, priorities that follow them, groups, commands and units.

use std::sync::Arc;
use std::time::Duration;

use super::{Severity, Subject};
use crate::agent::message::Whose;
use crate::agent::snapshot::VrState;
use crate::health::standing::Verdict;
use crate::vrrp::fields::Priority;

/// Something about checks, groups or hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Around {
    /// A check says something else.
    Verdict {
        /// Which.
        check: Arc<str>,
        /// What it says.
        verdict: Verdict,
        /// Why.
        text: String,
        /// It changed too often and is held failing for so long.
        held: Option<Duration>,
        /// The instances that listen to it.
        instances: Vec<Arc<str>>,
    },
    /// The priority of an instance follows its checks.
    Priority {
        /// Which.
        subject: Subject,
        /// Before.
        from: Priority,
        /// Now.
        to: Priority,
        /// The arithmetic, in words.
        because: String,
    },
    /// A BACKUP would take over by now, but nothing is known of a check.
    Waiting {
        /// Which.
        subject: Subject,
        /// Which check.
        check: String,
    },
    /// A group entered a state.
    Group {
        /// Which.
        name: Arc<str>,
        /// Where from.
        previous: VrState,
        /// Where to.
        state: VrState,
        /// Why.
        reason: String,
    },
    /// A command or a unit of a state.
    Hook {
        /// Whose state.
        whose: Whose,
        /// Its name.
        name: Arc<str>,
        /// Which state; none for a unit, which may be of several.
        state: Option<VrState>,
        /// How much a person should care.
        severity: Severity,
        /// What was done and what came of it.
        text: String,
    },
}

impl Around {
    pub(super) fn severity(&self) -> Severity {
        match self {
            Around::Verdict { held: Some(_), .. } => Severity::Warning,
            Around::Verdict { verdict: Verdict::Passing, .. } => Severity::Notice,
            Around::Verdict { .. } | Around::Waiting { .. } => Severity::Warning,
            Around::Priority { .. } => Severity::Notice,
            Around::Group { state: VrState::Fault, .. } => Severity::Error,
            Around::Group { .. } => Severity::Notice,
            Around::Hook { severity, .. } => *severity,
        }
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        match self {
            Around::Priority { subject, .. } | Around::Waiting { subject, .. } => Some(subject),
            Around::Verdict { .. } | Around::Group { .. } | Around::Hook { .. } => None,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Around::Verdict { check, verdict, text, held: None, .. } => {
                format!("check {check} is {verdict}: {text}")
            }
            Around::Verdict { check, text, held: Some(held), .. } => format!(
                "check {check} changes too often and is held failing for {} s (last: {text})",
                held.as_secs_f64()
            ),
            Around::Priority { from, to, because, .. } => format!("priority {from} → {to}: {because}"),
            Around::Waiting { check, .. } => format!(
                "would take over by now, but waits: nothing is known of check {check} yet (see failover status)"
            ),
            Around::Group { name, state, reason, .. } => {
                format!("Group ({name}) Entering {state} state: {reason}")
            }
            Around::Hook { whose: Whose::Instance, name, text, .. } => format!("({name}) {text}"),
            Around::Hook { whose: Whose::Group, name, text, .. } => format!("Group ({name}) {text}"),
        }
    }

    pub(super) fn message_id(&self) -> &'static str {
        match self {
            Around::Verdict { held: Some(_), .. } => "3fd0a6c1b97e48d2865a17e0c4b92f65",
            Around::Verdict { verdict: Verdict::Passing, .. } => "c81e6b20d5f74a3f9e4407a9b2d15c76",
            Around::Verdict { verdict: Verdict::Failing, .. } => "e5790d3ca8124b6fb0c6f4827d91ea87",
            Around::Verdict { verdict: Verdict::Unknown, .. } => "186f4e9b7cd2403ab5e83a1d60f7c298",
            Around::Priority { .. } => "7ab25c0e94f14dd3a6f1c8b3e5702da9",
            Around::Waiting { .. } => "d03c91f7e6a54b088f2be4d5c1a973ba",
            Around::Group { .. } => "62e8b7a40f9d4c53917d0ac6e3f4b5cb",
            Around::Hook { .. } => "fa47d1c80b6e4295ac3e9857b20df6dc",
        }
    }

    pub(super) fn fields(&self, fields: &mut Vec<(&'static str, String)>) {
        match self {
            Around::Verdict { check, text, .. } => {
                fields.extend([("FAILOVER_CHECK", check.to_string()), ("FAILOVER_REASON", text.clone())]);
            }
            Around::Priority { to, because, .. } => {
                fields.extend([("FAILOVER_PRIORITY", to.to_string()), ("FAILOVER_REASON", because.clone())]);
            }
            Around::Waiting { check, .. } => fields.push(("FAILOVER_CHECK", check.clone())),
            Around::Group { name, previous, state, reason } => fields.extend([
                ("FAILOVER_GROUP", name.to_string()),
                ("FAILOVER_STATE", state.to_string()),
                ("FAILOVER_PREVIOUS_STATE", previous.to_string()),
                ("FAILOVER_REASON", reason.clone()),
            ]),
            Around::Hook { whose, name, state, .. } => {
                let key = match whose {
                    Whose::Instance => "FAILOVER_INSTANCE",
                    Whose::Group => "FAILOVER_GROUP",
                };
                fields.push((key, name.to_string()));
                fields.extend(state.map(|state| ("FAILOVER_STATE", state.to_string())));
            }
        }
    }
}
