//! CK: the checksum and its forms.

use failover::vrrp::fields::{ChecksumForm, Claim};
use failover::vrrp::packet::{Advertisement, ParseError};

use super::bytes::*;
use super::rig::*;
use failover::agent::snapshot::VrState;
use failover::config::model::{Checksum, InstanceConfig, Transport};

fn form_of(bytes: &[u8]) -> Option<ChecksumForm> {
    parse4(bytes).ok().and_then(|parsed| parsed.form)
}

#[test]
fn ck_01_the_sum_is_that_of_rfc_1071() {
    for vector in vectors().iter().filter(|vector| vector.form == Some(ChecksumForm::Rfc9568)) {
        assert_eq!(complement(&vector.bytes), 0, "{}", vector.name);
    }
}

#[test]
fn ck_02_over_ipv6_the_pseudo_header_of_rfc_8200_counts() {
    let bytes = emit6(&advert(200, &["fe80::1", "2001:db8::1"]));
    assert_eq!(bytes, summed6(bytes.clone(), "fe80::2", GROUP6));
    for bit in 0..128 {
        let turned = std::net::Ipv6Addr::from_bits(
            "fe80::2".parse::<std::net::Ipv6Addr>().unwrap().to_bits() ^ 1 << bit,
        );
        let read = Advertisement::parse(&bytes, turned.into(), ip(GROUP6));
        assert_eq!(read, Err(ParseError::Checksum), "source {turned}");
    }
}

#[test]
fn ck_03_rfc_9568_sums_the_message_alone_over_ipv4() {
    let only = InstanceConfig { checksum: Checksum::Only(ChecksumForm::Rfc9568), ..instance(100) };
    let mut rig = Rig::start(&[only]);
    rig.run(std::time::Duration::from_secs(10));
    for sent in rig.sent() {
        assert_eq!(sent.bytes.to_vec(), summed(sent.bytes.to_vec()));
    }
    assert_eq!(rig.sent().len(), 7);
}

#[test]
fn ck_04_rfc_5798_sums_a_pseudo_header_too() {
    let only = InstanceConfig { checksum: Checksum::Only(ChecksumForm::Rfc5798), ..instance(100) };
    let mut rig = Rig::start(&[only]);
    rig.run(std::time::Duration::from_secs(10));
    for sent in rig.sent() {
        let length = u8::try_from(sent.bytes.len()).unwrap();
        let pseudo = [192, 0, 2, 2, 224, 0, 0, 18, 0, 112, 0, length];
        assert_eq!(complement(&[&pseudo[..], &sent.bytes].concat()), 0);
    }
    assert_eq!(rig.sent().len(), 7);
}

#[test]
fn ck_05_both_forms_accepted_and_counted() {
    let mut rig = Rig::start(&[instance(100)]);
    let advert = advert(150, &[VIP]);
    for (form, times) in [(ChecksumForm::Rfc9568, 3), (ChecksumForm::Rfc5798, 2)] {
        let payload = advert.emit(ip(PEER), ip(GROUP), form);
        for _ in 0..times {
            rig.hear(&Message { payload: payload.clone(), ..peer(150) });
        }
    }
    let counters = rig.counters();
    assert_eq!((counters.checksum_rfc9568, counters.checksum_rfc5798, counters.checksum_errors), (3, 2, 0));
    assert_eq!(counters.adverts_received, 5);
}

#[test]
fn ck_06_neither_form_is_dropped_and_counted_once() {
    let mut rig = Rig::start(&[instance(100)]);
    let mut message = peer(150);
    message.payload[11] ^= 0x10;
    rig.hear(&message);
    let counters = rig.counters();
    assert_eq!((counters.checksum_errors, counters.adverts_received), (1, 0));
    assert_eq!(counters.checksum_rfc9568 + counters.checksum_rfc5798, 0);
}

#[test]
fn ck_07_the_pseudo_header_has_the_destination_of_the_packet_or_the_group() {
    let (source, unicast) = (ip("192.0.2.2"), ip("192.0.2.3"));
    let gv_8 = hex("31336401 006423e3 c0000201");
    let read = |bytes: &[u8], destination| {
        Advertisement::parse(bytes, source, destination).map(|parsed| parsed.form)
    };
    assert_eq!(read(&gv_8, unicast), Ok(Some(ChecksumForm::Rfc5798)));
    assert_eq!(read(&gv_8, ip("192.0.2.4")), Err(ParseError::Checksum));
    // keepalived up to 1.3.6 summed the group's address in unicast, too.
    let to_group = advert(100, &["192.0.2.1"]).emit(source, ip(GROUP), ChecksumForm::Rfc5798);
    assert_eq!(read(&to_group, unicast), Ok(Some(ChecksumForm::Rfc5798)));
    let sent = advert(100, &["192.0.2.1"]).emit(source, unicast, ChecksumForm::Rfc5798);
    assert_eq!(sent, gv_8);
}

