//! The configuration of a running agent changes, well or badly, once or a hundred times in a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::process::Output;
use std::time::Duration;

use failover::agent::snapshot::{InstanceStatus, VrState};
use nix::sys::signal::Signal;

use crate::lab::agent::FAILOVER;
use crate::lab::frame::What;
use crate::lab::host::Host;
use crate::lab::router::V3;
use crate::lab::wire::now;
use crate::lab::{Lab, at_once, wait};
use crate::{Two, V6};

/// Instances of the large configuration.
const MANY: u8 = 200;
/// Their interval.
const INTERVAL: Duration = Duration::from_millis(100);
/// Reloads that are looked at, of which one must be without a gap: a busy test machine may make one itself.
const ATTEMPTS: u8 = 4;

impl Host {
    fn command(&self, arguments: &str) -> Output {
        self.space.output(&format!("{FAILOVER} {arguments} --runtime-dir {}", self.path("run")))
    }

    /// Replaces the configuration and has it taken.
    fn reload(&self, config: &str) -> Output {
        self.write("failover.toml", config);
        self.command("reload")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `MANY` instances; instance 7 has this priority and this many addresses more.
fn many(priority: u8, more: u8) -> String {
    let mut text =
        format!("[defaults]\ninterface = \"eth0\"\nadvert_interval = \"{}ms\"\n", INTERVAL.as_millis());
    for number in 1..=MANY {
        let own = if number == 7 { priority } else { 100 };
        let mut addresses = format!("\"198.51.100.{number}/24\"");
        for extra in 1..=more * u8::from(number == 7) {
            let _ = write!(addresses, ", \"203.0.113.{extra}/24\"");
        }
        let _ = write!(
            text,
            "[instance.i{number}]\nvirtual_router_id = {number}\npriority = {own}\naddresses = [{addresses}]\n"
        );
    }
    text
}

fn states(host: &Host) -> BTreeMap<String, (VrState, u64)> {
    let instances = host.status().map(|snapshot| snapshot.instances).unwrap_or_default();
    let state = |i: InstanceStatus| (i.name, (i.state, i.counters.master_transitions));
    instances.into_iter().map(state).collect()
}

/// The longest time between two adverts of one virtual router since `start`, and whose it is.
fn longest_gap(lab: &Lab, start: Duration, without: u8) -> (Duration, u8) {
    let mut last: BTreeMap<u8, Duration> = BTreeMap::new();
    let mut longest = (Duration::ZERO, 0);
    for frame in lab.wire.since(start) {
        let What::Vrrp(vrrp) = &frame.what else { continue };
        if let Some(before) = last.insert(vrrp.vrid, frame.at).filter(|_| vrrp.vrid != without) {
            longest = longest.max((frame.at.saturating_sub(before), vrrp.vrid));
        }
    }
    assert!(last.len() >= usize::from(MANY), "adverts of {} virtual routers", last.len());
    longest
}

fn a_few_adverts_since(lab: &Lab, start: Duration) {
    wait("eight adverts", V3.limit(), || (lab.wire.adverts(start, 7).len() > 8).then_some(()));
}

#[test]
fn of_two_hundred_instances_one_changes_and_no_other_misses_an_advert() {
    let lab = Lab::new();
    let _on_a = lab.a.failover(&many(101, 0));
    let _on_b = lab.b.failover(&many(50, 0).replace("priority = 100", "priority = 50"));
    let masters = |host: &Host| states(host).values().filter(|(state, _)| *state == VrState::Master).count();
    wait("a is MASTER of all", V3.limit(), || (masters(&lab.a) == usize::from(MANY)).then_some(()));
    wait("b is MASTER of none", V3.limit(), || (masters(&lab.b) == 0).then_some(()));
    let before = (states(&lab.a), states(&lab.b));

    let mut gaps = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let start = now();
        let output = lab.a.reload(&many(101 + attempt, attempt));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let words = text(&output.stdout);
        assert!(words.contains(&format!("priority {} → {}", 100 + attempt, 101 + attempt)), "{words}");
        assert!(words.contains(&format!("addresses +203.0.113.{attempt}/24")), "{words}");
        assert!(words.ends_with(&format!("1 changed, {} kept\n", MANY - 1)), "{words}");
        let added = format!("203.0.113.{attempt}").parse().expect("an address");
        wait("the address is there", V3.limit(), || lab.a.serves(added).then_some(()));
        let new = |what: &What| matches!(what, What::Vrrp(v) if v.vrid == 7 && v.priority == 101 + attempt);
        lab.wire.await_frame("the new priority on the wire", start, V3.limit(), |frame| new(&frame.what));
        a_few_adverts_since(&lab, start);
        gaps.push(longest_gap(&lab, start, 7));
    }
    assert_eq!((states(&lab.a), states(&lab.b)), before, "nobody changed its state");
    assert!(gaps.iter().any(|(gap, _)| *gap <= INTERVAL * 3 / 2), "{gaps:?}");

    let start = now();
    let output = lab.a.reload(&many(0, 0));
    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stdout));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("`priority` must be 1 to 255"), "{complaint}");
    assert!(complaint.contains("goes on as before"), "{complaint}");
    a_few_adverts_since(&lab, start);
    assert_eq!((states(&lab.a), states(&lab.b)), before, "nobody changed its state");
    longest_gap(&lab, start, 7);
    let configuration = lab.a.status().and_then(|snapshot| snapshot.configuration).expect("a status");
    assert!(!configuration.last_reload.expect("a reload").applied);
}

