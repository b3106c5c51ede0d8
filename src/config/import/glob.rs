//! Patterns of file names as `include` takes them: `*`, `?`, `[…]` within one name, `{a,b}` anywhere.
//!
//! Pure: reads no directory. Fails: when the braces multiply beyond all bounds.

/// Most patterns that braces may make.
const MOST: usize = 1000;

/// The patterns that `pattern` means once its braces are written out, in order; `None` when there are too many.
#[must_use]
pub fn braces(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut waiting = vec![pattern.to_owned()];
    while let Some(pattern) = waiting.pop() {
        match first_brace(&pattern) {
            None => done.push(pattern),
            Some((before, options, after)) => {
                // The last one first, because the first is to be taken next.
                waiting.extend(options.iter().rev().map(|option| format!("{before}{option}{after}")));
            }
        }
        if done.len() + waiting.len() > MOST {
            return None;
        }
    }
    Some(done)
}

/// What stands before the first `{…}` that has a partner, its options, and what stands after it.
fn first_brace(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let (mut depth, mut from, mut options) = (0usize, open + 1, Vec::new());
    for (at, c) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                options.push(pattern.get(from..at)?);
                from = at + 1;
            }
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    options.push(pattern.get(from..at)?);
                    return Some((pattern.get(..open)?, options, pattern.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether `part` of a path is a pattern, and not a name.
#[must_use]
pub fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

/// Whether the file name `name` matches the pattern `part`, which has no slash. A dot at the beginning is matched by a
/// dot alone.
#[must_use]
pub fn matches(part: &str, name: &str) -> bool {
    if name.starts_with('.') && !part.starts_with('.') {
        return false;
    }
    let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star did not match.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n) {
        let step = match part.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(part.get(p..).unwrap_or_default(), *c),
            Some(other) if other == c => Some(1),
            Some(_) | None => None,
        };
        match (step, star) {
            (Some(step), _) => (p, n) = (p + step, n + 1),
            (None, Some((after, at))) => {
                star = Some((after, at + 1));
                (p, n) = (after, at + 1);
            }
            (None, None) => return false,
        }
    }
    part.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

/// How many characters the class at the beginning of `pattern` has, if `c` is in it.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negative = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negative { 2 } else { 1 };
    let length = pattern.iter().skip(first + 1).position(|c| *c == ']')?;
    let end = first + 1 + length;
    let members = pattern.get(first..end)?;
    let mut at = 0;
    let mut found = false;
    while let Some(low) = members.get(at) {
        if let (Some('-'), Some(high)) = (members.get(at + 1), members.get(at + 2)) {
            found |= (*low..=*high).contains(&c);
            at += 3;
        } else {
            found |= *low == c;
            at += 1;
        }
    }
    (found != negative).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_written_out_in_order() {
        for (pattern, expected) in [
            ("a.conf", &["a.conf"][..]),
            ("a{b,c}d", &["abd", "acd"]),
            ("{a,b}{1,2}", &["a1", "a2", "b1", "b2"]),
            ("x{a,{b,c}y}z", &["xaz", "xbyz", "xcyz"]),
            ("{,a}b", &["b", "ab"]),
            ("a{b", &["a{b"]),
        ] {
            assert_eq!(braces(pattern).unwrap(), expected, "{pattern}");
        }
        assert_eq!(braces(&"{a,b}".repeat(20)), None);
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (part, name, expected) in [
            ("*.conf", "web.conf", true),
            ("*.conf", "web.conf~", false),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("?b*", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]y", "]y", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("[a", "[a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(part, name), expected, "{part} {name}");
        }
    }
}
