//! Where objects are: names as parts of paths. Pure and total.

use std::fmt::Write;

/// The object of the agent.
pub(super) const ROOT: &str = "/org/failover1";

/// `name` such that it can stand in a path, as systemd does it (`sd_bus_path_encode(3)`): whatever is not a letter of
/// ASCII, or a digit that does not come first, becomes `_` and two hexadecimal digits for each byte; nothing becomes
/// `_` alone.
fn label(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let mut out = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (place > 0 && byte.is_ascii_digit()) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}

/// The path of an instance.
pub(super) fn instance(name: &str) -> String {
    format!("{ROOT}/instance/{}", label(name))
}

/// The path of a check.
pub(super) fn check(name: &str) -> String {
    format!("{ROOT}/check/{}", label(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_paths_as_systemd_has_it() {
        let rows = [
            ("web", "web"),
            ("web-1", "web_2d1"),
            ("1st", "_31st"),
            ("a_b.c", "a_5fb_2ec"),
            ("ä", "_c3_a4"),
            ("", "_"),
        ];
        for (name, expected) in rows {
            assert_eq!(label(name), expected);
        }
        assert_eq!(instance("a/b"), "/org/failover1/instance/a_2fb");
        assert_eq!(check("x"), "/org/failover1/check/x");
    }
}