#[test]
fn a_hundred_reloads_in_a_row_and_many_at_once_move_nothing() {
    let two = Two::new(V3);
    let (lab, router) = (&two.lab, V3);
    let start = now();
    let config = |priority: u8, extra: bool| {
        let text = router.ours(&lab.a, &lab.b, priority);
        if extra { format!("{text}unadvertised_addresses = [\"192.0.2.77/24\"]\n") } else { text }
    };
    for round in 0..100 {
        let output = lab.a.reload(&config(200 + round % 50, round % 2 == 0));
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(lab.answers(router.address()).as_ref(), Some(&lab.a.name), "round {round}");
    }
    // Eight at once, four at most are served; those are served one after the other, the others are told so.
    lab.a.write("failover.toml", &config(200, false));
    let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..8).map(|_| scope.spawn(|| lab.a.command("reload").status.code())).collect();
        asks.into_iter().map(|ask| ask.join().expect("a command that ends")).collect()
    });
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}");
    assert!(codes.contains(&Some(0)), "{codes:?}");
    wait("the address of every other round is gone", router.limit(), || {
        let added = "192.0.2.77".parse().expect("an address");
        (!lab.a.serves(added)).then_some(())
    });
    assert_eq!(lab.wire.claimants(start, crate::lab::router::VRID), BTreeSet::from([lab.a.name.clone()]));
    assert_eq!(states(&lab.a), BTreeMap::from([("web".to_owned(), (VrState::Master, 1))]));
    two.held_by_a();
    two.stop();
}

#[test]
fn sighup_reloads_and_tells_the_log() {
    let two = Two::new(V3);
    let good = V3.ours(&two.lab.a, &two.lab.b, 210);
    two.lab.a.write("failover.toml", &good);
    two.on_a.signal(Signal::SIGHUP);
    let base = || two.lab.a.instance().map(|instance| instance.base_priority);
    wait("the new priority", V3.limit(), || (base() == Some(210)).then_some(()));
    assert!(two.on_a.log().contains("took another configuration: 1 changed"), "{}", two.on_a.log());
    two.lab.a.write("failover.toml", &good.replace("priority = 210", "prioritty = 1"));
    two.on_a.signal(Signal::SIGHUP);
    wait("a refusal in the log", V3.limit(), || {
        two.on_a.log().contains("failover.toml:7:1: instance `web` has no key `prioritty`").then_some(())
    });
    assert_eq!(base(), Some(210));
    two.held_by_a();
    two.stop();
}

