//! What a configuration may say of the protocol's fields.

use failover::config::code::Code;
use failover::config::model::Config;
use failover::config::parse;

use super::rig::Rig;
use super::segment::ms;

/// A configuration with one instance: these lines, and what is required besides them.
fn text(lines: &[&str]) -> String {
    let required = ["interface = \"eth0\"", "virtual_router_id = 51", "addresses = [\"192.0.2.100/24\"]"];
    let key = |line: &str| line.split('=').next().unwrap().trim().to_owned();
    let given: Vec<String> = lines.iter().map(|line| key(line)).collect();
    let rest = required.into_iter().filter(|line| !given.contains(&key(line)));
    ["[instance.web]"].into_iter().chain(rest).chain(lines.iter().copied()).collect::<Vec<_>>().join("\n")
}

fn accepted(lines: &[&str]) -> Config {
    parse(&text(lines), "test.toml").unwrap_or_else(|problems| panic!("{}", problems.render(false))).config
}

/// The first error.
fn refused(lines: &[&str]) -> Code {
    let problems = parse(&text(lines), "test.toml").err().unwrap_or_else(|| panic!("{lines:?} was accepted"));
    problems.list()[0].code
}

#[test]
fn fmt_03_a_vrid_is_required_and_from_1_to_255() {
    for number in [1, 51, 255_u8] {
        let config = accepted(&[&format!("virtual_router_id = {number}")]);
        assert_eq!(config.instances["web"].vrid.number(), number);
    }
    for number in ["0", "256", "-1"] {
        assert_eq!(refused(&[&format!("virtual_router_id = {number}")]), Code::OutOfRange);
    }
    let without = text(&[]).replace("virtual_router_id = 51", "");
    assert_eq!(parse(&without, "test.toml").unwrap_err().list()[0].code, Code::MissingKey);
}

#[test]
fn fmt_04_a_priority_is_from_1_to_255_and_100_by_default() {
    assert_eq!(accepted(&[]).instances["web"].priority.number(), 100);
    for number in [1, 254, 255_u8] {
        let config = accepted(&[&format!("priority = {number}")]);
        assert_eq!(config.instances["web"].priority.number(), number);
    }
    for number in ["0", "256"] {
        assert_eq!(refused(&[&format!("priority = {number}")]), Code::OutOfRange);
    }
}

#[test]
fn fmt_05_there_must_be_an_address() {
    assert_eq!(refused(&["addresses = []"]), Code::NoAddresses);
}

#[test]
fn fmt_08_a_version_3_interval_is_10_ms_to_40950_ms_in_steps_of_10_ms() {
    for (interval, expected) in [("10ms", 1), ("1s", 100), ("40950ms", 4095)] {
        let config = accepted(&[&format!("advert_interval = \"{interval}\"")]);
        assert_eq!(config.instances["web"].interval.centiseconds(), expected);
    }
    assert_eq!(accepted(&[]).instances["web"].interval.centiseconds(), 100);
    for interval in ["0s", "40960ms", "5ms", "15ms", "41s"] {
        let code = refused(&[&format!("advert_interval = \"{interval}\"")]);
        assert!(matches!(code, Code::IntervalMismatch | Code::OutOfRange), "{interval}: {code:?}");
    }
}

#[test]
fn fmt_10_families_do_not_mix() {
    assert_eq!(refused(&["addresses = [\"192.0.2.100/24\", \"fe80::1/64\"]"]), Code::MixedFamilies);
}

#[test]
fn f4_06_more_than_255_addresses_are_refused() {
    let list = |count| {
        let addresses: Vec<String> =
            (0..count).map(|n| format!("\"10.0.{}.{}/16\"", n / 250, n % 250 + 1)).collect();
        format!("addresses = [{}]", addresses.join(", "))
    };
    let config = accepted(&[&list(255)]);
    let mut rig = Rig::start(&[config.instances["web"].clone()]);
    rig.run(ms(4_000));
    assert_eq!(rig.sent()[0].read().addresses.len(), 255);
    assert_eq!(refused(&[&list(256)]), Code::TooManyAddresses);
}

#[test]
fn f6_06_the_first_ipv6_address_must_be_link_local() {
    assert_eq!(refused(&["addresses = [\"2001:db8::1/64\", \"fe80::1/64\"]"]), Code::FirstNotLinkLocal);
    accepted(&["addresses = [\"fe80::1/64\", \"2001:db8::1/64\"]"]);
}

#[test]
fn f6_09_ipv6_is_version_3_only() {
    assert_eq!(refused(&["version = 2", "addresses = [\"fe80::1/64\"]"]), Code::Version2Ipv6);
}

#[test]
fn f2_04_a_version_2_interval_is_whole_seconds() {
    for (interval, expected) in [("1s", 1), ("255s", 255)] {
        let config = accepted(&["version = 2", &format!("advert_interval = \"{interval}\"")]);
        assert_eq!(config.instances["web"].interval.seconds(), Some(expected));
    }
    for interval in ["500ms", "1500ms", "256s", "0s"] {
        let code = refused(&["version = 2", &format!("advert_interval = \"{interval}\"")]);
        assert!(matches!(code, Code::IntervalMismatch | Code::OutOfRange), "{interval}: {code:?}");
    }
}

#[test]
fn aut_02_a_password_longer_than_eight_bytes_is_refused_rather_than_cut() {
    let auth = |password: &str| format!("auth = {{ type = \"password\", password = \"{password}\" }}");
    let config = accepted(&["version = 2", &auth("secret")]);
    assert_eq!(config.instances["web"].password.map(|password| password.0), Some(*b"secret\0\0"));
    assert_eq!(refused(&["version = 2", &auth("ninebytes")]), Code::BadPassword);
}

#[test]
fn aut_06_version_3_has_no_authentication() {
    let auth = "auth = { type = \"password\", password = \"secret\" }";
    assert_eq!(refused(&["version = 3", auth]), Code::AuthVersion3);
    assert_eq!(refused(&[auth]), Code::AuthVersion3);
}
