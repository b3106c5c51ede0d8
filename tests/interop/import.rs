//! keepalived with a configuration of its own on one host, ours with what `failover import` makes of it on the other:
//! they elect one holder and hand over both ways. The configurations are `tests/import/pair-*.conf`.

use std::net::IpAddr;
use std::path::Path;

use crate::lab::agent::FAILOVER;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::router::Program::{self, Keepalived, Ours};
use crate::lab::router::{Router, V3};
use crate::lab::{Lab, at_once, peers, wait};

/// How a configuration of the pairs says its priority, and who it is.
const PRIORITY: &str = "priority 100";
const BY_STATE: &str = "state MASTER\n    # owner\n";
const OWN: &str = "unicast_src_ip 192.0.2.1";
const PEER: &str = "        192.0.2.2\n";

/// What the script of a pair looks for.
const SERVICE: &str = "/tmp/service";

/// A pair of hosts with one configuration.
struct Pair {
    lab: Lab,
    router: Router,
    text: String,
}

/// A configuration, and what the tests need to know of it: how long to wait, and the addresses.
fn pair(name: &str, router: Router) -> Pair {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/import/pair-{name}.conf"));
    let text = std::fs::read_to_string(path).expect("a configuration of the pairs");
    Pair { lab: Lab::new(), router, text }
}

impl Pair {
    /// The configuration of `host`, with a priority in place of the one in it.
    fn text(&self, host: &Host, priority: Option<u8>) -> String {
        let peer = if host.name == self.lab.a.name { &self.lab.b } else { &self.lab.a };
        let own = format!("unicast_src_ip {}", host.address(false));
        let text = self.text.replace(OWN, &own).replace(PEER, &format!("        {}\n", peer.address(false)));
        let text = text.replace(SERVICE, &host.path("service"));
        let Some(priority) = priority else { return text };
        let lowered = text.replace(PRIORITY, &format!("priority {priority}"));
        // An owner by its state alone is lowered by saying another one.
        let lowered = lowered.replace(BY_STATE, &format!("state BACKUP\n    priority {priority}\n"));
        assert_ne!(lowered, text, "the configuration says its priority");
        lowered
    }

    /// Starts a program with it, and waits until it takes part.
    fn start(&self, host: &Host, (program, priority): (Program, Option<u8>)) -> Process {
        let text = self.text(host, priority);
        let process = if program == Keepalived {
            peers::keepalived(host, &text)
        } else {
            host.failover(&imported(host, &text))
        };
        wait(&format!("{program:?} on {} has started", host.name), self.router.limit(), || {
            let log = process.log().to_ascii_lowercase();
            ["entering backup state", "entering master state"]
                .iter()
                .any(|sign| log.contains(sign))
                .then_some(())
        });
        process
    }

    fn held_by(&self, holder: &Host, other: &Host) {
        self.lab.held_by(&self.router, holder, &[other]);
    }

    /// `a` outranks `b`: it takes over when it comes, and `b` when it goes.
    fn outranked(&self, on_a: (Program, Option<u8>), on_b: (Program, Option<u8>)) {
        let (a, b) = (&self.lab.a, &self.lab.b);
        let mut lower = self.start(b, on_b);
        self.held_by(b, a);
        let mut higher = self.start(a, on_a);
        self.held_by(a, b);
        assert!(higher.terminate().success());
        self.held_by(b, a);
        assert!(lower.terminate().success());
        self.nothing_left();
    }

    /// Whoever holds the addresses keeps them until it goes.
    fn stays(&self, on_a: (Program, Option<u8>), on_b: (Program, Option<u8>)) {
        let (a, b) = (&self.lab.a, &self.lab.b);
        let mut first = self.start(b, on_b);
        self.held_by(b, a);
        let mut second = self.start(a, on_a);
        self.held_by(b, a);
        assert!(first.terminate().success());
        self.held_by(a, b);
        let mut first = self.start(b, on_b);
        self.held_by(a, b);
        assert!(first.terminate().success() && second.terminate().success());
        self.nothing_left();
    }

