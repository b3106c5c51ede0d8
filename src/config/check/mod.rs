//! What the keys of an instance must be to each other, and the instances to one another.
//!
//! [`instance`] turns a [`Draft`] into an [`InstanceConfig`] when nothing is wrong with it; [`across`] looks at all of them.

mod addresses;
mod groups;
mod tracking;
mod transport;
mod units;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::group::GroupDraft;
use super::health::CheckDraft;
use super::hooks::TrackDraft;
use super::instance::Draft;
use super::model::{
    AddressLease, GroupConfig, Hooks, InstanceConfig, Transport, VirtualAddress, automatic_lease,
};
use super::reader::{self, At, say};
use crate::net::{Family, LinkName};
use crate::vrrp::fields::{Interval, Version, Vrid};

/// The configuration that `draft` means; `None` when something is missing or wrong, which has been said then.
pub(super) fn instance(draft: &Draft, problems: &mut Diagnostics) -> Option<InstanceConfig> {
    let errors = problems.errors();
    let family = addresses::check(draft, problems);
    version(draft, family, problems);
    let interval = interval(draft, problems);
    lease(draft, interval, problems);
    preemption(draft, problems);
    transport::check(draft, family, problems);
    no_effect(draft, family, problems);
    if problems.errors() > errors {
        return None;
    }
    let track = |draft: &TrackDraft| Some((draft.check.value.clone(), draft.effect.as_ref()?.value));
    let values = |list: &[At<VirtualAddress>]| list.iter().map(|at| at.value.clone()).collect();
    let transport = match draft.peers_key {
        Some(_) => Transport::Unicast(draft.peers.iter().map(|at| at.value).collect()),
        None => Transport::Multicast,
    };
    Some(InstanceConfig {
        interface: draft.interface.as_ref()?.value.clone(),
        family: family?,
        vrid: draft.vrid.as_ref()?.value,
        version: draft.version.as_ref()?.value,
        priority: draft.priority.as_ref()?.value,
        interval: interval?,
        preempt: draft.preempt.as_ref()?.value,
        preempt_delay: draft.preempt_delay.as_ref()?.value,
        addresses: values(&draft.addresses),
        unadvertised: values(&draft.unadvertised),
        transport,
        source_address: draft.source_address.as_ref().map(|at| at.value),
        password: draft.password,
        checksum: draft.checksum.as_ref().map(|at| at.value).unwrap_or_default(),
        garp: draft.garp,
        address_lease: draft.address_lease.as_ref()?.value,
        track: draft.track.iter().filter_map(track).collect(),
        hooks: Hooks::new(draft.notify.clone(), draft.units.units()),
    })
}

/// The configuration that the group `draft` means; worth something only where nothing is wrong with it.
pub(super) fn group(draft: &GroupDraft) -> GroupConfig {
    GroupConfig {
        members: draft.members.iter().map(|member| member.value.clone()).collect(),
        hooks: Hooks::new(draft.notify.clone(), draft.units.units()),
    }
}

/// Most comparisons of names before no more are offered for one that does not exist: a file of thousands of names with a
/// mistake in each gets its answer all the same.
const MOST_COMPARISONS: usize = 100_000;

/// Which of the `known` names was most likely meant by `name`.
fn guess<'n>(
    name: &str,
    known: impl ExactSizeIterator<Item = &'n str>,
    problems: &Diagnostics,
) -> Option<&'n str> {
    let so_far = problems.list().len().saturating_mul(known.len());
    if so_far > MOST_COMPARISONS { None } else { reader::closest(name, known) }
}

/// Points at the key that set a value, unless it is a default.
fn because<T>(diagnostic: Diagnostic, draft: &Draft, setting: &At<T>, label: &str) -> Diagnostic {
    if setting.place == draft.place { diagnostic } else { diagnostic.related(&setting.place, label) }
}

