//! Another configuration for a running agent: where it ends is where a fresh start would have ended, and on the way
//! nothing moves that the plan did not say would move.
//!
//! The host is a false one that answers at once, alone on its links, so that every instance that can be MASTER becomes it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use failover::agent::Agent;
use failover::agent::addresses::ADDRESS_PROTOCOL;
use failover::agent::message::{Change, FilterRow, Input, Link, LinkAddress, Observed, Output, SocketId};
use failover::agent::outlook::{InstanceOutlook, Outlook};
use failover::agent::snapshot::VrState;
use failover::config::model::{CheckConfig, GroupConfig, Initial, Probe, Track, Weight};
use failover::config::{self, Config};
use failover::health::check::Fact;
use failover::health::standing::Verdict;
use failover::net::{LinkIndex, LinkName, MacAddr, Prefix, Scope};
use failover::time::Instant;
use proptest::prelude::*;

type Form = (Prefix, Option<String>, Scope);

/// A host with eth0 and eth1; there is no eth2.
struct Host {
    agent: Agent,
    now: Instant,
    held: BTreeMap<(LinkIndex, IpAddr), Form>,
    /// The lease that the kernel was last told, for what is held.
    leases: BTreeMap<(LinkIndex, IpAddr), Option<u32>>,
    sockets: BTreeMap<SocketId, (bool, Vec<FilterRow>)>,
    /// Since the last look.
    sent: BTreeMap<(SocketId, IpAddr, u8), Vec<u8>>,
    announced: BTreeSet<(LinkIndex, Vec<u8>)>,
    removed: BTreeSet<(LinkIndex, IpAddr)>,
    /// What the checks `c0`, `c1`, … say.
    verdicts: Verdicts,
}

type Verdicts = [(Verdict, Option<i16>); 3];

const PASSING: Verdicts = [(Verdict::Passing, None); 3];

fn links() -> Observed {
    let link = |index: u8| Link {
        index: LinkIndex(u32::from(index) + 2),
        name: LinkName::new(&format!("eth{index}")).unwrap(),
        mac: Some(MacAddr([2, 0, 0, 0, 0, index])),
        up: true,
        carrier: true,
        mtu: 1500,
    };
    let address = |index: u32, text: &str| LinkAddress {
        link: LinkIndex(index + 2),
        prefix: Prefix::new(text.parse().unwrap(), 24).unwrap(),
        protocol: 0,
        tentative: false,
        secondary: false,
    };
    let addresses = ["10.0.0.1", "fe80::1", "2001:db8::1"].map(|text| address(0, text));
    let others = ["10.0.1.1", "fe80::2", "2001:db8:1::1"].map(|text| address(1, text));
    Observed { links: vec![link(0), link(1)], addresses: [addresses, others].concat() }
}

impl Host {
    fn start(config: Config) -> Self {
        Host::start_judged(config, PASSING)
    }

    fn start_judged(config: Config, verdicts: Verdicts) -> Self {
        let mut host = Host {
            agent: Agent::new("host".to_owned()),
            now: Instant::from_nanos(1_000_000_000_000),
            held: BTreeMap::new(),
            leases: BTreeMap::new(),
            sockets: BTreeMap::new(),
            sent: BTreeMap::new(),
            announced: BTreeSet::new(),
            removed: BTreeSet::new(),
            verdicts,
        };
        host.give(Input::Configure(config));
        host
    }

