//! The links and addresses of the host as the kernel last told them.
//!
//! Owns: the observed side of the agent. Never: decides. A dump replaces everything; events that came in while it was
//! being made are applied to it again, so an old dump cannot undo a newer event.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::addresses::ADDRESS_PROTOCOL;
use super::message::{Link, LinkAddress, Observed};
use crate::net::{Family, LinkIndex, LinkName, Prefix, is_link_local};

/// Events kept for replay on a dump that is under way; beyond it another dump is asked for.
const REPLAY_LIMIT: usize = 1024;

/// One change of the host's links and addresses.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Link(Link),
    LinkGone(LinkIndex),
    Address(LinkAddress),
    AddressGone(LinkIndex, Prefix),
}

/// What is known of the host.
#[derive(Debug, Default)]
pub(crate) struct World {
    links: BTreeMap<LinkIndex, Link>,
    by_name: BTreeMap<LinkName, LinkIndex>,
    /// With the order in which the kernel told of them: the first address of a subnet is its primary. By prefix, because
    /// IPv4 can have an address twice, with networks of different lengths.
    addresses: BTreeMap<(LinkIndex, Prefix), (u64, LinkAddress)>,
    next_order: u64,
    dump: Dump,
    known: bool,
}

#[derive(Debug, Default)]
enum Dump {
    /// Nothing is known yet, and nothing asked.
    #[default]
    Never,
    /// Asked for; the events since. `true` when there were too many, or some were lost.
    UnderWay(Vec<Event>, bool),
    /// The last one is in.
    Done,
}

impl World {
    /// Whether a first dump is in.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// Notes that a dump is wanted; `true` if it has to be asked for, `false` if one is under way.
    pub(crate) fn want_dump(&mut self) -> bool {
        match &mut self.dump {
            Dump::UnderWay(_, again) => {
                *again = true;
                false
            }
            Dump::Never | Dump::Done => {
                self.dump = Dump::UnderWay(Vec::new(), false);
                true
            }
        }
    }

    /// Takes a dump; `true` if another one must be asked for because it may already be stale.
    pub(crate) fn replace(&mut self, observed: Observed) -> bool {
        let (events, again) = match std::mem::replace(&mut self.dump, Dump::Done) {
            Dump::UnderWay(events, again) => (events, again),
            Dump::Never | Dump::Done => (Vec::new(), false),
        };
        self.known = true;
        self.links.clear();
        self.by_name.clear();
        self.addresses.clear();
        for link in observed.links {
            self.set_link(link);
        }
        for address in observed.addresses {
            self.set_address(address);
        }
        for event in events {
            self.change(event);
        }
        if again {
            self.dump = Dump::UnderWay(Vec::new(), false);
        }
        again
    }

    /// Takes an event.
    pub(crate) fn apply(&mut self, event: Event) {
        if let Dump::UnderWay(events, again) = &mut self.dump {
            if events.len() < REPLAY_LIMIT {
                events.push(event.clone());
            } else {
                *again = true;
            }
        }
        self.change(event);
    }

    fn change(&mut self, event: Event) {
        match event {
            Event::Link(link) => self.set_link(link),
            Event::LinkGone(index) => {
                if let Some(link) = self.links.remove(&index) {
                    self.forget_name(&link.name, index);
                }
                self.addresses.retain(|(link, _), _| *link != index);
            }
            Event::Address(address) => self.set_address(address),
            Event::AddressGone(link, prefix) => {
                self.addresses.remove(&(link, prefix));
            }
        }
    }

    fn set_link(&mut self, link: Link) {
        if let Some(known) = self.links.get(&link.index)
            && known.name != link.name
        {
            let old = known.name.clone();
            self.forget_name(&old, link.index);
        }
        self.by_name.insert(link.name.clone(), link.index);
        self.links.insert(link.index, link);
    }

    /// The link with this number does not have this name any more. Another may have it already: one that was made in
    /// the place of the first, and that a dump showed before the events of the first were through.
    fn forget_name(&mut self, name: &LinkName, index: LinkIndex) {
        if self.by_name.get(name) == Some(&index) {
            self.by_name.remove(name);
            let heir = self.links.values().rev().find(|link| link.index != index && link.name == *name);
            if let Some(heir) = heir {
                self.by_name.insert(heir.name.clone(), heir.index);
            }
        }
    }

    fn set_address(&mut self, address: LinkAddress) {
        let key = (address.link, address.prefix);
        let order = self.addresses.get(&key).map_or(self.next_order, |(order, _)| *order);
        self.next_order += 1;
        self.addresses.insert(key, (order, address));
    }

