//! The agent is killed and started again: in time it goes on as if nothing had been, later it starts anew.

use std::collections::BTreeSet;
use std::time::Duration;

use failover::agent::snapshot::VrState;

use crate::lab::router::{Router, V3, VRID};
use crate::lab::wire::now;
use crate::lab::{at_once, wait};
use crate::{Two, V6};

/// An interval, in milliseconds, so long that a process of a busy machine is back within it.
const LONG: u32 = 1000;

#[test]
fn a_killed_master_that_is_back_in_time_never_stopped_being_master() {
    at_once([V3, V6].map(|router| Router { interval: LONG, preempt: false, ..router }), |router| {
        let mut two = Two::new(router);
        let held: BTreeSet<_> = two.lab.a.tagged().into_iter().map(|held| held.address).collect();
        let start = now();
        two.on_a.crash();
        two.on_a = two.lab.a.failover(&router.ours(&two.lab.a, &two.lab.b, 200));
        wait("it goes on", router.limit(), || {
            let instance = two.lab.a.instance()?;
            let still: BTreeSet<_> = two.lab.a.tagged().into_iter().map(|held| held.address).collect();
            assert_eq!(still, held, "an address was away");
            (instance.state == VrState::Master).then_some(())
        });
        assert!(
            two.on_a.log().contains("goes on from where the agent before this one ended"),
            "{}",
            two.on_a.log()
        );
        two.held_by_a();
        assert_eq!(two.lab.wire.claimants(start, VRID), BTreeSet::from([two.lab.a.name.clone()]));
        let priorities: BTreeSet<u8> =
            two.lab.wire.adverts(start, VRID).iter().map(|(_, _, vrrp)| vrrp.priority).collect();
        assert_eq!(priorities, BTreeSet::from([200]), "a resignation, or another priority");
        let other = two.lab.b.instance().expect("a status");
        assert_eq!((other.state, other.counters.master_transitions), (VrState::Backup, 0));
        two.stop();
    });
}

#[test]
fn a_killed_master_that_is_late_starts_as_backup_without_its_addresses() {
    at_once([V3, V6].map(|router| Router { preempt: false, ..router }), |router| {
        let mut two = Two::new(router);
        two.on_a.crash();
        wait("the other takes over", router.limit(), || {
            (two.lab.b.instance()?.state == VrState::Master).then_some(())
        });
        let start = now();
        two.on_a = two.lab.a.failover(&router.ours(&two.lab.a, &two.lab.b, 200));
        wait("its addresses are gone", Duration::from_secs(10), || {
            two.lab.a.tagged().is_empty().then_some(())
        });
        two.held_by_b();
        assert_eq!(two.lab.wire.claimants(start, VRID), BTreeSet::from([two.lab.b.name.clone()]));
        assert_eq!(two.lab.a.instance().expect("a status").state, VrState::Backup);
        two.stop();
    });
}
