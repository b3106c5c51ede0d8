//! Definitions: `$NAME=VALUE`, on one line or several, and what becomes of `$NAME` and `${NAME}`.
//!
//! Never: decides where a definition stands; that is `expand`'s. Fails: when replacing never ends or grows without
//! bounds, which `$A=$A` does.

use std::collections::BTreeMap;

use super::expand::Origin;

/// Most replacements in one line.
const MOST_REPLACED: usize = 500;
/// Longest line that replacing may make, in bytes.
const LONGEST: usize = 16 << 10;

/// A line of a definition, and where it stands.
pub(super) type Part = (String, Origin);

/// What has been defined so far.
#[derive(Debug, Default)]
pub(super) struct Definitions(BTreeMap<String, Vec<Part>>);

/// What replacing made of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    /// The line itself, or the first of several.
    pub(super) text: String,
    /// The lines after it, when a definition of several lines ended it.
    pub(super) rest: Vec<Part>,
    /// Where the text now stands, when it is that of a definition of several lines.
    pub(super) origin: Option<Origin>,
    /// Whether anything was replaced.
    pub(super) any: bool,
    /// How many bytes were moved about.
    pub(super) work: usize,
}

/// The name that `line` defines, and the value on the same line.
pub(super) fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    let name = name.trim_end_matches([' ', '\t']);
    is_name(name).then(|| (name, value.trim_start_matches([' ', '\t'])))
}

/// Whether a definition may be called so.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(in_name)
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The `$NAME` or `${NAME}` at the beginning of `text`: the name and how many bytes it takes up.
fn reference(text: &str) -> Option<(&str, usize)> {
    let after = text.strip_prefix('$')?;
    if let Some(inside) = after.strip_prefix('{') {
        let (name, _) = inside.split_once('}')?;
        return is_name(name).then_some((name, name.len() + 3));
    }
    let length = after.find(|c| !in_name(c)).unwrap_or(after.len());
    let (name, end) = after.split_at(length);
    let ended = end.is_empty() || end.starts_with([' ', '\t', ',', ')']);
    (ended && is_name(name)).then_some((name, length + 1))
}

/// The names that `line` refers to.
pub(super) fn references(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices('$').filter_map(|(at, _)| line.get(at..).and_then(reference).map(|(name, _)| name))
}

impl Definitions {
    /// Defines `name` anew; several `parts` are several lines.
    pub(super) fn set(&mut self, name: &str, parts: Vec<Part>) {
        self.0.insert(name.to_owned(), parts);
    }

    /// Replaces what is defined in `line`; what is not stays as it is. `None` when that does not end within bounds.
    pub(super) fn replace(&self, line: &str) -> Option<Replaced> {
        let mut made =
            Replaced { text: line.to_owned(), rest: Vec::new(), origin: None, any: false, work: 0 };
        let mut from = 0;
        let mut count = 0;
        while let Some(at) = made.text.get(from..).and_then(|rest| rest.find('$')).map(|at| from + at) {
            let Some((parts, length)) = self.find(&made.text, at) else {
                from = at + 1;
                continue;
            };
            count += 1;
            if count > MOST_REPLACED || made.text.len() > LONGEST {
                return None;
            }
            let Some(((value, origin), rest)) = parts.split_first() else { break };
            made.any = true;
            made.work += made.text.len() + value.len();
            if !rest.is_empty() {
                made.origin = Some(origin.clone());
                made.rest.splice(0..0, rest.iter().cloned());
                made.work += rest.len();
            }
            made.text.replace_range(at..at + length, value);
            if value.trim_start_matches([' ', '\t']).starts_with('~') {
                break;
            }
            from = at;
        }
        Some(made)
    }

    /// The definition that is referred to at byte `at`; one of several lines counts at the end of the line only.
    fn find<'d>(&'d self, text: &str, at: usize) -> Option<(&'d [Part], usize)> {
        let here = text.get(at..)?;
        let (name, length) = reference(here)?;
        let parts = self.0.get(name)?;
        (parts.len() == 1 || length == here.len()).then_some((parts.as_slice(), length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions(rows: &[(&str, &[&str])]) -> Definitions {
        let mut all = Definitions::default();
        for (name, lines) in rows {
            let parts = lines.iter().map(|line| ((*line).to_owned(), Origin::default())).collect();
            all.set(name, parts);
        }
        all
    }

    #[test]
    fn definitions_are_recognised() {
        for (line, expected) in [
            ("$A=1", Some(("A", "1"))),
            ("$A_b2 = x y", Some(("A_b2", "x y"))),
            ("$A=", Some(("A", ""))),
            ("$1=2", None),
            ("A=1", None),
            ("$A b=1", None),
            ("$A", None),
        ] {
            assert_eq!(definition(line), expected, "{line}");
        }
    }

    #[test]
    fn names_are_replaced_again_and_again() {
        let all = definitions(&[("BASE", &["10.2.${SUB}"]), ("SUB", &["7"]), ("IF", &["eth0"])]);
        for (line, expected) in [
            ("${BASE}.1/32", "10.2.7.1/32"),
            ("interface $IF", "interface eth0"),
            ("interface $IF.5", "interface $IF.5"),
            ("x ${IF}.$SUB", "x eth0.7"),
            ("cost $5 $NONE ${NONE}", "cost $5 $NONE ${NONE}"),
            ("a$", "a$"),
        ] {
            assert_eq!(all.replace(line).unwrap().text, expected, "{line}");
        }
        assert!(!all.replace("plain").unwrap().any);
        assert_eq!(references("a ${B}c $D, $e.f").collect::<Vec<_>>(), ["B", "D"]);
    }

    #[test]
    fn several_lines_come_one_after_the_other() {
        let all = definitions(&[("TWO", &["a", "b"]), ("NEST", &["x $TWO", "y"])]);
        let made = all.replace("$NEST").unwrap();
        assert_eq!(made.text, "x a");
        assert_eq!(made.rest.iter().map(|part| part.0.as_str()).collect::<Vec<_>>(), ["b", "y"]);
        assert_eq!(all.replace("$TWO {").unwrap().text, "$TWO {", "only at the end of a line");
    }

    #[test]
    fn what_never_ends_is_refused() {
        let all = definitions(&[("A", &["$A "]), ("B", &["${B}${B}"])]);
        assert_eq!(all.replace("$A"), None);
        assert_eq!(all.replace("${B}"), None);
    }
}
