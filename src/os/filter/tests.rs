//! The programs, run by a small interpreter that follows the kernel's rules. What the kernel itself makes of them is
//! tested in `tests/kernel.rs`.

use super::*;

/// A packet as a raw socket's filter sees it: `data` from offset 0, `network` from the IP header on.
struct Packet {
    data: Vec<u8>,
    network: Vec<u8>,
}

fn load(packet: &Packet, offset: u32, size: usize) -> Option<u32> {
    let (bytes, at) =
        if offset >= NETWORK { (&packet.network, offset - NETWORK) } else { (&packet.data, offset) };
    let at = usize::try_from(at).unwrap();
    Some(bytes.get(at..at + size)?.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

/// What the program returns: how many bytes pass; `None` for a load beyond the end, which drops.
fn run(program: &[Instruction], packet: &Packet) -> Option<u32> {
    let (mut a, mut x, mut cells, mut at) = (0_u32, 0_u32, [None; 16], 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            LOAD_IMMEDIATE => a = k,
            LOAD_WORD => a = load(packet, k, 4)?,
            LOAD_HALF => a = load(packet, k, 2)?,
            LOAD_BYTE => a = load(packet, k, 1)?,
            LOAD_BYTE_AT_X => a = load(packet, x + k, 1)?,
            LOAD_CELL => a = cells[usize::try_from(k).unwrap()].expect("a cell is written before it is read"),
            LOAD_LENGTH => a = u32::try_from(packet.data.len()).unwrap(),
            LOAD_X_HEADER_LENGTH => x = (load(packet, k, 1)? & 0xf) * 4,
            STORE_CELL => cells[usize::try_from(k).unwrap()] = Some(a),
            ADD => a = a.wrapping_add(k),
            ADD_X => a = a.wrapping_add(x),
            AND => a &= k,
            SHIFT_LEFT => a <<= k,
            SHIFT_RIGHT => a >>= k,
            SHIFT_RIGHT_BY_X => a = a.checked_shr(x).expect("shift by less than 32"),
            JUMP => at += usize::try_from(k).unwrap(),
            IF_EQUAL => at += jump(a == k),
            IF_EQUAL_X => at += jump(a == x),
            IF_AT_LEAST => at += jump(a >= k),
            IF_ANY_BIT => at += jump(a & k != 0),
            RETURN => return Some(k),
            A_TO_X => x = a,
            _ => panic!("unknown instruction {code:#x}"),
        }
    }
}

fn passes(program: &[Instruction], packet: &Packet) -> bool {
    run(program, packet).is_some_and(|kept| kept != 0)
}

#[derive(Clone)]
struct Message {
    options: usize,
    destination: [u8; 4],
    destination6: [u8; 16],
    hops: u8,
    fragment: u16,
    first: u8,
    vrid: u8,
    count: u8,
    length: usize,
}

const GROUP6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12];

/// A good multicast message of version 3 for VRID 51 over IPv4, one address.
fn good4() -> Message {
    Message {
        options: 0,
        destination: [224, 0, 0, 18],
        destination6: GROUP6,
        hops: 255,
        fragment: 0x4000,
        first: 0x31,
        vrid: 51,
        count: 1,
        length: 12,
    }
}

fn good6() -> Message {
    Message { length: 24, ..good4() }
}

fn payload(message: &Message) -> Vec<u8> {
    let mut bytes = vec![message.first, message.vrid, 100, message.count, 0, 100, 0, 0];
    bytes.resize(message.length, 7);
    bytes
}

fn ipv4(message: &Message) -> Packet {
    let mut bytes = vec![0x45 + u8::try_from(message.options).unwrap(), 0xc0, 0, 0, 0, 0];
    bytes.extend(message.fragment.to_be_bytes());
    bytes.extend([message.hops, 112, 0, 0, 192, 0, 2, 1]);
    bytes.extend(message.destination);
    bytes.extend(vec![1; message.options * 4]);
    bytes.extend(payload(message));
    Packet { network: bytes.clone(), data: bytes }
}

fn ipv6(message: &Message) -> Packet {
    let mut network = vec![0x60, 0, 0, 0, 0, 0, 112, message.hops];
    network.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    network.extend(message.destination6);
    let data = payload(message);
    network.extend(&data);
    Packet { data, network }
}

fn row(vrid: u8, version: u8, multicast: bool) -> Row {
    Row { vrid, version, multicast }
}

#[test]
fn exactly_the_vrids_of_the_set_pass_in_either_mode() {
    let vrids = [1, 31, 32, 51, 63, 64, 127, 128, 200, 255];
    for strict in [false, true] {
        let filter = Filter { rows: vrids.iter().map(|&vrid| row(vrid, 3, true)).collect(), strict };
        let (v4, v6) = (program(Family::Ipv4, &filter), program(Family::Ipv6, &filter));
        for vrid in 0..=255 {
            let due = vrids.contains(&vrid);
            assert_eq!(passes(&v4, &ipv4(&Message { vrid, ..good4() })), due, "IPv4 {vrid} strict {strict}");
            assert_eq!(passes(&v6, &ipv6(&Message { vrid, ..good6() })), due, "IPv6 {vrid} strict {strict}");
        }
    }
}

#[test]
fn an_empty_filter_passes_nothing() {
    for strict in [false, true] {
        let filter = Filter { rows: Vec::new(), strict };
        assert!(!passes(&program(Family::Ipv4, &filter), &ipv4(&good4())));
        assert!(!passes(&program(Family::Ipv6, &filter), &ipv6(&good6())));
    }
}

