//! What comes of the address that adverts come from, when it goes and comes back.

use super::*;
use crate::agent::report::Report;

const OWN: &str = "10.0.0.1";

fn master(instance: InstanceConfig, own: &[&str]) -> Host {
    let mut host =
        Host::start_with(config(instance), own.iter().map(|address_| address(address_, 0)).collect());
    host.run_until(at(8000));
    assert_eq!(host.state(), VrState::Master);
    host.log.clear();
    host
}

/// A MASTER that lost its source at 8001 ms.
fn lost() -> Host {
    let mut host = master(instance(100), &[OWN]);
    host.give(at(8001), gone(OWN, 24));
    host
}

fn back(host: &mut Host, now: Instant, own: &str) {
    host.give(now, Input::Address(address(own, 0)));
}

fn entered(host: &mut Host) -> usize {
    host.take(|output| matches!(output, Output::Entered(_))).len()
}

fn told(host: &mut Host) -> usize {
    host.take(|output| matches!(output, Output::Report(Report::SourceGone { .. }))).len()
}

#[test]
fn a_master_whose_source_is_back_within_two_intervals_never_left() {
    let mut host = lost();
    assert_eq!((host.held.len(), told(&mut host)), (0, 1), "it would be the first of its network");
    let source = |host: &Host| host.agent.snapshot(at(0)).instances[0].primary_address.clone();
    assert_eq!(source(&host), None);
    host.run_until(at(9990));
    assert_eq!(host.take(is_send), [], "there is nothing to send from");
    back(&mut host, at(9991), OWN);
    assert_eq!(source(&host).as_deref(), Some(OWN));
    assert_eq!(host.held, [ip("10.0.0.100")]);
    let order = host.take(|output| is_send(output) || matches!(output, Output::Apply { .. }));
    let [Output::Apply { .. }, sent, Output::Apply { change, .. }] = &order[..] else { panic!("{order:?}") };
    assert!(is_send(sent) && matches!(change, Change::Add { .. }), "{order:?}");
    host.run_until(at(9992));
    assert_eq!(host.take(is_frame).len(), 5, "announced as at a takeover");
    host.run_until(at(20_000));
    assert_eq!((host.state(), entered(&mut host)), (VrState::Master, 0));
    let adverts = host.take(is_send);
    assert!(adverts.iter().all(|sent| matches!(sent, Output::Send { payload, .. } if payload[2] == 100)));
    assert_eq!(adverts.len(), 10);
}

#[test]
fn what_is_flushed_with_it_is_back_with_it() {
    // The kernel tells of the secondaries first where it takes them along.
    for together in [["10.0.0.100", OWN], [OWN, "10.0.0.100"]] {
        let mut host = master(instance(100), &[OWN]);
        host.held.clear();
        for address in together {
            host.give(at(8001), gone(address, 24));
        }
        host.run_until(at(9000));
        assert!(host.held.is_empty(), "held back: {together:?}");
        back(&mut host, at(9001), OWN);
        assert_eq!(host.held, [ip("10.0.0.100")], "{together:?}");
        host.run_until(at(20_000));
        assert_eq!((host.state(), entered(&mut host)), (VrState::Master, 0), "{together:?}");
    }
}

#[test]
fn what_somebody_puts_there_meanwhile_is_taken_away_again() {
    let mut host = lost();
    host.held.push(ip("10.0.0.100"));
    host.give(at(8002), Input::Address(address("10.0.0.100", addresses::ADDRESS_PROTOCOL)));
    assert!(host.held.is_empty());
}

#[test]
fn another_address_takes_its_place_at_once_or_within_two_intervals() {
    let mut host = lost();
    back(&mut host, at(8500), "10.0.0.7");
    host.run_until(at(10_000));
    assert_eq!((host.state(), host.held.len(), entered(&mut host)), (VrState::Master, 1, 0));
    let adverts = host.take(is_send);
    let Some(Output::Send { source, .. }) = adverts.first() else { panic!("no advert") };
    assert_eq!(*source, ip("10.0.0.7"));

    let mut host = master(instance(100), &[OWN, "10.0.0.7"]);
    host.give(at(8001), gone(OWN, 24));
    assert_eq!((host.held.len(), told(&mut host)), (1, 0), "there is another one");
}

#[test]
fn what_is_in_another_network_stays() {
    let mut other = instance(100);
    other.addresses[0].prefix = Prefix::new(ip("10.0.9.100"), 24).unwrap();
    let mut host = master(other, &[OWN]);
    host.give(at(8001), gone(OWN, 24));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    back(&mut host, at(8002), OWN);
    assert_eq!(host.take(is_send).len(), 1);
    assert_eq!(host.take(|output| matches!(output, Output::Apply { .. })), []);
}

