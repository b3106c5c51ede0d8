//! VRRP messages: bytes to [`Advertisement`] and back.
//!
//! Owns: the layout of both versions (RFC 9568, section 5.2; RFC 3768, section 5.3), the forms of the checksum, and
//! those checks of section 7.1 that one message alone can pass or fail. Never: compares a message with a
//! configuration, indexes, panics. What is not exactly one whole legal message is a [`ParseError`].
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! ┌───────┬───────┬───────────────┬───────────────┬───────────────┐
//! │version│ type 1│     VRID      │   priority    │ address count │
//! ├───────┼───────┴───────────────┼───────────────┴───────────────┤
//! │   0   │  interval, 1/100 s    │           checksum            │  version 3
//! │   auth type   │  interval, s  │           checksum            │  version 2
//! ├───────────────┴───────────────┴───────────────────────────────┤
//! │ addresses, 4 or 16 bytes each; version 2: 8 bytes of password │
//! └───────────────────────────────────────────────────────────────┘
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{Sum, VRRP};
use super::fields::{ChecksumForm, Claim, Interval, Version, Vrid};
use crate::net::{Family, is_link_local};

#[cfg(test)]
mod tests;

/// The only type of message there is (RFC 9568, section 5.2.2).
const ADVERTISEMENT: u8 = 1;
/// Bytes before the addresses.
const HEADER: usize = 8;
/// Bytes of authentication data that end every message of version 2 (RFC 3768, section 5.3.10). They are what tells
/// a VRRP message from one of CARP, which shares protocol number, group and first byte.
const AUTH_DATA: usize = 8;
/// Most addresses that the count field can tell.
const MOST_ADDRESSES: usize = 255;
/// The bits of bytes 4 and 5 that are version 3's interval; the others are sent as zero and not read.
const INTERVAL_BITS: u16 = 0x0fff;

/// Authentication of a version 2 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Auth {
    /// Type 0. The eight bytes are zero when sent and ignored when received (RFC 3768, section 5.3.10).
    None,
    /// Type 1: simple text password, zero-filled to eight bytes (RFC 2338, section 5.3.10).
    Password([u8; 8]),
    /// Any other type: not supported, never sent.
    Other(u8),
}

/// One VRRP advertisement with legal fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Protocol version.
    pub version: Version,
    /// Which virtual router.
    pub vrid: Vrid,
    /// Priority or resignation.
    pub claim: Claim,
    /// The sender's own interval.
    pub interval: Interval,
    /// The addresses in the order sent, 1–255 of one family.
    pub addresses: Vec<IpAddr>,
    /// Version 2 only; [`Auth::None`] in version 3.
    pub auth: Auth,
}

/// A message that was accepted, and the form of its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The message.
    pub advertisement: Advertisement,
    /// Version 3 over IPv4: which form verified. `None` otherwise, where there is only one.
    pub form: Option<ChecksumForm>,
}

/// Why bytes are no advertisement (RFC 9568, section 7.1), in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Version nibble neither 2 nor 3, or version 2 over IPv6.
    #[error("VRRP version {0}")]
    Version(u8),
    /// Type nibble not 1.
    #[error("VRRP type {0}")]
    Type(u8),
    /// Not exactly as long as its address count says.
    #[error("{actual} bytes long where {expected} are due")]
    Length {
        /// Bytes there are.
        actual: usize,
        /// Bytes there should be.
        expected: usize,
    },
    /// No form of the checksum verifies.
    #[error("wrong checksum")]
    Checksum,
    /// VRID 0.
    #[error("virtual router ID 0")]
    Vrid,
    /// No addresses (erratum 8299).
    #[error("no addresses")]
    NoAddresses,
    /// IPv6: the first address is not link-local (erratum 8300).
    #[error("the first address is not link-local")]
    FirstNotLinkLocal,
    /// Interval 0 (erratum 8301).
    #[error("advertisement interval 0")]
    ZeroInterval,
}

