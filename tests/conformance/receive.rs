//! RX, MIX-01: what is done with a message that comes in.

use failover::agent::message::{Output, SocketId};
use failover::agent::report::Report;
use failover::agent::snapshot::{InstanceCounters, VrState};
use failover::config::model::{InstanceConfig, Transport};
use failover::net::{Family, Ipv4Packet};
use failover::vrrp::fields::{ChecksumForm, Interval, Version, Vrid};
use failover::vrrp::packet::{Advertisement, Auth, ParseError};

use super::bytes::*;
use super::rig::*;
use super::segment::{ms, us};

type Counter = fn(&InstanceCounters) -> u64;

/// Gives `message` to the rig: the counter goes up by one, and nothing else happens.
fn dropped(rig: &mut Rig, message: &Message, counter: Counter) {
    let before = (rig.state(), rig.timer(), rig.status("web").master);
    let earlier = rig.counters();
    let outputs = rig.outputs().len();
    rig.hear(message);
    assert_eq!((rig.state(), rig.timer(), rig.status("web").master), before, "{message:?}");
    assert_eq!(counter(&rig.counters()), counter(&earlier) + 1, "{message:?}");
    assert_eq!(rig.counters().adverts_received, earlier.adverts_received);
    for output in &rig.outputs()[outputs..] {
        assert!(matches!(output, Output::Report(_)), "{output:?}");
    }
}

/// Both as BACKUP and as MASTER, a message that would matter is dropped.
fn dropped_by(instance: &InstanceConfig, message: &Message, counter: Counter) {
    let mut backup = Rig::start(std::slice::from_ref(instance));
    backup.run(ms(1500));
    dropped(&mut backup, message, counter);
    let mut master = Rig::masters(std::slice::from_ref(instance));
    dropped(&mut master, message, counter);
}

/// `message` with other bytes, and the checksum right for them.
fn changed(message: &Message, change: impl Fn(&mut Vec<u8>)) -> Message {
    let mut payload = message.payload.clone();
    change(&mut payload);
    let payload = match message.source {
        std::net::IpAddr::V4(_) => summed(payload),
        std::net::IpAddr::V6(_) => summed6(payload, PEER6, GROUP6),
    };
    Message { payload, ..message.clone() }
}

#[test]
fn rx_01_the_ttl_or_hop_limit_must_be_255() {
    for hop_limit in [254, 128, 64, 1, 0] {
        dropped_by(&instance(100), &Message { hop_limit, ..peer(200) }, |c| c.ip_ttl_errors);
        dropped_by(&instance6(100), &Message { hop_limit, ..peer6(200) }, |c| c.ip_ttl_errors);
    }
}

#[test]
fn rx_02_the_version_must_be_the_configured_one() {
    for version in [0, 1, 2, 4, 15] {
        let other = changed(&peer(200), |bytes| bytes[0] = version << 4 | 1);
        dropped_by(&instance(100), &other, |c| c.version_errors);
    }
    let v3 = changed(&peer(200), |_| {});
    dropped_by(&instance_v2(100), &v3, |c| c.version_errors);
}

#[test]
fn rx_03_the_type_must_be_1() {
    for kind in [0, 2, 7, 15] {
        let other = changed(&peer(200), |bytes| bytes[0] = 0x30 | kind);
        dropped_by(&instance(100), &other, |c| c.invalid_type);
    }
}

#[test]
fn rx_04_a_message_that_was_cut_off_is_dropped() {
    let v2 = message(&advert_v2(200, &[VIP]));
    for (config, whole) in [(instance(100), peer(200)), (instance6(100), peer6(200)), (instance_v2(100), v2)]
    {
        let mut rig = Rig::start(&[config]);
        // With fewer than two bytes nobody knows whom it is for.
        for length in 2..whole.payload.len() {
            let cut = Message { payload: whole.payload[..length].to_vec(), ..whole.clone() };
            dropped(&mut rig, &cut, |c| c.packet_length_errors);
            rig.run(ms(100));
        }
        for length in 0..2 {
            rig.hear(&Message { payload: whole.payload[..length].to_vec(), ..whole.clone() });
        }
        assert_eq!(rig.vrid_errors(), 2);
    }
}

