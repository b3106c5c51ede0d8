//! Which of the host's addresses adverts come from, and what to do while there is none.
//!
//! Whoever configures a host may take its own addresses away and put them back in the same breath, as a network manager
//! that is restarted does. A MASTER that lost the source of its adverts cannot resign either, so nothing is won by letting go
//! at once: it goes on for an interval, in which one advert fails at most, and no peer waits less than three.
//!
//! Never: sends from an address that is not the host's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Agent;
use super::addresses::ADDRESS_PROTOCOL;
use super::announcer::Key;
use super::instance::Instance;
use super::message::{LinkAddress, Output};
use super::readiness::NotReady;
use super::snapshot::VrState;
use crate::config::model::{InstanceConfig, Transport};
use crate::net::{Family, LinkIndex, is_link_local};
use crate::time::Instant;

/// The address that the adverts of an instance come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is there, or was never looked for.
    #[default]
    There,
    /// It went while the instance was MASTER, which goes on without until then.
    AwayUntil(Instant),
    /// There is none.
    Gone,
}

impl Instance {
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

    fn watch_source(&mut self, now: Instant, there: bool) {
        self.source = match self.source {
            Source::There | Source::AwayUntil(_) | Source::Gone if there => Source::There,
            Source::There if self.is_master() => {
                Source::AwayUntil(now.after(self.config.interval.duration()))
            }
            Source::AwayUntil(until) if now < until && self.is_master() => self.source,
            Source::There | Source::AwayUntil(_) | Source::Gone => Source::Gone,
        };
    }
}

impl Agent {
    /// Notes which of these have a source for their adverts.
    pub(super) fn watch_sources(&mut self, now: Instant, numbers: &[usize]) {
        for number in numbers {
            let Some(config) = self.instances.get(*number).map(|instance| &instance.config) else { continue };
            let link = self.usable_link(&config.interface).ok();
            let primary = link.and_then(|link| self.primary(config, link, &self.virtual_addresses));
            let there = primary.is_some();
            if let Some(instance) = self.instances.get_mut(*number) {
                instance.watch_source(now, there);
            }
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
                .is_some_and(|at| at.primary != key.1 && !self.virtual_addresses.contains(&at.primary));
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
