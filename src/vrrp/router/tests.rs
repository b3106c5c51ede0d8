//! Every cell of the table of RFC 9568, section 6.4: each state with each event, version 3 and 2.

use std::net::Ipv4Addr;

use super::*;

const NOW: Instant = Instant::from_nanos(10_000_000_000);
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const LOWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const HIGHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));

const HOLD: Action = Action::Advertise(Claim::Hold(Priority::DEFAULT));
const RESIGN: Action = Action::Advertise(Claim::Resign);

fn ms(milliseconds: u64) -> Instant {
    NOW.after(Duration::from_millis(milliseconds))
}

fn priority(number: u8) -> Priority {
    Priority::new(number).unwrap()
}

fn interval(centiseconds: u16) -> Interval {
    Interval::from_centiseconds(centiseconds).unwrap()
}

/// Priority 100, one second, preempting.
fn settings() -> Settings {
    Settings {
        version: Version::V3,
        priority: Priority::DEFAULT,
        interval: Interval::DEFAULT,
        preempt: true,
        preempt_delay: Duration::ZERO,
        promotion: Promotion::Alone,
    }
}

fn router(settings: Settings, state: State) -> Router {
    let primary = (state != State::Init).then_some(OWN);
    Router { primary, state, ..Router::new(settings) }
}

fn heard(number: u8, source: IpAddr, centiseconds: u16) -> Event {
    Event::Heard(Heard { claim: Claim::from_number(number), source, interval: interval(centiseconds) })
}

/// A BACKUP that waits `milliseconds` more and counts by an interval of `centiseconds`.
fn backup(milliseconds: u64, centiseconds: u16) -> State {
    State::Backup(Backup { down_at: ms(milliseconds), interval: interval(centiseconds), hold_until: None })
}

/// The same, having heard a master that it may preempt.
fn preempting(milliseconds: u64, centiseconds: u16) -> State {
    State::Backup(Backup {
        down_at: ms(milliseconds),
        interval: interval(centiseconds),
        hold_until: Some(NOW),
    })
}

/// A MASTER that advertises in `milliseconds`.
fn master(milliseconds: u64) -> State {
    State::Master(Master { advertise_at: ms(milliseconds), answer_after: NOW })
}

fn answered(milliseconds: u64) -> State {
    State::Master(Master { advertise_at: ms(milliseconds), answer_after: ms(100) })
}

fn at_micros(microseconds: u64) -> Instant {
    NOW.after(Duration::from_micros(microseconds))
}

/// A cell: what it is, the parameters, the state, the event; then what is to be done and the state afterwards.
type Cell<'a> = (&'a str, Settings, State, Event, &'a [Action], State);