/// An IPv4 datagram, header options and what follows the message included.
fn datagram(options: &[u8], fragment: u16, message: &[u8], padding: usize) -> Vec<u8> {
    let header = 20 + options.len();
    let mut bytes = vec![0x40 | u8::try_from(header / 4).unwrap(), 0xc0];
    bytes.extend(u16::try_from(header + message.len()).unwrap().to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([255, 112, 0, 0, 192, 0, 2, 2, 224, 0, 0, 18]);
    bytes.extend(options);
    bytes.extend(message);
    bytes.extend(vec![0; padding]);
    bytes
}

#[test]
fn rx_05_padding_of_the_frame_is_not_message() {
    let message = emit4(&advert(100, &["192.0.2.1"]));
    for padding in [0, 2, 14, 18, 46] {
        let bytes = datagram(&[], 0, &message, padding);
        let packet = Ipv4Packet::parse(&bytes).unwrap();
        assert!(parse4(packet.payload).is_ok());
    }
}

#[test]
fn rx_06_header_options_are_skipped_and_fragments_dropped() {
    let message = emit4(&advert(100, &["192.0.2.1"]));
    let options = datagram(&[0x94, 4, 0, 0], 0, &message, 0);
    assert!(parse4(Ipv4Packet::parse(&options).unwrap().payload).is_ok());
    for fragment in [0x2000, 0x0001, 0x2001] {
        assert_eq!(Ipv4Packet::parse(&datagram(&[], fragment, &message, 0)), None);
    }
    assert!(
        Ipv4Packet::parse(&datagram(&[], 0x4000, &message, 0)).is_some(),
        "do not fragment is no fragment"
    );
}

#[test]
fn rx_07_a_message_longer_than_its_count_says_is_dropped() {
    let longer = changed(&peer(200), |bytes| bytes.extend([0; 4]));
    dropped_by(&instance(100), &longer, |c| c.packet_length_errors);
}

#[test]
fn rx_08_any_bit_that_turns_is_noticed() {
    for vector in vectors() {
        for at in 0..vector.bytes.len() * 8 {
            let mut bytes = vector.bytes.clone();
            bytes[at / 8] ^= 0x80 >> (at % 8);
            let read = Advertisement::parse(&bytes, vector.source, vector.destination);
            assert!(read.is_err(), "{}, bit {at}", vector.name);
        }
    }
}

#[test]
fn rx_09_the_vrid_must_be_configured_on_the_receiving_link_and_family() {
    let mut rig = Rig::start(&[instance(100)]);
    let elsewhere = SocketId { link: ETH1, family: Family::Ipv4 };
    rig.hear(&Message { socket: elsewhere, ..peer(200) });
    rig.hear(&message(&Advertisement { vrid: Vrid::new(52).unwrap(), ..advert(200, &[VIP]) }));
    assert_eq!((rig.vrid_errors(), rig.counters().adverts_received), (2, 0));
}

#[test]
fn rx_10_there_must_be_an_address() {
    let none = changed(&peer(200), |bytes| {
        bytes[3] = 0;
        bytes.truncate(8);
    });
    assert_eq!(
        Advertisement::parse(&none.payload, none.source, none.destination),
        Err(ParseError::NoAddresses)
    );
    dropped_by(&instance(100), &none, |c| c.packet_length_errors);
}

#[test]
fn rx_11_the_first_ipv6_address_must_be_link_local() {
    let global = message6(&advert(200, &["2001:db8::100", "fe80::100"]));
    let read = Advertisement::parse(&global.payload, global.source, global.destination);
    assert_eq!(read, Err(ParseError::FirstNotLinkLocal));
    dropped_by(&instance6(100), &global, |c| c.packet_length_errors);
}

#[test]
fn rx_12_the_interval_must_not_be_0() {
    let zero = changed(&peer(200), |bytes| bytes[4..6].fill(0));
    dropped_by(&instance(100), &zero, |c| c.adv_interval_errors);
    let reserved = changed(&peer(200), |bytes| bytes[4..6].copy_from_slice(&[0xf0, 0]));
    dropped_by(&instance(100), &reserved, |c| c.adv_interval_errors);
    let v2 = changed(&message(&advert_v2(200, &[VIP])), |bytes| bytes[5] = 0);
    dropped_by(&instance_v2(100), &v2, |c| c.adv_interval_errors);
}

#[test]
fn rx_14_an_owner_processes_adverts_and_says_so() {
    let mut rig = Rig::masters(&[instance(255)]);
    rig.hear(&peer(255));
    assert_eq!(rig.state(), VrState::Backup, "the other one has the greater address");
    assert_eq!(rig.counters().second_owner, 1);
}

#[test]
fn rx_15_another_interval_is_noted_never_a_reason_to_drop_in_version_3() {
    let mut rig = Rig::start(&[instance(100)]);
    let half = message(&Advertisement { interval: centiseconds(50), ..advert(200, &[VIP]) });
    for _ in 0..20 {
        rig.hear(&half);
    }
    let counters = rig.counters();
    assert_eq!((counters.adverts_received, counters.adv_interval_errors), (20, 20));
    assert_eq!(rig.timer(), Some(us(1_804_687) + std::time::Duration::from_nanos(500)), "and it is learned");
    assert_eq!(told(&rig), 1);
}

fn told(rig: &Rig) -> usize {
    rig.reports().iter().filter(|report| matches!(report, Report::Trouble { .. })).count()
}

#[test]
fn rx_16_rfc_5798_which_has_no_interval_check_is_satisfied() {
    for number in [1, 10, 99, 101, 4095] {
        let other = message(&Advertisement { interval: centiseconds(number), ..advert(200, &[VIP]) });
        let mut rig = Rig::masters(&[instance(100)]);
        rig.hear(&other);
        assert_eq!(rig.state(), VrState::Backup);
    }
}

#[test]
fn rx_17_another_interval_is_dropped_in_version_2() {
    let slow = Advertisement { interval: Interval::from_seconds(2).unwrap(), ..advert_v2(200, &[VIP]) };
    dropped_by(&instance_v2(100), &message(&slow), |c| c.adv_interval_errors);
    let mut rig = Rig::start(&[instance_v2(100)]);
    for _ in 0..4 {
        rig.hear(&message(&slow));
        rig.run(ms(1000));
    }
    assert_eq!(rig.state(), VrState::Master);
}

#[test]
fn rx_18_another_list_of_addresses_is_noted_only() {
    let mut rig = Rig::start(&[instance(100)]);
    rig.hear(&message(&advert(200, &["192.0.2.101"])));
    rig.hear(&message(&advert(200, &[VIP, "192.0.2.101"])));
    rig.hear(&peer(200));
    let counters = rig.counters();
    assert_eq!((counters.adverts_received, counters.address_list_errors), (3, 2));
}

#[test]
fn rx_20_version_2_another_authentication_type_is_dropped() {
    for auth in [Auth::Password([0; 8]), Auth::Other(2), Auth::Other(9)] {
        let other = message(&Advertisement { auth, ..advert_v2(200, &[VIP]) });
        dropped_by(&instance_v2(100), &other, |c| c.auth_type_errors);
    }
}

#[test]
fn rx_21_what_is_dropped_has_no_effect() {
    // Each item above looks at it for its own messages; here they come in a row, as BACKUP of a MASTER whose interval
    // was learned.
    let mut rig = Rig::start(&[instance(100)]);
    rig.hear(&message(&Advertisement { interval: centiseconds(300), ..advert(200, &[VIP]) }));
    rig.run(ms(2_000));
    let timer = rig.timer().unwrap();
    let bad = [
        Message { hop_limit: 1, ..peer(255) },
        changed(&peer(255), |bytes| bytes[0] = 0x21),
        changed(&peer(255), |bytes| bytes[0] = 0x32),
        changed(&peer(0), |bytes| bytes.extend([0; 3])),
        changed(&peer(0), |bytes| bytes[4..6].fill(0)),
        changed(&peer(0), |bytes| {
            bytes[3] = 0;
            bytes.truncate(8);
        }),
        Message { payload: peer(0).payload.iter().map(|byte| byte ^ 1).collect(), ..peer(0) },
        Message { destination: ip(OWN), ..peer(0) },
        Message { source: ip(OWN), ..peer(0) },
    ];
    let before = rig.status("web").master;
    for message in &bad {
        rig.hear(message);
    }
    assert_eq!(rig.timer(), Some(timer));
    assert_eq!((rig.state(), rig.status("web").master), (VrState::Backup, before));
    assert_eq!(rig.counters().adverts_received, 1);
    rig.run(timer);
    assert_eq!(rig.state(), VrState::Master);
}

#[test]
fn rx_22_bad_messages_are_counted_each_and_told_seldom() {
    let mut rig = Rig::masters(&[instance(100)]);
    let bad = changed(&peer(200), |bytes| bytes[0] = 0x32);
    for _ in 0..1000 {
        rig.hear(&bad);
    }
    assert_eq!(rig.counters().invalid_type, 1000);
    assert_eq!(told(&rig), 1);
    // Also when each has another source.
    for n in 0..1000_u16 {
        let [high, low] = n.to_be_bytes();
        rig.hear(&Message { source: std::net::Ipv4Addr::new(192, 0, high, low).into(), ..bad.clone() });
    }
    assert!(told(&rig) <= 20, "{} lines", told(&rig));
    assert_eq!(rig.sent().len(), 0);
}

#[test]
fn rx_24_our_own_adverts_that_come_back_are_dropped() {
    for priority in [0, 99, 100, 101, 255] {
        dropped_by(&instance(100), &Message { source: ip(OWN), ..peer(priority) }, |c| c.own_packets);
    }
    dropped_by(&instance6(100), &Message { source: ip(OWN6), ..peer6(200) }, |c| c.own_packets);
    // We never send from a virtual address, but a peer may: FRR does where its link has no other of IPv6.
    let mut rig = Rig::masters(&[instance(100)]);
    let payload = advert(200, &[VIP]).emit(ip(VIP), ip(GROUP), ChecksumForm::Rfc5798);
    rig.hear(&Message { source: ip(VIP), payload, ..peer(200) });
    assert_eq!((rig.state(), rig.counters().own_packets), (VrState::Backup, 0));
}

#[test]
fn rx_25_two_with_the_same_address_make_no_storm() {
    use super::segment::{Segment, settings};
    let mut segment = Segment::new(&[("192.0.2.2", settings(100)), ("192.0.2.2", settings(100))]);
    segment.start(0);
    segment.start(1);
    segment.run(ms(4_000));
    segment.forget();
    segment.run(ms(10_000));
    let sent = segment.adverts(0).len() + segment.adverts(1).len();
    assert!(sent <= 2 * (10 + 100), "{sent} adverts in ten seconds");

    let mut rig = Rig::masters(&[instance(100)]);
    for _ in 0..5_000 {
        rig.hear(&peer(1));
        rig.run(us(200));
    }
    assert!(rig.sent().len() <= 12, "{} answers in a second", rig.sent().len());
}

#[test]
fn rx_26_unicast_and_multicast_do_not_mix() {
    dropped_by(&instance(100), &to(OWN), |c| c.foreign_packets);
    let unicast = InstanceConfig { transport: Transport::Unicast(vec![ip(PEER)]), ..instance(100) };
    dropped_by(&unicast, &peer(200), |c| c.foreign_packets);
    let mut rig = Rig::masters(&[unicast]);
    rig.hear(&to(OWN));
    assert_eq!(rig.state(), VrState::Backup);
}

/// The peer's advert of priority 200 to `destination`.
fn to(destination: &str) -> Message {
    let destination = ip(destination);
    let payload = advert(200, &[VIP]).emit(ip(PEER), destination, ChecksumForm::Rfc5798);
    Message { destination, payload, ..peer(200) }
}

#[test]
fn rx_27_the_family_comes_from_the_packet_alone() {
    let mut rig = Rig::start(&[instance6(100)]);
    rig.hear(&peer(200));
    assert_eq!((rig.vrid_errors(), rig.counters().adverts_received), (1, 0));
    rig.hear(&peer6(200));
    assert_eq!((rig.vrid_errors(), rig.counters().adverts_received), (1, 1));
}

#[test]
fn mix_01_the_versions_do_not_hear_each_other() {
    let v2 = message(&advert_v2(200, &[VIP]));
    dropped_by(&instance(100), &v2, |c| c.version_errors);
    dropped_by(&instance_v2(100), &peer(200), |c| c.version_errors);
    let versions = [Version::V2, Version::V3];
    assert_eq!(versions.map(Version::number), [2, 3]);
}

#[test]
fn grp_04_only_peers_are_heard_in_unicast_whatever_the_hop_limit() {
    let unicast = InstanceConfig { transport: Transport::Unicast(vec![ip(PEER)]), ..instance(100) };
    let stranger = {
        let source = ip("192.0.2.77");
        let payload = advert(200, &[VIP]).emit(source, ip(OWN), ChecksumForm::Rfc5798);
        Message { source, payload, ..to(OWN) }
    };
    dropped_by(&unicast, &stranger, |c| c.foreign_packets);
    let mut rig = Rig::masters(&[unicast]);
    rig.hear(&Message { hop_limit: 63, ..to(OWN) });
    assert_eq!(rig.state(), VrState::Backup);
}
