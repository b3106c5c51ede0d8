//! Which of the host's addresses adverts come from, and what to do while there is none.
//!
//! Whoever configures a host may take its own addresses away and put them back in the same breath, as a network manager
//! does, or `ip address flush`. A MASTER that lost the source of its adverts cannot resign either, so nothing is won by
//! giving up at once: it goes on for two intervals without sending, while no peer waits less than three. Meanwhile its
//! addresses of the source's network are held back. Put there first, ours would be the network's primary address: what the
//! host connects from by default, and what takes the host's own away with it where the kernel promotes no secondaries.
//! For the same reason what is ours in a network that lost the host's own address, but has its adverts come from elsewhere,
//! waits a moment before it is put back.
//!
//! Never: sends from an address that is not the host's.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::Agent;
use super::addresses::{ADDRESS_PROTOCOL, Hold};
use super::announcer::Key;
use super::instance::{Instance, Source};
use super::message::{LinkAddress, Output};
use super::readiness::NotReady;
use super::report::Report;
use super::snapshot::VrState;
use crate::config::model::{InstanceConfig, Transport};
use crate::net::{Family, LinkIndex, Prefix, is_link_local};
use crate::time::Instant;
use crate::vrrp::fields::Claim;
use crate::vrrp::router::{Event, State};

/// Intervals that a MASTER goes on for without a source: a peer waits three and its skew for the next advert.
const INTERVALS: u32 = 2;
/// How long addresses of ours stay away from a network that lost the host's own, where the source of adverts is another:
/// whoever configures an interface anew needs a few milliseconds, and longer than that nobody is to miss them.
const NETWORK_PATIENCE: Duration = Duration::from_millis(250);

impl Instance {
    /// The address that its adverts come from, if it is there.
    pub(super) fn source(&self) -> Option<IpAddr> {
        let place = self.place.as_ref().filter(|_| self.source == Source::There);
        place.map(|place| place.primary)
    }

    /// The address that it may go on with although it is gone.
    pub(super) fn lent_source(&self) -> Option<IpAddr> {
        let Source::AwayUntil(_) = self.source else { return None };
        self.place.as_ref().map(|place| place.primary)
    }

    /// When it is to be given up.
    pub(super) fn source_due(&self) -> Option<Instant> {
        match self.source {
            Source::AwayUntil(until) => Some(until),
            Source::There | Source::Gone => None,
        }
    }
}

impl Agent {
    /// An address of the host's own is gone, or a dump has come: each MASTER that lost its source by that goes on without
    /// for a moment.
    pub(super) fn sources_gone(&mut self, now: Instant, out: &mut Vec<Output>) {
        for number in self.numbers_of(|instance| self.has_lost_source(instance)) {
            self.source_gone(now, number, out);
        }
    }

    fn has_lost_source(&self, instance: &Instance) -> bool {
        let Some(place) = &instance.place else { return false };
        instance.is_master()
            && !instance.router.is_leaving()
            && instance.source == Source::There
            && self.world.address(place.socket.link, place.primary).is_none()
            && self.source_of(instance).is_none()
    }

    /// The source that there is for its adverts now.
    fn source_of(&self, instance: &Instance) -> Option<IpAddr> {
        let link = self.usable_link(&instance.config.interface).ok()?;
        self.primary(&instance.config, link, &self.virtual_addresses)
    }

    fn source_gone(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        let Some(address) = instance.place.as_ref().map(|place| place.primary) else { return };
        let patience = instance.config.interval.duration() * INTERVALS;
        // Who was late to look has been silent for longer already.
        let late = instance.router.deadline().filter(|due| *due < now);
        let until = late.unwrap_or(now).after(patience);
        instance.source = Source::AwayUntil(until);
        let (subject, patience) = (instance.subject.clone(), until.since(now));
        out.push(Output::Report(Report::SourceGone { subject, address, patience }));
        self.hold_beside_source(now, number, out);
        // A process after this one does not go on with what has been silent, however lately others sent.
        self.record(number, false, out);
        self.rearm(number);
    }

    /// What is in the network of the source that is away is away, too.
    pub(super) fn hold_beside_source(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(until) = self.instances.get(number).and_then(Instance::source_due) else { return };
        for key in self.beside_source(number) {
            if self.addresses.is_present(key) && !self.addresses.is_away(key) {
                self.announcer.cancel(key);
                if let Some(instance) = self.instances.get_mut(number) {
                    instance.missing += 1;
                }
            }
            self.addresses.hold_back(now, key, Some(Hold { until, away: true }), out);
        }
    }

