//! A gateway whose fitness is that of its uplinks.

use failover::health::standing::Verdict;

use crate::lab::host::Host;
use crate::lab::space::Space;
use crate::{Stage, check, until};

/// The providers' side of both uplinks of a host.
struct Uplinks(Space);

impl Uplinks {
    fn new(host: &Host) -> Self {
        let providers = Space::new();
        for (link, number) in [("eth1", 1), ("eth2", 2)] {
            host.space
                .sh(&format!("ip link add {link} type veth peer name up{number} netns {}", providers.path()));
            host.space.sh(&format!("ip link set {link} up"));
            providers.sh(&format!("ip link set up{number} up"));
        }
        host.space.sh("ip addr add 198.51.100.2/24 dev eth1");
        providers.sh("ip addr add 198.51.100.1/24 dev up1");
        Uplinks(providers)
    }

    fn pull(&self, number: u8) {
        self.0.sh(&format!("ip link set up{number} down"));
    }

    fn plug(&self, number: u8) {
        self.0.sh(&format!("ip link set up{number} up"));
    }

    /// The provider's router is gone, its switch is not.
    fn silence(&self) {
        self.0.sh("ip addr del 198.51.100.1/24 dev up1");
    }
}

#[test]
fn gateway_with_two_uplinks() {
    let stage = Stage::new("gateway.toml", "192.168.1.130");
    let (a, b) = (&stage.lab.a, &stage.lab.b);
    let (at_a, at_b) = (Uplinks::new(a), Uplinks::new(b));
    let _agents = (stage.start(a, &[]), stage.start(b, &[]));
    stage.held_by(a);
    for name in ["uplink-a", "uplink-b", "provider-a"] {
        check(b, name, Verdict::Passing);
    }

    at_a.pull(2);
    until(a, "it is worth less", |instance| instance.effective_priority == 90);
    stage.held_by(b);
    at_b.pull(2);
    until(b, "so is the other", |instance| instance.effective_priority == 80);
    stage.held_by(a);
    at_a.silence();
    until(a, "its provider is silent", |instance| instance.effective_priority == 75);
    stage.held_by(b);
    at_b.pull(1);
    until(b, "nothing is left", |instance| instance.effective_priority == 35);
    stage.held_by(a);
    at_b.plug(1);
    at_b.plug(2);
    stage.held_by(b);
}
