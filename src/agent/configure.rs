//! Taking a configuration: an instance that stays the same is not touched, one that changes goes on where it can, others
//! stop, start or start anew, as [`crate::config::plan`] says.
//!
//! Order: first everything that is wanted is wanted, then what is no longer wanted is let go. So an address that moves from
//! one MASTER to another stays where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::Wanted;
use super::announcer::Key;
use super::instance::{HOLD_OFF_FIRST, Instance};
use super::judge::Judged;
use super::leave::Aside;
use super::message::{FilterRow, Output, SocketId, Watched};
use super::readiness::IPV6_LEAST_MTU;
use super::report::{Planned, Reconfigured, Report};
use super::{Agent, Phase};
use crate::config::model::{
    AgentConfig, CheckConfig, Config, InstanceConfig, Transport, UserName, VirtualAddress,
};
use crate::config::plan::{self, Change};
use crate::net::Family;
use crate::time::Instant;
use crate::vrrp::router::Event;

impl Agent {
    pub(super) fn configure(&mut self, now: Instant, config: Config, out: &mut Vec<Output>) {
        if self.phase != Phase::Running {
            return;
        }
        let AgentConfig { router_id, script_user } = config.agent;
        if let Some(router_id) = router_id {
            self.router_id = router_id;
        }
        let (changes, counts) = self.changes(&config.instances);
        out.push(Output::Report(if self.configured {
            Report::Reconfigured(counts)
        } else {
            Report::Configured { instances: config.instances.len() }
        }));
        self.configured = true;
        let (mut altered, mut added, mut let_go) = (Vec::new(), Vec::new(), Vec::new());
        for (name, wanted) in config.instances {
            match changes.get(&name) {
                None => {}
                Some(Change::Changed(keys)) => {
                    if let Some(number) = self.by_name.get(&name).copied() {
                        let subject = self.instances.get(number).map(|instance| instance.subject.clone());
                        let told = subject.map(|subject| Planned::Changed { subject, keys: keys.clone() });
                        out.extend(told.map(|told| Output::Report(Report::Planned(told))));
                        let_go.extend(self.change(now, number, wanted, out));
                        self.hold_beside_source(now, number, out);
                        altered.push(number);
                    }
                }
                Some(Change::Kept | Change::Restarted(_) | Change::Added | Change::Removed) => {
                    added.push((name, wanted));
                }
            }
        }
        for (number, key) in let_go {
            self.let_go(now, number, key, out);
        }
        for (name, change) in &changes {
            if let (Change::Restarted(_) | Change::Removed, Some(number)) = (change, self.by_name.get(name)) {
                self.retire(now, *number, change, out);
            }
        }
        for (name, wanted) in added {
            self.place(now, &name, wanted);
        }
        self.index();
        self.regroup(now, &config.groups, out);
        self.group_configs = config.groups;
        self.watch(config.checks, script_user, out);
        self.stand_all(now, &altered, out);
        self.timers.reset(self.instances.len());
        for number in 0..self.instances.len() {
            self.rearm(number);
        }
        if self.world.is_known() {
            self.links_changed(now, out);
        } else {
            self.dump(out);
        }
        for number in altered {
            self.announce_change(now, number, out);
        }
    }

    /// What becomes of the instances, without those that are kept, and how many there are of each kind.
    fn changes(&self, wanted: &BTreeMap<String, InstanceConfig>) -> (BTreeMap<String, Change>, Reconfigured) {
        let mut counts = Reconfigured::default();
        let mut changes = BTreeMap::new();
        for (name, change) in plan::instances(&self.running(), wanted) {
            counts.count(&change);
            if change != Change::Kept {
                changes.insert(name.to_owned(), change);
            }
        }
        (changes, counts)
    }

    /// The instances by name, as they are configured now.
    pub(super) fn running(&self) -> BTreeMap<&str, &InstanceConfig> {
        let named = self.by_name.iter();
        named
            .filter_map(|(name, number)| Some((name.as_str(), &self.instances.get(*number)?.config)))
            .collect()
    }

    /// Gives an instance another configuration without stopping it. Answers what it holds and no longer wants.
    fn change(
        &mut self,
        now: Instant,
        number: usize,
        wanted: InstanceConfig,
        out: &mut Vec<Output>,
    ) -> Vec<(usize, Key)> {
        let keys = self.keys(&wanted);
        let Some(instance) = self.instances.get_mut(number) else { return Vec::new() };
        // What was refused may not be wanted any more.
        instance.hold_off = None;
        instance.next_hold_off = HOLD_OFF_FIRST;
        instance.transmit.reconfigure(wanted.checksum);
        let old = std::mem::replace(&mut instance.config, wanted);
        let (state, rehooked) = (instance.state, old.hooks != instance.config.hooks);
        if rehooked {
            out.extend(self.entry(number, state, false).map(Output::Rehooked));
        }
        let Some(instance) = self.instances.get_mut(number) else { return Vec::new() };
        // Without a place for every address it cannot stay, which is found out as for any other reason.
        let (Some(place), Ok(keys)) = (&mut instance.place, keys) else { return Vec::new() };
        let old_keys = std::mem::replace(&mut place.keys, keys.clone());
        if !instance.router.is_master() {
            return Vec::new();
        }
        let before: BTreeMap<Key, &VirtualAddress> =
            old_keys.iter().copied().zip(old.all_addresses()).collect();
        let after: BTreeMap<Key, VirtualAddress> =
            keys.into_iter().zip(instance.config.all_addresses().cloned()).collect();
        if old.garp != instance.config.garp {
            let present = after.keys().filter(|key| self.addresses.is_present(**key)).copied();
            self.announcer.change(now, &present.collect(), instance.config.garp);
        }
        let lease = instance.config.lease();
        for (key, address) in &after {
            // One that is to be had in another form is missing until it is there in that form.
            match before.get(key) {
                Some(same) if *same == address => {
                    self.addresses.relet(now, *key, number, lease, out);
                    continue;
                }
                Some(_) if !self.addresses.is_present(*key) => {}
                Some(_) | None => instance.missing += 1,
            }
            let wanted = Wanted { instance: number, address: address.clone(), lease };
            self.addresses.want(now, *key, wanted, self.world.address(key.0, key.1), out);
        }
        before.into_keys().filter(|key| !after.contains_key(key)).map(|key| (number, key)).collect()
    }

