//! keepalived: each kind of virtual router, with keepalived outranking ours and the other way round.

use crate::exercise::Pair;
use crate::lab::Lab;
use crate::lab::router::Program::{Keepalived, Ours};
use crate::lab::router::{Program, Router, V3};

const V2: Router = Router { version: 2, interval: 1000, ..V3 };
const V2_PASSWORD: Router = Router { password: Some("pass-7b"), ..V2 };
const V3_100_MS: Router = Router { interval: 100, ..V3 };
const V6: Router = Router { v6: true, ..V3 };
const UNICAST: Router = Router { unicast: true, ..V3 };

fn outranked(router: Router, sides: [(Program, u8); 2]) {
    Pair { lab: &Lab::new(), router, sides }.outranked();
}

fn equal(sides: [Program; 2]) {
    Pair { lab: &Lab::new(), router: V3, sides: sides.map(|program| (program, 100)) }.equal();
}

/// The network itself: if this fails, the tests are wrong and not `failover`.
#[test]
fn keepalived_outranks_keepalived() {
    outranked(V3, [(Keepalived, 200), (Keepalived, 100)]);
}

#[test]
fn keepalived_outranks_ours_v2() {
    outranked(V2, [(Keepalived, 200), (Ours, 100)]);
}

#[test]
fn ours_outranks_keepalived_v2() {
    outranked(V2, [(Ours, 200), (Keepalived, 100)]);
}

#[test]
fn keepalived_outranks_ours_v2_with_password() {
    outranked(V2_PASSWORD, [(Keepalived, 200), (Ours, 100)]);
}

#[test]
fn ours_outranks_keepalived_v2_with_password() {
    outranked(V2_PASSWORD, [(Ours, 200), (Keepalived, 100)]);
}

#[test]
fn keepalived_outranks_ours_v3_ipv4() {
    outranked(V3, [(Keepalived, 200), (Ours, 100)]);
}

#[test]
fn ours_outranks_keepalived_v3_ipv4() {
    outranked(V3, [(Ours, 200), (Keepalived, 100)]);
}

#[test]
fn keepalived_outranks_ours_at_100_ms() {
    outranked(V3_100_MS, [(Keepalived, 150), (Ours, 149)]);
}

#[test]
fn ours_outranks_keepalived_at_100_ms() {
    outranked(V3_100_MS, [(Ours, 150), (Keepalived, 149)]);
}

#[test]
fn keepalived_outranks_ours_v3_ipv6() {
    outranked(V6, [(Keepalived, 200), (Ours, 100)]);
}

#[test]
fn ours_outranks_keepalived_v3_ipv6() {
    outranked(V6, [(Ours, 200), (Keepalived, 100)]);
}

#[test]
fn keepalived_outranks_ours_v3_unicast() {
    outranked(UNICAST, [(Keepalived, 200), (Ours, 100)]);
}

#[test]
fn ours_outranks_keepalived_v3_unicast() {
    outranked(UNICAST, [(Ours, 200), (Keepalived, 100)]);
}

#[test]
fn keepalived_as_owner() {
    outranked(V3, [(Keepalived, 255), (Ours, 100)]);
}

#[test]
fn ours_as_owner() {
    outranked(V3, [(Ours, 255), (Keepalived, 100)]);
}

#[test]
fn equal_priorities_keepalived_has_the_higher_address() {
    equal([Ours, Keepalived]);
}

#[test]
fn equal_priorities_ours_has_the_higher_address() {
    equal([Keepalived, Ours]);
}
