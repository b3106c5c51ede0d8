//! TAK, ACD, UNA: what a new MASTER tells the link.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use etherparse::icmpv6::TYPE_NEIGHBOR_ADVERTISEMENT;
use etherparse::{
    ArpHardwareId, ArpOperation, EtherType, Icmpv6Type, IpNumber, NetSlice, SlicedPacket, TransportSlice,
};

use failover::agent::message::Output;
use failover::agent::snapshot::VrState;
use failover::config::model::{Garp, InstanceConfig};
use failover::net::MacAddr;
use failover::vrrp::announce;

use super::bytes::ip;
use super::rig::*;
use super::segment::ms;

/// The hardware address of `eth0`.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A gratuitous ARP, as etherparse reads it.
#[derive(Debug)]
struct Arp {
    to: [u8; 6],
    from: [u8; 6],
    operation: ArpOperation,
    sender: ([u8; 6], [u8; 4]),
    target: ([u8; 6], [u8; 4]),
}

fn arp(frame: &[u8]) -> Option<Arp> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let ethernet = packet.link.unwrap().to_header().unwrap().ethernet2().unwrap();
    let Some(NetSlice::Arp(arp)) = packet.net else { return None };
    assert_eq!(ethernet.ether_type, EtherType::ARP);
    assert_eq!((arp.hw_addr_type(), arp.proto_addr_type()), (ArpHardwareId::ETHERNET, EtherType::IPV4));
    Some(Arp {
        to: ethernet.destination,
        from: ethernet.source,
        operation: arp.operation(),
        sender: (arp.sender_hw_addr().try_into().unwrap(), arp.sender_protocol_addr().try_into().unwrap()),
        target: (arp.target_hw_addr().try_into().unwrap(), arp.target_protocol_addr().try_into().unwrap()),
    })
}

/// A neighbour advertisement, as etherparse reads it.
#[derive(Debug)]
struct Advertisement {
    to: [u8; 6],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    code: u8,
    /// Router, solicited, override, reserved.
    flags: u8,
    target: [u8; 16],
    options: Vec<u8>,
}

fn neighbour(frame: &[u8]) -> Option<Advertisement> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let ethernet = packet.link.unwrap().to_header().unwrap().ethernet2().unwrap();
    let (Some(NetSlice::Ipv6(ipv6)), Some(TransportSlice::Icmpv6(icmp))) = (packet.net, packet.transport)
    else {
        return None;
    };
    let header = ipv6.header();
    assert_eq!(header.next_header(), IpNumber::IPV6_ICMP);
    assert_eq!(usize::from(header.payload_length()), frame.len() - 14 - 40);
    assert!(icmp.is_checksum_valid(header.source(), header.destination()), "checksum");
    assert!(matches!(icmp.icmp_type(), Icmpv6Type::NeighborAdvertisement(_)), "{:?}", icmp.icmp_type());
    assert_eq!(icmp.type_u8(), TYPE_NEIGHBOR_ADVERTISEMENT);
    let message = icmp.slice();
    Some(Advertisement {
        to: ethernet.destination,
        source: header.source_addr(),
        destination: header.destination_addr(),
        hop_limit: header.hop_limit(),
        code: icmp.code_u8(),
        flags: message[4],
        target: message[8..24].try_into().unwrap(),
        options: message[24..].to_vec(),
    })
}

fn arps(rig: &Rig) -> Vec<Arp> {
    rig.frames().iter().filter_map(|(_, frame)| arp(frame)).collect()
}

fn neighbours(rig: &Rig) -> Vec<Advertisement> {
    rig.frames().iter().filter_map(|(_, frame)| neighbour(frame)).collect()
}

/// An instance that has just become MASTER, and announced each of its addresses as often as it says.
fn taken_over(config: InstanceConfig) -> Rig {
    let (count, repeat) = (config.addresses.len(), usize::from(config.garp.repeat));
    let mut rig = Rig::start(&[config]);
    rig.run(ms(3_700));
    assert_eq!(rig.state(), VrState::Master);
    assert_eq!(arps(&rig).len() + neighbours(&rig).len(), count * repeat);
    rig
}

#[test]
fn tak_01_the_advert_is_the_first_thing_on_the_wire() {
    for config in [instance(100), instance6(100)] {
        let rig = taken_over(config);
        let wire = |output: &&Output| matches!(output, Output::Send { .. } | Output::Frame { .. });
        let outputs = rig.outputs();
        let first = outputs.iter().find(wire);
        assert!(matches!(first, Some(Output::Send { .. })), "{first:?}");
    }
}

