//! Addresses: as strings, as tables, and whether a host can have them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::keys;
use super::model::VirtualAddress;
use super::reader::{self, At, Table};
use super::texts;
use super::tree::{Node, Value};
use super::words;
use crate::net::{Family, LinkName, Prefix, Scope};

/// The addresses in the array `node`, each with its place; those that cannot be read are left out.
pub(super) fn list(key: &str, node: &Node, problems: &mut Diagnostics) -> Vec<At<VirtualAddress>> {
    let Some(items) = reader::array(key, node, "addresses", problems) else { return Vec::new() };
    items.iter().filter_map(|item| one(key, item, problems)).collect()
}

fn one(key: &str, node: &Node, problems: &mut Diagnostics) -> Option<At<VirtualAddress>> {
    match &node.value {
        Value::String(text) => {
            let prefix = prefix(text, node, problems)?;
            let value = VirtualAddress { prefix, interface: None, label: None, scope: Scope::default() };
            Some(At { value, place: node.place.clone() })
        }
        Value::Table(entries) => {
            let name = format!("an address in `{key}`");
            from_table(Table::new(keys::ADDRESS, name, node.place.clone(), entries), problems)
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime | Value::Array(_) => {
            reader::wrong_type(key, node, "an array of strings or tables", problems);
            None
        }
    }
}

fn from_table(mut table: Table<'_>, problems: &mut Diagnostics) -> Option<At<VirtualAddress>> {
    let address = table.require("address", problems);
    let interface = table.take("interface");
    let label = table.take("label");
    let scope = table.take("scope");
    table.finish(problems);
    let interface = interface.and_then(|entry| link_name("interface", &entry.node, problems));
    let label_text = label.and_then(|entry| label_text(&entry.node, problems));
    let level = scope.and_then(|entry| reader::word("scope", &entry.node, &words::SCOPES, problems));
    let address = address?;
    let text = reader::string("address", &address.node, problems)?;
    let prefix = prefix(text.value, &address.node, problems)?;
    if Family::of(prefix.address()) == Family::Ipv6 {
        for (what, entry) in [("label", label), ("scope", scope)] {
            if let Some(entry) = entry {
                let message = format!("an IPv6 address has no `{what}` to set");
                let diagnostic = Diagnostic::error(Code::Ipv4Only, &entry.key, message)
                    .label("for IPv4 addresses only")
                    .related(&address.node.place, "this is IPv6");
                problems.push(diagnostic);
            }
        }
    }
    let value = VirtualAddress {
        prefix,
        interface: interface.map(|name| name.value),
        label: label_text,
        scope: level.unwrap_or_default(),
    };
    Some(At { value, place: address.node.place.clone() })
}

fn label_text(node: &Node, problems: &mut Diagnostics) -> Option<String> {
    let text = reader::string("label", node, problems)?;
    let plain = !text.value.contains(|c: char| c.is_whitespace() || c.is_control());
    if !text.value.is_empty() && text.value.len() <= texts::LABEL.most && plain {
        return Some(text.value.to_owned());
    }
    let message = format!("`label` must be 1 to {} bytes without white space", texts::LABEL.most);
    problems
        .push(Diagnostic::error(Code::BadValue, &text.place, message).label("the kernel refuses this label"));
    None
}

/// An interface's name.
pub(super) fn link_name(key: &str, node: &Node, problems: &mut Diagnostics) -> Option<At<LinkName>> {
    let text = reader::string(key, node, problems)?;
    let plain = !text.value.contains(char::is_control);
    if let Some(name) = LinkName::new(text.value).filter(|_| plain) {
        return Some(At { value: name, place: text.place });
    }
    let label = match text.value {
        "" => "empty".to_owned(),
        value if value.contains(':') => "this looks like an address label, not like an interface".to_owned(),
        value if value.len() > LinkName::LONGEST => format!("longer than {} bytes", LinkName::LONGEST),
        _ if plain => "the kernel refuses this name".to_owned(),
        _ => "a control character".to_owned(),
    };
    let message = format!("`{key}` cannot be an interface's name");
    problems.push(Diagnostic::error(Code::BadValue, &text.place, message).label(label));
    None
}

/// An address without a prefix length, as peers and sources are given.
pub(super) fn plain(key: &str, node: &Node, problems: &mut Diagnostics) -> Option<At<IpAddr>> {
    let text = reader::string(key, node, problems)?;
    if let Ok(address) = text.value.parse() {
        return Some(At { value: address, place: text.place });
    }
    let message = format!("`{key}` cannot be read as an IP address");
    let diagnostic = Diagnostic::error(Code::BadValue, &text.place, message);
    let bare = text.value.split_once('/').map_or(text.value, |(address, _)| address);
    problems.push(match bare.parse::<IpAddr>() {
        Ok(address) => diagnostic
            .label("an address alone belongs here")
            .hint(format!("without a prefix length: \"{address}\"")),
        Err(_) => match mistake(text.value) {
            Some((label, hint)) => diagnostic.label(label).hint(hint),
            None => diagnostic.label("not an IP address"),
        },
    });
    None
}

/// An address that a host can have, with or without a prefix length.
fn prefix(text: &str, node: &Node, problems: &mut Diagnostics) -> Option<Prefix> {
    let complain = |code, message: String, label: &str, hint: Option<String>| {
        let diagnostic = Diagnostic::error(code, &node.place, message).label(label);
        match hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    };
    let (address_text, length_text) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address_text.parse::<IpAddr>() else {
        let (label, hint) = match mistake(text) {
            Some((label, hint)) => (label, Some(hint)),
            None => ("not an IP address", None),
        };
        let message = "this cannot be read as an address".to_owned();
        problems.push(complain(Code::BadValue, message, label, hint));
        return None;
    };
    let bits = Family::of(address).bits();
    let prefix = match length_text {
        None => Some(Prefix::host(address)),
        Some(length) => decimal(length).and_then(|length| Prefix::new(address, length)),
    };
    let Some(prefix) = prefix else {
        if let Some((label, hint)) = mistake(text) {
            let message = "this cannot be read as an address".to_owned();
            problems.push(complain(Code::BadValue, message, label, Some(hint)));
            return None;
        }
        let hint = length_text
            .and_then(|mask| mask.parse::<Ipv4Addr>().ok())
            .and_then(mask_length)
            .filter(|_| bits == Family::Ipv4.bits())
            .map(|length| format!("as a prefix length: \"{address}/{length}\""));
        let message = format!("the prefix length must be from 0 to {bits}");
        problems.push(complain(Code::BadValue, message, "not a prefix length", hint));
        return None;
    };
    if let Some(why) = unusable(prefix) {
        let message = format!("`{address}` cannot be a host's address");
        problems.push(complain(Code::UnusableAddress, message, why, None));
        return None;
    }
    Some(prefix)
}

fn decimal(text: &str) -> Option<u8> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The prefix length that a netmask means.
fn mask_length(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == u32::BITS).then(|| bits.leading_ones())
}

