//! The agent as a whole, on a host that answers at once.

mod checks;
mod groups;
mod leases;
mod leave;
mod links;
mod resume;
mod sources;

use std::net::IpAddr;

use super::message::{Change, Link, LinkAddress, Observed, Refusal, RequestId};
use super::*;
use crate::config::model::*;
use crate::net::{Family, LinkIndex, LinkName, MacAddr, Prefix, Scope};
use crate::vrrp::fields::{ChecksumForm, Claim, Interval, Priority, Version, Vrid};
use crate::vrrp::packet::{Advertisement, Auth};
use snapshot::VrState;

const ETH0: LinkIndex = LinkIndex(2);
const SOCKET: SocketId = SocketId { link: ETH0, family: Family::Ipv4 };

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(milliseconds: u64) -> Instant {
    Instant::from_nanos(1_000_000_000).after(Duration::from_millis(milliseconds))
}

fn instance(priority: u8) -> InstanceConfig {
    let address = VirtualAddress {
        prefix: Prefix::new(ip("10.0.0.100"), 24).unwrap(),
        interface: None,
        label: None,
        scope: Scope::Global,
    };
    InstanceConfig {
        interface: LinkName::new("eth0").unwrap(),
        family: Family::Ipv4,
        vrid: Vrid::new(51).unwrap(),
        version: Version::V3,
        priority: Priority::new(priority).unwrap(),
        interval: Interval::DEFAULT,
        preempt: true,
        preempt_delay: Duration::ZERO,
        addresses: vec![address],
        unadvertised: Vec::new(),
        transport: Transport::Multicast,
        source_address: None,
        password: None,
        checksum: Checksum::Auto,
        garp: Garp::default(),
        address_lease: AddressLease::Auto,
        track: BTreeMap::new(),
        hooks: None,
    }
}

/// Two virtual routers, `db` and `web`, in one group.
fn two_together() -> Config {
    let mut other = instance(100);
    other.vrid = Vrid::new(52).unwrap();
    other.addresses[0].prefix = Prefix::new(ip("10.0.0.101"), 24).unwrap();
    let mut both = config(instance(100));
    both.instances.insert("db".to_owned(), other);
    let members = vec!["db".to_owned(), "web".to_owned()];
    both.groups.insert("g".to_owned(), GroupConfig { members, hooks: None });
    both
}

fn config(instance: InstanceConfig) -> Config {
    Config { instances: [("web".to_owned(), instance)].into(), ..Config::default() }
}

fn eth0() -> Link {
    let name = LinkName::new("eth0").unwrap();
    Link { index: ETH0, name, mac: Some(MacAddr([2, 0, 0, 0, 0, 1])), up: true, carrier: true, mtu: 1500 }
}

fn address(text: &str, protocol: u8) -> LinkAddress {
    let prefix = Prefix::new(ip(text), 24).unwrap();
    LinkAddress { link: ETH0, prefix, protocol, tentative: false, secondary: protocol != 0 }
}

fn gone(text: &str, length: u8) -> Input<'static> {
    Input::AddressGone { link: ETH0, prefix: Prefix::new(ip(text), length).unwrap() }
}

/// An agent on a host; what it put out since the last look.
struct Host {
    agent: Agent,
    held: Vec<IpAddr>,
    refuse: bool,
    log: Vec<Output>,
}

impl Host {
    /// One that knows nothing yet.
    fn bare() -> Self {
        Host { agent: Agent::new("lb1".to_owned()), held: Vec::new(), refuse: false, log: Vec::new() }
    }

    fn start(config: Config) -> Self {
        Host::start_with(config, vec![address("10.0.0.1", 0)])
    }

    fn start_with(config: Config, addresses: Vec<LinkAddress>) -> Self {
        let mut host = Host::bare();
        host.give(at(0), Input::Configure(config));
        assert_eq!(host.take(|output| matches!(output, Output::Dump)).len(), 1);
        let observed = Observed { links: vec![eth0()], addresses };
        host.give(at(0), Input::Observed(observed));
        host
    }

