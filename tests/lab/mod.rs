//! A small network for tests: hosts `a` and `b` and a client on one bridge, each in a network namespace of its own.
//!
//! Owns the namespaces, every program started in them and a directory, and removes them when it is dropped; a test that
//! panics prints the programs' logs and the last frames first. Namespaces have no names and programs die with the
//! thread that started them, so a test that is killed leaves at most a directory. Needs root. Never touches the
//! machine's own interfaces.

#![allow(dead_code, reason = "each test crate uses its own part of this")]
#![expect(clippy::print_stdout, reason = "tests print what they do")]
#![expect(clippy::disallowed_methods, reason = "tests of the real thing read the clock and poll")]

pub(crate) mod absence;
pub(crate) mod addresses;
pub(crate) mod agent;
mod ask;
pub(crate) mod bus;
pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod host;
pub(crate) mod machine;
pub(crate) mod peers;
pub(crate) mod process;
pub(crate) mod router;
pub(crate) mod space;
pub(crate) mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use frame::What;
use host::Host;
use router::{Router, VRID};
use space::Space;
use wire::{Wire, now};

/// How often a fact is looked for.
const POLL: Duration = Duration::from_millis(10);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The network.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Fields are dropped in this order: hosts, then the capture, then the switch.
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) client: Host,
    pub(crate) wire: Wire,
    switch: Arc<Space>,
    directory: Directory,
}

impl Lab {
    /// Two hosts, 192.0.2.1 and .2, and a client, .9 (IPv6: `2001:db8::1` and so on).
    pub(crate) fn new() -> Self {
        let switch = Arc::new(Space::new());
        switch.sysctl("ipv6/conf/all/disable_ipv6", "1");
        switch.sh("ip link add br0 type bridge mcast_snooping 0");
        switch.sh("ip link set br0 up");
        let wire = Wire::new(&switch);
        let directory = Directory::new();
        let host = |name, number| Host::new(name, number, &switch, &wire, &directory.0);
        Lab { a: host("a", 1), b: host("b", 2), client: host("client", 9), wire, switch, directory }
    }

    /// A second network of hosts `a` and `b`: `link` of each, on a bridge of its own.
    pub(crate) fn second_network(&self, link: &str) {
        self.switch.sh("ip link add br1 type bridge mcast_snooping 0");
        self.switch.sh("ip link set br1 up");
        for host in [&self.a, &self.b] {
            let port = format!("{link}-{}", host.name);
            self.switch
                .sh(&format!("ip link add {port} type veth peer name {link} netns {}", host.space.path()));
            self.switch.sh(&format!("ip link set {port} master br1 up"));
            host.space.sh(&format!("ip link set {link} up"));
        }
    }

    /// Pulls the cable of `host` in the second network, or puts it back.
    pub(crate) fn second_cable(&self, host: &Host, link: &str, there: bool) {
        println!("{} of {}: {}", link, host.name, if there { "plugged in" } else { "pulled out" });
        let state = if there { "up" } else { "down" };
        self.switch.sh(&format!("ip link set {link}-{} {state}", host.name));
    }

    /// One more host; `number` is the last part of its addresses.
    pub(crate) fn add(&self, name: &str, number: u8) -> Host {
        Host::new(name, number, &self.switch, &self.wire, &self.directory.0)
    }

    /// The host that answers the client at `address`: the one behind the port that the echo reply came in by.
    pub(crate) fn answers(&self, address: IpAddr) -> Option<String> {
        let start = now().saturating_sub(POLL);
        let (id, sequence) = ask::ask(&self.client.space, address)?;
        let reply = What::Echo { source: address, id, sequence };
        let frame = self
            .wire
            .await_frame("the reply on the wire", start, Duration::from_secs(5), |frame| frame.what == reply);
        Some(frame.from)
    }

    /// Waits until the client reaches `address` on `host` and nowhere else.
    pub(crate) fn reaches(&self, address: IpAddr, host: &Host, limit: Duration) {
        let text = format!("the client reaches {address} on {}", host.name);
        wait(&text, limit, || (self.answers(address).as_ref() == Some(&host.name)).then_some(()));
    }

    /// Waits until `holder` has all addresses of `router`, `others` have none, and the client agrees; then looks on.
    pub(crate) fn held_by(&self, router: &Router, holder: &Host, others: &[&Host]) {
        let addresses = router.addresses();
        wait(&format!("{} alone holds the addresses", holder.name), router.limit(), || {
            let all = addresses.iter().all(|&address| holder.serves(address));
            let none = addresses.iter().all(|&address| others.iter().all(|other| !other.serves(address)));
            (all && none).then_some(())
        });
        self.reaches(router.address(), holder, router.limit());
        self.calm(router, holder, others);
        self.reaches(router.address(), holder, router.limit());
    }

    /// While nothing happens, every look finds the addresses on `holder` alone, and no other host sends adverts.
    pub(crate) fn calm(&self, router: &Router, holder: &Host, others: &[&Host]) {
        let (start, span) = (now(), router.calm());
        let end = Instant::now() + span;
        while Instant::now() < end {
            for address in router.addresses() {
                assert!(holder.serves(address), "{address} is missing on {}", holder.name);
                for other in others {
                    assert!(!other.serves(address), "{address} is on {} too", other.name);
                }
            }
            thread::sleep(POLL * 3);
        }
        let claimants = self.wire.claimants(start, VRID);
        assert_eq!(claimants, BTreeSet::from([holder.name.clone()]), "who sent adverts in {span:?} of calm");
        println!("{span:?} of calm, held by {}", holder.name);
    }
}

/// Does `test` with all of these at once, each in a network of its own: they mostly wait.
pub(crate) fn at_once<T: Send>(all: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let test = &test;
    thread::scope(|scope| {
        let running: Vec<_> = all.into_iter().map(|one| scope.spawn(move || test(one))).collect();
        for one in running {
            if let Err(panic) = one.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// Waits for what `look` finds, at most `limit`; then fails the test.
pub(crate) fn wait<T>(text: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            println!("{:7.3} s until: {text}", start.elapsed().as_secs_f64());
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {text}");
        thread::sleep(POLL);
    }
}

/// A directory of this network's own.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("failover-lab-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory for the test");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