    /// The link called `name` now.
    pub(crate) fn link_named(&self, name: &LinkName) -> Option<&Link> {
        self.by_name.get(name).and_then(|index| self.links.get(index))
    }

    /// The link numbered `index`.
    pub(crate) fn link(&self, index: LinkIndex) -> Option<&Link> {
        self.links.get(&index)
    }

    /// Every link.
    pub(crate) fn links(&self) -> Vec<LinkIndex> {
        self.links.keys().copied().collect()
    }

    /// An address of a link. Where it is there twice, with networks of different lengths, ours, else the older.
    pub(crate) fn address(&self, link: LinkIndex, address: IpAddr) -> Option<&LinkAddress> {
        let whole = Prefix::host(address);
        let shortest = Prefix::new(address, 0).unwrap_or(whole);
        self.addresses
            .range((link, shortest)..=(link, whole))
            .map(|(_, (order, known))| (known.protocol != ADDRESS_PROTOCOL, *order, known))
            .min_by_key(|(foreign, order, _)| (*foreign, *order))
            .map(|(_, _, known)| known)
    }

    /// An address of a link with a network of this very length.
    pub(crate) fn exactly(&self, link: LinkIndex, prefix: Prefix) -> Option<&LinkAddress> {
        self.addresses.get(&(link, prefix)).map(|(_, known)| known)
    }

    /// The addresses on `link` with this very network.
    pub(crate) fn in_network(&self, link: LinkIndex, network: Prefix) -> impl Iterator<Item = &LinkAddress> {
        let first = Prefix::new(network.address(), 0).unwrap_or(network);
        let within = move |on: LinkIndex, prefix: Prefix| {
            let widened = Prefix::new(prefix.address(), network.length()).map(Prefix::network);
            on == link && widened == Some(network)
        };
        self.addresses
            .range((link, first)..)
            .take_while(move |((on, prefix), _)| within(*on, *prefix))
            .filter(move |((_, prefix), _)| prefix.length() == network.length())
            .map(|(_, (_, address))| address)
    }

