//! The difference between two configurations: what a reload changes, instance by instance.
//!
//! Owns: which keys can change while an instance goes on, and which make it start anew; the words for each change. `plan`
//! shows what the agent applies, since both come from here. Never: knows the state of an instance. Cannot fail.

mod around;

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use serde::{Deserialize, Serialize};

use super::model::{
    Checksum, Garp, Hooks, InstanceConfig, Notify, Track, Transport, UnitName, Units, VirtualAddress,
};
use super::reader::say;
use crate::net::LinkName;

pub use around::{checks, groups};

/// Most items of a list that a change names.
const NAMED: usize = 8;

/// What becomes of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Kept,
    /// It goes on, with its state, its timers and its socket.
    Changed(Vec<KeyChange>),
    /// It stops and starts anew: it is another virtual router now.
    Restarted(Vec<KeyChange>),
    /// It is new.
    Added,
    /// It stops.
    Removed,
}

impl Change {
    /// One word for it: `kept`, `changed`, `restarted`, `added`, `removed`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Change::Kept => "kept",
            Change::Changed(_) => "changed",
            Change::Restarted(_) => "restarted",
            Change::Added => "added",
            Change::Removed => "removed",
        }
    }

    /// The keys that are set to something else.
    #[must_use]
    pub fn keys(&self) -> &[KeyChange] {
        match self {
            Change::Changed(keys) | Change::Restarted(keys) => keys,
            Change::Kept | Change::Added | Change::Removed => &[],
        }
    }
}

/// A key that is set to something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// As the file calls it.
    pub key: String,
    /// How it changes, in words; no secret is in it.
    pub change: String,
}

impl KeyChange {
    fn new(key: &str, change: String) -> Self {
        KeyChange { key: key.to_owned(), change }
    }
}

/// What becomes of each instance of `old` and `new`, by name.
#[must_use]
pub fn instances<'a>(
    old: &BTreeMap<&'a str, &InstanceConfig>,
    new: &'a BTreeMap<String, InstanceConfig>,
) -> BTreeMap<&'a str, Change> {
    let removed = old.keys().filter(|name| !new.contains_key(**name)).map(|name| (*name, Change::Removed));
    let others = new.iter().map(|(name, new)| {
        let change = old.get(name.as_str()).map_or(Change::Added, |old| instance(old, new));
        (name.as_str(), change)
    });
    removed.chain(others).collect()
}

/// What becomes of an instance that is `old` and shall be `new`.
#[must_use]
pub fn instance(old: &InstanceConfig, new: &InstanceConfig) -> Change {
    if old == new {
        return Change::Kept;
    }
    let keys = keys(old, new);
    let another = old.interface != new.interface
        || old.vrid != new.vrid
        || old.version != new.version
        || old.family != new.family;
    if another { Change::Restarted(keys) } else { Change::Changed(keys) }
}

/// Names every field, so that a new one cannot be forgotten here.
fn keys(old: &InstanceConfig, new: &InstanceConfig) -> Vec<KeyChange> {
    let InstanceConfig {
        interface,
        // Decided by the addresses.
        family: _,
        vrid,
        version,
        priority,
        interval,
        preempt,
        preempt_delay,
        addresses,
        unadvertised,
        transport,
        source_address,
        password,
        checksum,
        garp,
        address_lease,
        track,
        hooks,
    } = new;
    let mut changes = Changes::default();
    changes.value("interface", &old.interface, interface);
    changes.value("virtual_router_id", &old.vrid, vrid);
    changes.value("version", &old.version.number(), &version.number());
    changes.value("priority", &old.priority, priority);
    changes.value("advert_interval", &say(old.interval.duration()), &say(interval.duration()));
    changes.value("preempt", &old.preempt, preempt);
    changes.value("preempt_delay", &say(old.preempt_delay), &say(*preempt_delay));
    changes.list("addresses", &addresses_in_words(old, &old.addresses), &addresses_in_words(new, addresses));
    changes.list(
        "unadvertised_addresses",
        &addresses_in_words(old, &old.unadvertised),
        &addresses_in_words(new, unadvertised),
    );
    changes.list("peers", &peers(&old.transport), &peers(transport));
    let source = |source: &Option<std::net::IpAddr>| {
        source.map_or_else(|| "the interface's".to_owned(), |source| source.to_string())
    };
    changes.value("source_address", &source(&old.source_address), &source(source_address));
    if old.password != *password {
        let words = match (old.password, password) {
            (None, Some(_)) => "set",
            (Some(_), None) => "taken away",
            (_, _) => "another password",
        };
        changes.list.push(KeyChange::new("auth", words.to_owned()));
    }
    changes.value("checksum", &form(old.checksum), &form(*checksum));
    changes.value("garp", &bursts(old.garp), &bursts(*garp));
    changes.value("address_lease", &old.address_lease, address_lease);
    changes.list("track", &tracked(&old.track), &tracked(track));
    changes.hooks(old.hooks.as_deref(), hooks.as_deref());
    changes.list
}

