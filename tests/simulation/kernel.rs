//! The false kernel of one host: links, addresses and sockets, and what it tells about their changes.
//!
//! It follows Linux where the agent can notice: an address of a subnet that has one already is secondary and goes with
//! the first one (or is promoted); IPv6 addresses vanish with the link going down; a link that is made anew has a new
//! number; before Linux 5.18 nobody is told who put an address there; an address whose lease is over goes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use failover::agent::addresses::ADDRESS_PROTOCOL;
use failover::agent::message::{Change, Input, Link, LinkAddress, Listen, Observed, SocketId};
use failover::net::{Family, LinkIndex, LinkName, MacAddr, Prefix};

use crate::network::Packet;
use crate::scenario::{MS, SECOND};

pub(crate) const EPERM: i32 = 1;
pub(crate) const EEXIST: i32 = 17;
pub(crate) const ENODEV: i32 = 19;
pub(crate) const EADDRNOTAVAIL: i32 = 99;
pub(crate) const ENETDOWN: i32 = 100;
pub(crate) const ENOBUFS: i32 = 105;

/// By how much the kernel may miss the end of a lease, early or late: seen on Linux.
const ROUNDING: u64 = 300 * MS;

/// Who put an address where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The administrator, or the kernel itself.
    Administrator,
    /// The agent, in this life of it.
    Agent(u64),
}

/// An address on a link.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// As the kernel tells of it.
    pub(crate) address: LinkAddress,
    /// The truth.
    pub(crate) by: By,
    /// Since when.
    pub(crate) since: u64,
    /// When it goes unless it is renewed.
    pub(crate) until: Option<u64>,
}

/// The kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    host: usize,
    links: BTreeMap<LinkIndex, (Link, usize)>,
    held: Vec<Held>,
    /// Open VRRP sockets.
    pub(crate) sockets: BTreeMap<SocketId, Listen>,
    next_index: u32,
    /// Whether it knows `IFA_PROTO`.
    pub(crate) tags: bool,
    /// Whether `promote_secondaries` is set.
    promotes: bool,
    /// What it tells about changes, oldest first.
    pub(crate) news: Vec<Input<'static>>,
    /// Counts changes of links and addresses.
    pub(crate) changes: u64,
}

impl Kernel {
    /// A kernel without links.
    pub(crate) fn new(host: usize, tags: bool, promotes: bool) -> Self {
        Kernel {
            host,
            links: BTreeMap::new(),
            held: Vec::new(),
            sockets: BTreeMap::new(),
            next_index: 2,
            tags,
            promotes,
            news: Vec::new(),
            changes: 0,
        }
    }

    /// The link on `segment`.
    pub(crate) fn link_on(&self, segment: usize) -> Option<&Link> {
        self.links.values().find(|(_, on)| *on == segment).map(|(link, _)| link)
    }

    /// The segment that a link is on.
    pub(crate) fn segment_of(&self, link: LinkIndex) -> Option<usize> {
        self.links.get(&link).map(|(_, segment)| *segment)
    }

    /// Whether messages can pass by the link on `segment`.
    pub(crate) fn is_connected(&self, segment: usize) -> bool {
        self.link_on(segment).is_some_and(|link| link.up && link.carrier)
    }

    /// An address on a link.
    pub(crate) fn address(&self, link: LinkIndex, address: IpAddr) -> Option<&Held> {
        self.held.iter().find(|held| held.address.link == link && held.address.prefix.address() == address)
    }

    /// An address on the link on `segment`.
    pub(crate) fn address_on(&self, segment: usize, address: IpAddr) -> Option<&Held> {
        self.link_on(segment).and_then(|link| self.address(link.index, address))
    }

    /// Every address.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Everything there is.
    pub(crate) fn observed(&self) -> Observed {
        Observed {
            links: self.links.values().map(|(link, _)| link.clone()).collect(),
            addresses: self.held.iter().map(|held| held.address.clone()).collect(),
        }
    }