fn version(draft: &Draft, family: Option<Family>, problems: &mut Diagnostics) {
    let Some(version) = &draft.version else { return };
    if version.value == Version::V2 && family == Some(Family::Ipv6) {
        let mut diagnostic = Diagnostic::error(Code::Version2Ipv6, &version.place, "version 2 has no IPv6")
            .label("version 2")
            .hint("IPv6 needs version 3, the default");
        if let Some(first) = draft.addresses.first() {
            diagnostic = diagnostic.related(&first.place, "an IPv6 address");
        }
        problems.push(diagnostic);
    }
    if version.value == Version::V3
        && let Some(auth) = &draft.auth_key
    {
        let diagnostic = Diagnostic::error(Code::AuthVersion3, auth, "version 3 has no authentication")
            .label("cannot be sent")
            .hint("leave `auth` out; or set `version = 2` where the other routers speak that");
        problems.push(because(diagnostic, draft, version, "version 3"));
    }
}

fn interval(draft: &Draft, problems: &mut Diagnostics) -> Option<Interval> {
    let (Some(version), Some(interval)) = (&draft.version, &draft.interval) else { return None };
    let fits = match version.value {
        Version::V2 => whole_seconds(interval.value).and_then(Interval::from_seconds),
        Version::V3 => centiseconds(interval.value).and_then(Interval::from_centiseconds),
    };
    if fits.is_some() {
        return fits;
    }
    let (message, hint) = match version.value {
        Version::V2 => {
            let near = interval.value.as_secs().clamp(1, 255);
            ("version 2 carries whole seconds, from 1s to 255s", format!("\"{near}s\", or `version = 3`"))
        }
        Version::V3 if interval.value > Interval::LONGEST_V3.duration() => {
            ("version 3 carries at most 40.95s", "\"40.95s\" or less".to_owned())
        }
        Version::V3 => {
            let rest = interval.value.as_nanos() % 10_000_000;
            let below = interval.value.saturating_sub(Duration::from_nanos_u128(rest));
            ("version 3 carries steps of 10ms", format!("the next shorter one is \"{}\"", say(below)))
        }
    };
    let diagnostic = Diagnostic::error(Code::IntervalMismatch, &interval.place, message)
        .label("cannot be sent as it is")
        .hint(hint);
    problems.push(because(diagnostic, draft, version, "this version"));
    None
}

fn lease(draft: &Draft, interval: Option<Interval>, problems: &mut Diagnostics) {
    let (Some(version), Some(lease), Some(interval)) = (&draft.version, &draft.address_lease, interval)
    else {
        return;
    };
    let shortest = automatic_lease(version.value, interval);
    let AddressLease::Seconds(seconds) = lease.value else { return };
    if seconds < shortest {
        let shortest = say(Duration::from_secs(u64::from(shortest)));
        let advert = say(interval.duration());
        let message = format!("`address_lease` must be \"{shortest}\" or longer with adverts every {advert}");
        let diagnostic = Diagnostic::error(Code::LeaseTooShort, &lease.place, message)
            .label("may end before another router has taken over")
            .hint(format!("leave it out for the shortest that does not, which is \"{shortest}\""));
        problems.push(match &draft.interval {
            Some(at) => because(diagnostic, draft, at, "the interval that decides"),
            None => diagnostic,
        });
    }
}

fn whole_seconds(span: Duration) -> Option<u8> {
    if span.subsec_nanos() == 0 { u8::try_from(span.as_secs()).ok() } else { None }
}

fn centiseconds(span: Duration) -> Option<u16> {
    let nanos = span.as_nanos();
    if nanos.is_multiple_of(10_000_000) { u16::try_from(nanos / 10_000_000).ok() } else { None }
}

fn preemption(draft: &Draft, problems: &mut Diagnostics) {
    let (Some(preempt), Some(delay), Some(priority)) =
        (&draft.preempt, &draft.preempt_delay, &draft.priority)
    else {
        return;
    };
    let mut contradiction = |place: &Place, message: &str, label: &str, other: &Place, other_label: &str| {
        let diagnostic = Diagnostic::error(Code::PreemptContradiction, place, message)
            .label(label)
            .related(other, other_label);
        problems.push(diagnostic);
    };
    let owner = priority.value.is_owner();
    let owner_label = "255 owns the addresses and takes them at once";
    if owner && !preempt.value {
        let message = "an owner always preempts";
        contradiction(&preempt.place, message, "cannot hold", &priority.place, owner_label);
    }
    if owner && !delay.value.is_zero() {
        let message = "an owner never waits to preempt";
        contradiction(&delay.place, message, "cannot hold", &priority.place, owner_label);
    } else if !preempt.value && !delay.value.is_zero() {
        let message = "`preempt_delay` delays what `preempt = false` forbids";
        contradiction(&delay.place, message, "never comes to pass", &preempt.place, "no preemption");
    }
}

