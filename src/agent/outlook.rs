//! What another configuration would do to this agent as it now is: the plan between the two, and for each instance what
//! becomes of its state. Changes nothing.
//!
//! `failover plan` shows it, and a reload answers with it: it is made of the same [`plan`] that the agent applies.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Agent;
use super::configure::virtual_addresses;
use super::instance::Instance;
use super::report::Reconfigured;
use super::snapshot::VrState;
use crate::config::Config;
use crate::config::model::InstanceConfig;
use crate::config::plan::{self, Change, KeyChange};
use crate::vrrp::fields::Claim;

/// What a configuration would do. Keys of the JSON form are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// In a few words: "1 changed, 3 kept".
    pub summary: String,
    /// Keys of `[agent]` that are set to something else.
    pub agent: Vec<KeyChange>,
    /// Every instance of the two configurations, by name.
    pub instances: Vec<InstanceOutlook>,
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
        self.agent.is_empty() && self.instances.iter().all(|instance| instance.action == Change::Kept.word())
    }
}

impl Agent {
    /// What taking `config` would do now.
    #[must_use]
    pub fn outlook(&self, config: &Config) -> Outlook {
        let mut counts = Reconfigured::default();
        let mut instances = Vec::new();
        let virtual_addresses = virtual_addresses(config.instances.values());
        for (name, change) in plan::instances(&self.running(), &config.instances) {
            counts.count(&change);
            let instance = self.by_name.get(name).and_then(|number| self.instances.get(*number));
            let (effect, resigns) = {
                let wanted = config.instances.get(name);
                self.effect(instance, wanted, &change, &virtual_addresses)
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
        let agent = match &config.agent.router_id {
            Some(router_id) if *router_id != self.router_id => {
                vec![KeyChange {
                    key: "router_id".to_owned(),
                    change: format!("{} → {router_id}", self.router_id),
                }]
            }
            Some(_) | None => Vec::new(),
        };
        Outlook { summary: counts.to_string(), agent, instances }
    }

    /// What a change does to an instance, in words, and whether a MASTER resigns by it.
    fn effect(
        &self,
        instance: Option<&Instance>,
        wanted: Option<&InstanceConfig>,
        change: &Change,
        virtual_addresses: &BTreeSet<IpAddr>,
    ) -> (String, bool) {
        let Some(instance) = instance else { return ("starts".to_owned(), false) };
        let master = instance.is_master();
        match (change, wanted) {
            (Change::Restarted(_), _) if master => {
                ("resigns and starts anew as BACKUP: another router takes over".to_owned(), true)
            }
            (Change::Restarted(_), _) => ("starts anew".to_owned(), false),
            (Change::Removed, _) if master => {
                ("resigns and gives up its addresses: another router takes over".to_owned(), true)
            }
            (Change::Removed, _) => ("stops".to_owned(), false),
            (Change::Changed(_), Some(wanted)) => match self.readiness(wanted, None, virtual_addresses) {
                Err((state, reason)) if master => (format!("resigns, and is {state}: {reason}"), true),
                Err((state, reason)) => (format!("is {state}: {reason}"), false),
                Ok(_) => (stays(instance, wanted), false),
            },
            // It stays the same, but what is virtual beside it need not.
            (Change::Kept, Some(wanted)) => {
                let held_off = instance.hold_off.as_ref().map(|(_, reason)| reason);
                let running = matches!(instance.state, VrState::Master | VrState::Backup);
                match self.readiness(wanted, held_off, virtual_addresses) {
                    Err((state, reason)) if master => (format!("resigns, and is {state}: {reason}"), true),
                    Err((state, reason)) if running => (format!("is {state}: {reason}"), false),
                    Ok(_) if !running => (stays(instance, wanted), false),
                    Ok(_) | Err(_) => (String::new(), false),
                }
            }
            (Change::Kept | Change::Added | Change::Changed(_), _) => (String::new(), false),
        }
    }
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
