//! The addresses of one instance: one family, the right first one, not too many, each once, sensible labels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::super::instance::Draft;
use super::super::keys;
use super::super::model::VirtualAddress;
use super::super::reader::At;
use crate::net::{Family, is_link_local};

/// Most addresses in an IPv6 advert on a link of 1500 bytes: (1500 - 40 - 8) / 16.
const MOST_IPV6: usize = 90;

/// Checks them, and tells the family that the first of them decides.
pub(super) fn check(draft: &Draft, problems: &mut Diagnostics) -> Option<Family> {
    labels(draft, problems);
    let first = draft.addresses.first()?;
    let family = Family::of(first.value.prefix.address());
    let mixed = mixed(draft, first, family, problems);
    count(draft, family, problems);
    twice(draft, problems);
    if family == Family::Ipv6 && !mixed {
        first_is_link_local(draft, first, problems);
    }
    Some(family)
}

fn mixed(draft: &Draft, first: &At<VirtualAddress>, family: Family, problems: &mut Diagnostics) -> bool {
    let other = draft.addresses.iter().find(|at| Family::of(at.value.prefix.address()) != family);
    if let Some(other) = other {
        let message = format!("instance `{}` mixes IPv4 and IPv6 in its adverts", draft.name);
        let diagnostic = Diagnostic::error(Code::MixedFamilies, &other.place, message)
            .label(format!("this is {}", Family::of(other.value.prefix.address())))
            .related(&first.place, format!("this is {family}"))
            .hint("make two instances, one per family; or list it under `unadvertised_addresses`");
        problems.push(diagnostic);
    }
    other.is_some()
}

fn count(draft: &Draft, family: Family, problems: &mut Diagnostics) {
    let (most, why) = match family {
        // 8 + 255 × 4 + 8 bytes fit every link.
        Family::Ipv4 => {
            (keys::row(keys::INSTANCE, "addresses").kind.most(), "an advert counts them in one byte")
        }
        Family::Ipv6 => (MOST_IPV6, "more do not fit in a packet of 1500 bytes"),
    };
    if let Some(beyond) = draft.addresses.get(most) {
        let total = draft.addresses.len();
        let message = format!("an {family} advert carries at most {most} addresses, not {total}");
        let diagnostic = Diagnostic::error(Code::TooManyAddresses, &beyond.place, message)
            .label(format!("the first one too many: {why}"))
            .hint("`unadvertised_addresses` move too, without a limit");
        problems.push(diagnostic);
    }
}

/// The same address on two interfaces is two entries in one advert; on one interface it is told by [`super::across`].
fn twice(draft: &Draft, problems: &mut Diagnostics) {
    let mut seen: BTreeMap<IpAddr, &At<VirtualAddress>> = BTreeMap::new();
    for at in &draft.addresses {
        let address = at.value.prefix.address();
        match seen.get(&address) {
            Some(first) if first.value.interface != at.value.interface => {
                let message =
                    format!("`{address}` is listed twice in the adverts of instance `{}`", draft.name);
                let diagnostic = Diagnostic::error(Code::DuplicateAddress, &at.place, message)
                    .label("second use")
                    .related(&first.place, "first used here")
                    .hint("list it once under `addresses` and again under `unadvertised_addresses`");
                problems.push(diagnostic);
            }
            Some(_) => {}
            None => {
                seen.insert(address, at);
            }
        }
    }
}

/// RFC 9568, sections 5.2.9 and 6.1: receivers drop what begins otherwise (erratum 8300).
fn first_is_link_local(draft: &Draft, first: &At<VirtualAddress>, problems: &mut Diagnostics) {
    let is_local = |at: &At<VirtualAddress>| matches!(at.value.prefix.address(), IpAddr::V6(address) if is_link_local(address));
    if is_local(first) {
        return;
    }
    let message = "the first IPv6 address must be link-local";
    let diagnostic = Diagnostic::error(Code::FirstNotLinkLocal, &first.place, message)
        .label("other routers drop adverts that begin with this");
    let later = draft.addresses.iter().find(|at| is_local(at));
    problems.push(if let Some(later) = later {
        diagnostic.related(&later.place, "this one is").hint("put it first, on every router")
    } else {
        let number = draft.vrid.as_ref().map_or(1, |vrid| vrid.value.number());
        diagnostic.hint(format!("put one first, the same on every router, such as \"fe80::{number:x}/64\""))
    });
}

fn labels(draft: &Draft, problems: &mut Diagnostics) {
    for at in draft.addresses.iter().chain(&draft.unadvertised) {
        let interface = at.value.interface.as_ref().or(draft.interface.as_ref().map(|at| &at.value));
        let (Some(label), Some(interface)) = (&at.value.label, interface) else { continue };
        let rest = label.strip_prefix(interface.as_str());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            continue;
        }
        let place: &Place = &at.place;
        let message = format!("the label `{label}` does not begin with `{interface}:`");
        let diagnostic = Diagnostic::warning(Code::OddLabel, place, message)
            .label("the label of this address")
            .hint(format!("ifconfig(8) does not show such an address; usual is \"{interface}:1\""));
        problems.push(diagnostic);
    }
}
