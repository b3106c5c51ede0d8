//! Whether an instance can take part, and if not why, in words: the links, addresses and sockets that it stands on.
//!
//! Follows what the kernel tells; an instance that can take part again does so by itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::announcer::Key;
use super::instance::{Instance, Place, Source};
use super::message::{Link, LinkAddress, Output, Refusal, SocketId};
use super::report::Report;
use super::snapshot::VrState;
use super::sockets::Usable;
use super::world::Event as WorldEvent;
use super::{Agent, Phase};
use crate::agent::addresses::ADDRESS_PROTOCOL;
use crate::config::model::InstanceConfig;
use crate::net::{Family, LinkIndex, LinkName, Prefix};
use crate::time::Instant;
use crate::vrrp::router::{Event, State};

/// Smallest MTU of a link that carries IPv6 (RFC 8200, section 5). Below it the kernel takes IPv6 off the link and forgets
/// who is a member of which group, so a socket from before would be deaf.
pub(super) const IPV6_LEAST_MTU: u32 = 1280;

/// Why an instance cannot take part: still waiting for something of ours (INIT), or something is wrong (FAULT).
pub(super) type NotReady = (VrState, String);

/// What the first of a group that is in `state` means for the others.
pub(super) fn first_unready<'n, K: Copy, T>(
    all: &[(K, Result<T, NotReady>)],
    state: VrState,
    name: impl Fn(K) -> &'n str,
) -> Option<NotReady> {
    all.iter().find_map(|(who, readiness)| match readiness {
        Err((is, reason)) if *is == state => Some((state, format!("{} of its group: {reason}", name(*who)))),
        Err(_) | Ok(_) => None,
    })
}

impl Agent {
    /// A dump came in: everything is compared with it.
    pub(super) fn compare_all(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.networks.clear();
        self.sources_gone(now, out);
        self.links_changed(now, out);
        self.compare_networks(now, out);
        for key in self.addresses.keys() {
            self.look_at(now, key, out);
        }
        self.claim_leftovers(now, out);
        self.settle(now, out);
    }

    /// Takes away what carries our tag and is wanted by nobody, unless an instance may yet go on with it.
    pub(super) fn claim_leftovers(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.memory.is_open() {
            return self.memory.defer();
        }
        let tagged = |address: &&LinkAddress| address.protocol == ADDRESS_PROTOCOL;
        let ours: Vec<LinkAddress> = self.world.addresses().filter(tagged).cloned().collect();
        for address in ours {
            self.claim_leftover(now, &address, out);
        }
    }

    /// An address with our tag that no instance wants was left behind by an agent that died.
    fn claim_leftover(&mut self, now: Instant, address: &LinkAddress, out: &mut Vec<Output>) {
        let key = (address.link, address.prefix.address());
        if !self.addresses.is_known(key) {
            self.counters.leftovers_removed += 1;
            let interface = self.link_words(address.link);
            let (instances, address) = (self.having(address.prefix), address.prefix);
            out.push(Output::Report(Report::LeftoverRemoved { instances, address, interface }));
        }
        self.addresses.observe(now, key, Some(address), out);
    }

    /// The instances that have this address.
    pub(super) fn having(&self, address: Prefix) -> Vec<Arc<str>> {
        let running = self.instances.iter().filter(|instance| !instance.retired);
        let have = running.filter(|instance| instance.config.all_addresses().any(|a| a.prefix == address));
        have.map(|instance| instance.subject.name.clone()).collect()
    }

    /// The instances whose adverts come and go by this socket.
    pub(super) fn listening_on(&self, socket: SocketId) -> Vec<Arc<str>> {
        let numbers = self.by_wire.iter().filter(|((id, _), _)| *id == socket).map(|(_, number)| *number);
        numbers.filter_map(|n| Some(self.instances.get(n)?.subject.name.clone())).collect()
    }

    /// A link in words: its name, or its number when it has none any more.
    pub(super) fn link_words(&self, index: LinkIndex) -> String {
        self.world.link(index).map_or_else(|| format!("link {index}"), |link| link.name.to_string())
    }

    pub(super) fn links_changed(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !matches!(self.phase, Phase::Running | Phase::HandingOver) {
            return;
        }
        // Who cannot go on resigns by the socket that it still has: a link that was renamed carries that well.
        for together in self.together(0..self.instances.len()) {
            if together
                .iter()
                .any(|n| self.instances.get(*n).is_some_and(|i| i.router.state() != State::Init))
            {
                self.leave_unready(now, &together, out);
            }
        }
        self.update_sockets(out);
        self.evaluate_all(now, 0..self.instances.len(), out);
    }

