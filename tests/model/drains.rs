//! Routers that hand over on purpose, in the model of one virtual router: whatever happens meanwhile, in the end there is
//! one MASTER of those that compete.

use failover::vrrp::fields::Version;
use failover::vrrp::router::Settings;

use super::{Model, Step, World, Wrong, check_model, is_master, router};

/// Two routers of which each may be drained at any time, and compete again.
fn drain(settings: [Settings; 2]) {
    let model = || Model::with_checks(settings.to_vec(), vec![None; 2], true);
    for insist in [true, false] {
        check_model(&Model { drains: Some(insist), faults_amid: 0, ..model() });
    }
}

#[test]
fn two_that_are_drained() {
    drain([router(192, true), router(64, true)]);
    drain([router(192, false), router(64, false)]);
    drain([router(128, true), router(128, true)]);
}

#[test]
fn an_owner_that_is_drained() {
    for insist in [true, false] {
        let settings = vec![router(255, true), router(128, true)];
        check_model(&Model { drains: Some(insist), faults_amid: 0, ..Model::new(settings) });
    }
}

#[test]
fn two_of_version_2_that_are_drained() {
    let v2 = |priority| Settings { version: Version::V2, ..router(priority, true) };
    drain([v2(192), v2(64)]);
}

#[test]
fn a_successor_has_the_addresses_before_they_are_let_go() {
    let model = Model::new(vec![router(192, true), router(64, true)]);
    for insist in [true, false] {
        let mut world = model.start();
        let steps = [Step::Start(0), Step::Start(1), Step::Timeout(0), Step::Deliver(0)];
        let hand_over = [Step::HandOver(0, insist), Step::Deliver(0), Step::Timeout(1)];
        for step in steps.into_iter().chain(hand_over) {
            world = model.step(&world, step).unwrap_or_else(|Wrong(what)| panic!("{what}"));
        }
        let holds = |world: &World| world.routers.iter().flatten().filter(|r| is_master(r)).count();
        assert_eq!(holds(&world), 2, "both hold until the successor's advert has arrived");
        for step in [Step::Deliver(0), Step::Timeout(0)] {
            assert_eq!(holds(&world), 2);
            world = model.step(&world, step).unwrap_or_else(|Wrong(what)| panic!("{what}"));
        }
        assert_eq!(holds(&world), 1);
        assert!(is_master(world.routers[1].as_ref().unwrap()));
    }
}
