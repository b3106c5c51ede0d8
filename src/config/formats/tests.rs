//! Strings of every form, right and wrong.

use super::*;

fn label<T>(read: Read<T>) -> Option<(Range<usize>, String)> {
    read.err().map(|fault| (fault.part, fault.label))
}

#[test]
fn a_unit_is_named_with_its_type_and_its_instance() {
    for good in
        ["a.service", "getty@tty1.service", "a@b@c.socket", "dev-sda.device", "x\\x2dy.mount", "a.b.target"]
    {
        assert_eq!(unit_text(good).ok().map(|unit| unit.0), Some(good.to_owned()), "{good}");
    }
    for bad in
        ["", "haproxy", "a.servce", "a.", ".service", "@a.service", "a@.service", "a b.service", "/a.service"]
    {
        assert!(unit_text(bad).is_err(), "{bad}");
    }
    let types = format!("({})$", UNIT_TYPES.join("|"));
    assert!(texts::UNIT.pattern.ends_with(&types), "the pattern has other types");
}

#[test]
fn hosts_and_ports_are_told_apart() {
    for (text, host, port) in [
        ("localhost:80", "localhost", Some(80)),
        ("db-1.example.net.:5432", "db-1.example.net", Some(5432)),
        ("192.0.2.1:65535", "192.0.2.1", Some(65535)),
        ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", Some(1)),
        ("fe80::1%eth0", "fe80::1%eth0", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("::1", "::1", None),
        ("example.net", "example.net", None),
    ] {
        let read = endpoint_text(text).ok().map(|(host, port)| (host.to_string(), port));
        assert_eq!(read, Some((host.to_owned(), port)), "{text}");
    }
}

#[test]
fn mistakes_in_hosts_and_ports_are_found_where_they_are() {
    for (text, part) in [
        ("", 0..0),
        (":80", 0..0),
        ("a:", 0..0),
        ("a:0", 2..3),
        ("a:65536", 2..7),
        ("a:+80", 2..5),
        ("a:http", 2..6),
        ("a_b!:80", 3..4),
        ("a..b:80", 2..2),
        ("-a.b:80", 0..2),
        ("b.-a:80", 2..4),
        ("300.1.2.3:80", 0..0),
        ("192.0.2:80", 0..0),
        ("[::1:80", 0..0),
        ("[::1]80", 5..7),
        ("[::1]:x", 6..7),
        ("[192.0.2.1]:80", 1..10),
        ("[example]:80", 1..8),
        ("1:2:3", 1..3),
        ("http://a:80", 0..7),
        ("a:80/x", 4..6),
        ("fe80::1", 0..0),
        ("192.0.2.1%eth0", 0..9),
        ("fe80::1%", 0..0),
        ("0.0.0.0:80", 0..0),
        ("224.0.0.18:80", 0..0),
        ("255.255.255.255:80", 0..0),
    ] {
        assert_eq!(label(endpoint_text(text)).map(|(part, _)| part), Some(part), "{text}");
    }
    let long = format!("{}:80", "x".repeat(64));
    assert!(endpoint_text(&long).is_err());
    let long = format!("{}a:80", "x.".repeat(127));
    assert!(endpoint_text(&long).is_err());
}

#[test]
fn a_command_line_becomes_an_array() {
    for (text, array) in [
        ("/usr/bin/x", r#"["/usr/bin/x"]"#),
        ("/usr/bin/x -a  b", r#"["/usr/bin/x", "-a", "b"]"#),
        ("a | b", r#"["/bin/sh", "-c", "a | b"]"#),
        ("echo \"a b\"", r#"["/bin/sh", "-c", "echo \"a b\""]"#),
    ] {
        assert_eq!(as_array(text), array);
    }
}