    fn leave_unready(&mut self, now: Instant, together: &[usize], out: &mut Vec<Output>) {
        for (number, readiness) in self.readiness_together(together) {
            let leaving = self.instances.get(number).is_none_or(|instance| instance.leaving);
            if let Err((state, reason)) = readiness
                && !leaving
            {
                self.shut_down(now, number, state, reason, out);
            }
        }
    }

    pub(super) fn link_there(&mut self, now: Instant, link: Link, out: &mut Vec<Output>) {
        let known = self.world.link(link.index);
        if known == Some(&link) {
            return;
        }
        let concerns = known.is_some_and(|known| self.interfaces.contains(&known.name))
            || self.interfaces.contains(&link.name);
        let moved = known.is_some_and(|known| known.mac != link.mac).then_some(link.index);
        self.world.apply(WorldEvent::Link(link));
        if concerns {
            self.links_changed(now, out);
        }
        if let Some(index) = moved {
            self.hardware_moved(now, index);
        }
    }

    /// A link has another hardware address, such as a bridge that got another port: neighbours still send to the old one.
    fn hardware_moved(&mut self, now: Instant, link: LinkIndex) {
        for number in 0..self.instances.len() {
            let place = self.instances.get(number).and_then(|instance| instance.place.as_ref());
            if place.is_some_and(|place| place.keys.iter().any(|key| key.0 == link)) {
                self.announce_again(now, number);
            }
        }
    }

    pub(super) fn link_gone(&mut self, now: Instant, index: LinkIndex, out: &mut Vec<Output>) {
        let concerns = self.world.link(index).is_some_and(|known| self.interfaces.contains(&known.name));
        self.world.apply(WorldEvent::LinkGone(index));
        self.addresses.link_gone(index);
        self.networks.clear();
        if concerns {
            self.links_changed(now, out);
        }
    }

    pub(super) fn address_there(&mut self, now: Instant, address: LinkAddress, out: &mut Vec<Output>) {
        let key = (address.link, address.prefix.address());
        // A router's advertisement renews addresses every few seconds: that is no news.
        let renewed = self.world.exactly(address.link, address.prefix) == Some(&address);
        let (link, prefix) = (address.link, address.prefix);
        let ours = address.protocol == ADDRESS_PROTOCOL || self.addresses.is_ours(key);
        self.world.apply(WorldEvent::Address(address));
        self.look_at(now, key, out);
        if !ours && !renewed {
            self.networks.clear();
            self.evaluate_sources(now, key, out);
            self.network_back(now, link, prefix, out);
        }
    }

    pub(super) fn address_gone(
        &mut self,
        now: Instant,
        link: LinkIndex,
        prefix: Prefix,
        out: &mut Vec<Output>,
    ) {
        let key = (link, prefix.address());
        let ours = self.addresses.is_ours(key);
        self.world.apply(WorldEvent::AddressGone(link, prefix));
        self.look_at(now, key, out);
        if !ours {
            self.networks.clear();
            self.sources_gone(now, out);
            self.network_gone(now, link, prefix, out);
            self.evaluate_sources(now, key, out);
        }
    }

    /// Compares one address with what the kernel has of it. What somebody else put there with a network of another length
    /// neither stands for ours nor hides that ours is gone.
    fn look_at(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        if self.memory.is_open() && !self.addresses.is_known(key) {
            return self.memory.defer();
        }
        let known = match self.addresses.held_by_us(key) {
            Some(prefix) => self.world.exactly(key.0, prefix),
            None => self.world.address(key.0, key.1),
        };
        self.addresses.observe(now, key, known, out);
    }

    pub(super) fn listening(
        &mut self,
        now: Instant,
        socket: SocketId,
        outcome: Result<(), Refusal>,
        out: &mut Vec<Output>,
    ) {
        if let Err(refusal) = &outcome {
            let report = Report::SocketRefused {
                instances: self.listening_on(socket),
                interface: self.link_words(socket.link),
                family: socket.family,
                text: refusal.text.clone(),
            };
            if self.sockets.answered(now, socket, outcome) {
                out.push(Output::Report(report));
                self.evaluate_link(now, socket.link, out);
            }
        } else if self.sockets.answered(now, socket, outcome) {
            self.evaluate_link(now, socket.link, out);
        }
    }

