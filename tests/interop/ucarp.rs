//! UCARP shares VRRP's IP protocol number, group and hop limit, and its messages begin like those of VRRP version 2:
//! on the same segment and with the same group number neither may disturb the other.

use std::time::Duration;

use crate::exercise::Pair;
use crate::lab::host::Host;
use crate::lab::peers::ucarp;
use crate::lab::router::{Program, Router, V3};
use crate::lab::wire::now;
use crate::lab::{Lab, wait};

const SHARED: &str = "192.0.2.60";

/// A pair of ours, while UCARP goes on as if they were not there.
pub(crate) fn beside_ucarp(router: Router) {
    let lab = Lab::new();
    let (c, d) = (lab.add("c", 3), lab.add("d", 4));
    let shared = SHARED.parse().expect("an address");
    let _on_c = ucarp(&c, SHARED, 0);
    wait("UCARP on c holds its address", Duration::from_mins(1), || c.serves(shared).then_some(()));
    let _on_d = ucarp(&d, SHARED, 100);
    let start = now();
    Pair { lab: &lab, router, sides: [(Program::Ours, 200), (Program::Ours, 100)] }.outranked();

    lab.wire.await_frame("a CARP message", start, Duration::from_mins(1), |frame| frame.from == c.name);
    assert!(c.serves(shared) && !d.serves(shared), "UCARP's address is where it was");
    lab.reaches(shared, &c, Duration::from_secs(10));
    quiet(&d, &lab, start);
}

/// `host` was UCARP's backup all the time: it never sent.
fn quiet(host: &Host, lab: &Lab, start: Duration) {
    let sent =
        lab.wire.since(start).iter().filter(|frame| frame.from == host.name && frame.is_vrrp()).count();
    assert_eq!(sent, 0, "messages of UCARP's backup");
}

#[test]
fn version_3_beside_ucarp() {
    beside_ucarp(V3);
}
