//! Which of our addresses the kernel makes a route for.
//!
//! Linux gives the route to an IPv6 network the end that the address has which it makes it for, and does not take that back
//! when the address goes. Where the host has an address of its own in the network, the route is that one's: with a leased
//! address of ours it would end soon after our last renewal, and the host could not reach the network any more. So ours
//! asks for no route there.
//!
//! Never: knows routes themselves. When the host's own address goes, the next renewal brings a route.

use super::Agent;
use super::addresses::ADDRESS_PROTOCOL;
use super::message::{Change, LinkAddress, Output};
use crate::net::{LinkIndex, Prefix};

impl Agent {
    /// Has those of the outputs that lease an address ask for no route where the host has one of its own.
    pub(super) fn spare_routes(&mut self, outputs: &mut [Output]) {
        for (network, route) in outputs.iter_mut().filter_map(leased) {
            *route = !self.has_own_address_in(network);
        }
    }

    /// Whether the host has an address of its own in a network, of this very length.
    pub(super) fn has_own_address_in(&mut self, (link, network): (LinkIndex, Prefix)) -> bool {
        let known = self.networks.get(&(link, network)).copied();
        let own = known.unwrap_or_else(|| self.look_for_own_address_in(link, network));
        self.networks.insert((link, network), own);
        own
    }

    fn look_for_own_address_in(&self, link: LinkIndex, network: Prefix) -> bool {
        let ours = |address: &LinkAddress| {
            address.protocol == ADDRESS_PROTOCOL || self.addresses.is_ours((link, address.prefix.address()))
        };
        self.world.in_network(link, network).any(|address| !ours(address))
    }
}

/// The network of an IPv6 address that is to be leased, and whether that asks for a route.
fn leased(output: &mut Output) -> Option<((LinkIndex, Prefix), &mut bool)> {
    let Output::Apply { link, change, .. } = output else { return None };
    match change {
        Change::Add { prefix, route, lease: Some(_), .. }
        | Change::Renew { prefix, route, lease: Some(_), .. } => {
            prefix.address().is_ipv6().then(|| ((*link, prefix.network()), route))
        }
        Change::Add { .. } | Change::Renew { .. } | Change::Remove { .. } => None,
    }
}
