//! What comes of the address that adverts come from, when it goes and comes back.

use super::*;

fn lost(priority: u8) -> Host {
    let mut host = Host::start(config(instance(priority)));
    host.run_until(at(8000));
    assert_eq!(host.state(), VrState::Master);
    host.log.clear();
    host.give(at(8001), gone("10.0.0.1", 24));
    host
}

fn entered(host: &mut Host) -> usize {
    host.take(|output| matches!(output, Output::Entered(_))).len()
}

#[test]
fn a_master_whose_source_is_back_within_an_interval_never_left() {
    let mut host = lost(100);
    host.run_until(at(8990));
    host.give(at(8991), Input::Address(address("10.0.0.1", 0)));
    host.run_until(at(20_000));
    assert_eq!((host.state(), entered(&mut host)), (VrState::Master, 0));
    assert_eq!(host.held, [ip("10.0.0.100")]);
    let adverts = host.take(is_send);
    assert!(adverts.iter().all(|sent| matches!(sent, Output::Send { payload, .. } if payload[2] == 100)));
}

#[test]
fn another_address_takes_its_place_within_an_interval() {
    let mut host = lost(100);
    host.give(at(8500), Input::Address(address("10.0.0.7", 0)));
    host.run_until(at(10_000));
    assert_eq!((host.state(), entered(&mut host)), (VrState::Master, 0));
    let adverts = host.take(is_send);
    let Some(Output::Send { source, .. }) = adverts.last() else { panic!("no advert") };
    assert_eq!(*source, ip("10.0.0.7"));
}

#[test]
fn a_master_without_a_source_gives_up_after_an_interval() {
    let mut host = lost(100);
    host.run_until(at(9000));
    assert_eq!(host.state(), VrState::Master);
    host.run_until(at(9002));
    assert_eq!((host.state(), host.held.len()), (VrState::Fault, 0));
    assert!(host.reason().starts_with("eth0 has no IPv4 address of its own"), "{}", host.reason());
    host.give(at(60_000), Input::Address(address("10.0.0.1", 0)));
    host.run_until(at(70_000));
    assert_eq!(host.state(), VrState::Master);
    // And the next time is a time of its own.
    host.give(at(70_001), gone("10.0.0.1", 24));
    host.run_until(at(70_900));
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn who_is_not_master_or_lost_its_link_too_gives_up_at_once() {
    let mut backup = Host::start(config(instance(100)));
    backup.run_until(at(1000));
    backup.give(at(1001), gone("10.0.0.1", 24));
    assert_eq!(backup.state(), VrState::Fault);
    let mut host = lost(100);
    host.give(at(8002), Input::LinkGone(ETH0));
    assert_eq!(host.state(), VrState::Fault);
    // It is due once and then never again.
    host.run_until(at(20_000));
    assert!(host.agent.deadline().is_none_or(|at_| at_ > at(20_000)));
}

#[test]
fn one_that_leaves_without_a_source_still_ends() {
    let mut host = lost(100);
    host.give(at(8002), Input::Stop);
    host.run_until(at(30_000));
    assert!(host.held.is_empty());
    assert!(host.agent.deadline().is_none_or(|at_| at_ > at(30_000)));
}