    /// Its addresses that are in the network of its source, on the same link. IPv6 knows no order among those.
    fn beside_source(&self, number: usize) -> Vec<Key> {
        let Some(instance) = self.instances.get(number) else { return Vec::new() };
        let Some(place) = instance.place.as_ref().filter(|place| place.primary.is_ipv4()) else {
            return Vec::new();
        };
        let beside = |prefix: Prefix| {
            Prefix::new(place.primary, prefix.length()).is_some_and(|own| own.network() == prefix.network())
        };
        let placed = place.keys.iter().zip(instance.config.all_addresses());
        placed
            .filter(|(key, address)| key.0 == place.socket.link && beside(address.prefix))
            .map(|(key, _)| *key)
            .collect()
    }

    /// An address of the host's own is gone: unless it has another one there, what is ours in that network is not put back
    /// for a moment, whoever's source it was.
    pub(super) fn network_gone(
        &mut self,
        now: Instant,
        link: LinkIndex,
        prefix: Prefix,
        out: &mut Vec<Output>,
    ) {
        let network = prefix.network();
        if !prefix.address().is_ipv4() {
            return;
        }
        let beside = self.addresses.wanted_on(link).filter(|(_, of)| *of == network);
        let keys: Vec<Key> = beside.map(|(key, _)| key).collect();
        if !keys.is_empty() && !self.has_own_address_in((link, network)) {
            self.rest(now, keys, out);
        }
    }

    /// The host has an address of its own there again.
    pub(super) fn network_back(
        &mut self,
        now: Instant,
        link: LinkIndex,
        prefix: Prefix,
        out: &mut Vec<Output>,
    ) {
        let beside = self.addresses.wanted_on(link).filter(|(_, of)| *of == prefix.network());
        let keys: Vec<Key> = beside.map(|(key, _)| key).collect();
        for key in keys {
            self.addresses.hold_back(now, key, None, out);
        }
    }

    /// A dump has come: the same by what is in it.
    pub(super) fn compare_networks(&mut self, now: Instant, out: &mut Vec<Output>) {
        for link in self.world.links() {
            let gone = |(key, _): &(Key, Prefix)| {
                key.1.is_ipv4()
                    && self.world.address(key.0, key.1).is_none()
                    && self.addresses.is_secondary(*key)
            };
            let concerned = |it: &(Key, Prefix)| self.addresses.is_held_back(it.0) || gone(it);
            let concerned: Vec<(Key, Prefix)> = self.addresses.wanted_on(link).filter(concerned).collect();
            for (key, network) in concerned {
                if self.has_own_address_in((link, network)) {
                    self.addresses.hold_back(now, key, None, out);
                } else if !self.addresses.is_held_back(key) {
                    self.rest(now, [key], out);
                }
            }
        }
    }

    /// These are not put back for a moment, but for those that are away for longer.
    fn rest(&mut self, now: Instant, keys: impl IntoIterator<Item = Key>, out: &mut Vec<Output>) {
        let hold = Hold { until: now.after(NETWORK_PATIENCE), away: false };
        for key in keys {
            if !self.addresses.is_away(key) {
                self.addresses.hold_back(now, key, Some(hold), out);
            }
        }
    }

    /// One that went on without a source has one again: whoever waits for its adverts hears it at once.
    pub(super) fn source_returns(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get(number) else { return };
        let Source::AwayUntil(until) = instance.source else { return };
        if self.source_of(instance).is_none() {
            return;
        }
        if until <= now {
            // It could not look in time.
            return self.source_lost(now, number, out);
        }
        let (claim, due) = (Claim::Hold(instance.priority()), instance.router.deadline());
        if let Some(instance) = self.instances.get_mut(number) {
            instance.source = Source::There;
        }
        if due.is_some_and(|due| due <= now) {
            // The router itself knows whether it is not too late for that.
            self.drive(now, number, Event::Timeout, out);
        } else {
            self.advertise(number, claim, out);
        }
        self.record(number, false, out);
        let beside = self.beside_source(number);
        let Some(instance) = self.instances.get(number) else { return };
        let Some(place) = &instance.place else { return };
        let networks = instance.config.all_addresses().map(|address| address.prefix.network());
        let placed: Vec<(Key, Prefix)> = place.keys.iter().copied().zip(networks).collect();
        for (key, network) in placed {
            if self.addresses.owner(key) != Some(number) || !self.addresses.is_held_back(key) {
                continue;
            }
            // Another one than that of its network may be back first.
            let back = beside.contains(&key) || self.has_own_address_in((key.0, network));
            let until = now.after(NETWORK_PATIENCE);
            self.addresses.hold_back(now, key, (!back).then_some(Hold { until, away: false }), out);
        }
    }

