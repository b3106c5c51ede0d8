//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.
//!
//! What keepalived leaves out stays out, and is said. What our adverts need and keepalived's do not (a link-local address
//! first over IPv6, one address at least) is put there, and said.

use std::net::{IpAddr, Ipv6Addr};

use super::check;
use super::document::{Element, Entry, Fate, Note, Section};
use super::facts::{Facts, number};
use super::quote::string;
use super::tree::{Id, Node};
use crate::net::{Family, is_link_local};

/// Most addresses that keepalived puts into an IPv4 advert.
const MOST_IPV4: usize = 255;
/// Most that it puts into an IPv6 advert on a link of 1500 bytes, of which it takes the Ethernet header off too.
const MOST_IPV6: usize = 89;

/// An address and what was said of it.
struct Held {
    address: IpAddr,
    /// Where it goes, if not to the instance's own interface.
    interface: Option<String>,
    element: Element,
}

/// Writes `addresses` and `unadvertised_addresses`.
pub(super) fn translate(facts: &Facts<'_>, main: &mut Section) {
    let (blocks, mut advertised) = read(facts, "virtual_ipaddress", main);
    let (excluded_blocks, excluded) = read(facts, "virtual_ipaddress_excluded", main);
    let mut kept: Vec<Held> = Vec::new();
    for held in advertised.drain(..) {
        let reason = if Family::of(held.address) != facts.family {
            Some(format!(
                "an instance is of one family, and this one is {}: keepalived leaves it out; `unadvertised_addresses` \
                 would move it too",
                facts.family
            ))
        } else if kept.iter().any(|other| other.address == held.address) {
            Some("it is listed already".to_owned())
        } else {
            None
        };
        keep(held, reason, &mut kept, main);
    }
    let mut others: Vec<Held> = Vec::new();
    for held in excluded {
        let same = |other: &&Held| other.address == held.address && other.interface == held.interface;
        let twice = kept.iter().chain(&others).find(same).is_some();
        keep(held, twice.then(|| "it is listed already".to_owned()), &mut others, main);
    }
    at_least_one(facts, &mut kept, &mut others);
    not_too_many(facts, &mut kept, &mut others);
    if facts.family == Family::Ipv6 && !kept.is_empty() {
        link_local_first(facts, &mut kept);
    }
    let elements = |list: Vec<Held>| list.into_iter().map(|held| held.element).collect::<Vec<_>>();
    if kept.is_empty() {
        main.off = Some("it has no addresses: write some, then take the # away".to_owned());
    }
    main.set(Entry::many("addresses", elements(kept), blocks).essential());
    if !others.is_empty() {
        main.set(Entry::many("unadvertised_addresses", elements(others), excluded_blocks));
    } else if !excluded_blocks.is_empty() {
        let (block, fate) = (true, Fate::Translated);
        main.say(Note { about: excluded_blocks, block, fate, reason: "nothing is left in it".to_owned() });
    }
}

/// Into the list, or into a remark.
fn keep(held: Held, reason: Option<String>, list: &mut Vec<Held>, main: &mut Section) {
    match reason {
        None => list.push(held),
        Some(reason) => {
            main.say(Note { about: held.element.from, block: false, fate: Fate::Ignored, reason });
        }
    }
}

/// The addresses in all blocks `keyword`, and the blocks.
fn read(facts: &Facts<'_>, keyword: &str, main: &mut Section) -> (Vec<Id>, Vec<Held>) {
    let own = facts.last("interface").and_then(|node| node.word(1));
    let (mut blocks, mut list) = (Vec::new(), Vec::new());
    for block in facts.body.iter().filter(|node| node.keyword() == keyword) {
        blocks.push(block.id);
        for (fate, reason, node) in check::asides(block) {
            main.say(Note::of(node, fate, reason));
        }
        for line in block.body().iter().filter(|line| line.aside.is_none()) {
            match one(line, own) {
                Ok(held) => list.push(held),
                Err(reason) => main.say(Note::whole(line, Fate::Without, reason)),
            }
        }
    }
    (blocks, list)
}

