//! What every pair of programs must get through.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::router::{Program, Router, VRID};
use crate::lab::wait;
use crate::lab::wire::now;

/// A pair of routers on hosts `a` and `b`.
pub(crate) struct Pair<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) router: Router,
    /// Program and priority on `a` and on `b`.
    pub(crate) sides: [(Program, u8); 2],
}

impl Pair<'_> {
    /// `a` outranks `b`: it takes over whenever it is there.
    pub(crate) fn outranked(&self) {
        let (a, b) = (&self.lab.a, &self.lab.b);
        let mut on_b = self.start(b);
        self.held_by(b, &[a]);
        let mut on_a = self.start(a);
        self.held_by(a, &[b]);

        self.resign(a, &mut on_a, b);
        self.held_by(b, &[a]);
        let mut on_a = self.start(a);
        self.held_by(a, &[b]);

        self.crash(a, &mut on_a, b);
        // Its address is still on the dead host, but nobody reaches it there.
        self.held_by(b, &[]);
        let on_a = self.start(a);
        self.held_by(a, &[b]);

        on_b.crash();
        self.held_by(a, &[b]);
        let on_b = self.start(b);
        self.held_by(a, &[b]);
        self.stop([(a, on_a), (b, on_b)]);
    }

    /// Equal priorities: whoever holds the address keeps it; of two holders the one with the higher address stays.
    pub(crate) fn equal(&self) {
        let (a, b) = (&self.lab.a, &self.lab.b);
        let mut on_a = self.start(a);
        self.held_by(a, &[b]);
        let mut on_b = self.start(b);
        self.held_by(a, &[b]);

        b.cut();
        wait("both hold the address while separated", self.router.limit(), || {
            (a.serves(self.router.address()) && b.serves(self.router.address())).then_some(())
        });
        b.heal();
        self.held_by(b, &[a]);

        self.resign(b, &mut on_b, a);
        self.held_by(a, &[b]);
        let mut on_b = self.start(b);
        self.held_by(a, &[b]);

        self.crash(a, &mut on_a, b);
        self.held_by(b, &[]);
        let mut on_a = self.start(a);
        self.held_by(b, &[a]);

        self.crash(b, &mut on_b, a);
        self.held_by(a, &[]);
        on_a.terminate();
        let on_b = self.start(b);
        self.held_by(b, &[a]);
        self.stop([(b, on_b)]);
    }

    fn start(&self, host: &Host) -> Process {
        let (a, b) = (&self.lab.a, &self.lab.b);
        let peer = if host.name == a.name { b } else { a };
        let (program, priority) = self.side(host);
        self.router.start(program, host, peer, priority)
    }

    fn side(&self, host: &Host) -> (Program, u8) {
        let [on_a, on_b] = self.sides;
        if host.name == self.lab.a.name { on_a } else { on_b }
    }

    /// FRR leaves the addresses on the device that the administrator made, and switches that off.
    fn has(&self, host: &Host, address: IpAddr) -> bool {
        if self.side(host).0 == Program::Frr { host.serves(address) } else { host.holds(address) }
    }

    /// SIGTERM: says priority 0 and takes its address away; the other need not wait for silence.
    fn resign(&self, from: &Host, process: &mut Process, to: &Host) {
        let start = now();
        process.signal(Signal::SIGTERM);
        let limit = self.router.limit();
        let resigned = self.lab.wire.await_frame("priority 0 on the wire", start, limit, |frame| {
            frame.from == from.name && frame.vrrp(VRID).is_some_and(|vrrp| vrrp.priority == 0)
        });
        let taken = self.claim(to, resigned.at);
        assert!(
            taken < self.router.master_down(255),
            "{} waited {taken:?} after a resignation, as if it had heard none",
            to.name
        );
        process.ended(limit);
    }

    /// SIGKILL: the other takes over when three intervals without an advert have passed, not sooner.
    fn crash(&self, dead: &Host, process: &mut Process, to: &Host) {
        process.crash();
        let adverts = self.lab.wire.adverts(Duration::ZERO, VRID);
        let last = adverts
            .iter()
            .rev()
            .find(|(_, host, _)| *host == dead.name)
            .expect("the dead host's last advert");
        let silence = self.claim(to, last.0);
        let shortest = Duration::from_millis(u64::from(self.router.interval)) * 3;
        assert!(silence > shortest, "{} took over after {silence:?} of silence", to.name);
    }

    /// Waits for the first advert of `host` after `start`; how long after it came.
    fn claim(&self, host: &Host, start: Duration) -> Duration {
        let text = format!("first advert of {}", host.name);
        let frame = self.lab.wire.await_frame(&text, start, self.router.limit(), |frame| {
            frame.from == host.name && frame.vrrp(VRID).is_some_and(|vrrp| vrrp.priority > 0)
        });
        frame.at.saturating_sub(start)
    }

    fn held_by(&self, holder: &Host, others: &[&Host]) {
        self.lab.held_by(&self.router, holder, others);
    }

    /// Ends all; no address of the virtual router is left on any host.
    fn stop<const N: usize>(&self, running: [(&Host, Process); N]) {
        for (host, mut process) in running {
            let status = process.terminate();
            assert!(status.success(), "{} ended with {status}", host.name);
        }
        for host in [&self.lab.a, &self.lab.b] {
            assert_eq!(host.tagged(), [], "left over on {}", host.name);
            for address in self.router.addresses() {
                assert!(!self.has(host, address), "{address} is left over on {}", host.name);
            }
        }
    }
}
