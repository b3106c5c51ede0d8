//! The timer and the wakers.

use std::thread;
use std::time::Duration;

use failover::os::clock;
use failover::os::poll::{Poll, Token, Watch};
use failover::os::process::Waker;
use failover::os::timer::Timer;
use failover::time::Instant;

#[test]
fn the_timer_fires_at_its_time_and_can_be_armed_again_without_being_read() {
    let mut timer = Timer::new().unwrap();
    let mut poll = Poll::new().unwrap();
    poll.add(&timer, Token(1), Watch::Edge).unwrap();
    let mut ready = Vec::new();
    for _ in 0..5 {
        let deadline = clock::now().after(Duration::from_millis(5));
        timer.arm(deadline).unwrap();
        ready.clear();
        poll.wait(true, &mut ready).unwrap();
        assert_eq!(ready, [Token(1)]);
        assert!(clock::now() >= deadline);
        timer.fired();
    }
    // One that is long past fires at once.
    timer.arm(Instant::ZERO).unwrap();
    poll.wait(true, &mut ready).unwrap();
    timer.fired();
    ready.clear();
    poll.wait(false, &mut ready).unwrap();
    assert_eq!(ready, [], "fired once is reported once");
}

#[test]
fn a_later_deadline_leaves_the_timer_and_an_earlier_one_moves_it() {
    let mut timer = Timer::new().unwrap();
    let mut poll = Poll::new().unwrap();
    poll.add(&timer, Token(1), Watch::Edge).unwrap();
    let start = clock::now();
    timer.arm(start.after(Duration::from_hours(1))).unwrap();
    timer.arm(start.after(Duration::from_millis(20))).unwrap();
    timer.arm(start.after(Duration::from_mins(30))).unwrap();
    poll.wait(true, &mut Vec::new()).unwrap();
    assert!(clock::now().since(start) < Duration::from_mins(1));
    assert!(clock::now().since(start) >= Duration::from_millis(20));
}

#[test]
fn every_wake_is_reported_though_none_is_read() {
    let waker = Waker::new().unwrap();
    let mut poll = Poll::new().unwrap();
    poll.add(&waker, Token(2), Watch::Edge).unwrap();
    for _ in 0..3 {
        let other = waker.clone();
        let thread = thread::spawn(move || other.wake());
        let mut ready = Vec::new();
        poll.wait(true, &mut ready).unwrap();
        assert_eq!(ready, [Token(2)]);
        thread.join().unwrap();
    }
}
