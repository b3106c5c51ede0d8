//! What goes into the agent and what comes out: the whole of its contract with the world.
//!
//! A turn is one [`Input`] and the [`Output`]s it causes, in the order in which they must be done. Whoever drives the
//! agent (the engine in production, the simulator, a fuzzer) does the outputs and brings back what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::report::Report;
use crate::agent::snapshot::VrState;
use crate::config::Config;
use crate::config::model::{CheckConfig, Hooks, UserName};
use crate::health::check::Fact;
use crate::net::{Family, LinkIndex, LinkName, MacAddr, Prefix, Scope};
use crate::time::Instant;
use crate::vrrp::fields::{Version, Vrid};

/// A fact, brought to the agent.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// What to be. The first input; later ones replace the configuration.
    Configure(Config),
    /// A VRRP message arrived.
    Datagram(Datagram<'a>),
    /// All links and addresses of the host: replaces what was known. Answers [`Output::Dump`].
    Observed(Observed),
    /// Events about links and addresses were lost (a receive overrun): what is known may be stale.
    Missed,
    /// A link appeared or changed.
    Link(Link),
    /// A link is gone.
    LinkGone(LinkIndex),
    /// An address appeared or changed.
    Address(LinkAddress),
    /// An address is gone. IPv4 may have the same address again, with a network of another length.
    AddressGone {
        /// Where it was.
        link: LinkIndex,
        /// The address and the length of its network part.
        prefix: Prefix,
    },
    /// A socket asked for by [`Output::Listen`] is open, or is not.
    Listening {
        /// Which.
        socket: SocketId,
        /// Why not.
        outcome: Result<(), Refusal>,
    },
    /// The kernel's answer to [`Output::Apply`].
    Applied {
        /// Which request.
        request: RequestId,
        /// Why not.
        outcome: Result<(), Refusal>,
    },
    /// An [`Output::Send`] was refused.
    SendFailed {
        /// By which socket.
        socket: SocketId,
        /// Why.
        refusal: Refusal,
    },
    /// A check says something else, or the same once more.
    Judged(Fact),
    /// These instances, and those that move with them, hand over and do not compete until [`Input::Undrain`]; also those
    /// that are configured later.
    Drain(Drain),
    /// These instances, and those that move with them, compete again.
    Undrain(BTreeSet<String>),
    /// Before the configuration: which instances a process before this one was MASTER of.
    Remembered(Remembered),
    /// The whole host is about to sleep or to shut down: every MASTER hands over, and none competes until this is `false`
    /// again. Answers [`Output::StoodAside`].
    StandAside(bool),
    /// Nothing happened but time; due at [`super::Agent::deadline`], harmless earlier.
    Timeout,
    /// Leave: hand over, take the addresses away, then [`Output::Finished`]. A second time: without waiting for a
    /// successor.
    Stop,
}

/// A VRRP message as it came in, header taken off.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The socket that it came by.
    pub socket: SocketId,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub hop_limit: u8,
    /// The IP payload.
    pub payload: &'a [u8],
}

/// VRRP sockets are one per link and family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    /// The link it is bound to.
    pub link: LinkIndex,
    /// Its family.
    pub family: Family,
}

/// Numbers an [`Output::Apply`]; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The kernel said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `errno`; 0 when there is none (a time limit).
    pub errno: i32,
    /// In words, for the log.
    pub text: String,
}

/// Links and addresses of the host at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// All links.
    pub links: Vec<Link>,
    /// All addresses.
    pub addresses: Vec<LinkAddress>,
}

/// A link, as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub index: LinkIndex,
    /// Its name now.
    pub name: LinkName,
    /// Its hardware address; `None` where it has no Ethernet one.
    pub mac: Option<MacAddr>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Has a carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Largest packet in bytes.
    pub mtu: u32,
}

/// An address on a link, as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// Where.
    pub link: LinkIndex,
    /// The address and the length of its network part.
    pub prefix: Prefix,
    /// `IFA_PROTO`: who put it there; 0 when nobody said so, and always before Linux 5.18.
    pub protocol: u8,
    /// IPv6: still being checked for duplicates, or found to be one; not usable as a source.
    pub tentative: bool,
    /// IPv4: not the first of its subnet (`IFA_F_SECONDARY`).
    pub secondary: bool,
}

