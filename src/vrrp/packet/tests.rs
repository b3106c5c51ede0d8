//! What the codec promises for every message, not only for the examples of the RFCs (those are in
//! `tests/conformance`).

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

const FORMS: [ChecksumForm; 2] = [ChecksumForm::Rfc9568, ChecksumForm::Rfc5798];

/// A message and the addresses of the packet that carries it.
#[derive(Clone, Debug)]
struct Sent {
    advertisement: Advertisement,
    source: IpAddr,
    destination: IpAddr,
    form: ChecksumForm,
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        self.advertisement.emit(self.source, self.destination, self.form)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Parsed, ParseError> {
        Advertisement::parse(bytes, self.source, self.destination)
    }
}

fn ipv4() -> impl Strategy<Value = IpAddr> {
    any::<Ipv4Addr>().prop_map(IpAddr::V4)
}

fn ipv6() -> impl Strategy<Value = IpAddr> {
    any::<Ipv6Addr>().prop_map(IpAddr::V6)
}

fn link_local() -> impl Strategy<Value = IpAddr> {
    any::<Ipv6Addr>().prop_map(|a| {
        let [_, _, rest @ ..] = a.octets();
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&[0xfe, 0x80 | (rest[0] & 0x3f)]);
        octets[2..].copy_from_slice(&rest);
        Ipv6Addr::from(octets).into()
    })
}

fn form() -> impl Strategy<Value = ChecksumForm> {
    prop::sample::select(FORMS.to_vec())
}

/// With up to `most` addresses.
fn v2(most: usize) -> impl Strategy<Value = Sent> {
    let auth = prop_oneof![
        Just(Auth::None),
        any::<[u8; 8]>().prop_map(Auth::Password),
        (2..=255_u8).prop_map(Auth::Other)
    ];
    let fields = (1..=255_u8, any::<u8>(), 1..=255_u8, vec(ipv4(), 1..=most), auth);
    (fields, ipv4(), ipv4(), form()).prop_map(|(fields, source, destination, form)| {
        let (vrid, priority, seconds, addresses, auth) = fields;
        let advertisement = Advertisement {
            version: Version::V2,
            vrid: Vrid::new(vrid).unwrap(),
            claim: Claim::from_number(priority),
            interval: Interval::from_seconds(seconds).unwrap(),
            addresses,
            auth,
        };
        Sent { advertisement, source, destination, form }
    })
}

fn v3_with(
    addresses: impl Strategy<Value = Vec<IpAddr>>,
    source: impl Strategy<Value = IpAddr>,
    destination: impl Strategy<Value = IpAddr>,
) -> impl Strategy<Value = Sent> {
    let fields = (1..=255_u8, any::<u8>(), 1..=4095_u16, addresses);
    (fields, source, destination, form()).prop_map(|(fields, source, destination, form)| {
        let (vrid, priority, centiseconds, addresses) = fields;
        let advertisement = Advertisement {
            version: Version::V3,
            vrid: Vrid::new(vrid).unwrap(),
            claim: Claim::from_number(priority),
            interval: Interval::from_centiseconds(centiseconds).unwrap(),
            addresses,
            auth: Auth::None,
        };
        Sent { advertisement, source, destination, form }
    })
}

/// With up to `most` addresses.
fn v3(most: usize) -> impl Strategy<Value = Sent> {
    let v6_addresses = (link_local(), vec(ipv6(), 0..most)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    });
    prop_oneof![v3_with(vec(ipv4(), 1..=most), ipv4(), ipv4()), v3_with(v6_addresses, ipv6(), ipv6()),]
}

