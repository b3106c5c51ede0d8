//! Tables of states and jobs, and a property: whatever happens, the last state is what comes to be.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_secs(seconds))
}

fn words(jobs: &[Job<u8>]) -> Vec<(&str, Goal)> {
    jobs.iter().map(|job| (job.unit.as_str(), job.goal)).collect()
}

/// Does all jobs well; what they were.
fn drain(desired: &mut Desired<u8>, now: Instant) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..100 {
        let jobs = desired.next(now);
        if jobs.is_empty() {
            return done;
        }
        for job in jobs {
            done.push(format!("{:?} {}", job.goal, job.unit));
            assert_eq!(desired.done(job.number, true, now), Verdict::Well);
        }
    }
    panic!("jobs without end");
}

#[test]
fn first_what_stops_then_what_starts_in_configured_order() {
    let mut desired = Desired::new();
    let all = ["m1", "both", "m2", "b"];
    desired.set(1, &all, &["both", "b"]);
    assert_eq!(drain(&mut desired, at(0)), ["Rest m1", "Rest m2", "Run both", "Run b"]);
    desired.set(1, &all, &["m1", "both", "m2"]);
    assert_eq!(drain(&mut desired, at(1)), ["Rest b", "Run m1", "Run m2"], "both goes on running");
    desired.set(1, &all, &[]);
    assert_eq!(drain(&mut desired, at(2)), ["Rest m1", "Rest both", "Rest m2"]);
    assert!(desired.unfinished().is_empty() && desired.settled());
}

#[test]
fn one_job_at_a_time_of_an_owner_and_owners_beside_each_other() {
    let mut desired = Desired::new();
    desired.set(1, &["a", "b"], &["a", "b"]);
    desired.set(2, &["c"], &["c"]);
    let jobs = desired.next(at(0));
    assert_eq!(words(&jobs), [("a", Goal::Run), ("c", Goal::Run)]);
    assert!(desired.next(at(0)).is_empty());
    desired.done(jobs[0].number, true, at(0));
    assert_eq!(words(&desired.next(at(0))), [("b", Goal::Run)]);
}

#[test]
fn the_newest_state_replaces_a_job_under_way() {
    let mut desired = Desired::new();
    desired.set(1, &["a", "b"], &["a"]);
    let stop = desired.next(at(0));
    desired.done(stop[0].number, true, at(0));
    let start = desired.next(at(0));
    assert_eq!(words(&start), [("a", Goal::Run)]);
    desired.set(1, &["a", "b"], &[]);
    let stop = desired.next(at(1));
    assert_eq!(words(&stop), [("a", Goal::Rest)]);
    assert_eq!(desired.done(start[0].number, false, at(1)), Verdict::Forgotten, "nobody waits for it");
    assert_eq!(desired.done(stop[0].number, true, at(1)), Verdict::Well);
    assert!(desired.next(at(1)).is_empty());
}

#[test]
fn the_end_of_a_start_says_nothing_of_a_stop_that_was_wanted_meanwhile() {
    let mut desired = Desired::new();
    desired.set(1, &["a"], &["a"]);
    let start = desired.next(at(0));
    desired.set(1, &["a"], &[]);
    assert_eq!(desired.done(start[0].number, true, at(0)), Verdict::Forgotten);
    assert_eq!(words(&desired.next(at(0))), [("a", Goal::Rest)]);
}

#[test]
fn a_start_that_takes_long_does_not_delay_a_stop() {
    let mut desired = Desired::new();
    desired.set(1, &["a", "b"], &["a", "b"]);
    let first = desired.next(at(0));
    desired.done(first[0].number, true, at(0));
    assert_eq!(words(&desired.next(at(0))), [("b", Goal::Run)]);
    desired.set(1, &["a", "b"], &["b"]);
    let stop = desired.next(at(0));
    assert_eq!(words(&stop), [("a", Goal::Rest)]);
    desired.done(stop[0].number, true, at(0));
    assert_eq!(words(&desired.next(at(0))), [("b", Goal::Run)], "waited for again");
}

#[test]
fn a_failure_is_tried_again_later_and_later_and_lets_others_pass() {
    let mut desired = Desired::new();
    desired.set(1, &["a", "b"], &["a", "b"]);
    let mut now = at(0);
    let job = desired.next(now);
    assert_eq!(desired.done(job[0].number, false, now), Verdict::Again(Duration::from_secs(1)));
    let other = desired.next(now);
    assert_eq!(words(&other), [("b", Goal::Run)]);
    desired.done(other[0].number, true, now);
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        let due = now.after(Duration::from_secs(seconds));
        assert_eq!(desired.deadline(), Some(due));
        assert!(desired.next(due.before(Duration::from_nanos(1))).is_empty());
        now = due;
        let job = desired.next(now);
        assert_eq!(words(&job), [("a", Goal::Run)]);
        desired.done(job[0].number, false, now);
    }
    // Another state knows nothing of that.
    desired.set(1, &["a", "b"], &["b"]);
    assert_eq!(words(&desired.next(now)), [("a", Goal::Rest)]);
}

#[test]
fn a_unit_that_is_named_no_more_is_stopped_and_forgotten() {
    let mut desired = Desired::new();
    desired.set(1, &["a"], &["a"]);
    drain(&mut desired, at(0));
    desired.set(1, &["b"], &["b"]);
    assert_eq!(drain(&mut desired, at(0)), ["Rest a", "Run b"]);
    assert_eq!(desired.owners[&1].units.len(), 1);
}

proptest! {
    #[test]
    fn the_last_state_is_what_comes_to_be(
        steps in proptest::collection::vec((0u8..8, any::<bool>(), 0u8..3), 1..60),
    ) {
        const ALL: [&str; 3] = ["a", "b", "c"];
        let mut desired = Desired::new();
        let mut running: BTreeSet<String> = ALL.iter().map(ToString::to_string).collect();
        let mut waiting: Vec<Job<u8>> = Vec::new();
        let mut wanted = Vec::new();
        let mut now = at(0);
        for (state, well, kind) in steps {
            now = now.after(Duration::from_secs(1));
            match kind {
                0 => {
                    wanted = ALL.into_iter().enumerate().filter(|(n, _)| state >> n & 1 == 1).map(|(_, u)| u).collect();
                    desired.set(1, &ALL, &wanted);
                }
                1 => waiting.extend(desired.next(now)),
                _ => for job in waiting.drain(..) {
                    let counts = desired.done(job.number, well, now) != Verdict::Forgotten;
                    if counts && well {
                        if job.goal == Goal::Run { running.insert(job.unit); } else { running.remove(&job.unit); }
                    }
                },
            }
        }
        desired.set(1, &ALL, &wanted);
        for job in waiting {
            if desired.done(job.number, true, now) != Verdict::Forgotten {
                if job.goal == Goal::Run { running.insert(job.unit); } else { running.remove(&job.unit); }
            }
        }
        for _ in 0..20 {
            now = now.after(LONGEST_DELAY);
            for job in desired.next(now) {
                desired.done(job.number, true, now);
                if job.goal == Goal::Run { running.insert(job.unit); } else { running.remove(&job.unit); }
            }
        }
        let expected: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        prop_assert_eq!(running, expected);
        prop_assert!(desired.settled());
    }
}
