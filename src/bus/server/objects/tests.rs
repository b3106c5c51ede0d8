//! The objects of a sample, and that the shipped description is of these.

use super::*;
use crate::agent::snapshot::{
    AddressStatus, AgentCounters, InstanceCounters, MasterStatus, ReloadStatus, TrackStatus, VrState,
};
use crate::bus::server::describe::{SHIPPED, describe};
use crate::health::standing::Verdict;
use crate::health::status::LastRun;
use crate::time::Instant;

fn web() -> InstanceStatus {
    InstanceStatus {
        name: "web-1".to_owned(),
        state: VrState::Master,
        since_seconds: 2.0,
        reason: "nobody else".to_owned(),
        interface: "eth0".to_owned(),
        virtual_router_id: 51,
        family: Family::Ipv4,
        version: 3,
        base_priority: 100,
        effective_priority: 80,
        tracks: vec![TrackStatus {
            check: "api".to_owned(),
            verdict: Verdict::Failing,
            effect: "-20".to_owned(),
            adds: -20,
            through: None,
        }],
        waiting_for: None,
        drained: true,
        handing_over: false,
        group: None,
        advert_interval_ms: 1_000,
        primary_address: Some("192.0.2.1".to_owned()),
        addresses: vec![AddressStatus {
            address: "192.0.2.50/24".to_owned(),
            interface: "eth0".to_owned(),
            present: true,
            advertised: true,
        }],
        address_lease_seconds: Some(4),
        master: Some(MasterStatus {
            address: "192.0.2.2".to_owned(),
            priority: 90,
            advert_interval_ms: 1_000,
            heard_seconds_ago: 1.0,
        }),
        checksum: None,
        trouble: Vec::new(),
        counters: InstanceCounters { adverts_sent: 7, ..InstanceCounters::default() },
    }
}

fn api() -> CheckStatus {
    CheckStatus {
        name: "api".to_owned(),
        kind: "http".to_owned(),
        verdict: Verdict::Failing,
        since_seconds: 3.0,
        weight: None,
        last: Some(LastRun {
            finding: Finding::Failed,
            text: "503".to_owned(),
            seconds_ago: 0.5,
            took_ms: 1.5,
            output: Vec::new(),
        }),
        in_a_row: 4,
        fall: 3,
        rise: 2,
        held_seconds: None,
        runs: 10,
        failures: 4,
        changes: 1,
    }
}

fn sample() -> Tree {
    let snapshot = Snapshot {
        version: "1.2.3".to_owned(),
        router_id: "lb1".to_owned(),
        configuration: Some(ConfigurationStatus {
            file: "/etc/failover.toml".to_owned(),
            sha256: "00".to_owned(),
            loaded_at: "2026-11-28T12:00:00Z".to_owned(),
            last_reload: Some(ReloadStatus {
                at: "2026-11-28T12:00:01Z".to_owned(),
                applied: false,
                text: "the configuration is not valid".to_owned(),
            }),
        }),
        drained: vec!["web-1".to_owned()],
        instances: vec![web()],
        groups: Vec::new(),
        checks: vec![api()],
        counters: AgentCounters::default(),
    };
    let until = Instant::from_nanos(100_000_000_000);
    Tree::new(&snapshot, Taken { from: until, until, wall: 1_000_000_000 }, &mut Stamps::default())
}

#[test]
fn what_the_agent_does_is_in_properties_of_the_right_kind() {
    let tree = sample();
    let manager = &tree.0["/org/failover1"];
    assert_eq!(manager.get("LastReloadAt"), Some(&Value::Number(1_795_867_201_000_000)));
    assert_eq!(manager.get("LastReloadResult"), Some(&Value::text("refused")));
    assert_eq!(manager.get("Drained"), Some(&Value::texts(["web-1"])));
    let web = &tree.0["/org/failover1/instance/web_2d1"];
    assert_eq!(web.get("Since"), Some(&Value::Number(998_000_000)));
    assert_eq!(web.get("EffectivePriority"), Some(&Value::Byte(80)));
    assert_eq!(web.get("Addresses"), Some(&Value::Addresses(vec![("192.0.2.50/24".to_owned(), true)])));
    let Some(Value::Counters(counters)) = web.get("Counters") else { panic!("no counters") };
    assert!(counters.contains(&("adverts_sent", 7)), "{counters:?}");
    let api = &tree.0["/org/failover1/check/api"];
    assert_eq!(api.get("LastDurationUSec"), Some(&Value::Number(1_500)));
    assert_eq!(api.get("LastRunAt"), Some(&Value::Number(999_500_000)));
}

/// Value of an attribute in a line of the description.
fn attribute<'l>(line: &'l str, name: &str) -> &'l str {
    line.split_once(&format!(" {name}=\"")).unwrap().1.split_once('"').unwrap().0
}

#[test]
fn the_shipped_description_is_of_these_objects() {
    let mut described = Vec::new();
    let mut interface = "";
    for line in SHIPPED.lines() {
        if line.contains("<interface ") {
            interface = attribute(line, "name");
        } else if line.contains("<property ") {
            let row = (interface, attribute(line, "name"), attribute(line, "type"));
            assert!(line.contains("access=\"read\""), "{line}");
            described.push((row, true));
        } else if line.contains("EmitsChangedSignal") && line.contains("value=\"false\"") {
            described.last_mut().unwrap().1 = false;
        }
    }
    let tree = sample();
    let mut there = Vec::new();
    for object in tree.0.values() {
        for (name, value) in &object.properties {
            let signature = value.variant().value_signature().to_string();
            there.push(((object.kind.interface(), *name, signature), !QUIET.contains(name)));
        }
    }
    let mut described: Vec<_> = described
        .into_iter()
        .map(|((interface, name, signature), told)| ((interface, name, signature.to_owned()), told))
        .collect();
    described.sort();
    there.sort();
    assert_eq!(there, described);
}

#[test]
fn every_path_on_the_way_describes_itself_and_no_other_does() {
    let tree = sample();
    let node = |path: &str, child: &str| {
        let text = describe(&tree, path).unwrap_or_else(|| panic!("nothing at {path}"));
        assert!(text.contains(&format!("<node name=\"{child}\"/>")), "{path}: {text}");
        text
    };
    node("/", "org");
    node("/org", "failover1");
    let root = node("/org/failover1", "instance");
    assert!(
        root.contains("<interface name=\"org.failover1.Manager\">") && root.contains("GetManagedObjects")
    );
    node("/org/failover1/instance", "web_2d1");
    let check = describe(&tree, "/org/failover1/check/api").unwrap();
    assert!(
        check.contains("<interface name=\"org.failover1.Check\">") && !check.contains("GetManagedObjects")
    );
    assert!(describe(&Tree::default(), "/org/failover1/check").is_some());
    for nowhere in ["/org/failover", "/org/failover1/instance/db", "/o"] {
        assert_eq!(describe(&tree, nowhere), None, "{nowhere}");
    }
}
