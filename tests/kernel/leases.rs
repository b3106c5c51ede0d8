//! Leases: what Linux makes of an address with a lifetime, and of its renewal.

#![expect(
    clippy::disallowed_methods,
    reason = "a lease ends when its time is over, and that is what is looked at"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use failover::net::{Prefix, Scope};
use failover::os::clock;
use failover::os::netlink::{self, Address, AddressChange, Event, Monitor, Request};

use crate::namespace::{in_namespace, ip, ip_output, link};
use crate::netlink::{Bench, prefix};

/// An address to lease: by the form that our addresses have.
#[derive(Clone, Copy)]
struct Form {
    prefix: Prefix,
    label: Option<&'static str>,
    scope: Scope,
    preferred: bool,
    route: bool,
}

impl Form {
    fn plain(text: &str, length: u8) -> Self {
        Form { prefix: prefix(text, length), label: None, scope: Scope::Global, preferred: true, route: true }
    }

    fn add(self, lease: Option<u32>) -> AddressChange {
        let Form { prefix, label, scope, preferred, route } = self;
        AddressChange::Add { prefix, label: label.map(str::to_owned), scope, preferred, route, lease }
    }

    fn renew(self, lease: Option<u32>) -> AddressChange {
        let Form { prefix, label, scope, preferred, route } = self;
        AddressChange::Renew { prefix, label: label.map(str::to_owned), scope, preferred, route, lease }
    }
}

/// Everything of the addresses of `va` but how long they still live, in the kernel's order, and whose they are.
fn forms(bench: &mut Bench) -> (String, Vec<Address>) {
    let shown = ip_output("-details address show dev va");
    let lines: Vec<&str> = shown.lines().filter(|line| !line.trim().starts_with("valid_lft")).collect();
    let mut held = bench.dump().addresses;
    held.retain(|address| address.link == link("va"));
    (lines.join("\n"), held)
}

/// The routes, but for when those end that do.
fn routes() -> String {
    let shown = ip_output("route show table all") + &ip_output("-6 route show table all");
    let without = |line: &str| line.split(" expires ").next().unwrap_or_default().to_owned();
    let mut lines: Vec<String> = shown.lines().map(without).collect();
    lines.sort();
    lines.join("\n")
}

/// How the kernel would reach these, with which source.
fn sources() -> String {
    [
        "route get 192.0.2.99",
        "route get 198.51.100.99",
        "-6 route get 2001:db8::99",
        "-6 route get 2001:db8:1::99",
    ]
    .map(ip_output)
    .join("")
}

/// The seconds that `ip` shows as valid lifetime of an address.
fn valid(text: &str) -> Option<u32> {
    let shown = ip_output("-oneline address show dev va");
    let line = shown.lines().find(|line| line.contains(&format!(" {text}/"))).expect("the address");
    let valid = line.split("valid_lft ").nth(1).expect("a lifetime").split_whitespace().next();
    valid.and_then(|word| word.strip_suffix("sec")).map(|seconds| seconds.parse().expect("a number"))
}

#[test]
fn a_renewal_changes_nothing_but_the_lifetime() {
    in_namespace(|| {
        for own in ["192.0.2.1/24 dev va", "2001:db8::1/64 dev va nodad"] {
            ip(&format!("address add {own}"));
        }
        let (mut bench, a) = (Bench::new(), link("va"));
        let forms_of_ours = [
            // A secondary, the first of its subnet, two alone, one of them with label and scope.
            Form::plain("192.0.2.7", 24),
            Form::plain("198.51.100.7", 24),
            Form::plain("203.0.113.7", 32),
            Form { label: Some("va:vip"), scope: Scope::Link, ..Form::plain("198.18.0.8", 24) },
            Form::plain("2001:db8::7", 64),
            Form::plain("2001:db8:1::7", 64),
            Form { preferred: false, ..Form::plain("2001:db8::8", 128) },
            Form::plain("fe80::7", 64),
        ];
        for form in forms_of_ours {
            bench.apply(a, form.add(Some(10))).unwrap();
        }
        // Somebody's, in the subnets of ours.
        ip("address add 198.51.100.8/24 dev va");
        ip("address add 192.0.2.9/24 dev va");
        // Some of the lease is over, and the link's own address has been checked for duplicates.
        thread::sleep(Duration::from_millis(2100));
        let before = (forms(&mut bench), routes(), sources());
        let tagged = before.0.1.iter().filter(|held| held.protocol == 112).count();
        assert_eq!(tagged, forms_of_ours.len());

        let listener = TcpListener::bind("192.0.2.7:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        for round in 0..3 {
            assert!(round > 0 || valid("192.0.2.7").is_some_and(|left| left < 10));
            for form in forms_of_ours {
                bench.apply(a, form.renew(Some(10))).unwrap();
            }
            assert_eq!((forms(&mut bench), routes(), sources()), before, "round {round}");
            for text in ["192.0.2.7", "198.51.100.7", "2001:db8::7", "2001:db8::8"] {
                assert!(valid(text).is_some_and(|left| left >= 9), "{text}");
            }
            client.write_all(b"still there?").unwrap();
            let mut heard = [0; 12];
            server.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"still there?");
        }
        // Not any more, and again.
        for (lease, left) in [(None, None), (Some(20), Some(20))] {
            for form in forms_of_ours {
                bench.apply(a, form.renew(lease)).unwrap();
            }
            assert_eq!(forms(&mut bench).1, before.0.1);
            assert_eq!(valid("192.0.2.7").is_none(), left.is_none());
            assert_eq!(valid("2001:db8::7").is_none(), left.is_none());
        }
    });
}

