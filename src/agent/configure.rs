//! Taking a configuration: instances that stay the same are not touched, others stop, start or start anew.

use std::collections::{BTreeMap, BTreeSet};

use super::instance::Instance;
use super::message::{FilterRow, Output, SocketId};
use super::readiness::IPV6_LEAST_MTU;
use super::report::Report;
use super::snapshot::VrState;
use super::{Agent, Phase};
use crate::config::model::{Config, InstanceConfig, Transport};
use crate::net::Family;
use crate::time::Instant;

impl Agent {
    pub(super) fn configure(&mut self, now: Instant, config: Config, out: &mut Vec<Output>) {
        if self.phase != Phase::Running {
            return;
        }
        if let Some(router_id) = config.agent.router_id {
            self.router_id = router_id;
        }
        out.push(Output::Report(Report::Configured { instances: config.instances.len() }));
        let gone: Vec<usize> = self
            .by_name
            .iter()
            .filter(|(name, _)| !config.instances.contains_key(*name))
            .map(|(_, number)| *number)
            .collect();
        for number in gone {
            self.retire(now, number, out);
        }
        for (name, wanted) in config.instances {
            self.place(now, &name, wanted, out);
        }
        self.index();
        self.timers.reset(self.instances.len());
        for number in 0..self.instances.len() {
            self.rearm(number);
        }
        if self.world.is_known() {
            self.links_changed(now, out);
        } else {
            self.dump(out);
        }
    }

    fn retire(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        self.shut_down(now, number, VrState::Init, "no longer configured".to_owned(), out);
        if let Some(instance) = self.instances.get_mut(number) {
            instance.retired = true;
            self.by_name.remove(&*instance.subject.name);
        }
    }

    fn place(&mut self, now: Instant, name: &str, wanted: InstanceConfig, out: &mut Vec<Output>) {
        if let Some(number) = self.by_name.get(name).copied() {
            if self.instances.get(number).is_some_and(|instance| instance.config == wanted) {
                return;
            }
            self.retire(now, number, out);
        }
        self.by_name.insert(name.to_owned(), self.instances.len());
        self.instances.push(Instance::new(now, name, wanted));
    }

    fn index(&mut self) {
        let running = || self.instances.iter().filter(|instance| !instance.retired);
        self.virtual_addresses = running()
            .flat_map(|instance| instance.config.addresses.iter().chain(&instance.config.unadvertised))
            .map(|address| address.prefix.address())
            .collect::<BTreeSet<_>>();
        self.interfaces = running()
            .flat_map(|instance| {
                let config = &instance.config;
                let addresses = config.addresses.iter().chain(&config.unadvertised);
                addresses.filter_map(|address| address.interface.as_ref()).chain([&config.interface])
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
