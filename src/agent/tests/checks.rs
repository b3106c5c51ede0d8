//! What verdicts of checks do to an instance: FAULT, another priority, or to wait.

use super::message::Entered;
use super::report::{Around, Report};
use super::*;
use crate::health::check::Fact;
use crate::health::standing::Verdict;

pub(super) fn check() -> CheckConfig {
    CheckConfig {
        probe: Probe::Interface(LinkName::new("lo").unwrap()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: 1,
        rise: 1,
        initial: Initial::Passing,
        flap: None,
    }
}

pub(super) fn weight(number: i16) -> Track {
    Track::Weight(Weight::new(number).unwrap())
}

/// An instance that tracks these checks, which begin as passing.
fn tracking(priority: u8, tracks: &[(&str, Track)]) -> Config {
    let mut web = instance(priority);
    web.track = tracks.iter().map(|(name, track)| ((*name).to_owned(), *track)).collect();
    let checks = tracks.iter().map(|(name, _)| ((*name).to_owned(), check())).collect();
    Config { checks, ..config(web) }
}

pub(super) fn says(check: &str, verdict: Verdict) -> Input<'static> {
    fact(check, verdict, None)
}

fn fact(check: &str, verdict: Verdict, weight: Option<i16>) -> Input<'static> {
    let text = "connection refused".to_owned();
    Input::Judged(Fact { check: check.into(), verdict, weight, text, held: None })
}

/// Priorities sent since the last look.
pub(super) fn sent(host: &mut Host) -> Vec<u8> {
    let sent = host.take(is_send);
    let number = |output| if let Output::Send { payload, .. } = output { payload[2] } else { 0 };
    sent.into_iter().map(number).collect()
}

pub(super) fn entered(host: &mut Host) -> Vec<Entered> {
    let all = host.take(|output| matches!(output, Output::Entered(_)));
    all.into_iter().filter_map(|o| if let Output::Entered(e) = o { Some(e) } else { None }).collect()
}

fn states(host: &mut Host) -> Vec<(VrState, VrState, bool)> {
    entered(host).into_iter().map(|e| (e.previous, e.state, e.leaving)).collect()
}

fn effective(host: &Host) -> u8 {
    host.agent.snapshot(at(0)).instances[0].effective_priority
}