/// What the plan says is what the reload does, and only what it says resigns.
#[test]
fn a_plan_changes_nothing_and_the_reload_does_what_it_says() {
    at_once([V3, V6], |router| {
        let two = Two::new(router);
        let lab = &two.lab;
        let restart = router.ours(&lab.a, &lab.b, 200).replace("router_id = 51", "router_id = 52");
        let other = lab.a.write("other.toml", &restart);
        let output = lab.a.command(&format!("plan {other}"));
        let words = text(&output.stdout);
        assert!(words.contains("web (MASTER): restarted, resigns"), "{words}");
        assert!(words.contains("virtual_router_id 51 → 52"), "{words}");
        let nothing = text(&lab.a.command("plan").stdout);
        assert!(nothing.starts_with("a reload would change nothing"), "{nothing}");
        two.held_by_a();
        let output = lab.a.reload(&restart);
        assert_eq!(text(&output.stdout), words);
        // b is MASTER of 51 now, and holds the addresses; a becomes MASTER of 52.
        wait("b has taken over", router.limit(), || {
            router.addresses().iter().all(|&address| lab.b.serves(address)).then_some(())
        });
        two.stop();
    });
}

/// An address that moves from one MASTER to another of the same host stays on the interface throughout.
#[test]
fn an_address_that_moves_between_instances_is_never_gone() {
    let lab = Lab::new();
    let config = |web: &str, mail: &str| {
        format!(
            "[defaults]\ninterface = \"eth0\"\nadvert_interval = \"100ms\"\n\
             [instance.web]\nvirtual_router_id = 1\naddresses = [{web}]\n\
             [instance.mail]\nvirtual_router_id = 2\naddresses = [{mail}]\n"
        )
    };
    let (one, two, moving) = ("\"192.0.2.61/24\"", "\"192.0.2.62/24\"", "\"192.0.2.63/24\"");
    let first = config(&format!("{one}, {moving}"), two);
    let second = config(one, &format!("{two}, {moving}"));
    let _agent = lab.a.failover(&first);
    let address = "192.0.2.63".parse().expect("an address");
    wait("both are MASTER", V3.limit(), || {
        let all = states(&lab.a);
        (all.len() == 2 && all.values().all(|(state, _)| *state == VrState::Master)).then_some(())
    });
    wait("the address is there", V3.limit(), || lab.a.serves(address).then_some(()));
    let monitor = lab.a.start("monitor", &["ip", "-o", "monitor", "address"]);
    // Something that the monitor must see, so that its silence means something.
    for (number, config) in [&second, &first, &second].into_iter().enumerate() {
        let probe = format!("203.0.113.{number}");
        wait("the monitor works", V3.limit(), || {
            lab.a.space.sh(&format!("ip addr replace {probe}/32 dev lo"));
            monitor.log().contains(&probe).then_some(())
        });
        let output = lab.a.reload(config);
        assert!(text(&output.stdout).contains("2 changed"), "{}", text(&output.stdout));
        assert!(lab.a.serves(address));
    }
    assert!(!monitor.log().contains("192.0.2.63"), "{}", monitor.log());
    assert_eq!(lab.a.tagged().len(), 3);
}

/// A second file, a drop-in, is read again like the first.
#[test]
fn drop_ins_are_part_of_what_is_reloaded() {
    let two = Two::new(V3);
    let drop_ins = two.lab.a.path("failover.toml.d");
    fs::create_dir(&drop_ins).expect("a directory");
    fs::write(format!("{drop_ins}/10-prio.toml"), "[instance.web]\npriority = 222\n").expect("a file");
    let output = two.lab.a.command("reload");
    assert!(text(&output.stdout).contains("priority 200 → 222"), "{}", text(&output.stdout));
    fs::write(format!("{drop_ins}/20-bad.toml"), "[instance.web\n").expect("a file");
    let output = two.lab.a.command("reload");
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("20-bad.toml:1:"), "{}", text(&output.stderr));
    two.held_by_a();
    two.stop();
}

#[test]
fn without_an_agent_plan_and_reload_exit_3() {
    let lab = Lab::new();
    for command in ["plan", "reload"] {
        let output = lab.a.command(command);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    }
}
