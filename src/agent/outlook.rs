//! What another configuration would do to this agent as it now is: the plan between the two, and for each instance what
//! becomes of its state. Changes nothing.
//!
//! `failover plan` shows it, and a reload answers with it: it is made of the same [`plan`] that the agent applies.

mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Agent;
use super::configure::virtual_addresses;
use super::instance::Instance;
use super::readiness::{NotReady, first_unready};
use super::report::Reconfigured;
use super::snapshot::VrState;
use crate::config::Config;
use crate::config::model::{AgentConfig, InstanceConfig};
use crate::config::plan::{self, Change, KeyChange};
use crate::vrrp::fields::Claim;

pub use words::{Marks, Plain};

/// What a configuration would do. Keys of the JSON form are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// In a few words: "1 changed, 3 kept".
    pub summary: String,
    /// Keys of `[agent]` that are set to something else.
    pub agent: Vec<KeyChange>,
    /// Every instance of the two configurations, by name.
    pub instances: Vec<InstanceOutlook>,
    /// Every check of the two, by name.
    #[serde(default)]
    pub checks: Vec<OtherOutlook>,
    /// Every group of the two, by name.
    #[serde(default)]
    pub groups: Vec<OtherOutlook>,
}

/// What becomes of a check or a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherOutlook {
    /// Its name.
    pub name: String,
    /// `kept`, `changed`, `added` or `removed`.
    pub action: String,
    /// The keys that are set to something else.
    pub changes: Vec<KeyChange>,
}

/// What becomes of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceOutlook {
    /// Its name.
    pub name: String,
    /// `kept`, `changed`, `restarted`, `added` or `removed`.
    pub action: String,
    /// Its state now; none for one that is new.
    pub state: Option<VrState>,
    /// The keys that are set to something else.
    pub changes: Vec<KeyChange>,
    /// What that does, in words; empty when nothing.
    pub effect: String,
    /// Whether a MASTER gives up its addresses by it.
    pub resigns: bool,
}

impl Outlook {
    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let kept = |action: &str| action == Change::Kept.word();
        let mut others = self.checks.iter().chain(&self.groups);
        self.agent.is_empty()
            && self.instances.iter().all(|instance| kept(&instance.action))
            && others.all(|other| kept(&other.action))
    }
}

impl Agent {
    /// What taking `config` would do now.
    #[must_use]
    pub fn outlook(&self, config: &Config) -> Outlook {
        let mut counts = Reconfigured::default();
        let mut instances = Vec::new();
        let ready = self.ready(config);
        for (name, change) in plan::instances(&self.running(), &config.instances) {
            counts.count(&change);
            let instance = self.by_name.get(name).and_then(|number| self.instances.get(*number));
            let (effect, resigns) = {
                let wanted = config.instances.get(name);
                effect(instance, wanted, &change, ready.get(name).unwrap_or(&Ok(())))
            };
            instances.push(InstanceOutlook {
                name: name.to_owned(),
                action: change.word().to_owned(),
                state: instance.map(|instance| instance.state),
                changes: change.keys().to_vec(),
                effect,
                resigns,
            });
        }
        let checks = plan::checks(&self.watched.checks, &config.checks);
        let groups = plan::groups(&self.group_configs, &config.groups);
        let summary = format!("{counts}{}{}", counted("checks", &checks), counted("groups", &groups));
        Outlook {
            summary,
            agent: self.agent_changes(config),
            instances,
            checks: others(checks),
            groups: others(groups),
        }
    }

    fn agent_changes(&self, config: &Config) -> Vec<KeyChange> {
        let AgentConfig { router_id, script_user } = &config.agent;
        let mut changes = Vec::new();
        let mut compare = |key: &str, old: &str, new: &str| {
            if old != new {
                changes.push(KeyChange { key: key.to_owned(), change: format!("{old} → {new}") });
            }
        };
        if let Some(router_id) = router_id {
            compare("router_id", &self.router_id, router_id);
        }
        compare("script_user", self.watched.script_user.as_str(), script_user.as_str());
        changes
    }

