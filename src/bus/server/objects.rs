//! The objects: what the agent is doing as paths, interfaces and properties. Pure and total.
//!
//! The texts of `systemd/org.failover1.xml` describe them; a test holds the two together.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::stamps::{Stamps, Taken};
use super::value::Value;
use super::{counters, path};
use crate::agent::snapshot::{ConfigurationStatus, InstanceStatus, Snapshot};
use crate::health::outcome::Finding;
use crate::health::status::CheckStatus;
use crate::net::Family;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The agent.
    Manager,
    /// An instance.
    Instance,
    /// A check.
    Check,
}

impl Kind {
    /// Its interface.
    pub(super) fn interface(self) -> &'static str {
        match self {
            Kind::Manager => "org.failover1.Manager",
            Kind::Instance => "org.failover1.Instance",
            Kind::Check => "org.failover1.Check",
        }
    }
}

/// Properties that change by themselves, with every advert or every run: no signal tells of them, who wants them asks.
pub(super) const QUIET: [&str; 10] = [
    "Changes",
    "Counters",
    "Failures",
    "InARow",
    "LastDurationUSec",
    "LastFinding",
    "LastRunAt",
    "LastText",
    "MasterHeardAt",
    "Runs",
];

/// The properties of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) properties: Vec<(&'static str, Value)>,
}

impl Object {
    /// The value of a property.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.properties.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// All objects, by their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree(pub(super) BTreeMap<String, Object>);

impl Tree {
    /// The objects of a snapshot.
    pub(super) fn new(snapshot: &Snapshot, taken: Taken, stamps: &mut Stamps) -> Self {
        stamps.begin();
        let mut objects = BTreeMap::from([(path::ROOT.to_owned(), manager(snapshot))]);
        for status in &snapshot.instances {
            let path = path::instance(&status.name);
            let mut at = |name, ago| stamps.at(&path, name, ago, taken);
            let object = instance(status, &mut at);
            objects.insert(path, object);
        }
        for status in &snapshot.checks {
            let path = path::check(&status.name);
            let mut at = |name, ago| stamps.at(&path, name, ago, taken);
            let object = check(status, &mut at);
            objects.insert(path, object);
        }
        stamps.end();
        Tree(objects)
    }
}

fn manager(snapshot: &Snapshot) -> Object {
    let none = ConfigurationStatus::default();
    let configuration = snapshot.configuration.as_ref().unwrap_or(&none);
    let (at, result, text) = match &configuration.last_reload {
        None => (0, "", ""),
        Some(last) => {
            (micros(&last.at), if last.applied { "applied" } else { "refused" }, last.text.as_str())
        }
    };
    let properties = vec![
        ("Version", Value::text(&snapshot.version)),
        ("RouterID", Value::text(&snapshot.router_id)),
        ("ConfigFile", Value::text(&configuration.file)),
        ("ConfigDigest", Value::text(&configuration.sha256)),
        ("ConfigLoadedAt", Value::Number(micros(&configuration.loaded_at))),
        ("LastReloadAt", Value::Number(at)),
        ("LastReloadResult", Value::text(result)),
        ("LastReloadText", Value::text(text)),
        ("Drained", Value::texts(snapshot.drained.iter().map(String::as_str))),
        ("Counters", Value::Counters(counters::of_agent(&snapshot.counters))),
    ];
    Object { kind: Kind::Manager, properties }
}

fn instance(status: &InstanceStatus, at: &mut dyn FnMut(&'static str, f64) -> u64) -> Object {
    let master = status.master.as_ref();
    let addresses =
        status.addresses.iter().map(|address| (super::value::clean(&address.address), address.present));
    let checks = status.tracks.iter().map(|track| {
        let effect = super::value::clean(&track.effect);
        (super::value::clean(&track.check), track.verdict.word().to_owned(), effect, track.adds)
    });
    let family = match status.family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    let optional = |text: &Option<String>| Value::text(text.as_deref().unwrap_or_default());
    let properties = vec![
        ("Name", Value::text(&status.name)),
        ("State", Value::text(status.state.word())),
        // By the state: another state is another event, however close.
        ("Since", Value::Number(at(status.state.word(), status.since_seconds))),
        ("Reason", Value::text(&status.reason)),
        ("Interface", Value::text(&status.interface)),
        ("VirtualRouterID", Value::Byte(status.virtual_router_id)),
        ("Family", Value::text(family)),
        ("ProtocolVersion", Value::Byte(status.version)),
        ("Priority", Value::Byte(status.base_priority)),
        ("EffectivePriority", Value::Byte(status.effective_priority)),
        ("AdvertIntervalUSec", Value::Number(status.advert_interval_ms.saturating_mul(1_000))),
        ("PrimaryAddress", optional(&status.primary_address)),
        ("Addresses", Value::Addresses(addresses.collect())),
        (
            "AddressLeaseUSec",
            Value::Number(status.address_lease_seconds.unwrap_or(0).saturating_mul(1_000_000)),
        ),
        ("Checks", Value::Checks(checks.collect())),
        ("WaitingFor", optional(&status.waiting_for)),
        ("Drained", Value::Flag(status.drained)),
        ("HandingOver", Value::Flag(status.handing_over)),
        ("Group", optional(&status.group)),
        ("Master", Value::text(master.map_or("", |master| master.address.as_str()))),
        ("MasterPriority", Value::Byte(master.map_or(0, |master| master.priority))),
        (
            "MasterHeardAt",
            Value::Number(master.map_or(0, |master| at("MasterHeardAt", master.heard_seconds_ago))),
        ),
        ("Counters", Value::Counters(counters::of_instance(&status.counters))),
    ];
    Object { kind: Kind::Instance, properties }
}

fn check(status: &CheckStatus, at: &mut dyn FnMut(&'static str, f64) -> u64) -> Object {
    let last = status.last.as_ref();
    let finding = match last.map(|last| last.finding) {
        None => "",
        Some(Finding::Passed) => "passed",
        Some(Finding::Failed) => "failed",
        Some(Finding::Unknown) => "unknown",
    };
    let took = last.map_or(0.0, |last| last.took_ms / 1_000.0);
    let took = std::time::Duration::try_from_secs_f64(took).unwrap_or_default();
    let properties = vec![
        ("Name", Value::text(&status.name)),
        ("Kind", Value::text(&status.kind)),
        ("Verdict", Value::text(status.verdict.word())),
        ("Since", Value::Number(at(status.verdict.word(), status.since_seconds))),
        ("Fall", Value::Byte(status.fall)),
        ("Rise", Value::Byte(status.rise)),
        ("Held", Value::Flag(status.held_seconds.is_some())),
        ("LastFinding", Value::text(finding)),
        ("LastText", Value::text(last.map_or("", |last| last.text.as_str()))),
        ("LastRunAt", Value::Number(last.map_or(0, |last| at("LastRunAt", last.seconds_ago)))),
        ("LastDurationUSec", Value::Number(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))),
        ("InARow", Value::Count(status.in_a_row)),
        ("Runs", Value::Number(status.runs)),
        ("Failures", Value::Number(status.failures)),
        ("Changes", Value::Number(status.changes)),
    ];
    Object { kind: Kind::Check, properties }
}

/// Microseconds since 1970 of a time as RFC 3339 has it; 0 for what is none.
fn micros(text: &str) -> u64 {
    let time = text.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    u64::try_from(time.as_microsecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