    fn give(&mut self, now: Instant, input: Input<'_>) {
        let mut out = Vec::new();
        self.agent.handle(now, input, &mut out);
        for output in out {
            self.log.push(output.clone());
            self.answer(now, output);
        }
    }

    fn answer(&mut self, now: Instant, output: Output) {
        if let Output::Listen(listen) = output {
            self.give(now, Input::Listening { socket: listen.socket, outcome: Ok(()) });
        } else if let Output::Apply { request, change, .. } = output {
            self.apply(now, request, &change);
        }
    }

    fn apply(&mut self, now: Instant, request: RequestId, change: &Change) {
        if self.refuse {
            let refusal = Refusal { errno: 1, text: "not permitted".to_owned() };
            return self.give(now, Input::Applied { request, outcome: Err(refusal) });
        }
        match change {
            Change::Add { prefix, .. } => {
                self.held.push(prefix.address());
                self.give(
                    now,
                    Input::Address(address(&prefix.address().to_string(), addresses::ADDRESS_PROTOCOL)),
                );
            }
            Change::Renew { prefix, .. } => {
                assert!(self.held.contains(&prefix.address()), "{prefix} is not there");
                self.give(
                    now,
                    Input::Address(address(&prefix.address().to_string(), addresses::ADDRESS_PROTOCOL)),
                );
            }
            Change::Remove { prefix } => {
                self.held.retain(|held| *held != prefix.address());
                self.give(now, Input::AddressGone { link: ETH0, prefix: *prefix });
            }
        }
        self.give(now, Input::Applied { request, outcome: Ok(()) });
    }

    fn run_until(&mut self, end: Instant) {
        while let Some(due) = self.agent.deadline().filter(|due| *due <= end) {
            self.give(due, Input::Timeout);
        }
    }

    fn hear(&mut self, now: Instant, source: &str, claim: Claim) {
        self.hear_summed(now, ip(source), claim, ChecksumForm::Rfc5798);
    }

    fn hear_summed(&mut self, now: Instant, source: IpAddr, claim: Claim, form: ChecksumForm) {
        let advertisement = Advertisement {
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            claim,
            interval: Interval::DEFAULT,
            addresses: vec![ip("10.0.0.100")],
            auth: Auth::None,
        };
        let group = Family::Ipv4.vrrp_group();
        let payload = advertisement.emit(source, group, form);
        let datagram = message::Datagram {
            socket: SOCKET,
            source,
            destination: group,
            hop_limit: 255,
            payload: &payload,
        };
        self.give(now, Input::Datagram(datagram));
    }

    fn take(&mut self, which: impl Fn(&Output) -> bool) -> Vec<Output> {
        let (taken, rest) = std::mem::take(&mut self.log).into_iter().partition(|output| which(output));
        self.log = rest;
        taken
    }

    fn state(&self) -> VrState {
        self.agent.snapshot(at(0)).instances[0].state
    }

    fn reason(&self) -> String {
        self.agent.snapshot(at(0)).instances[0].reason.clone()
    }
}

fn is_frame(output: &Output) -> bool {
    matches!(output, Output::Frame { .. })
}

fn is_send(output: &Output) -> bool {
    matches!(output, Output::Send { .. })
}

fn hold(priority: u8) -> Claim {
    Claim::from_number(priority)
}

#[test]
fn alone_it_takes_over_after_the_master_down_interval_advert_first() {
    let mut host = Host::start(config(instance(100)));
    assert_eq!(host.state(), VrState::Backup);
    host.run_until(at(3609));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
    host.run_until(at(3610));
    assert_eq!((host.state(), host.held.clone()), (VrState::Master, vec![ip("10.0.0.100")]));
    let order: Vec<Output> =
        host.take(|output| is_send(output) || is_frame(output) || matches!(output, Output::Apply { .. }));
    assert!(is_send(&order[0]), "{order:?}");
    assert!(matches!(order[1], Output::Apply { .. }), "{order:?}");
    assert!(order[2..].iter().all(is_frame));
    assert_eq!(order.len(), 2 + 5);
    host.run_until(at(9000));
    assert_eq!(host.take(is_frame).len(), 5, "the second burst");
    assert_eq!(host.take(is_send).len(), 5, "one advert a second");
}