#[test]
fn strict_ipv4_follows_each_rule() {
    let rows = vec![row(51, 3, true), row(52, 2, true), row(53, 3, false), row(54, 2, false)];
    let strict = program(Family::Ipv4, &Filter { rows: rows.clone(), strict: true });
    let open = program(Family::Ipv4, &Filter { rows, strict: false });
    let us = [192, 0, 2, 9];
    let v2 = Message { first: 0x21, vrid: 52, length: 20, ..good4() };
    let unicast3 = Message { vrid: 53, destination: us, ..good4() };
    let unicast2 = Message { vrid: 54, destination: us, ..v2.clone() };
    let cases = [
        ("version 3", true, good4()),
        ("version 3, IP options", true, Message { options: 3, ..good4() }),
        ("version 3, 20 addresses", true, Message { count: 20, length: 88, ..good4() }),
        ("version 3, 255 addresses", true, Message { count: 255, length: 1028, ..good4() }),
        ("version 2", true, v2.clone()),
        ("version 2, 3 addresses", true, Message { count: 3, length: 28, ..v2.clone() }),
        ("unicast 3", true, unicast3.clone()),
        ("unicast 3 routed", true, Message { hops: 60, ..unicast3.clone() }),
        ("unicast 2", true, unicast2.clone()),
        ("wrong version for its VRID", false, Message { first: 0x21, length: 20, ..good4() }),
        ("wrong version for its VRID", false, Message { first: 0x31, length: 12, ..v2.clone() }),
        ("version 1", false, Message { first: 0x11, ..good4() }),
        ("type 2", false, Message { first: 0x32, ..good4() }),
        ("CARP", false, Message { first: 0x21, length: 36, count: 7, ..good4() }),
        ("no addresses", false, Message { count: 0, length: 8, ..good4() }),
        ("one byte short", false, Message { length: 11, ..good4() }),
        ("one byte long", false, Message { length: 13, ..good4() }),
        ("version 2 without authentication data", false, Message { length: 12, ..v2 }),
        ("TTL 254", false, Message { hops: 254, ..good4() }),
        ("first fragment", false, Message { fragment: 0x2000, ..good4() }),
        ("later fragment", false, Message { fragment: 0x0003, ..good4() }),
        ("another group", false, Message { destination: [224, 0, 0, 5], ..good4() }),
        ("broadcast", false, Message { destination: [255; 4], ..unicast3.clone() }),
        ("unicast to a multicast row", false, Message { destination: us, ..good4() }),
        ("multicast to a unicast row", false, Message { destination: [224, 0, 0, 18], ..unicast3 }),
        (
            "multicast to a unicast row, version 2",
            false,
            Message { destination: [224, 0, 0, 18], ..unicast2 },
        ),
    ];
    for (name, due, message) in cases {
        assert_eq!(passes(&strict, &ipv4(&message)), due, "{name}");
        assert!(passes(&open, &ipv4(&message)), "open: {name}");
    }
}

#[test]
fn strict_ipv6_follows_each_rule() {
    let rows = vec![row(51, 3, true), row(53, 3, false)];
    let strict = program(Family::Ipv6, &Filter { rows: rows.clone(), strict: true });
    let open = program(Family::Ipv6, &Filter { rows, strict: false });
    let mut us = [0; 16];
    us[..2].copy_from_slice(&[0xfe, 0x80]);
    let mut all_routers = GROUP6;
    all_routers[15] = 2;
    let mut site = GROUP6;
    site[1] = 5;
    let unicast = Message { vrid: 53, destination6: us, ..good6() };
    let cases = [
        ("multicast", true, good6()),
        ("255 addresses", true, Message { count: 255, length: 4088, ..good6() }),
        ("unicast", true, unicast.clone()),
        ("unicast routed", true, Message { hops: 60, ..unicast.clone() }),
        ("version 2", false, Message { first: 0x21, length: 32, ..good6() }),
        ("no addresses", false, Message { count: 0, length: 8, ..good6() }),
        ("one byte short", false, Message { length: 23, ..good6() }),
        ("one byte long", false, Message { length: 25, ..good6() }),
        ("hop limit 254", false, Message { hops: 254, ..good6() }),
        ("all routers", false, Message { destination6: all_routers, ..good6() }),
        ("site scope", false, Message { destination6: site, ..good6() }),
        ("unicast to a multicast row", false, Message { destination6: us, ..good6() }),
        ("multicast to a unicast row", false, Message { destination6: GROUP6, ..unicast }),
    ];
    for (name, due, message) in cases {
        assert_eq!(passes(&strict, &ipv6(&message)), due, "{name}");
        assert!(passes(&open, &ipv6(&message)), "open: {name}");
    }
}

#[test]
fn truncated_messages_never_pass_strictly() {
    let rows = vec![row(51, 3, true), row(52, 2, true), row(53, 3, false)];
    for strict in [false, true] {
        let filter = Filter { rows: rows.clone(), strict };
        for length in 0..24 {
            let four = Message { length: length.min(11), ..good4() };
            let mut packet = ipv4(&four);
            packet.data.truncate(20 + length.min(11));
            let due = !strict && length >= 2;
            assert_eq!(passes(&program(Family::Ipv4, &filter), &packet), due, "IPv4 {length}");
            let mut packet = ipv6(&good6());
            packet.data.truncate(length);
            assert_eq!(passes(&program(Family::Ipv6, &filter), &packet), due, "IPv6 {length}");
        }
    }
}

#[test]
fn the_largest_program_is_within_the_kernels_limit() {
    let rows: Vec<Row> = (1..=255).map(|vrid| row(vrid, 2 + (vrid & 1), vrid & 2 != 0)).collect();
    for family in [Family::Ipv4, Family::Ipv6] {
        let length = program(family, &Filter { rows: rows.clone(), strict: true }).len();
        assert!(length < 4096, "{length}");
    }
}
