//! What the objects say, what they tell by themselves, and what can be had done through them.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use failover::agent::snapshot::VrState;
use zbus::Variant;

use crate::client::{Client, MANAGER, NAME, ROOT, is};
use crate::lab::agent::FAILOVER;
use crate::lab::host::Host;
use crate::lab::{Lab, wait};
use crate::{LIMIT, instance, run};

const WEB: &str = "/org/failover1/instance/web_2d1";
const INSTANCE: &str = "org.failover1.Instance";

impl Host {
    /// A call as nobody makes it, who is a plain user.
    fn as_nobody(&self, arguments: &str) -> Output {
        let program = format!("busctl --address={} {arguments}", self.system_bus());
        self.space.output(&format!("setpriv --reuid=65534 --regid=65534 --clear-groups {program}"))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of a description about an interface of ours.
fn interfaces(description: &str) -> String {
    let mut ours = false;
    let lines = description.lines().filter(|line| {
        ours |= line.contains("<interface name=\"org.failover1.");
        let keep = ours;
        ours &= !line.contains("</interface>");
        keep
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// An agent with an instance that tracks a file; the configuration.
fn config(host: &Host) -> String {
    let file = host.write("sign", "");
    format!(
        "[check.file]\nfile = {{ path = \"{file}\" }}\n{}track = {{ file = -20 }}\n",
        instance("web-1", 51)
    )
}

#[test]
fn the_same_objects_are_on_the_bus_and_peer_to_peer() {
    let lab = Lab::new();
    let _bus = lab.a.bus();
    let config = config(&lab.a);
    let agent = lab.a.failover(&config);
    wait("it is on the bus", LIMIT, || {
        agent.log().contains("on the system bus as org.failover1").then_some(())
    });
    let mode = std::fs::metadata(lab.a.path("run/bus")).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    run(async {
        let mut peer = Client::peer(&lab.a.peer()).await;
        let mut bus = Client::bus(&lab.a.system_bus()).await;
        for client in [&mut peer, &mut bus] {
            client.call(ROOT, "org.freedesktop.DBus.Peer", "Ping", &()).await.expect("an answer");
            described_as_shipped(client).await;
            let managed = client.managed().await;
            let paths: Vec<&str> = managed.keys().map(String::as_str).collect();
            assert_eq!(paths, ["/org/failover1/check/file", WEB]);
        }
        // Whoever is told is told the same.
        std::fs::remove_file(lab.a.path("sign")).expect("the file of the check");
        for client in [&mut peer, &mut bus] {
            client.changed("/org/failover1/check/file", "Verdict", is("failing")).await;
            client.changed(WEB, "EffectivePriority", |value| value.downcast_ref::<u8>() == Ok(80)).await;
        }
        reloads(&lab.a, &config, &mut peer, &mut bus).await;
        a_transition_is_told(&lab, &mut peer, &mut bus).await;
        drains(&lab.a, &mut peer, &mut bus).await;
        only_root_may(&lab.a);
    });
}

async fn described_as_shipped(client: &mut Client) {
    let mut answered = Vec::new();
    for path in [ROOT, WEB, "/org/failover1/check/file"] {
        answered.push(interfaces(&client.introspect(path).await));
    }
    let shipped = include_str!("../../systemd/org.failover1.xml");
    assert_eq!(answered.join("\n"), interfaces(shipped));
}

async fn reloads(host: &Host, config: &str, peer: &mut Client, bus: &mut Client) {
    host.write("failover.toml", &format!("{config}{}", instance("db", 52)));
    let plan = peer.manager("Plan", &"").await.expect("a plan");
    let (plan, _): (String, String) = plan.body().deserialize().expect("two texts");
    let command = host.space.output(&format!("{FAILOVER} plan --runtime-dir {}", host.path("run")));
    assert_eq!(plan, text(&command.stdout), "the same plan as on the command line");
    let done = bus.manager("Reload", &()).await.expect("a reload");
    let (done, _): (String, String) = done.body().deserialize().expect("two texts");
    assert!(done.contains("1 added"), "{done}");
    for client in [&mut *peer, &mut *bus] {
        client.object("InterfacesAdded", "/org/failover1/instance/db").await;
    }
    let before = peer.get(ROOT, MANAGER, "LastReloadAt").await.downcast_ref::<u64>().expect("microseconds");
    assert!(before > 1_700_000_000_000_000, "{before}");
    // What is wrong is said as on the command line, changes nothing, and is there to be read.
    host.write("failover.toml", &format!("{config}[instance.db]\n"));
    let (name, why) = bus.manager("Reload", &()).await.expect_err("it is not legal");
    assert_eq!(name, "org.failover1.Error.Invalid");
    assert!(why.contains("instance `db` lacks `interface`"), "{why}");
    for client in [&mut *peer, &mut *bus] {
        client.changed(ROOT, "LastReloadResult", is("refused")).await;
    }
    host.write("failover.toml", config);
    peer.manager("Reload", &()).await.expect("a reload");
    for client in [&mut *peer, &mut *bus] {
        client.object("InterfacesRemoved", "/org/failover1/instance/db").await;
    }
    let (name, _) = bus.manager("Drain", &"db").await.expect_err("no such arguments");
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
}

async fn a_transition_is_told(lab: &Lab, peer: &mut Client, bus: &mut Client) {
    wait("a is MASTER", LIMIT, || {
        lab.a.instance().is_some_and(|web| web.state == VrState::Master).then_some(())
    });
    let b = lab.b.failover(&format!("{}priority = 200\n", instance("web-1", 51)));
    for client in [&mut *peer, &mut *bus] {
        client.changed(WEB, "State", is("BACKUP")).await;
        let master = client.get(WEB, INSTANCE, "MasterPriority").await;
        assert_eq!(master.downcast_ref::<u8>(), Ok(200));
    }
    drop(b);
    for client in [&mut *peer, &mut *bus] {
        client.changed(WEB, "State", is("MASTER")).await;
        // The kernel's word for the address comes with the state or after it.
        let wanted = Variant::new(vec![("198.51.100.51/24", true)]);
        while *client.get(WEB, INSTANCE, "Addresses").await != wanted {
            client.changed(WEB, "Addresses", |_| true).await;
        }
    }
}

async fn drains(host: &Host, peer: &mut Client, bus: &mut Client) {
    // b was heard of, and nobody takes over: forced, that is what is wanted.
    let none = vec!["db"];
    let (name, why) = bus.manager("Drain", &(none, false)).await.expect_err("there is no such instance");
    let command = host.space.output(&format!("{FAILOVER} drain db --runtime-dir {}", host.path("run")));
    assert_eq!(name, "org.failover1.Error.Refused");
    assert!(text(&command.stderr).contains(&why), "{why}: {}", text(&command.stderr));
    let drained = bus.manager("Drain", &(vec!["web-1"], true)).await.expect("a drain");
    let (names, limit): (Vec<String>, u64) = drained.body().deserialize().expect("names and a limit");
    assert_eq!(names, ["web-1"]);
    assert!(limit > 0, "it is MASTER");
    for client in [&mut *peer, &mut *bus] {
        client.changed(WEB, "Drained", |value| value.downcast_ref::<bool>() == Ok(true)).await;
        client.changed(WEB, "State", is("BACKUP")).await;
        let all: Vec<String> = client.get(ROOT, MANAGER, "Drained").await.try_into().expect("names");
        assert_eq!(all, ["web-1"]);
    }
    let undrained = peer.manager("Undrain", &Vec::<String>::new()).await.expect("an end of it");
    assert_eq!(undrained.body().deserialize::<Vec<String>>().expect("names"), ["web-1"]);
    for client in [&mut *peer, &mut *bus] {
        client.changed(WEB, "State", is("MASTER")).await;
    }
}

/// There is no polkit on this bus.
fn only_root_may(host: &Host) {
    let read = host.as_nobody(&format!("get-property {NAME} {WEB} {INSTANCE} State"));
    assert_eq!(text(&read.stdout).trim(), "s \"MASTER\"", "{}", text(&read.stderr));
    for call in ["Reload", "Plan s /etc/shadow", "Drain asb 0 true", "Undrain as 0"] {
        let refused = host.as_nobody(&format!("--json=short call {NAME} {ROOT} {MANAGER} {call}"));
        assert!(!refused.status.success(), "nobody may {call}: {}", text(&refused.stdout));
        assert!(text(&refused.stderr).contains("Access denied"), "{call}: {}", text(&refused.stderr));
    }
    // What is far too long is refused, and nobody else hears of it.
    let long = "x".repeat(100_000);
    let refused =
        host.as_nobody(&format!("call {NAME} {ROOT} org.freedesktop.DBus.Properties Get ss {long} {long}"));
    assert!(text(&refused.stderr).contains("the message is too long"), "{}", text(&refused.stderr));
    let read = host.as_nobody(&format!("get-property {NAME} {WEB} {INSTANCE} State"));
    assert!(read.status.success(), "{}", text(&read.stderr));
    let peer = host.space.output(&format!(
        "setpriv --reuid=65534 --regid=65534 --clear-groups busctl --address={} get-property {NAME} {ROOT} {MANAGER} Version",
        host.peer()
    ));
    assert!(!peer.status.success(), "the socket is not for nobody");
}

#[test]
fn a_bus_that_comes_goes_and_is_somebody_elses_is_joined_when_that_is_possible() {
    let lab = Lab::new();
    let mut agent = lab.a.failover(&instance("web-1", 51));
    let says = |text: &str, times: usize| {
        wait(text, LIMIT, || (agent.log().matches(text).count() >= times).then_some(()));
    };
    says("not on the system bus: ", 1);
    lab.a.agent_listens();
    run(async {
        // Without a bus there is everything but the bus.
        let peer = Client::peer(&lab.a.peer()).await;
        assert_eq!(peer.managed().await.len(), 1);
    });
    let mut bus = lab.a.bus();
    says("on the system bus again as org.failover1", 1);
    for times in 1..=2 {
        bus.crash();
        says("the system bus was lost", times);
        bus = lab.a.bus();
        says("on the system bus again as org.failover1", times + 1);
    }
    run(async {
        let client = Client::bus(&lab.a.system_bus()).await;
        assert_eq!(client.managed().await.len(), 1);
        // A second agent waits for the name.
        let other = lab.b.start(
            "other",
            &[
                "env",
                &format!("DBUS_SYSTEM_BUS_ADDRESS={}", lab.a.system_bus()),
                FAILOVER,
                "run",
                "--config",
                &lab.b.write("failover.toml", &instance("other", 60)),
                "--runtime-dir",
                &lab.b.path("run"),
            ],
        );
        wait("it finds the name taken", LIMIT, || {
            other.log().contains("another program has the name org.failover1").then_some(())
        });
        assert_eq!(client.managed().await.keys().next().map(String::as_str), Some(WEB));
        assert!(agent.terminate().success());
        wait("it has the name", LIMIT, || {
            other.log().contains("on the system bus as org.failover1").then_some(())
        });
        let managed = client.managed().await;
        let path = managed.keys().next().map(String::as_str);
        assert_eq!(path, Some("/org/failover1/instance/other"));
    });
    let lost = agent.log().matches("the system bus was lost").count();
    assert_eq!(lost, 2, "each loss is said once");
}