    /// Makes a link on `segment`, up and with a carrier, under a new number.
    pub(crate) fn make_link(&mut self, segment: usize) {
        if self.link_on(segment).is_some() {
            return;
        }
        let index = LinkIndex(self.next_index);
        self.next_index += 1;
        let host = u8::try_from(self.host + 1).unwrap();
        let on = u8::try_from(segment).unwrap();
        let link = Link {
            index,
            name: link_name(segment),
            mac: Some(MacAddr([2, 0, 0, 0, on, host])),
            up: true,
            carrier: true,
            mtu: 1500,
        };
        self.news.push(Input::Link(link.clone()));
        self.links.insert(index, (link, segment));
        self.changes += 1;
    }

    /// Deletes the link on `segment` with all that is on it.
    pub(crate) fn delete_link(&mut self, segment: usize) {
        let Some(index) = self.link_on(segment).map(|link| link.index) else { return };
        self.drop_addresses(|held| held.address.link == index);
        self.links.remove(&index);
        self.sockets.retain(|id, _| id.link != index);
        self.news.push(Input::LinkGone(index));
        self.changes += 1;
    }

    /// Sets the link on `segment` up or down. Down takes the IPv6 addresses away.
    pub(crate) fn set_up(&mut self, segment: usize, up: bool) {
        let Some(link) = self.change_link(segment, |link| link.up = up) else { return };
        if !up {
            self.drop_addresses(|held| {
                held.address.link == link && Family::of(held.address.prefix.address()) == Family::Ipv6
            });
        }
    }

    /// Gives the link on `segment` a carrier or takes it.
    pub(crate) fn set_carrier(&mut self, segment: usize, carrier: bool) {
        self.change_link(segment, |link| link.carrier = carrier);
    }

    fn change_link(&mut self, segment: usize, change: impl FnOnce(&mut Link)) -> Option<LinkIndex> {
        let (link, _) = self.links.values_mut().find(|(_, on)| *on == segment)?;
        let before = link.clone();
        change(link);
        if before != *link {
            self.news.push(Input::Link(link.clone()));
        }
        Some(before.index)
    }

    /// Puts an address on a link.
    pub(crate) fn add(
        &mut self,
        now: u64,
        link: LinkIndex,
        prefix: Prefix,
        by: By,
        tentative: bool,
    ) -> Result<(), i32> {
        if !self.links.contains_key(&link) {
            return Err(ENODEV);
        }
        if self.address(link, prefix.address()).is_some() {
            return Err(EEXIST);
        }
        let secondary =
            prefix.address().is_ipv4() && self.held.iter().any(|held| in_subnet(held, link, prefix));
        let protocol = if self.tags && by != By::Administrator { ADDRESS_PROTOCOL } else { 0 };
        let address = LinkAddress { link, prefix, protocol, tentative, secondary };
        self.news.push(Input::Address(address.clone()));
        self.held.push(Held { address, by, since: now, until: None });
        self.changes += 1;
        Ok(())
    }

    /// The check for duplicates of an IPv6 address is over.
    pub(crate) fn verified(&mut self, address: IpAddr) {
        for held in &mut self.held {
            if held.address.prefix.address() == address && held.address.tentative {
                held.address.tentative = false;
                self.news.push(Input::Address(held.address.clone()));
            }
        }
    }

    /// Takes an address from a link, and with the first of a subnet the others.
    pub(crate) fn remove(&mut self, link: LinkIndex, address: IpAddr) -> Result<(), i32> {
        if !self.links.contains_key(&link) {
            return Err(ENODEV);
        }
        let Some(gone) = self.address(link, address).cloned() else { return Err(EADDRNOTAVAIL) };
        self.drop_addresses(|held| held.address.link == link && held.address.prefix.address() == address);
        if gone.address.secondary || address.is_ipv6() {
            return Ok(());
        }
        let prefix = gone.address.prefix;
        if !self.promotes {
            self.drop_addresses(|held| in_subnet(held, link, prefix));
        } else if let Some(next) = self.held.iter_mut().find(|held| in_subnet(held, link, prefix)) {
            next.address.secondary = false;
            self.news.push(Input::Address(next.address.clone()));
        }
        Ok(())
    }