#[test]
fn it_yields_to_a_better_one_and_lets_go() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.log.clear();
    host.hear(at(4100), "10.0.0.2", hold(150));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
    assert_eq!(host.take(|output| is_send(output) || is_frame(output)), []);
    host.run_until(at(7000));
    assert_eq!(host.state(), VrState::Backup);
    host.run_until(at(8000));
    assert_eq!(host.state(), VrState::Master);
    assert!(host.reason().starts_with("nothing heard of 10.0.0.2 for 3.609 s"), "{}", host.reason());
}

#[test]
fn an_address_that_somebody_removes_is_put_back_and_announced_without_a_change_of_state() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(20_000));
    host.log.clear();
    host.held.clear();
    host.give(at(20_001), gone("10.0.0.100", 24));
    host.run_until(at(20_002));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    assert_eq!(host.take(is_frame).len(), 5);
}

#[test]
fn a_master_that_is_refused_its_address_resigns_and_stays_out_for_a_while() {
    let mut host = Host::start(config(instance(100)));
    host.refuse = true;
    host.run_until(at(4000));
    assert_eq!(host.state(), VrState::Fault);
    assert_eq!(host.reason(), "the kernel refused to add 10.0.0.100/24: not permitted; trying again in 10 s");
    let sent = host.take(is_send);
    assert!(matches!(sent.last(), Some(Output::Send { payload, .. }) if payload[2] == 0), "{sent:?}");
    host.run_until(at(13_000));
    assert_eq!(host.state(), VrState::Fault);
    host.refuse = false;
    host.run_until(at(18_000));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
}

#[test]
fn faults_name_their_reason_and_end_by_themselves() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.give(at(4001), Input::Link(Link { carrier: false, ..eth0() }));
    assert_eq!((host.state(), host.held.len()), (VrState::Fault, 0));
    assert!(host.reason().contains("eth0 has no carrier"), "{}", host.reason());
    host.give(at(4002), Input::Link(Link { up: false, ..eth0() }));
    assert_eq!(host.reason(), "interface eth0 is down");
    host.give(at(4003), Input::Link(eth0()));
    assert_eq!(host.state(), VrState::Backup);
    host.give(at(4004), gone("10.0.0.1", 24));
    assert!(host.reason().contains("no IPv4 address of its own"), "{}", host.reason());
    host.give(at(4005), Input::Address(address("10.0.0.1", 0)));
    assert_eq!(host.state(), VrState::Backup);
    host.give(at(4006), Input::LinkGone(ETH0));
    assert_eq!(host.reason(), "interface eth0 does not exist");
}

#[test]
fn leaving_resigns_once_and_takes_the_addresses_along() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4500));
    host.log.clear();
    host.give(at(4600), Input::Stop);
    let sent = host.take(is_send);
    assert_eq!(sent.len(), 1);
    assert!(matches!(&sent[0], Output::Send { payload, .. } if payload[2] == 0));
    host.run_until(at(6000));
    assert_eq!(host.held.len(), 1, "nobody has taken over yet");
    host.run_until(at(7000));
    assert_eq!(host.held.len(), 0);
    assert_eq!(host.take(|output| *output == Output::Finished).len(), 1);
    assert_eq!(host.agent.deadline(), None);
}