    fn give(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.agent.handle(self.now, input, &mut out);
        for output in out {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Listen(listen) => {
                self.sockets.insert(listen.socket, (listen.group, listen.filter));
                self.give(Input::Listening { socket: listen.socket, outcome: Ok(()) });
            }
            Output::Unlisten(socket) => {
                self.sockets.remove(&socket);
            }
            Output::Send { socket, destination, mut payload, .. } => {
                let bytes = std::sync::Arc::make_mut(&mut payload);
                // The form of a checksum that is found out may be another one: it was learned.
                bytes[6..8].fill(0);
                self.sent.insert((socket, destination, bytes[1]), bytes.to_vec());
            }
            Output::Frame { link, bytes } => {
                self.announced.insert((link, bytes));
            }
            Output::Apply { request, link, change } => {
                match change {
                    Change::Add { prefix, label, scope, lease, .. } => {
                        self.leases.insert((link, prefix.address()), lease);
                        let new = self.held.insert((link, prefix.address()), (prefix, label, scope));
                        assert_eq!(new, None, "added twice: {prefix}");
                        let (protocol, secondary) = (ADDRESS_PROTOCOL, true);
                        let address = LinkAddress { link, prefix, protocol, tentative: false, secondary };
                        self.give(Input::Address(address));
                    }
                    Change::Renew { prefix, label, scope, lease, .. } => {
                        let held = self.held.get(&(link, prefix.address()));
                        assert_eq!(held, Some(&(prefix, label, scope)), "renewed, but not there");
                        self.leases.insert((link, prefix.address()), lease);
                    }
                    Change::Remove { prefix } => {
                        self.leases.remove(&(link, prefix.address()));
                        assert!(self.held.remove(&(link, prefix.address())).is_some(), "not there: {prefix}");
                        self.removed.insert((link, prefix.address()));
                        self.give(Input::AddressGone { link, prefix });
                    }
                }
                self.give(Input::Applied { request, outcome: Ok(()) });
            }
            Output::Dump => self.give(Input::Observed(links())),
            // Whoever runs checks tells afresh what each says.
            Output::Watch(watched) => {
                for name in watched.checks.keys() {
                    let (verdict, weight) = self.verdicts[usize::from(name.as_bytes()[1] - b'0')];
                    let (check, text) = (name.as_str().into(), "so".to_owned());
                    self.give(Input::Judged(Fact { check, verdict, weight, text, held: None }));
                }
            }
            Output::Report(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::Drained(_)
            | Output::Holds { .. }
            | Output::StoodAside => {}
            Output::Finished => panic!("nobody asked"),
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.agent.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.give(Input::Timeout);
        }
        self.now = end;
    }

    fn states(&self) -> BTreeMap<String, VrState> {
        let instances = self.agent.snapshot(self.now).instances;
        instances.into_iter().map(|instance| (instance.name, instance.state)).collect()
    }

    /// Everything that a configuration decides, once all is quiet.
    fn outcome(&mut self) -> String {
        self.run(Duration::from_mins(1));
        (self.sent, self.announced) = (BTreeMap::new(), BTreeSet::new());
        self.run(Duration::from_secs(70));
        let mut text = String::new();
        for i in self.agent.snapshot(self.now).instances {
            let master = i.master.map(|m| (m.address, m.priority, m.advert_interval_ms));
            let _ = writeln!(
                text,
                "{} {} {} {} {} {} {} {:?} {:?} {:?} {} {:?} {:?} {master:?} {}",
                i.name,
                i.state,
                i.interface,
                i.virtual_router_id,
                i.version,
                i.base_priority,
                i.effective_priority,
                i.group,
                i.tracks,
                i.waiting_for,
                i.advert_interval_ms,
                i.primary_address,
                i.addresses,
                i.checksum.is_some(),
            );
            if i.state == VrState::Fault {
                let _ = writeln!(text, "{}", i.reason);
            }
        }
        let Host { held, leases, sockets, sent, announced, .. } = self;
        let _ = writeln!(text, "{held:#?}\n{leases:#?}\n{sockets:#?}\n{sent:#?}\n{announced:#?}");
        text
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const INTERVALS: [&str; 4] = ["1s", "2s", "3s", "5s"];

/// An instance to be: choices, which become text if nothing that came before is in the way.
#[derive(Clone, Debug)]
struct Spec {
    interface: u8,
    ipv6: bool,
    vrid: u8,
    priority: u8,
    interval: usize,
    addresses: Vec<(u8, u8)>,
    unadvertised: Vec<(u8, u8)>,
    version: u8,
    extras: u16,
}

fn spec() -> impl Strategy<Value = Spec> {
    let addresses = |most| prop::collection::vec((0..6u8, 0..8u8), 0..most);
    (0..3u8, prop::bool::weighted(0.3), 1..4u8, prop::sample::select(vec![1u8, 100, 101, 254, 255]))
        .prop_flat_map(move |(interface, ipv6, vrid, priority)| {
            (0..4usize, addresses(4), addresses(3), 2..4u8, any::<u16>()).prop_map(
                move |(interval, addresses, unadvertised, version, extras)| Spec {
                    interface: interface.min(if extras % 7 == 0 { 2 } else { 1 }),
                    ipv6,
                    vrid,
                    priority,
                    interval,
                    addresses,
                    unadvertised,
                    version,
                    extras,
                },
            )
        })
}

#[derive(Default)]
struct Text {
    toml: String,
    routers: BTreeSet<(u8, bool, u8)>,
    used: BTreeSet<(u8, String)>,
}

impl Text {
    fn address(&mut self, spec: &Spec, (number, form): (u8, u8), ipv6: bool) -> Option<String> {
        let device = if form == 1 { 1 - spec.interface.min(1) } else { spec.interface };
        // One of them is the host's own: who sends from it cannot go on when it becomes a virtual one.
        let host = if number == 5 { "1".to_owned() } else { format!("10{number}") };
        let (address, prefix) = if ipv6 {
            (format!("2001:db8::{host}"), if form == 2 { 128 } else { 64 })
        } else {
            (format!("10.0.0.{host}"), if form == 2 { 32 } else { 24 })
        };
        if !self.used.insert((device, address.clone())) {
            return None;
        }
        let mut table = format!("address = \"{address}/{prefix}\"");
        if form == 1 {
            let _ = write!(table, ", interface = \"eth{device}\"");
        }
        if form == 3 && !ipv6 {
            let _ = write!(table, ", label = \"eth{device}:x\", scope = \"link\"");
        }
        Some(format!("{{ {table} }}"))
    }

    fn instance(&mut self, name: &str, spec: &Spec) {
        if self.routers.contains(&(spec.interface, spec.ipv6, spec.vrid)) {
            return;
        }
        let mut addresses = Vec::new();
        if spec.ipv6 {
            let link_local =
                format!("fe80::{}{}", spec.vrid, NAMES.iter().position(|n| *n == name).unwrap() + 1);
            self.used.insert((spec.interface, link_local.clone()));
            addresses.push(format!("\"{link_local}/64\""));
        }
        let mut numbers = BTreeSet::new();
        for choice in spec.addresses.iter().filter(|(number, _)| numbers.insert(*number)) {
            addresses.extend(self.address(spec, *choice, spec.ipv6));
        }
        if addresses.is_empty() {
            return;
        }
        self.routers.insert((spec.interface, spec.ipv6, spec.vrid));
        let other: Vec<String> = spec
            .unadvertised
            .iter()
            .filter_map(|choice| self.address(spec, *choice, choice.1 % 2 == 0))
            .collect();
        let owner = spec.priority == 255;
        let has = |bit: u16| spec.extras >> bit & 1 == 1;
        let version = if spec.ipv6 { 3 } else { spec.version };
        let _ = write!(
            self.toml,
            "[instance.{name}]\ninterface = \"eth{}\"\nvirtual_router_id = {}\npriority = {}\nversion = {version}\n\
             advert_interval = \"{}\"\naddresses = [{}]\nunadvertised_addresses = [{}]\n",
            spec.interface,
            spec.vrid,
            spec.priority,
            INTERVALS[spec.interval],
            addresses.join(", "),
            other.join(", "),
        );
        if has(0) && !owner {
            self.toml.push_str("preempt = false\n");
        } else if has(1) && !owner {
            self.toml.push_str("preempt_delay = \"7s\"\n");
        }
        if has(2) {
            let peer = if spec.ipv6 { "\"fe80::99\"" } else { "\"10.0.0.99\", \"10.0.0.98\"" };
            let _ = writeln!(self.toml, "peers = [{peer}]");
        }
        if has(3) {
            self.toml.push_str("garp = { repeat = 1, delay = \"1s\", refresh = \"20s\" }\n");
        }
        if has(4) && version == 3 && !spec.ipv6 {
            self.toml.push_str("checksum = \"rfc9568\"\n");
        }
        if has(6) {
            let lease = if has(7) { "off" } else { "20m" };
            let _ = writeln!(self.toml, "address_lease = \"{lease}\"");
        }
        if has(5) && version == 2 {
            self.toml.push_str("auth = { type = \"password\", password = \"secret\" }\n");
        }
    }
}

fn configuration() -> impl Strategy<Value = (String, Config)> {
    let instances = prop::collection::vec(prop::option::weighted(0.7, spec()), NAMES.len());
    instances.prop_map(|specs| {
        let mut text = Text::default();
        for (name, spec) in NAMES.iter().zip(specs) {
            if let Some(spec) = spec {
                text.instance(name, &spec);
            }
        }
        let config =
            config::parse(&text.toml, "test").unwrap_or_else(|e| panic!("{}", e.render(false))).config;
        (text.toml, config)
    })
}

/// The same with checks that instances track, and with a group of some of them.
fn with_health() -> impl Strategy<Value = (String, Config)> {
    let weight = |number| Track::Weight(Weight::new(number).unwrap());
    let tracks = [
        vec![],
        vec![("c0", Track::Fault)],
        vec![("c1", weight(-20))],
        vec![("c1", weight(253)), ("c2", Track::FileWeight)],
        vec![("c0", Track::Fault), ("c1", weight(3))],
    ];
    let choices = prop::collection::vec((prop::sample::select(tracks.to_vec()), any::<bool>()), NAMES.len());
    (configuration(), choices, 0..4u8).prop_map(|((text, mut config), choices, rules)| {
        let (mut members, mut owners) = (Vec::new(), BTreeSet::new());
        for ((name, instance), (tracks, grouped)) in config.instances.iter_mut().zip(choices) {
            let owner = instance.priority.is_owner();
            // Owners listen to no check, and are not mixed with others.
            if !owner {
                instance.track = tracks.iter().map(|(name, track)| ((*name).to_owned(), *track)).collect();
            }
            if grouped && (owners.is_empty() || owners.contains(&owner)) {
                owners.insert(owner);
                members.push(name.clone());
            }
        }
        for name in ["c0", "c1", "c2"] {
            config.checks.insert(name.to_owned(), check(rules + 1));
        }
        if !members.is_empty() && rules > 0 {
            config.groups.insert(format!("g{}", rules % 2), GroupConfig { members, hooks: None });
        }
        let tracks: Vec<_> =
            config.instances.iter().map(|(name, i)| (name.clone(), i.track.clone())).collect();
        let text = format!("{text}{tracks:?} {:?}", config.groups);
        (text, config)
    })
}

fn check(fall: u8) -> CheckConfig {
    CheckConfig {
        probe: Probe::Interface(LinkName::new("lo").unwrap()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall,
        rise: 1,
        initial: Initial::Unknown,
        flap: None,
    }
}

fn verdicts() -> impl Strategy<Value = Verdicts> {
    let one =
        prop::sample::select(vec![Verdict::Passing, Verdict::Failing, Verdict::Passing, Verdict::Unknown]);
    let number = prop::option::of(-300..300i16);
    prop::array::uniform3((one, number))
}

/// What was held before and after by a MASTER, in the same form, was there all the time.
fn nothing_held_twice_was_gone(before: &BTreeMap<(LinkIndex, IpAddr), Form>, host: &Host) {
    for (key, form) in before {
        if host.held.get(key) == Some(form) && host.removed.contains(key) {
            let by = host.agent.snapshot(host.now);
            panic!("{} was taken away and put back: {by:#?}", key.1);
        }
    }
}

fn as_planned(outlook: &Outlook, before: &BTreeMap<String, VrState>, after: &BTreeMap<String, VrState>) {
    for planned in &outlook.instances {
        let was = before.get(&planned.name) == Some(&VrState::Master);
        let is = after.get(&planned.name) == Some(&VrState::Master);
        assert_eq!(planned.state, before.get(&planned.name).copied());
        assert!(!planned.resigns || was, "{planned:?}");
        if was {
            // An owner that starts anew is MASTER again at once.
            assert!(is != planned.resigns || planned.action == "restarted", "{planned:?}");
        }
        if planned.action == "kept" && planned.effect.is_empty() {
            assert_eq!(before.get(&planned.name), after.get(&planned.name));
        }
    }
}

#[test]
fn the_plan_tells_of_an_instance_that_stays_the_same_and_cannot_stay() {
    let instance = |name: &str, vrid: u8, address: &str| {
        format!(
            "[instance.{name}]\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\naddresses = [\"{address}/24\"]\n"
        )
    };
    let read =
        |text: &str| config::parse(text, "test").unwrap_or_else(|e| panic!("{}", e.render(false))).config;
    let alone = instance("a", 1, "10.0.0.100");
    // The host's own address, and the only one that adverts can come from, is to be a virtual one.
    let both = read(&(alone.clone() + &instance("b", 2, "10.0.0.1")));
    let alone = read(&alone);
    let mut host = Host::start(alone.clone());
    host.run(Duration::from_secs(10));
    let kept = |host: &Host, config: &Config| host.agent.outlook(config).instances.remove(0);
    assert_eq!((kept(&host, &alone).effect.as_str(), kept(&host, &alone).resigns), ("", false));
    let planned = kept(&host, &both);
    assert_eq!((planned.action.as_str(), planned.resigns), ("kept", true));
    assert!(planned.effect.starts_with("resigns, and is FAULT: eth0 has no IPv4 address"), "{planned:?}");
    host.give(Input::Configure(both.clone()));
    assert_eq!(host.states()["a"], VrState::Fault);
    assert_eq!((kept(&host, &both).effect.as_str(), kept(&host, &both).resigns), ("", false));
    assert_eq!(kept(&host, &alone).effect, "takes part again");
    host.give(Input::Configure(alone));
    assert_eq!(host.states()["a"], VrState::Backup);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reload_ends_where_a_fresh_start_would_end(
        old in configuration(),
        new in configuration(),
        after in 0..30_000u64,
    ) {
        let mut host = Host::start(old.1.clone());
        host.run(Duration::from_millis(after));
        let (states, held) = (host.states(), host.held.clone());
        let outlook = host.agent.outlook(&new.1);
        host.removed.clear();
        host.give(Input::Configure(new.1.clone()));
        as_planned(&outlook, &states, &host.states());
        // An owner that starts takes its addresses a moment after another instance has let them go.
        let starts = |name: &str| new.1.instances.get(name).is_some_and(|i| i.priority.is_owner());
        let moved = |planned: &InstanceOutlook| {
            planned.resigns || (matches!(planned.action.as_str(), "added" | "restarted") && starts(&planned.name))
        };
        if !outlook.instances.iter().any(moved) {
            nothing_held_twice_was_gone(&held, &host);
        }
        prop_assert!(host.agent.outlook(&new.1).is_empty());
        let mut fresh = Host::start(new.1.clone());
        let (reloaded, fresh) = (host.outcome(), fresh.outcome());
        prop_assert_eq!(reloaded, fresh, "{}----\n{}", old.0, new.0);
    }

    #[test]
    fn a_reload_of_checks_and_groups_ends_where_a_fresh_start_would_end(
        old in with_health(),
        new in with_health(),
        verdicts in verdicts(),
        after in 0..30_000u64,
    ) {
        // A MASTER of which nothing is known stays one, which a fresh start does not make it.
        let known = verdicts.iter().all(|(verdict, _)| *verdict != Verdict::Unknown);
        let mut host = Host::start_judged(old.1.clone(), verdicts);
        host.run(Duration::from_millis(after));
        host.give(Input::Configure(new.1.clone()));
        let mut fresh = Host::start_judged(new.1.clone(), verdicts);
        let (reloaded, fresh) = (host.outcome(), fresh.outcome());
        if known {
            prop_assert_eq!(reloaded, fresh, "{}----\n{}", old.0, new.0);
        }
    }

    #[test]
    fn the_same_configuration_again_does_nothing(config in with_health(), after in 0..30_000u64) {
        let mut host = Host::start(config.1.clone());
        host.run(Duration::from_millis(after));
        let mut out = Vec::new();
        let deadline = host.agent.deadline();
        host.agent.handle(host.now, Input::Configure(config.1), &mut out);
        prop_assert!(out.iter().all(|output| matches!(output, Output::Report(_))), "{out:?}");
        prop_assert_eq!(host.agent.deadline(), deadline);
    }
}