    fn drop_addresses(&mut self, gone: impl Fn(&Held) -> bool) {
        for held in self.held.iter().filter(|held| gone(held)) {
            self.news.push(Input::AddressGone { link: held.address.link, prefix: held.address.prefix });
        }
        let before = self.held.len();
        self.held.retain(|held| !gone(held));
        self.changes += u64::from(before != self.held.len());
    }

    /// Does what an agent asked for.
    pub(crate) fn execute(
        &mut self,
        now: u64,
        link: LinkIndex,
        change: &Change,
        life: u64,
    ) -> Result<(), i32> {
        match change {
            Change::Add { prefix, lease, .. } => {
                self.add(now, link, *prefix, By::Agent(life), false)?;
                self.lease(now, link, *prefix, *lease);
                Ok(())
            }
            Change::Renew { prefix, lease, .. } => {
                self.renew(now, link, *prefix, life)?;
                self.lease(now, link, *prefix, *lease);
                Ok(())
            }
            Change::Remove { prefix } => self.remove(link, prefix.address()),
        }
    }

    /// Marks an address as the agent's; one that is not there is added.
    fn renew(&mut self, now: u64, link: LinkIndex, prefix: Prefix, life: u64) -> Result<(), i32> {
        let tags = self.tags;
        let is_it = |held: &&mut Held| held.address.link == link && held.address.prefix == prefix;
        let Some(held) = self.held.iter_mut().find(is_it) else {
            return self.add(now, link, prefix, By::Agent(life), false);
        };
        held.by = By::Agent(life);
        held.address.protocol = if tags { ADDRESS_PROTOCOL } else { 0 };
        self.news.push(Input::Address(held.address.clone()));
        Ok(())
    }

    fn lease(&mut self, now: u64, link: LinkIndex, prefix: Prefix, seconds: Option<u32>) {
        // It is rounded, either way, as it happens to fall.
        let rounding = now % (2 * ROUNDING);
        let is_it = |held: &&mut Held| held.address.link == link && held.address.prefix == prefix;
        if let Some(held) = self.held.iter_mut().find(is_it) {
            held.until = seconds.map(|seconds| now + u64::from(seconds) * SECOND + rounding - ROUNDING);
        }
    }

    /// When the next lease is over.
    pub(crate) fn next_end(&self) -> Option<u64> {
        self.held.iter().filter_map(|held| held.until).min()
    }

    /// Takes away the addresses whose lease is over, and tells which.
    pub(crate) fn expire(&mut self, now: u64) -> Vec<Held> {
        let over: Vec<Held> =
            self.held.iter().filter(|held| held.until.is_some_and(|until| until <= now)).cloned().collect();
        for held in &over {
            // One may have gone with another.
            let _ = self.remove(held.address.link, held.address.prefix.address());
        }
        over
    }

    /// The sockets that `packet` arrives at.
    pub(crate) fn receivers(&self, packet: &Packet) -> Vec<SocketId> {
        let Some(link) = self.link_on(packet.segment).filter(|link| link.up && link.carrier) else {
            return Vec::new();
        };
        let local = |address: IpAddr| self.held.iter().any(|held| held.address.prefix.address() == address);
        // A source that is one of ours is martian to IPv4; IPv6 does not look.
        if packet.source.is_ipv4() && local(packet.source) {
            return Vec::new();
        }
        if !packet.destination.is_multicast() && !local(packet.destination) {
            return Vec::new();
        }
        let id = SocketId { link: link.index, family: Family::of(packet.source) };
        let wants =
            |listen: &&Listen| (listen.group || !packet.destination.is_multicast()) && packet.passes(listen);
        self.sockets.get(&id).filter(wants).map(|_| id).into_iter().collect()
    }
}

/// What the link on a segment is called, on every host.
pub(crate) fn link_name(segment: usize) -> LinkName {
    LinkName::new(&format!("eth{segment}")).unwrap()
}

/// Whether two addresses of a link are of one IPv4 subnet.
fn in_subnet(held: &Held, link: LinkIndex, prefix: Prefix) -> bool {
    let (theirs, length) = (held.address.prefix, prefix.length());
    match (theirs.address(), prefix.address()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            held.address.link == link && theirs.length() == length && (a.to_bits() ^ b.to_bits()) & mask == 0
        }
        (_, _) => false,
    }
}
