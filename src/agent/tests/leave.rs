//! Leaving on purpose: hand-over, drain, standing aside, stop.

use super::checks::entered;
use super::message::Drain;
use super::*;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn drain(insist: bool) -> Input<'static> {
    Input::Drain(Drain { names: names(&["web"]), insist })
}

/// MASTER since `at(3610)`, and nobody else there.
fn master() -> Host {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4500));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    host.log.clear();
    host
}

fn drained(host: &mut Host) -> Vec<BTreeSet<String>> {
    let told = host.take(|output| matches!(output, Output::Drained(_)));
    told.into_iter()
        .filter_map(|o| if let Output::Drained(names) = o { Some((*names).clone()) } else { None })
        .collect()
}

#[test]
fn a_stopping_master_holds_its_addresses_until_its_successor_is_there() {
    let mut host = master();
    host.give(at(4600), Input::Stop);
    let sent = host.take(is_send);
    assert!(matches!(&sent[..], [Output::Send { payload, .. }] if payload[2] == 0), "{sent:?}");
    host.run_until(at(5200));
    assert_eq!((host.held.len(), host.take(is_frame).len()), (1, 0));
    assert_eq!(host.agent.summary(), "leaving: web MASTER HANDING OVER");
    host.hear(at(5210), "10.0.0.2", hold(90));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1), "it may not have them yet");
    host.run_until(at(5216));
    assert_eq!((host.state(), host.held.len()), (VrState::Init, 0));
    assert_eq!(host.reason(), "stopped; 10.0.0.2 has taken over");
    let told = entered(&mut host);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].previous, told[0].state, told[0].leaving), (VrState::Master, VrState::Init, true));
    assert_eq!(host.take(|output| *output == Output::Finished).len(), 1);
    assert_eq!(host.agent.summary(), "stopped");
    assert_eq!(host.take(is_send), []);
}

#[test]
fn who_stops_twice_does_not_wait_for_a_successor() {
    let mut host = master();
    host.give(at(4600), Input::Stop);
    host.give(at(4601), Input::Stop);
    assert_eq!(host.held.len(), 0);
    assert_eq!(host.take(|output| *output == Output::Finished).len(), 1);
    assert_eq!(host.take(is_send).len(), 1, "one resignation is enough");
}

/// While another instance, which adverts ten times less often, waits for its successor.
#[test]
fn who_slept_before_it_was_stopped_is_not_master_again_while_others_hand_over() {
    let mut both = two_together();
    both.groups.clear();
    both.instances.get_mut("db").unwrap().interval = Interval::from_seconds(10).unwrap();
    let mut host = Host::start(both);
    host.run_until(at(40_000));
    assert_eq!(host.held.len(), 2);
    host.log.clear();
    host.give(at(45_000), Input::Stop);
    assert_eq!(host.agent.summary(), "leaving: db MASTER HANDING OVER, web INIT");
    assert_eq!(host.held, [ip("10.0.0.101")]);
    host.run_until(at(62_000));
    assert_eq!((host.held.len(), host.take(is_send).len()), (0, 1), "the resignation, and no claim");
    assert_eq!(host.take(|output| *output == Output::Finished).len(), 1);
}

#[test]
fn a_backup_stops_at_once() {
    let mut host = Host::start(config(instance(100)));
    host.give(at(1000), Input::Stop);
    assert_eq!(host.take(|output| *output == Output::Finished).len(), 1);
}

#[test]
fn announcements_end_with_the_resignation() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    assert_eq!(host.take(is_frame).len(), 5, "the second burst is yet to come");
    host.give(at(8500), drain(true));
    host.run_until(at(9900));
    assert_eq!(host.take(is_frame), []);
}

#[test]
fn an_address_that_comes_after_the_resignation_is_not_announced() {
    let mut host = master();
    host.run_until(at(10_000));
    host.log.clear();
    host.give(at(10_000), drain(true));
    host.held.clear();
    host.give(at(10_100), gone("10.0.0.100", 24));
    host.run_until(at(10_200));
    assert_eq!(
        (host.held.len(), host.take(is_frame).len()),
        (1, 0),
        "its successor's announcements are the last"
    );
}

