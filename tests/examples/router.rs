//! Two networks whose addresses move together.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use failover::agent::snapshot::VrState;

use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::wait;
use crate::{LIMIT, Stage};

/// What the command of the group was told: a line for each call.
fn told(host: &Host) -> Vec<String> {
    let text = fs::read_to_string(host.path("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn start(stage: &Stage, host: &Host) -> Process {
    let script = host.write(
        "on-router-change",
        "#!/bin/sh\necho \"$* $FAILOVER_GROUP $FAILOVER_PREVIOUS_STATE\" >> \"$(dirname \"$0\")/told\"\n",
    );
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("a script");
    let told = host.write("told", "");
    fs::set_permissions(told, fs::Permissions::from_mode(0o666)).expect("a file for all");
    let files = [("/usr/local/bin/on-router-change", "on-router-change")];
    host.failover(&format!("agent.script_user = \"nobody\"\n{}", stage.config(host, &files)))
}

/// The states of both instances.
fn states(host: &Host) -> Vec<VrState> {
    host.status().map(|s| s.instances.iter().map(|i| i.state).collect()).unwrap_or_default()
}

fn both(host: &Host, state: VrState) {
    wait(&format!("{}: both are {state}", host.name), LIMIT, || (states(host) == [state; 2]).then_some(()));
}

fn last_told(host: &Host, line: &str) {
    wait(&format!("{} was told {line:?}", host.name), LIMIT, || {
        (told(host).last().map(String::as_str) == Some(line)).then_some(())
    });
}

#[test]
fn two_routers_between_two_networks() {
    let stage = Stage::new("router.toml", "192.168.1.1");
    let (a, b) = (&stage.lab.a, &stage.lab.b);
    stage.lab.second_network("eth1");
    for host in [a, b] {
        host.space.sh(&format!("ip addr add 203.0.113.{}/24 dev eth1", 200 + u32::from(host.number)));
    }
    let mut agent_a = start(&stage, a);
    both(a, VrState::Master);
    let _agent_b = start(&stage, b);
    both(b, VrState::Backup);
    stage.held_by(a);
    last_told(a, "GROUP router MASTER 110 router BACKUP");
    last_told(b, "GROUP router BACKUP 100 router INIT");

    // A cable on the outside takes both away.
    stage.lab.second_cable(a, "eth1", false);
    both(a, VrState::Fault);
    both(b, VrState::Master);
    stage.held_by(b);
    last_told(a, "GROUP router FAULT 110 router MASTER");
    last_told(b, "GROUP router MASTER 100 router BACKUP");
    stage.lab.second_cable(a, "eth1", true);
    both(a, VrState::Master);
    both(b, VrState::Backup);

    assert!(agent_a.terminate().success());
    both(b, VrState::Master);
    last_told(b, "GROUP router MASTER 100 router BACKUP");
    assert!(a.tagged().is_empty());
}
