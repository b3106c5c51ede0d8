//! The configurations in `config/examples`, each as it stands there, on two hosts with the real programs around: what they
//! promise happens. Those that need systemd run in `tests/systemd`.
//!
//! Needs root and the packages that `tests/run` installs.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../lab/mod.rs"]
mod lab;

mod gateway;
mod pair;
mod router;
mod tiers;

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use failover::agent::snapshot::{InstanceStatus, VrState};
use failover::health::standing::Verdict;

use lab::host::Host;
use lab::process::Process;
use lab::{Lab, wait};

/// Longest time for anything to happen: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Two hosts of the examples' network, 192.168.1.0/24, in which the client is, too.
struct Stage {
    lab: Lab,
    text: String,
    address: IpAddr,
}

impl Stage {
    /// For the example of this name, which moves `address`. `own` files are looked for in each host's directory.
    fn new(example: &str, address: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(example);
        let text = fs::read_to_string(path).expect("an example");
        let lab = Lab::new();
        for host in [&lab.a, &lab.b, &lab.client] {
            host.space.sh(&format!("ip addr add 192.168.1.{}/24 dev eth0", 200 + u32::from(host.number)));
        }
        Stage { lab, text, address: address.parse().expect("an address") }
    }

    /// The example as it is on a host: the second has another priority, and files are the host's own.
    fn config(&self, host: &Host, files: &[(&str, &str)]) -> String {
        let mut text = self.text.clone();
        if host.name == self.lab.b.name {
            assert!(text.contains("priority = 110"), "the priority of the first host");
            text = text.replace("priority = 110", "priority = 100");
        }
        for (there, here) in files {
            assert!(text.contains(there), "{there}");
            text = text.replace(there, &host.path(here));
        }
        text
    }

    fn start(&self, host: &Host, files: &[(&str, &str)]) -> Process {
        host.failover(&self.config(host, files))
    }

    /// Waits until `holder` alone has the address and the client reaches it there.
    fn held_by(&self, holder: &Host) {
        let other = if holder.name == self.lab.a.name { &self.lab.b } else { &self.lab.a };
        wait(&format!("{} alone holds {}", holder.name, self.address), LIMIT, || {
            (holder.serves(self.address) && !other.serves(self.address)).then_some(())
        });
        self.lab.reaches(self.address, holder, LIMIT);
    }
}

/// Waits until the first instance of a host is so.
fn until(host: &Host, text: &str, is: impl Fn(&InstanceStatus) -> bool) -> InstanceStatus {
    wait(&format!("{}: {text}", host.name), LIMIT, || host.instance().filter(&is))
}

fn in_state(host: &Host, state: VrState) -> InstanceStatus {
    until(host, state.word(), |instance| instance.state == state)
}

/// Waits until a check of a host says so.
fn check(host: &Host, name: &str, verdict: Verdict) {
    wait(&format!("{}: check {name} is {verdict}", host.name), LIMIT, || {
        let checks = host.status()?.checks;
        checks.iter().any(|check| check.name == name && check.verdict == verdict).then_some(())
    });
}

/// nginx on a host: port 80 on every address, `/health` says what is in `health.txt` of the host's directory.
fn nginx(host: &Host) -> Process {
    host.write("health.txt", "all is ok\n");
    let directory = host.path("");
    let config = host.write(
        "nginx.conf",
        &format!(
            "daemon off; worker_processes 1; user root; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log;\n\
             events {{}}\nhttp {{ access_log off;\n  server {{ listen 80; location = /health {{ alias {directory}/health.txt; }} }}\n}}\n"
        ),
    );
    host.start("nginx", &["nginx", "-c", &config, "-p", &directory])
}
