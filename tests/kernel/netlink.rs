//! Links and addresses: what is asked for happens, what happens is told.

use std::time::Duration;

use failover::net::{LinkIndex, Prefix, Scope};
use failover::os::clock;
use failover::os::netlink::{AddressChange, Event, Failure, Monitor, Observed, Outcome, Request, Worker};
use failover::os::poll::{Poll, Token, Watch};
use failover::os::process::Waker;
use nix::libc;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;

use crate::namespace::{address, in_namespace, ip, ip_output, link};

/// A worker and the way its answers are waited for.
pub(crate) struct Bench {
    pub(crate) worker: Worker,
    poll: Poll,
    waker: Waker,
}

impl Bench {
    /// The worker's thread is started by this one, so it is in the same namespace.
    pub(crate) fn new() -> Self {
        let waker = Waker::new().unwrap();
        let worker = Worker::start(65_536, 112, waker.clone(), || {}).unwrap();
        let mut poll = Poll::new().unwrap();
        poll.add(&waker, Token(0), Watch::Edge).unwrap();
        Bench { worker, poll, waker }
    }

    pub(crate) fn wait(&mut self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            self.poll.wait(true, &mut Vec::new()).unwrap();
            self.worker.take(&mut outcomes);
        }
        // A wake that came with outcomes already taken is not lost for the next wait.
        self.waker.wake();
        outcomes
    }

    pub(crate) fn apply(&mut self, link: LinkIndex, change: AddressChange) -> Result<(), Failure> {
        self.worker.ask(Request::Address { id: 7, link, change }).unwrap();
        let answer = self.wait(1).remove(0);
        let Outcome::Applied { id: 7, outcome } = answer else { panic!("{answer:?}") };
        outcome
    }

    pub(crate) fn dump(&mut self) -> Observed {
        self.worker.ask(Request::Dump).unwrap();
        let answer = self.wait(1).remove(0);
        let Outcome::Dumped(observed) = answer else { panic!("{answer:?}") };
        observed.unwrap()
    }
}

pub(crate) fn prefix(text: &str, length: u8) -> Prefix {
    Prefix::new(address(text), length).unwrap()
}

fn add(text: &str, length: u8) -> AddressChange {
    let (prefix, label, scope) = (prefix(text, length), None, Scope::Global);
    AddressChange::Add { prefix, label, scope, preferred: true, route: true, lease: None }
}

fn remove(text: &str, length: u8) -> AddressChange {
    AddressChange::Remove { prefix: prefix(text, length) }
}

#[test]
fn addresses_are_added_tagged_and_removed() {
    in_namespace(|| {
        let mut bench = Bench::new();
        let a = link("va");
        assert_eq!(bench.apply(a, add("192.0.2.7", 24)), Ok(()));
        let deprecated = AddressChange::Add {
            prefix: prefix("2001:db8::7", 64),
            label: None,
            scope: Scope::Global,
            preferred: false,
            route: true,
            lease: None,
        };
        assert_eq!(bench.apply(a, deprecated), Ok(()));
        let labelled = AddressChange::Add {
            prefix: prefix("198.51.100.1", 32),
            label: Some("va:vip".into()),
            scope: Scope::Link,
            preferred: true,
            route: true,
            lease: None,
        };
        assert_eq!(bench.apply(a, labelled), Ok(()));

        let shown = ip_output("-d addr show dev va");
        assert!(shown.contains("inet 192.0.2.7/24 scope global"), "{shown}");
        assert!(!shown.contains("brd 192"), "{shown}");
        assert!(shown.contains("inet 198.51.100.1/32 scope link"), "{shown}");
        assert!(shown.contains("va:vip"), "{shown}");
        assert!(shown.contains("inet6 2001:db8::7/64 scope global nodad deprecated"), "{shown}");

        let tagged: Vec<_> =
            bench.dump().addresses.into_iter().filter(|address| address.protocol == 112).collect();
        assert_eq!(tagged.len(), 3, "{tagged:?}");
        assert!(tagged.iter().all(|address| !address.tentative && address.link == a));

        for (text, length) in [("192.0.2.7", 24), ("2001:db8::7", 64), ("198.51.100.1", 32)] {
            assert_eq!(bench.apply(a, remove(text, length)), Ok(()), "{text}");
        }
        assert!(bench.dump().addresses.iter().all(|address| address.protocol != 112));
    });
}

#[test]
fn refusals_have_the_kernels_number() {
    in_namespace(|| {
        let mut bench = Bench::new();
        let a = link("va");
        for (text, length) in [("192.0.2.7", 24), ("2001:db8::7", 64)] {
            bench.apply(a, add(text, length)).unwrap();
            assert_eq!(bench.apply(a, add(text, length)).unwrap_err().errno, libc::EEXIST);
            bench.apply(a, remove(text, length)).unwrap();
            let failure = bench.apply(a, remove(text, length)).unwrap_err();
            assert_eq!(failure.errno, libc::EADDRNOTAVAIL, "{failure:?}");
            let failure = bench.apply(LinkIndex(9999), add(text, length)).unwrap_err();
            assert_eq!(failure.errno, libc::ENODEV, "{failure:?}");
            assert!(!failure.text.is_empty());
        }
    });
}