/// The first two bytes, for looking up whom a message is for before all of it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Version nibble as sent.
    pub version: u8,
    /// Type nibble as sent.
    pub kind: u8,
    /// Virtual router identifier as sent.
    pub vrid: u8,
}

impl Peek {
    /// Reads the first two bytes; `None` if there are fewer.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [first, vrid] = *bytes.first_chunk()?;
        Some(Peek { version: first >> 4, kind: first & 0x0f, vrid })
    }
}

impl Advertisement {
    /// The message from `bytes`, the IP payload; `source` and `destination` are the IP header's, of one family.
    ///
    /// The checks stand in the order of [`ParseError`]'s variants; the first one that fails is told. Fewer bytes than
    /// the header are [`ParseError::Length`] once the version and type that are there passed.
    pub fn parse(bytes: &[u8], source: IpAddr, destination: IpAddr) -> Result<Parsed, ParseError> {
        let family = Family::of(source);
        let version = version_and_type(bytes.first().copied(), family)?;
        let short = ParseError::Length { actual: bytes.len(), expected: HEADER };
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(short)?;
        let [_, vrid, priority, count, b4, b5, _, _] = *header;

        let listed = usize::from(count) * address_size(family);
        let expected = HEADER + listed + auth_size(version);
        let (listed, auth_data) = rest
            .split_at_checked(listed)
            .filter(|_| bytes.len() == expected)
            .ok_or(ParseError::Length { actual: bytes.len(), expected })?;
        let form = verify(bytes, version, source, destination)?;
        let vrid = Vrid::new(vrid).ok_or(ParseError::Vrid)?;
        let addresses = addresses(listed, family);
        match addresses.first() {
            None => return Err(ParseError::NoAddresses),
            Some(IpAddr::V6(first)) if !is_link_local(*first) => return Err(ParseError::FirstNotLinkLocal),
            Some(_) => {}
        }
        let interval = match version {
            Version::V2 => Interval::from_seconds(b5),
            Version::V3 => Interval::from_centiseconds(u16::from_be_bytes([b4, b5]) & INTERVAL_BITS),
        };
        let advertisement = Advertisement {
            version,
            vrid,
            claim: Claim::from_number(priority),
            interval: interval.ok_or(ParseError::ZeroInterval)?,
            addresses,
            auth: auth(version, b4, auth_data),
        };
        Ok(Parsed { advertisement, form })
    }

    /// The message as bytes, its addresses in their order. `form` matters only for version 3 over IPv4.
    ///
    /// Total, for it must not fail in the middle of a takeover. Of what the configuration never lets through, addresses
    /// of another family than `source` are left out, as are those beyond the 255th; an interval that the version cannot
    /// carry becomes the next longer one that it can, or the longest; an [`Auth::Other`] is sent with zero data.
    #[must_use]
    pub fn emit(&self, source: IpAddr, destination: IpAddr, form: ChecksumForm) -> Vec<u8> {
        let family = Family::of(source);
        let of_family = || self.addresses.iter().filter(|a| Family::of(**a) == family).take(MOST_ADDRESSES);
        let count = u8::try_from(of_family().count()).unwrap_or(u8::MAX);
        let (auth_type, auth_data) = match self.auth {
            Auth::None => (0, [0; AUTH_DATA]),
            Auth::Password(password) => (1, password),
            Auth::Other(number) => (number, [0; AUTH_DATA]),
        };
        let [b4, b5] = match self.version {
            Version::V2 => [auth_type, whole_seconds(self.interval)],
            Version::V3 => self.interval.min(Interval::LONGEST_V3).centiseconds().to_be_bytes(),
        };
        let first = self.version.number() << 4 | ADVERTISEMENT;

        let length = HEADER + usize::from(count) * address_size(family) + auth_size(self.version);
        let mut bytes = Vec::with_capacity(length);
        bytes.extend([first, self.vrid.number(), self.claim.number(), count, b4, b5, 0, 0]);
        for address in of_family() {
            match address {
                IpAddr::V4(v4) => bytes.extend(v4.octets()),
                IpAddr::V6(v6) => bytes.extend(v6.octets()),
            }
        }
        if self.version == Version::V2 {
            bytes.extend(auth_data);
        }
        let sum = match (self.version, family, form) {
            (Version::V3, Family::Ipv6, _) | (Version::V3, Family::Ipv4, ChecksumForm::Rfc5798) => {
                Sum::pseudo_header(source, destination, VRRP, length)
            }
            (Version::V3, Family::Ipv4, ChecksumForm::Rfc9568) | (Version::V2, _, _) => Sum::default(),
        };
        let checksum = sum.add(&bytes).checksum().to_be_bytes();
        if let Some((header, _)) = bytes.split_first_chunk_mut::<HEADER>() {
            let [.., high, low] = header;
            [*high, *low] = checksum;
        }
        bytes
    }
}