#[test]
fn ck_08_a_backup_takes_on_its_masters_form_a_master_only_when_a_peer_insists() {
    let other = |priority| Message {
        payload: advert(priority, &[VIP]).emit(ip(PEER), ip(GROUP), ChecksumForm::Rfc9568),
        ..peer(priority)
    };
    let mut rig = Rig::start(&[instance(100)]);
    rig.hear(&other(150));
    assert_eq!(rig.status("web").checksum.as_deref(), Some("rfc9568"));
    rig.run(std::time::Duration::from_secs(5));
    assert_eq!(form_of(&rig.sent()[0].bytes), Some(ChecksumForm::Rfc9568));

    // A MASTER is not turned by a single message. One that is claimed against again and again is not understood: then
    // it changes, says so, and the others hear it.
    let mut rig = Rig::masters(&[instance(100)]);
    for _ in 0..2 {
        rig.hear(&other(50));
        assert_eq!(rig.status("web").checksum.as_deref(), Some("rfc5798"));
    }
    rig.hear(&other(50));
    assert_eq!(rig.status("web").checksum.as_deref(), Some("rfc9568"));
    let told = |report: &failover::agent::report::Report| {
        matches!(report, failover::agent::report::Report::ChecksumForm { form: ChecksumForm::Rfc9568, .. })
    };
    assert_eq!(rig.reports().iter().filter(|report| told(report)).count(), 1);
    assert_eq!(rig.state(), VrState::Master);

    // What is set is kept.
    let only = InstanceConfig { checksum: Checksum::Only(ChecksumForm::Rfc5798), ..instance(100) };
    let mut rig = Rig::masters(&[only]);
    for _ in 0..10 {
        rig.hear(&other(50));
    }
    assert_eq!(rig.status("web").checksum.as_deref(), Some("rfc5798"));
    assert_eq!(rig.counters().checksum_errors, 10);
}

#[test]
fn ck_09_another_priority_has_another_checksum_in_both_forms() {
    for form in [ChecksumForm::Rfc9568, ChecksumForm::Rfc5798] {
        let hold = advert(100, &["192.0.2.1"]);
        let resign = Advertisement { claim: Claim::Resign, ..hold.clone() };
        let [first, second] = [hold, resign].map(|a| a.emit(ip("192.0.2.2"), ip(GROUP), form));
        assert_ne!(first[6..8], second[6..8]);
        for bytes in [first, second] {
            assert_eq!(form_of(&bytes), Some(form));
        }
    }
}

#[test]
fn ck_10_version_2_has_no_pseudo_header() {
    let bytes = emit4(&advert_v2(100, &["192.0.2.1"]));
    assert_eq!(bytes, summed(bytes.clone()));
    let elsewhere = Advertisement::parse(&bytes, ip("10.9.8.7"), ip("10.6.5.4")).unwrap();
    assert_eq!(elsewhere.form, None);
}

#[test]
fn ck_11_nothing_is_believed_before_the_checksum() {
    let mut rig = Rig::masters(&[instance(100)]);
    let mut message = peer(255);
    message.payload[7] ^= 1;
    let timer = rig.timer();
    rig.hear(&message);
    assert_eq!((rig.state(), rig.timer()), (VrState::Master, timer));
    assert_eq!(rig.sent().len(), 0);
    assert_eq!(rig.counters().checksum_errors, 1);
}

#[test]
fn ck_13_both_zeros_verify() {
    // The third address is chosen so that the sum comes out as ones.
    let mut bytes = emit4(&advert(100, &["192.0.2.1", "0.0.0.0"]));
    let [high, low] = [bytes[6], bytes[7]];
    bytes[14..16].copy_from_slice(&[high, low]);
    for zero in [[0x00, 0x00], [0xff, 0xff]] {
        bytes[6..8].copy_from_slice(&zero);
        assert_eq!(form_of(&bytes), Some(ChecksumForm::Rfc9568), "{zero:?}");
    }
    let sent = parse4(&bytes).unwrap().advertisement;
    assert_eq!(emit4(&sent)[6..8], [0, 0]);
}

#[test]
fn ck_07_unicast_adverts_are_summed_for_each_peer() {
    let peers = ["192.0.2.9", "192.0.2.10"].map(ip);
    let unicast = InstanceConfig { transport: Transport::Unicast(peers.to_vec()), ..instance(100) };
    let mut rig = Rig::start(&[unicast]);
    rig.run(std::time::Duration::from_secs(4));
    let sent = rig.sent();
    assert_eq!(sent.iter().map(|sent| sent.destination).collect::<Vec<_>>(), peers);
    for sent in sent {
        let read = Advertisement::parse(&sent.bytes, sent.source, sent.destination).unwrap();
        assert_eq!(read.form, Some(ChecksumForm::Rfc5798));
    }
}