#[derive(Default)]
struct Changes {
    list: Vec<KeyChange>,
}

impl Changes {
    fn value<T: Display + PartialEq>(&mut self, key: &str, old: &T, new: &T) {
        if old != new {
            self.list.push(KeyChange::new(key, format!("{old} → {new}")));
        }
    }

    fn list(&mut self, key: &str, old: &[String], new: &[String]) {
        if old == new {
            return;
        }
        let only = |these: &[String], others: &[String], sign: char| -> Vec<String> {
            let others: std::collections::BTreeSet<&String> = others.iter().collect();
            these.iter().filter(|one| !others.contains(one)).map(|one| format!("{sign}{one}")).collect()
        };
        let mut words = only(new, old, '+');
        words.extend(only(old, new, '-'));
        let left_out = words.len().saturating_sub(NAMED);
        words.truncate(NAMED);
        let mut change = if words.is_empty() { "another order".to_owned() } else { words.join(" ") };
        if left_out > 0 {
            let _ = write!(change, " and {left_out} more");
        }
        self.list.push(KeyChange::new(key, change));
    }

    fn hooks(&mut self, old: Option<&Hooks>, new: Option<&Hooks>) {
        let (none_old, none_new) = (Hooks::default(), Hooks::default());
        let (old, new) = (old.unwrap_or(&none_old), new.unwrap_or(&none_new));
        self.commands(&old.notify, &new.notify);
        self.list("units", &started(&old.units), &started(&new.units));
    }

    /// Commands by their programs: an argument may be a secret.
    fn commands(&mut self, old: &Notify, new: &Notify) {
        let words = |notify: &Notify| {
            let Notify { master, backup, fault, stop, any, timeout } = notify;
            let commands =
                [("master", master), ("backup", backup), ("fault", fault), ("stop", stop), ("any", any)];
            let words = commands.iter().filter_map(|(key, command)| {
                command.as_ref().map(|command| format!("{key} {}", command.program.display()))
            });
            words.chain([format!("timeout {}", say(*timeout))]).collect::<Vec<_>>()
        };
        if old != new && words(old) == words(new) {
            self.list.push(KeyChange::new("notify", "other arguments".to_owned()));
        } else {
            self.list("notify", &words(old), &words(new));
        }
    }
}

fn tracked(track: &BTreeMap<String, Track>) -> Vec<String> {
    let words = |(check, track): (&String, &Track)| match track {
        Track::Fault => format!("{check} fault"),
        Track::Weight(weight) => format!("{check} {}", weight.number()),
        Track::FileWeight => format!("{check} weight"),
    };
    track.iter().map(words).collect()
}

fn started(units: &Units) -> Vec<String> {
    let Units { master, backup, fault } = units;
    let states = [("master", master), ("backup", backup), ("fault", fault)];
    let words = |(state, units): &(&str, &Vec<UnitName>)| {
        let name = |unit: &UnitName| format!("{state} {unit}");
        units.iter().map(name).collect::<Vec<_>>()
    };
    states.iter().flat_map(words).collect()
}

fn addresses_in_words(instance: &InstanceConfig, list: &[VirtualAddress]) -> Vec<String> {
    let words = |address: &VirtualAddress| {
        let VirtualAddress { prefix, interface, label, scope } = address;
        let mut words = prefix.to_string();
        if let Some(interface) = interface.as_ref().filter(|name: &&LinkName| **name != instance.interface) {
            let _ = write!(words, " on {interface}");
        }
        if let Some(label) = label {
            let _ = write!(words, " label {label}");
        }
        if *scope != crate::net::Scope::default() {
            let _ = write!(words, " scope {scope}");
        }
        words
    };
    list.iter().map(words).collect()
}

fn peers(transport: &Transport) -> Vec<String> {
    match transport {
        Transport::Multicast => vec!["multicast".to_owned()],
        Transport::Unicast(peers) => peers.iter().map(ToString::to_string).collect(),
    }
}

fn form(checksum: Checksum) -> String {
    match checksum {
        Checksum::Auto => "auto".to_owned(),
        Checksum::Only(form) => form.to_string(),
    }
}