#[test]
fn tak_02_each_ipv4_address_is_announced() {
    let addresses = ["192.0.2.101", "192.0.2.102", "192.0.2.103"];
    let rig = taken_over(with_addresses(100, &addresses));
    let mut announced: Vec<IpAddr> = arps(&rig).iter().map(|arp| IpAddr::from(arp.sender.1)).collect();
    announced.truncate(3);
    assert_eq!(announced, addresses.map(ip), "each once before any is repeated");
}

#[test]
fn tak_03_sender_and_target_are_the_address_and_the_frame_is_a_broadcast() {
    let rig = taken_over(instance(100));
    for arp in arps(&rig) {
        assert_eq!((arp.to, arp.from), ([0xff; 6], MAC));
        assert_eq!((arp.sender.1, arp.target.1), ([192, 0, 2, 100], [192, 0, 2, 100]));
        assert_eq!(arp.sender.0, MAC);
    }
    assert_eq!(arps(&rig).len(), 5);
}

#[test]
fn tak_04_the_target_hardware_address_is_the_announced_one() {
    assert!(arps(&taken_over(instance(100))).iter().all(|arp| arp.target.0 == MAC));
}

#[test]
fn tak_05_it_is_a_request() {
    assert!(arps(&taken_over(instance(100))).iter().all(|arp| arp.operation == ArpOperation::REQUEST));
}

#[test]
fn tak_07_each_ipv6_address_is_announced_with_router_and_override() {
    let rig = taken_over(instance6(100));
    let announced = neighbours(&rig);
    let targets: Vec<IpAddr> = announced.iter().take(2).map(|na| IpAddr::from(na.target)).collect();
    assert_eq!(targets, VIPS6.map(ip));
    assert!(announced.iter().all(|na| na.flags == 0xa0));
}

#[test]
fn tak_08_the_next_advert_is_due_an_interval_after_the_first() {
    let mut rig = taken_over(InstanceConfig { interval: super::bytes::centiseconds(10), ..instance(100) });
    rig.run(ms(1000));
    let sent = rig.sent();
    assert_eq!(sent[1].at - sent[0].at, ms(100));
}

#[test]
fn tak_10_an_address_that_is_added_while_master_is_announced() {
    let mut rig = Rig::masters(&[instance(100)]);
    rig.remove(ETH0, ip(VIP));
    rig.run(ms(10));
    assert!(rig.holds(VIP), "it is put back");
    assert_eq!(arps(&rig).len(), 5);
    assert_eq!(rig.state(), VrState::Master);
}

#[test]
fn tak_12_repeats_are_configurable() {
    let once = Garp { repeat: 1, delay: Duration::ZERO, refresh: Duration::ZERO };
    let mut rig =
        taken_over(InstanceConfig { garp: once, ..with_addresses(100, &["192.0.2.101", "192.0.2.102"]) });
    rig.run(ms(3_600_000));
    assert_eq!(arps(&rig).len(), 2);

    let refreshed = Garp { repeat: 2, delay: Duration::from_secs(3), refresh: Duration::from_mins(1) };
    let mut rig = taken_over(InstanceConfig { garp: refreshed, ..instance(100) });
    rig.run(ms(10_000));
    assert_eq!(arps(&rig).len(), 4);
    rig.run(ms(600_000));
    assert_eq!(arps(&rig).len(), 14);
}

#[test]
fn tak_13_leaving_says_nothing() {
    for (config, better) in [(instance(100), peer(200)), (instance6(100), peer6(200))] {
        // In the middle of the announcements.
        let mut rig = taken_over(config);
        rig.forget();
        rig.hear(&better);
        assert_eq!(rig.state(), VrState::Backup);
        assert!(!rig.holds(VIP) && !rig.holds(VIPS6[0]));
        rig.run(ms(3_000));
        assert_eq!(rig.frames().len(), 0);
    }
}

