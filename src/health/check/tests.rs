//! Hysteresis, damping and pace, as tables and as properties over generated outcomes.

use proptest::prelude::*;

use super::*;
use crate::config::model::Probe;
use crate::net::LinkName;

fn config(fall: u8, rise: u8, flap: Option<Flap>) -> CheckConfig {
    CheckConfig {
        probe: Probe::Interface(LinkName::new("eth0").unwrap()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall,
        rise,
        initial: Initial::Unknown,
        flap,
    }
}

const FLAP: Flap = Flap {
    changes: 2,
    within: Duration::from_mins(1),
    hold: Duration::from_secs(10),
    max_hold: Duration::from_secs(40),
};

fn at(seconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_secs(seconds))
}

fn outcome(letter: char) -> Outcome {
    match letter {
        '+' => Outcome::passed("fine"),
        '-' => Outcome::failed("broken"),
        _ => Outcome::unknown("bus away"),
    }
}

/// Runs once a second with these outcomes; what is told after each: `P`, `F`, `U`, and `H` while held.
fn play(check: &mut Check, from: u64, outcomes: &str) -> String {
    let mut said = String::new();
    for (second, letter) in (from..).zip(outcomes.chars()) {
        let (run, _) = check.timeout(at(second));
        assert!(run, "a run is due each second");
        check.ran(at(second), outcome(letter));
        said.push(match (check.damping.held_until(), check.told) {
            (Some(_), Verdict::Failing) => 'H',
            (Some(_), _) => panic!("held, and not failing"),
            (None, Verdict::Passing) => 'P',
            (None, Verdict::Failing) => 'F',
            (None, Verdict::Unknown) => 'U',
        });
    }
    said
}

fn fresh(fall: u8, rise: u8, flap: Option<Flap>) -> Check {
    Check::new(at(0), Arc::from("web"), &config(fall, rise, flap), at(0))
}

#[test]
fn fall_and_rise_count_in_a_row() {
    for (fall, rise, outcomes, said) in [
        (3, 2, "++--+---+++", "UPPPPPPFFPP"),
        (1, 1, "+-+-", "PFPF"),
        (3, 2, "---", "UUF"),
        (3, 2, "+-+-+-", "UUUUUU"),
        (2, 2, "++?++--?--", "UPUUPPFUUF"),
        (2, 2, "++-?-", "UPPUU"),
    ] {
        assert_eq!(play(&mut fresh(fall, rise, None), 0, outcomes), said, "{fall} {rise} {outcomes}");
    }
}

#[test]
fn it_begins_with_what_is_said_to_be_initial() {
    for (initial, verdict) in [
        (Initial::Unknown, Verdict::Unknown),
        (Initial::Passing, Verdict::Passing),
        (Initial::Failing, Verdict::Failing),
    ] {
        let check =
            Check::new(at(0), Arc::from("web"), &CheckConfig { initial, ..config(3, 2, None) }, at(0));
        assert_eq!(check.fact().verdict, verdict);
    }
}

#[test]
fn a_check_that_keeps_changing_is_held_failing_and_then_says_what_it_found_meanwhile() {
    let mut check = fresh(1, 1, Some(FLAP));
    // Unknown to passing is no change; the third change at 3 s holds until 13 s.
    assert_eq!(play(&mut check, 0, "+-+-+++++++++++"), "PFPHHHHHHHHHHPP");
    // The next hold is twice as long.
    assert_eq!(play(&mut check, 15, "-+-"), "FPH");
    assert_eq!(check.damping.held_until(), Some(at(37)));
}