    /// Every address.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &LinkAddress> {
        self.addresses.values().map(|(_, address)| address)
    }

    /// The address that the kernel put first on `link` of those that can be a source of adverts of `family`: usable, and
    /// `eligible`. IPv6: link-local ones (RFC 9568, section 5.1.2.1), or with `global` the others.
    pub(crate) fn primary(
        &self,
        link: LinkIndex,
        family: Family,
        global: bool,
        eligible: impl Fn(&LinkAddress) -> bool,
    ) -> Option<IpAddr> {
        let (first, last) = (IpAddr::V4(0.into()), IpAddr::V6(u128::MAX.into()));
        let first = Prefix::new(first, 0).unwrap_or(Prefix::host(first));
        self.addresses
            .range((link, first)..=(link, Prefix::host(last)))
            .map(|(_, (order, address))| (address.secondary, *order, address))
            .filter(|(_, _, address)| match address.prefix.address() {
                IpAddr::V4(v4) => family == Family::Ipv4 && !v4.is_loopback(),
                IpAddr::V6(v6) => family == Family::Ipv6 && is_link_local(v6) != global && !v6.is_loopback(),
            })
            .filter(|(_, _, address)| !address.tentative && eligible(address))
            .min_by_key(|(secondary, order, _)| (*secondary, *order))
            .map(|(_, _, address)| address.prefix.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Prefix;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index: LinkIndex(index),
            name: LinkName::new(name).unwrap(),
            mac: None,
            up: true,
            carrier: true,
            mtu: 1500,
        }
    }

    fn address(link: u32, text: &str) -> LinkAddress {
        LinkAddress {
            link: LinkIndex(link),
            prefix: Prefix::new(text.parse().unwrap(), 24).unwrap(),
            protocol: 0,
            tentative: false,
            secondary: false,
        }
    }

    #[test]
    fn the_primary_is_the_kernels_first_not_the_lowest() {
        let mut world = World::default();
        world.apply(Event::Link(link(2, "eth0")));
        world.apply(Event::Address(address(2, "10.0.0.9")));
        world.apply(Event::Address(address(2, "10.0.0.1")));
        let eth0 = LinkIndex(2);
        let first = |world: &World| world.primary(eth0, Family::Ipv4, false, |_| true);
        assert_eq!(first(&world), Some("10.0.0.9".parse().unwrap()));
        // A change of the same address does not send it to the back.
        world.apply(Event::Address(address(2, "10.0.0.9")));
        assert_eq!(first(&world), Some("10.0.0.9".parse().unwrap()));
        world.apply(Event::Address(LinkAddress { secondary: true, ..address(2, "10.0.0.9") }));
        assert_eq!(first(&world), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(world.primary(eth0, Family::Ipv6, false, |_| true), None);
    }

    #[test]
    fn ipv6_adverts_leave_from_a_usable_link_local_address() {
        let mut world = World::default();
        world.apply(Event::Address(address(2, "2001:db8::1")));
        world.apply(Event::Address(LinkAddress { tentative: true, ..address(2, "fe80::1") }));
        world.apply(Event::Address(address(2, "fe80::2")));
        let primary = |global| world.primary(LinkIndex(2), Family::Ipv6, global, |_| true);
        assert_eq!(primary(false), Some("fe80::2".parse().unwrap()));
        assert_eq!(primary(true), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn a_link_made_anew_keeps_its_name_when_news_of_the_old_one_come_late() {
        let mut world = World::default();
        assert!(world.want_dump());
        let old = Link { up: false, ..link(2, "eth0") };
        world.apply(Event::Link(old));
        // The dump was made after the old link was gone; of that the events tell only now.
        world.replace(Observed { links: vec![link(3, "eth0")], addresses: Vec::new() });
        world.apply(Event::LinkGone(LinkIndex(2)));
        let named = |world: &World| world.link_named(&LinkName::new("eth0").unwrap()).map(|link| link.index);
        assert_eq!(named(&world), Some(LinkIndex(3)));
        world.apply(Event::LinkGone(LinkIndex(3)));
        assert_eq!(named(&world), None);
    }

    #[test]
    fn a_dump_does_not_undo_what_happened_while_it_was_made() {
        let mut world = World::default();
        assert!(world.want_dump());
        world.apply(Event::Address(address(2, "10.0.0.1")));
        world.apply(Event::AddressGone(LinkIndex(2), address(2, "10.0.0.2").prefix));
        let stale = Observed { links: vec![link(2, "eth0")], addresses: vec![address(2, "10.0.0.2")] };
        assert!(!world.replace(stale));
        assert!(world.address(LinkIndex(2), "10.0.0.1".parse().unwrap()).is_some());
        assert!(world.address(LinkIndex(2), "10.0.0.2".parse().unwrap()).is_none());
    }

    #[test]
    fn an_address_that_is_there_twice_goes_one_at_a_time() {
        let mut world = World::default();
        let (first, second) = (address(2, "10.0.0.1"), "10.0.0.1".parse().unwrap());
        let second = LinkAddress { prefix: Prefix::host(second), ..first.clone() };
        let known = |world: &World| world.address(LinkIndex(2), first.prefix.address()).cloned();
        world.apply(Event::Address(first.clone()));
        world.apply(Event::Address(second.clone()));
        assert_eq!(known(&world), Some(first.clone()), "the older");
        let ours = LinkAddress { protocol: ADDRESS_PROTOCOL, ..second.clone() };
        world.apply(Event::Address(ours.clone()));
        assert_eq!(known(&world), Some(ours), "ours before the older");
        world.apply(Event::AddressGone(LinkIndex(2), second.prefix));
        assert_eq!(known(&world), Some(first.clone()));
        assert_eq!(world.primary(LinkIndex(2), Family::Ipv4, false, |_| true), Some(first.prefix.address()));
        world.apply(Event::AddressGone(LinkIndex(2), first.prefix));
        assert_eq!(known(&world), None);
    }

    #[test]
    fn what_goes_wrong_during_a_dump_asks_for_another() {
        let mut world = World::default();
        assert!(world.want_dump());
        assert!(!world.want_dump(), "one is under way");
        assert!(world.replace(Observed::default()));
        assert!(!world.replace(Observed::default()));
    }

    #[test]
    fn names_follow_renames_and_deletions() {
        let mut world = World::default();
        let eth0 = LinkName::new("eth0").unwrap();
        world.apply(Event::Link(link(2, "eth0")));
        world.apply(Event::Link(link(2, "lan")));
        assert!(world.link_named(&eth0).is_none());
        world.apply(Event::Link(link(3, "eth0")));
        world.apply(Event::LinkGone(LinkIndex(2)));
        assert_eq!(world.link_named(&eth0).map(|l| l.index), Some(LinkIndex(3)));
        assert!(world.link(LinkIndex(2)).is_none());
    }
}
