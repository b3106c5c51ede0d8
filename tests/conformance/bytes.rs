//! Messages as bytes, and the golden vectors that every implementation must agree on.

use std::net::IpAddr;

use failover::vrrp::fields::{ChecksumForm, Claim, Interval, Version, Vrid};
use failover::vrrp::packet::{Advertisement, Auth, ParseError, Parsed};

pub(crate) const GROUP: &str = "224.0.0.18";
pub(crate) const GROUP6: &str = "ff02::12";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn centiseconds(number: u16) -> Interval {
    Interval::from_centiseconds(number).unwrap()
}

/// The bytes of hexadecimal digits, white space between them ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Version 3, VRID 51, one second.
pub(crate) fn advert(priority: u8, addresses: &[&str]) -> Advertisement {
    Advertisement {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::from_number(priority),
        interval: Interval::DEFAULT,
        addresses: addresses.iter().map(|a| ip(a)).collect(),
        auth: Auth::None,
    }
}

/// The same in version 2.
pub(crate) fn advert_v2(priority: u8, addresses: &[&str]) -> Advertisement {
    Advertisement { version: Version::V2, ..advert(priority, addresses) }
}

/// `bytes` with the checksum that makes them right without a pseudo-header: the one of version 2, and RFC 9568's over
/// IPv4. Written apart from the program's own, so that both are not wrong alike.
pub(crate) fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len().min(8);
    bytes[6..end].fill(0);
    let sum = complement(&bytes);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The same with the pseudo-header of RFC 8200.
pub(crate) fn summed6(mut bytes: Vec<u8>, source: &str, destination: &str) -> Vec<u8> {
    bytes[6..8].fill(0);
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mut all = [octets(source), octets(destination)].concat();
    all.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    all.extend([0, 0, 0, 112]);
    all.extend(&bytes);
    let sum = complement(&all);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// RFC 1071, the slow way: add, carry around, complement.
pub(crate) fn complement(bytes: &[u8]) -> u16 {
    let mut sum = 0_u16;
    for pair in bytes.chunks(2) {
        let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        let (added, carry) = sum.overflowing_add(word);
        sum = added + u16::from(carry);
    }
    !sum
}

pub(crate) fn parse4(bytes: &[u8]) -> Result<Parsed, ParseError> {
    Advertisement::parse(bytes, ip("192.0.2.2"), ip(GROUP))
}

pub(crate) fn parse6(bytes: &[u8]) -> Result<Parsed, ParseError> {
    Advertisement::parse(bytes, ip("fe80::2"), ip(GROUP6))
}

pub(crate) fn emit4(advertisement: &Advertisement) -> Vec<u8> {
    advertisement.emit(ip("192.0.2.2"), ip(GROUP), ChecksumForm::Rfc9568)
}

pub(crate) fn emit6(advertisement: &Advertisement) -> Vec<u8> {
    advertisement.emit(ip("fe80::2"), ip(GROUP6), ChecksumForm::Rfc9568)
}

/// A message that is known byte for byte, from `source` to `destination`.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) form: Option<ChecksumForm>,
    pub(crate) advertisement: Advertisement,
}

impl Vector {
    pub(crate) fn parse(&self) -> Result<Parsed, ParseError> {
        Advertisement::parse(&self.bytes, self.source, self.destination)
    }
}

/// All golden vectors but the ninth, which is no VRRP: [`carp`].
pub(crate) fn vectors() -> Vec<Vector> {
    use ChecksumForm::{Rfc5798, Rfc9568};
    let one = ["192.0.2.1"];
    let two = ["192.0.2.1", "192.0.2.129"];
    let v4 = |name, text: &str, form, advertisement| Vector {
        name,
        bytes: hex(text),
        source: ip("192.0.2.2"),
        destination: ip(GROUP),
        form,
        advertisement,
    };
    let v6 = Advertisement { interval: centiseconds(50), ..advert(200, &["fe80::1", "2001:db8::1"]) };
    let secret = Advertisement { auth: Auth::Password(*b"secret\0\0"), ..advert_v2(100, &one) };
    vec![
        v4("GV-1", "31336401 0064a865 c0000201", Some(Rfc9568), advert(100, &one)),
        v4("GV-2", "31336401 006405d4 c0000201", Some(Rfc5798), advert(100, &one)),
        v4("GV-3", "31330001 00640c66 c0000201", Some(Rfc9568), advert(0, &one)),
        v4("GV-4", "31330001 006469d4 c0000201", Some(Rfc5798), advert(0, &one)),
        v4("GV-5", "31336402 0064e5e2 c0000201 c0000281", Some(Rfc9568), advert(100, &two)),
        v4(
            "GV-5 with a pseudo-header",
            "31336402 0064434d c0000201 c0000281",
            Some(Rfc5798),
            advert(100, &two),
        ),
        Vector {
            name: "GV-6",
            bytes: hex(
                "3133c802 0032dc2b fe800000 00000000 00000000 00000001 20010db8 00000000 00000000 00000001",
            ),
            source: ip("fe80::2"),
            destination: ip(GROUP6),
            form: None,
            advertisement: v6,
        },
        v4("GV-7", "21336401 0001b8c8 c0000201 00000000 00000000", None, advert_v2(100, &one)),
        Vector {
            destination: ip("192.0.2.3"),
            ..v4("GV-8", "31336401 006423e3 c0000201", Some(Rfc5798), advert(100, &one))
        },
        v4("GV-10", "21336401 01017b7c c0000201 73656372 65740000", None, secret),
    ]
}

/// GV-9: what CARP sends. It looks like version 2, seven addresses, and its sum is right.
pub(crate) fn carp() -> Vec<u8> {
    [hex("21330007 0001dec4"), vec![0; 28]].concat()
}

#[test]
fn golden_vectors_are_read_as_they_are_meant() {
    for vector in vectors() {
        let expected = Parsed { advertisement: vector.advertisement.clone(), form: vector.form };
        assert_eq!(vector.parse(), Ok(expected), "{}", vector.name);
    }
    assert_eq!(parse4(&carp()), Err(ParseError::Length { actual: 36, expected: 44 }));
}

#[test]
fn golden_vectors_are_what_is_sent() {
    for vector in vectors() {
        let form = vector.form.unwrap_or(ChecksumForm::Rfc9568);
        let sent = vector.advertisement.emit(vector.source, vector.destination, form);
        assert_eq!(sent, vector.bytes, "{}", vector.name);
    }
}
