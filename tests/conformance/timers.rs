//! TM: intervals and timers. TM-01 to TM-04 are with the arithmetic, in `src/vrrp/fields.rs`.

use failover::vrrp::fields::Priority;
use failover::vrrp::router::{Action, Event, Settings};

use super::segment::*;

const HIGHER: &str = "192.0.2.9";
const LOWER: &str = "192.0.2.1";

#[test]
fn tm_05_a_starting_backup_counts_by_its_own_interval() {
    let segment = Segment::one(every(300, settings(100)));
    assert_eq!(segment.learned(0), Some(300));
    assert_eq!(segment.timer(0), Some(us(10_828_125)));
}

/// The learning sequence, steps a to f, of a router of priority 100 and one second.
fn sequence() -> Segment {
    let mut segment = Segment::one(settings(100));
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(100), Some(us(3_609_375))));
    segment.hear(0, 150, HIGHER, 300);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(300), Some(us(10_828_125))));
    segment.hear(0, 150, HIGHER, 50);
    assert_eq!(
        (segment.learned(0), segment.timer(0)),
        (Some(50), Some(us(1_804_687) + std::time::Duration::from_nanos(500)))
    );
    segment
}

#[test]
fn tm_06_an_accepted_advert_teaches_the_interval_and_restarts_the_timer() {
    sequence();
}

#[test]
fn tm_07_the_skew_follows_what_was_learned() {
    let mut segment = Segment::one(settings(100));
    segment.hear(0, 150, HIGHER, 300);
    segment.hear(0, 0, HIGHER, 300);
    assert_eq!(segment.timer(0), Some(us(1_828_125)), "the skew at 3 s");
}

#[test]
fn tm_08_a_discarded_advert_changes_neither_interval_nor_timer() {
    let mut segment = sequence();
    segment.run(ms(500));
    let timer = segment.timer(0);
    segment.hear(0, 50, HIGHER, 10);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(50), timer));
}

#[test]
fn tm_09_priority_0_sets_the_timer_to_the_skew_and_teaches_nothing() {
    let mut segment = sequence();
    segment.hear(0, 0, HIGHER, 10);
    assert_eq!(segment.learned(0), Some(50));
    assert_eq!(segment.timer(0), Some(std::time::Duration::from_nanos(304_687_500)));
}

#[test]
fn tm_10_a_master_that_yields_learns() {
    let mut segment = Segment::master(settings(100));
    segment.hear(0, 200, LOWER, 300);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(300), Some(us(10_828_125))));
}

#[test]
fn tm_11_a_new_master_advertises_by_its_own_interval() {
    let mut segment = sequence();
    segment.hear(0, 0, HIGHER, 10);
    segment.run(segment.timer(0).unwrap());
    assert!(segment.is_master(0));
    assert_eq!(segment.timer(0), Some(ms(1000)));
}

#[test]
fn tm_12_the_advert_timer_restarts_with_each_advert_and_with_the_answer_to_priority_0() {
    let mut segment = Segment::master(settings(100));
    assert_eq!(segment.timer(0), Some(ms(600)));
    segment.run(ms(600));
    assert_eq!((segment.adverts(0).len(), segment.timer(0)), (1, Some(ms(1000))));
    segment.run(ms(300));
    segment.hear(0, 0, LOWER, 100);
    assert_eq!((segment.adverts(0).len(), segment.timer(0)), (2, Some(ms(1000))));
}

#[test]
fn tm_13_the_answer_to_a_losing_advert_does_not_move_the_next_one() {
    let mut segment = Segment::master(settings(100));
    segment.run(ms(100));
    segment.hear(0, 50, LOWER, 100);
    assert_eq!((segment.adverts(0).len(), segment.timer(0)), (1, Some(ms(500))));
}

#[test]
fn tm_14_a_fast_backup_and_a_slow_master_settle() {
    let fast = every(10, settings(50));
    let slow = every(300, settings(200));
    let mut segment = Segment::new(&[("192.0.2.1", fast), ("192.0.2.2", slow)]);
    segment.start(1);
    segment.run(ms(20_000));
    assert!(segment.is_master(1));
    // It takes over before it hears a slow advert, is answered at once, and has learned.
    segment.start(0);
    segment.run(ms(2_900));
    segment.forget();
    segment.run(ms(60_000));
    assert_eq!(segment.masters(), [1].into());
    assert_eq!(segment.adverts(0), []);
}

#[test]
fn tm_16_a_timer_of_a_state_that_was_left_does_nothing() {
    let mut segment = Segment::master(settings(100));
    let advert_due = segment.timer(0).unwrap();
    segment.hear(0, 200, LOWER, 100);
    segment.forget();
    segment.run(advert_due);
    segment.give(0, Event::Timeout);
    assert_eq!(segment.actions(0), []);
    segment.stop(0);
    segment.forget();
    segment.run(ms(10_000));
    segment.give(0, Event::Timeout);
    assert_eq!(segment.actions(0), []);
}

#[test]
fn tm_17_version_2_does_not_learn() {
    let mut segment = Segment::one(settings_v2(100));
    // The agent drops such an advert before; if one came through, it would teach nothing.
    segment.hear(0, 150, HIGHER, 300);
    assert_eq!((segment.learned(0), segment.timer(0)), (Some(100), Some(us(3_609_375))));
}

#[test]
fn tm_18_another_local_priority_counts_from_the_next_restart_on() {
    let mut segment = Segment::one(settings(100));
    segment.hear(0, 150, HIGHER, 100);
    segment.give(0, Event::Configure(Settings { priority: Priority::new(1).unwrap(), ..settings(1) }));
    assert_eq!(segment.timer(0), Some(us(3_609_375)));
    segment.hear(0, 150, HIGHER, 100);
    assert_eq!(segment.timer(0), Some(std::time::Duration::from_nanos(3_996_093_750)));
}

#[test]
fn tm_02_a_dead_master_is_replaced_after_the_master_down_interval() {
    for (number, interval) in [(100, 100), (254, 100), (1, 100), (150, 10), (100, 1), (120, 4095)] {
        let mut segment = Segment::one(every(interval, settings(number)));
        segment.hear(0, 255, HIGHER, interval);
        let heard = segment.now();
        let expected = segment.timer(0).unwrap();
        segment.run(expected * 2);
        let (first, _) = segment.adverts(0)[0];
        assert_eq!(first - heard, expected);
        assert_eq!(
            segment.actions(0)[1],
            Action::Advertise(failover::vrrp::fields::Claim::from_number(number))
        );
    }
}
