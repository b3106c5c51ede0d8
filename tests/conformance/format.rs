//! FMT, F4, F6, F2: the layout of messages.

use std::net::{Ipv4Addr, Ipv6Addr};

use failover::vrrp::fields::{Interval, Priority, Vrid};
use failover::vrrp::packet::{Advertisement, Auth, ParseError};

use super::bytes::*;

#[test]
fn fmt_01_version_nibble_is_3() {
    assert_eq!(emit4(&advert(100, &["192.0.2.1"]))[0] >> 4, 3);
    assert_eq!(emit6(&advert(100, &["fe80::1"]))[0] >> 4, 3);
}

#[test]
fn fmt_02_type_nibble_is_1() {
    for bytes in [emit4(&advert(100, &["192.0.2.1"])), emit4(&advert_v2(100, &["192.0.2.1"]))] {
        assert_eq!(bytes[0] & 0x0f, 1);
    }
}

#[test]
fn fmt_03_byte_1_is_the_vrid_from_1_to_255() {
    assert_eq!(Vrid::new(0), None);
    for number in 1..=255 {
        let vrid = Vrid::new(number).unwrap();
        let bytes = emit4(&Advertisement { vrid, ..advert(100, &["192.0.2.1"]) });
        assert_eq!(bytes[1], number);
        assert_eq!(parse4(&bytes).unwrap().advertisement.vrid, vrid);
    }
    let mut zero = emit4(&advert(100, &["192.0.2.1"]));
    zero[1] = 0;
    assert_eq!(parse4(&summed(zero)), Err(ParseError::Vrid));
}

#[test]
fn fmt_04_byte_2_is_the_priority_and_0_is_none() {
    assert_eq!(Priority::new(0), None);
    assert_eq!(emit4(&advert(Priority::DEFAULT.number(), &["192.0.2.1"]))[2], 0x64);
    for number in 0..=255 {
        let bytes = emit4(&advert(number, &["192.0.2.1"]));
        assert_eq!(bytes[2], number);
        assert_eq!(parse4(&bytes).unwrap().advertisement.claim.number(), number);
    }
}

#[test]
fn fmt_05_byte_3_counts_the_addresses() {
    assert_eq!(emit4(&advert(100, &["192.0.2.1"]))[3], 1);
    assert_eq!(emit4(&advert(100, &["192.0.2.1", "192.0.2.3", "192.0.2.4"]))[3], 3);
    assert_eq!(emit6(&advert(100, &["fe80::1", "2001:db8::1"]))[3], 2);
}

#[test]
fn fmt_06_the_reserved_bits_are_sent_as_zero() {
    let longest = Advertisement { interval: centiseconds(4095), ..advert(100, &["192.0.2.1"]) };
    assert_eq!(emit4(&longest)[4..6], [0x0f, 0xff]);
}

#[test]
fn fmt_07_the_reserved_bits_are_ignored_on_receipt() {
    for reserved in 0..=0x0f {
        let mut bytes = emit4(&advert(100, &["192.0.2.1"]));
        bytes[4] |= reserved << 4;
        assert_eq!(parse4(&summed(bytes)).unwrap().advertisement.interval, Interval::DEFAULT);
        let mut bytes = emit6(&advert(100, &["fe80::1"]));
        bytes[4] |= reserved << 4;
        let bytes = summed6(bytes, "fe80::2", GROUP6);
        assert_eq!(parse6(&bytes).unwrap().advertisement.interval, Interval::DEFAULT);
    }
}

#[test]
fn fmt_08_the_interval_is_12_bits_of_centiseconds_big_endian() {
    assert_eq!(emit4(&advert(100, &["192.0.2.1"]))[4..6], [0x00, 0x64]);
    assert_eq!((Interval::from_centiseconds(0), Interval::from_centiseconds(4096)), (None, None));
    for number in 1..=4095 {
        let sent = Advertisement { interval: centiseconds(number), ..advert(100, &["192.0.2.1"]) };
        let bytes = emit4(&sent);
        assert_eq!(u16::from_be_bytes([bytes[4], bytes[5]]), number);
        assert_eq!(parse4(&bytes).unwrap().advertisement, sent);
    }
}

#[test]
fn fmt_09_the_checksum_is_in_bytes_6_and_7_big_endian() {
    for vector in vectors() {
        let form = vector.form.unwrap_or(failover::vrrp::fields::ChecksumForm::Rfc9568);
        let sent = vector.advertisement.emit(vector.source, vector.destination, form);
        assert_eq!(sent[6..8], vector.bytes[6..8], "{}", vector.name);
    }
}

#[test]
fn fmt_10_addresses_are_of_the_carrying_family_only() {
    let mixed = advert(100, &["192.0.2.1", "fe80::1", "192.0.2.3"]);
    let read = parse4(&emit4(&mixed)).unwrap().advertisement.addresses;
    assert_eq!(read, [ip("192.0.2.1"), ip("192.0.2.3")]);
    assert_eq!(parse6(&emit6(&mixed)).unwrap().advertisement.addresses, [ip("fe80::1")]);
}