/// What people write that is almost an address: what is wrong, and what to write.
fn mistake(text: &str) -> Option<(&'static str, String)> {
    if let Some((address, rest)) = text.split_once(char::is_whitespace) {
        let plain = address.split('/').next()?;
        plain.parse::<IpAddr>().ok()?;
        let hint = match rest.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["dev", interface] => {
                format!("as a table: {{ address = \"{address}\", interface = \"{interface}\" }}")
            }
            ["label", label] => format!("as a table: {{ address = \"{address}\", label = \"{label}\" }}"),
            _ => format!("options go into a table: {{ address = \"{address}\", … }}"),
        };
        return Some(("words after the address", hint));
    }
    if let Some((address, zone)) = text.split_once('%') {
        address.parse::<Ipv6Addr>().ok()?;
        let interface = zone.split('/').next().unwrap_or(zone);
        return Some((
            "an interface behind the address",
            format!("as a table: {{ address = \"{address}\", interface = \"{interface}\" }}"),
        ));
    }
    let plain = text.split('/').next()?;
    let numbers: Option<Vec<u32>> = plain.split('.').map(|octet| octet.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.len() > 1 && plain.parse::<Ipv4Addr>().is_err())?;
    if numbers.iter().any(|number| *number > 255) {
        return Some(("a part of the address is above 255", "each of the four parts is 0 to 255".to_owned()));
    }
    if numbers.len() != 4 {
        return Some(("an IPv4 address has four parts", "such as \"192.0.2.1/24\"".to_owned()));
    }
    let [a, b, c, d] = numbers.as_slice() else { return None };
    Some(("a part of the address begins with a zero", format!("write {a}.{b}.{c}.{d}")))
}

