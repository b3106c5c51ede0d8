//! F4, F6: the packet around an advert.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use super::super::bytes::{GROUP, GROUP6, ip};
use super::super::lab::Lab;
use super::super::lab::router::Program;
use super::super::lab::space::Space;
use super::inject::advert_of_a;
use super::tap::{Packet, Tap, put};
use super::{mac, router, with_master};

/// What a client sees of a MASTER's first second: adverts, and the MASTER's hardware address.
struct Seen {
    packets: Vec<Packet>,
    mac: [u8; 6],
    own: IpAddr,
}

fn look(v6: bool) -> Seen {
    let lab = Lab::new();
    let tap = Tap::open(&lab.client.space);
    let _program = router(v6).start(Program::Ours, &lab.a, &lab.b, 100);
    let frames = tap.listen(Duration::from_millis(2500));
    let packets: Vec<Packet> = frames
        .iter()
        .filter_map(|frame| Packet::read(frame))
        .filter(|packet| packet.protocol == 112)
        .collect();
    assert!(packets.len() >= 5, "{} adverts", packets.len());
    let own = if v6 { packets[0].source } else { lab.a.address(false) };
    if v6 {
        assert!(lab.a.holds(own), "{own} is an address of the host");
    }
    Seen { packets, mac: mac(&lab.a), own }
}

fn seen(v6: bool) -> &'static Seen {
    static SEEN: [OnceLock<Seen>; 2] = [OnceLock::new(), OnceLock::new()];
    SEEN[usize::from(v6)].get_or_init(|| look(v6))
}

#[test]
fn f4_01_on_the_wire_the_source_is_the_primary_address() {
    let seen = seen(false);
    assert!(seen.packets.iter().all(|packet| packet.source == seen.own && packet.mac_from == seen.mac));
}

#[test]
fn f4_02_the_destination_is_the_group() {
    for packet in &seen(false).packets {
        assert_eq!((packet.destination, packet.mac_to), (ip(GROUP), [0x01, 0x00, 0x5e, 0, 0, 0x12]));
    }
}

#[test]
fn f4_03_the_ttl_is_255() {
    assert!(seen(false).packets.iter().all(|packet| packet.hop_limit == 255));
}

#[test]
fn f4_04_the_protocol_is_112_and_the_message_is_all_there_is() {
    for packet in &seen(false).packets {
        assert_eq!(packet.protocol, 112);
        assert_eq!(packet.payload.len(), 8 + 4 * router(false).addresses().len());
    }
}

#[test]
fn f4_07_the_class_is_cs6() {
    assert!(seen(false).packets.iter().chain(&seen(true).packets).all(|packet| packet.class == 0xc0));
}

#[test]
fn f6_01_on_the_wire_the_source_is_the_links_own_link_local_address() {
    let seen = seen(true);
    for packet in &seen.packets {
        assert!(matches!(packet.source, IpAddr::V6(v6) if failover::net::is_link_local(v6)), "{packet:?}");
        assert_eq!((packet.source, packet.mac_from), (seen.own, seen.mac));
        assert!(!router(true).addresses().contains(&packet.source));
    }
}

#[test]
fn f6_02_the_destination_is_the_group() {
    for packet in &seen(true).packets {
        assert_eq!((packet.destination, packet.mac_to), (ip(GROUP6), [0x33, 0x33, 0, 0, 0, 0x12]));
    }
}

#[test]
fn f6_03_the_hop_limit_is_255() {
    assert!(seen(true).packets.iter().all(|packet| packet.hop_limit == 255));
}

#[test]
fn f6_04_the_next_header_is_112_at_once() {
    for packet in &seen(true).packets {
        assert_eq!(packet.protocol, 112);
        assert_eq!(packet.payload.len(), 8 + 16 * router(true).addresses().len());
    }
}

/// A host that forwards, and runs the program, lets no advert through to its other link.
fn nothing_is_forwarded(v6: bool) {
    let (lab, _program) = with_master(v6, 200);
    let beyond = Space::new();
    lab.a.space.sh(&format!("ip link add eth1 type veth peer name far netns {}", beyond.path()));
    for (space, link, number) in [(&lab.a.space, "eth1", 1), (&beyond, "far", 9)] {
        space.sysctl("ipv6/conf/all/accept_dad", "0");
        space.sh(&format!("ip addr add 198.51.100.{number}/24 dev {link}"));
        space.sh(&format!("ip addr add 2001:db8:1::{number}/64 dev {link} nodad"));
        space.sh(&format!("ip link set {link} up"));
    }
    lab.a.space.sysctl("ipv4/ip_forward", "1");
    lab.a.space.sysctl("ipv6/conf/all/forwarding", "1");
    beyond.sh("ip route add default via 198.51.100.1");
    beyond.sh("ip -6 route add default via 2001:db8:1::1");
    lab.client.space.sh("ip route add 198.51.100.0/24 via 192.0.2.1");
    lab.client.space.sh("ip -6 route add 2001:db8:1::/64 via 2001:db8::1");
    let there = if v6 { "2001:db8:1::9" } else { "198.51.100.9" };
    assert_eq!(lab.answers(ip(there)).as_deref(), Some("a"), "it does forward");

    let tap = Tap::open(&beyond);
    for hop_limit in [255, 64, 2, 1] {
        let packet = Packet { hop_limit, ..advert_of_a(&lab, v6, 1) };
        put(&lab.client.space, &packet.frame());
    }
    let frames = tap.listen(Duration::from_secs(1));
    let through =
        frames.iter().filter_map(|frame| Packet::read(frame)).filter(|packet| packet.protocol == 112);
    assert_eq!(through.count(), 0);
}

#[test]
fn f4_05_no_advert_is_forwarded() {
    nothing_is_forwarded(false);
}

#[test]
fn f6_05_no_advert_is_forwarded() {
    nothing_is_forwarded(true);
}
