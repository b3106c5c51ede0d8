//! What the agent is doing and why, as a value: the whole content of `failover status`.
//!
//! The JSON form is an interface: keys are added, never renamed.

use serde::{Deserialize, Serialize};

use crate::health::standing::Verdict;
use crate::health::status::CheckStatus;
use crate::net::Family;

/// The agent at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the running program.
    pub version: String,
    /// What this host calls itself.
    pub router_id: String,
    /// The configuration that it goes by; the agent itself does not know where that came from.
    #[serde(default)]
    pub configuration: Option<ConfigurationStatus>,
    /// Every instance, by name.
    pub instances: Vec<InstanceStatus>,
    /// Every group, by name.
    #[serde(default)]
    pub groups: Vec<GroupStatus>,
    /// Every check, by name; the agent itself knows only their verdicts.
    #[serde(default)]
    pub checks: Vec<CheckStatus>,
    /// Every drained instance by name, whether it is configured or not.
    #[serde(default)]
    pub drained: Vec<String>,
    /// Counters that belong to no instance.
    pub counters: AgentCounters,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `MASTER` when all members are; `FAULT` or `INIT` when one is.
    pub state: VrState,
    /// Seconds since it entered that state.
    pub since_seconds: f64,
    /// Why, in words.
    pub reason: String,
    /// Its instances.
    pub members: Vec<String>,
}

/// What a check does to an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackStatus {
    /// The check.
    pub check: String,
    /// What it says.
    pub verdict: Verdict,
    /// What it does: `fault`, or a weight as it is configured, or `weight` for the one in a file.
    pub effect: String,
    /// What it adds to the priority now.
    pub adds: i16,
    /// The member of the group that tracks it; none where it is the instance itself.
    pub through: Option<String>,
}

/// The running configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationStatus {
    /// The file that it is read from.
    pub file: String,
    /// SHA-256 of the text of all its layers, one after the other, in hexadecimal.
    pub sha256: String,
    /// When it was taken (RFC 3339).
    pub loaded_at: String,
    /// What came of the last reload; none where there was none yet.
    pub last_reload: Option<ReloadStatus>,
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// When (RFC 3339).
    pub at: String,
    /// Whether the configuration was taken; if not, the one before it goes on.
    pub applied: bool,
    /// What changed, or why it was refused.
    pub text: String,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `INIT`, `BACKUP`, `MASTER` or `FAULT`.
    pub state: VrState,
    /// Seconds since it entered that state.
    pub since_seconds: f64,
    /// Why it is in that state, in words.
    pub reason: String,
    /// Interface as configured.
    pub interface: String,
    /// `virtual_router_id`.
    pub virtual_router_id: u8,
    /// Family of the adverts.
    pub family: Family,
    /// Protocol version.
    pub version: u8,
    /// Configured priority.
    pub base_priority: u8,
    /// The priority that adverts carry.
    pub effective_priority: u8,
    /// What its checks add to the base priority, and which keep it in FAULT or from becoming MASTER.
    #[serde(default)]
    pub tracks: Vec<TrackStatus>,
    /// The check that keeps it from becoming MASTER, because nothing is known of it.
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// An administrator has drained it: it hands over, and does not compete.
    #[serde(default)]
    pub drained: bool,
    /// It has resigned, and holds its addresses until somebody else has them.
    #[serde(default)]
    pub handing_over: bool,
    /// The group that it moves with.
    #[serde(default)]
    pub group: Option<String>,
    /// Own interval in milliseconds.
    pub advert_interval_ms: u64,
    /// Source of our adverts, if it is there.
    pub primary_address: Option<String>,
    /// Virtual addresses.
    pub addresses: Vec<AddressStatus>,
    /// How long the kernel keeps the addresses of a MASTER whose agent no longer runs; none where they stay.
    #[serde(default)]
    pub address_lease_seconds: Option<u64>,
    /// The router that is MASTER as far as we know, and its last advert.
    pub master: Option<MasterStatus>,
    /// The checksum form we send, for version 3 over IPv4.
    pub checksum: Option<String>,
    /// Trouble of the last minute, newest last, in words with counts.
    pub trouble: Vec<TroubleStatus>,
    /// Counters.
    pub counters: InstanceCounters,
}