    fn nothing_left(&self) {
        for host in [&self.lab.a, &self.lab.b] {
            for address in self.router.addresses() {
                assert!(!host.holds(address), "{address} is left over on {}", host.name);
            }
        }
    }
}

/// What `failover import` prints for `text`.
fn imported(host: &Host, text: &str) -> String {
    let file = host.write("imported.conf", text);
    let output = host.space.output(&format!("{FAILOVER} import {file}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "import: {} {said}", output.status);
    String::from_utf8(output.stdout).expect("a configuration in UTF-8")
}

const HIGH: Option<u8> = Some(200);
const LOW: Option<u8> = Some(90);
const V2: Router = Router { version: 2, interval: 1000, ..V3 };

/// Both ways: keepalived outranks the import, and the import keepalived.
fn both_ways(name: &str, router: Router) {
    at_once([(Keepalived, Ours), (Ours, Keepalived)], |(on_a, on_b)| {
        pair(name, router).outranked((on_a, HIGH), (on_b, LOW));
    });
}

#[test]
fn import_of_version_2() {
    both_ways("v2", V2);
}

#[test]
fn import_of_a_password_that_is_cut_and_a_label() {
    both_ways("v2-password", V2);
}

#[test]
fn import_of_version_3_with_few_announcements() {
    both_ways("v3", V3);
}

#[test]
fn import_of_definitions_and_adverts_every_100_ms() {
    both_ways("v3-100ms", Router { interval: 100, ..V3 });
}

/// A keepalived before 2.2.8 does not know the word and sends the other form.
#[test]
fn import_of_the_checksum_of_rfc_9568() {
    both_ways("v3-rfc9568", V3);
}

#[test]
fn import_of_ipv6() {
    both_ways("ipv6", Router { v6: true, ..V3 });
}

#[test]
fn import_of_unicast() {
    both_ways("unicast", Router { unicast: true, ..V3 });
}

#[test]
fn import_of_excluded_addresses() {
    let excluded: IpAddr = "2001:db8::60".parse().expect("an address");
    let pair = pair("excluded", V3);
    pair.outranked((Keepalived, HIGH), (Ours, LOW));
    let mut on_a = pair.start(&pair.lab.a, (Ours, HIGH));
    pair.held_by(&pair.lab.a, &pair.lab.b);
    wait("the address of the other family is there too", V3.limit(), || {
        pair.lab.a.serves(excluded).then_some(())
    });
    assert!(on_a.terminate().success());
    assert!(!pair.lab.a.holds(excluded));
}

#[test]
fn import_of_nopreempt_on_ours() {
    pair("nopreempt", V3).stays((Ours, HIGH), (Keepalived, LOW));
}

#[test]
fn import_of_nopreempt_on_keepalived() {
    pair("nopreempt", V3).stays((Keepalived, HIGH), (Ours, LOW));
}

/// `state MASTER` without a priority is 255 in both.
#[test]
fn import_of_an_owner_by_its_state() {
    pair("owner", V3).outranked((Ours, None), (Keepalived, LOW));
}

#[test]
fn import_beside_an_owner_by_its_state() {
    pair("owner", V3).outranked((Keepalived, None), (Ours, LOW));
}

/// Without any priority both have 100.
#[test]
fn import_of_equal_defaults() {
    pair("equal", V3).stays((Ours, None), (Keepalived, None));
}

/// A script's weight moves the addresses away and back, whoever is on which side.
#[test]
fn import_of_a_script_with_a_weight() {
    at_once([(Ours, Keepalived), (Keepalived, Ours)], |(on_a, on_b)| {
        let pair = pair("script", V3);
        let Lab { a, b, .. } = &pair.lab;
        for host in [a, b] {
            host.write("service", "");
        }
        let _lower = pair.start(b, (on_b, LOW));
        let _higher = pair.start(a, (on_a, HIGH));
        pair.held_by(a, b);
        std::fs::remove_file(a.path("service")).expect("the file");
        pair.held_by(b, a);
        a.write("service", "");
        pair.held_by(a, b);
    });
}
