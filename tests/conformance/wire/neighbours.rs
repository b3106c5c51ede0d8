//! BKP, UNA, OWN-07: who answers for an address, and what neighbours believe.

use std::time::Duration;

use super::super::lab::host::Host;
use super::super::lab::router::Program;
use super::super::lab::{Lab, wait};
use super::tap::{Packet, Tap};
use super::{LIMIT, mac, mac_text, router, virtual_address, with_backup, with_master};

/// Who answers when the client asks for the address: the senders of ARP replies and solicited advertisements.
fn answering(lab: &Lab, v6: bool) -> Vec<[u8; 6]> {
    let tap = Tap::open(&lab.client.space);
    for _ in 0..5 {
        lab.client.space.sh("ip neigh flush dev eth0");
        assert_eq!(lab.answers(virtual_address(v6)).as_deref(), Some("a"));
    }
    let frames = tap.listen(Duration::from_millis(200));
    let senders = frames.iter().filter(|frame| if v6 { is_advertisement(frame) } else { is_reply(frame) });
    senders.map(|frame| frame[6..12].try_into().unwrap()).collect()
}

/// An ARP reply about the virtual address.
fn is_reply(frame: &[u8]) -> bool {
    frame[12..14] == [0x08, 0x06]
        && frame[20..22] == [0, 2]
        && std::net::IpAddr::from(<[u8; 4]>::try_from(&frame[28..32]).unwrap()) == virtual_address(false)
}

/// A solicited neighbour advertisement about the virtual address.
fn is_advertisement(frame: &[u8]) -> bool {
    Packet::read(frame).is_some_and(|packet| {
        packet.protocol == 58
            && packet.payload[0] == 136
            && packet.payload[4] & 0x40 != 0
            && std::net::IpAddr::from(<[u8; 16]>::try_from(&packet.payload[8..24]).unwrap())
                == virtual_address(true)
    })
}

fn only_the_master_answers(v6: bool) {
    let (lab, _master, _backup) = with_backup(v6);
    let answers = answering(&lab, v6);
    assert!(answers.len() >= 5, "{} answers", answers.len());
    assert!(answers.iter().all(|sender| *sender == mac(&lab.a)), "{answers:x?}");
}

#[test]
fn bkp_01_a_backup_answers_no_arp_for_the_address() {
    only_the_master_answers(false);
}

#[test]
fn bkp_02_a_backup_answers_no_neighbour_solicitation_for_the_address() {
    only_the_master_answers(true);
}

#[test]
fn bkp_05_a_backup_accepts_no_packet_for_the_address() {
    for v6 in [false, true] {
        let (lab, _master, _backup) = with_backup(v6);
        let address = virtual_address(v6);
        let send_to = |host: &Host| {
            let mac = mac_text(mac(host));
            lab.client.space.sh(&format!("ip neigh replace {address} lladdr {mac} nud permanent dev eth0"));
        };
        send_to(&lab.a);
        assert_eq!(lab.answers(address).as_deref(), Some("a"));
        send_to(&lab.b);
        for _ in 0..3 {
            assert_eq!(lab.answers(address), None);
        }
    }
}

#[test]
fn own_07_an_owner_answers_for_its_address() {
    for v6 in [false, true] {
        let (lab, _program) = with_master(v6, 255);
        lab.reaches(virtual_address(v6), &lab.a, LIMIT);
    }
}

/// The hardware address that `host` believes the virtual address to have.
fn believes(host: &Host) -> String {
    let shown = host.space.sh(&format!("ip -6 neigh show {} dev eth0", virtual_address(true)));
    shown.split("lladdr ").nth(1).map_or(String::new(), |rest| rest[..17].to_owned())
}

#[test]
fn una_07_a_client_that_knows_the_address_learns_where_it_went() {
    let (lab, mut master, _backup) = with_backup(true);
    lab.reaches(virtual_address(true), &lab.a, LIMIT);
    assert_eq!(believes(&lab.client), mac_text(mac(&lab.a)));
    master.terminate();
    let expected = mac_text(mac(&lab.b));
    wait("the client knows, without asking", LIMIT, || (believes(&lab.client) == expected).then_some(()));
    lab.reaches(virtual_address(true), &lab.b, LIMIT);
}

#[test]
fn una_09_a_backup_learns_it_too() {
    let (lab, mut master, _second) = with_backup(true);
    let third = lab.add("c", 3);
    let _backup = router(true).start(Program::Ours, &third, &lab.a, 50);
    let before = mac_text(mac(&lab.a));
    let address = virtual_address(true);
    third.space.sh(&format!("ip -6 neigh replace {address} lladdr {before} nud stale dev eth0"));
    assert_eq!(believes(&third), before);
    master.terminate();
    let expected = mac_text(mac(&lab.b));
    wait("the other BACKUP knows", LIMIT, || (believes(&third) == expected).then_some(()));
    assert_eq!(third.instance().unwrap().state.word(), "BACKUP");
}
