//! Two hosts with the package installed, an address between them, and a client.

#![expect(clippy::disallowed_methods, reason = "a calm in which nothing happens is a time")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use failover::agent::snapshot::{InstanceStatus, Snapshot, VrState};

use super::{Administered, LIMIT, packages};
use crate::lab::client::{Client, Served};
use crate::lab::host::Host;
use crate::lab::machine::Machine;
use crate::lab::router::VRID;
use crate::lab::wire::now;
use crate::lab::{Lab, wait};

/// The interval of the adverts.
const INTERVAL: Duration = Duration::from_secs(1);
/// Requests, one each millisecond, that may be lost in a hand-over: what a busy machine's hiccup costs. A gap of one skew
/// would be 609 of them.
pub(super) const HICCUP: u32 = 60;
/// Requests before anything happens, and after.
const CALM: Duration = Duration::from_millis(300);

/// The hosts.
pub(super) struct Site {
    pub(super) a: Machine,
    pub(super) b: Machine,
    pub(super) lab: Lab,
    pub(super) address: IpAddr,
}

/// The configuration of a host.
pub(super) fn configuration(priority: u8) -> String {
    format!(
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = {VRID}\npriority = {priority}\n\
         addresses = [\"192.0.2.50/24\"]\nadvert_interval = \"1s\"\n"
    )
}

impl Site {
    /// Both run it, and `a` is MASTER.
    pub(super) fn new() -> Self {
        let [this, _] = packages();
        let lab = Lab::new();
        let (a, b) = (Machine::boot_in(lab.a.space.again()), Machine::boot_in(lab.b.space.again()));
        let start = |machine: &Machine, priority| {
            machine.is_a_usual_host();
            machine.apt_install(&this.deb, "");
            machine.write("/etc/failover.toml", &configuration(priority));
            machine.sh("systemctl --quiet enable --now failover");
        };
        thread::scope(|scope| {
            scope.spawn(|| start(&a, 200));
            start(&b, 100);
        });
        let site = Site { a, b, lab, address: IpAddr::from([192, 0, 2, 50]) };
        site.held_by_a();
        site
    }

    pub(super) fn held_by_a(&self) {
        self.held(&self.lab.a, &self.lab.b, &self.a, &self.b);
    }

    pub(super) fn held_by_b(&self) {
        self.held(&self.lab.b, &self.lab.a, &self.b, &self.a);
    }

    fn held(&self, holder: &Host, other: &Host, master: &Machine, backup: &Machine) {
        wait(&format!("{} alone holds {}", holder.name, self.address), LIMIT, || {
            (holder.serves(self.address) && !other.serves(self.address)).then_some(())
        });
        self.lab.reaches(self.address, holder, LIMIT);
        wait("its agent says so", LIMIT, || (web(master)?.state == VrState::Master).then_some(()));
        wait("the other's, too", LIMIT, || {
            web(backup).is_none_or(|web| web.state != VrState::Master).then_some(())
        });
    }

    /// What a client sees of `happening`, and of the calm before and after.
    pub(super) fn served(&self, happening: impl FnOnce()) -> Served {
        let client = Client::start(&self.lab.client.space, self.address);
        thread::sleep(CALM);
        happening();
        thread::sleep(CALM);
        client.stop()
    }

    /// Nothing moves on either host while `happening` and for longer than `b` would wait for an advert.
    pub(super) fn nothing_moves(&self, happening: impl FnOnce()) -> Served {
        let (start, before) = (now(), self.transitions());
        let served = self.served(|| {
            happening();
            look_on();
        });
        assert_eq!(self.lab.wire.claimants(start, VRID), BTreeSet::from([self.lab.a.name.clone()]));
        let resigned = |(_, _, vrrp): &(_, _, crate::lab::frame::Vrrp)| vrrp.priority == 0;
        assert!(!self.lab.wire.adverts(start, VRID).iter().any(resigned), "a resignation");
        assert_eq!(self.transitions(), before);
        self.held_by_a();
        served
    }

    /// How often `b` became MASTER.
    fn transitions(&self) -> u64 {
        web(&self.b).expect("an agent on b").counters.master_transitions
    }
}

/// For longer than `b` waits for an advert.
pub(super) fn look_on() {
    thread::sleep(INTERVAL * 4);
}

/// The instance, as the agent of a host tells it; `None` without an agent.
pub(super) fn web(machine: &Machine) -> Option<InstanceStatus> {
    let output = machine.output(&["failover", "status", "--json"]);
    // 3 without an agent, and another without the program.
    if !output.status.success() {
        return None;
    }
    let snapshot: Snapshot = serde_json::from_slice(&output.stdout).expect("JSON of a snapshot");
    snapshot.instances.into_iter().find(|instance| instance.name == "web")
}
