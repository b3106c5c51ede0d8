//! Instances that move together.

use super::checks::{check, entered, says, sent, weight};
use super::message::{Entered, Whose};
use super::*;
use crate::health::standing::Verdict;
use crate::vrrp::packet::Peek;

const GROUP: &str = "router";

/// `count` instances of one priority in one group: `a00`, `a01`, …
fn members(count: u8) -> Config {
    let named = |number: u8| {
        let mut one = instance(100);
        one.vrid = Vrid::new(51 + number).unwrap();
        one.addresses[0].prefix = Prefix::new(ip(&format!("10.0.0.{}", 100 + number)), 24).unwrap();
        (format!("a{number:02}"), one)
    };
    let instances: BTreeMap<String, InstanceConfig> = (0..count).map(named).collect();
    let group = GroupConfig { members: instances.keys().cloned().collect(), hooks: None };
    Config { instances, groups: [(GROUP.to_owned(), group)].into(), ..Config::default() }
}

fn ungrouped(config: &Config) -> Config {
    Config { groups: BTreeMap::new(), ..config.clone() }
}

fn states(host: &Host) -> Vec<VrState> {
    host.agent.snapshot(at(0)).instances.iter().map(|i| i.state).collect()
}

fn hear(host: &mut Host, now: Instant, vrid: u8, claim: Claim) {
    let vrid = Vrid::new(vrid).unwrap();
    let (source, group) = (ip("10.0.0.2"), Family::Ipv4.vrrp_group());
    let addresses = vec![ip(&format!("10.0.0.{}", 49 + vrid.number()))];
    let interval = Interval::DEFAULT;
    let message = Advertisement { version: Version::V3, vrid, claim, interval, addresses, auth: Auth::None };
    let payload = message.emit(source, group, ChecksumForm::Rfc5798);
    let (socket, hop_limit) = (SOCKET, 255);
    let datagram = message::Datagram { socket, source, destination: group, hop_limit, payload: &payload };
    host.give(now, Input::Datagram(datagram));
}

fn of_group(host: &mut Host) -> Vec<Entered> {
    entered(host).into_iter().filter(|e| e.whose == Whose::Group).collect()
}

#[test]
fn fifty_take_over_in_one_turn_when_the_last_is_due_and_step_down_in_one() {
    let mut host = Host::start(members(50));
    host.run_until(at(3000));
    for vrid in 51..100 {
        hear(&mut host, at(3001), vrid, hold(150));
    }
    // One hears nobody: it waits for the others.
    host.run_until(at(6609));
    assert!(states(&host).iter().all(|state| *state == VrState::Backup));
    host.log.clear();
    let due = host.agent.deadline().unwrap();
    host.run_until(at(6611));
    assert!(due <= at(6611) && states(&host).iter().all(|state| *state == VrState::Master));
    assert_eq!(host.held.len(), 50);
    let order = host.take(|output| is_send(output) || matches!(output, Output::Apply { .. }));
    let vrids: BTreeSet<u8> = order
        .iter()
        .filter_map(|o| if let Output::Send { payload, .. } = o { Peek::read(payload) } else { None })
        .map(|peek| peek.vrid)
        .collect();
    assert_eq!(vrids.len(), 50);
    let told = of_group(&mut host);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].previous, told[0].state), (VrState::Backup, VrState::Master));
    assert_eq!((&*told[0].name, told[0].priority, told[0].leaving), (GROUP, 100, false));

    hear(&mut host, at(6612), 75, hold(150));
    assert!(states(&host).iter().all(|state| *state == VrState::Backup));
    assert_eq!(host.held.len(), 0);
    let resigned = sent(&mut host);
    assert_eq!(resigned[0], 100, "the last claim of the one that is outranked");
    assert_eq!(resigned[1..], [0; 49]);
    assert_eq!(of_group(&mut host).len(), 1);
}

#[test]
fn one_unfit_all_unfit_and_the_reason_names_it() {
    let mut config = members(3);
    config.instances.get_mut("a01").unwrap().track = [("api".to_owned(), Track::Fault)].into();
    config.checks = [("api".to_owned(), check())].into();
    let mut host = Host::start(config);
    host.run_until(at(4000));
    assert_eq!(states(&host), [VrState::Master; 3]);
    host.log.clear();
    host.give(at(4001), says("api", Verdict::Failing));
    assert_eq!((states(&host), host.held.len()), (vec![VrState::Fault; 3], 0));
    assert_eq!(sent(&mut host), [0, 0, 0]);
    let reasons: Vec<String> = host.agent.snapshot(at(0)).instances.into_iter().map(|i| i.reason).collect();
    assert_eq!(reasons[0], "a01 of its group: check api is failing: connection refused");
    assert_eq!(reasons[1], "check api is failing: connection refused");
    let all = entered(&mut host);
    let order: Vec<_> = all.iter().map(|e| (&*e.name, e.previous, e.state)).collect();
    let (master, fault) = (VrState::Master, VrState::Fault);
    assert_eq!(
        order,
        [("a00", master, fault), ("a01", master, fault), ("a02", master, fault), (GROUP, master, fault)],
        "nobody is told of a state between"
    );
    host.give(at(4002), says("api", Verdict::Passing));
    assert_eq!(states(&host), [VrState::Backup; 3]);
}