/// Why no host can have this address, if so.
fn unusable(prefix: Prefix) -> Option<&'static str> {
    match prefix.address() {
        IpAddr::V4(address) => unusable_v4(address, prefix.length()),
        IpAddr::V6(address) => unusable_v6(address, prefix.length()),
    }
}

fn unusable_v4(address: Ipv4Addr, length: u8) -> Option<&'static str> {
    let host_bits = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    let host = address.to_bits() & host_bits;
    if address.is_unspecified() {
        Some("this is the unspecified address")
    } else if address.is_loopback() {
        Some("this is a loopback address")
    } else if address.is_multicast() {
        Some("this is a multicast address")
    } else if address.is_broadcast() {
        Some("this is the broadcast address")
    } else if address.octets()[0] == 0 {
        Some("addresses in 0.0.0.0/8 mean \"this network\"")
    } else if length <= 30 && host == 0 {
        Some("this is the address of the network itself")
    } else if length <= 30 && host == host_bits {
        Some("this is the broadcast address of its network")
    } else {
        None
    }
}

fn unusable_v6(address: Ipv6Addr, length: u8) -> Option<&'static str> {
    let host_bits = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    if address.is_unspecified() {
        Some("this is the unspecified address")
    } else if address.is_loopback() {
        Some("this is the loopback address")
    } else if address.is_multicast() {
        Some("this is a multicast address")
    } else if address.to_ipv4_mapped().is_some() {
        Some("this is an IPv4 address in IPv6 form")
    } else if length <= 126 && address.to_bits() & host_bits == 0 {
        Some("this is the subnet-router anycast address of its network")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> Option<&'static str> {
        let (address, length) = text.split_once('/').unwrap();
        unusable(Prefix::new(address.parse().unwrap(), length.parse().unwrap()).unwrap())
    }

    #[test]
    fn a_host_can_have_what_is_no_network_broadcast_or_group() {
        for good in [
            "192.0.2.1/24",
            "192.0.2.0/31",
            "192.0.2.1/31",
            "192.0.2.0/32",
            "192.0.2.255/32",
            "192.0.2.255/23",
            "169.254.1.1/16",
            "2001:db8::1/64",
            "fe80::1/64",
            "2001:db8::/127",
            "2001:db8::/128",
        ] {
            assert_eq!(why(good), None, "{good}");
        }
        for bad in [
            "192.0.2.0/24",
            "192.0.2.255/24",
            "192.0.2.3/30",
            "0.0.0.0/32",
            "0.1.2.3/8",
            "127.0.0.1/8",
            "224.0.0.18/32",
            "255.255.255.255/32",
            "::/128",
            "::1/128",
            "ff02::12/128",
            "::ffff:192.0.2.1/128",
            "fe80::/64",
            "2001:db8::/126",
        ] {
            assert!(why(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn netmasks_are_translated() {
        for (mask, length) in [
            ("255.255.255.0", Some(24)),
            ("255.255.255.255", Some(32)),
            ("128.0.0.0", Some(1)),
            ("255.0.255.0", None),
        ] {
            assert_eq!(mask_length(mask.parse().unwrap()), length, "{mask}");
        }
    }
}
