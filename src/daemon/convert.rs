//! The agent's words and the operating system's, one into the other.

use crate::agent::message::{self, Change, Input, LinkAddress, Listen, Refusal};
use crate::os::OsError;
use crate::os::filter::{Filter, Row};
use crate::os::netlink::{Address, AddressChange, Event, Failure, Link, Observed};

pub(super) fn filter(listen: &Listen) -> Filter {
    let row = |row: &message::FilterRow| Row {
        vrid: row.vrid.number(),
        version: row.version.number(),
        multicast: row.multicast,
    };
    Filter { rows: listen.filter.iter().map(row).collect(), strict: listen.strict }
}

pub(super) fn change(change: &Change) -> AddressChange {
    match change {
        Change::Add { prefix, label, scope, preferred, route, lease } => AddressChange::Add {
            prefix: *prefix,
            label: label.clone(),
            scope: *scope,
            preferred: *preferred,
            route: *route,
            lease: *lease,
        },
        Change::Renew { prefix, label, scope, preferred, route, lease } => AddressChange::Renew {
            prefix: *prefix,
            label: label.clone(),
            scope: *scope,
            preferred: *preferred,
            route: *route,
            lease: *lease,
        },
        Change::Remove { prefix } => AddressChange::Remove { prefix: *prefix },
    }
}

pub(super) fn event(event: Event) -> Input<'static> {
    match event {
        Event::Link(link) => Input::Link(self::link(link)),
        Event::LinkGone(index) => Input::LinkGone(index),
        Event::Address(address) => Input::Address(self::address(&address)),
        Event::AddressGone { link, prefix } => Input::AddressGone { link, prefix },
    }
}

pub(super) fn observed(observed: Observed) -> message::Observed {
    message::Observed {
        links: observed.links.into_iter().map(link).collect(),
        addresses: observed.addresses.iter().map(address).collect(),
    }
}

pub(super) fn refusal(failure: Failure) -> Refusal {
    Refusal { errno: failure.errno, text: failure.text }
}

pub(super) fn refused(error: &OsError) -> Refusal {
    Refusal { errno: error.errno(), text: error.to_string() }
}

fn link(link: Link) -> message::Link {
    let Link { index, name, mac, up, carrier, mtu } = link;
    message::Link { index, name, mac, up, carrier, mtu }
}

fn address(address: &Address) -> LinkAddress {
    let Address { link, prefix, protocol, tentative, secondary } = *address;
    LinkAddress { link, prefix, protocol, tentative, secondary }
}