fn bursts(garp: Garp) -> String {
    let Garp { repeat, delay, refresh } = garp;
    format!("{{ repeat {repeat}, delay {}, refresh {} }}", say(delay), say(refresh))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const WEB: &str =
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.1/24\"]\n";

    fn plan(old: &str, new: &str) -> Vec<(String, String)> {
        let mut secret = |_: &str| Err(config::SecretProblem::new("none here"));
        let mut read = |text: &str| {
            let loaded = config::parse_with(text, "test", &mut secret);
            loaded.unwrap_or_else(|e| panic!("{}", e.render(false))).config
        };
        let (old, new) = (read(old), read(new));
        let old = old.instances.iter().map(|(name, instance)| (name.as_str(), instance)).collect();
        let words = |change: &Change| {
            let keys = change.keys().iter().map(|key| format!(" {} {}", key.key, key.change));
            change.word().to_owned() + &keys.collect::<Vec<_>>().join(",")
        };
        instances(&old, &new.instances)
            .iter()
            .map(|(name, change)| ((*name).to_owned(), words(change)))
            .collect()
    }

    fn web(more: &str) -> String {
        plan(WEB, &format!("{WEB}{more}")).remove(0).1
    }

    #[test]
    fn what_an_instance_can_take_while_it_goes_on() {
        assert_eq!(web(""), "kept");
        for (more, change) in [
            ("priority = 120", "priority 100 → 120"),
            ("advert_interval = \"100ms\"", "advert_interval 1s → 100ms"),
            ("preempt = false", "preempt true → false"),
            ("preempt_delay = \"2m\"", "preempt_delay 0s → 2m"),
            ("unadvertised_addresses = [\"192.0.2.9\"]", "unadvertised_addresses +192.0.2.9/32"),
            ("peers = [\"192.0.2.8\"]", "peers +192.0.2.8 -multicast"),
            ("source_address = \"192.0.2.8\"", "source_address the interface's → 192.0.2.8"),
            ("checksum = \"rfc9568\"", "checksum auto → rfc9568"),
            ("address_lease = \"off\"", "address_lease auto → off"),
            ("address_lease = \"10s\"", "address_lease auto → 10s"),
            (
                "garp = { refresh = \"1m\" }",
                "garp { repeat 5, delay 5s, refresh 0s } → { repeat 5, delay 5s, refresh 1m }",
            ),
        ] {
            assert_eq!(web(more), format!("changed {change}"));
        }
        let checks = "track = { a = \"fault\", b = -20 }\n[check.a]\ntcp.address = \"a:1\"\n[check.b]\ntcp.address = \"b:1\"";
        assert_eq!(web(checks), "changed track +a fault +b -20");
        assert_eq!(
            web("notify = { any = [\"/bin/a\", \"hunter2\"], timeout = \"1m\" }"),
            "changed notify +any /bin/a +timeout 1m -timeout 30s"
        );
        assert_eq!(web("units = { master = [\"a.service\"] }"), "changed units +master a.service");
        let arguments = |arguments: &str| format!("{WEB}notify = {{ stop = [\"/bin/a\", {arguments}] }}");
        assert_eq!(
            plan(&arguments("\"hunter2\""), &arguments("\"hunter3\""))[0].1,
            "changed notify other arguments"
        );
        let labelled = WEB.replace(
            "\"192.0.2.1/24\"",
            "{ address = \"192.0.2.1/24\", label = \"eth0:x\", interface = \"eth1\" }",
        );
        assert_eq!(
            plan(WEB, &labelled)[0].1,
            "changed addresses +192.0.2.1/24 on eth1 label eth0:x -192.0.2.1/24"
        );
        let two = WEB.replace("\"192.0.2.1/24\"", "\"192.0.2.2/24\", \"192.0.2.1/24\"");
        let swapped = WEB.replace("\"192.0.2.1/24\"", "\"192.0.2.1/24\", \"192.0.2.2/24\"");
        assert_eq!(plan(&swapped, &two)[0].1, "changed addresses another order");
    }

    #[test]
    fn what_makes_it_another_virtual_router() {
        let ipv6 = WEB.replace("192.0.2.1/24", "fe80::1/64");
        for (new, change) in [
            (WEB.replace("eth0", "eth1"), "restarted interface eth0 → eth1"),
            (WEB.replace("51", "52"), "restarted virtual_router_id 51 → 52"),
            (format!("{WEB}version = 2"), "restarted version 3 → 2"),
            (ipv6, "restarted addresses +fe80::1/64 -192.0.2.1/24"),
        ] {
            assert_eq!(plan(WEB, &new)[0].1, change);
        }
    }

    #[test]
    fn instances_are_matched_by_name() {
        let renamed = WEB.replace("web", "www");
        let expected = [("web", "removed"), ("www", "added")];
        let expected = expected.map(|(name, change)| (name.to_owned(), change.to_owned()));
        assert_eq!(plan(WEB, &renamed), expected);
    }

    #[test]
    fn a_password_is_told_of_and_not_told() {
        let auth = |password: &str| {
            format!("{WEB}version = 2\nauth = {{ type = \"password\", password = \"{password}\" }}")
        };
        let none = format!("{WEB}version = 2");
        assert_eq!(plan(&none, &auth("hunter2"))[0].1, "changed auth set");
        assert_eq!(plan(&auth("hunter2"), &auth("hunter3"))[0].1, "changed auth another password");
        assert_eq!(plan(&auth("hunter2"), &none)[0].1, "changed auth taken away");
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<String> = (1..=20).map(|n| format!("\"192.0.2.{n}/24\"")).collect();
        let many = WEB.replace("\"192.0.2.1/24\"", &many.join(", "));
        let change = &plan(WEB, &many)[0].1;
        assert!(change.ends_with("+192.0.2.9/24 and 11 more"), "{change}");
    }
}