#[test]
fn a_thousand_changes_are_answered_in_order_around_a_dump() {
    in_namespace(|| {
        let mut bench = Bench::new();
        let a = link("va");
        let start = clock::now();
        for id in 0..1000_u64 {
            // Every tenth is asked for twice, and refused.
            let host = if id % 10 == 1 { id - 1 } else { id };
            let change = add(&format!("10.1.{}.{}", host / 250, host % 250 + 1), 32);
            bench.worker.ask(Request::Address { id, link: a, change }).unwrap();
            if id == 500 {
                bench.worker.ask(Request::Dump).unwrap();
            }
        }
        let outcomes = bench.wait(1001);
        eprintln!("1000 addresses in {:?}", clock::now().since(start));
        let Outcome::Dumped(Ok(observed)) = &outcomes[501] else { panic!("the dump is in its place") };
        assert_eq!(observed.addresses.iter().filter(|address| address.protocol == 112).count(), 451);
        let applied = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Applied { id, outcome } => Some((*id, outcome)),
            Outcome::Dumped(_) => None,
        });
        for ((id, outcome), expected) in applied.zip(0..) {
            assert_eq!(id, expected);
            let errno = outcome.as_ref().err().map(|failure| failure.errno);
            assert_eq!(errno, (id % 10 == 1).then_some(libc::EEXIST));
        }
    });
}

#[test]
fn a_dump_tells_links_and_addresses() {
    in_namespace(|| {
        ip("addr add 192.0.2.1/24 dev va");
        ip("addr add 192.0.2.2/24 dev va");
        ip("link set vb mtu 1400 address 02:00:00:00:00:0b");
        let observed = Bench::new().dump();
        let named = |name: &str| observed.links.iter().find(|link| link.name.as_str() == name).unwrap();
        assert_eq!(named("vb").mtu, 1400);
        assert_eq!(named("vb").mac.unwrap().to_string(), "02:00:00:00:00:0b");
        assert!(named("va").up && named("va").carrier);
        assert_eq!(named("lo").mac, None);
        let on_a: Vec<_> = observed
            .addresses
            .iter()
            .filter(|found| found.link == link("va") && found.prefix.address().is_ipv4())
            .map(|found| (found.prefix, found.secondary, found.protocol))
            .collect();
        assert_eq!(on_a, [(prefix("192.0.2.1", 24), false, 0), (prefix("192.0.2.2", 24), true, 0)]);
    });
}

fn drain(monitor: &mut Monitor) -> Vec<Event> {
    let mut events = Vec::new();
    assert!(!monitor.drain(|event| events.push(event)).unwrap().overrun);
    events
}

#[test]
fn the_monitor_tells_what_happens() {
    in_namespace(|| {
        let mut monitor = Monitor::open().unwrap();
        drain(&mut monitor);
        let a = link("va");
        ip("addr add 192.0.2.1/24 dev va");
        let events = drain(&mut monitor);
        let there =
            |event: &Event| matches!(event, Event::Address(found) if found.prefix == prefix("192.0.2.1", 24));
        assert!(events.iter().any(there), "{events:?}");
        ip("addr del 192.0.2.1/24 dev va");
        let gone = Event::AddressGone { link: a, prefix: prefix("192.0.2.1", 24) };
        assert!(drain(&mut monitor).contains(&gone));

        ip("link set vb down");
        let down = |events: &[Event]| {
            events.iter().any(
                |event| matches!(event, Event::Link(link) if link.index == a && link.up && !link.carrier),
            )
        };
        // The peer's carrier follows by the kernel's own worker.
        let deadline = clock::now().after(Duration::from_secs(5));
        let mut events = drain(&mut monitor);
        while !down(&events) && clock::now() < deadline {
            events.extend(drain(&mut monitor));
        }
        assert!(down(&events), "{events:?}");

        ip("link set va name renamed");
        assert!(drain(&mut monitor).iter().any(
            |event| matches!(event, Event::Link(link) if link.index == a && link.name.as_str() == "renamed")
        ));
        ip("link del renamed");
        assert!(drain(&mut monitor).contains(&Event::LinkGone(a)));
    });
}

#[test]
fn leaving_a_bridge_is_no_end_of_a_link() {
    in_namespace(|| {
        ip("link add br0 type bridge");
        ip("link set va master br0");
        let mut monitor = Monitor::open().unwrap();
        ip("link set va nomaster");
        let events = drain(&mut monitor);
        assert!(events.iter().any(|event| matches!(event, Event::Link(_))), "{events:?}");
        assert!(!events.iter().any(|event| matches!(event, Event::LinkGone(_))), "{events:?}");
    });
}

#[test]
fn reports_that_do_not_fit_are_told_as_an_overrun() {
    in_namespace(|| {
        let mut monitor = Monitor::open().unwrap();
        // As small as it gets: a few reports.
        setsockopt(&monitor, RcvBuf, &1024).unwrap();
        let mut bench = Bench::new();
        let a = link("va");
        for id in 0..100 {
            let change = add(&format!("10.1.0.{}", id + 1), 32);
            bench.worker.ask(Request::Address { id, link: a, change }).unwrap();
        }
        bench.wait(100);
        let (mut events, mut overrun) = (0, false);
        for _ in 0..3 {
            overrun |= monitor.drain(|_| events += 1).unwrap().overrun;
        }
        assert!(overrun && events < 100, "{events} events, overrun {overrun}");
        // And it goes on.
        ip("addr add 192.0.2.1/24 dev va");
        assert_eq!(drain(&mut monitor).len(), 1);
    });
}
