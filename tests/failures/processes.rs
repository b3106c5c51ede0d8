//! The agent itself is killed, stopped, hung, started twice or given nonsense.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use failover::agent::snapshot::VrState;
use nix::sys::signal::Signal;

use crate::lab::agent::FAILOVER;
use crate::lab::router::{Program, Router, V3, VRID};
use crate::lab::wire::now;
use crate::lab::{Lab, at_once, wait};
use crate::{Two, V6};

#[test]
fn sigkill_moves_the_addresses() {
    at_once([V3, V6], |router| {
        let mut two = Two::new(router);
        two.on_a.crash();
        // They are still on the dead host; nobody reaches them there.
        two.lab.held_by(&router, &two.lab.b, &[]);
        two.on_a = router.start(Program::Ours, &two.lab.a, &two.lab.b, 200);
        two.held_by_a();
        two.stop();
    });
}

#[test]
fn sigterm_hands_over_and_leaves_nothing() {
    at_once([V3, V6], |router| {
        let mut two = Two::new(router);
        let start = now();
        let status = two.on_a.terminate();
        assert!(status.success(), "{status}");
        assert_eq!(two.lab.a.tagged(), [], "left over");
        two.held_by_b();
        let adverts = two.lab.wire.adverts(start, VRID);
        let resigned = adverts.iter().find(|(_, _, vrrp)| vrrp.priority == 0).expect("a resignation").0;
        let taken = adverts.iter().find(|(_, host, _)| *host == two.lab.b.name).expect("a successor").0;
        assert!(taken.saturating_sub(resigned) < router.master_down(255), "{taken:?} after {resigned:?}");
        assert_eq!(two.lab.a.status(), None, "status without an agent");
    });
}

/// Who is not known to be drained or not may be being worked on.
#[test]
fn damaged_memory_of_drains_keeps_a_host_out_until_it_is_told_otherwise() {
    let lab = Lab::new();
    std::fs::create_dir(lab.a.path("state")).expect("a directory");
    lab.a.write("state/drained.json", "{");
    let agent = lab.a.failover(&V3.ours(&lab.a, &lab.b, 200));
    let drained = || Some(lab.a.instance()?.drained);
    assert!(wait("it runs", V3.limit(), drained));
    assert!(agent.log().contains("drained.json is damaged"), "{}", agent.log());
    let undrain = format!("{FAILOVER} undrain --all --runtime-dir {}", lab.a.path("run"));
    assert!(lab.a.space.output(&undrain).status.success());
    wait("it takes over", V3.limit(), || (lab.a.instance()?.state == VrState::Master).then_some(()));
    let memory = std::fs::read_to_string(lab.a.path("state/drained.json")).expect("a file");
    assert_eq!(memory.trim(), r#"{"instances":[]}"#);
}

/// What checks run is ended with the agent, also what was just being started.
#[test]
fn sigterm_leaves_no_script_behind() {
    const SCRIPTS: usize = 150;
    let lab = Lab::new();
    let word = format!("hangs-{}", std::process::id());
    let mut config =
        V3.ours(&lab.a, &lab.b, 200).replacen("[agent]\n", "[agent]\nscript_user = \"nobody\"\n", 1);
    let tracked: Vec<String> = (0..SCRIPTS).map(|number| format!("s{number} = -1")).collect();
    let _ = writeln!(config, "track = {{ {} }}", tracked.join(", "));
    for number in 0..SCRIPTS {
        let _ = write!(
            config,
            "[check.s{number}]\ninterval = \"20s\"\ntimeout = \"20s\"\n\
             script = {{ command = [\"/bin/sh\", \"-c\", \"trap '' TERM; sleep 1000; :\", \"{word}\"] }}\n"
        );
    }
    // All of them run; or most are still to be started.
    for least in [SCRIPTS, SCRIPTS / 10] {
        let mut agent = lab.a.failover(&config);
        wait("the scripts run", Duration::from_secs(30), || (running(&word) >= least).then_some(()));
        let status = agent.terminate();
        assert!(status.success(), "{status}");
        // Those that were killed and are still to be scheduled for that are not left over.
        wait("none is left over", Duration::from_secs(10), || (running(&word) == 0).then_some(()));
    }
}

/// How many processes have this word among their arguments. Those that were killed and are not gone yet have none.
fn running(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("procfs").flatten();
    let has_word = |line: Vec<u8>| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes());
    entries.filter(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(has_word)).count()
}