fn check(cells: &[Cell<'_>]) {
    for (name, settings, state, event, expected, after) in cells {
        let mut router = router(*settings, *state);
        let mut actions = Vec::new();
        router.handle(NOW, *event, &mut actions);
        assert_eq!(actions, *expected, "{name}");
        assert_eq!(router.state(), *after, "{name}");
        let deadline = match after {
            State::Init => None,
            State::Backup(backup) => Some(backup.down_at),
            State::Master(master) => Some(master.advertise_at),
            State::Leaving(leaving) => Some(leaving.until),
        };
        assert_eq!(router.deadline(), deadline, "{name}");
    }
}

#[test]
fn initialize() {
    let owner = Settings { priority: Priority::OWNER, ..settings() };
    let own_255 = Action::Advertise(Claim::Hold(Priority::OWNER));
    let takes_over = [own_255, Action::Acquire, Action::Entered(Cause::OwnerStarted)];
    let startup = Event::Startup { primary: OWN };
    let waits = State::Backup(Backup {
        down_at: at_micros(3_609_375),
        interval: Interval::DEFAULT,
        hold_until: None,
    });
    check(&[
        ("startup, owner", owner, State::Init, startup, &takes_over, master(1000)),
        ("startup", settings(), State::Init, startup, &[Action::Entered(Cause::Started)], waits),
        ("shutdown", settings(), State::Init, Event::Shutdown, &[], State::Init),
        ("timeout", settings(), State::Init, Event::Timeout, &[], State::Init),
        ("priority 0", settings(), State::Init, heard(0, HIGHER, 10), &[], State::Init),
        ("lower", settings(), State::Init, heard(50, HIGHER, 10), &[], State::Init),
        ("equal", settings(), State::Init, heard(100, HIGHER, 10), &[], State::Init),
        ("higher", settings(), State::Init, heard(200, HIGHER, 10), &[], State::Init),
        ("primary", settings(), State::Init, Event::Primary(HIGHER), &[], State::Init),
        ("configure", settings(), State::Init, Event::Configure(owner), &[], State::Init),
    ]);
}

#[test]
fn backup_and_its_timers() {
    let taken = [HOLD, Action::Acquire, Action::Entered(Cause::MasterSilent)];
    let stopped = [Action::Entered(Cause::ShutDown)];
    let other = Settings { priority: priority(7), ..settings() };
    let asleep = State::Backup(Backup {
        down_at: NOW.before(Duration::from_secs(4)),
        interval: Interval::DEFAULT,
        hold_until: None,
    });
    let listens = State::Backup(Backup {
        down_at: at_micros(3_609_375),
        interval: Interval::DEFAULT,
        hold_until: None,
    });
    let startup = Event::Startup { primary: HIGHER };
    check(&[
        ("startup", settings(), backup(500, 100), startup, &[], backup(500, 100)),
        ("shutdown", settings(), backup(500, 100), Event::Shutdown, &stopped, State::Init),
        ("timeout, not due", settings(), backup(1, 100), Event::Timeout, &[], backup(1, 100)),
        ("timeout", settings(), backup(0, 300), Event::Timeout, &taken, master(1000)),
        ("timeout, far too late", settings(), asleep, Event::Timeout, &[], listens),
        ("primary", settings(), backup(500, 100), Event::Primary(HIGHER), &[], backup(500, 100)),
        ("configure", settings(), backup(500, 100), Event::Configure(other), &[], backup(500, 100)),
    ]);
}

#[test]
fn backup_that_is_configured_anew() {
    let fast = Settings { interval: interval(10), ..settings() };
    let slow = Settings { interval: interval(200), ..settings() };
    let slow_v2 = Settings { version: Version::V2, ..slow };
    let v2 = Settings { version: Version::V2, ..settings() };
    let patient = Settings { preempt_delay: Duration::from_secs(5), ..settings() };
    let held = |milliseconds| {
        let State::Backup(backup) = preempting(500, 100) else { unreachable!() };
        State::Backup(Backup { hold_until: Some(ms(milliseconds)), ..backup })
    };
    let lower = Settings { priority: priority(50), ..settings() };
    // Of 3.609375 s, 3.109375 s are over; of 7.21875 s, 4.109375 s are then left; version 2, whose skew knows no interval,
    // has 3.5 s of 6.609375 s.
    let stretched =
        State::Backup(Backup { down_at: at_micros(4_109_375), interval: interval(200), hold_until: None });
    check(&[
        (
            "nobody heard: by the new interval",
            settings(),
            backup(500, 100),
            Event::Configure(slow),
            &[],
            stretched,
        ),
        (
            "nobody heard, shorter: at once",
            settings(),
            backup(500, 100),
            Event::Configure(fast),
            &[],
            backup(0, 10),
        ),
        (
            "version 2: by its own interval",
            v2,
            backup(500, 100),
            Event::Configure(slow_v2),
            &[],
            backup(3500, 200),
        ),
        (
            "a learned interval stays",
            settings(),
            backup(500, 300),
            Event::Configure(fast),
            &[],
            backup(500, 300),
        ),
        ("another delay moves its end", settings(), held(100), Event::Configure(patient), &[], held(5100)),
        ("lower", settings(), backup(500, 100), Event::Configure(lower), &[], backup(500, 100)),
    ]);
    // About to preempt, and no longer allowed to, or no longer of a higher priority.
    for other in
        [Settings { preempt: false, ..settings() }, Settings { priority: priority(40), ..settings() }]
    {
        let mut router = router(settings(), backup(300, 100));
        router.handle(NOW, heard(50, LOWER, 100), &mut Vec::new());
        router.handle(ms(1), Event::Configure(other), &mut Vec::new());
        let down = other.master_down_interval(Interval::DEFAULT);
        assert_eq!(router.deadline(), Some(ms(1).after(down)), "{other:?}");
    }
}

#[test]
fn backup_that_hears() {
    let patient = Settings { preempt: false, ..settings() };
    let v2 = Settings { version: Version::V2, ..settings() };
    // Three times 3 s and a skew of 156/256 of that; of one second in version 2.
    let learned =
        State::Backup(Backup { down_at: at_micros(10_828_125), interval: interval(300), hold_until: None });
    let not_learned = State::Backup(Backup {
        down_at: at_micros(3_609_375),
        interval: Interval::DEFAULT,
        hold_until: None,
    });
    let skewed =
        State::Backup(Backup { down_at: at_micros(609_375), interval: Interval::DEFAULT, hold_until: None });
    let begin = backup(500, 100);
    check(&[
        ("priority 0", settings(), begin, heard(0, HIGHER, 10), &[], skewed),
        ("priority 0, no preempt", patient, begin, heard(0, LOWER, 10), &[], skewed),
        ("priority 0, version 2", v2, begin, heard(0, LOWER, 100), &[], skewed),
        ("lower, preempt", settings(), begin, heard(99, HIGHER, 300), &[], preempting(500, 100)),
        ("lower, no preempt", patient, begin, heard(99, HIGHER, 300), &[], learned),
        ("equal, lower address", settings(), begin, heard(100, LOWER, 300), &[], learned),
        ("equal, higher address", settings(), begin, heard(100, HIGHER, 300), &[], learned),
        ("equal, same address", settings(), begin, heard(100, OWN, 300), &[], learned),
        ("higher", settings(), begin, heard(101, LOWER, 300), &[], learned),
        ("owner", settings(), begin, heard(255, LOWER, 300), &[], learned),
        ("higher, version 2", v2, begin, heard(101, LOWER, 100), &[], not_learned),
        ("lower, version 2", v2, begin, heard(99, LOWER, 100), &[], preempting(500, 100)),
    ]);
}

#[test]
fn active_and_its_timers() {
    let stopped = [RESIGN, Action::Release, Action::Entered(Cause::ShutDown)];
    let other = Settings { priority: priority(7), ..settings() };
    let asleep =
        State::Master(Master { advertise_at: NOW.before(Duration::from_secs(3)), answer_after: NOW });
    let listens = State::Backup(Backup {
        down_at: at_micros(3_609_375),
        interval: Interval::DEFAULT,
        hold_until: None,
    });
    let overslept = [Action::Release, Action::Entered(Cause::Overslept { silent: Duration::from_secs(4) })];
    let late =
        State::Master(Master { advertise_at: NOW.before(Duration::from_millis(30)), answer_after: NOW });
    let startup = Event::Startup { primary: HIGHER };
    let fast = Settings { interval: interval(10), ..settings() };
    check(&[
        ("startup", settings(), master(400), startup, &[], master(400)),
        ("shutdown", settings(), master(400), Event::Shutdown, &stopped, State::Init),
        ("timeout, not due", settings(), master(1), Event::Timeout, &[], master(1)),
        ("timeout", settings(), master(0), Event::Timeout, &[HOLD], master(1000)),
        ("timeout, a little late: the pace stays", settings(), late, Event::Timeout, &[HOLD], master(970)),
        ("timeout, far too late", settings(), asleep, Event::Timeout, &overslept, listens),
        ("heard, far too late", settings(), asleep, heard(50, LOWER, 100), &overslept, {
            let State::Backup(backup) = listens else { unreachable!() };
            State::Backup(Backup { hold_until: Some(NOW), ..backup })
        }),
        ("primary", settings(), master(400), Event::Primary(HIGHER), &[], master(400)),
        (
            "configure",
            settings(),
            master(400),
            Event::Configure(other),
            &[RESIGN, Action::Advertise(Claim::Hold(priority(7)))],
            master(400),
        ),
        (
            "configure, another interval",
            settings(),
            master(400),
            Event::Configure(fast),
            &[HOLD],
            master(100),
        ),
    ]);
}

#[test]
fn active_that_hears() {
    let v2 = Settings { version: Version::V2, ..settings() };
    let patient = Settings { preempt: false, ..settings() };
    let learned =
        State::Backup(Backup { down_at: at_micros(10_828_125), interval: interval(300), hold_until: None });
    let not_learned = State::Backup(Backup {
        down_at: at_micros(3_609_375),
        interval: Interval::DEFAULT,
        hold_until: None,
    });
    let yields =
        |number, by| [Action::Release, Action::Entered(Cause::Outranked { priority: priority(number), by })];
    let (tied, outranked) = (yields(100, HIGHER), yields(101, LOWER));
    let answers = [HOLD, Action::Contested];
    let begin = master(400);
    check(&[
        ("priority 0", settings(), begin, heard(0, HIGHER, 10), &[HOLD], answered(1000)),
        ("priority 0, version 2", v2, begin, heard(0, HIGHER, 100), &[HOLD], answered(1000)),
        ("priority 0, just answered", settings(), answered(400), heard(0, HIGHER, 10), &[], answered(400)),
        ("lower", settings(), begin, heard(99, HIGHER, 10), &answers, answered(400)),
        ("lower, no preempt", patient, begin, heard(99, HIGHER, 10), &answers, answered(400)),
        ("lower, version 2", v2, begin, heard(99, HIGHER, 100), &[Action::Contested], begin),
        ("lower, just answered", settings(), answered(400), heard(99, HIGHER, 10), &[Action::Contested], {
            answered(400)
        }),
        ("equal, lower address", settings(), begin, heard(100, LOWER, 10), &answers, answered(400)),
        ("equal, same address", settings(), begin, heard(100, OWN, 10), &answers, answered(400)),
        ("equal, higher address", settings(), begin, heard(100, HIGHER, 300), &tied, learned),
        ("equal, higher address, version 2", v2, begin, heard(100, HIGHER, 100), &tied, not_learned),
        ("higher", settings(), begin, heard(101, LOWER, 300), &outranked, learned),
        ("higher, no preempt", patient, begin, heard(101, LOWER, 300), &outranked, learned),
        ("higher, version 2", v2, begin, heard(101, LOWER, 100), &outranked, not_learned),
    ]);
}

#[test]
fn the_cause_of_a_takeover_is_what_the_timer_waited_for() {
    let delayed = Settings { preempt_delay: Duration::from_secs(10), ..settings() };
    let second = |n: u64| NOW.after(Duration::from_secs(n));
    // What was heard in the seconds from now on, and why the router then takes over.
    let cases: [(&str, Settings, &[Event], Cause); 6] = [
        ("nobody", settings(), &[], Cause::MasterSilent),
        ("a better one", settings(), &[heard(200, LOWER, 100)], Cause::MasterSilent),
        ("a better one that left", settings(), &[heard(200, LOWER, 100), heard(0, LOWER, 100)], {
            Cause::MasterResigned
        }),
        ("a worse one", settings(), &[heard(50, LOWER, 100)], Cause::Preempted),
        ("a worse one that is let be, and falls silent", delayed, &[heard(50, LOWER, 100)], {
            Cause::MasterSilent
        }),
        ("one that left, then a better one", settings(), &[heard(0, LOWER, 100), heard(200, LOWER, 100)], {
            Cause::MasterSilent
        }),
    ];
    for (name, settings, events, cause) in cases {
        let mut router = Router::new(settings);
        let mut actions = Vec::new();
        router.handle(NOW, Event::Startup { primary: OWN }, &mut actions);
        for (n, event) in (1..).zip(events) {
            router.handle(second(n).before(Duration::from_millis(900)), *event, &mut actions);
        }
        actions.clear();
        let due = router.deadline().unwrap();
        router.handle(due, Event::Timeout, &mut actions);
        assert_eq!(actions, [HOLD, Action::Acquire, Action::Entered(cause)], "{name}");
    }
}

#[test]
fn rebasing_moves_the_timers_and_nothing_else() {
    for state in [State::Init, backup(500, 300), preempting(500, 100), master(400), answered(400)] {
        let before = router(settings(), state);
        let moved = before.rebased(NOW, ms(7000));
        let deadline = before.deadline().map(|at| at.after(Duration::from_secs(7)));
        assert_eq!(moved.deadline(), deadline);
        assert_eq!(moved.rebased(ms(7000), NOW), before);
    }
    let past = State::Master(Master { advertise_at: ms(400), answer_after: Instant::ZERO });
    assert_eq!(router(settings(), past).rebased(NOW, NOW).state(), master(400));
}

#[test]
fn a_last_claim_goes_only_to_a_master_that_was_taken_to_be_dead() {
    let heard = |source, number| {
        Event::Heard(Heard { claim: Claim::from_number(number), source, interval: Interval::DEFAULT })
    };
    for (lost, back, words) in [(HIGHER, HIGHER, 1), (HIGHER, LOWER, 0)] {
        let mut router = Router::new(settings());
        let mut actions = Vec::new();
        router.handle(NOW, Event::Startup { primary: OWN }, &mut actions);
        router.handle(NOW, heard(lost, 150), &mut actions);
        let down = router.deadline().unwrap();
        router.handle(down, Event::Timeout, &mut actions);
        assert!(router.is_master());
        actions.clear();
        router.handle(down, heard(back, 150), &mut actions);
        let claims = actions.iter().filter(|action| matches!(action, Action::Advertise(_))).count();
        assert_eq!((claims, router.is_master()), (words, false), "{actions:?}");
    }
}

#[test]
fn a_master_whose_priority_falls_resigns_and_holds_on() {
    let at = |number| Settings { priority: priority(number), ..settings() };
    let hold = |number| Action::Advertise(Claim::Hold(priority(number)));
    let begin = master(400);
    check(&[
        ("falls", settings(), begin, Event::Configure(at(80)), &[RESIGN, hold(80)], begin),
        ("rises", settings(), begin, Event::Configure(at(120)), &[hold(120)], begin),
        ("stays", settings(), begin, Event::Configure(settings()), &[HOLD], begin),
    ]);
}

#[test]
fn after_a_fall_a_better_backup_takes_over_after_its_skew_and_a_worse_one_waits() {
    for (own, skew) in [(120, Some(0.531_25)), (90, None)] {
        let mut router = Router::new(Settings { priority: priority(own), ..settings() });
        router.handle(NOW, Event::Startup { primary: OWN }, &mut Vec::new());
        router.handle(ms(500), heard(130, HIGHER, 100), &mut Vec::new());
        router.handle(ms(600), heard(0, HIGHER, 100), &mut Vec::new());
        router.handle(ms(600), heard(100, HIGHER, 100), &mut Vec::new());
        let wait = router.deadline().unwrap().since(ms(600)).as_secs_f64();
        match skew {
            Some(skew) => assert!((wait - skew).abs() < 1e-9, "{own}: {wait}"),
            None => assert!(wait > 3.0, "{own}: {wait}"),
        }
    }
}

#[test]
fn who_may_not_yet_is_due_and_takes_over_after_its_skew_once_free() {
    let blocked = Settings { promotion: Promotion::Blocked, ..settings() };
    let mut router = Router::new(blocked);
    let mut actions = Vec::new();
    router.handle(NOW, Event::Startup { primary: OWN }, &mut actions);
    for _ in 0..3 {
        assert!(!router.is_master());
        let at = router.deadline().unwrap();
        router.handle(at, Event::Timeout, &mut actions);
        assert!(router.is_due());
    }
    let now = router.deadline().unwrap().before(Duration::from_secs(1));
    actions.clear();
    router.handle(now, Event::Configure(settings()), &mut actions);
    assert_eq!(actions, []);
    assert!(!router.is_due());
    let at = router.deadline().unwrap();
    assert_eq!(at.since(now), settings().skew_time(Interval::DEFAULT));
    router.handle(at, Event::Timeout, &mut actions);
    assert_eq!(actions, [HOLD, Action::Acquire, Action::Entered(Cause::MasterSilent)]);
}

#[test]
fn who_is_due_is_no_longer_once_it_hears_a_better_master() {
    let together = Settings { promotion: Promotion::Together, ..settings() };
    for (number, still) in [(101, false), (100, false), (99, true)] {
        let mut router = Router::new(together);
        router.handle(NOW, Event::Startup { primary: OWN }, &mut Vec::new());
        let at = router.deadline().unwrap();
        router.handle(at, Event::Timeout, &mut Vec::new());
        router.handle(at, heard(number, HIGHER, 100), &mut Vec::new());
        assert_eq!(router.is_due(), still, "{number}");
        router.handle(at, Event::Promote, &mut Vec::new());
        assert_eq!(router.is_master(), still, "{number}");
    }
}

#[test]
fn an_owner_that_may_not_yet_waits_like_others_and_is_due_at_once() {
    let owner = Settings { priority: Priority::OWNER, promotion: Promotion::Together, ..settings() };
    let mut router = Router::new(owner);
    let mut actions = Vec::new();
    router.handle(NOW, Event::Startup { primary: OWN }, &mut actions);
    assert_eq!(actions, [Action::Entered(Cause::Started)]);
    assert!(router.is_due());
}

#[test]
fn who_yields_resigns_lets_go_and_listens() {
    let mut router = router(settings(), master(400));
    let mut actions = Vec::new();
    router.handle(NOW, Event::Yield { sooner: false }, &mut actions);
    assert_eq!(actions, [RESIGN, Action::Release, Action::Entered(Cause::Yielded)]);
    assert_eq!(router.state(), backup_for(3_609_375));
    actions.clear();
    router.handle(NOW, Event::Yield { sooner: false }, &mut actions);
    assert_eq!(actions, [], "a BACKUP has nothing to yield");
}

/// A BACKUP that waits so many microseconds, having heard nobody.
fn backup_for(microseconds: u64) -> State {
    State::Backup(Backup { down_at: at_micros(microseconds), interval: Interval::DEFAULT, hold_until: None })
}
