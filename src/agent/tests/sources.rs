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
    host.run_until(at(9990));
    assert_eq!(host.take(is_send), [], "there is nothing to send from");
    back(&mut host, at(9991), OWN);
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