/// What a killed agent left behind goes at the next start, even if the new configuration does not know it.
#[test]
fn leftovers_of_a_killed_agent_are_removed() {
    let mut two = Two::new(V3);
    two.on_a.crash();
    let left: BTreeSet<_> = two.lab.a.tagged().into_iter().map(|held| held.address).collect();
    assert_eq!(left, BTreeSet::from_iter(V3.addresses()), "what the killed agent left");
    let other =
        "[instance.other]\ninterface = \"eth0\"\nvirtual_router_id = 7\naddresses = [\"192.0.2.70/24\"]\n";
    two.on_a = two.lab.a.failover(other);
    wait("only the new configuration's address is there", V3.limit(), || {
        let held: Vec<_> = two.lab.a.tagged().iter().map(|held| held.address.to_string()).collect();
        (held == ["192.0.2.70"]).then_some(())
    });
    two.held_by_b();
    assert_eq!(two.lab.a.status().expect("a status").counters.leftovers_removed, 2);
    two.stop();
}

/// A MASTER that was stopped for longer than a master-down interval does not go on as one. It may not preempt here, so
/// that every advert of its own would be a mistake.
#[test]
fn sigstop_does_not_come_back_as_master() {
    at_once([Router { preempt: false, ..V3 }, Router { preempt: false, ..V6 }], |router| {
        let two = Two::new(router);
        two.on_a.signal(Signal::SIGSTOP);
        two.lab.held_by(&router, &two.lab.b, &[]);
        let start = now();
        two.on_a.signal(Signal::SIGCONT);
        two.held_by_b();
        let claimants = two.lab.wire.claimants(start, VRID);
        assert_eq!(claimants, BTreeSet::from([two.lab.b.name.clone()]), "who sent adverts since");
        let state = two.lab.a.instance().expect("a status").state;
        assert_eq!(state, VrState::Backup);
        two.stop();
    });
}

#[test]
fn a_second_agent_in_the_same_directory_is_refused() {
    let mut two = Two::new(V3);
    let mut second = two.lab.a.failover(&V3.ours(&two.lab.a, &two.lab.b, 150));
    let status = second.ended(Duration::from_secs(20));
    assert_eq!(status.code(), Some(1));
    assert!(second.log().contains(&two.lab.a.path("run")), "names no directory: {}", second.log());
    assert!(two.on_a.runs());
    two.held_by_a();
    assert_eq!(two.lab.a.instance().expect("a status").base_priority, 200, "the first one answers");
    two.stop();
}

/// Each would take the other's addresses for what a dead agent left, whatever directory it has.
#[test]
fn a_second_agent_in_the_same_network_namespace_is_refused() {
    let two = Two::new(V3);
    let other =
        "[instance.other]\ninterface = \"eth0\"\nvirtual_router_id = 7\naddresses = [\"192.0.2.70/24\"]\n";
    let config = two.lab.a.write("other.toml", other);
    let line = format!("{FAILOVER} run --config {config} --runtime-dir {}", two.lab.a.path("other"));
    let output = two.lab.a.space.output(&line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in this network namespace"), "{said}");
    two.held_by_a();
    let instance = two.lab.a.instance().expect("a status");
    assert_eq!(instance.counters.addresses_restored, 0);
    two.stop();
}

#[test]
fn an_invalid_configuration_exits_78_and_touches_nothing() {
    let lab = Lab::new();
    let before = lab.a.addresses();
    let config = V3.ours(&lab.a, &lab.b, 200).replace("priority = 200", "priority = 256");
    let mut process = lab.a.failover(&config);
    assert_eq!(process.ended(Duration::from_secs(20)).code(), Some(78));
    assert!(process.log().contains("priority"), "names no key: {}", process.log());
    assert_eq!(lab.a.addresses(), before);

    let line =
        format!("{FAILOVER} run --config {} --runtime-dir {}", lab.a.path("none.toml"), lab.a.path("run"));
    let output = lab.a.space.output(&line);
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
}
