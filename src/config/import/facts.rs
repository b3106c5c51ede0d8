//! What an instance amounts to in keepalived once all its statements were taken together: the version it speaks, its
//! family, its priority, whether `state MASTER` counts. The traps of the language are worked out here, once.

use std::net::IpAddr;

use super::model::Model;
use super::text;
use super::tree::{Id, Node};
use crate::net::Family;
use crate::vrrp::fields::Version;

/// Priority where `state MASTER` stands and no priority.
const OWNER: u8 = 255;
/// Priority where neither stands.
const DEFAULT: u8 = 100;

/// An instance taken together.
#[derive(Debug)]
pub(super) struct Facts<'t> {
    pub(super) body: &'t [Node],
    /// What the first address that decides it is.
    pub(super) family: Family,
    pub(super) version: Version,
    /// The statement that decided the version.
    pub(super) version_from: Option<&'t Node>,
    pub(super) priority: u8,
    /// Whether it begins as MASTER, which in keepalived switches `nopreempt` and `preempt_delay` off.
    pub(super) master: bool,
    /// The statement that says so.
    pub(super) state: Option<&'t Node>,
    pub(super) strict: bool,
    /// Whether `unicast_peer` names anybody.
    pub(super) unicast: bool,
}

impl<'t> Facts<'t> {
    /// What the instance `node` amounts to.
    pub(super) fn of(node: &'t Node, model: &Model<'t>) -> Self {
        let body = node.body();
        let family = family(body);
        let stated = last(body, "version");
        let said = |node: Option<&Node>| match node.and_then(|node| node.word(1)) {
            Some("2") => Some(Version::V2),
            Some("3") => Some(Version::V3),
            _ => None,
        };
        let version_from =
            stated.filter(|node| said(Some(node)).is_some()).or_else(|| model.global("vrrp_version"));
        let version = match family {
            Family::Ipv6 => Version::V3,
            Family::Ipv4 => said(version_from).unwrap_or(Version::V2),
        };
        let strict = last(body, "strict_mode").or_else(|| model.global("vrrp_strict")).is_some_and(on);
        let state = state(body);
        let says_master = state.is_some_and(|node| node.word(1) == Some("MASTER"));
        let priority = match last(body, "priority") {
            Some(node) => number(node, 1, 255).unwrap_or(DEFAULT),
            None if says_master => OWNER,
            None => DEFAULT,
        };
        // Strict mode puts a `state MASTER` right that is not the owner's.
        let master = says_master && (!strict || priority == OWNER);
        let peers = body.iter().filter(|node| node.keyword() == "unicast_peer");
        let unicast = peers.flat_map(Node::body).any(|peer| address(peer.keyword()).is_some());
        Facts { body, family, version, version_from, priority, master, state, strict, unicast }
    }

    /// Whether it owns its addresses.
    pub(super) fn owner(&self) -> bool {
        self.priority == OWNER
    }

    /// Whether it takes over from a router of lower priority.
    pub(super) fn preempts(&self) -> bool {
        let last = self.body.iter().rfind(|node| matches!(node.keyword(), "preempt" | "nopreempt"));
        self.owner() || self.master || last.is_none_or(|node| node.keyword() == "preempt")
    }

    /// The last statement with this keyword, which is the one that counts.
    pub(super) fn last(&self, keyword: &str) -> Option<&'t Node> {
        last(self.body, keyword)
    }

    /// All statements with this keyword.
    pub(super) fn all(&self, keyword: &'t str) -> impl Iterator<Item = &'t Node> {
        self.body.iter().filter(move |node| node.keyword() == keyword)
    }
}

/// The last statement with this keyword.
pub(super) fn last<'t>(body: &'t [Node], keyword: &str) -> Option<&'t Node> {
    body.iter().rfind(|node| node.keyword() == keyword)
}

/// The statements by number.
pub(super) fn ids<'t>(nodes: impl IntoIterator<Item = &'t Node>) -> Vec<Id> {
    nodes.into_iter().map(|node| node.id).collect()
}

/// A flag that stands alone or before `on`, `off` and the like; what is none of them counts as on.
pub(super) fn on(node: &Node) -> bool {
    node.word(1).and_then(text::boolean).unwrap_or(true)
}

/// The first word as a number from `low` to `high`.
pub(super) fn number(node: &Node, low: u8, high: u8) -> Option<u8> {
    let digits = node.word(1).filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|number| (low..=high).contains(number))
}

/// An address, with or without a prefix length.
pub(super) fn address(word: &str) -> Option<IpAddr> {
    word.split('/').next()?.parse().ok()
}

/// `state MASTER` wherever it stands, else the last `state`.
fn state(body: &[Node]) -> Option<&Node> {
    let mut states = body.iter().filter(|node| node.keyword() == "state");
    states.find(|node| node.word(1) == Some("MASTER")).or_else(|| last(body, "state"))
}

/// The family of whatever names an address first.
fn family(body: &[Node]) -> Family {
    for node in body {
        let decided = match node.keyword() {
            "native_ipv6" => Some(Family::Ipv6),
            "mcast_src_ip" | "unicast_src_ip" | "mcast_dst_ip" => {
                node.word(1).and_then(address).map(Family::of)
            }
            "virtual_ipaddress" | "unicast_peer" => {
                node.body().iter().find_map(|line| address(line.keyword())).map(Family::of)
            }
            "use_ipvlan" => node.words.iter().find_map(|word| address(word)).map(Family::of),
            _ => None,
        };
        if let Some(family) = decided {
            return family;
        }
    }
    // Only excluded addresses: keepalived sends empty adverts over IPv4, which needs an IPv4 address here.
    let excluded = body.iter().filter(|node| node.keyword() == "virtual_ipaddress_excluded");
    let mut families =
        excluded.flat_map(Node::body).filter_map(|line| address(line.keyword()).map(Family::of));
    let first = families.next();
    if families.chain(first).all(|family| family == Family::Ipv6) && first.is_some() {
        Family::Ipv6
    } else {
        Family::Ipv4
    }
}
