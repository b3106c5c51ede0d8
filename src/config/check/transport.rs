//! Peers and the source address: of the right family, other hosts, not what moves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::instance::Draft;
use super::super::reader::At;
use crate::net::{Family, is_link_local};

/// Checks them against the addresses and each other.
pub(super) fn check(draft: &Draft, family: Option<Family>, problems: &mut Diagnostics) {
    let mut seen: BTreeMap<IpAddr, &At<IpAddr>> = BTreeMap::new();
    for peer in &draft.peers {
        if let Some(first) = seen.get(&peer.value) {
            let message = format!("peer `{}` occurs twice", peer.value);
            let diagnostic = Diagnostic::error(Code::BadPeers, &peer.place, message)
                .label("second use")
                .related(&first.place, "first used here");
            problems.push(diagnostic);
            continue;
        }
        seen.insert(peer.value, peer);
        one_peer(draft, family, peer, problems);
    }
    if let Some(source) = &draft.source_address {
        one_source(draft, family, source, problems);
    }
}

fn one_peer(draft: &Draft, family: Option<Family>, peer: &At<IpAddr>, problems: &mut Diagnostics) {
    let error =
        |message: String, label: &str| Diagnostic::error(Code::BadPeers, &peer.place, message).label(label);
    if let Some(why) = no_host(peer.value) {
        problems.push(error(format!("`{}` cannot be a peer", peer.value), why));
        return;
    }
    if let Some((family, first)) = family.zip(draft.addresses.first())
        && Family::of(peer.value) != family
    {
        let message = format!("peer `{}` is of the other family", peer.value);
        let label = format!("adverts of this instance go over {family}");
        problems.push(error(message, &label).related(&first.place, "decided by this address"));
    }
    if let Some(source) = draft.source_address.as_ref().filter(|source| source.value == peer.value) {
        let message = format!("peer `{}` is this host's own source address", peer.value);
        let hint = "list the other routers only";
        problems.push(error(message, "this host").related(&source.place, "its source address").hint(hint));
    }
    if let Some(held) = virtual_address(draft, peer.value) {
        let message = format!("peer `{}` is a virtual address", peer.value);
        let diagnostic = error(message, "this moves from host to host").related(held, "as listed here");
        problems.push(diagnostic.hint("list an address that stays with the other router"));
    }
}

fn one_source(draft: &Draft, family: Option<Family>, source: &At<IpAddr>, problems: &mut Diagnostics) {
    let error = |message: String, label: &str| {
        Diagnostic::error(Code::BadSource, &source.place, message).label(label)
    };
    let address = source.value;
    if let Some(why) = no_host(address) {
        problems.push(error(format!("`{address}` cannot be a source address"), why));
        return;
    }
    if let Some((family, first)) = family.zip(draft.addresses.first())
        && Family::of(address) != family
    {
        let message = format!("`source_address` `{address}` is of the other family");
        let label = format!("adverts of this instance go over {family}");
        problems.push(error(message, &label).related(&first.place, "decided by this address"));
        return;
    }
    if let IpAddr::V6(v6) = address
        && draft.peers_key.is_none()
        && !is_link_local(v6)
    {
        let message = "adverts to the IPv6 group need a link-local source address".to_owned();
        let hint = "leave `source_address` out: the interface's own link-local address is used";
        problems.push(error(message, "not link-local").hint(hint));
    }
    let owner = draft.priority.as_ref().is_some_and(|priority| priority.value.is_owner());
    if let Some(held) = virtual_address(draft, address)
        && !owner
    {
        let message = format!("`source_address` `{address}` is a virtual address");
        let diagnostic = error(message, "this host does not always have it").related(held, "as listed here");
        problems.push(diagnostic.hint("name an address that stays with this host"));
    }
}

/// Why `address` is none of a single other host, if so.
fn no_host(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() {
        Some("this is the unspecified address")
    } else if address.is_loopback() {
        Some("this is a loopback address")
    } else if address.is_multicast() {
        Some("this is a multicast address")
    } else if broadcast {
        Some("this is the broadcast address")
    } else {
        None
    }
}

fn virtual_address(draft: &Draft, address: IpAddr) -> Option<&super::super::diagnostic::Place> {
    let all = draft.addresses.iter().chain(&draft.unadvertised);
    all.filter(|at| at.value.prefix.address() == address).map(|at| &at.place).next()
}