#[test]
fn a_flood_of_losing_adverts_is_answered_ten_times_a_second_and_announced_once() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(20_000));
    host.log.clear();
    for n in 0..20_000 {
        let now = at(20_000).after(Duration::from_micros(200 * n));
        host.run_until(now);
        host.hear(now, "10.0.0.2", hold(1));
    }
    let adverts = host.take(is_send).len();
    assert!((40..=46).contains(&adverts), "{adverts} in four seconds");
    assert_eq!(host.take(is_frame).len(), 5);
    assert_eq!(host.take(|output| matches!(output, Output::Report(_))).len(), 1);
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn masters_and_checksums_that_take_turns_do_not_fill_the_log_and_the_last_one_is_told() {
    use ChecksumForm::{Rfc5798, Rfc9568};
    let mut host = Host::start(config(instance(100)));
    for n in 0..10_000_u64 {
        let now = at(n);
        let source = IpAddr::from([10, 0, 1, u8::try_from(n % 200).unwrap()]);
        host.hear_summed(now, source, hold(150), if n % 2 == 0 { Rfc5798 } else { Rfc9568 });
    }
    let told = host.take(|output| matches!(output, Output::Report(_)));
    assert!((4..=16).contains(&told.len()), "{} lines in ten seconds", told.len());
    for n in 0..100 {
        host.run_until(at(10_000 + n * 1000));
        host.hear_summed(at(10_000 + n * 1000), ip("10.0.0.2"), hold(150), Rfc9568);
    }
    let peer = ip("10.0.0.2");
    let told = host.take(|output| matches!(output, Output::Report(_)));
    let is_news = |report: &Report| matches!(report, Report::NewMaster { peer: of, .. } if *of == peer);
    let is_form = |report: &Report| matches!(report, Report::ChecksumForm { peer: of, form: Rfc9568, .. } if *of == peer);
    let count = |which: &dyn Fn(&Report) -> bool| {
        told.iter().filter(|output| matches!(output, Output::Report(report) if which(report))).count()
    };
    assert_eq!(count(&is_news), 1, "{told:?}");
    assert!(count(&is_form) <= 1, "{told:?}");
    assert_eq!(host.agent.snapshot(at(110_000)).instances[0].checksum.as_deref(), Some("rfc9568"));
    assert_eq!(host.state(), VrState::Backup);
}

#[test]
fn leftovers_of_a_dead_agent_go_and_an_administrators_address_stays() {
    let mut host = Host::start(config(instance(100)));
    let mut addresses = vec![address("10.0.0.1", 0), address("10.0.0.50", 0)];
    addresses.push(address("10.0.0.77", addresses::ADDRESS_PROTOCOL));
    host.give(at(1), Input::Observed(Observed { links: vec![eth0()], addresses }));
    let applied = host.take(|output| matches!(output, Output::Apply { .. }));
    let [Output::Apply { change: Change::Remove { prefix }, .. }] = &applied[..] else {
        panic!("{applied:?}")
    };
    assert_eq!(prefix.address(), ip("10.0.0.77"));
}

#[test]
fn an_unchanged_instance_is_not_touched_by_a_new_configuration() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(5000));
    host.log.clear();
    host.give(at(5001), Input::Configure(config(instance(100))));
    assert_eq!(host.state(), VrState::Master);
    assert_eq!(host.take(|output| !matches!(output, Output::Report(_))), []);
    host.give(at(5002), Input::Configure(Config::default()));
    assert_eq!(host.held.len(), 0);
    assert_eq!(host.take(|output| matches!(output, Output::Unlisten(_))).len(), 1);
}

#[test]
fn an_owner_sends_from_an_address_that_no_other_router_can_hold() {
    let real = [address("10.0.0.100", 0), address("10.0.0.1", 0)];
    // One that has no other sends from its own virtual address (RFC 9568, section 5.1.1.1).
    for (addresses, source) in [(&real[..], "10.0.0.1"), (&real[..1], "10.0.0.100")] {
        let agent = Agent::new("lb1".to_owned());
        let mut host = Host { agent, held: Vec::new(), refuse: false, log: Vec::new() };
        host.give(at(0), Input::Configure(config(instance(255))));
        let observed = Observed { links: vec![eth0()], addresses: addresses.to_vec() };
        host.give(at(0), Input::Observed(observed));
        let sent = host.take(is_send);
        assert!(matches!(sent[..], [Output::Send { source: from, .. }] if from == ip(source)), "{sent:?}");
    }
}

