//! CK-12, RX-05, RX-28, AUT-04: what a MASTER makes of frames that a test made up.

use std::net::IpAddr;

use failover::agent::snapshot::{InstanceStatus, VrState};
use failover::vrrp::fields::ChecksumForm;
use failover::vrrp::packet::Advertisement;

use super::super::bytes::{GROUP, GROUP6, advert, centiseconds, ip};
use super::super::lab::{Lab, wait};
use super::tap::{Packet, put};
use super::{LIMIT, mac, router, with_master};

/// An advert like those of host `a`, that the client sends with this priority.
pub(super) fn advert_of_a(lab: &Lab, v6: bool, priority: u8) -> Packet {
    let addresses = router(v6).addresses();
    let interval = centiseconds(u16::try_from(router(v6).interval / 10).unwrap());
    let message = Advertisement { addresses, interval, ..advert(priority, &[]) };
    let (source, destination): (IpAddr, IpAddr) =
        if v6 { (ip("fe80::9:9"), ip(GROUP6)) } else { (lab.client.address(false), ip(GROUP)) };
    let mac_to = if v6 { [0x33, 0x33, 0, 0, 0, 0x12] } else { [0x01, 0x00, 0x5e, 0, 0, 0x12] };
    let payload = message.emit(source, destination, ChecksumForm::Rfc5798);
    let mac_from = mac(&lab.client);
    Packet { mac_to, mac_from, source, destination, class: 0xc0, hop_limit: 255, protocol: 112, payload }
}

fn status(lab: &Lab) -> InstanceStatus {
    lab.a.instance().unwrap()
}

/// After `packet`, a better advert that is as it should be makes the MASTER yield: so it was there to hear the other.
fn heard_nothing_but_yields_to(lab: &Lab, better: &Packet) {
    assert_eq!(status(lab).state, VrState::Master);
    assert_eq!(status(lab).counters.adverts_received, 0);
    put(&lab.client.space, &better.frame());
    wait("a has yielded, and is MASTER again", LIMIT, || {
        let counters = status(lab).counters;
        ((counters.adverts_received, counters.master_transitions) == (1, 2)).then_some(())
    });
}

#[test]
fn ck_12_over_ipv6_a_damaged_message_is_not_believed() {
    let (lab, _program) = with_master(true, 100);
    let good = advert_of_a(&lab, true, 200);
    for at in [2, 3, 7, 20] {
        let mut bad = good.clone();
        bad.payload[at] ^= 0x40;
        put(&lab.client.space, &bad.frame());
    }
    wait("a has counted them", LIMIT, || {
        let counters = status(&lab).counters;
        // Of the four one also says another number of addresses.
        (counters.checksum_errors + counters.packet_length_errors == 4).then_some(())
    });
    assert_eq!(status(&lab).counters.checksum_errors, 3);
    heard_nothing_but_yields_to(&lab, &good);
}

#[test]
fn rx_05_on_the_wire_padding_is_not_message() {
    let (lab, _program) = with_master(false, 100);
    let good = advert_of_a(&lab, false, 200);
    let mut frame = good.frame();
    assert!(frame.len() > 14 + 20 + good.payload.len(), "there is padding");
    frame.extend([0xa5; 32]);
    put(&lab.client.space, &frame);
    wait("a hears it", LIMIT, || (status(&lab).counters.adverts_received == 1).then_some(()));
}

#[test]
fn rx_28_an_advert_of_another_vlan_is_not_heard() {
    for v6 in [false, true] {
        let (lab, _program) = with_master(v6, 100);
        let good = advert_of_a(&lab, v6, 200);
        let mut frame = good.frame();
        frame.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
        for _ in 0..3 {
            put(&lab.client.space, &frame);
        }
        heard_nothing_but_yields_to(&lab, &good);
    }
}

#[test]
fn aut_04_ip_authentication_headers_are_ignored() {
    let (lab, _program) = with_master(false, 100);
    let good = advert_of_a(&lab, false, 200);
    // Next header 112, length, reserved, SPI, sequence number, 12 bytes of signature.
    let header = [&[112, 4, 0, 0][..], &[0, 0, 0, 1], &[0, 0, 0, 1], &[0xa5; 12]].concat();
    let signed = Packet { protocol: 51, payload: [header, good.payload.clone()].concat(), ..good.clone() };
    for _ in 0..3 {
        put(&lab.client.space, &signed.frame());
    }
    heard_nothing_but_yields_to(&lab, &good);
}