#[test]
fn a_master_whose_fault_check_fails_lets_go_at_once_and_comes_back_by_itself() {
    let mut host = Host::start(tracking(100, &[("api", Track::Fault)]));
    host.run_until(at(4000));
    host.log.clear();
    host.give(at(4001), says("api", Verdict::Failing));
    assert_eq!((host.state(), host.held.len()), (VrState::Fault, 0));
    assert_eq!(host.reason(), "check api is failing: connection refused");
    assert_eq!(sent(&mut host), [0]);
    let [told] = &entered(&mut host)[..] else { panic!() };
    assert_eq!(
        (told.previous, told.state, &*told.reason),
        (VrState::Master, VrState::Fault, &*host.reason())
    );
    // Nothing known: it was failing when last known.
    host.give(at(4002), says("api", Verdict::Unknown));
    assert_eq!(host.state(), VrState::Fault);
    host.give(at(4003), says("api", Verdict::Passing));
    assert_eq!(host.state(), VrState::Backup);
    host.run_until(at(8000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
}

#[test]
fn a_master_whose_priority_falls_says_so_and_keeps_the_address_until_a_better_one_is_heard() {
    let mut host = Host::start(tracking(100, &[("api", weight(-20)), ("db", weight(-253))]));
    host.run_until(at(4000));
    host.log.clear();
    host.give(at(4001), says("api", Verdict::Failing));
    assert_eq!(sent(&mut host), [0, 80]);
    assert_eq!((host.state(), host.held.len(), effective(&host)), (VrState::Master, 1, 80));
    let told = host.take(|output| matches!(output, Output::Report(Report::Around(Around::Priority { .. }))));
    let [Output::Report(report)] = &told[..] else { panic!("{told:?}") };
    assert!(report.message().contains("priority 100 → 80: check api is failing; base 100, api failing -20"));
    let tracks = host.agent.snapshot(at(4001)).instances.remove(0).tracks;
    let adds: Vec<_> = tracks.iter().map(|t| (&*t.check, t.adds, &*t.effect)).collect();
    assert_eq!(adds, [("api", -20, "-20"), ("db", 0, "-253")]);
    // A worse one that had not heard the second word gives way; the address never went.
    host.hear(at(4500), "10.0.0.2", hold(70));
    assert_eq!(sent(&mut host), [80]);
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    host.give(at(4600), says("api", Verdict::Passing));
    assert_eq!((sent(&mut host), effective(&host)), (vec![100], 100), "a rise is no resignation");
    host.give(at(4601), says("db", Verdict::Failing));
    assert_eq!((sent(&mut host), effective(&host)), (vec![0, 1], 1), "never below 1");
    host.hear(at(4602), "10.0.0.2", hold(70));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
}

#[test]
fn a_file_of_weight_counts_and_its_number_alone_is_news_to_the_priority() {
    let mut host = Host::start(tracking(100, &[("file", Track::FileWeight)]));
    host.run_until(at(4000));
    for (number, is) in [(30, 130), (-30, 70), (i16::MAX, 254), (i16::MIN, 1)] {
        host.give(at(4001), fact("file", Verdict::Passing, Some(number)));
        assert_eq!(effective(&host), is);
    }
    host.log.clear();
    host.give(at(4002), fact("file", Verdict::Passing, Some(i16::MIN)));
    host.give(at(4003), fact("nobody", Verdict::Failing, Some(5)));
    assert_eq!(host.take(|_| true), [], "the same once more, and what is not configured");
    host.give(at(4004), says("file", Verdict::Failing));
    assert_eq!((host.state(), effective(&host)), (VrState::Master, 100));
}

#[test]
fn what_is_unknown_keeps_a_backup_waiting_told_once_and_lets_a_master_be() {
    let mut config = tracking(100, &[("api", Track::Fault)]);
    config.checks.get_mut("api").unwrap().initial = Initial::Unknown;
    let mut host = Host::start(config);
    host.run_until(at(20_000));
    assert_eq!(host.state(), VrState::Backup);
    let waits = |output: &Output| matches!(output, Output::Report(Report::Around(Around::Waiting { check, .. })) if check == "api");
    assert_eq!(host.take(waits).len(), 1);
    assert_eq!(host.agent.snapshot(at(0)).instances[0].waiting_for.as_deref(), Some("api"));
    host.log.clear();
    host.give(at(20_000), says("api", Verdict::Passing));
    host.run_until(at(20_608));
    assert_eq!(host.state(), VrState::Backup, "whoever is better and was freed by the same comes first");
    host.run_until(at(20_610));
    assert_eq!(host.state(), VrState::Master);
    host.log.clear();
    host.give(at(21_000), says("api", Verdict::Unknown));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    assert_eq!(sent(&mut host), [0_u8; 0]);
    host.hear(at(21_500), "10.0.0.2", hold(150));
    host.run_until(at(40_000));
    assert_eq!(host.state(), VrState::Backup);
    assert_eq!(host.take(waits).len(), 1, "told again, because it was free meanwhile");
}

#[test]
fn the_owner_keeps_its_priority() {
    let tracks = [("api", weight(-20)), ("db", weight(20))];
    let mut host = Host::start(tracking(255, &tracks));
    assert_eq!((host.state(), effective(&host)), (VrState::Master, 255));
    host.log.clear();
    host.give(at(1), says("api", Verdict::Failing));
    assert_eq!((sent(&mut host), effective(&host)), (vec![], 255));
}

#[test]
fn states_are_told_in_order_with_the_one_before_and_leaving_once() {
    use VrState::{Backup, Init, Master};
    let mut host = Host::start(tracking(100, &[("api", Track::Fault)]));
    host.run_until(at(4000));
    assert_eq!(states(&mut host), [(Init, Backup, false), (Backup, Master, false)]);
    // The survivor of a contest is told again.
    host.run_until(at(9000));
    host.hear(at(9000), "10.0.0.2", hold(50));
    assert_eq!(states(&mut host), [(Master, Master, false)]);
    host.give(at(9500), Input::Stop);
    host.give(at(9501), Input::Stop);
    assert_eq!(states(&mut host), [(Master, Init, true)]);
}

#[test]
fn a_reload_adds_changes_and_removes_checks_and_says_so_to_who_runs_them() {
    let watch = |output: &Output| matches!(output, Output::Watch(_));
    let mut host = Host::start(tracking(100, &[]));
    host.run_until(at(4000));
    let with = tracking(100, &[("api", weight(-20))]);
    host.log.clear();
    host.give(at(4001), Input::Configure(with.clone()));
    assert_eq!((host.take(watch).len(), host.state(), host.held.len()), (1, VrState::Master, 1));
    host.give(at(4002), says("api", Verdict::Failing));
    assert_eq!(effective(&host), 80);
    // Another rule of the check: what it said goes on to count.
    let mut other = with.clone();
    other.checks.get_mut("api").unwrap().fall = 3;
    host.give(at(4003), Input::Configure(other.clone()));
    assert_eq!((host.take(watch).len(), effective(&host)), (1, 80));
    let text = "[agent]\nscript_user = \"somebody\"\n";
    other.agent.script_user = crate::config::parse(text, "test").ok().unwrap().config.agent.script_user;
    host.give(at(4004), Input::Configure(other.clone()));
    host.give(at(4005), Input::Configure(other));
    assert_eq!(host.take(watch).len(), 1, "another user once, and the same once more is no news");
    host.log.clear();
    host.give(at(4006), Input::Configure(tracking(100, &[("api", weight(-30))])));
    assert_eq!((sent(&mut host), effective(&host)), (vec![0, 70], 70));
    host.give(at(4007), Input::Configure(tracking(100, &[])));
    assert_eq!((effective(&host), host.state(), host.held.len()), (100, VrState::Master, 1));
    host.give(at(4008), Input::Configure(with));
    assert_eq!(effective(&host), 100, "a check that is new knows nothing of one that was");
}
