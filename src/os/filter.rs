//! Which VRRP messages reach the process: a classic BPF program for a raw socket, run by the kernel on each packet.
//!
//! Two modes. *Open*: every message with a VRID of ours passes, so that trouble on it is seen. *Strict*: what breaks the
//! rules of its VRID is dropped in the kernel, so that a flood of rubbish does not wake the process. A VRID is looked
//! up in a bitmap: the cost does not grow with their number.
//!
//! A raw IPv4 socket's filter sees the IP header at offset 0. A raw IPv6 socket's filter sees the payload there, and the
//! IPv6 header through the network-layer base. A load beyond the packet's end drops the packet.
//!
//! Pure: builds programs, attaches nothing, cannot fail.

use crate::net::Family;

/// One VRID's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Messages with this VRID pass.
    pub vrid: u8,
    /// Strict: of this VRRP version, 2 or 3.
    pub version: u8,
    /// Strict: to the VRRP group with hop limit 255, or else to a unicast address.
    pub multicast: bool,
}

/// What a socket lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The rules, one per VRID.
    pub rows: Vec<Row>,
    /// Whether messages that break their row's rules are dropped.
    pub strict: bool,
}

/// One instruction of classic BPF (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip when a test holds.
    pub jt: u8,
    /// How many to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

const LOAD_IMMEDIATE: u16 = 0x00;
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_BYTE_AT_X: u16 = 0x50;
const LOAD_CELL: u16 = 0x60;
const LOAD_LENGTH: u16 = 0x80;
const LOAD_X_HEADER_LENGTH: u16 = 0xb1;
const STORE_CELL: u16 = 0x02;
const ADD: u16 = 0x04;
const ADD_X: u16 = 0x0c;
const AND: u16 = 0x54;
const SHIFT_LEFT: u16 = 0x64;
const SHIFT_RIGHT: u16 = 0x74;
const SHIFT_RIGHT_BY_X: u16 = 0x7c;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_EQUAL_X: u16 = 0x1d;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const A_TO_X: u16 = 0x07;

/// Offsets from here on are counted from the IP header (`SKF_NET_OFF`).
const NETWORK: u32 = 0xfff0_0000;
/// How much of a message that passes is kept: all.
const WHOLE: u32 = 0x0004_0000;
/// The scratch cell that holds the VRID.
const VRID: u32 = 0;

/// A run of instructions that ends in a return on every path.
type Code = Vec<Instruction>;

/// The program for a socket of `family`.
#[must_use]
pub fn program(family: Family, filter: &Filter) -> Vec<Instruction> {
    let mut code = prologue(family);
    if filter.strict {
        code.extend(strict(family, &filter.rows));
    } else {
        code.extend(lookup(&filter.rows, |_| true));
    }
    code
}

/// Stores the VRID in its cell; leaves the IPv4 header's length in X.
fn prologue(family: Family) -> Code {
    match family {
        Family::Ipv4 => {
            vec![op(LOAD_X_HEADER_LENGTH, 0), op(LOAD_BYTE_AT_X, 1), op(STORE_CELL, VRID)]
        }
        Family::Ipv6 => vec![op(LOAD_BYTE, 1), op(STORE_CELL, VRID)],
    }
}

fn strict(family: Family, rows: &[Row]) -> Code {
    let mut multicast = Code::new();
    let is_multicast = match family {
        Family::Ipv4 => {
            // A fragment is not reassembled by us, and a whole message is none.
            let mut code = vec![op(LOAD_HALF, 6), test(IF_ANY_BIT, 0x3fff, 0, 1), op(RETURN, 0)];
            require(&mut multicast, op(LOAD_WORD, 16), IF_EQUAL, 0xe000_0012);
            require(&mut multicast, op(LOAD_BYTE, 8), IF_EQUAL, 255);
            code.push(op(LOAD_WORD, 16));
            (code, IF_AT_LEAST, 0xe000_0000)
        }
        Family::Ipv6 => {
            for (offset, word) in [(24, 0xff02_0000), (28, 0), (32, 0), (36, 0x12)] {
                require(&mut multicast, op(LOAD_WORD, NETWORK + offset), IF_EQUAL, word);
            }
            require(&mut multicast, op(LOAD_BYTE, NETWORK + 7), IF_EQUAL, 255);
            (vec![op(LOAD_BYTE, NETWORK + 24)], IF_EQUAL, 0xff)
        }
    };
    multicast.extend(versions(family, rows, true));
    let (mut code, condition, operand) = is_multicast;
    code.extend(branch(condition, operand, multicast, versions(family, rows, false)));
    code
}

