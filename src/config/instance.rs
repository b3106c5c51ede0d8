//! Reads `[instance.NAME]`: each key by itself, into a [`Draft`]. What the keys must be to each other is
//! [`super::check`]'s.

use std::net::IpAddr;
use std::time::Duration;

use super::address;
use super::auth::{self, ReadSecret};
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::keys;
use super::model::{Checksum, Garp, Password, VirtualAddress};
use super::reader::{self, At, Spans, Table};
use super::tree::{Entry, Value};
use crate::net::LinkName;
use crate::vrrp::fields::{ChecksumForm, Priority, Version, Vrid};

/// Most unicast peers of one instance.
const MOST_PEERS: usize = 255;

/// What either version can carry; which of them is checked later.
const INTERVALS: Spans =
    Spans { low: Duration::from_millis(10), high: Duration::from_secs(255), zero: false };
const PREEMPT_DELAYS: Spans = Spans { low: Duration::ZERO, high: Duration::from_hours(24), zero: true };
const GARP_DELAYS: Spans = Spans { low: Duration::ZERO, high: Duration::from_hours(1), zero: true };
/// Not below a second, so that a thousand addresses do not flood the link.
const GARP_REFRESHES: Spans =
    Spans { low: Duration::from_secs(1), high: Duration::from_hours(24), zero: true };
/// Most announcements in one burst.
const MOST_REPEATS: u8 = 20;

const CHECKSUMS: [(&str, Checksum); 3] = [
    ("auto", Checksum::Auto),
    ("rfc9568", Checksum::Only(ChecksumForm::Rfc9568)),
    ("rfc5798", Checksum::Only(ChecksumForm::Rfc5798)),
];

/// An instance as far as it could be read: `None` is what is missing or was complained about.
pub(super) struct Draft {
    pub(super) name: String,
    /// Its name in the table's header; also the place of every default.
    pub(super) place: Place,
    pub(super) interface: Option<At<LinkName>>,
    pub(super) vrid: Option<At<Vrid>>,
    pub(super) priority: Option<At<Priority>>,
    pub(super) version: Option<At<Version>>,
    pub(super) interval: Option<At<Duration>>,
    pub(super) preempt: Option<At<bool>>,
    pub(super) preempt_delay: Option<At<Duration>>,
    /// Where `addresses` stands, if it is there.
    pub(super) addresses_key: Option<Place>,
    pub(super) addresses: Vec<At<VirtualAddress>>,
    pub(super) unadvertised: Vec<At<VirtualAddress>>,
    /// Where `peers` stands, if it is there.
    pub(super) peers_key: Option<Place>,
    pub(super) peers: Vec<At<IpAddr>>,
    pub(super) source_address: Option<At<IpAddr>>,
    /// Where `auth` stands, if it is there.
    pub(super) auth_key: Option<Place>,
    pub(super) password: Option<Password>,
    /// Only where it is there.
    pub(super) checksum: Option<At<Checksum>>,
    pub(super) garp: Garp,
}

impl Draft {
    /// Reads the table; `read_secret` brings the content of a password file.
    pub(super) fn read(
        name: &str,
        mut table: Table<'_>,
        read_secret: ReadSecret<'_>,
        problems: &mut Diagnostics,
    ) -> Self {
        let mut draft = Draft::blank(name, table.place().clone());
        draft.read_identity(&mut table, problems);
        draft.read_addresses(&mut table, problems);
        draft.read_timing(&mut table, problems);
        draft.read_transport(&mut table, read_secret, problems);
        table.finish(problems);
        draft
    }

    fn blank(name: &str, place: Place) -> Self {
        Draft {
            name: name.to_owned(),
            place,
            interface: None,
            vrid: None,
            priority: None,
            version: None,
            interval: None,
            preempt: None,
            preempt_delay: None,
            addresses_key: None,
            addresses: Vec::new(),
            unadvertised: Vec::new(),
            peers_key: None,
            peers: Vec::new(),
            source_address: None,
            auth_key: None,
            password: None,
            checksum: None,
            garp: Garp::default(),
        }
    }

    fn read_identity(&mut self, table: &mut Table<'_>, problems: &mut Diagnostics) {
        if let Some(entry) = table.require("interface", problems) {
            self.interface = address::link_name("interface", &entry.node, problems);
        }
        if let Some(entry) = table.require("virtual_router_id", problems) {
            let number = reader::number("virtual_router_id", &entry.node, (1, 255), problems);
            self.vrid = number.and_then(|at| at.map(Vrid::new));
        }
        self.priority =
            self.optional(table, "priority", Priority::DEFAULT, |entry| priority(entry, problems));
    }

    fn read_addresses(&mut self, table: &mut Table<'_>, problems: &mut Diagnostics) {
        if let Some(entry) = table.require("addresses", problems) {
            self.addresses_key = Some(entry.key.clone());
            self.addresses = address::list("addresses", &entry.node, problems);
            if matches!(&entry.node.value, Value::Array(items) if items.is_empty()) {
                let message = format!("instance `{}` has no addresses", self.name);
                let diagnostic = Diagnostic::error(Code::NoAddresses, &entry.node.place, message)
                    .label("an advert lists at least one address");
                problems.push(diagnostic);
            }
        }
        if let Some(entry) = table.take("unadvertised_addresses") {
            self.unadvertised = address::list("unadvertised_addresses", &entry.node, problems);
        }
    }