#[test]
fn fmt_11_addresses_keep_their_order() {
    let addresses = ["192.0.2.9", "192.0.2.1", "10.0.0.1", "192.0.2.200"];
    let bytes = emit4(&advert(100, &addresses));
    assert_eq!(bytes[8..12], [192, 0, 2, 9]);
    assert_eq!(parse4(&bytes).unwrap().advertisement.addresses, addresses.map(ip));
}

#[test]
fn fmt_12_a_version_3_message_ends_after_the_last_address() {
    let secret = Advertisement { auth: Auth::Password(*b"secret\0\0"), ..advert(100, &["192.0.2.1"]) };
    assert_eq!(emit4(&secret).len(), 8 + 4);
    assert_eq!(emit6(&advert(100, &["fe80::1", "2001:db8::1"])).len(), 8 + 2 * 16);
}

#[test]
fn f4_06_up_to_255_ipv4_addresses_of_4_bytes_each() {
    for count in [1, 2, 20, 255_u8] {
        let mut sent = advert(100, &[]);
        sent.addresses = (0..count).map(|last| Ipv4Addr::new(10, 0, 0, last).into()).collect();
        let bytes = emit4(&sent);
        assert_eq!(bytes.len(), 8 + 4 * usize::from(count));
        assert_eq!(parse4(&bytes).unwrap().advertisement, sent);
    }
}

#[test]
fn f6_07_ipv6_addresses_of_16_bytes_each() {
    // 90 is what an MTU of 1500 bytes has room for.
    for count in [1, 2, 10, 90_u16] {
        let mut sent = advert(100, &[]);
        sent.addresses = (0..count).map(|n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n).into()).collect();
        let bytes = emit6(&sent);
        assert_eq!(bytes.len(), 8 + 16 * usize::from(count));
        assert_eq!(parse6(&bytes).unwrap().advertisement, sent);
        assert!(count < 90 || 40 + bytes.len() <= 1500);
    }
}

#[test]
fn f2_01_byte_0_is_version_2_type_1() {
    assert_eq!(emit4(&advert_v2(100, &["192.0.2.1"]))[0], 0x21);
}

#[test]
fn f2_02_bytes_1_to_3_are_as_in_version_3() {
    let addresses = ["192.0.2.1", "192.0.2.3"];
    for priority in [0, 1, 100, 255] {
        let (v2, v3) = (emit4(&advert_v2(priority, &addresses)), emit4(&advert(priority, &addresses)));
        assert_eq!(v2[1..4], v3[1..4]);
    }
}

#[test]
fn f2_03_byte_4_is_the_authentication_type_0_unless_there_is_a_password() {
    let none = advert_v2(100, &["192.0.2.1"]);
    assert_eq!(emit4(&none)[4], 0);
    assert_eq!(emit4(&Advertisement { auth: Auth::Password([1; 8]), ..none })[4], 1);
}

#[test]
fn f2_04_byte_5_is_the_interval_in_seconds_never_0() {
    let advert = advert_v2(100, &["192.0.2.1"]);
    assert_eq!(emit4(&advert)[5], 1);
    for seconds in 1..=255 {
        let sent = Advertisement { interval: Interval::from_seconds(seconds).unwrap(), ..advert.clone() };
        assert_eq!(emit4(&sent)[5], seconds);
        assert_eq!(parse4(&emit4(&sent)).unwrap().advertisement, sent);
    }
    assert_eq!(Interval::from_seconds(0), None);
    // No configuration has it; if one had, it would be rounded up.
    assert_eq!(emit4(&Advertisement { interval: centiseconds(50), ..advert })[5], 1);
}

#[test]
fn f2_05_the_checksum_is_over_the_whole_message() {
    let secret = Advertisement { auth: Auth::Password(*b"secret\0\0"), ..advert_v2(100, &["192.0.2.1"]) };
    let bytes = emit4(&secret);
    assert_eq!(bytes, summed(bytes.clone()));
    let last = bytes.len() - 1;
    let mut changed = bytes;
    changed[last] ^= 1;
    assert_eq!(parse4(&changed), Err(ParseError::Checksum));
}

#[test]
fn f2_06_eight_bytes_of_authentication_data_follow_the_addresses() {
    let bytes = emit4(&advert_v2(100, &["192.0.2.1", "192.0.2.3"]));
    assert_eq!(bytes.len(), 16 + 4 * 2);
    assert_eq!(bytes[16..], [0; 8]);
    let mut other = bytes;
    other[16..].copy_from_slice(b"whatever");
    assert_eq!(parse4(&summed(other)).unwrap().advertisement.auth, Auth::None);
}

#[test]
fn f2_07_without_them_it_is_no_vrrp() {
    let bytes = emit4(&advert_v2(100, &["192.0.2.1"]));
    let short = summed(bytes[..12].to_vec());
    assert_eq!(parse4(&short), Err(ParseError::Length { actual: 12, expected: 20 }));
    assert_eq!(carp(), summed(carp()), "CARP's sum is right");
    assert_eq!(parse4(&carp()), Err(ParseError::Length { actual: 36, expected: 44 }));
}
