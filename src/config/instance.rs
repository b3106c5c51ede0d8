//! Reads `[instance.NAME]`: each key by itself, into a [`Draft`]. What the keys must be to each other is
//! [`super::check`]'s.

use std::net::IpAddr;
use std::time::Duration;

use super::address;
use super::auth::{self, ReadSecret};
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::hooks::{self, TrackDraft, UnitsDraft};
use super::keys::{self, Key};
use super::model::{AddressLease, Checksum, Garp, Notify, Password, VirtualAddress};
use super::reader::{self, At, Table};
use super::tree::{Entry, Value};
use super::words;
use crate::net::LinkName;
use crate::vrrp::fields::{Priority, Version, Vrid};

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
    pub(super) address_lease: Option<At<AddressLease>>,
    pub(super) track: Vec<TrackDraft>,
    pub(super) notify: Notify,
    pub(super) units: UnitsDraft,
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
        draft.read_hooks(&mut table, problems);
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
            address_lease: None,
            track: Vec::new(),
            notify: Notify::default(),
            units: UnitsDraft::default(),
        }
    }

    fn read_identity(&mut self, table: &mut Table<'_>, problems: &mut Diagnostics) {
        if let Some(entry) = table.require("interface", problems) {
            self.interface = address::link_name("interface", &entry.node, problems);
        }
        let number: Option<At<u8>> = table.number("virtual_router_id", problems);
        self.vrid = number.and_then(|at| at.map(Vrid::new));
        self.priority = priority(table, problems);
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
        self.version = version(table, problems);
        self.interval = table.duration("advert_interval", problems);
        self.preempt = table.boolean("preempt", problems);
        self.preempt_delay = table.duration("preempt_delay", problems);
        if let Some(accept) = table.boolean("accept", problems) {
            accepted(&accept, problems);
        }
        if let Some(entry) = table.take("garp") {
            self.garp = garp(&self.name, entry, problems);
        }
        self.address_lease = address_lease(table, problems);
    }

    fn read_transport(
        &mut self,
        table: &mut Table<'_>,
        read_secret: ReadSecret<'_>,
        problems: &mut Diagnostics,
    ) {
        if let Some(entry) = table.take("peers") {
            self.peers_key = Some(entry.key.clone());
            self.peers = peers(table.row("peers"), entry, problems);
        }
        if let Some(entry) = table.take("source_address") {
            self.source_address = address::plain("source_address", &entry.node, problems);
        }
        if let Some(entry) = table.take("auth") {
            self.auth_key = Some(entry.key.clone());
            self.password = auth::read(&self.name, entry, read_secret, problems);
        }
        if let Some(entry) = table.take("checksum") {
            self.checksum = reader::word("checksum", &entry.node, &words::CHECKSUMS, problems)
                .map(|value| At { value, place: entry.key.clone() });
        }
    }

    fn read_hooks(&mut self, table: &mut Table<'_>, problems: &mut Diagnostics) {
        let owner = format!("instance `{}`", self.name);
        if let Some(entry) = table.take("track") {
            self.track = hooks::track(table.row("track"), entry, problems);
        }
        if let Some(entry) = table.take("notify") {
            self.notify = hooks::notify(&owner, entry, problems);
        }
        if let Some(entry) = table.take("units") {
            self.units = hooks::units(&owner, entry, problems);
        }
    }
}

fn priority(table: &mut Table<'_>, problems: &mut Diagnostics) -> Option<At<Priority>> {
    let row = table.row("priority");
    if let Some(entry) = table.take("priority").filter(|at| matches!(at.node.value, Value::Integer(Some(0))))
    {
        let (low, high) = row.kind.integers().unwrap_or_default();
        let message = format!("`priority` must be {low} to {high}");
        let diagnostic = Diagnostic::error(Code::OutOfRange, &entry.node.place, message)
            .label("0 is what a router sends that gives up its addresses");
        problems.push(diagnostic);
        return None;
    }
    let number: Option<At<u8>> = table.number("priority", problems);
    number.and_then(|at| at.map(Priority::new))
}

fn version(table: &mut Table<'_>, problems: &mut Diagnostics) -> Option<At<Version>> {
    let number: At<u8> = table.number("version", problems)?;
    let value = if number.value == Version::V2.number() { Version::V2 } else { Version::V3 };
    Some(At { value, place: number.place })
}

fn accepted(accept: &At<bool>, problems: &mut Diagnostics) {
    if !accept.value {
        let message = "`accept = false` is not available in this version";
        let diagnostic = Diagnostic::error(Code::NotYet, &accept.place, message)
            .label("this needs packet filtering, which a later version has")
            .hint("leave it out: a MASTER accepts packets for its addresses");
        problems.push(diagnostic);
    }
}

fn address_lease(table: &mut Table<'_>, problems: &mut Diagnostics) -> Option<At<AddressLease>> {
    let row = table.row("address_lease");
    let Some(entry) = table.take("address_lease") else {
        return Some(At { value: AddressLease::default(), place: table.place().clone() });
    };
    let (key, node) = (row.name, &entry.node);
    let is = |value| Some(At { value, place: node.place.clone() });
    if let Value::Boolean(on) = node.value {
        let word = if on { "auto" } else { "off" };
        let message = format!("`{key}` must be a string, not {}", node.value.kind());
        let diagnostic = Diagnostic::error(Code::WrongType, &node.place, message);
        problems.push(diagnostic.label("a word or a duration").hint(format!("{key} = \"{word}\"")));
        return None;
    }
    let is_word = |text: &&str| !text.contains(|c: char| c.is_ascii_digit());
    if let Some(text) = node.value.text().filter(is_word) {
        if let Some((_, lease)) = words::LEASES.iter().find(|(word, _)| *word == text) {
            return is(*lease);
        }
        let message = format!("`{key}` must be \"auto\", \"off\" or a duration");
        let diagnostic = Diagnostic::error(Code::BadValue, &node.place, message).label("none of them");
        let meant = reader::meant(key, text, words::LEASE_WORDS.iter().copied());
        let hint = meant.map(|word| format!("did you mean \"{word}\"?"));
        problems.push(hint.into_iter().fold(diagnostic, Diagnostic::hint));
        return None;
    }
    let span = reader::duration(row, node, problems)?.value;
    let whole = u32::try_from(span.as_secs()).ok().filter(|_| span.subsec_nanos() == 0);
    if whole.is_none() {
        let message = format!("`{key}` must be whole seconds");
        let next = reader::say(Duration::from_secs(span.as_secs() + 1));
        let diagnostic = Diagnostic::error(Code::BadValue, &node.place, message);
        problems.push(diagnostic.label("the kernel counts whole seconds").hint(format!("\"{next}\"")));
    }
    whole.and_then(|seconds| is(AddressLease::Seconds(seconds)))
}

fn peers(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Vec<At<IpAddr>> {
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
    let most = row.kind.most();
    if let Some(beyond) = items.get(most) {
        let message = format!("`peers` has {} addresses; at most {most} are possible", items.len());
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
    if let Some(repeat) = table.number("repeat", problems) {
        garp.repeat = repeat.value;
    }
    if let Some(delay) = table.duration("delay", problems) {
        garp.delay = delay.value;
    }
    if let Some(refresh) = table.duration("refresh", problems) {
        garp.refresh = refresh.value;
    }
    table.finish(problems);
    garp
}