/// Version, type, length and VRID of a message to the group or of one to us alone.
fn versions(family: Family, rows: &[Row], multicast: bool) -> Code {
    let wanted = |version: u8| rows.iter().any(|row| row.version == version && row.multicast == multicast);
    let of_version = |version: u8| -> Code {
        if !wanted(version) {
            return vec![op(RETURN, 0)];
        }
        let mut code = exact_length(family, version);
        code.extend(lookup(rows, |row| row.version == version && row.multicast == multicast));
        code
    };
    let mut code = vec![match family {
        Family::Ipv4 => op(LOAD_BYTE_AT_X, 0),
        Family::Ipv6 => op(LOAD_BYTE, 0),
    }];
    code.extend(branch(
        IF_EQUAL,
        0x31,
        of_version(3),
        branch(IF_EQUAL, 0x21, of_version(2), vec![op(RETURN, 0)]),
    ));
    code
}

/// Demands at least one address, and exactly the length that their count makes: 8 bytes, the addresses, and in
/// version 2 eight more of authentication data.
fn exact_length(family: Family, version: u8) -> Code {
    let mut code = Code::new();
    let count = match family {
        Family::Ipv4 => op(LOAD_BYTE_AT_X, 3),
        Family::Ipv6 => op(LOAD_BYTE, 3),
    };
    require(&mut code, count, IF_AT_LEAST, 1);
    let fixed = if version == 2 { 16 } else { 8 };
    match family {
        Family::Ipv4 => code.extend([op(SHIFT_LEFT, 2), op(ADD, fixed), op(ADD_X, 0)]),
        Family::Ipv6 => code.extend([op(SHIFT_LEFT, 4), op(ADD, fixed)]),
    }
    code.push(op(A_TO_X, 0));
    require(&mut code, op(LOAD_LENGTH, 0), IF_EQUAL_X, 0);
    code
}

/// Passes the packet if its VRID is in the bitmap of those `rows` that are `wanted`.
fn lookup(rows: &[Row], wanted: impl Fn(&Row) -> bool) -> Code {
    let mut words = [0_u32; 8];
    for row in rows.iter().filter(|row| wanted(row)) {
        if let Some(word) = words.get_mut(usize::from(row.vrid >> 5)) {
            *word |= 1 << (row.vrid & 31);
        }
    }
    let mut code =
        vec![op(LOAD_CELL, VRID), op(AND, 31), op(A_TO_X, 0), op(LOAD_CELL, VRID), op(SHIFT_RIGHT, 5)];
    for (number, word) in (0..).zip(words) {
        if word != 0 {
            code.extend([
                test(IF_EQUAL, number, 0, 5),
                op(LOAD_IMMEDIATE, word),
                op(SHIFT_RIGHT_BY_X, 0),
                test(IF_ANY_BIT, 1, 0, 1),
                op(RETURN, WHOLE),
                op(RETURN, 0),
            ]);
        }
    }
    code.push(op(RETURN, 0));
    code
}

fn op(code: u16, k: u32) -> Instruction {
    test(code, k, 0, 0)
}

fn test(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Drops the packet unless what `load` loads passes.
fn require(code: &mut Code, load: Instruction, condition: u16, k: u32) {
    code.extend([load, test(condition, k, 1, 0), op(RETURN, 0)]);
}

/// Both arms end in a return, so neither has to jump over the other.
fn branch(condition: u16, k: u32, then: Code, otherwise: Code) -> Code {
    // An arm may be longer than the 255 instructions that a test can skip; a plain jump reaches further. A program
    // whose arm does not fit in 32 bits would be refused by the kernel.
    let skip = u32::try_from(then.len()).unwrap_or(u32::MAX);
    let mut code = vec![test(condition, k, 1, 0), op(JUMP, skip)];
    code.extend(then);
    code.extend(otherwise);
    code
}

#[cfg(test)]
mod tests;