#[test]
fn a_master_without_a_source_gives_up_after_two_intervals() {
    let mut host = lost();
    host.run_until(at(10_000));
    assert_eq!(host.state(), VrState::Master);
    host.run_until(at(10_001));
    assert_eq!((host.state(), host.held.len()), (VrState::Fault, 0));
    assert!(host.reason().starts_with("eth0 has no IPv4 address of its own"), "{}", host.reason());
    assert_eq!(host.take(is_send), []);
    back(&mut host, at(60_000), OWN);
    host.run_until(at(70_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    // And the next time is a time of its own.
    host.give(at(70_001), gone(OWN, 24));
    host.run_until(at(71_900));
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn who_is_not_master_any_more_or_lost_its_link_too_gives_up_at_once() {
    let mut backup = Host::start(config(instance(100)));
    backup.run_until(at(1000));
    backup.give(at(1001), gone(OWN, 24));
    assert_eq!(backup.state(), VrState::Fault);
    let mut host = lost();
    host.hear(at(8002), "10.0.0.2", hold(150));
    assert_eq!(host.state(), VrState::Fault);
    let mut host = lost();
    host.give(at(8002), Input::LinkGone(ETH0));
    assert_eq!(host.state(), VrState::Fault);
    // It is due once and then never again.
    host.run_until(at(20_000));
    assert!(host.agent.deadline().is_none_or(|at_| at_ > at(20_000)));
}

#[test]
fn a_list_of_addresses_without_it_is_as_good_as_the_event() {
    let mut host = master(instance(100), &[OWN]);
    host.give(at(8001), Input::Missed);
    host.held.clear();
    host.give(at(8002), Input::Observed(Observed { links: vec![eth0()], addresses: vec![] }));
    assert_eq!((host.state(), host.held.len(), told(&mut host)), (VrState::Master, 0, 1));
    back(&mut host, at(8003), OWN);
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
}

#[test]
fn a_configuration_that_wants_another_source_is_a_fault_at_once() {
    let mut host = master(instance(100), &[OWN]);
    let mut other = instance(100);
    other.source_address = Some(ip("10.0.0.9"));
    host.give(at(8001), Input::Configure(config(other)));
    assert_eq!((host.state(), host.held.len()), (VrState::Fault, 0));
}

#[test]
fn one_that_leaves_without_a_source_still_ends() {
    let mut host = lost();
    host.give(at(8002), Input::Stop);
    host.run_until(at(30_000));
    assert!(host.held.is_empty());
    assert_eq!(host.take(|output| *output == Output::Finished).len(), 1);
    assert!(host.agent.deadline().is_none_or(|at_| at_ > at(30_000)));
}

#[test]
fn a_group_waits_for_the_source_of_one() {
    let mut host = Host::start(two_together());
    host.run_until(at(8000));
    assert_eq!(host.held.len(), 2);
    host.log.clear();
    host.give(at(8001), gone(OWN, 24));
    assert_eq!(host.held.len(), 0);
    back(&mut host, at(8002), OWN);
    assert_eq!((host.held.len(), entered(&mut host)), (2, 0));
}

/// A MASTER whose adverts come from elsewhere than the network of its address, in which the host has another one.
fn with_another_network() -> Host {
    let mut elsewhere = instance(100);
    elsewhere.source_address = Some(ip("10.0.9.1"));
    master(elsewhere, &[OWN, "10.0.9.1"])
}

/// The kernel takes the address of ours along with the first of its network.
fn taken_along(host: &mut Host, now: Instant) {
    let seen = LinkAddress { secondary: true, ..address("10.0.0.100", addresses::ADDRESS_PROTOCOL) };
    host.give(now, Input::Address(seen));
    host.held.clear();
    host.give(now, gone("10.0.0.100", 24));
    host.give(now, gone(OWN, 24));
}

#[test]
fn a_network_that_lost_the_hosts_own_address_waits_for_it_a_moment_whatever_the_source_is() {
    let mut host = with_another_network();
    taken_along(&mut host, at(8001));
    host.run_until(at(8100));
    assert_eq!((host.held.len(), told(&mut host)), (0, 0), "it would be the first of its network");
    back(&mut host, at(8101), OWN);
    assert_eq!(host.held, [ip("10.0.0.100")]);
    // One that stays away costs no more than that moment.
    taken_along(&mut host, at(9001));
    host.run_until(at(9250));
    assert!(host.held.is_empty());
    host.run_until(at(9252));
    assert_eq!((host.held.len(), host.state(), entered(&mut host)), (1, VrState::Master, 0));
    // What the kernel promoted stays where it is.
    back(&mut host, at(9300), OWN);
    host.give(at(9301), gone(OWN, 24));
    assert_eq!(host.held, [ip("10.0.0.100")]);
}

#[test]
fn a_list_of_addresses_without_the_first_of_a_network_is_as_good_as_the_event() {
    let mut host = with_another_network();
    let seen = LinkAddress { secondary: true, ..address("10.0.0.100", addresses::ADDRESS_PROTOCOL) };
    host.give(at(8001), Input::Address(seen));
    host.held.clear();
    let observe = |host: &mut Host, now, own: &[&str]| {
        let addresses = own.iter().map(|own| address(own, 0)).collect();
        host.give(now, Input::Observed(Observed { links: vec![eth0()], addresses }));
    };
    observe(&mut host, at(8002), &["10.0.9.1"]);
    host.run_until(at(8100));
    assert!(host.held.is_empty());
    observe(&mut host, at(8101), &["10.0.9.1", OWN]);
    host.run_until(at(8102));
    assert_eq!((host.held.len(), host.state(), entered(&mut host)), (1, VrState::Master, 0));
}

#[test]
fn where_the_address_of_another_network_is_back_first_the_own_one_is_waited_for() {
    let mut host = master(instance(100), &[OWN]);
    taken_along(&mut host, at(8001));
    let elsewhere = |host: &mut Host, now| back(host, now, "10.0.9.1");
    elsewhere(&mut host, at(8002));
    host.run_until(at(8050));
    assert_eq!((host.take(is_send).len(), host.held.len()), (1, 0), "the advert does not wait");
    back(&mut host, at(8051), OWN);
    assert_eq!(host.held, [ip("10.0.0.100")]);
    host.run_until(at(20_000));
    assert_eq!((host.state(), entered(&mut host)), (VrState::Master, 0));
}

#[test]
fn an_address_that_a_configuration_adds_meanwhile_is_held_back_too() {
    let mut host = lost();
    let mut more = instance(100);
    more.addresses.push(VirtualAddress {
        prefix: Prefix::new(ip("10.0.0.101"), 24).unwrap(),
        ..more.addresses[0].clone()
    });
    assert!(!host.agent.outlook(&config(more.clone())).instances[0].resigns);
    host.give(at(8002), Input::Configure(config(more)));
    assert!(host.held.is_empty(), "{:?}", host.held);
    back(&mut host, at(8003), OWN);
    assert_eq!((host.held.len(), entered(&mut host)), (2, 0));
    assert_eq!(host.agent.instances[0].missing, 0);
}

#[test]
fn who_looks_late_has_been_silent_for_longer_already() {
    let mut host = master(instance(100), &[OWN]);
    let due = host.agent.instances[0].router.deadline().unwrap();
    host.give(due.after(Duration::from_millis(1500)), gone(OWN, 24));
    back(&mut host, due.after(Duration::from_millis(2001)), OWN);
    assert_eq!(host.state(), VrState::Backup, "three intervals after its last advert");
}

#[test]
fn one_that_is_killed_meanwhile_is_not_gone_on_with() {
    let mut host = lost();
    let holds = |host: &mut Host| {
        let told = host.take(|output| matches!(output, Output::Holds { .. }));
        told.into_iter().map(|told| matches!(told, Output::Holds { held: Some(_), .. })).collect::<Vec<_>>()
    };
    assert_eq!(holds(&mut host), [false], "others may send meanwhile, and that counts for all");
    back(&mut host, at(8500), OWN);
    assert_eq!(holds(&mut host), [true]);
}

#[test]
fn a_group_that_looked_too_late_for_the_source_of_one_starts_anew_together() {
    let mut both = two_together();
    both.instances.get_mut("db").unwrap().source_address = Some(ip("10.0.0.7"));
    let mut host = Host::start_with(both, vec![address(OWN, 0), address("10.0.0.7", 0)]);
    host.run_until(at(8000));
    assert_eq!(host.held.len(), 2);
    host.give(at(8001), gone("10.0.0.7", 24));
    back(&mut host, at(10_500), "10.0.0.7");
    let states: Vec<VrState> = host.agent.instances.iter().map(|instance| instance.state).collect();
    assert_eq!((states, host.held.len()), (vec![VrState::Backup; 2], 0));
    host.run_until(at(20_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 2));
}
