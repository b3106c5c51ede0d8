//! INI: the Initialize state.

use failover::agent::snapshot::VrState;
use failover::vrrp::fields::{Claim, Priority};
use failover::vrrp::router::{Action, Cause, State};

use super::rig::*;
use super::segment::*;

#[test]
fn ini_01_an_owner_advertises_before_it_does_anything_else() {
    let segment = Segment::one(settings(255));
    let expected = [
        Action::Advertise(Claim::Hold(Priority::OWNER)),
        Action::Acquire,
        Action::Entered(Cause::OwnerStarted),
    ];
    assert_eq!(segment.actions(0), expected);
}

#[test]
fn ini_02_an_owner_announces_each_ipv4_address() {
    let mut rig = Rig::start(&[with_addresses(255, &["192.0.2.100", "192.0.2.101"])]);
    rig.run(ms(10));
    for address in [[192, 0, 2, 100], [192, 0, 2, 101]] {
        assert!(rig.frames().iter().any(|(_, frame)| frame[12..14] == [8, 6] && frame[28..32] == address));
    }
}

#[test]
fn ini_03_an_owner_announces_each_ipv6_address() {
    let mut rig = Rig::start(&[instance6(255)]);
    rig.run(ms(10));
    for address in VIPS6.map(|text| text.parse::<std::net::Ipv6Addr>().unwrap().octets()) {
        let announced =
            |frame: &[u8]| frame[12..14] == [0x86, 0xdd] && frame[58] == 0xa0 && frame[62..78] == address;
        assert!(rig.frames().iter().any(|(_, frame)| announced(frame)));
    }
}

#[test]
fn ini_04_an_owner_does_not_wait() {
    let mut rig = Rig::start(&[instance(255)]);
    assert_eq!(rig.state(), VrState::Master);
    assert_eq!(rig.sent()[0].at, ms(0));
    rig.run(ms(1000));
    assert_eq!(rig.sent().iter().map(|sent| sent.at).collect::<Vec<_>>(), [ms(0), ms(1000)]);
}

#[test]
fn ini_05_everybody_else_listens_first_and_sends_nothing() {
    let mut rig = Rig::start(&[instance(100)]);
    assert_eq!(rig.state(), VrState::Backup);
    rig.run(us(3_609_374));
    assert_eq!((rig.sent().len(), rig.frames().len()), (0, 0));
    rig.run(us(1));
    assert_eq!(rig.sent()[0].at, us(3_609_375));
}

#[test]
fn ini_06_adverts_before_the_start_have_no_effect() {
    let mut segment = Segment::new(&[("192.0.2.2", settings(100))]);
    for priority in [0, 50, 100, 200] {
        segment.hear(0, priority, "192.0.2.9", 300);
    }
    assert_eq!((segment.state(0), segment.actions(0)), (State::Init, vec![]));
    segment.start(0);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(100), Some(us(3_609_375))));
}

#[test]
fn ini_07_stopping_before_the_start_does_nothing() {
    let mut segment = Segment::new(&[("192.0.2.2", settings(255))]);
    segment.stop(0);
    assert_eq!((segment.state(0), segment.actions(0)), (State::Init, vec![]));
}

#[test]
fn ini_08_link_and_address_start_and_stop_an_instance() {
    let mut rig = Rig::masters(&[instance(100)]);
    rig.carrier(false);
    assert_eq!(rig.state(), VrState::Fault);
    assert!(!rig.holds(VIP));
    rig.carrier(true);
    assert_eq!(rig.state(), VrState::Backup);
    rig.remove(ETH0, super::bytes::ip(OWN));
    assert_eq!(rig.state(), VrState::Fault);
    rig.add(ETH0, OWN);
    assert_eq!(rig.state(), VrState::Backup);
    rig.run(ms(4000));
    assert_eq!(rig.state(), VrState::Master);
    let states = rig.reports().iter().filter(|report| report.message().contains("Entering")).count();
    assert_eq!(states, 5, "each change is told: {:?}", rig.reports());
}
