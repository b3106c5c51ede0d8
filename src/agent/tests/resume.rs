//! Going on where a process that died left off.

use super::checks::entered;
use super::message::{Held, Remembered};
use super::*;

/// What the agent last told to be remembered: nothing, that it holds nothing any more, or what it holds.
#[expect(clippy::option_option, reason = "each means something else")]
fn told(host: &mut Host) -> Option<Option<Held>> {
    let told = host.take(|output| matches!(output, Output::Holds { .. }));
    told.into_iter().next_back().and_then(|output| {
        if let Output::Holds { number: 0, held } = output {
            Some(held.map(|held| (*held).clone()))
        } else {
            None
        }
    })
}

fn web() -> Held {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4500));
    told(&mut host).flatten().expect("it is MASTER")
}

/// An agent that is back at `at(10_500)` and was told of `web`, with the address that was left.
fn remembering() -> Host {
    let mut host = Host::bare();
    host.held = vec![ip("10.0.0.100")];
    let held = [("web".to_owned(), web())].into();
    host.give(at(10_500), Input::Remembered(Remembered { at: at(10_000), held }));
    host
}

/// An agent that starts at `now`, remembers `held` of `at(10_000)`, and finds these addresses.
fn restarted(now: Instant, held: Held, addresses: Vec<LinkAddress>) -> Host {
    let mut host = Host::bare();
    host.held = addresses.iter().filter(|a| a.protocol != 0).map(|a| a.prefix.address()).collect();
    let held = [(held.name.clone(), held)].into();
    host.give(now, Input::Remembered(Remembered { at: at(10_000), held }));
    host.give(now, Input::Configure(config(instance(100))));
    host.give(now, Input::Observed(Observed { links: vec![eth0()], addresses }));
    host
}

fn found() -> Vec<LinkAddress> {
    vec![address("10.0.0.1", 0), address("10.0.0.100", addresses::ADDRESS_PROTOCOL)]
}

#[test]
fn what_it_holds_is_told_to_be_remembered() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(3000));
    assert_eq!(told(&mut host), None, "a BACKUP holds nothing");
    host.run_until(at(9000));
    let web = told(&mut host).flatten().unwrap();
    assert_eq!((web.name.as_str(), web.interface.as_str()), ("web", "eth0"));
    assert_eq!((web.virtual_router_id, web.version, web.interval, web.primary), (51, 3, 100, ip("10.0.0.1")));
    let mut faster = instance(100);
    faster.interval = Interval::from_centiseconds(50).unwrap();
    host.give(at(9001), Input::Configure(config(faster)));
    assert_eq!(told(&mut host).flatten().map(|held| held.interval), Some(50));
    host.run_until(at(12_000));
    assert_eq!(told(&mut host), None, "nothing is new");
    host.hear(at(12_001), "10.0.0.2", hold(150));
    assert_eq!(told(&mut host), Some(None));
}

#[test]
fn who_resigned_has_nothing_to_go_on_with() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4500));
    host.log.clear();
    host.give(at(4600), Input::Stop);
    assert_eq!(told(&mut host), Some(None), "while it still holds the address");
    assert_eq!(host.held.len(), 1);
}

#[test]
fn an_agent_that_is_back_in_time_goes_on_as_master_with_what_it_finds() {
    let mut host = restarted(at(11_800), web(), found());
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    let sent = host.take(is_send);
    assert!(matches!(&sent[..], [Output::Send { payload, .. }] if payload[2] == 100), "{sent:?}");
    assert_eq!(host.take(|output| matches!(output, Output::Apply { change: Change::Remove { .. }, .. })), []);
    let told = entered(&mut host);
    assert_eq!((told.len(), told[0].previous, told[0].state), (1, VrState::Init, VrState::Master));
    host.run_until(at(30_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
}

#[test]
fn in_doubt_it_starts_as_backup_and_the_addresses_go() {
    let other = |change: fn(&mut Held)| {
        let mut held = web();
        change(&mut held);
        held
    };
    let cases = [
        ("too late", at(11_875), web(), found()),
        ("without its address", at(11_000), web(), vec![address("10.0.0.1", 0)]),
        ("a record of a time to come", at(9_999), web(), found()),
        ("another virtual router", at(11_000), other(|held| held.virtual_router_id = 52), found()),
        ("another version", at(11_000), other(|held| held.version = 2), found()),
        ("another interface", at(11_000), other(|held| held.interface = "eth1".into()), found()),
        ("another primary address", at(11_000), other(|held| held.primary = ip("10.0.0.9")), found()),
        ("another name", at(11_000), other(|held| held.name = "db".into()), found()),
        ("an interval that is none", at(10_001), other(|held| held.interval = 0), found()),
    ];
    for (name, now, held, found) in cases {
        let host = restarted(now, held, found);
        assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0), "{name}");
    }
}

