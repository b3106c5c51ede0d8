//! The examples of `config/examples` that need systemd, each as it stands there, on two hosts.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::lab::machine::Machine;
use crate::lab::{Lab, wait};

/// Longest time for anything to happen: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// `HAProxy` with the page that the example asks for.
const HAPROXY: &str = "global\n  stats socket /run/haproxy-admin.sock\n\
    defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n\
    frontend health\n  bind 127.0.0.1:8404\n  monitor-uri /health\n";

/// Two hosts with systemd in one network, the agent as a service on both.
struct Pair {
    lab: Lab,
    a: Machine,
    b: Machine,
    address: IpAddr,
}

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_str().expect("a path in UTF-8").to_owned()
}

impl Pair {
    fn new(example: &str, address: &str) -> Self {
        let lab = Lab::new();
        for host in [&lab.a, &lab.b, &lab.client] {
            host.space.sh(&format!("ip addr add 192.168.1.{}/24 dev eth0", 200 + u32::from(host.number)));
        }
        let (a, b) = (Machine::boot_in(lab.a.space.again()), Machine::boot_in(lab.b.space.again()));
        let text = fs::read_to_string(repository(&format!("config/examples/{example}"))).expect("an example");
        for (machine, host, priority) in [(&a, &lab.a, "priority = 110"), (&b, &lab.b, "priority = 100")] {
            machine.install(env!("CARGO_BIN_EXE_failover"), "/usr/local/bin/failover");
            let file = host.write("failover.toml", &text.replace("priority = 110", priority));
            machine.install(&file, "/etc/failover.toml");
            machine.install(
                &repository("systemd/failover-master@.target"),
                "/etc/systemd/system/failover-master@.target",
            );
        }
        Pair { lab, a, b, address: address.parse().expect("an address") }
    }

    /// Puts a unit on both hosts.
    fn unit(&self, name: &str, text: &str) {
        let file = self.lab.a.write(name, text);
        for machine in [&self.a, &self.b] {
            machine.install(&file, &format!("/etc/systemd/system/{name}"));
            run(machine, &["systemctl", "daemon-reload"]);
        }
    }

    fn held_by_a(&self) {
        self.held(true);
    }

    fn held_by_b(&self) {
        self.held(false);
    }

    fn held(&self, by_a: bool) {
        let (holder, other) = if by_a { (&self.lab.a, &self.lab.b) } else { (&self.lab.b, &self.lab.a) };
        wait(&format!("{} alone holds {}", holder.name, self.address), LIMIT, || {
            (holder.serves(self.address) && !other.serves(self.address)).then_some(())
        });
        self.lab.reaches(self.address, holder, LIMIT);
    }
}

/// Runs a command on a host; it must go well.
fn run(machine: &Machine, argv: &[&str]) {
    let output = machine.output(argv);
    assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn start_agent(machine: &Machine) {
    run(machine, &["systemd-run", "--quiet", "--unit=failover", "/usr/local/bin/failover", "run"]);
}

/// Waits until a unit of a host is in this state.
fn unit_is(machine: &Machine, unit: &str, state: &str) {
    wait(&format!("{unit} is {state}"), LIMIT, || {
        let output = machine.output(&["systemctl", "show", "--property=ActiveState", "--value", unit]);
        (String::from_utf8_lossy(&output.stdout).trim() == state).then_some(())
    });
}

/// The service runs where the address is, and so does what belongs to the role.
#[test]
fn floating_service() {
    let pair = Pair::new("floating-service.toml", "192.168.1.150");
    let (a, b) = (&pair.a, &pair.b);
    pair.unit("reports.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    pair.unit(
        "backup.service",
        "[Unit]\nPartOf=failover-master@reports.target\n[Service]\nExecStart=/bin/sleep infinity\n\
         [Install]\nWantedBy=failover-master@reports.target\n",
    );
    for machine in [a, b] {
        run(machine, &["systemctl", "--quiet", "enable", "backup.service"]);
    }
    start_agent(a);
    pair.held_by_a();
    for unit in ["reports.service", "failover-master@reports.target", "backup.service"] {
        unit_is(a, unit, "active");
    }
    start_agent(b);
    wait("b is BACKUP", LIMIT, || {
        let output = b.output(&["failover", "status"]);
        String::from_utf8_lossy(&output.stdout).contains("BACKUP").then_some(())
    });
    unit_is(b, "reports.service", "inactive");

    run(a, &["systemctl", "stop", "failover.service"]);
    pair.held_by_b();
    for unit in ["reports.service", "failover-master@reports.target", "backup.service"] {
        unit_is(a, unit, "inactive");
        unit_is(b, unit, "active");
    }
    start_agent(a);
    pair.held_by_a();
    for unit in ["reports.service", "failover-master@reports.target", "backup.service"] {
        unit_is(b, unit, "inactive");
        unit_is(a, unit, "active");
    }
}

/// The address leaves a host whose `HAProxy` systemd has stopped, or that hangs, and comes back.
#[test]
fn haproxy_pair() {
    let pair = Pair::new("haproxy.toml", "192.168.1.100");
    let (a, b) = (&pair.a, &pair.b);
    let config = pair.lab.a.write("haproxy.cfg", HAPROXY);
    for machine in [a, b] {
        machine.install(&config, "/etc/haproxy/haproxy.cfg");
        run(machine, &["systemctl", "start", "haproxy.service"]);
        start_agent(machine);
    }
    pair.held_by_a();
    run(a, &["systemctl", "stop", "haproxy.service"]);
    pair.held_by_b();
    let status = a.output(&["failover", "status", "web"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("FAULT") && status.contains("check haproxy is failing"), "{status}");
    run(a, &["systemctl", "start", "haproxy.service"]);
    pair.held_by_a();
    // A reload of it is no false alarm.
    run(a, &["systemctl", "reload", "haproxy.service"]);
    // It is active, and answers nothing.
    run(a, &["systemctl", "kill", "--signal=STOP", "haproxy.service"]);
    pair.held_by_b();
    run(a, &["systemctl", "kill", "--signal=CONT", "haproxy.service"]);
    pair.held_by_a();
}
