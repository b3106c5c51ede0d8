//! The interface goes down, loses its carrier, its name or its existence, or is not there yet.

use failover::agent::snapshot::{InstanceStatus, VrState};

use crate::lab::host::Host;
use crate::lab::router::{Program, Router, V3};
use crate::lab::{Lab, at_once, wait};
use crate::{Two, V6};

/// Waits until the instance on `host` is in FAULT without addresses, for a reason that names the interface.
fn fault(host: &Host, router: &Router) {
    let status = wait(&format!("FAULT on {}", host.name), router.limit(), || {
        let gone = |instance: &InstanceStatus| !instance.addresses.iter().any(|address| address.present);
        host.instance().filter(|instance| instance.state == VrState::Fault && gone(instance))
    });
    println!("reason: {}", status.reason);
    assert!(status.reason.contains("eth0"), "a reason that names no interface: {}", status.reason);
    assert_eq!(host.tagged(), [], "addresses of an instance in FAULT");
}

#[test]
fn link_set_down_and_up() {
    let two = Two::new(V3);
    two.lab.a.space.sh("ip link set eth0 down");
    fault(&two.lab.a, &V3);
    two.held_by_b();
    two.lab.a.space.sh("ip link set eth0 up");
    two.held_by_a();
    two.stop();
}

#[test]
fn cable_unplugged_and_plugged_in() {
    at_once([V3, V6], |router| {
        let two = Two::new(router);
        two.lab.a.unplug();
        fault(&two.lab.a, &router);
        two.held_by_b();
        two.lab.a.replug();
        two.held_by_a();
        two.stop();
    });
}

#[test]
fn interface_deleted_and_made_again() {
    at_once([V3, V6], |router| {
        let two = Two::new(router);
        two.lab.a.space.sh("ip link del eth0");
        fault(&two.lab.a, &router);
        two.held_by_b();
        two.lab.a.plug_in("eth0", &two.lab.wire);
        two.held_by_a();
        two.stop();
    });
}

#[test]
fn interface_renamed_and_named_back() {
    let two = Two::new(V3);
    let space = &two.lab.a.space;
    space.sh("ip link set eth0 down");
    space.sh("ip link set eth0 name lan0");
    space.sh("ip link set lan0 up");
    fault(&two.lab.a, &V3);
    two.held_by_b();
    space.sh("ip link set lan0 down");
    space.sh("ip link set lan0 name eth0");
    space.sh("ip link set eth0 up");
    two.held_by_a();
    two.stop();
}

#[test]
fn interface_missing_at_the_start() {
    let lab = Lab::new();
    lab.a.space.sh("ip link del eth0");
    let mut process = lab.a.failover(&V3.ours(&lab.a, &lab.b, 200));
    fault(&lab.a, &V3);
    lab.a.plug_in("eth0", &lab.wire);
    lab.held_by(&V3, &lab.a, &[&lab.b]);
    assert!(process.terminate().success());
    assert_eq!(lab.a.tagged(), []);
}

/// Without an address of its own a host has no source for its adverts.
#[test]
fn primary_address_removed_and_put_back() {
    let two = Two::new(V3);
    let own = two.lab.a.address(false);
    two.lab.a.space.sh(&format!("ip addr del {own}/24 dev eth0"));
    let status = wait("FAULT on a", V3.limit(), || {
        two.lab.a.instance().filter(|instance| instance.state == VrState::Fault)
    });
    println!("reason: {}", status.reason);
    assert!(status.reason.contains("address"), "{}", status.reason);
    two.held_by_b();
    two.lab.a.space.sh(&format!("ip addr add {own}/24 dev eth0"));
    two.held_by_a();
    two.stop();
}

/// An instance is MASTER only with its addresses: the kernel refuses one, so the other host must do it.
#[test]
fn an_address_that_the_kernel_refuses_is_a_fault() {
    let two = Two::new(V3);
    let Two { on_a: mut refused, on_b, lab, router } = two;
    assert!(refused.terminate().success());
    lab.a.space.sysctl("ipv6/conf/eth0/disable_ipv6", "1");
    let config = router.ours(&lab.a, &lab.b, 200);
    let config = format!("{config}unadvertised_addresses = [\"2001:db8::60/64\"]\n");
    let on_a = lab.a.failover(&config);
    wait("FAULT on a", router.limit(), || {
        lab.a.instance().filter(|instance| instance.state == VrState::Fault)
    });
    lab.held_by(&router, &lab.b, &[&lab.a]);
    lab.a.space.sysctl("ipv6/conf/eth0/disable_ipv6", "0");
    wait("a holds the addresses again", router.limit() * 4, || lab.a.serves(router.address()).then_some(()));
    let two = Two { on_a, on_b, lab, router };
    two.held_by_a();
    two.stop();
}

/// Alone at the start: nobody else, the interface comes up late.
#[test]
fn interface_down_at_the_start() {
    let lab = Lab::new();
    lab.a.space.sh("ip link set eth0 down");
    let _process = lab.a.failover(&V6.ours(&lab.a, &lab.b, 200));
    fault(&lab.a, &V6);
    lab.a.space.sh("ip link set eth0 up");
    lab.held_by(&V6, &lab.a, &[&lab.b]);
    let _second = V6.start(Program::Ours, &lab.b, &lab.a, 100);
    lab.held_by(&V6, &lab.a, &[&lab.b]);
}
