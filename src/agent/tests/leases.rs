//! Leases as the agent as a whole keeps them.

use super::*;

/// The renewals since the last look: seconds of each.
fn renewals(host: &mut Host) -> Vec<Option<u32>> {
    let applied = host.take(|output| matches!(output, Output::Apply { .. }));
    let renewed = applied.into_iter().filter_map(|output| {
        if let Output::Apply { change: Change::Renew { lease, .. }, .. } = output {
            Some(lease)
        } else {
            None
        }
    });
    renewed.collect()
}

fn reports(host: &mut Host) -> Vec<Report> {
    let reports = host.take(|output| matches!(output, Output::Report(Report::LeaseNotRenewed { .. })));
    let report = |output| if let Output::Report(report) = output { Some(report) } else { None };
    reports.into_iter().filter_map(report).collect()
}

#[test]
fn a_master_renews_with_its_adverts_and_a_backup_does_not() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(3600));
    let added = |output: &Output| matches!(output, Output::Apply { .. });
    assert_eq!(host.take(added), []);
    host.run_until(at(3620));
    let added = host.take(added);
    assert!(
        matches!(added[..], [Output::Apply { change: Change::Add { lease: Some(6), .. }, .. }]),
        "{added:?}"
    );
    host.run_until(at(13_700));
    assert_eq!(renewals(&mut host), [Some(6); 10]);
    assert_eq!(host.agent.address_changes(), 1, "it came once");
    assert_eq!(host.agent.snapshot(at(13_700)).instances[0].address_lease_seconds, Some(6));
    host.hear(at(13_800), "10.0.0.2", hold(150));
    assert_eq!(host.state(), VrState::Backup);
    host.run_until(at(16_000));
    assert_eq!(renewals(&mut host), []);
    assert_eq!(host.agent.address_changes(), 2);
}

#[test]
fn another_lease_holds_at_once_and_every_advert_goes_on() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.log.clear();
    let mut next = instance(100);
    for (lease, interval, expected) in [
        (AddressLease::Seconds(30), 100, vec![Some(30)]),
        (AddressLease::Off, 100, vec![None]),
        (AddressLease::Auto, 100, vec![Some(6)]),
        // The automatic one follows the interval.
        (AddressLease::Auto, 200, vec![Some(11)]),
        (AddressLease::Auto, 200, vec![]),
    ] {
        next.address_lease = lease;
        next.interval = Interval::from_centiseconds(interval).unwrap();
        host.give(at(4100), Input::Configure(config(next.clone())));
        assert_eq!((renewals(&mut host), host.state()), (expected, VrState::Master), "{lease:?}");
    }
    host.run_until(at(8200));
    assert_eq!(renewals(&mut host), [Some(11), Some(11)]);
}

#[test]
fn a_renewal_that_fails_is_told_and_moves_nothing() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.refuse = true;
    host.run_until(at(9000));
    let told = reports(&mut host);
    let [first, near] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        first.message(),
        "(web) the lease of 10.0.0.100/24 could not be renewed: not permitted; the kernel takes it away in 5.0 s unless \
         that succeeds; trying again"
    );
    assert_eq!(first.severity(), report::Severity::Warning);
    assert!(near.message().contains("still cannot be renewed"), "{}", near.message());
    assert_eq!(near.severity(), report::Severity::Error);
    assert_eq!(host.state(), VrState::Master);
    // The kernel does what it said it would, and what comes of that is as if somebody had removed it.
    host.refuse = false;
    host.held.clear();
    host.give(at(9600), gone("10.0.0.100", 24));
    host.run_until(at(9601));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    host.log.clear();
    host.run_until(at(10_650));
    assert_eq!(renewals(&mut host), [Some(6)]);
}

#[test]
fn renewals_that_fail_are_told_once_of_each_address_and_once_more_near_its_end() {
    let mut many = instance(100);
    let address = |number: u8| {
        let prefix = Prefix::new(IpAddr::from([10, 0, 0, number]), 24).unwrap();
        VirtualAddress { prefix, interface: None, label: None, scope: Scope::Global }
    };
    many.addresses = (100..200).map(address).collect();
    let mut host = Host::start(config(many));
    host.run_until(at(4000));
    host.refuse = true;
    host.run_until(at(9500));
    let told = reports(&mut host);
    let near = told.iter().filter(|report| report.severity() == report::Severity::Error).count();
    // The log bounds that, and counts: see `observe::limit`.
    assert_eq!((told.len() - near, near), (100, 100));
}

/// An IPv6 instance on a link that has these addresses as well.
fn beside(others: &[&str]) -> Host {
    let prefix = |text: &str| {
        let (address, length) = text.split_once('/').unwrap();
        Prefix::new(ip(address), length.parse().unwrap()).unwrap()
    };
    let mut six = instance(100);
    six.family = Family::Ipv6;
    let address = six.addresses[0].clone();
    let ours = ["fe80::51/64", "2001:db8::100/64", "2001:db8:1::100/64", "2001:db8:2::100/128"];
    six.addresses = ours.map(|text| VirtualAddress { prefix: prefix(text), ..address.clone() }).into();
    let own = |text: &&str| LinkAddress { prefix: prefix(text), ..super::address("10.0.0.1", 0) };
    let mut host = Host::start_with(config(six), others.iter().map(own).collect());
    host.run_until(at(4500));
    host
}

/// The addresses that were last asked for with a route of their own, or without.
fn routes(host: &mut Host, with: bool) -> BTreeSet<String> {
    let applied = host.take(|output| matches!(output, Output::Apply { .. }));
    let asked = applied.into_iter().filter_map(|output| {
        let Output::Apply {
            change: Change::Add { prefix, route, .. } | Change::Renew { prefix, route, .. },
            ..
        } = output
        else {
            return None;
        };
        (route == with).then(|| prefix.to_string())
    });
    asked.collect()
}

#[test]
fn a_leased_address_asks_for_no_route_where_the_host_has_its_own() {
    let mut host = beside(&["fe80::1/64", "2001:db8::1/64", "2001:db8:1::1/48", "2001:db8:2::1/64"]);
    assert_eq!(host.state(), VrState::Master);
    let spared: BTreeSet<String> = ["fe80::51/64", "2001:db8::100/64"].map(str::to_owned).into();
    assert_eq!(routes(&mut host, false), spared);
    host.run_until(at(6000));
    assert_eq!(routes(&mut host, false), spared, "nor does its renewal");
    host.give(at(6001), gone("2001:db8::1", 64));
    host.run_until(at(7500));
    assert!(routes(&mut host, true).contains("2001:db8::100/64"), "nobody else's route is there any more");
    let prefix = Prefix::new(ip("2001:db8::ffff"), 64).unwrap();
    host.give(at(7501), Input::Address(LinkAddress { prefix, ..address("10.0.0.1", 0) }));
    host.run_until(at(9000));
    assert_eq!(routes(&mut host, false), spared, "there is one again");
}

#[test]
fn an_address_that_stays_brings_its_route() {
    let mut six = instance(100);
    six.address_lease = AddressLease::Off;
    let mut host = Host::start(config(six));
    host.run_until(at(4500));
    assert_eq!(routes(&mut host, false), [].into());
}