/// An effect that the agent wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Have a VRRP socket open with this filter. For one that is open, change what differs. Answer: [`Input::Listening`],
    /// always.
    Listen(Listen),
    /// Close a VRRP socket.
    Unlisten(SocketId),
    /// Send a VRRP message: TTL/hop limit 255, DSCP CS6, no loop-back.
    Send {
        /// By which socket.
        socket: SocketId,
        /// IP source.
        source: IpAddr,
        /// IP destination.
        destination: IpAddr,
        /// The IP payload.
        payload: Arc<[u8]>,
    },
    /// Put an Ethernet frame on a link. Nobody waits for the result.
    Frame {
        /// Which link.
        link: LinkIndex,
        /// The frame from the destination address on.
        bytes: Vec<u8>,
    },
    /// Change the addresses of a link. Answer: [`Input::Applied`], always, in the order of the requests.
    Apply {
        /// Comes back with the answer.
        request: RequestId,
        /// Which link.
        link: LinkIndex,
        /// What.
        change: Change,
    },
    /// Bring a fresh [`Input::Observed`].
    Dump,
    /// Have these checks, run by this user: what they find out comes back as [`Input::Judged`].
    Watch(Arc<Watched>),
    /// An instance or a group entered a state: whoever waits for that is to be told.
    Entered(Entered),
    /// The same state, with other units to run in it than before: nobody is told, the units follow.
    Rehooked(Entered),
    /// These are drained now: to be remembered for the next start.
    Drained(Arc<BTreeSet<String>>),
    /// The instance of this number became MASTER as described, or no longer is: to be remembered in case this process
    /// dies.
    Holds {
        /// Stands for the instance for as long as it lives.
        number: usize,
        /// What it holds; `None` when it is not MASTER any more.
        held: Option<Arc<Held>>,
    },
    /// What `Input::StandAside(true)` asked for is done: no instance holds an address.
    StoodAside,
    /// Tell people.
    Report(Report),
    /// Everything that [`Input::Stop`] asked for is done.
    Finished,
}

/// Which instances are to be drained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// By name.
    pub names: BTreeSet<String>,
    /// Whether a MASTER lets go also when nobody takes over. Otherwise it is MASTER again then, and not drained.
    pub insist: bool,
}

/// What a process before this one left word of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// When it last kept the pace of all adverts: the last advert of each instance left at most its interval before.
    pub at: Instant,
    /// What it was MASTER of, by name.
    pub held: BTreeMap<String, Held>,
}

/// An instance that is MASTER, as far as that must be known to go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its name in the configuration.
    pub name: String,
    /// Interface as configured.
    pub interface: String,
    /// `virtual_router_id`.
    pub virtual_router_id: u8,
    /// Protocol version.
    pub version: u8,
    /// Source of its adverts; its family is that of the instance.
    pub primary: IpAddr,
    /// Interval of its adverts in centiseconds.
    pub interval: u16,
}

/// The checks of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// By name.
    pub checks: BTreeMap<String, CheckConfig>,
    /// Who runs what names nobody, when the agent was started as root.
    pub script_user: UserName,
}

/// A state that an instance or a group entered, for those who are to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Whose state.
    pub whose: Whose,
    /// Its name.
    pub name: Arc<str>,
    /// The state before.
    pub previous: VrState,
    /// The state now.
    pub state: VrState,
    /// The agent leaves: this is the last that is heard of it. The state is INIT.
    pub leaving: bool,
    /// Effective priority, 1–255; of a group, the lowest of its members'.
    pub priority: u8,
    /// Why, in words.
    pub reason: Arc<str>,
    /// What is to be run for it.
    pub hooks: Option<Arc<Hooks>>,
}

/// Who can have hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// An instance.
    Instance,
    /// A group.
    Group,
}

impl Whose {
    /// The word in hooks: `INSTANCE` or `GROUP`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Whose::Instance => "INSTANCE",
            Whose::Group => "GROUP",
        }
    }
}

/// A socket to have open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Which.
    pub socket: SocketId,
    /// Whether to be a member of the VRRP group.
    pub group: bool,
    /// Which messages to let through, sorted by VRID; one row per VRID.
    pub filter: Vec<FilterRow>,
    /// Whether the kernel drops what breaks the rows' rules; otherwise every message with a VRID of the rows passes.
    ///
    /// The agent turns this on for a while when a socket brings it too much rubbish, and off again to have a look: so
    /// trouble that a person must hear of is seen, and a flood does not wake the agent.
    pub strict: bool,
}

/// One virtual router's rule in a socket's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRow {
    /// Messages with this VRID pass.
    pub vrid: Vrid,
    /// Strict: of this version, type 1, exactly as long as their address count says, at least one address.
    pub version: Version,
    /// Strict: to the VRRP group with hop limit 255 (multicast), or to a unicast address (unicast).
    pub multicast: bool,
}

/// A change of a link's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add an address: tagged [`super::addresses::ADDRESS_PROTOCOL`], without duplicate address detection.
    Add {
        /// The address and the length of its network part.
        prefix: Prefix,
        /// IPv4 label.
        label: Option<String>,
        /// IPv4 scope.
        scope: Scope,
        /// Whether the kernel may pick it as a source of its own accord (`false`: preferred lifetime 0; IPv6 only).
        preferred: bool,
        /// Whether the kernel is to have a route to the address's network for it (IPv6 only).
        route: bool,
        /// Seconds after which the kernel takes it away unless it is renewed; `None`: never.
        lease: Option<u32>,
    },
    /// Begin the lease of an address of ours anew, and change nothing else of it. One that is gone comes back.
    Renew {
        /// The address and the length of its network part.
        prefix: Prefix,
        /// IPv4 label.
        label: Option<String>,
        /// IPv4 scope.
        scope: Scope,
        /// As in [`Change::Add`].
        preferred: bool,
        /// As in [`Change::Add`].
        route: bool,
        /// Seconds from now on; `None`: it stays until it is removed.
        lease: Option<u32>,
    },
    /// Remove an address.
    Remove {
        /// The address and the length of its network part.
        prefix: Prefix,
    },
}