    fn read_timing(&mut self, table: &mut Table<'_>, problems: &mut Diagnostics) {
        self.version = self.optional(table, "version", Version::V3, |entry| version(entry, problems));
        self.interval = self.optional(table, "advert_interval", Duration::from_secs(1), |entry| {
            reader::duration("advert_interval", &entry.node, &INTERVALS, problems)
        });
        self.preempt =
            self.optional(table, "preempt", true, |entry| reader::boolean("preempt", &entry.node, problems));
        self.preempt_delay = self.optional(table, "preempt_delay", Duration::ZERO, |entry| {
            reader::duration("preempt_delay", &entry.node, &PREEMPT_DELAYS, problems)
        });
        if let Some(entry) = table.take("accept") {
            accept(entry, problems);
        }
        if let Some(entry) = table.take("garp") {
            self.garp = garp(&self.name, entry, problems);
        }
    }

    fn read_transport(
        &mut self,
        table: &mut Table<'_>,
        read_secret: ReadSecret<'_>,
        problems: &mut Diagnostics,
    ) {
        if let Some(entry) = table.take("peers") {
            self.peers_key = Some(entry.key.clone());
            self.peers = peers(entry, problems);
        }
        if let Some(entry) = table.take("source_address") {
            self.source_address = address::plain("source_address", &entry.node, problems);
        }
        if let Some(entry) = table.take("auth") {
            self.auth_key = Some(entry.key.clone());
            self.password = auth::read(&self.name, entry, read_secret, problems);
        }
        if let Some(entry) = table.take("checksum") {
            self.checksum = reader::word("checksum", &entry.node, &CHECKSUMS, problems)
                .map(|value| At { value, place: entry.key.clone() });
        }
    }

    /// What `read` makes of the entry of `key`, or `default` where there is none.
    fn optional<'t, T>(
        &self,
        table: &mut Table<'t>,
        key: &'static str,
        default: T,
        read: impl FnOnce(&'t Entry) -> Option<At<T>>,
    ) -> Option<At<T>> {
        match table.take(key) {
            Some(entry) => read(entry),
            None => Some(At { value: default, place: self.place.clone() }),
        }
    }
}

fn priority(entry: &Entry, problems: &mut Diagnostics) -> Option<At<Priority>> {
    if matches!(entry.node.value, Value::Integer(Some(0))) {
        let message = "`priority` must be 1 to 255";
        let diagnostic = Diagnostic::error(Code::OutOfRange, &entry.node.place, message)
            .label("0 is what a router sends that gives up its addresses");
        problems.push(diagnostic);
        return None;
    }
    reader::number("priority", &entry.node, (1, 255), problems).and_then(|at| at.map(Priority::new))
}

fn version(entry: &Entry, problems: &mut Diagnostics) -> Option<At<Version>> {
    let number = reader::number("version", &entry.node, (2, 3), problems)?;
    let value = if number.value == 2 { Version::V2 } else { Version::V3 };
    Some(At { value, place: number.place })
}

fn accept(entry: &Entry, problems: &mut Diagnostics) {
    let Some(accept) = reader::boolean("accept", &entry.node, problems) else { return };
    if !accept.value {
        let message = "`accept = false` is not available in this version";
        let diagnostic = Diagnostic::error(Code::NotYet, &accept.place, message)
            .label("this needs packet filtering, which a later version has")
            .hint("leave it out: a MASTER accepts packets for its addresses");
        problems.push(diagnostic);
    }
}

fn peers(entry: &Entry, problems: &mut Diagnostics) -> Vec<At<IpAddr>> {
    let Some(items) = reader::array("peers", &entry.node, "IP addresses", problems) else {
        return Vec::new();
    };
    if items.is_empty() {
        let message = "`peers` is empty";
        let diagnostic = Diagnostic::error(Code::BadPeers, &entry.node.place, message)
            .label("unicast to nobody")
            .hint("leave `peers` out for multicast");
        problems.push(diagnostic);
    }
    if let Some(beyond) = items.get(MOST_PEERS) {
        let message = format!("`peers` has {} addresses; at most {MOST_PEERS} are possible", items.len());
        problems
            .push(Diagnostic::error(Code::BadPeers, &beyond.place, message).label("the first one too many"));
    }
    items.iter().filter_map(|item| address::plain("peers", item, problems)).collect()
}

fn garp(instance: &str, entry: &Entry, problems: &mut Diagnostics) -> Garp {
    let mut garp = Garp::default();
    let hint = "such as garp = { repeat = 5, delay = \"5s\", refresh = \"0s\" }";
    let Some(entries) = reader::table("garp", &entry.node, hint, problems) else { return garp };
    let name = format!("`garp` of instance `{instance}`");
    let mut table = Table::new(keys::GARP, name, entry.key.clone(), entries);
    if let Some(entry) = table.take("repeat")
        && let Some(repeat) = reader::number("repeat", &entry.node, (1, MOST_REPEATS), problems)
    {
        garp.repeat = repeat.value;
    }
    if let Some(entry) = table.take("delay")
        && let Some(delay) = reader::duration("delay", &entry.node, &GARP_DELAYS, problems)
    {
        garp.delay = delay.value;
    }
    if let Some(entry) = table.take("refresh")
        && let Some(refresh) = reader::duration("refresh", &entry.node, &GARP_REFRESHES, problems)
    {
        garp.refresh = refresh.value;
    }
    table.finish(problems);
    garp
}
