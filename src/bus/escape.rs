//! A string as a part of a unit's name, as `systemd-escape(1)` does it. Pure and total.

use std::fmt::Write;

/// `text` such that it can stand in a unit's name: `/` becomes `-`; whatever is not a letter or digit of ASCII, `:`, `_`
/// or a `.` that does not come first becomes `\x` and two hexadecimal digits for each byte.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if place == 0 => push_hex(&mut out, byte),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => out.push(char::from(byte)),
            _ => push_hex(&mut out, byte),
        }
    }
    out
}

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [&str; 10] =
        ["web", "web-1", ".hidden", "a.b", "a/b", "a_b:c", "späti", "x y", "100%", "back\\slash"];

    #[test]
    fn what_may_stand_stays_and_the_rest_is_in_hexadecimal() {
        assert_eq!(escape("web-1"), "web\\x2d1");
        assert_eq!(escape(".a.b"), "\\x2ea.b");
        assert_eq!(escape("a/b"), "a-b");
        assert_eq!(escape("ä"), "\\xc3\\xa4");
    }

    #[test]
    fn systemd_escapes_alike() {
        let output = std::process::Command::new("systemd-escape")
            .arg("--")
            .args(SAMPLES)
            .output()
            .expect("systemd-escape: tests/run installs systemd");
        let theirs = String::from_utf8(output.stdout).unwrap();
        let ours: Vec<String> = SAMPLES.iter().map(|sample| escape(sample)).collect();
        assert_eq!(theirs.trim_end(), ours.join(" "));
    }
}
