//! What comes of links that change and of lost events, and what an owner is told.

use super::*;

#[test]
fn links_that_no_instance_names_concern_nobody() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.log.clear();
    let other = Link { index: LinkIndex(9), name: LinkName::new("veth9").unwrap(), ..eth0() };
    host.give(at(4001), Input::Link(other.clone()));
    host.give(at(4002), Input::LinkGone(LinkIndex(9)));
    assert_eq!(host.state(), VrState::Master);
    // A link that takes the name of ours does concern us, and so does the loss of the name.
    host.give(at(4003), Input::Link(Link { name: LinkName::new("old").unwrap(), ..eth0() }));
    assert_eq!(host.reason(), "interface eth0 does not exist");
    host.give(at(4004), Input::Link(other));
    host.give(at(4005), Input::Link(eth0()));
    assert_eq!(host.state(), VrState::Backup);
}

#[test]
fn a_master_whose_link_is_renamed_resigns_before_its_socket_is_closed() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.log.clear();
    host.give(at(4001), Input::Link(Link { name: LinkName::new("lan0").unwrap(), ..eth0() }));
    let order = host.take(|output| is_send(output) || matches!(output, Output::Unlisten(_)));
    let [Output::Send { payload, .. }, Output::Unlisten(SOCKET)] = &order[..] else { panic!("{order:?}") };
    assert_eq!((payload[2], host.held.len()), (0, 0));
    assert_eq!(host.reason(), "interface eth0 does not exist");
}

#[test]
fn another_hardware_address_of_the_link_is_announced() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(20_000));
    host.log.clear();
    let mac = MacAddr([2, 0, 0, 0, 0, 9]);
    host.give(at(20_001), Input::Link(Link { mac: Some(mac), ..eth0() }));
    host.run_until(at(20_002));
    let frames = host.take(is_frame);
    assert_eq!(frames.len(), 5);
    assert!(frames.iter().all(|frame| matches!(frame, Output::Frame { bytes, .. } if bytes[6..12] == mac.0)));
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn lost_events_are_counted_always_and_told_once_a_minute() {
    let mut host = Host::start(config(instance(100)));
    let told = |host: &mut Host| {
        host.take(|output| matches!(output, Output::Report(Report::EventsMissed { .. }))).len()
    };
    for second in 0..120 {
        host.give(at(second * 1000), Input::Missed);
        host.give(
            at(second * 1000),
            Input::Observed(Observed { links: vec![eth0()], addresses: vec![address("10.0.0.1", 0)] }),
        );
    }
    assert_eq!(told(&mut host), 2);
    assert_eq!(host.agent.snapshot(at(120_000)).counters.events_missed, 120);
}

#[test]
fn an_owner_that_does_not_own_is_told_so() {
    for (addresses, told) in
        [(vec![address("10.0.0.1", 0)], 1), (vec![address("10.0.0.1", 0), address("10.0.0.100", 0)], 0)]
    {
        let mut host = Host::start_with(config(instance(255)), addresses);
        let reports = host.take(|output| matches!(output, Output::Report(Report::NotOwner { .. })));
        assert_eq!((host.state(), reports.len()), (VrState::Master, told));
    }
    let mut host = Host::start(config(instance(254)));
    host.run_until(at(5000));
    assert_eq!(host.take(|output| matches!(output, Output::Report(Report::NotOwner { .. }))), []);
}