/// The route to the network of an address of the host's own does not get the end that a leased neighbour has.
#[test]
fn the_hosts_own_network_outlives_a_leased_address() {
    in_namespace(|| {
        ip("address add 2001:db8::1/64 dev va nodad");
        let (mut bench, a) = (Bench::new(), link("va"));
        let network = || ip_output("-6 route show 2001:db8::/64 dev va");
        let before = network();
        assert!(!before.is_empty() && !before.contains("expires"), "{before}");
        let form = Form::plain("2001:db8::7", 64);
        bench.apply(a, form.add(Some(2))).unwrap();
        assert_eq!(network(), before);
        bench.apply(a, form.renew(Some(2))).unwrap();
        assert_eq!(network(), before);
        thread::sleep(Duration::from_millis(2600));
        assert!(!ip_output("address show dev va").contains("2001:db8::7/"), "gone");
        assert_eq!(network(), before);
    });
}

/// Nor does it where that ends by itself some day, as one that a router advertises, or where the neighbour had no lease so
/// far: as long as the leased address asks for no route.
#[test]
fn a_leased_address_without_a_route_leaves_that_of_its_neighbours_alone() {
    in_namespace(|| {
        ip("address add 2001:db8::1/64 dev va nodad valid_lft 5000 preferred_lft 5000");
        ip("address add 2001:db8:1::1/64 dev va nodad");
        let (mut bench, a) = (Bench::new(), link("va"));
        let ends = |network: &str| {
            let shown = ip_output(&format!("-6 route show {network} dev va"));
            let end =
                shown.split(" expires ").nth(1).and_then(|end| end.split("sec").next()?.parse::<i32>().ok());
            (!shown.is_empty()).then_some(end)
        };
        let check = || {
            assert!(ends("2001:db8::/64").flatten().is_some_and(|end| end > 4000), "{}", routes());
            assert_eq!(ends("2001:db8:1::/64"), Some(None));
        };
        check();
        let forms =
            ["2001:db8::7", "2001:db8:1::7"].map(|text| Form { route: false, ..Form::plain(text, 64) });
        for (form, before) in forms.into_iter().zip([Some(2), None]) {
            bench.apply(a, Form { route: before.is_none(), ..form }.add(before)).unwrap();
            check();
            bench.apply(a, form.renew(Some(2))).unwrap();
            check();
            bench.apply(a, AddressChange::Remove { prefix: form.prefix }).unwrap();
            check();
        }
    });
}

/// What the manual says of routes: Linux takes the route to the network of an address with a lifetime when that is over,
/// not when the address goes.
#[test]
fn the_route_to_a_network_of_its_own_ends_with_the_lease() {
    in_namespace(|| {
        let (mut bench, a) = (Bench::new(), link("va"));
        let reached = || ip_output("-6 route get 2001:db8:1::99").contains("dev va");
        let form = Form::plain("2001:db8:1::7", 64);
        bench.apply(a, form.add(Some(2))).unwrap();
        assert!(reached());
        bench.apply(a, AddressChange::Remove { prefix: form.prefix }).unwrap();
        let start = clock::now();
        while reached() && clock::now().since(start) < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(20));
        }
        let took = clock::now().since(start);
        println!("the route went {took:?} after the address, with a lease of 2 s");
        assert!(took < Duration::from_millis(2600), "{took:?}");
    });
}

