//! The Internet checksum (RFC 1071), as VRRP and neighbour discovery use it.
//!
//! Owns: the ones' complement sum and the pseudo-headers that are summed with a message. Never fails: every sequence of
//! bytes has a sum.

use std::net::IpAddr;

/// IP protocol number of VRRP.
pub(super) const VRRP: u8 = 112;
/// IP protocol number of `ICMPv6`.
pub(super) const ICMPV6: u8 = 58;

/// A sum in progress. Parts must be added in the order sent and be of even length, but for the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// The sum over `bytes` alone; an odd last byte counts as if a zero followed.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Sum::default().add(bytes)
    }

    /// The sum over the pseudo-header of a message of `length` bytes: RFC 8200, section 8.1 for IPv6, and what
    /// RFC 793 has for IPv4. Length and protocol differ in width between the two, not in what they add.
    pub(super) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Self {
        let sum = Sum::default().add_address(source).add_address(destination);
        let length = u64::try_from(length).unwrap_or(u64::MAX) & 0xffff_ffff;
        Sum(sum.0 + (length >> 16) + (length & 0xffff) + u64::from(protocol))
    }

    /// This sum and `bytes`.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let (words, last) = bytes.as_chunks::<2>();
        let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
        let last = last.first().map_or(0, |byte| u64::from(*byte) << 8);
        Sum(self.0 + words + last)
    }

    fn add_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.add(&v4.octets()),
            IpAddr::V6(v6) => self.add(&v6.octets()),
        }
    }

    /// What goes into the checksum field, which was summed as zero.
    pub(super) fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Whether a message that was summed with its checksum is as it was sent. Both 0x0000 and 0xffff in the field stand
    /// for zero and pass (RFC 1071): so the sum is judged, not a recomputed field.
    pub(super) fn verifies(self) -> bool {
        self.folded() == 0xffff
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        u16::try_from(sum).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_comes_out() {
        let sum = Sum::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        assert_eq!(sum.checksum(), 0x220d);
    }

    #[test]
    fn parts_sum_like_the_whole_and_an_odd_byte_is_a_high_one() {
        assert_eq!(Sum::of(&[1, 2]).add(&[3, 4, 5]).folded(), Sum::of(&[1, 2, 3, 4, 5, 0]).folded());
    }

    #[test]
    fn both_zeros_verify() {
        assert!(Sum::of(&[0xff, 0xff, 0x00, 0x00]).verifies());
        assert!(Sum::of(&[0xff, 0xff, 0xff, 0xff]).verifies());
        assert!(!Sum::of(&[0x00, 0x00]).verifies());
    }

    #[test]
    fn the_longest_message_does_not_overflow() {
        assert!(Sum::of(&vec![0xff; 0x10000]).verifies());
    }
}
