//! FRR's vrrpd, which answers at the virtual router's own hardware address; ours answers at the host's.

use crate::exercise::Pair;
use crate::lab::Lab;
use crate::lab::peers::zebra;
use crate::lab::router::Program::{Frr, Ours};
use crate::lab::router::{Router, V3};

const V6: Router = Router { v6: true, ..V3 };

fn frr_outranks(router: Router) {
    let lab = Lab::new();
    let _zebra = zebra(&lab.a, &router);
    Pair { lab: &lab, router, sides: [(Frr, 200), (Ours, 100)] }.outranked();
}

fn ours_outranks(router: Router) {
    let lab = Lab::new();
    let _zebra = zebra(&lab.b, &router);
    Pair { lab: &lab, router, sides: [(Ours, 200), (Frr, 100)] }.outranked();
}

#[test]
fn frr_outranks_ours_ipv4() {
    frr_outranks(V3);
}

#[test]
fn ours_outranks_frr_ipv4() {
    ours_outranks(V3);
}

#[test]
fn frr_outranks_ours_ipv6() {
    frr_outranks(V6);
}

#[test]
fn ours_outranks_frr_ipv6() {
    ours_outranks(V6);
}