    /// It goes on without a source no longer: with its group it takes part no more, and then again like one that was away.
    pub(super) fn source_lost(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        self.source_given_up(number);
        self.evaluate(now, number, out);
        self.evaluate(now, number, out);
    }

    /// It goes on without a source no longer, from the next look at it on.
    pub(super) fn source_given_up(&mut self, number: usize) {
        if let Some(instance) =
            self.instances.get_mut(number).filter(|instance| instance.source_due().is_some())
        {
            instance.source = Source::Gone;
        }
    }

    /// After an event of the router: who is not MASTER any more, or had to say something that cannot wait, does not wait for
    /// its source.
    pub(super) fn source_not_awaited(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get(number) else { return };
        let in_part = instance.router.state() != State::Init;
        if in_part
            && (instance.source == Source::Gone || (instance.source_due().is_some() && !instance.is_master()))
        {
            self.source_lost(now, number, out);
        }
    }

    /// Ends the time of one that went on without a source, if that is over.
    pub(super) fn source_overdue(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let due = |instance: &Instance| instance.source_due().is_some_and(|until| until <= now);
        if self.instances.get(number).is_some_and(due) {
            self.source_lost(now, number, out);
        }
    }

    /// An address that is not ours came, changed or went: looks again at those whose source of adverts it is or may have to
    /// be. Who has a source of its own keeps it, whatever else is on the link.
    pub(super) fn evaluate_sources(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        let Some(name) = self.world.link(key.0).map(|link| link.name.clone()) else { return };
        let concerned = |instance: &Instance| {
            let settled = instance
                .place
                .as_ref()
                .is_some_and(|at| at.primary != key.1 && !self.virtual_addresses.contains(&at.primary))
                && instance.source == Source::There;
            instance.config.interface == name && !settled
        };
        self.evaluate_all(now, self.numbers_of(concerned), out);
    }

    /// The source of adverts: the configured one if it is there, else the interface's own first address.
    ///
    /// A virtual address is never it (RFC 9568, section 7.2), except for an owner that has no other: adverts from an
    /// address that another router holds for now are dropped there by the kernel as its own.
    pub(super) fn primary(
        &self,
        config: &InstanceConfig,
        link: LinkIndex,
        virtual_addresses: &BTreeSet<IpAddr>,
    ) -> Option<IpAddr> {
        if let Some(source) = config.source_address {
            return self.world.address(link, source).filter(|address| !address.tentative).map(|_| source);
        }
        let global = match &config.transport {
            Transport::Multicast => false,
            Transport::Unicast(peers) => peers.iter().any(|peer| match peer {
                IpAddr::V4(_) => false,
                IpAddr::V6(v6) => !is_link_local(*v6),
            }),
        };
        let own = |address: &LinkAddress| {
            address.protocol != ADDRESS_PROTOCOL && !self.addresses.is_ours((link, address.prefix.address()))
        };
        let real =
            |address: &LinkAddress| own(address) && !virtual_addresses.contains(&address.prefix.address());
        let primary = self.world.primary(link, config.family, global, real);
        if primary.is_none() && config.priority.is_owner() {
            return self.world.primary(link, config.family, global, own);
        }
        primary
    }

    pub(super) fn no_primary(config: &InstanceConfig) -> NotReady {
        let reason = match (config.source_address, config.family) {
            (Some(source), _) => format!("source_address {source} is not on {}", config.interface),
            (None, Family::Ipv4) => format!(
                "{} has no IPv4 address of its own to send adverts from: give it one, or set source_address",
                config.interface
            ),
            (None, Family::Ipv6) => format!(
                "{} has no usable IPv6 address of its own (link-local for multicast) to send adverts from",
                config.interface
            ),
        };
        (VrState::Fault, reason)
    }
}
