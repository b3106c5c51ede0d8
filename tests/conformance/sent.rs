//! FMT, F4, F6, F2: what an agent sends, from which address and to which; hop limit and the like need a kernel, see
//! `wire.rs`.

use failover::agent::snapshot::VrState;
use failover::config::model::InstanceConfig;
use failover::vrrp::fields::{Interval, Vrid};

use super::bytes::*;
use super::rig::*;
use super::segment::ms;

#[test]
fn fmt_04_a_default_instance_sends_priority_100_and_one_second() {
    let mut rig = Rig::start(&[instance(100)]);
    rig.run(ms(4000));
    assert_eq!(rig.sent()[0].bytes[..6], [0x31, 51, 0x64, 1, 0x00, 0x64]);
}

#[test]
fn fmt_11_every_advert_lists_the_addresses_as_configured() {
    let addresses = ["192.0.2.103", "192.0.2.101", "192.0.2.102"];
    for _ in 0..2 {
        let mut rig = Rig::start(&[with_addresses(100, &addresses)]);
        rig.run(ms(10_000));
        for sent in rig.sent() {
            assert_eq!(sent.read().addresses, addresses.map(ip));
        }
        assert_eq!(rig.sent().len(), 7);
    }
}

#[test]
fn fmt_13_ipv4_and_ipv6_of_the_same_vrid_are_independent() {
    let mut rig = Rig::masters(&[instance(100), instance6(100)]);
    rig.hear(&peer(200));
    assert_eq!(rig.status("web").state, VrState::Backup);
    assert_eq!(rig.status("db").state, VrState::Master);
    rig.run(ms(3_000));
    rig.hear(&peer6(200));
    rig.run(ms(2_000));
    assert_eq!(rig.status("web").state, VrState::Master);
    assert_eq!(rig.status("db").state, VrState::Backup);
}

#[test]
fn f4_01_the_source_is_the_primary_address_never_a_virtual_one() {
    // The virtual address is there already, before and after our own, as somebody's restart left it.
    for eth0 in [[VIP, OWN, OWN6], [OWN, VIP, OWN6]] {
        let mut rig = Rig::start_with(&[instance(100)], &eth0);
        rig.run(ms(20_000));
        assert_eq!(rig.state(), VrState::Master);
        let sent = rig.sent();
        assert!(sent.len() > 10);
        assert!(sent.iter().all(|sent| sent.source == ip(OWN)));
    }
    // An owner has no other.
    let mut rig = Rig::start_with(&[instance(255)], &[VIP]);
    rig.run(ms(1000));
    assert!(rig.sent().len() > 1);
    assert!(rig.sent().iter().all(|sent| sent.source == ip(VIP)));
    assert_eq!(rig.state(), VrState::Master);
}

#[test]
fn f6_01_the_source_is_the_links_own_link_local_address() {
    for eth0 in [["fe80::100", OWN6], [OWN6, "fe80::100"], ["2001:db8::2", OWN6]] {
        let mut rig = Rig::start_with(&[instance6(100)], &eth0);
        rig.run(ms(20_000));
        let sent = rig.sent();
        assert!(sent.len() > 10);
        assert!(sent.iter().all(|sent| sent.source == ip(OWN6)));
        assert!(sent.iter().all(|sent| sent.destination == ip(GROUP6)));
    }
}

#[test]
fn f6_06_the_first_address_on_the_wire_is_link_local() {
    let mut rig = Rig::start(&[instance6(100)]);
    rig.run(ms(4000));
    let bytes = &rig.sent()[0].bytes;
    assert_eq!(bytes[8..10], [0xfe, 0x80]);
}

#[test]
fn f6_08_without_a_link_local_address_nothing_is_sent() {
    let mut rig = Rig::start_with(&[instance6(100)], &["2001:db8::2"]);
    rig.run(ms(20_000));
    assert_eq!((rig.state(), rig.sent().len()), (VrState::Fault, 0));
    assert!(rig.status("web").reason.contains("link-local"), "{}", rig.status("web").reason);
    rig.add(ETH0, OWN6);
    rig.run(ms(4_000));
    assert_eq!(rig.state(), VrState::Master);
    rig.remove(ETH0, ip(OWN6));
    rig.forget();
    rig.run(ms(10_000));
    assert_eq!((rig.state(), rig.sent().len()), (VrState::Fault, 0));
    assert!(!rig.holds(VIPS6[0]) && !rig.holds(VIPS6[1]));
}

#[test]
fn f2_08_version_2_goes_to_the_same_group_from_the_same_source() {
    let mut rig = Rig::start(&[instance_v2(100)]);
    rig.run(ms(20_000));
    for sent in rig.sent() {
        assert_eq!((sent.source, sent.destination), (ip(OWN), ip(GROUP)));
        assert_eq!(sent.read(), advert_v2(100, &[VIP]));
    }
    assert_eq!(rig.sent().len(), 17);
}

#[test]
fn fmt_08_the_own_interval_is_sent_whatever_was_learned() {
    let slow = InstanceConfig { vrid: Vrid::new(7).unwrap(), interval: centiseconds(4095), ..instance(100) };
    let mut rig = Rig::masters_after(&[slow], ms(200_000));
    rig.run(ms(41_000));
    assert_eq!(rig.sent()[0].bytes[4..6], [0x0f, 0xff]);
    let mut rig = Rig::start(&[instance(100)]);
    rig.hear(&message(&failover::vrrp::packet::Advertisement {
        interval: centiseconds(300),
        ..advert(200, &[VIP])
    }));
    rig.run(ms(20_000));
    let sent = rig.sent();
    assert!(sent.len() > 5);
    assert!(sent.iter().all(|sent| sent.read().interval == Interval::DEFAULT));
    assert_eq!(sent[1].at - sent[0].at, ms(1000));
}
