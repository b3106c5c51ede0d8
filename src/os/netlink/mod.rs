//! Links and addresses: what the kernel has (`monitor`, dumps) and what it shall change (`worker`).
//!
//! The monitor is read by the engine and never waits. Requests and dumps wait for the kernel, so a thread of their own
//! makes them. What the kernel sends is believed as it is; an attribute that is not known is skipped.

mod decode;
mod monitor;
mod request;
mod worker;

pub use monitor::{Drained, Monitor};
pub use worker::{Outcome, Removed, Request, Worker, read_addresses, read_links, remove_marked};

use crate::net::{LinkIndex, LinkName, MacAddr, Prefix, Scope};

/// A link.
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

/// An address on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub link: LinkIndex,
    /// The address and the length of its network part.
    pub prefix: Prefix,
    /// `IFA_PROTO`: who put it there; 0 when nobody said so, and always before Linux 5.18.
    pub protocol: u8,
    /// IPv6: being checked for duplicates, or found to be one.
    pub tentative: bool,
    /// IPv4: not the first of its subnet.
    pub secondary: bool,
}

/// A change that the kernel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link appeared or changed.
    Link(Link),
    /// A link is gone.
    LinkGone(LinkIndex),
    /// An address appeared or changed.
    Address(Address),
    /// An address is gone. IPv4 may have the same address again, with a network of another length.
    AddressGone {
        /// Where it was.
        link: LinkIndex,
        /// The address and the length of its network part.
        prefix: Prefix,
    },
}

/// Everything the kernel has at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// All links.
    pub links: Vec<Link>,
    /// All addresses.
    pub addresses: Vec<Address>,
}

/// A change of a link's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// Add an address; refused with `EEXIST` when it is there.
    Add {
        /// The address and the length of its network part.
        prefix: Prefix,
        /// IPv4 label.
        label: Option<String>,
        /// IPv4 scope.
        scope: Scope,
        /// `false`, IPv6: preferred lifetime 0, so the kernel does not pick it as a source.
        preferred: bool,
        /// `false`, IPv6: no route to the address's network comes and goes with it.
        route: bool,
        /// Valid lifetime in seconds; `None`: without end.
        lease: Option<u32>,
    },
    /// Give an address another lifetime from now on. The kernel adds it where it is not there.
    Renew {
        /// The address and the length of its network part.
        prefix: Prefix,
        /// IPv4 label; of one that is there it stays.
        label: Option<String>,
        /// IPv4 scope; of one that is there it stays.
        scope: Scope,
        /// As in [`AddressChange::Add`].
        preferred: bool,
        /// As in [`AddressChange::Add`].
        route: bool,
        /// As in [`AddressChange::Add`].
        lease: Option<u32>,
    },
    /// Remove an address; refused with `EADDRNOTAVAIL` when it is not there.
    Remove {
        /// The address and the length of its network part.
        prefix: Prefix,
    },
}

/// The kernel said no, or nothing in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `errno`; 0 when there is none (a time limit).
    pub errno: i32,
    /// In words.
    pub text: String,
}

impl From<super::OsError> for Failure {
    fn from(error: super::OsError) -> Self {
        Failure { errno: error.errno(), text: error.to_string() }
    }
}
