//! One line of keepalived's language: where its comment begins, its words, its quotes. Pure.
//!
//! Never: knows a keyword. What cannot be read (a quote that stays open) is told to the caller, who has the place.

/// What parts words.
const BLANKS: &[char] = &[' ', '\t', '\u{c}', '\n', '\r', '\u{b}'];

/// A line without its comment and without white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bare {
    /// What is left.
    pub(super) text: String,
    /// Where in the line it begins, in bytes.
    pub(super) start: usize,
    /// Whether `text` stands in the line just so: no backslash was taken out.
    pub(super) verbatim: bool,
    /// Whether the line ends with a backslash, which is not in `text`.
    pub(super) continues: bool,
    /// Where in the line a quote begins that does not end.
    pub(super) open_quote: Option<usize>,
}

/// Takes the comment away: from `!` or `#` on, unless in double quotes or after a backslash.
pub(super) fn bare(line: &str) -> Bare {
    let trimmed = line.trim_start_matches([' ', '\t']);
    let start = line.len() - trimmed.len();
    let mut text = String::with_capacity(trimmed.len());
    let (mut verbatim, mut continues) = (true, false);
    let mut quote = None;
    let mut chars = trimmed.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                quote = if quote.is_some() { None } else { Some(start + at) };
                text.push(c);
            }
            '\\' => match chars.next() {
                None => continues = true,
                Some((_, escaped @ ('#' | '!'))) if quote.is_none() => {
                    verbatim = false;
                    text.push(escaped);
                }
                Some((_, escaped)) => text.extend(['\\', escaped]),
            },
            '!' | '#' if quote.is_none() => break,
            _ => text.push(c),
        }
    }
    text.truncate(text.trim_end_matches([' ', '\t', '\r']).len());
    Bare { text, start, verbatim, continues, open_quote: quote }
}

/// The words of a statement. A double quote begins a word and the next one ends it; inside a word it begins another.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(BLANKS);
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(|c| c == '"' || BLANKS.contains(&c)).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = after.trim_start_matches(BLANKS);
    }
    words
}

/// The words of a command line: single and double quotes hold white space together and may begin and end inside a word.
/// `escapes` says whether what follows a backslash is turned into what it means, or kept with it. `None` when a quote
/// does not end.
pub(super) fn command_words(text: &str, escapes: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                let word = word.get_or_insert_default();
                if escapes {
                    word.push(escaped(&mut chars)?);
                } else {
                    word.extend(['\\', chars.next()?]);
                }
            }
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if BLANKS.contains(&c) => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The character that a backslash and what follows it mean.
fn escaped(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let c = chars.next()?;
    let character = match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'E' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' if chars.peek().is_some_and(char::is_ascii_hexdigit) => number(chars, 16, 0, 2),
        '0'..='7' => number(chars, 8, c.to_digit(8)?, 2),
        'c' => match chars.next() {
            Some(letter) => char::from(u8::try_from(letter).unwrap_or(b'?') & 0x1f),
            None => 'c',
        },
        other => other,
    };
    Some(character)
}

/// Up to `most` more digits after `value`.
fn number(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    mut value: u32,
    most: usize,
) -> char {
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
        chars.next();
        value = value * radix + digit;
    }
    char::from(u8::try_from(value & 0xff).unwrap_or(b'?'))
}

/// A number of seconds with or without a fraction, in microseconds; what is finer is cut off.
pub(super) fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

/// `on`, `true`, `yes` and the contrary; `None` for anything else.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_where_quotes_and_backslashes_say() {
        for (line, text) in [
            ("", ""),
            ("! all of it", ""),
            ("  priority 100 # high", "priority 100"),
            ("priority 100! high", "priority 100"),
            (r#"script "a # b ! c" # d"#, r#"script "a # b ! c""#),
            (r"name a\#b \! c", "name a#b ! c"),
            (r##"script "a\"#b" # c"##, r##"script "a\"#b""##),
            ("state MASTER \r", "state MASTER"),
        ] {
            assert_eq!(bare(line).text, text, "{line:?}");
        }
        let two = bare(r"  $A= \");
        assert!(two.continues && two.verbatim && two.start == 2 && two.text == "$A=");
        assert!(!bare(r"a\#b").verbatim);
        assert_eq!(bare(r#"  script "a # b"#).open_quote, Some(9));
    }

    #[test]
    fn words_are_parted_by_blanks_and_double_quotes() {
        for (text, expected) in [
            ("", &[][..]),
            ("state  MASTER", &["state", "MASTER"]),
            (r#"a "b  c" d"#, &["a", "b  c", "d"]),
            (r#"a "" b"#, &["a", "", "b"]),
            (r#"a"b c"d"#, &["a", "b c", "d"]),
            ("it's a", &["it's", "a"]),
            (r#"a "open"#, &["a", "open"]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn command_lines_know_both_quotes_and_escapes() {
        for (text, expected) in [
            ("killall -0 x", Some(&["killall", "-0", "x"][..])),
            ("sh -c 'a  b'", Some(&["sh", "-c", "a  b"])),
            (r#"a"b c"d e"#, Some(&["ab cd", "e"])),
            (r"a\ b c\x41\101\n", Some(&["a b", "cAA\n"])),
            (r"'a\'b'", Some(&["a'b"])),
            (r#"a "" b"#, Some(&["a", "", "b"])),
            ("a 'b", None),
            (r"a \", None),
        ] {
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(command_words(text, true), expected, "{text:?}");
        }
        assert_eq!(command_words(r"a '\n'", false).unwrap(), ["a", r"\n"]);
    }

    #[test]
    fn seconds_become_microseconds() {
        for (text, expected) in [
            ("1", Some(1_000_000)),
            ("0.01", Some(10_000)),
            (".5", Some(500_000)),
            ("2.", Some(2_000_000)),
            ("0.0000019", Some(1)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(micros(text), expected, "{text:?}");
        }
    }
}