#[test]
fn who_was_heard_long_ago_is_no_master_after_a_drain_that_nobody_took_over_from() {
    let mut host = master();
    host.hear(at(4600), "10.0.0.2", hold(90));
    host.run_until(at(20_000));
    host.give(at(20_000), drain(true));
    host.run_until(at(22_000));
    assert_eq!((host.state(), host.reason().as_str()), (VrState::Backup, "drained; nobody has taken over"));
    assert_eq!(host.agent.snapshot(at(22_000)).instances[0].master, None);
}

#[test]
fn a_drained_instance_hands_over_and_does_not_compete() {
    let mut host = master();
    host.give(at(4600), drain(false));
    assert_eq!(drained(&mut host), [names(&["web"])]);
    let status = &host.agent.snapshot(at(4600)).instances[0];
    assert!(status.drained && status.handing_over);
    host.hear(at(5200), "10.0.0.2", hold(90));
    host.run_until(at(5210));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
    assert_eq!(host.reason(), "drained; 10.0.0.2 has taken over");
    for second in 6..30 {
        host.hear(at(second * 1000), "10.0.0.2", hold(90));
        host.run_until(at(second * 1000 + 999));
    }
    host.run_until(at(60_000));
    assert_eq!(host.state(), VrState::Backup, "neither a worse master nor none moves it");
    host.give(at(60_001), Input::Undrain(names(&["web"])));
    assert_eq!(drained(&mut host), [names(&[])]);
    assert_eq!(host.state(), VrState::Backup, "somebody better may be freed with it");
    host.run_until(at(61_000));
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn a_drain_that_nobody_takes_over_from_is_taken_back_unless_it_is_insisted_on() {
    let mut host = master();
    host.give(at(4600), drain(false));
    host.run_until(at(6300));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    assert_eq!(drained(&mut host), [names(&["web"]), names(&[])]);
    let status = &host.agent.snapshot(at(6300)).instances[0];
    assert!(!status.drained && !status.handing_over);
    assert!(host.reason().contains("nobody took over"), "{}", host.reason());
    assert_eq!(entered(&mut host), [], "nothing has changed for anybody");

    host.give(at(6600), drain(true));
    host.run_until(at(8300));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
    assert_eq!(host.reason(), "drained; nobody has taken over");
}

#[test]
fn who_is_undrained_while_it_hands_over_stays_where_nobody_takes_over() {
    let mut host = master();
    host.give(at(4600), drain(true));
    host.give(at(5000), Input::Undrain(names(&["web"])));
    host.run_until(at(30_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    assert_eq!(entered(&mut host), [], "nothing has changed for anybody");
    // What was wanted for another reason is done.
    host.give(at(30_000), drain(true));
    host.give(at(30_001), Input::Stop);
    host.give(at(30_002), Input::Undrain(names(&["web"])));
    host.run_until(at(33_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Init, 0));
}

#[test]
fn a_drain_is_refused_where_nobody_was_ever_heard() {
    let mut host = master();
    let web = ["web".to_owned()];
    let why = host.agent.drainable(&web, false).unwrap_err();
    assert!(why.contains("no other router was heard of by web") && why.contains("--force"), "{why}");
    assert_eq!(host.agent.drainable(&web, true), Ok(names(&["web"])));
    let unknown = host.agent.drainable(&["wbe".to_owned()], true).unwrap_err();
    assert_eq!(unknown, "no instance `wbe` is configured; there are web");
    let unknown = Agent::new("alone".to_owned()).drainable(&["web".to_owned()], true).unwrap_err();
    assert_eq!(unknown, "no instance `web` is configured, nor any other");
    host.hear(at(4700), "10.0.0.2", hold(90));
    assert_eq!(host.agent.drainable(&web, false), Ok(names(&["web"])));
    assert_eq!(host.agent.drainable(&[], false), Ok(names(&["web"])));
    host.hear(at(4800), "10.0.0.2", hold(190));
    assert_eq!(host.state(), VrState::Backup, "one that is not MASTER has nothing to lose");
}

#[test]
fn what_was_drained_before_the_start_is_so_from_the_start_and_after_a_reload() {
    let mut host = Host::bare();
    host.give(at(0), drain(true));
    assert_eq!(host.log, [], "nothing new is to be remembered");
    host.give(at(0), Input::Configure(config(instance(255))));
    host.give(
        at(0),
        Input::Observed(Observed { links: vec![eth0()], addresses: vec![address("10.0.0.1", 0)] }),
    );
    host.run_until(at(20_000));
    assert_eq!(host.state(), VrState::Backup, "not even the owner");
    let mut other = instance(100);
    other.vrid = Vrid::new(52).unwrap();
    host.give(at(20_000), Input::Configure(config(other)));
    host.run_until(at(40_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
    assert!(host.agent.snapshot(at(0)).instances[0].drained);
}

#[test]
fn a_group_is_drained_as_one() {
    let mut host = Host::start(two_together());
    host.run_until(at(5000));
    assert_eq!(host.held.len(), 2);
    assert_eq!(host.agent.with_their_groups(&["web".to_owned()]), Ok(names(&["db", "web"])));
    let all = host.agent.drainable(&["web".to_owned()], true).unwrap();
    host.give(at(5000), Input::Drain(Drain { names: all, insist: false }));
    // Only one of them is taken: there is no way back for the other.
    host.hear(at(5600), "10.0.0.2", hold(90));
    host.run_until(at(10_000));
    let snapshot = host.agent.snapshot(at(10_000));
    assert!(snapshot.instances.iter().all(|i| i.state == VrState::Backup && i.drained), "{snapshot:?}");
    assert_eq!((host.held.len(), drained(&mut host)), (0, vec![names(&["db", "web"])]));
    host.give(at(10_000), Input::Undrain(names(&["db", "web"])));
    host.run_until(at(15_000));
    host.give(at(15_000), Input::Drain(Drain { names: names(&["db", "web"]), insist: false }));
    host.run_until(at(18_000));
    let snapshot = host.agent.snapshot(at(18_000));
    assert!(snapshot.instances.iter().all(|i| i.state == VrState::Master && !i.drained), "{snapshot:?}");
    assert_eq!((host.held.len(), drained(&mut host).last()), (2, Some(&names(&[]))));
}

#[test]
fn a_host_that_stands_aside_hands_over_and_competes_again_when_it_is_back() {
    let mut host = master();
    host.give(at(4600), Input::StandAside(true));
    assert_eq!(host.agent.summary(), "standing aside for shutdown or sleep: web MASTER HANDING OVER");
    let stood = |host: &mut Host| host.take(|output| *output == Output::StoodAside).len();
    assert_eq!(stood(&mut host), 0);
    host.hear(at(5200), "10.0.0.2", hold(90));
    host.run_until(at(5300));
    assert_eq!((stood(&mut host), host.state(), host.held.len()), (1, VrState::Backup, 0));
    host.give(at(5301), Input::StandAside(true));
    assert_eq!(stood(&mut host), 1, "whoever asks again is answered again");
    assert!(drained(&mut host).is_empty(), "that is not remembered");
    host.run_until(at(20_000));
    assert_eq!(host.state(), VrState::Backup);
    host.give(at(20_000), Input::StandAside(false));
    host.run_until(at(21_000));
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn a_host_that_is_back_before_it_has_handed_over_stays_master_where_nobody_takes_over() {
    let mut host = master();
    host.give(at(4600), Input::StandAside(true));
    host.give(at(5000), Input::StandAside(false));
    host.run_until(at(30_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    // But not one that is drained as well.
    host.give(at(30_000), drain(true));
    host.give(at(30_001), Input::StandAside(true));
    host.give(at(30_002), Input::StandAside(false));
    host.run_until(at(40_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
}

#[test]
fn who_holds_nothing_stands_aside_at_once() {
    let mut host = Host::start(config(instance(100)));
    host.log.clear();
    host.give(at(100), Input::StandAside(true));
    assert_eq!(host.take(|output| *output == Output::StoodAside).len(), 1);
}