/// `ADDRESS[/LENGTH] [dev INTERFACE] [label LABEL] [scope SCOPE] …`.
fn one(line: &Node, own: Option<&str>) -> Result<Held, String> {
    let word = line.keyword();
    let reason = if word.contains('$') {
        "not replaced: a definition counts before a blank as `$NAME`, elsewhere as `${NAME}`"
    } else {
        "no address, or one that cannot be read"
    };
    let address: IpAddr = super::facts::address(word).ok_or(reason)?;
    let length = word.split_once('/').map(|(_, length)| length);
    let bits = Family::of(address).bits();
    let plain = |text: &str| text.parse::<u8>().is_ok_and(|length| length <= bits);
    if length.is_some_and(|length| !plain(length)) {
        return Err(format!("the prefix length must be from 0 to {bits}"));
    }
    let mut read = Options { line, address, interface: None, table: Vec::new(), notes: Vec::new() };
    let mut rest = line.words.iter().skip(1).map(String::as_str);
    while let Some(option) = rest.next() {
        read.option(option, &mut rest)?;
    }
    let interface = read.interface.filter(|interface| Some(interface.as_str()) != own);
    let mut table = vec![("address", word.to_owned())];
    table.extend(interface.iter().map(|interface| ("interface", interface.clone())));
    table.extend(read.table);
    let text = match table.as_slice() {
        [(_, address)] => string(address),
        table => {
            let keys: Vec<String> =
                table.iter().map(|(key, value)| format!("{key} = {}", string(value))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
    };
    let mut element = Element::new(text, vec![line.id]);
    element.notes = read.notes;
    Ok(Held { address, interface, element })
}

/// The options of an address while they are read.
struct Options<'t> {
    line: &'t Node,
    address: IpAddr,
    interface: Option<String>,
    table: Vec<(&'static str, String)>,
    notes: Vec<Note>,
}

impl Options<'_> {
    fn option<'w>(&mut self, option: &str, rest: &mut impl Iterator<Item = &'w str>) -> Result<(), String> {
        let with_value =
            ["dev", "label", "scope", "brd", "broadcast", "peer", "preferred_lft", "track_group"];
        let value = if with_value.contains(&option) {
            let value =
                rest.next().ok_or_else(|| format!("nothing follows `{option}`: keepalived leaves it out"))?;
            value.to_owned()
        } else {
            String::new()
        };
        let v6 = self.address.is_ipv6();
        match option {
            "dev" => self.interface = Some(value),
            "label" | "scope" if v6 => {
                self.changed(option, "IPv6 addresses have none: keepalived does without it");
            }
            "label" => self.table.push(("label", value)),
            "scope" if ["global", "site", "link", "host"].contains(&value.as_str()) => {
                if value != "global" {
                    self.table.push(("scope", value));
                }
            }
            "scope" => self.changed(option, "scopes are global, site, link and host"),
            "brd" | "broadcast" => self.changed(option, "no broadcast address is set, and nothing needs one"),
            "peer" => self.changed(option, "an address of a point-to-point link cannot be said"),
            "preferred_lft" => {
                self.changed(option, "a /128 is never a source unless asked for, others may be");
            }
            "no_track" => self.changed(option, "an address that somebody deletes is put back"),
            "use_vmac" => self.changed(option, "virtual MAC addresses are not available in this version"),
            "-nodad" => self.changed(option, "addresses that move are never checked for duplicates"),
            "home" | "mngtmpaddr" | "noprefixroute" | "autojoin" => {
                self.changed(option, "cannot be said here");
            }
            _ => {
                let reason = format!("`{option}`: keepalived does not know that either");
                self.notes.push(Note::of(self.line, Fate::Ignored, reason));
            }
        }
        Ok(())
    }

    fn changed(&mut self, option: &str, reason: &str) {
        self.notes.push(Note::of(self.line, Fate::Changed, format!("`{option}`: {reason}")));
    }
}

/// An advert lists one address at least.
fn at_least_one(facts: &Facts<'_>, kept: &mut Vec<Held>, others: &mut Vec<Held>) {
    if !kept.is_empty() {
        return;
    }
    let Some(at) = others.iter().position(|held| Family::of(held.address) == facts.family) else { return };
    let mut first = others.remove(at);
    let reason =
        "adverts must list an address, and no other one is left; the other routers should list it too";
    let about = first.element.from.clone();
    let note = Note { about, block: false, fate: Fate::Changed, reason: reason.to_owned() };
    first.element.notes.push(note);
    kept.push(first);
}

/// What does not fit into an advert, keepalived moves without advertising it.
fn not_too_many(facts: &Facts<'_>, kept: &mut Vec<Held>, others: &mut Vec<Held>) {
    let most = match facts.family {
        Family::Ipv4 => MOST_IPV4,
        Family::Ipv6 => MOST_IPV6,
    };
    if kept.len() <= most {
        return;
    }
    let mut surplus = kept.split_off(most);
    for held in &mut surplus {
        let reason = "it does not fit into an advert: keepalived moves it without listing it, too";
        let about = held.element.from.clone();
        held.element.notes.push(Note { about, block: false, fate: Fate::Changed, reason: reason.to_owned() });
    }
    surplus.append(others);
    *others = surplus;
}

/// RFC 9568, section 5.2.9: IPv6 adverts begin with a link-local address.
fn link_local_first(facts: &Facts<'_>, kept: &mut Vec<Held>) {
    let local = |held: &Held| matches!(held.address, IpAddr::V6(address) if is_link_local(address));
    match kept.iter().position(local) {
        Some(0) => {}
        Some(at) => {
            let mut first = kept.remove(at);
            let reason = "moved to the front: IPv6 adverts begin with a link-local address";
            let about = first.element.from.clone();
            let note = Note { about, block: false, fate: Fate::Changed, reason: reason.to_owned() };
            first.element.notes.push(note);
            kept.insert(0, first);
        }
        None => {
            let vrid = facts.last("virtual_router_id").and_then(|node| number(node, 1, 255)).unwrap_or(1);
            let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(vrid));
            let mut element = Element::new(string(&format!("{address}/64")), Vec::new());
            element.notes.push(Note::plain(format!(
                "Added, to be decided: IPv6 adverts begin with a link-local address (RFC 9568), and keepalived does \
                 without. All routers must list the same addresses: put {address}/64 first in keepalived.conf of the \
                 others too, or change all of them over at once."
            )));
            kept.insert(0, Held { address: IpAddr::V6(address), interface: None, element });
        }
    }
}