    /// The numbers of the instances that are so.
    pub(super) fn numbers_of(&self, is: impl Fn(&Instance) -> bool) -> Vec<usize> {
        let numbered = self.instances.iter().enumerate();
        numbered.filter(|(_, instance)| is(instance)).map(|(number, _)| number).collect()
    }

    /// Looks again at the instances whose adverts go by `link`.
    fn evaluate_link(&mut self, now: Instant, link: LinkIndex, out: &mut Vec<Output>) {
        let Some(name) = self.world.link(link).map(|link| link.name.clone()) else { return };
        self.evaluate_all(now, self.numbers_of(|instance| instance.config.interface == name), out);
    }

    /// Starts, stops or moves an instance as its surroundings now are, and the others of its group.
    pub(super) fn evaluate(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        self.evaluate_all(now, [number], out);
    }

    /// The same for several: each group once.
    pub(super) fn evaluate_all(
        &mut self,
        now: Instant,
        numbers: impl IntoIterator<Item = usize>,
        out: &mut Vec<Output>,
    ) {
        for together in self.together(numbers) {
            for (number, readiness) in self.readiness_together(&together) {
                let leaving = self.instances.get(number).is_none_or(|instance| instance.leaving);
                match readiness {
                    Err((state, reason)) if self.phase == Phase::Running => {
                        self.shut_down(now, number, state, reason, out);
                    }
                    // Who cannot take part lets go at once, also on the way out.
                    Err((state, reason)) if self.phase == Phase::HandingOver && !leaving => {
                        self.shut_down(now, number, state, reason, out);
                    }
                    Ok(place) if self.phase == Phase::Running => {
                        self.start(now, number, place, out);
                        self.source_returns(now, number, out);
                    }
                    Ok(_) | Err(_) => {}
                }
                self.rearm(number);
            }
        }
    }

    /// These instances, and those that they move together with.
    fn together(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
        let mut groups = BTreeSet::new();
        let members = |number: usize| {
            let instance = self.instances.get(number).filter(|instance| !instance.retired)?;
            match instance.group {
                None => Some(vec![number]),
                Some(at) if groups.insert(at) => Some(self.groups.get(at)?.members().collect()),
                Some(_) => None,
            }
        };
        numbers.into_iter().filter_map(members).collect()
    }

    /// Whether these, which move together, can take part: none can while one cannot, and none starts while one has yet to.
    fn readiness_together(&self, members: &[usize]) -> Vec<(usize, Result<Place, NotReady>)> {
        let own = |number: &usize| Some((*number, self.readiness_of(self.instances.get(*number)?)));
        let mut all: Vec<(usize, Result<Place, NotReady>)> = members.iter().filter_map(own).collect();
        let name = |number: usize| self.instances.get(number).map_or("", |instance| &instance.subject.name);
        let fault = first_unready(&all, VrState::Fault, name);
        let waiting = first_unready(&all, VrState::Init, name);
        for (number, readiness) in all.iter_mut().filter(|(_, readiness)| readiness.is_ok()) {
            let runs = self.instances.get(*number).is_some_and(|i| i.router.state() != State::Init);
            if let Some(because) = fault.as_ref().or(waiting.as_ref().filter(|_| !runs)) {
                *readiness = Err(because.clone());
            }
        }
        all
    }

    fn start(&mut self, now: Instant, number: usize, place: Place, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        let primary = place.primary;
        let running = instance.router.state() != State::Init;
        match &instance.place {
            Some(old) if running && *old == place => {}
            Some(old) if running && old.socket == place.socket && old.keys == place.keys => {
                instance.place = Some(place);
                self.drive(now, number, Event::Primary(primary), out);
            }
            Some(_) if running => {
                self.shut_down(now, number, VrState::Init, "its interfaces were replaced".to_owned(), out);
                self.start(now, number, place, out);
            }
            Some(_) | None => {
                let event = if self.resumes(now, number, &place) {
                    Event::Resume { primary }
                } else {
                    Event::Startup { primary }
                };
                let Some(instance) = self.instances.get_mut(number) else { return };
                instance.place = Some(place);
                instance.forget_peers();
                self.drive(now, number, event, out);
            }
        }
    }