#[test]
fn a_drained_instance_does_not_go_on() {
    let mut host = remembering();
    let drain = message::Drain { names: ["web".to_owned()].into(), insist: true };
    host.give(at(10_500), Input::Drain(drain));
    host.give(at(10_500), Input::Configure(config(instance(100))));
    host.give(at(10_500), Input::Observed(Observed { links: vec![eth0()], addresses: found() }));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
}

#[test]
fn one_that_cannot_take_part_yet_keeps_its_address_until_it_is_too_late() {
    let mut host = remembering();
    host.give(at(10_500), Input::Configure(config(instance(100))));
    // Its socket is not open yet: nobody answers.
    let mut out = Vec::new();
    let observed = Observed { links: vec![eth0()], addresses: found() };
    host.agent.handle(at(10_500), Input::Observed(observed), &mut out);
    assert_eq!((host.state(), host.held.len()), (VrState::Init, 1));
    host.give(at(10_600), Input::Address(address("10.0.0.100", addresses::ADDRESS_PROTOCOL)));
    assert_eq!(host.held.len(), 1, "an event about it changes nothing");
    host.run_until(at(11_874));
    assert_eq!(host.held.len(), 1);
    host.run_until(at(11_875));
    assert_eq!(host.held.len(), 0);
}

#[test]
fn a_group_goes_on_whole_or_not_at_all() {
    let db = Held { name: "db".into(), virtual_router_id: 52, ..web() };
    for whole in [true, false] {
        let mut host = Host::bare();
        let mut found = found();
        found.push(address("10.0.0.101", addresses::ADDRESS_PROTOCOL));
        host.held = vec![ip("10.0.0.100"), ip("10.0.0.101")];
        let mut held = BTreeMap::from([("web".to_owned(), web())]);
        if whole {
            held.insert("db".to_owned(), db.clone());
        }
        host.give(at(10_500), Input::Remembered(Remembered { at: at(10_000), held }));
        host.give(at(10_500), Input::Configure(two_together()));
        host.give(at(10_500), Input::Observed(Observed { links: vec![eth0()], addresses: found }));
        let states: Vec<VrState> = host.agent.snapshot(at(0)).instances.iter().map(|i| i.state).collect();
        let (state, count) = if whole { (VrState::Master, 2) } else { (VrState::Backup, 0) };
        assert_eq!((states, host.held.len()), (vec![state; 2], count));
    }
}

#[test]
fn one_of_a_group_that_is_in_doubt_has_all_start_as_backup() {
    let db = Held { name: "db".into(), virtual_router_id: 52, ..web() };
    let elsewhere = |held: Held| Held { primary: ip("10.0.0.9"), ..held };
    let both = ["10.0.0.100", "10.0.0.101"];
    for (left, web, db) in [
        (&both[..1], web(), db.clone()),
        (&both[1..], web(), db.clone()),
        (&both[..], web(), elsewhere(db.clone())),
        (&both[..], elsewhere(web()), db.clone()),
    ] {
        let mut host = Host::bare();
        let left = left.iter().map(|text| address(text, addresses::ADDRESS_PROTOCOL));
        let addresses: Vec<LinkAddress> = [address("10.0.0.1", 0)].into_iter().chain(left).collect();
        host.held = addresses[1..].iter().map(|address| address.prefix.address()).collect();
        let held = [("web".to_owned(), web), ("db".to_owned(), db)].into();
        host.give(at(10_500), Input::Remembered(Remembered { at: at(10_000), held }));
        host.give(at(10_500), Input::Configure(two_together()));
        host.give(at(10_500), Input::Observed(Observed { links: vec![eth0()], addresses }));
        let states: Vec<VrState> = host.agent.snapshot(at(0)).instances.iter().map(|i| i.state).collect();
        assert_eq!((states, host.held.len()), (vec![VrState::Backup; 2], 0));
        assert_eq!(host.take(is_send), [], "no advert of one that then stops");
    }
}

#[test]
fn one_that_is_unfit_lets_go_at_once() {
    let mut host = remembering();
    host.give(at(10_500), Input::Configure(config(instance(100))));
    let down = Link { carrier: false, ..eth0() };
    host.give(at(10_500), Input::Observed(Observed { links: vec![down], addresses: found() }));
    assert_eq!((host.state(), host.held.len()), (VrState::Fault, 0));
    host.give(at(10_600), Input::Link(eth0()));
    assert_eq!(host.state(), VrState::Backup);
}

#[test]
fn what_carries_no_tag_is_not_taken_for_left_behind() {
    // As before Linux 5.18: it would never be let go of again.
    let host = restarted(at(11_000), web(), vec![address("10.0.0.1", 0), address("10.0.0.100", 0)]);
    assert_eq!(host.state(), VrState::Backup);
}