#[test]
fn holds_and_their_ends_are_told_with_the_reason() {
    let mut check = fresh(1, 1, Some(FLAP));
    play(&mut check, 0, "+-+");
    let (run, news) = check.timeout(at(3));
    assert_eq!((run, news), (true, None));
    let fact = check.ran(at(3), outcome('-')).unwrap();
    assert_eq!((fact.verdict, fact.held), (Verdict::Failing, Some(FLAP.hold)));
    for second in 4..13 {
        assert_eq!(check.timeout(at(second)), (true, None));
        assert_eq!(check.ran(at(second), outcome('+')), None, "held");
    }
    let (run, news) = check.timeout(at(13));
    assert!(run);
    let fact = news.unwrap();
    assert_eq!((fact.verdict, fact.text.as_str()), (Verdict::Passing, "no longer held: fine"));
}

#[test]
fn another_number_in_a_file_is_news_while_it_passes() {
    let mut check = fresh(1, 1, None);
    let read = |weight| Outcome { weight: Some(weight), ..Outcome::passed("") };
    assert_eq!(check.saw(at(0), read(-5)).unwrap().weight, Some(-5));
    assert_eq!(check.saw(at(1), read(-5)), None);
    assert_eq!(check.saw(at(2), read(7)).unwrap().weight, Some(7));
    assert_eq!(check.saw(at(3), outcome('-')).unwrap().verdict, Verdict::Failing);
}

#[test]
fn by_other_rules_it_goes_on_with_its_verdict() {
    let mut check = fresh(1, 1, None);
    play(&mut check, 0, "+");
    check.reconfigure(at(5), &config(2, 2, None), at(5));
    assert_eq!(check.fact().verdict, Verdict::Passing);
    assert_eq!(play(&mut check, 5, "--"), "PF");
    let mut unknown = fresh(1, 1, None);
    let passing = CheckConfig { initial: Initial::Passing, ..config(1, 1, None) };
    unknown.reconfigure(at(5), &passing, at(5));
    assert_eq!(unknown.fact().verdict, Verdict::Passing, "what was never known is not kept");
}

#[test]
fn runs_keep_their_pace_and_do_not_make_up_for_what_was_missed() {
    let mut check = fresh(1, 1, None);
    let ms = |milliseconds| Instant::ZERO.after(Duration::from_millis(milliseconds));
    let mut run = |at| {
        let (run, _) = check.timeout(at);
        check.ran(at, outcome('+'));
        (run, check.deadline())
    };
    assert_eq!(run(ms(0)), (true, ms(1000)));
    assert_eq!(run(ms(999)), (false, ms(1000)));
    assert_eq!(run(ms(1300)), (true, ms(2000)));
    assert_eq!(run(ms(7400)), (true, ms(8400)));
}

proptest! {
    /// Whatever comes, the verdict is what the last outcomes in a row say, and a change needs `fall` or `rise` of them.
    #[test]
    fn verdicts_follow_the_outcomes(outcomes in "[+?-]{0,60}", fall in 1_u8..5, rise in 1_u8..5) {
        let mut check = fresh(fall, rise, None);
        let said: Vec<char> = play(&mut check, 0, &outcomes).chars().collect();
        let seen: Vec<char> = outcomes.chars().collect();
        for place in 0..seen.len() {
            let row = |letter, least: u8| {
                let least = usize::from(least);
                place + 1 >= least && seen[place + 1 - least..=place].iter().all(|seen| *seen == letter)
            };
            let before = if place == 0 { 'U' } else { said[place - 1] };
            let expected = if seen[place] == '?' { 'U' }
                else if row('+', rise) { 'P' }
                else if row('-', fall) { 'F' }
                else { before };
            prop_assert_eq!(said[place], expected, "at {}", place);
        }
    }

    /// A check that is held says failing all the time, and is held no longer than the longest hold.
    #[test]
    fn holds_are_bounded(outcomes in "[+-]{0,120}") {
        let mut check = fresh(1, 1, Some(FLAP));
        let said = play(&mut check, 0, &outcomes);
        let longest = said.split(|letter| letter != 'H').map(str::len).max().unwrap_or(0);
        prop_assert!(longest <= 41, "{}", said);
    }
}