    /// Which of the wanted instances could take part at once, and why the others could not.
    fn ready<'c>(&self, config: &'c Config) -> BTreeMap<&'c str, Result<(), NotReady>> {
        let virtual_addresses = virtual_addresses(config.instances.values());
        let ready = |(name, wanted): (&'c String, &InstanceConfig)| {
            let instance = self.by_name.get(name).and_then(|number| self.instances.get(*number));
            // What was refused may not be wanted any more.
            let same = instance.filter(|instance| instance.config == *wanted);
            let held_off = same.and_then(|instance| instance.hold_off.as_ref()).map(|(_, reason)| reason);
            let lent = same.and_then(Instance::lent_source);
            let place = self.readiness(wanted, (held_off, lent), &virtual_addresses).map(drop);
            let fit = self.unfit(wanted).map_or(Ok(()), |reason| Err((VrState::Fault, reason)));
            (name.as_str(), place.and(fit))
        };
        let mut all: BTreeMap<&str, Result<(), NotReady>> = config.instances.iter().map(ready).collect();
        for group in config.groups.values() {
            let member = |name: &'c String| Some((name.as_str(), all.get(name.as_str())?.clone()));
            let members: Vec<(&str, Result<(), NotReady>)> =
                group.members.iter().filter_map(member).collect();
            if let Some(because) = first_unready(&members, VrState::Fault, |name| name) {
                for (name, _) in members.iter().filter(|(_, ready)| ready.is_ok()) {
                    all.insert(name, Err(because.clone()));
                }
            }
        }
        all
    }
}

/// What a change does to an instance, in words, and whether a MASTER resigns by it.
fn effect(
    instance: Option<&Instance>,
    wanted: Option<&InstanceConfig>,
    change: &Change,
    ready: &Result<(), NotReady>,
) -> (String, bool) {
    let Some(instance) = instance else { return ("starts".to_owned(), false) };
    let master = instance.is_master();
    let running = matches!(instance.state, VrState::Master | VrState::Backup);
    match (change, wanted) {
        (Change::Restarted(_), _) if master => {
            ("resigns and starts anew as BACKUP: another router takes over".to_owned(), true)
        }
        (Change::Restarted(_), _) => ("starts anew".to_owned(), false),
        (Change::Removed, _) if master => {
            ("resigns and gives up its addresses: another router takes over".to_owned(), true)
        }
        (Change::Removed, _) => ("stops".to_owned(), false),
        (Change::Changed(_), Some(wanted)) => match ready {
            Err((state, reason)) if master => (format!("resigns, and is {state}: {reason}"), true),
            Err((state, reason)) => (format!("is {state}: {reason}"), false),
            Ok(()) => (stays(instance, wanted), false),
        },
        // It stays the same, but what is virtual beside it, and its group, need not.
        (Change::Kept, Some(wanted)) => match ready {
            Err((state, reason)) if master => (format!("resigns, and is {state}: {reason}"), true),
            Err((state, reason)) if running => (format!("is {state}: {reason}"), false),
            Ok(()) if !running => (stays(instance, wanted), false),
            Ok(()) | Err(_) => (String::new(), false),
        },
        (Change::Kept | Change::Added | Change::Changed(_), _) => (String::new(), false),
    }
}

/// How many of these change, and how; nothing where all are kept.
fn counted(what: &str, changes: &BTreeMap<&str, Change>) -> String {
    let mut counts = Reconfigured::default();
    for change in changes.values() {
        counts.count(change);
    }
    let all_kept = counts.kept == changes.len();
    if all_kept { String::new() } else { format!("; {what}: {counts}") }
}

fn others(changes: BTreeMap<&str, Change>) -> Vec<OtherOutlook> {
    let other = |(name, change): (&str, Change)| OtherOutlook {
        name: name.to_owned(),
        action: change.word().to_owned(),
        changes: change.keys().to_vec(),
    };
    changes.into_iter().map(other).collect()
}

/// What an instance that goes on does with its new priority.
fn stays(instance: &Instance, wanted: &InstanceConfig) -> String {
    let (old, new) = (instance.config.priority, wanted.priority);
    let other = instance.heard.map(|(_, heard)| (heard.source, heard.claim));
    match (instance.state, other) {
        (VrState::Master, _) if new < old => {
            format!("stays MASTER, unless another router has a priority above {new}")
        }
        (VrState::Master, _) => "stays MASTER".to_owned(),
        (VrState::Backup, Some((master, Claim::Hold(theirs)))) if wanted.preempt && new > theirs => {
            format!("takes over from {master}, which has priority {theirs}")
        }
        (VrState::Init | VrState::Fault, _) => "takes part again".to_owned(),
        (state, _) => format!("stays {state}"),
    }
}