#[test]
fn what_is_not_renewed_goes_when_its_time_is_over() {
    in_namespace(|| {
        let (mut bench, a) = (Bench::new(), link("va"));
        let mut monitor = Monitor::open().unwrap();
        let all: Vec<(Form, u32)> = [
            (Form::plain("192.0.2.7", 24), 2),
            (Form::plain("2001:db8::7", 64), 2),
            (Form::plain("198.51.100.7", 32), 3),
            (Form { preferred: false, ..Form::plain("2001:db8::8", 128) }, 3),
        ]
        .into();
        for (form, lease) in &all {
            bench.apply(a, form.add(Some(*lease))).unwrap();
        }
        // Half of the leases begin anew by a renewal.
        thread::sleep(Duration::from_millis(700));
        for (form, lease) in &all {
            bench.apply(a, form.renew(Some(*lease))).unwrap();
        }
        let start = clock::now();
        let mut gone = Vec::new();
        while gone.len() < all.len() && clock::now().since(start) < Duration::from_secs(10) {
            let at = clock::now().since(start).as_secs_f64();
            let note = |event| {
                if let Event::AddressGone { prefix, .. } = event {
                    gone.push((prefix, at));
                }
            };
            monitor.drain(note).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        for (form, lease) in all {
            let at = gone.iter().find(|(prefix, _)| *prefix == form.prefix).expect("it is gone").1;
            println!("{} with a lease of {lease} s: gone after {at:.3} s", form.prefix);
            // Not before, but for the kernel's rounding; soon after, but for a busy host.
            let early = f64::from(lease) - at;
            assert!(early < 0.5 && at < f64::from(lease) + 3.0, "{}: after {at} s", form.prefix);
        }
    });
}

#[test]
fn renewing_what_is_gone_brings_it_back_with_our_mark() {
    in_namespace(|| {
        let (mut bench, a) = (Bench::new(), link("va"));
        for form in [Form::plain("192.0.2.7", 24), Form::plain("2001:db8::7", 64)] {
            bench.apply(a, form.renew(Some(30))).unwrap();
            let held = bench.dump().addresses.into_iter().find(|held| held.prefix == form.prefix);
            assert_eq!(held.map(|held| (held.protocol, held.tentative)), Some((112, false)));
        }
        assert!(valid("192.0.2.7").is_some() && valid("2001:db8::7").is_some());
    });
}

#[test]
fn a_thousand_renewals_are_done_in_a_fraction_of_the_period() {
    in_namespace(|| {
        let (mut bench, a) = (Bench::new(), link("va"));
        let many = |six: bool| {
            (0..1000_u32).map(move |number| {
                let (high, low) = (number / 250, number % 250 + 1);
                if six {
                    Form::plain(&format!("2001:db8::{high:x}:{low:x}"), 64)
                } else {
                    Form::plain(&format!("10.0.{high}.{low}"), 16)
                }
            })
        };
        for six in [false, true] {
            let mut took = Vec::new();
            for what in ["add", "renew", "renew"] {
                let start = clock::now();
                for (id, form) in (0..).zip(many(six)) {
                    let change = if what == "add" { form.add(Some(60)) } else { form.renew(Some(60)) };
                    bench.worker.ask(Request::Address { id, link: a, change }).unwrap();
                }
                bench.wait(1000);
                took.push((what, clock::now().since(start)));
            }
            println!("1,000 addresses, IPv6 {six}: {took:?}");
            let renewal = took[2].1;
            assert!(renewal < Duration::from_millis(500), "{renewal:?}");
        }
    });
}

#[test]
fn what_carries_the_mark_is_taken_away_and_nothing_else() {
    in_namespace(|| {
        for own in ["192.0.2.1/24 dev va", "2001:db8::1/64 dev va nodad", "192.0.2.9/24 dev va"] {
            ip(&format!("address add {own}"));
        }
        let before = ip_output("address show");
        let (mut bench, a) = (Bench::new(), link("va"));
        let ours =
            [Form::plain("192.0.2.7", 24), Form::plain("198.51.100.7", 24), Form::plain("2001:db8::7", 64)];
        for form in ours {
            bench.apply(a, form.add(Some(60))).unwrap();
        }
        for number in 1..=200 {
            bench.apply(link("vb"), Form::plain(&format!("198.51.100.{number}"), 24).add(None)).unwrap();
        }
        let removed = netlink::remove_marked(&netlink::read_addresses().unwrap(), 112);
        assert_eq!(removed.len(), 203);
        assert!(removed.iter().all(|removed| removed.outcome.is_ok()), "{removed:?}");
        assert_eq!(removed.iter().filter(|removed| removed.interface == "va").count(), 3);
        assert_eq!(ip_output("address show"), before);
        assert!(netlink::remove_marked(&netlink::read_addresses().unwrap(), 112).is_empty());
    });
}
