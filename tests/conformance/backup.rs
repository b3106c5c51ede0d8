//! BKP: the Backup state. BKP-01, BKP-02 and BKP-05 need a kernel: `wire.rs`.

use std::time::Duration;

use failover::agent::message::Output;
use failover::agent::snapshot::VrState;
use failover::vrrp::router::{Action, Cause, Event, Settings, State};

use super::rig::*;
use super::segment::*;

const HIGHER: &str = "192.0.2.9";
const LOWER: &str = "192.0.2.1";

#[test]
fn bkp_03_a_backup_puts_nothing_on_the_link_for_the_virtual_router() {
    for (config, message) in [(instance(100), peer(200)), (instance6(100), peer6(200))] {
        let mut rig = Rig::start(&[config]);
        for _ in 0..600 {
            rig.hear(&message);
            rig.run(ms(1000));
        }
        assert_eq!(rig.state(), VrState::Backup);
        assert_eq!((rig.sent().len(), rig.frames().len()), (0, 0));
    }
}

#[test]
fn bkp_06_stopping_a_backup_sends_nothing_and_ends_its_timer() {
    let mut segment = Segment::one(settings(100));
    segment.forget();
    segment.stop(0);
    assert_eq!(segment.actions(0), [Action::Entered(Cause::ShutDown)]);
    assert_eq!((segment.state(0), segment.timer(0)), (State::Init, None));
}

#[test]
fn bkp_07_silence_makes_it_master_advert_first() {
    let mut rig = Rig::start(&[instance(100)]);
    rig.hear(&peer(200));
    rig.forget();
    rig.run(us(3_609_375));
    assert_eq!(rig.state(), VrState::Master);
    let sent = rig.sent();
    assert_eq!((sent.len(), sent[0].at), (1, us(3_609_375)));
    assert!(!rig.frames().is_empty());
    let kinds = rig.outputs();
    let at = |which: fn(&Output) -> bool| kinds.iter().position(which).unwrap();
    let advert = at(|output| matches!(output, Output::Send { .. }));
    let address = at(|output| matches!(output, Output::Apply { .. }));
    let announcement = at(|output| matches!(output, Output::Frame { .. }));
    assert!(advert < address && address < announcement);
    rig.run(ms(1000));
    assert_eq!(rig.sent()[1].at - sent[0].at, ms(1000));
}

#[test]
fn bkp_08_priority_0_makes_it_master_after_its_skew() {
    let mut segment = Segment::one(settings(100));
    segment.hear(0, 200, HIGHER, 100);
    segment.run(ms(500));
    segment.hear(0, 0, HIGHER, 100);
    assert!(segment.is_backup(0));
    segment.run(us(609_374));
    assert!(segment.is_backup(0));
    segment.run(us(1));
    assert!(segment.is_master(0));
    assert_eq!(segment.cause(0), Some(Cause::MasterResigned));
}

#[test]
fn bkp_09_each_priority_0_starts_the_skew_again() {
    let mut segment = Segment::one(settings(100));
    segment.hear(0, 0, HIGHER, 100);
    segment.run(ms(300));
    segment.hear(0, 0, HIGHER, 100);
    segment.run(ms(10_000));
    assert_eq!(segment.adverts(0)[0].0, us(909_375));
}

#[test]
fn bkp_10_priority_0_counts_whatever_preempt_says() {
    let mut segment = Segment::one(patient(settings(100)));
    segment.hear(0, 0, HIGHER, 100);
    segment.run(us(609_375));
    assert!(segment.is_master(0));
}

fn stays_backup(settings: Settings, priority: u8, source: &str, interval: u16) -> Segment {
    let mut segment = Segment::one(settings);
    for _ in 0..100 {
        segment.hear(0, priority, source, interval);
        segment.run(Duration::from_millis(10) * u32::from(interval));
        assert!(segment.is_backup(0));
    }
    assert_eq!(segment.adverts(0), []);
    segment
}

#[test]
fn bkp_11_adverts_of_the_same_or_a_higher_priority_keep_it_backup() {
    stays_backup(settings(100), 100, HIGHER, 100);
    stays_backup(settings(100), 101, LOWER, 100);
    stays_backup(settings(100), 255, LOWER, 300);
}

#[test]
fn bkp_12_an_equal_priority_is_accepted_from_any_address() {
    stays_backup(settings(100), 100, LOWER, 100);
    stays_backup(settings(100), 100, HIGHER, 100);
}

#[test]
fn bkp_13_without_preempt_a_lower_priority_is_accepted_and_learned() {
    let mut segment = stays_backup(patient(settings(100)), 50, HIGHER, 300);
    segment.hear(0, 50, HIGHER, 300);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(300), Some(us(10_828_125))));
}

#[test]
fn bkp_14_with_preempt_a_lower_priority_does_not_delay_the_takeover() {
    let mut segment = Segment::new(&[("192.0.2.1", settings(100)), ("192.0.2.2", settings(200))]);
    segment.start(0);
    segment.run(ms(10_500));
    segment.start(1);
    segment.run(us(3_218_749));
    assert_eq!(segment.masters(), [0].into());
    segment.run(us(1));
    assert_eq!(segment.masters(), [1].into());
    assert_eq!(segment.cause(1), Some(Cause::Preempted));
}

#[test]
fn bkp_15_a_lower_advert_never_makes_it_master_at_once() {
    let mut segment = Segment::one(settings(100));
    segment.hear(0, 200, HIGHER, 100);
    for _ in 0..36 {
        segment.run(ms(100));
        segment.hear(0, 1, LOWER, 100);
        assert!(segment.is_backup(0));
    }
    segment.run(us(9_375));
    assert!(segment.is_master(0));
}

#[test]
fn bkp_16_a_timeout_before_its_time_does_nothing() {
    let mut segment = Segment::one(settings(100));
    segment.run(ms(3600));
    segment.forget();
    let before = segment.state(0);
    segment.give(0, Event::Timeout);
    assert_eq!((segment.state(0), segment.actions(0)), (before, vec![]));
}

#[test]
fn bkp_17_a_hold_time_delays_preemption_only() {
    let delayed = Settings { preempt_delay: Duration::from_secs(10), ..settings(200) };
    let mut segment = Segment::new(&[("192.0.2.1", settings(100)), ("192.0.2.2", delayed)]);
    segment.start(0);
    segment.run(ms(5_500));
    segment.start(1);
    segment.run(ms(10_000));
    assert_eq!(segment.masters(), [0].into());
    segment.run(ms(5_000));
    assert_eq!(segment.masters(), [1].into());

    // Silence and priority 0 are not preemption.
    for (resigns, wait) in [(false, us(3_218_750)), (true, us(218_750))] {
        let mut segment = Segment::one(delayed);
        segment.hear(0, 100, LOWER, 100);
        segment.run(ms(500));
        segment.hear(0, if resigns { 0 } else { 100 }, LOWER, 100);
        assert_eq!(segment.timer(0), Some(wait));
        segment.run(wait);
        assert!(segment.is_master(0));
    }
}
