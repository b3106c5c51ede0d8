//! Three checks of different weights.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::{Stage, nginx, until};

const FILES: [(&str, &str); 2] =
    [("/usr/local/bin/enough-workers", "enough-workers"), ("/run/load.weight", "load.weight")];

/// Scripts run as nobody here; the host of the example has a user for them.
fn start(stage: &Stage, host: &Host) -> Process {
    let script =
        host.write("enough-workers", "#!/bin/sh\n[ \"$(cat \"$(dirname \"$0\")/workers\")\" -ge \"$1\" ]\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("a script");
    host.write("workers", "7\n");
    host.write("load.weight", "0\n");
    host.failover(&format!("agent.script_user = \"nobody\"\n{}", stage.config(host, &FILES)))
}

#[test]
fn three_checks_of_different_weights() {
    let stage = Stage::new("tiers.toml", "192.168.1.140");
    let (a, b) = (&stage.lab.a, &stage.lab.b);
    let (mut web_a, _web_b) = (nginx(a), nginx(b));
    let _agents = (start(&stage, a), start(&stage, b));
    let worth = |host: &Host, priority: u8| {
        until(host, &format!("priority {priority}"), |instance| instance.effective_priority == priority);
    };
    worth(a, 140);
    worth(b, 130);
    stage.held_by(a);

    a.write("workers", "3\n");
    worth(a, 125);
    stage.held_by(b);
    b.write("load.weight", "-12\n");
    worth(b, 118);
    stage.held_by(a);
    web_a.crash();
    worth(a, 95);
    stage.held_by(b);
    let _web_a = nginx(a);
    a.write("workers", "4\n");
    worth(a, 140);
    stage.held_by(a);
}
