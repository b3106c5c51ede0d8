//! What must hold for any bytes that come in as a VRRP message. Driven by `cargo fuzz run packet` and, bounded, by
//! `tests/fuzz_smoke.rs`.
#![expect(clippy::expect_used, reason = "a promise that was broken is told by a panic")]

use std::net::IpAddr;

use failover::net::Ipv4Packet;
use failover::vrrp::fields::ChecksumForm;
use failover::vrrp::packet::{Advertisement, Peek};

/// Source and destination that the message is said to have come with, by the first byte of the input.
const CARRIERS: [(&str, &str); 4] = [
    ("192.0.2.2", "224.0.0.18"),
    ("192.0.2.2", "192.0.2.3"),
    ("fe80::2", "ff02::12"),
    ("fe80::2", "fe80::3"),
];

/// This bit of the first byte has the checksum put right before the message is read: hardly any message that a fuzzer
/// makes up would come past it.
const MEND: u8 = 0x80;

/// Reads `data`: one byte that chooses a carrier, then the message; or, with no carrier for that byte, a whole IPv4
/// datagram. Answers whether it was a legal message.
///
/// # Panics
///
/// When the codec breaks a promise.
pub(crate) fn packet(data: &[u8]) -> bool {
    let Some((choice, bytes)) = data.split_first() else { return false };
    let Some((source, destination)) = CARRIERS.get(usize::from(choice & !MEND)) else {
        return Ipv4Packet::parse(bytes).is_some_and(|datagram| {
            assert!(datagram.payload.len() + 20 <= bytes.len());
            message(datagram.payload, datagram.source.into(), datagram.destination.into())
        });
    };
    let (source, destination) = (source.parse().expect("legal"), destination.parse().expect("legal"));
    if choice & MEND == 0 {
        message(bytes, source, destination)
    } else {
        message(&mended(bytes, source, destination), source, destination)
    }
}

/// `bytes` with the right checksum; over IPv4 the one without a pseudo-header.
fn mended(bytes: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut message = bytes.to_vec();
    let length = u32::try_from(message.len()).expect("a fuzzer's input is short").to_be_bytes();
    if let Some(field) = message.get_mut(6..8) {
        field.fill(0);
    }
    let mut summed = message.clone();
    summed.resize(message.len().next_multiple_of(2), 0);
    if let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) {
        summed.extend([source.octets(), destination.octets()].as_flattened());
        summed.extend(length);
        summed.extend([0, 112]);
    }
    let words = summed.as_chunks::<2>().0.iter();
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    if let (Some(field), Ok(sum)) = (message.get_mut(6..8), u16::try_from(sum)) {
        field.copy_from_slice(&(!sum).to_be_bytes());
    }
    message
}

fn message(bytes: &[u8], source: IpAddr, destination: IpAddr) -> bool {
    let Ok(parsed) = Advertisement::parse(bytes, source, destination) else { return false };
    let advertisement = &parsed.advertisement;
    let peek = Peek::read(bytes).expect("a whole message has two bytes");
    assert_eq!(peek.vrid, advertisement.vrid.number());
    assert_eq!(peek.version, advertisement.version.number());

    let form = parsed.form.unwrap_or(ChecksumForm::Rfc9568);
    let again = advertisement.emit(source, destination, form);
    assert_eq!(again.len(), bytes.len());
    let read = Advertisement::parse(&again, source, destination).expect("what we send is legal");
    assert_eq!(read.advertisement, *advertisement);
    assert_eq!(read.advertisement.emit(source, destination, form), again, "sent the same every time");
    true
}
