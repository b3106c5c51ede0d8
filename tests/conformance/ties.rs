//! TIE, OWN: equal priorities, and owners of the address.

use failover::agent::report::Report;
use failover::agent::snapshot::VrState;
use failover::agent::trouble::Trouble;
use failover::vrrp::router::{Action, Cause};

use super::rig::*;
use super::segment::*;

/// Pairs of a lower and a higher address that other ways to compare get wrong: as text, as a signed number, in the
/// byte order of the host.
const PAIRS: [(&str, &str); 4] = [
    ("10.0.0.1", "200.0.0.1"),
    ("192.0.2.9", "192.0.2.10"),
    ("10.0.0.2", "10.0.1.1"),
    ("127.255.255.255", "128.0.0.0"),
];

const PAIRS6: [(&str, &str); 3] =
    [("fe80::ffff", "fe80::1:0:0:0"), ("fe80::9", "fe80::10"), ("fe80::2:0:0:1", "fe80::8000:0:0:0")];

/// Both are MASTER, with the same priority: the one with the higher address stays, the other yields.
fn the_higher_address_stays(pairs: &[(&str, &str)], settings: failover::vrrp::router::Settings) {
    for (lower, higher) in pairs {
        for order in [[lower, higher], [higher, lower]] {
            let mut segment = Segment::new(&order.map(|address| (*address, settings)));
            segment.cut = true;
            segment.start(0);
            segment.start(1);
            segment.run(ms(10_000));
            assert_eq!(segment.masters(), [0, 1].into());
            segment.cut = false;
            segment.run(ms(1_000));
            let winner = order.iter().position(|address| *address == higher).unwrap();
            assert_eq!(segment.masters(), [winner].into(), "{lower} and {higher}");
        }
    }
}

#[test]
fn tie_01_the_sources_of_the_adverts_break_the_tie() {
    let mut rig = Rig::masters(&[instance(100)]);
    rig.hear(&Message { source: super::bytes::ip("192.0.2.1"), ..peer_from("192.0.2.1") });
    assert_eq!(rig.state(), VrState::Master);
    rig.hear(&peer_from("192.0.2.3"));
    assert_eq!(rig.state(), VrState::Backup);
}

/// An advert of priority 100 with the same list of addresses, from elsewhere.
fn peer_from(source: &str) -> Message {
    use failover::vrrp::fields::ChecksumForm;
    let (source, group) = (super::bytes::ip(source), super::bytes::ip(super::bytes::GROUP));
    let payload = super::bytes::advert(100, &[VIP]).emit(source, group, ChecksumForm::Rfc9568);
    Message { source, payload, ..peer(100) }
}

#[test]
fn tie_02_addresses_are_unsigned_numbers_in_network_order() {
    the_higher_address_stays(&PAIRS, settings(100));
}

#[test]
fn tie_03_ipv6_addresses_are_compared_as_128_bits() {
    the_higher_address_stays(&PAIRS6, settings(100));
}

#[test]
fn tie_04_a_backup_compares_no_addresses() {
    for source in ["192.0.2.1", "192.0.2.9"] {
        let mut segment = Segment::one(settings(100));
        segment.run(ms(3_000));
        segment.hear(0, 100, source, 100);
        assert_eq!(segment.timer(0), Some(us(3_609_375)));
    }
}

#[test]
fn tie_05_version_2_has_the_same_rule() {
    the_higher_address_stays(&PAIRS, settings_v2(100));
}

#[test]
fn tie_06_one_master_is_left_within_an_interval_of_a_healed_partition() {
    for interval in [1, 10, 100, 300] {
        let both = every(interval, settings(100));
        let mut segment = Segment::new(&[("192.0.2.1", both), ("192.0.2.2", both)]);
        segment.start(1);
        segment.start(0);
        segment.run(both.interval.duration() * 20);
        segment.cut = true;
        segment.run(both.interval.duration() * 20);
        assert_eq!(segment.masters(), [0, 1].into());
        segment.cut = false;
        segment.run(both.interval.duration());
        assert_eq!(segment.masters(), [1].into());
    }
}

#[test]
fn own_01_only_who_is_configured_as_owner_says_so() {
    // The address is on the link, but not as ours: that makes no owner, and is told.
    let mut rig = Rig::start_with(&[instance(100)], &[OWN, VIP]);
    rig.run(ms(10_000));
    assert!(rig.sent().iter().all(|sent| sent.bytes[2] == 100) && !rig.sent().is_empty());
    let foreign = |report: &&Report| matches!(report, Report::ForeignAddress { .. });
    assert_eq!(rig.reports().iter().filter(foreign).count(), 1);
    let mut rig = Rig::start_with(&[instance(255)], &[VIP]);
    rig.run(ms(10_000));
    assert!(rig.sent().iter().all(|sent| sent.bytes[2] == 255) && !rig.sent().is_empty());
    assert_eq!(rig.reports().iter().filter(foreign).count(), 0);
}

#[test]
fn own_02_an_owner_takes_over_whatever_preempt_says() {
    let owner = patient(settings(255));
    let mut segment = Segment::new(&[("192.0.2.1", owner), ("192.0.2.2", settings(254))]);
    segment.start(1);
    segment.run(ms(10_000));
    assert_eq!(segment.masters(), [1].into());
    segment.start(0);
    assert_eq!(segment.masters(), [0].into());
}

#[test]
fn own_04_a_second_owner_is_told_once_in_a_while() {
    let mut rig = Rig::masters(&[instance(255)]);
    for _ in 0..30 {
        rig.hear(&Message { source: super::bytes::ip("192.0.2.1"), ..owner_below() });
        rig.run(ms(1000));
    }
    assert_eq!(rig.counters().second_owner, 30);
    let told = |report: &&Report| matches!(report, Report::Trouble { trouble: Trouble::SecondOwner, .. });
    assert_eq!(rig.reports().iter().filter(told).count(), 1);
    assert_eq!(rig.state(), VrState::Master);
}

fn owner_below() -> Message {
    use failover::vrrp::fields::ChecksumForm;
    let (source, group) = (super::bytes::ip("192.0.2.1"), super::bytes::ip(super::bytes::GROUP));
    let payload = super::bytes::advert(255, &[VIP]).emit(source, group, ChecksumForm::Rfc5798);
    Message { source, payload, ..peer(255) }
}

#[test]
fn own_05_two_owners_do_not_both_stay() {
    let mut segment = Segment::new(&[("192.0.2.1", settings(255)), ("192.0.2.2", settings(255))]);
    segment.cut = true;
    segment.start(0);
    segment.start(1);
    assert_eq!(segment.masters(), [0, 1].into());
    segment.cut = false;
    segment.run(ms(1_000));
    assert_eq!(segment.masters(), [1].into());
    assert!(matches!(segment.cause(0), Some(Cause::Outranked { .. })));
    assert!(segment.actions(0).contains(&Action::Release));
}
