//! A whole agent on a false host with two links, whose kernel answers at once. Time is virtual.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use failover::agent::Agent;
use failover::agent::addresses::ADDRESS_PROTOCOL;
use failover::agent::message::{
    Change, Datagram, Input, Link, LinkAddress, Observed, Output, RequestId, SocketId,
};
use failover::agent::report::Report;
use failover::agent::snapshot::{InstanceCounters, InstanceStatus, VrState};
use failover::config::Config;
use failover::config::model::{AddressLease, Checksum, Garp, InstanceConfig, Transport, VirtualAddress};
use failover::net::{Family, LinkIndex, LinkName, MacAddr, Prefix, Scope};
use failover::time::Instant;
use failover::vrrp::fields::{ChecksumForm, Interval, Priority, Version, Vrid};
use failover::vrrp::packet::Advertisement;

use super::bytes::{GROUP, GROUP6, advert, ip};

const BEGIN: Instant = Instant::from_nanos(1_000_000_000_000);
pub(crate) const ETH0: LinkIndex = LinkIndex(2);
pub(crate) const ETH1: LinkIndex = LinkIndex(3);
pub(crate) const SOCKET: SocketId = SocketId { link: ETH0, family: Family::Ipv4 };
pub(crate) const SOCKET6: SocketId = SocketId { link: ETH0, family: Family::Ipv6 };
/// The host's own addresses on `eth0`.
pub(crate) const OWN: &str = "192.0.2.2";
pub(crate) const OWN6: &str = "fe80::2";
/// A router with a greater address.
pub(crate) const PEER: &str = "192.0.2.9";
pub(crate) const PEER6: &str = "fe80::9";
/// The virtual addresses.
pub(crate) const VIP: &str = "192.0.2.100";
pub(crate) const VIPS6: [&str; 2] = ["fe80::100", "2001:db8::100"];

fn virtual_address(text: &str) -> VirtualAddress {
    let address = ip(text);
    let length = if address.is_ipv4() { 24 } else { 64 };
    let prefix = Prefix::new(address, length).unwrap();
    VirtualAddress { prefix, interface: None, label: None, scope: Scope::Global }
}

/// VRID 51 on `eth0`, version 3, one second, multicast, the addresses given.
pub(crate) fn with_addresses(priority: u8, addresses: &[&str]) -> InstanceConfig {
    InstanceConfig {
        interface: LinkName::new("eth0").unwrap(),
        family: Family::of(ip(addresses[0])),
        vrid: Vrid::new(51).unwrap(),
        version: Version::V3,
        priority: Priority::new(priority).unwrap(),
        interval: Interval::DEFAULT,
        preempt: true,
        preempt_delay: Duration::ZERO,
        addresses: addresses.iter().map(|text| virtual_address(text)).collect(),
        unadvertised: Vec::new(),
        transport: Transport::Multicast,
        source_address: None,
        password: None,
        checksum: Checksum::Auto,
        garp: Garp::default(),
        address_lease: AddressLease::Auto,
        track: std::collections::BTreeMap::new(),
        hooks: None,
    }
}

pub(crate) fn instance(priority: u8) -> InstanceConfig {
    with_addresses(priority, &[VIP])
}

pub(crate) fn instance6(priority: u8) -> InstanceConfig {
    with_addresses(priority, &VIPS6)
}

pub(crate) fn instance_v2(priority: u8) -> InstanceConfig {
    InstanceConfig { version: Version::V2, ..instance(priority) }
}

/// A configuration with these instances, called `web`, `db` and so on.
pub(crate) fn config(instances: &[InstanceConfig]) -> Config {
    let names = ["web", "db", "mail"].map(str::to_owned);
    Config { instances: names.into_iter().zip(instances.iter().cloned()).collect(), ..Config::default() }
}

/// A message on its way to the host.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) socket: SocketId,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) payload: Vec<u8>,
}

/// What the peer sends for the instance of [`instance`].
pub(crate) fn message(advertisement: &Advertisement) -> Message {
    let (source, destination) = (ip(PEER), ip(GROUP));
    let payload = advertisement.emit(source, destination, ChecksumForm::Rfc5798);
    Message { socket: SOCKET, source, destination, hop_limit: 255, payload }
}