#[test]
fn tak_14_adverts_keep_their_pace_while_many_addresses_are_announced() {
    let addresses: Vec<String> = (0..200).map(|last| format!("198.18.0.{last}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let fast = InstanceConfig { interval: super::bytes::centiseconds(10), ..with_addresses(100, &addresses) };
    let mut rig = Rig::start(&[fast]);
    rig.run(ms(20_000));
    let sent = rig.sent();
    assert!(sent.windows(2).all(|pair| pair[1].at - pair[0].at == ms(100)));
    let mut announced: BTreeMap<[u8; 4], usize> = BTreeMap::new();
    for arp in arps(&rig) {
        *announced.entry(arp.sender.1).or_default() += 1;
    }
    assert_eq!(announced.len(), 200);
    assert!(announced.values().all(|times| *times == 10));
    let first = rig.frames().iter().take(200).map(|(at, _)| *at).max().unwrap();
    assert_eq!(first, sent[0].at, "each was announced at once");
}

#[test]
fn acd_01_it_has_the_shape_of_an_arp_announcement() {
    let frame = announce::frame(ip("192.0.2.1"), MacAddr(MAC), false);
    let read = arp(&frame).unwrap();
    assert_eq!(read.operation, ArpOperation::REQUEST);
    assert_eq!(read.sender.1, read.target.1);
    // But for the target hardware address, of which RFC 9568's errata say otherwise: TAK-04.
    assert_eq!(read.target.0, MAC);
}

#[test]
fn acd_02_by_default_there_are_two_bursts_the_second_after_5_s() {
    let mut rig = Rig::start(&[instance(100)]);
    rig.run(ms(3_600_000));
    let times: Vec<Duration> = rig.frames().iter().map(|(at, _)| *at).collect();
    let begin = rig.sent()[0].at;
    assert_eq!(times, [vec![begin; 5], vec![begin + ms(5_000); 5]].concat());
}

#[test]
fn acd_03_nothing_is_probed_first() {
    let rig = taken_over(instance(100));
    assert!(arps(&rig).iter().all(|arp| arp.sender.1 != [0; 4]));
    assert_eq!(rig.frames()[0].0, rig.sent()[0].at, "announced without a wait");
}

#[test]
fn acd_06_a_contest_is_answered_by_one_burst_in_10_s() {
    let mut rig = Rig::masters(&[instance(100)]);
    for _ in 0..3_500 {
        rig.hear(&peer(50));
        rig.run(ms(10));
    }
    let bursts = rig.frames().len() / 5;
    assert!((3..=4).contains(&bursts), "{bursts} bursts in 35 s");
}

#[test]
fn una_01_the_solicited_flag_is_zero() {
    for router in [false, true] {
        let read = neighbour(&announce::frame(ip("2001:db8::1"), MacAddr(MAC), router)).unwrap();
        assert_eq!(read.flags & 0x40, 0);
        assert_eq!(read.flags & 0x80 != 0, router);
    }
}

#[test]
fn una_02_it_goes_to_all_nodes_with_hop_limit_255_and_a_valid_checksum() {
    let rig = taken_over(instance6(100));
    for na in neighbours(&rig) {
        assert_eq!(na.to, [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(IpAddr::from(na.destination), ip("ff02::1"));
        assert_eq!((na.hop_limit, na.code), (255, 0));
    }
    assert_eq!(neighbours(&rig).len(), 10);
}

#[test]
fn una_04_several_addresses_have_an_advertisement_each() {
    let addresses: Vec<String> = (1..=20).map(|n| format!("fe80::1:{n:x}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let rig = taken_over(with_addresses(100, &addresses));
    let targets: Vec<IpAddr> = neighbours(&rig).iter().take(20).map(|na| IpAddr::from(na.target)).collect();
    assert_eq!(targets, addresses.iter().map(|text| ip(text)).collect::<Vec<_>>());
}

#[test]
fn una_05_the_target_link_layer_option_has_the_hardware_address() {
    for na in neighbours(&taken_over(instance6(100))) {
        assert_eq!(na.options, [vec![2, 1], MAC.to_vec()].concat());
    }
}

#[test]
fn una_06_what_receivers_must_drop_is_never_sent() {
    for address in ["fe80::1", "2001:db8::1", "::1", "ff02::1", "::"] {
        for router in [false, true] {
            let frame = announce::frame(ip(address), MacAddr([0xff; 6]), router);
            let read = neighbour(&frame).unwrap();
            assert_eq!((read.hop_limit, read.flags & 0x40, read.code), (255, 0, 0));
        }
    }
}

#[test]
fn una_08_the_source_is_the_address_itself() {
    for na in neighbours(&taken_over(instance6(100))) {
        assert_eq!(na.source.octets(), na.target);
    }
}