    /// An instance no longer wants an address; nothing happens if another one has come to want it meanwhile.
    pub(super) fn let_go(&mut self, now: Instant, number: usize, key: Key, out: &mut Vec<Output>) {
        if self.addresses.owner(key) != Some(number) {
            return;
        }
        if let Some(instance) = self.instances.get_mut(number)
            && (!self.addresses.is_present(key) || self.addresses.is_away(key))
        {
            instance.missing = instance.missing.saturating_sub(1);
        }
        self.announcer.cancel(key);
        self.addresses.release(now, key, out);
    }

    /// The state machine takes the new parameters, and a MASTER tells the others what its adverts say now.
    fn announce_change(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get(number) else { return };
        let settings = instance.settings();
        self.drive(now, number, Event::Configure(settings), out);
    }

    fn retire(&mut self, now: Instant, number: usize, change: &Change, out: &mut Vec<Output>) {
        let reason = match change {
            Change::Restarted(_) => "its configuration makes it another virtual router",
            Change::Kept | Change::Changed(_) | Change::Added | Change::Removed => "no longer configured",
        };
        self.leave(now, number, reason, out);
        if let Some(instance) = self.instances.get_mut(number) {
            instance.retired = true;
        }
    }

    /// A new instance, with a number of its own: that of one that is gone, so that they do not become more and more.
    fn place(&mut self, now: Instant, name: &str, wanted: InstanceConfig) {
        let mut instance = Instance::new(now, name, wanted);
        instance.drained = self.drained.contains(name);
        instance.aside = self.aside != Aside::No;
        let free = self.instances.iter().position(|instance| instance.retired);
        let number = free.unwrap_or(self.instances.len());
        match self.instances.get_mut(number) {
            Some(place) => *place = instance,
            None => self.instances.push(instance),
        }
        self.by_name.insert(name.to_owned(), number);
    }

    /// These checks count from now on. One of a known name goes on with what it last said.
    fn watch(&mut self, checks: BTreeMap<String, CheckConfig>, script_user: UserName, out: &mut Vec<Output>) {
        self.checks.retain(|name, _| checks.contains_key(name));
        for (name, check) in &checks {
            if !self.checks.contains_key(name) {
                self.checks.insert(name.clone(), Judged::new(check.initial));
            }
        }
        let watched = Watched { checks, script_user };
        if *self.watched != watched {
            self.watched = Arc::new(watched);
            out.push(Output::Watch(Arc::clone(&self.watched)));
        }
    }

    /// Works out what the checks make of every instance. Those that changed are told with the rest of their change.
    fn stand_all(&mut self, now: Instant, altered: &[usize], out: &mut Vec<Output>) {
        for number in 0..self.instances.len() {
            if altered.contains(&number) {
                self.stand(number);
            } else if self.instances.get(number).is_some_and(|instance| !instance.retired) {
                self.restand(now, number, None, out);
            }
        }
    }

    fn index(&mut self) {
        self.by_name.retain(|name, number| {
            let instance = self.instances.get(*number);
            instance.is_some_and(|instance| !instance.retired && *instance.subject.name == **name)
        });
        let running = || self.instances.iter().filter(|instance| !instance.retired);
        self.virtual_addresses = virtual_addresses(running().map(|instance| &instance.config));
        self.interfaces = running()
            .flat_map(|instance| {
                let config = &instance.config;
                config
                    .all_addresses()
                    .filter_map(|address| address.interface.as_ref())
                    .chain([&config.interface])
            })
            .cloned()
            .collect();
    }

    /// Has the sockets open that the instances need on the links that there are, and knows who each message is for.
    pub(super) fn update_sockets(&mut self, out: &mut Vec<Output>) {
        let mut wanted: BTreeMap<SocketId, (bool, Vec<FilterRow>)> = BTreeMap::new();
        self.by_wire.clear();
        for (number, instance) in self.instances.iter().enumerate().filter(|(_, i)| !i.retired) {
            let config = &instance.config;
            let Some(link) = self.world.link_named(&config.interface) else { continue };
            if config.family == Family::Ipv6 && link.mtu < IPV6_LEAST_MTU {
                continue;
            }
            let socket = SocketId { link: link.index, family: config.family };
            let multicast = config.transport == Transport::Multicast;
            let (group, rows) = wanted.entry(socket).or_default();
            *group |= multicast;
            rows.push(FilterRow { vrid: config.vrid, version: config.version, multicast });
            self.by_wire.insert((socket, config.vrid.number()), number);
        }
        for (_, rows) in wanted.values_mut() {
            rows.sort_unstable_by_key(|row| row.vrid);
        }
        self.sockets.update(wanted, out);
    }
}

/// The addresses that these instances move.
pub(super) fn virtual_addresses<'i>(instances: impl Iterator<Item = &'i InstanceConfig>) -> BTreeSet<IpAddr> {
    instances.flat_map(InstanceConfig::all_addresses).map(|address| address.prefix.address()).collect()
}