    /// Has the instance take no part, for this reason; a MASTER resigns and lets go.
    pub(super) fn shut_down(
        &mut self,
        now: Instant,
        number: usize,
        state: VrState,
        reason: String,
        out: &mut Vec<Output>,
    ) {
        if state == VrState::Fault {
            self.forget(number);
        }
        let Some(instance) = self.instances.get_mut(number) else { return };
        if instance.retired {
            return;
        }
        if instance.router.state() == State::Init {
            let report = instance.enter(now, state, reason);
            self.told(number, report, out);
        } else {
            instance.leaving_because = Some((state, reason));
            self.drive(now, number, Event::Shutdown, out);
        }
        if let Some(instance) = self.instances.get_mut(number) {
            instance.place = None;
            instance.source = Source::default();
        }
        self.rearm(number);
    }

    /// The instance stops for good: that is the last that is told of it.
    pub(super) fn leave(&mut self, now: Instant, number: usize, reason: &str, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number).filter(|instance| !instance.retired) else {
            return;
        };
        instance.leaving = true;
        let previous = instance.state;
        self.shut_down(now, number, VrState::Init, reason.to_owned(), out);
        self.entered(number, previous, true, out);
    }

    pub(super) fn readiness_of(&self, instance: &Instance) -> Result<Place, NotReady> {
        let held_off = instance.hold_off.as_ref().map(|(_, reason)| reason);
        let place =
            self.readiness(&instance.config, (held_off, instance.lent_source()), &self.virtual_addresses)?;
        if instance.source == Source::Gone {
            // It may be back, but that is too late.
            return Err(Self::no_primary(&instance.config));
        }
        match self.unfit(&instance.config) {
            Some(reason) => Err((VrState::Fault, reason)),
            None => Ok(place),
        }
    }

    /// Where an instance of this configuration takes part, unless it is held off for some reason, while these are the
    /// virtual addresses of all instances. `lent`: the source of its adverts where there is none now.
    pub(super) fn readiness(
        &self,
        config: &InstanceConfig,
        (hold_off, lent): (Option<&String>, Option<IpAddr>),
        virtual_addresses: &BTreeSet<IpAddr>,
    ) -> Result<Place, NotReady> {
        if !self.world.is_known() {
            return Err((VrState::Init, "waiting for the kernel's list of interfaces".to_owned()));
        }
        let link = self.usable_link(&config.interface)?;
        if config.family == Family::Ipv6
            && let Some(mtu) = self.world.link(link).map(|link| link.mtu).filter(|mtu| *mtu < IPV6_LEAST_MTU)
        {
            let reason = format!(
                "interface {} has an MTU of {mtu} bytes, and IPv6 needs {IPV6_LEAST_MTU}",
                config.interface
            );
            return Err((VrState::Fault, reason));
        }
        let keys = self.keys(config)?;
        let socket = SocketId { link, family: config.family };
        match self.sockets.usable(socket) {
            Usable::Yes => {}
            Usable::NotYet => return Err((VrState::Init, "waiting for its socket".to_owned())),
            Usable::Refused(text) => {
                return Err((VrState::Fault, format!("no VRRP socket on {}: {text}", config.interface)));
            }
        }
        let primary = self.primary(config, link, virtual_addresses).or(lent);
        let primary = primary.ok_or_else(|| Self::no_primary(config))?;
        if let Some(reason) = hold_off {
            return Err((VrState::Fault, reason.clone()));
        }
        Ok(Place { socket, primary, keys })
    }

    pub(super) fn usable_link(&self, name: &LinkName) -> Result<LinkIndex, NotReady> {
        let fault = |words: &str| (VrState::Fault, format!("interface {name} {words}"));
        let link = self.world.link_named(name).ok_or_else(|| fault("does not exist"))?;
        match (link.up, link.carrier) {
            (false, _) => Err(fault("is down")),
            (true, false) => Err(fault("has no carrier: cable, switch port or peer is down")),
            (true, true) => Ok(link.index),
        }
    }

    /// Where each address belongs.
    pub(super) fn keys(&self, config: &InstanceConfig) -> Result<Vec<Key>, NotReady> {
        let place = |address: &crate::config::model::VirtualAddress| {
            let name = address.interface.as_ref().unwrap_or(&config.interface);
            Ok((self.usable_link(name)?, address.prefix.address()))
        };
        config.all_addresses().map(place).collect()
    }
}