/// What the peer sends for the instance of [`instance6`].
pub(crate) fn message6(advertisement: &Advertisement) -> Message {
    let (source, destination) = (ip(PEER6), ip(GROUP6));
    let payload = advertisement.emit(source, destination, ChecksumForm::Rfc5798);
    Message { socket: SOCKET6, source, destination, hop_limit: 255, payload }
}

/// The peer's advert with the same addresses as [`instance`].
pub(crate) fn peer(priority: u8) -> Message {
    message(&advert(priority, &[VIP]))
}

/// The peer's advert with the same addresses as [`instance6`].
pub(crate) fn peer6(priority: u8) -> Message {
    message6(&advert(priority, &VIPS6))
}

/// An advert that the agent sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Duration,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) bytes: Arc<[u8]>,
}

impl Sent {
    /// As a receiver reads it.
    pub(crate) fn read(&self) -> Advertisement {
        Advertisement::parse(&self.bytes, self.source, self.destination).unwrap().advertisement
    }
}

/// The host.
pub(crate) struct Rig {
    agent: Agent,
    now: Instant,
    links: Vec<Link>,
    addresses: Vec<LinkAddress>,
    log: Vec<(Duration, Output)>,
}

impl Rig {
    /// Two links, up, with an IPv4 and a link-local IPv6 address each; the agent configured.
    pub(crate) fn start(instances: &[InstanceConfig]) -> Self {
        Self::start_with(instances, &[OWN, OWN6])
    }

    /// The same with other addresses on `eth0`.
    pub(crate) fn start_with(instances: &[InstanceConfig], eth0: &[&str]) -> Self {
        let addresses = eth0.iter().map(|text| own_address(ETH0, text));
        let eth1 = ["198.51.100.2", "fe80::1:2"].map(|text| own_address(ETH1, text));
        let mut rig = Rig {
            agent: Agent::new("a".to_owned()),
            now: BEGIN,
            links: vec![link(ETH0, "eth0"), link(ETH1, "eth1")],
            addresses: addresses.chain(eth1).collect(),
            log: Vec::new(),
        };
        rig.give(Input::Configure(config(instances)));
        rig
    }

    /// The same, run until every instance is MASTER, the second burst of announcements is over, and all that forgotten.
    pub(crate) fn masters(instances: &[InstanceConfig]) -> Self {
        Self::masters_after(instances, Duration::from_millis(20_400))
    }

    /// The same, run for `span`.
    pub(crate) fn masters_after(instances: &[InstanceConfig], span: Duration) -> Self {
        let mut rig = Rig::start(instances);
        rig.run(span);
        for status in rig.agent.snapshot(rig.now).instances {
            assert_eq!(status.state, VrState::Master, "{}", status.reason);
        }
        rig.forget();
        rig
    }

    pub(crate) fn give(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.agent.handle(self.now, input, &mut out);
        let at = self.now.since(BEGIN);
        self.log.extend(out.iter().map(|output| (at, output.clone())));
        for output in out {
            self.answer(&output);
        }
    }