/// Warns of what is legal and does nothing.
fn no_effect(draft: &Draft, family: Option<Family>, problems: &mut Diagnostics) {
    let (Some(checksum), Some(version), Some(family)) = (&draft.checksum, &draft.version, family) else {
        return;
    };
    if version.value == Version::V3 && family == Family::Ipv4 {
        return;
    }
    let message = "`checksum` has no effect here";
    let label = "only version 3 over IPv4 has two forms of checksum";
    problems.push(Diagnostic::warning(Code::NoEffect, &checksum.place, message).label(label));
}

/// What checks, instances and groups must be to each other.
pub(super) fn hooks(
    checks: &[CheckDraft],
    instances: &[Draft],
    groups: &[GroupDraft],
    problems: &mut Diagnostics,
) {
    tracking::check(checks, instances, problems);
    groups::check(groups, instances, problems);
    units::check(checks, instances, groups, problems);
}

/// What no two instances may share.
pub(super) fn across(drafts: &[Draft], problems: &mut Diagnostics) {
    let mut routers: BTreeMap<(&LinkName, Family, Vrid), (&At<Vrid>, &str)> = BTreeMap::new();
    let mut held: BTreeMap<(&LinkName, IpAddr), (&Place, &str)> = BTreeMap::new();
    for draft in drafts {
        let Some(interface) = &draft.interface else { continue };
        let family = draft.addresses.first().map(|at| Family::of(at.value.prefix.address()));
        if let (Some(vrid), Some(family)) = (&draft.vrid, family) {
            let key = (&interface.value, family, vrid.value);
            if let Some((first, name)) = routers.get(&key) {
                problems.push(duplicate_vrid(draft, vrid, &key, first, name));
            } else {
                routers.insert(key, (vrid, &draft.name));
            }
        }
        for at in draft.addresses.iter().chain(&draft.unadvertised) {
            let address = at.value.prefix.address();
            let link = at.value.interface.as_ref().unwrap_or(&interface.value);
            match held.get(&(link, address)) {
                Some((first, name)) => {
                    problems.push(duplicate_address(draft, at, link, (first, name)));
                }
                None => {
                    held.insert((link, address), (&at.place, &draft.name));
                }
            }
        }
    }
}

fn duplicate_vrid(
    draft: &Draft,
    vrid: &At<Vrid>,
    (interface, family, number): &(&LinkName, Family, Vrid),
    first: &At<Vrid>,
    first_name: &str,
) -> Diagnostic {
    let message = format!("virtual router ID {number} is used twice on `{interface}` for {family}");
    Diagnostic::error(Code::DuplicateVrid, &vrid.place, message)
        .label(format!("second use, by instance `{}`", draft.name))
        .related(&first.place, format!("first used here, by instance `{first_name}`"))
        .hint("each virtual router of a link and family needs an ID of its own")
}

fn duplicate_address(
    draft: &Draft,
    at: &At<VirtualAddress>,
    link: &LinkName,
    (first, first_name): (&Place, &str),
) -> Diagnostic {
    let address = at.value.prefix.address();
    let same = draft.name == first_name;
    let by = |name: &str| if same { String::new() } else { format!(", by instance `{name}`") };
    let message = format!("`{address}` occurs twice on `{link}`");
    let diagnostic = Diagnostic::error(Code::DuplicateAddress, &at.place, message)
        .label(format!("second use{}", by(&draft.name)))
        .related(first, format!("first used here{}", by(first_name)));
    let link_local = matches!(address, IpAddr::V6(address) if crate::net::is_link_local(address));
    if link_local && !same {
        diagnostic.hint("each IPv6 instance of a link needs a link-local address of its own")
    } else {
        diagnostic
    }
}
