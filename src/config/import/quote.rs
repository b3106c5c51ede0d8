//! Words as TOML writes them. Pure.

use std::time::Duration;

use crate::config::reader::say;

/// A string in double quotes.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Strings in an array.
pub(super) fn strings(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| string(word)).collect();
    format!("[{}]", words.join(", "))
}

/// A key: bare where that is possible.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { string(name) }
}

/// A duration with its unit; what is finer than a millisecond is cut off.
pub(super) fn micros(micros: u64) -> String {
    format!("\"{}\"", say(Duration::from_micros(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_quoted_reads_back() {
        for text in ["", "plain", "a\"b\\c", "tab\tline\nbell\u{7}\u{7f}\u{85}", "ümlaut 🦀"] {
            let table: toml::Table = format!("{} = {}", key(text), string(text))
                .parse()
                .unwrap_or_else(|e| panic!("{text:?}: {e}"));
            assert_eq!(table.get(text).and_then(toml::Value::as_str), Some(text));
        }
        assert_eq!(key("lb-1_a"), "lb-1_a");
        assert_eq!(key("a.b"), "\"a.b\"");
        assert_eq!(strings(&["a".to_owned(), "b c".to_owned()]), "[\"a\", \"b c\"]");
        assert_eq!(micros(1_500_000), "\"1.5s\"");
        assert_eq!(micros(300_000_000), "\"5m\"");
    }
}