/// The states of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VrState {
    /// Not started yet.
    Init,
    /// Ready to take over (RFC 9568: Backup).
    Backup,
    /// Holds the addresses (RFC 9568: Active).
    Master,
    /// Cannot take part (RFC 9568: Initialize).
    Fault,
}

impl VrState {
    /// The word in status, logs, metrics and hooks.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            VrState::Init => "INIT",
            VrState::Backup => "BACKUP",
            VrState::Master => "MASTER",
            VrState::Fault => "FAULT",
        }
    }
}

impl std::fmt::Display for VrState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// One virtual address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressStatus {
    /// The address and the length of its network part.
    pub address: String,
    /// The interface it belongs on.
    pub interface: String,
    /// Whether it is there now, as the kernel says.
    pub present: bool,
    /// Whether adverts list it.
    pub advertised: bool,
}

/// The master as far as we know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasterStatus {
    /// Source address of its adverts.
    pub address: String,
    /// The priority in its last advert.
    pub priority: u8,
    /// The interval in its last advert, milliseconds.
    pub advert_interval_ms: u64,
    /// Seconds since that advert.
    pub heard_seconds_ago: f64,
}

/// A kind of trouble that occurred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TroubleStatus {
    /// What, who, and what to do, in words.
    pub text: String,
    /// How often since the agent started, as far as the kernel let it through.
    pub count: u64,
    /// Seconds since it was last seen.
    pub seen_seconds_ago: f64,
}

/// Counters of an instance, since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCounters {
    /// Times it became MASTER.
    pub master_transitions: u64,
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Adverts accepted.
    pub adverts_received: u64,
    /// Resignations (priority 0) sent.
    pub priority_zero_sent: u64,
    /// Resignations received.
    pub priority_zero_received: u64,
    /// Accepted with the checksum of RFC 9568 (version 3 over IPv4).
    pub checksum_rfc9568: u64,
    /// Accepted with the checksum of RFC 5798 (version 3 over IPv4).
    pub checksum_rfc5798: u64,
    /// Dropped: neither checksum right.
    pub checksum_errors: u64,
    /// Dropped: TTL or hop limit not 255.
    pub ip_ttl_errors: u64,
    /// Dropped: another protocol version.
    pub version_errors: u64,
    /// Dropped: not an advertisement.
    pub invalid_type: u64,
    /// Dropped: not as long as its address count says, or no addresses.
    pub packet_length_errors: u64,
    /// Interval other than ours: noted (version 3) or dropped (version 2).
    pub adv_interval_errors: u64,
    /// Another list of addresses: noted.
    pub address_list_errors: u64,
    /// Dropped: wrong password.
    pub auth_failures: u64,
    /// Dropped: another authentication type.
    pub auth_type_errors: u64,
    /// Dropped: our own advert came back.
    pub own_packets: u64,
    /// Dropped: unicast to a multicast instance or the reverse, or no peer of ours.
    pub foreign_packets: u64,
    /// Noted: another router that says it owns the addresses, as this one does.
    pub second_owner: u64,
    /// Adverts that lost against ours while we were MASTER.
    pub contested: u64,
    /// Addresses that somebody removed and we put back.
    pub addresses_restored: u64,
    /// Announcement frames sent.
    pub announcements_sent: u64,
}

/// Counters that belong to no instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCounters {
    /// Dropped: a VRID that is not configured on that interface and family.
    pub vrid_errors: u64,
    /// Addresses of a dead agent that were taken away.
    pub leftovers_removed: u64,
    /// Times that links and addresses were read afresh.
    pub dumps: u64,
    /// Times that events of the kernel were lost.
    #[serde(default)]
    pub events_missed: u64,
}
