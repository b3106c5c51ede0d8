//! Numbers of bytes as they are written: a whole number and its unit. Fails: what is no size is `None`.

/// Units, the largest first.
const UNITS: [(&str, u64); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The number of bytes that `text` says; `None` when it is no size, or beyond 64 bits.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

/// A number of bytes as it is written in a configuration.
pub(super) fn say(bytes: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_said() {
        for (text, bytes) in
            [("0B", 0), ("1B", 1), ("1023B", 1023), ("1KiB", 1024), ("1536B", 1536), ("16MiB", 16 << 20)]
        {
            assert_eq!(parse(text), Some(bytes), "{text}");
            assert_eq!(say(bytes), text);
        }
        assert_eq!(parse("64 KiB"), Some(65536));
        for text in ["", "64", "KiB", "1 k", "1KB", "1.5MiB", "-1B", "+1B", "1MiB ", "99999999999999999MiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