fn version_and_type(first: Option<u8>, family: Family) -> Result<Version, ParseError> {
    let first = first.ok_or(ParseError::Length { actual: 0, expected: HEADER })?;
    let version = match (first >> 4, family) {
        (2, Family::Ipv4) => Version::V2,
        (3, Family::Ipv4 | Family::Ipv6) => Version::V3,
        (other, Family::Ipv4 | Family::Ipv6) => return Err(ParseError::Version(other)),
    };
    match first & 0x0f {
        ADVERTISEMENT => Ok(version),
        other => Err(ParseError::Type(other)),
    }
}

fn address_size(family: Family) -> usize {
    usize::from(family.bits() / 8)
}

fn auth_size(version: Version) -> usize {
    match version {
        Version::V2 => AUTH_DATA,
        Version::V3 => 0,
    }
}

/// Finds the form of checksum that `bytes` have (RFC 9568 and RFC 5798, sections 5.2.8; RFC 3768, section 5.3.8).
///
/// Of version 3 over IPv4 both forms are in use, and either is accepted. keepalived up to 1.3.6 summed the group's
/// address in its pseudo-header also when it sent to a unicast peer.
fn verify(
    bytes: &[u8],
    version: Version,
    source: IpAddr,
    destination: IpAddr,
) -> Result<Option<ChecksumForm>, ParseError> {
    let with = |destination| Sum::pseudo_header(source, destination, VRRP, bytes.len()).add(bytes).verifies();
    let family = Family::of(source);
    match (version, family) {
        (Version::V2, _) if Sum::of(bytes).verifies() => Ok(None),
        (Version::V3, Family::Ipv6) if with(destination) => Ok(None),
        (Version::V3, Family::Ipv4) if Sum::of(bytes).verifies() => Ok(Some(ChecksumForm::Rfc9568)),
        (Version::V3, Family::Ipv4) if with(destination) || with(family.vrrp_group()) => {
            Ok(Some(ChecksumForm::Rfc5798))
        }
        (Version::V2 | Version::V3, Family::Ipv4 | Family::Ipv6) => Err(ParseError::Checksum),
    }
}

fn addresses(listed: &[u8], family: Family) -> Vec<IpAddr> {
    match family {
        Family::Ipv4 => {
            listed.as_chunks().0.iter().map(|octets: &[u8; 4]| Ipv4Addr::from(*octets).into()).collect()
        }
        Family::Ipv6 => {
            listed.as_chunks().0.iter().map(|octets: &[u8; 16]| Ipv6Addr::from(*octets).into()).collect()
        }
    }
}

fn auth(version: Version, kind: u8, data: &[u8]) -> Auth {
    match (version, kind) {
        (Version::V3, _) | (Version::V2, 0) => Auth::None,
        (Version::V2, 1) => {
            data.first_chunk().map_or(Auth::Other(kind), |password| Auth::Password(*password))
        }
        (Version::V2, other) => Auth::Other(other),
    }
}

/// Version 2's interval; never 0, which keepalived once sent and its peers took for a flood to join in.
fn whole_seconds(interval: Interval) -> u8 {
    u8::try_from(interval.centiseconds().div_ceil(100)).unwrap_or(u8::MAX)
}
