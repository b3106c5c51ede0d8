//! `failover release --after-service`: what a real systemd tells of a service's end, and what is made of that.

use std::time::Duration;

use crate::lab::addresses::dump;
use crate::lab::machine::Machine;
use crate::lab::wait;

/// Longest time for anything to happen: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Without a lease: what is gone was taken away.
const CONFIG: &str = "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.50/24\"]\n\
    advert_interval = \"100ms\"\naddress_lease = \"off\"\n";

/// What matters here of the unit. Time enough between two starts to see what is there meanwhile.
const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/failover run\n\
    ExecStopPost=/usr/local/bin/failover release --after-service\n\
    RuntimeDirectory=failover\nRestart=on-failure\nRestartSec=3s\nRestartPreventExitStatus=78\nTimeoutStopSec=1s\n";

const LEFT: &str = "leaving the addresses: systemd starts the agent again after this end";

fn run(machine: &Machine, argv: &[&str]) -> String {
    let output = machine.output(argv);
    assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How often the service's journal has `text`.
fn said(machine: &Machine, text: &str) -> usize {
    let journal = run(machine, &["journalctl", "--no-pager", "--output=cat", "--unit=failover.service"]);
    journal.matches(text).count()
}

fn holds(machine: &Machine) -> bool {
    dump(&machine.space).iter().any(|held| held.protocol == 112)
}

fn becomes_master(machine: &Machine, times: usize) {
    wait("it holds the address", LIMIT, || {
        (holds(machine) && said(machine, "Entering MASTER state") >= times).then_some(())
    });
}

#[test]
fn the_addresses_go_with_a_service_that_is_not_coming_back() {
    let machine = Machine::boot_with_a_link();
    machine.install(env!("CARGO_BIN_EXE_failover"), "/usr/local/bin/failover");
    let write = |path: &str, text: &str| {
        run(&machine, &["sh", "-c", "printf %s \"$1\" >\"$2\"", "sh", text, path]);
    };
    write("/etc/failover.toml", CONFIG);
    write("/etc/systemd/system/failover.service", UNIT);
    run(&machine, &["systemctl", "daemon-reload"]);
    run(&machine, &["systemctl", "start", "failover.service"]);
    becomes_master(&machine, 1);

    // Killed: it comes back, and until then the addresses serve.
    run(&machine, &["systemctl", "kill", "--signal=KILL", "failover.service"]);
    wait("it says that it leaves them", LIMIT, || (said(&machine, LEFT) == 1).then_some(()));
    assert!(holds(&machine));
    becomes_master(&machine, 2);

    // It hangs, and is told to stop: it fails, and does not come back.
    run(&machine, &["systemctl", "kill", "--signal=STOP", "failover.service"]);
    assert!(holds(&machine));
    run(&machine, &["systemctl", "stop", "failover.service"]);
    assert!(!holds(&machine), "left after the stop");
    assert_eq!((said(&machine, LEFT), said(&machine, "192.0.2.50/24 on eth0")), (1, 1));

    // Killed with a configuration that is invalid by now: it comes back, ends with 78, and takes them along.
    run(&machine, &["systemctl", "start", "failover.service"]);
    becomes_master(&machine, 3);
    write("/etc/failover.toml", "[instance.web]\n");
    run(&machine, &["systemctl", "kill", "--signal=KILL", "failover.service"]);
    wait("it says that it leaves them", LIMIT, || (said(&machine, LEFT) == 2).then_some(()));
    assert!(holds(&machine));
    wait("they are taken away", LIMIT, || (said(&machine, "192.0.2.50/24 on eth0") == 2).then_some(()));
    assert!(!holds(&machine));

    // Stopped as usual: there is nothing left to take away.
    write("/etc/failover.toml", CONFIG);
    run(&machine, &["systemctl", "start", "failover.service"]);
    wait("it holds the address", LIMIT, || holds(&machine).then_some(()));
    run(&machine, &["systemctl", "stop", "failover.service"]);
    assert!(!holds(&machine));
    assert_eq!((said(&machine, LEFT), said(&machine, "192.0.2.50/24 on eth0")), (2, 2));
}
