//! keepalived: each kind of virtual router, with keepalived outranking ours and the other way round.

use crate::exercise::Pair;
use crate::lab::router::Program::{Keepalived, Ours};
use crate::lab::router::{Program, Router, V3};
use crate::lab::{Lab, at_once};

fn outranked(router: Router, sides: [(Program, u8); 2]) {
    Pair { lab: &Lab::new(), router, sides }.outranked();
}

/// Each of them with the higher priority.
pub(crate) fn both_ways(router: Router, high: u8, low: u8) {
    at_once([(Keepalived, Ours), (Ours, Keepalived)], |(on_a, on_b)| {
        outranked(router, [(on_a, high), (on_b, low)]);
    });
}

/// The network itself: if this fails, the tests are wrong and not `failover`.
#[test]
fn keepalived_outranks_keepalived() {
    outranked(V3, [(Keepalived, 200), (Keepalived, 100)]);
}

#[test]
fn version_3_over_ipv4() {
    both_ways(V3, 200, 100);
}

#[test]
fn version_3_over_ipv6() {
    both_ways(Router { v6: true, ..V3 }, 200, 100);
}

#[test]
fn version_3_by_unicast() {
    both_ways(Router { unicast: true, ..V3 }, 200, 100);
}

#[test]
fn adverts_every_100_ms() {
    both_ways(Router { interval: 100, ..V3 }, 150, 149);
}

#[test]
fn an_owner() {
    both_ways(V3, 255, 100);
}

/// Whoever has the higher address.
#[test]
fn equal_priorities() {
    at_once([[Ours, Keepalived], [Keepalived, Ours]], |sides| {
        Pair { lab: &Lab::new(), router: V3, sides: sides.map(|program| (program, 100)) }.equal();
    });
}