/// The form that a receiver finds in a packet: the first that fits, for with some addresses both do.
fn form_found(sent: &Sent, bytes: &[u8]) -> Option<ChecksumForm> {
    let ipv4 = sent.advertisement.version == Version::V3 && sent.source.is_ipv4();
    let found = if Sum::of(bytes).verifies() { ChecksumForm::Rfc9568 } else { ChecksumForm::Rfc5798 };
    ipv4.then_some(found)
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(sent in prop_oneof![v2(255), v3(255)]) {
        let bytes = sent.bytes();
        let form = form_found(&sent, &bytes);
        prop_assert!(form.is_none_or(|form| form == sent.form || form == ChecksumForm::Rfc9568));
        prop_assert_eq!(sent.parse(&bytes), Ok(Parsed { advertisement: sent.advertisement, form }));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_is_sent_alike(
        bytes in vec(any::<u8>(), 0..=64),
        first in option::weighted(0.9, prop::sample::select(vec![0x21_u8, 0x31])),
        source in prop_oneof![ipv4(), ipv6()],
        destination in prop_oneof![ipv4(), ipv6()],
    ) {
        let mut bytes = bytes;
        if let (Some(byte), Some(first)) = (bytes.first_mut(), first) {
            *byte = first;
        }
        if let Ok(parsed) = Advertisement::parse(&bytes, source, destination) {
            let form = parsed.form.unwrap_or(ChecksumForm::Rfc9568);
            let again = parsed.advertisement.emit(source, destination, form);
            prop_assert_eq!(Advertisement::parse(&again, source, destination).map(|p| p.advertisement), Ok(parsed.advertisement));
        }
    }

    #[test]
    fn no_single_bit_can_turn(sent in prop_oneof![v2(5), v3(5)]) {
        let bytes = sent.bytes();
        for at in 0..bytes.len() * 8 {
            let mut turned = bytes.clone();
            turned[at / 8] ^= 1 << (at % 8);
            // With one pair of addresses in some thousands two forms of version 3 over IPv4 are one bit apart, so what
            // counts is that it is not accepted in the form that was sent.
            let accepted = sent.parse(&turned).is_ok_and(|parsed| Sent { advertisement: parsed.advertisement, ..sent.clone() }.bytes() == turned);
            prop_assert!(!accepted, "bit {at} turned, and it was accepted");
        }
    }

    #[test]
    fn no_other_length_is_accepted(sent in prop_oneof![v2(20), v3(20)], more in vec(any::<u8>(), 1..=32)) {
        let bytes = sent.bytes();
        for length in 0..bytes.len() {
            prop_assert!(sent.parse(&bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
        }
        let longer = [bytes.as_slice(), &more].concat();
        let expected = ParseError::Length { actual: longer.len(), expected: bytes.len() };
        prop_assert_eq!(sent.parse(&longer), Err(expected));
    }
}

fn example(family: Family) -> Sent {
    let (source, destination, addresses) = match family {
        Family::Ipv4 => ("192.0.2.2", "224.0.0.18", vec!["192.0.2.1", "192.0.2.129"]),
        Family::Ipv6 => ("fe80::2", "ff02::12", vec!["fe80::1", "2001:db8::1"]),
    };
    let advertisement = Advertisement {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::from_number(100),
        interval: Interval::DEFAULT,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        auth: Auth::None,
    };
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    Sent { advertisement, source, destination, form: ChecksumForm::Rfc9568 }
}

/// `bytes` with `value` at `at`, and a checksum that is right for them if `right`.
fn with_byte(sent: &Sent, bytes: &[u8], at: usize, value: u8, right: bool) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    if right {
        bytes[6..8].fill(0);
        let sum = match Family::of(sent.source) {
            Family::Ipv4 => Sum::of(&bytes),
            Family::Ipv6 => Sum::pseudo_header(sent.source, sent.destination, VRRP, bytes.len()).add(&bytes),
        };
        bytes[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    }
    bytes
}

#[test]
fn of_several_faults_the_first_check_tells() {
    let sent = example(Family::Ipv6);
    // Everything is wrong; then one fault after the other is mended, in the order of the checks.
    let none = Advertisement { addresses: Vec::new(), ..sent.advertisement.clone() };
    let mut bytes = Sent { advertisement: none, ..sent.clone() }.bytes();
    bytes.extend([0; 16]);
    for (at, value) in [(0, 0x52), (1, 0), (4, 0), (5, 0), (6, 0xab)] {
        bytes[at] = value;
    }
    let mut verdict = |at: usize, value: u8, right: bool| {
        bytes = with_byte(&sent, &bytes, at, value, right);
        sent.parse(&bytes).unwrap_err()
    };
    assert_eq!(verdict(0, 0x52, false), ParseError::Version(5));
    assert_eq!(verdict(0, 0x32, false), ParseError::Type(2));
    assert_eq!(verdict(0, 0x31, false), ParseError::Length { actual: 24, expected: 8 });
    assert_eq!(verdict(3, 1, false), ParseError::Checksum);
    assert_eq!(verdict(3, 1, true), ParseError::Vrid);
    assert_eq!(verdict(1, 51, true), ParseError::FirstNotLinkLocal);
    bytes[8..10].copy_from_slice(&[0xfe, 0x80]);
    let bytes = with_byte(&sent, &bytes, 5, 0, true);
    assert_eq!(sent.parse(&bytes), Err(ParseError::ZeroInterval));
    assert!(sent.parse(&with_byte(&sent, &bytes, 5, 1, true)).is_ok());
}

#[test]
fn an_advert_of_no_addresses_is_told_before_its_interval() {
    for family in [Family::Ipv4, Family::Ipv6] {
        let sent = example(family);
        let empty = Advertisement { addresses: Vec::new(), ..sent.advertisement.clone() };
        let bytes = Sent { advertisement: empty, ..sent.clone() }.bytes();
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(sent.parse(&with_byte(&sent, &bytes, 5, 0, true)), Err(ParseError::NoAddresses));
    }
}

#[test]
fn version_2_is_not_spoken_over_ipv6() {
    let sent = example(Family::Ipv6);
    let v2 = Advertisement { version: Version::V2, ..sent.advertisement.clone() };
    let bytes = Sent { advertisement: v2, ..sent.clone() }.bytes();
    assert_eq!(sent.parse(&bytes), Err(ParseError::Version(2)));
}

#[test]
fn emit_makes_the_best_of_what_no_configuration_lets_through() {
    let sent = example(Family::Ipv4);
    let many: Vec<IpAddr> = (0..300_u32).map(|n| Ipv4Addr::from_bits(0x0a00_0000 + n).into()).collect();
    let mixed = [vec!["fe80::1".parse().unwrap()], many.clone()].concat();
    let seconds = |n| Interval::from_seconds(n).unwrap();
    let odd = Advertisement { addresses: mixed, interval: seconds(255), ..sent.advertisement.clone() };
    let read =
        sent.parse(&Sent { advertisement: odd.clone(), ..sent.clone() }.bytes()).unwrap().advertisement;
    assert_eq!(read.addresses, many[..255]);
    assert_eq!(read.interval, Interval::LONGEST_V3);

    let tenth = Interval::from_centiseconds(10).unwrap();
    for (interval, expected) in
        [(tenth, 1), (Interval::from_centiseconds(101).unwrap(), 2), (seconds(255), 255)]
    {
        let v2 = Advertisement { version: Version::V2, interval, ..sent.advertisement.clone() };
        let read = sent.parse(&Sent { advertisement: v2, ..sent.clone() }.bytes()).unwrap().advertisement;
        assert_eq!(read.interval, seconds(expected));
    }
}

#[test]
fn source_and_destination_of_two_families_panic_nowhere() {
    let (v4, v6) = (example(Family::Ipv4), example(Family::Ipv6));
    for form in FORMS {
        let bytes = v4.advertisement.emit(v4.source, v6.destination, form);
        let _ = Advertisement::parse(&bytes, v4.source, v6.destination);
        let bytes = v6.advertisement.emit(v6.source, v4.destination, form);
        let _ = Advertisement::parse(&bytes, v6.source, v4.destination);
    }
}

#[test]
fn peek_needs_two_bytes_and_believes_them() {
    assert_eq!(Peek::read(&[]), None);
    assert_eq!(Peek::read(&[0x31]), None);
    assert_eq!(Peek::read(&[0x57, 0]), Some(Peek { version: 5, kind: 7, vrid: 0 }));
}