#[test]
fn an_address_that_is_refused_to_one_takes_all_out() {
    // The other one's address is there already, so that nothing is refused to it.
    let there = vec![address("10.0.0.1", 0), address("10.0.0.101", 0)];
    let mut host = Host::start_with(members(2), there);
    host.refuse = true;
    host.run_until(at(5000));
    assert_eq!(states(&host), [VrState::Fault; 2]);
    assert_eq!(host.agent.snapshot(at(0)).groups[0].state, VrState::Fault);
    host.refuse = false;
    host.run_until(at(30_000));
    assert_eq!((states(&host), host.held.len()), (vec![VrState::Master; 2], 1));
}

#[test]
fn a_group_that_can_never_take_part_says_so() {
    let mut config = members(2);
    config.instances.get_mut("a00").unwrap().interface = LinkName::new("eth9").unwrap();
    let mut host = Host::start(config);
    assert_eq!(states(&host), [VrState::Fault; 2]);
    assert_eq!(host.agent.snapshot(at(0)).groups[0].state, VrState::Fault);
    let told = of_group(&mut host);
    assert_eq!((told.len(), told[0].state), (1, VrState::Fault));
    assert_eq!(&*told[0].reason, "a00: interface eth9 does not exist");
}

#[test]
fn what_one_member_tracks_counts_for_all() {
    let mut config = members(2);
    config.instances.get_mut("a01").unwrap().track = [("api".to_owned(), weight(-20))].into();
    config.checks = [("api".to_owned(), check())].into();
    let mut host = Host::start(config.clone());
    host.run_until(at(4000));
    host.log.clear();
    host.give(at(4001), says("api", Verdict::Failing));
    assert_eq!(sent(&mut host), [0, 80, 0, 80]);
    let all = host.agent.snapshot(at(0)).instances;
    assert_eq!(all.iter().map(|i| i.effective_priority).collect::<Vec<_>>(), [80, 80]);
    assert_eq!(all[0].tracks[0].through.as_deref(), Some("a01"));
    assert_eq!(all[1].tracks[0].through, None);
    // A better router takes the first one: the second goes along, though nobody has claimed it yet.
    hear(&mut host, at(4002), 51, hold(90));
    assert_eq!((states(&host), host.held.len()), (vec![VrState::Backup; 2], 0));
    // And out of the group it counts for one.
    host.give(at(4003), Input::Configure(ungrouped(&config)));
    let all = host.agent.snapshot(at(0)).instances;
    assert_eq!(all.iter().map(|i| i.effective_priority).collect::<Vec<_>>(), [100, 80]);
}

#[test]
fn a_member_whose_master_resigned_hastens_the_others_once() {
    let mut host = Host::start(members(3));
    for vrid in 51..54 {
        hear(&mut host, at(1000), vrid, hold(150));
    }
    // Two resignations arrive, the third is lost: an interval and the skew after its last advert all take over.
    hear(&mut host, at(1500), 51, Claim::Resign);
    hear(&mut host, at(1500), 52, Claim::Resign);
    host.run_until(at(2608));
    assert_eq!(states(&host), [VrState::Backup; 3]);
    host.run_until(at(2610));
    assert_eq!(states(&host), [VrState::Master; 3]);
}

#[test]
fn an_instance_joins_and_leaves_a_group_while_master_and_loses_nothing() {
    let together = members(2);
    let apart = ungrouped(&together);
    let mut host = Host::start(apart.clone());
    host.run_until(at(4000));
    for (now, next) in [(4001, &together), (4002, &apart), (4003, &together)] {
        host.log.clear();
        host.give(at(now), Input::Configure((*next).clone()));
        assert_eq!((states(&host), host.held.len()), (vec![VrState::Master; 2], 2));
        assert_eq!(host.take(|output| is_send(output) || matches!(output, Output::Apply { .. })), []);
        let told: Vec<_> = of_group(&mut host).iter().map(|e| (e.previous, e.state, e.leaving)).collect();
        let (init, master) = (VrState::Init, VrState::Master);
        let joins = [(init, master, false)];
        let leaves = [(master, init, true)];
        assert_eq!(told, if now == 4002 { leaves } else { joins });
    }
    // A newcomer does not take the others along: it becomes MASTER when it is due.
    host.give(at(4004), Input::Configure(members(3)));
    assert_eq!(states(&host), [VrState::Master, VrState::Master, VrState::Backup]);
    host.run_until(at(7700));
    assert_eq!(states(&host), [VrState::Master; 3]);
}

#[test]
fn a_group_made_of_a_master_and_one_whose_master_is_elsewhere_is_soon_in_one_place() {
    let together = members(2);
    let mut host = Host::start(ungrouped(&together));
    for second in 0..5 {
        host.run_until(at(1000 * second));
        hear(&mut host, at(1000 * second), 52, hold(150));
    }
    assert_eq!(states(&host), [VrState::Master, VrState::Backup]);
    host.give(at(4001), Input::Configure(together));
    assert_eq!((states(&host), host.held.len()), (vec![VrState::Master, VrState::Backup], 1));
    hear(&mut host, at(5000), 52, hold(150));
    assert_eq!((states(&host), host.held.len()), (vec![VrState::Backup; 2], 0));
}
