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
    assert_eq!(host.agent.snapshot(at(13_700)).instances[0].address_lease_seconds, Some(6));
    host.hear(at(13_800), "10.0.0.2", hold(150));
    assert_eq!(host.state(), VrState::Backup);
    host.run_until(at(16_000));
    assert_eq!(renewals(&mut host), []);
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
