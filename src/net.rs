//! Values that every layer shares: links, hardware addresses, address families, prefixes, and the one view of an
//! IPv4 header that a raw socket makes necessary. No sockets, no system calls; whatever is malformed is `None`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize, Serializer};

/// The kernel's number of a network interface. A deleted and re-created interface gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(pub u32);

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An interface's name, 1 to 15 bytes without `/` and white space, as the kernel demands (`dev_valid_name`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName {
    /// Filled up with zeros, so that the order is that of the texts.
    bytes: [u8; LinkName::LONGEST],
    length: NonZeroU8,
}

impl LinkName {
    /// Longest name in bytes: `IFNAMSIZ` less the terminating zero.
    pub const LONGEST: usize = 15;

    /// The name, if the kernel could have an interface so called.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let legal = !name.is_empty()
            && name.len() <= Self::LONGEST
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace());
        let length = u8::try_from(name.len()).ok().and_then(NonZeroU8::new).filter(|_| legal)?;
        let mut bytes = [0; Self::LONGEST];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(LinkName { bytes, length })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length.get()));
        // Made of a text, so it is one.
        bytes.and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LinkName").field(&self.as_str()).finish()
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for LinkName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An Ethernet hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// IPv4 or IPv6: a virtual router lives in exactly one (RFC 9568, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family that `address` belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Bits in an address: 32 or 128.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }

    /// Where VRRP adverts of this family go: 224.0.0.18 or `ff02::12` (RFC 9568, sections 5.1.1.2 and 5.1.2.2).
    #[must_use]
    pub fn vrrp_group(self) -> IpAddr {
        match self {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

/// An address and the length of its network part, as an interface holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// `address` with a network part of `length` bits; `None` above 32 (IPv4) or 128 (IPv6).
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        (length <= Family::of(address).bits()).then_some(Prefix { address, length })
    }

    /// `address` alone: /32 or /128.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Prefix { address, length: Family::of(address).bits() }
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Bits of the network part.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// The network that the address is in: the same for each address of it.
    #[must_use]
    pub fn network(self) -> Prefix {
        let host = Family::of(self.address).bits() - self.length;
        let address = match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(host.into()).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(host.into()).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Prefix { address, ..self }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// How far an IPv4 address reaches (`rt_scope_t`): what `scope` in the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everywhere (0).
    #[default]
    Global,
    /// This site (200; IPv6 only knows it historically).
    Site,
    /// This link (253).
    Link,
    /// This host (254).
    Host,
}

impl Scope {
    /// The kernel's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Scope::Global => 0,
            Scope::Site => 200,
            Scope::Link => 253,
            Scope::Host => 254,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Global => "global",
            Scope::Site => "site",
            Scope::Link => "link",
            Scope::Host => "host",
        })
    }
}

/// Whether `address` is in `fe80::/10`.
#[must_use]
pub fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80)
}

/// What a raw IPv4 socket delivers, taken apart: options are skipped, padding beyond the total length is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// What follows the header, up to the header's total length.
    pub payload: &'a [u8],
}

impl<'a> Ipv4Packet<'a> {
    /// Takes `bytes` apart. `None` when it is no whole IPv4 datagram: wrong version, short, or a fragment.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let fixed: &[u8; 20] = bytes.first_chunk()?;
        let [first, _, len_hi, len_lo, _, _, frag_hi, frag_lo, ttl, _, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            *fixed;
        let header = usize::from(first & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([len_hi, len_lo]));
        let fragment = u16::from_be_bytes([frag_hi, frag_lo]) & 0x3fff;
        if first >> 4 != 4 || header < fixed.len() || fragment != 0 {
            return None;
        }
        let payload = bytes.get(header..total)?;
        Some(Ipv4Packet {
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
            ttl,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_are_what_the_kernel_takes() {
        for good in ["eth0", "a", "bond0.100", "fifteen-bytes-x"] {
            assert_eq!(LinkName::new(good).map(|n| n.to_string()).as_deref(), Some(good));
        }
        for bad in ["", ".", "..", "eth 0", "eth/0", "eth0:1", "sixteen-bytes-xx"] {
            assert_eq!(LinkName::new(bad), None, "{bad:?}");
        }
        let mut names = ["lan", "eth10", "eth1", "eth1.2", "eth2"].map(|name| LinkName::new(name).unwrap());
        names.sort_unstable();
        assert_eq!(names.map(|name| name.to_string()), ["eth1", "eth1.2", "eth10", "eth2", "lan"]);
    }

    #[test]
    fn prefixes_know_their_family() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(Prefix::new(v4, 33), None);
        assert_eq!(Prefix::new(v6, 129), None);
        assert_eq!(Prefix::new(v4, 24).unwrap().to_string(), "192.0.2.1/24");
        assert_eq!(Prefix::host(v6).length(), 128);
    }

    #[test]
    fn ipv4_header_options_and_padding_are_not_payload() {
        let mut bytes = vec![0x46, 0xc0, 0, 26, 0, 0, 0x40, 0, 255, 112, 0, 0, 192, 0, 2, 2, 224, 0, 0, 18];
        bytes.extend([0x94, 0x04, 0, 0, 0xaa, 0xbb, 0, 0, 0, 0]);
        let packet = Ipv4Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, [0xaa, 0xbb]);
        assert_eq!(packet.ttl, 255);
        assert_eq!(packet.source, Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(packet.destination, Ipv4Addr::new(224, 0, 0, 18));
    }

    #[test]
    fn ipv4_fragments_short_and_foreign_bytes_are_refused() {
        let whole = [0x45, 0, 0, 20, 0, 0, 0, 0, 255, 112, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert!(Ipv4Packet::parse(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Ipv4Packet::parse(&whole[..length]), None);
        }
        for (at, value) in [(0, 0x65), (0, 0x44), (3, 21), (3, 19), (6, 0x20), (7, 1)] {
            let mut bad = whole;
            bad[at] = value;
            assert_eq!(Ipv4Packet::parse(&bad), None, "byte {at} = {value:#x}");
        }
    }
}
