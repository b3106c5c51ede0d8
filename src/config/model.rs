//! The configuration as the agent takes it: only legal values, every default filled in.

mod check;
mod hooks;
mod lease;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::net::{Family, LinkName, Prefix, Scope};
use crate::vrrp::fields::{ChecksumForm, Interval, Priority, Version, Vrid};

pub use check::{
    CheckConfig, ClientCertificate, Endpoint, FileProbe, FileWant, Flap, Header, Host, HttpProbe, Initial,
    Pattern, PingProbe, Probe, ProcessProbe, Restarts, ScriptProbe, StatusRange, SystemdProbe, TcpProbe,
    Text, Tls, UnitState,
};
pub use hooks::{Command, GroupConfig, Hooks, Notify, Track, UnitName, Units, UserName, Weight};
pub use lease::{AddressLease, Lease, automatic as automatic_lease};

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// `[agent]`.
    pub agent: AgentConfig,
    /// `[instance.NAME]`, by name.
    pub instances: BTreeMap<String, InstanceConfig>,
    /// `[check.NAME]`, by name.
    pub checks: BTreeMap<String, CheckConfig>,
    /// `[group.NAME]`, by name. Each instance is in one group at most.
    pub groups: BTreeMap<String, GroupConfig>,
}

/// `[agent]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AgentConfig {
    /// What this host calls itself in logs and status; the host name when not set.
    pub router_id: Option<String>,
    /// Who runs script checks and notify commands when the agent was started as root; never root.
    pub script_user: UserName,
}

/// `[instance.NAME]`: one virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceConfig {
    /// Where adverts go, and addresses unless they say otherwise.
    pub interface: LinkName,
    /// Decided by `addresses`.
    pub family: Family,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// Protocol version; always 3 for IPv6.
    pub version: Version,
    /// Base priority.
    pub priority: Priority,
    /// Own interval; [`Interval::fits`] the version.
    pub interval: Interval,
    /// Whether to take over from a master of lower priority.
    pub preempt: bool,
    /// How long to let a master of lower priority be before that.
    pub preempt_delay: Duration,
    /// Addresses in the adverts, in configured order, all of [`InstanceConfig::family`]; 1–255.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses held with the others but not in adverts; either family.
    pub unadvertised: Vec<VirtualAddress>,
    /// Multicast or a list of peers.
    pub transport: Transport,
    /// Source of the adverts; the interface's primary address when not set.
    pub source_address: Option<IpAddr>,
    /// Version 2 password, zero-filled.
    pub password: Option<Password>,
    /// Version 3 over IPv4: which checksum.
    pub checksum: Checksum,
    /// Announcements.
    pub garp: Garp,
    /// How long the kernel keeps the addresses of a MASTER that no longer renews them.
    pub address_lease: AddressLease,
    /// What each check does here, by its name; all of them are in [`Config::checks`].
    pub track: BTreeMap<String, Track>,
    /// Commands and units of its states.
    pub hooks: Option<Arc<Hooks>>,
}

impl InstanceConfig {
    /// Every address that moves with it: the advertised ones first, in configured order.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.unadvertised)
    }

    /// The lease that its addresses get; `None` where they stay.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        Lease::new(self.address_lease, self.version, self.interval)
    }
}

/// An address that moves with the instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// The address and the length of its network part.
    pub prefix: Prefix,
    /// Where it goes; the instance's interface when not set.
    pub interface: Option<LinkName>,
    /// IPv4 label, at most 15 bytes.
    pub label: Option<String>,
    /// IPv4 scope.
    pub scope: Scope,
}

/// How adverts reach the other routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// To the VRRP group.
    Multicast,
    /// To each peer; adverts from anybody else are dropped. Not empty, all of the instance's family.
    Unicast(Vec<IpAddr>),
}

/// `checksum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checksum {
    /// Accept both forms, send what the peers send.
    #[default]
    Auto,
    /// Accept and send this form only.
    Only(ChecksumForm),
}

/// `garp`: gratuitous ARP and unsolicited neighbour advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garp {
    /// Announcements per address and burst, 1–20.
    pub repeat: u8,
    /// Time to the second burst; zero for none.
    pub delay: Duration,
    /// Time between single announcements while MASTER; zero for none.
    pub refresh: Duration,
}

impl Default for Garp {
    fn default() -> Self {
        Garp { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::ZERO }
    }
}

/// A version 2 password: eight bytes, zero-filled. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; 8]);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
