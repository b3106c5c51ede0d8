//! What may go wrong on a host or on the wire, one test each, with two of ours unless it says otherwise.
//!
//! Needs root and the packages that `tests/run` installs.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "tests print what they do")]

#[path = "../lab/mod.rs"]
mod lab;

mod addresses;
mod leases;
mod links;
mod manager;
mod processes;
mod reload;
mod resume;
mod wire;

use lab::Lab;
use lab::process::Process;
use lab::router::{Program, Router, V3};

/// Ours on both hosts, `a` outranking `b`.
struct Two {
    on_a: Process,
    on_b: Process,
    lab: Lab,
    router: Router,
}

impl Two {
    /// Both run and `a` holds the addresses.
    fn new(router: Router) -> Self {
        let lab = Lab::new();
        let on_a = router.start(Program::Ours, &lab.a, &lab.b, 200);
        lab.held_by(&router, &lab.a, &[&lab.b]);
        let on_b = router.start(Program::Ours, &lab.b, &lab.a, 100);
        lab.held_by(&router, &lab.a, &[&lab.b]);
        Two { on_a, on_b, lab, router }
    }

    fn held_by_a(&self) {
        self.lab.held_by(&self.router, &self.lab.a, &[&self.lab.b]);
    }

    fn held_by_b(&self) {
        self.lab.held_by(&self.router, &self.lab.b, &[&self.lab.a]);
    }

    /// Both end well and leave nothing behind.
    fn stop(mut self) {
        for process in [&mut self.on_a, &mut self.on_b] {
            let status = process.terminate();
            assert!(status.success(), "{status}");
        }
        for host in [&self.lab.a, &self.lab.b] {
            assert_eq!(host.tagged(), [], "left over on {}", host.name);
        }
    }
}

/// Version 3 over IPv6.
const V6: Router = Router { v6: true, ..V3 };