#[test]
fn a_master_hears_the_owner_whose_source_is_the_address_that_it_holds() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    assert_eq!(host.state(), VrState::Master);
    host.hear(at(4001), "10.0.0.100", hold(255));
    assert_eq!((host.state(), host.held.len()), (VrState::Backup, 0));
}

#[test]
fn what_came_from_our_own_source_is_dropped_also_where_that_is_a_virtual_address() {
    let mut host = Host::start_with(config(instance(255)), vec![address("10.0.0.100", 0)]);
    host.hear(at(10), "10.0.0.100", hold(255));
    let counters = host.agent.snapshot(at(10)).instances[0].counters.clone();
    assert_eq!((counters.own_packets, counters.adverts_received), (1, 0));
    assert_eq!(host.state(), VrState::Master);
}

#[test]
fn ipv6_takes_part_only_where_the_mtu_carries_it_and_with_a_socket_from_after() {
    let mut six = instance(100);
    six.family = Family::Ipv6;
    six.addresses[0].prefix = Prefix::new(ip("fe80::100"), 64).unwrap();
    let mut host = Host::start_with(config(six), vec![address("fe80::1", 0)]);
    assert_eq!(host.state(), VrState::Backup);
    host.log.clear();
    host.give(at(10), Input::Link(Link { mtu: 1279, ..eth0() }));
    assert_eq!(host.state(), VrState::Fault);
    assert_eq!(host.reason(), "interface eth0 has an MTU of 1279 bytes, and IPv6 needs 1280");
    assert_eq!(host.take(|output| matches!(output, Output::Unlisten(_))).len(), 1);
    host.give(at(11), Input::Link(Link { mtu: 1280, ..eth0() }));
    assert_eq!(host.take(|output| matches!(output, Output::Listen(_))).len(), 1);
    assert_eq!(host.state(), VrState::Backup);
}

#[test]
fn the_same_address_with_another_prefix_is_somebody_elses() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(4000));
    host.log.clear();
    let other = LinkAddress { prefix: Prefix::host(ip("10.0.0.100")), ..address("10.0.0.100", 0) };
    host.give(at(4001), Input::Address(other));
    // Twice: nobody is waited for.
    host.give(at(4002), Input::Stop);
    host.give(at(4002), Input::Stop);
    let applied = host.take(|output| matches!(output, Output::Apply { .. }));
    let [Output::Apply { change: Change::Remove { prefix }, .. }] = &applied[..] else {
        panic!("{applied:?}")
    };
    assert_eq!(prefix.length(), 24);
}

#[test]
fn a_second_network_length_of_an_address_comes_and_goes_without_effect() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(20_000));
    for text in ["10.0.0.1", "10.0.0.100"] {
        host.log.clear();
        let twin = LinkAddress { prefix: Prefix::host(ip(text)), ..address(text, 0) };
        host.give(at(20_001), Input::Address(twin));
        host.give(at(20_002), gone(text, 32));
        assert_eq!(host.take(|_| true), [], "{text}");
        assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    }
}

#[test]
fn an_address_that_somebody_removes_is_put_back_though_its_twin_stays() {
    let mut host = Host::start(config(instance(100)));
    host.run_until(at(20_000));
    let twin = LinkAddress { prefix: Prefix::host(ip("10.0.0.100")), ..address("10.0.0.100", 0) };
    host.give(at(20_001), Input::Address(twin));
    host.log.clear();
    host.held.clear();
    host.give(at(20_002), gone("10.0.0.100", 24));
    host.run_until(at(20_003));
    assert_eq!((host.state(), host.held.len()), (VrState::Master, 1));
    // And with the end of the twin alone nothing is to be put back.
    host.log.clear();
    host.give(at(20_004), gone("10.0.0.100", 32));
    assert_eq!(host.take(|_| true), []);
}
