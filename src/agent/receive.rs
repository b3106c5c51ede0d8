//! The checks on a message that came in (RFC 9568, section 7.1; RFC 3768, section 7.1), in the order in which they count.
//!
//! A message that fails one has no effect on state, timers or what was learned. Pure functions of the instance's
//! configuration and the datagram.

use std::net::IpAddr;

use super::message::Datagram;
use super::snapshot::InstanceCounters;
use super::trouble::Trouble;
use crate::config::model::{Checksum, InstanceConfig, Transport};
use crate::vrrp::fields::{ChecksumForm, Claim, Version};
use crate::vrrp::packet::{Advertisement, Auth, ParseError, Peek};
use crate::vrrp::router::Heard;

/// A message that passed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// What the state machine hears.
    pub(crate) heard: Heard,
    /// Version 3 over IPv4: the form of its checksum.
    pub(crate) form: Option<ChecksumForm>,
    /// What is odd about it but no reason to drop it.
    pub(crate) notes: Vec<Trouble>,
}

/// Checks a message for the instance of `config`. `own` tells whether an address is one of this host's.
pub(crate) fn check(
    config: &InstanceConfig,
    datagram: &Datagram<'_>,
    own: impl Fn(IpAddr) -> bool,
) -> Result<Accepted, Trouble> {
    if own(datagram.source) {
        return Err(Trouble::OwnAddress);
    }
    // Beyond a router the proof that 255 gives is lost: unicast goes by the list of peers instead.
    if config.transport == Transport::Multicast && datagram.hop_limit != 255 {
        return Err(Trouble::HopLimit(datagram.hop_limit));
    }
    check_version(config, datagram.payload)?;
    let parsed = Advertisement::parse(datagram.payload, datagram.source, datagram.destination)
        .map_err(Trouble::Malformed)?;
    if let (Checksum::Only(ours), Some(theirs)) = (config.checksum, parsed.form)
        && ours != theirs
    {
        return Err(Trouble::ChecksumForm(theirs));
    }
    check_transport(config, datagram)?;
    let advertisement = parsed.advertisement;
    check_auth(config, advertisement.auth)?;
    if config.version == Version::V2 && advertisement.interval != config.interval {
        return Err(Trouble::IntervalV2 { theirs: advertisement.interval, ours: config.interval });
    }
    let heard =
        Heard { claim: advertisement.claim, source: datagram.source, interval: advertisement.interval };
    Ok(Accepted { heard, form: parsed.form, notes: notes(config, &advertisement) })
}

fn check_version(config: &InstanceConfig, payload: &[u8]) -> Result<(), Trouble> {
    if is_carp(payload) {
        return Err(Trouble::Carp);
    }
    match Peek::read(payload) {
        None => Err(Trouble::Malformed(ParseError::Length { actual: payload.len(), expected: 8 })),
        Some(peek) if peek.version != config.version.number() => {
            Err(Trouble::Version { theirs: peek.version, ours: config.version })
        }
        Some(_) => Ok(()),
    }
}

/// CARP says "version 2, type 1" too, but its fourth byte, the length of its authentication in words, is always 7 and
/// its messages have 36 bytes, where VRRP version 2 with seven addresses has 44.
fn is_carp(payload: &[u8]) -> bool {
    payload.len() == 36 && payload.first() == Some(&0x21) && payload.get(3) == Some(&7)
}

fn check_transport(config: &InstanceConfig, datagram: &Datagram<'_>) -> Result<(), Trouble> {
    // A raw IPv6 socket hears every group that anybody on the host has joined: only VRRP's counts.
    let to_group = datagram.destination == config.family.vrrp_group();
    match &config.transport {
        Transport::Multicast if !to_group => Err(Trouble::Unicast),
        Transport::Unicast(_) if datagram.destination.is_multicast() => Err(Trouble::Multicast),
        Transport::Unicast(peers) if !peers.contains(&datagram.source) => Err(Trouble::NotAPeer),
        Transport::Multicast | Transport::Unicast(_) => Ok(()),
    }
}

/// RFC 3768, sections 5.3.6 and 7.1; RFC 2338, section 5.3.10. Version 3 has no authentication.
fn check_auth(config: &InstanceConfig, auth: Auth) -> Result<(), Trouble> {
    match (config.password, auth) {
        (None, Auth::None) => Ok(()),
        (Some(ours), Auth::Password(theirs)) if ours.0 == theirs => Ok(()),
        (Some(_), Auth::Password(_)) => Err(Trouble::Password),
        (None, Auth::Password(_) | Auth::Other(_)) | (Some(_), Auth::None | Auth::Other(_)) => {
            Err(Trouble::AuthType)
        }
    }
}

fn notes(config: &InstanceConfig, advertisement: &Advertisement) -> Vec<Trouble> {
    let mut notes = Vec::new();
    if advertisement.interval != config.interval {
        notes.push(Trouble::IntervalV3 { theirs: advertisement.interval, ours: config.interval });
    }
    let ours = config.addresses.iter().map(|address| address.prefix.address());
    if !ours.eq(advertisement.addresses.iter().copied()) && !same_set(config, advertisement) {
        notes.push(Trouble::AddressList);
    }
    if config.priority.is_owner() && advertisement.claim == Claim::Hold(config.priority) {
        notes.push(Trouble::SecondOwner);
    }
    notes
}

/// The order of the list is advice only (RFC 9568, section 5.2.9).
fn same_set(config: &InstanceConfig, advertisement: &Advertisement) -> bool {
    let mut ours: Vec<IpAddr> = config.addresses.iter().map(|address| address.prefix.address()).collect();
    let mut theirs = advertisement.addresses.clone();
    ours.sort_unstable();
    theirs.sort_unstable();
    ours == theirs
}

/// Counts a message that was dropped, or an oddity that was noted.
pub(crate) fn count(counters: &mut InstanceCounters, trouble: Trouble) {
    let counter = match trouble {
        Trouble::OwnAddress => &mut counters.own_packets,
        Trouble::HopLimit(_) => &mut counters.ip_ttl_errors,
        Trouble::Version { .. } | Trouble::Carp | Trouble::Malformed(ParseError::Version(_)) => {
            &mut counters.version_errors
        }
        Trouble::Malformed(ParseError::Type(_)) => &mut counters.invalid_type,
        Trouble::Malformed(ParseError::Checksum) | Trouble::ChecksumForm(_) => &mut counters.checksum_errors,
        Trouble::Malformed(ParseError::ZeroInterval)
        | Trouble::IntervalV2 { .. }
        | Trouble::IntervalV3 { .. } => &mut counters.adv_interval_errors,
        Trouble::Malformed(
            ParseError::Length { .. }
            | ParseError::NoAddresses
            | ParseError::Vrid
            | ParseError::FirstNotLinkLocal,
        ) => &mut counters.packet_length_errors,
        Trouble::AuthType => &mut counters.auth_type_errors,
        Trouble::Password => &mut counters.auth_failures,
        Trouble::Unicast | Trouble::Multicast | Trouble::NotAPeer => &mut counters.foreign_packets,
        Trouble::AddressList => &mut counters.address_list_errors,
        Trouble::SecondOwner => &mut counters.second_owner,
    };
    *counter += 1;
}
