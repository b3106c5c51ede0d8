//! Addresses that people remove, and addresses that are theirs.

use std::time::Duration;

use crate::lab::router::{Program, Router, V3, VRID};
use crate::lab::wire::now;
use crate::lab::{Lab, at_once, wait};
use crate::{Two, V6};

#[test]
fn an_address_deleted_by_hand_is_put_back_without_a_failover() {
    at_once([(V3, 24), (V6, 64)], |(router, length)| {
        let two = Two::new(router);
        let start = now();
        for address in router.addresses() {
            two.lab.a.space.sh(&format!("ip addr del {address}/{length} dev eth0"));
            wait(&format!("{address} is back"), Duration::from_secs(1), || {
                two.lab.a.tagged().iter().any(|held| held.address == address).then_some(())
            });
        }
        two.held_by_a();
        let claimants = two.lab.wire.claimants(start, VRID);
        assert_eq!(claimants.into_iter().collect::<Vec<_>>(), ["a"], "who sent adverts since");
        let instance = two.lab.a.instance().expect("a status");
        assert_eq!(instance.counters.addresses_restored, 2);
        assert_eq!(instance.counters.master_transitions, 1);
        two.stop();
    });
}

/// An address without our mark is somebody's: neither start, takeover, stop nor the start after a crash removes it.
#[test]
fn addresses_of_the_administrator_stay() {
    let lab = Lab::new();
    for host in [&lab.a, &lab.b] {
        host.space.sh("ip addr add 192.0.2.77/24 dev eth0");
        host.space.sh("ip addr add 2001:db8::77/64 dev eth0 nodad");
    }
    let before = [lab.a.addresses(), lab.b.addresses()];
    let mut on_a = V3.start(Program::Ours, &lab.a, &lab.b, 200);
    let mut on_b = V3.start(Program::Ours, &lab.b, &lab.a, 100);
    lab.held_by(&V3, &lab.a, &[&lab.b]);
    on_a.crash();
    lab.held_by(&V3, &lab.b, &[]);
    let mut on_a = V3.start(Program::Ours, &lab.a, &lab.b, 200);
    lab.held_by(&V3, &lab.a, &[&lab.b]);
    assert!(on_a.terminate().success());
    lab.held_by(&V3, &lab.b, &[&lab.a]);
    assert!(on_b.terminate().success());
    assert_eq!([lab.a.addresses(), lab.b.addresses()], before);
}

/// Even where it is a virtual address of ours: a BACKUP does not take away what it did not put there.
#[test]
fn a_virtual_address_added_by_the_administrator_stays_on_a_backup() {
    let router = Router { preempt: false, ..V3 };
    let lab = Lab::new();
    let mut on_a = router.start(Program::Ours, &lab.a, &lab.b, 200);
    lab.held_by(&router, &lab.a, &[&lab.b]);
    lab.b.space.sh("ip addr add 192.0.2.50/24 dev eth0");
    let before = lab.b.addresses();
    let mut on_b = router.start(Program::Ours, &lab.b, &lab.a, 100);
    let start = now();
    wait("adverts went by", router.limit(), || (lab.wire.adverts(start, VRID).len() >= 10).then_some(()));
    assert_eq!(lab.b.addresses(), before, "on the running backup");
    assert!(on_b.terminate().success());
    assert_eq!(lab.b.addresses(), before, "after its end");
    assert!(on_a.terminate().success());
}
