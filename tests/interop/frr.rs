//! FRR's vrrpd, which answers at the virtual router's own hardware address; ours answers at the host's.

use crate::exercise::Pair;
use crate::lab::peers::zebra;
use crate::lab::router::Program::{Frr, Ours};
use crate::lab::router::{Router, V3};
use crate::lab::{Lab, at_once};

/// Each of them with the higher priority.
fn both_ways(router: Router) {
    at_once([(Frr, Ours), (Ours, Frr)], |(on_a, on_b)| {
        let lab = Lab::new();
        let _zebra = zebra(if on_a == Frr { &lab.a } else { &lab.b }, &router);
        Pair { lab: &lab, router, sides: [(on_a, 200), (on_b, 100)] }.outranked();
    });
}

#[test]
fn version_3_over_ipv4() {
    both_ways(V3);
}

#[test]
fn version_3_over_ipv6() {
    both_ways(Router { v6: true, ..V3 });
}