    fn answer(&mut self, output: &Output) {
        match output {
            Output::Listen(listen) => {
                self.give(Input::Listening { socket: listen.socket, outcome: Ok(()) });
            }
            Output::Apply { request, link, change } => self.apply(*request, *link, change),
            Output::Dump => {
                let observed = Observed { links: self.links.clone(), addresses: self.addresses.clone() };
                self.give(Input::Observed(observed));
            }
            Output::Unlisten(_)
            | Output::Send { .. }
            | Output::Frame { .. }
            | Output::Report(_)
            | Output::Watch(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::Drained(_)
            | Output::Holds { .. }
            | Output::StoodAside
            | Output::Finished => {}
        }
    }

    fn apply(&mut self, request: RequestId, link: LinkIndex, change: &Change) {
        match change {
            Change::Add { prefix, .. } => {
                let protocol = ADDRESS_PROTOCOL;
                let there =
                    LinkAddress { link, prefix: *prefix, protocol, tentative: false, secondary: true };
                self.addresses.push(there.clone());
                self.give(Input::Address(there));
            }
            Change::Renew { prefix, .. } => {
                let is_it = |there: &&LinkAddress| there.link == link && there.prefix == *prefix;
                let there = self.addresses.iter().find(is_it).expect("an address that is there").clone();
                self.give(Input::Address(there));
            }
            Change::Remove { prefix } => self.remove(link, prefix.address()),
        }
        self.give(Input::Applied { request, outcome: Ok(()) });
    }

    /// An address goes, whoever took it away.
    pub(crate) fn remove(&mut self, link: LinkIndex, address: IpAddr) {
        let is_it = |there: &LinkAddress| (there.link, there.prefix.address()) == (link, address);
        let at = self.addresses.iter().position(is_it).expect("an address that is there");
        let prefix = self.addresses.remove(at).prefix;
        self.give(Input::AddressGone { link, prefix });
    }

    /// An address comes that is not the agent's.
    pub(crate) fn add(&mut self, link: LinkIndex, text: &str) {
        let address = own_address(link, text);
        self.addresses.push(address.clone());
        self.give(Input::Address(address));
    }

    /// `eth0` loses its carrier, or gets it back.
    pub(crate) fn carrier(&mut self, carrier: bool) {
        self.links[0].carrier = carrier;
        self.give(Input::Link(self.links[0].clone()));
    }

    pub(crate) fn hear(&mut self, message: &Message) {
        self.give(Input::Datagram(Datagram {
            socket: message.socket,
            source: message.source,
            destination: message.destination,
            hop_limit: message.hop_limit,
            payload: &message.payload,
        }));
    }

    /// Lets time pass; timers run out in their order.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.agent.deadline().filter(|due| *due <= end) {
            assert!(due >= self.now, "a deadline in the past");
            self.now = due;
            self.give(Input::Timeout);
        }
        self.now = end;
    }

    /// Time until the agent has something to do.
    pub(crate) fn timer(&self) -> Option<Duration> {
        self.agent.deadline().map(|at| at.since(self.now))
    }

    pub(crate) fn status(&self, name: &str) -> InstanceStatus {
        let snapshot = self.agent.snapshot(self.now);
        snapshot.instances.into_iter().find(|instance| instance.name == name).unwrap()
    }

    /// Of the instance `web`.
    pub(crate) fn state(&self) -> VrState {
        self.status("web").state
    }

    /// Of the instance `web`.
    pub(crate) fn counters(&self) -> InstanceCounters {
        self.status("web").counters
    }

    pub(crate) fn vrid_errors(&self) -> u64 {
        self.agent.snapshot(self.now).counters.vrid_errors
    }

    pub(crate) fn holds(&self, address: &str) -> bool {
        let tagged = |there: &LinkAddress| there.protocol == ADDRESS_PROTOCOL;
        self.addresses.iter().any(|there| tagged(there) && there.prefix.address() == ip(address))
    }

    /// All outputs since the log was last forgotten.
    pub(crate) fn outputs(&self) -> Vec<Output> {
        self.log.iter().map(|(_, output)| output.clone()).collect()
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        let sent = self.log.iter().filter_map(|(at, output)| {
            let Output::Send { source, destination, payload, .. } = output else { return None };
            Some(Sent { at: *at, source: *source, destination: *destination, bytes: payload.clone() })
        });
        sent.collect()
    }

    /// Announcements: when, and the frame.
    pub(crate) fn frames(&self) -> Vec<(Duration, Vec<u8>)> {
        let frames = self.log.iter().filter_map(|(at, output)| {
            let Output::Frame { bytes, .. } = output else { return None };
            Some((*at, bytes.clone()))
        });
        frames.collect()
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        let reports = self.log.iter().filter_map(|(_, output)| {
            let Output::Report(report) = output else { return None };
            Some(report.clone())
        });
        reports.collect()
    }

    pub(crate) fn forget(&mut self) {
        self.log.clear();
    }
}

fn link(index: LinkIndex, name: &str) -> Link {
    let last = u8::try_from(index.0).unwrap();
    Link {
        index,
        name: LinkName::new(name).unwrap(),
        mac: Some(MacAddr([2, 0, 0, 0, 0, last])),
        up: true,
        carrier: true,
        mtu: 1500,
    }
}

fn own_address(link: LinkIndex, text: &str) -> LinkAddress {
    let address = ip(text);
    let prefix = Prefix::new(address, if address.is_ipv4() { 24 } else { 64 }).unwrap();
    LinkAddress { link, prefix, protocol: 0, tentative: false, secondary: false }
}
