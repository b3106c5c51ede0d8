//! ACT: the Active state, our MASTER.

use failover::agent::message::{Input, Output};
use failover::agent::snapshot::VrState;
use failover::vrrp::fields::{Claim, Priority};
use failover::vrrp::packet::Advertisement;
use failover::vrrp::router::{Action, Cause, Event, State};

use super::bytes::{advert, ip};
use super::rig::*;
use super::segment::*;

const HIGHER: &str = "192.0.2.9";
const LOWER: &str = "192.0.2.1";

#[test]
fn act_01_a_stopping_master_resigns_once_and_is_gone() {
    let mut rig = Rig::masters(&[instance(100)]);
    rig.give(Input::Stop);
    let sent = rig.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].read(), Advertisement { claim: Claim::Resign, ..advert(100, &[VIP]) });
    // Beyond the RFC: nobody is left without the addresses before a successor can have them.
    assert!(rig.holds(VIP));
    rig.run(ms(1_600));
    assert!(rig.holds(VIP));
    rig.run(ms(10));
    assert!(!rig.holds(VIP), "one interval and the skew of priority 100");
    rig.run(ms(60_000));
    assert_eq!((rig.sent().len(), rig.frames().len()), (1, 0));
    assert_eq!(rig.outputs().last(), Some(&Output::Finished));
}

#[test]
fn act_02_adverts_leave_at_a_steady_pace() {
    let mut segment = Segment::master(every(10, settings(100)));
    let begin = segment.now() + segment.timer(0).unwrap();
    segment.run(ms(10_000));
    let sent = segment.adverts(0);
    assert_eq!(sent.len(), 100);
    for (n, (at, priority)) in (0..).zip(sent) {
        assert_eq!((at, priority), (begin + ms(100) * n, 100));
    }
}

#[test]
fn act_03_priority_0_is_answered_at_once() {
    let mut segment = Segment::master(settings(100));
    segment.hear(0, 0, HIGHER, 100);
    assert_eq!(segment.adverts(0), [(segment.now(), 100)]);
    assert_eq!((segment.is_master(0), segment.timer(0)), (true, Some(ms(1000))));
}

#[test]
fn act_04_a_higher_priority_is_yielded_to_without_a_word() {
    let mut rig = Rig::masters(&[instance(100)]);
    rig.hear(&peer(101));
    assert_eq!(rig.state(), VrState::Backup);
    assert!(!rig.holds(VIP));
    assert_eq!(rig.timer(), Some(us(3_609_375)));
    rig.run(ms(3_000));
    assert_eq!((rig.sent().len(), rig.frames().len()), (0, 0));
}

/// Beyond the RFC: a master that was taken to be dead may have been MASTER all along, behind a partition.
#[test]
fn act_04_a_master_that_was_missed_hears_one_last_claim() {
    let mut rig = Rig::start(&[instance(100)]);
    rig.hear(&peer(101));
    rig.run(ms(3_700));
    assert_eq!(rig.state(), VrState::Master);
    let before = rig.sent().len();
    rig.hear(&peer(101));
    assert_eq!((rig.state(), rig.holds(VIP)), (VrState::Backup, false));
    rig.run(ms(3_000));
    assert_eq!(rig.sent().len(), before + 1);
    assert_eq!(rig.sent()[before].read(), advert(100, &[VIP]), "a claim, no resignation");
}

#[test]
fn act_05_it_yields_also_without_preempt() {
    let mut segment = Segment::master(patient(settings(100)));
    segment.hear(0, 101, LOWER, 100);
    assert!(segment.is_backup(0));
}

#[test]
fn act_06_an_equal_priority_and_a_greater_address_is_as_good_as_a_higher_one() {
    let mut segment = Segment::master(settings(100));
    segment.hear(0, 100, HIGHER, 300);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(300), Some(us(10_828_125))));
    let outranked = Cause::Outranked { priority: Priority::DEFAULT, by: ip(HIGHER) };
    assert_eq!(segment.actions(0), [Action::Release, Action::Entered(outranked)]);
}

#[test]
fn act_07_a_losing_advert_is_answered_at_once() {
    let mut segment = Segment::master(settings(100));
    let before = segment.timer(0);
    segment.hear(0, 99, HIGHER, 100);
    assert_eq!(segment.adverts(0), [(segment.now(), 100)]);
    assert_eq!((segment.is_master(0), segment.timer(0)), (true, before));
}

#[test]
fn act_08_version_2_stays_silent() {
    let mut segment = Segment::master(settings_v2(100));
    segment.hear(0, 99, HIGHER, 100);
    segment.hear(0, 100, LOWER, 100);
    assert_eq!((segment.adverts(0), segment.is_master(0)), (vec![], true));
}

#[test]
fn act_09_a_losing_advert_teaches_nothing() {
    let mut segment = Segment::master(settings(100));
    segment.hear(0, 99, HIGHER, 10);
    segment.run(ms(600));
    assert_eq!(segment.timer(0), Some(ms(1000)));
    segment.hear(0, 101, HIGHER, 100);
    assert_eq!(segment.timer(0), Some(us(3_609_375)));
}

#[test]
fn act_10_a_master_has_no_master_down_timer() {
    let mut segment = Segment::master(settings(100));
    let before = segment.state(0);
    segment.give(0, Event::Timeout);
    assert_eq!((segment.state(0), segment.actions(0)), (before, vec![]));
    assert!(matches!(before, State::Master(_)));
}

#[test]
fn act_11_after_a_crash_the_others_wait_the_whole_interval() {
    let mut segment = Segment::new(&[("192.0.2.1", settings(100)), ("192.0.2.2", settings(200))]);
    segment.start(0);
    segment.start(1);
    segment.run(ms(10_000));
    assert_eq!(segment.masters(), [1].into());
    let last = segment.adverts(1).last().unwrap().0;
    segment.crash(1);
    segment.run(ms(10_000));
    assert_eq!(segment.adverts(0)[0].0 - last, us(3_609_375));
}
