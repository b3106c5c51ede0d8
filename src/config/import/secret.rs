//! What must not be shown: passwords of `auth_pass`, keys of `auth_hmac`, and the definitions that they come from.
//!
//! By the look of a line, so that nothing is shown even where the text makes no sense.

use std::collections::BTreeSet;
use std::ops::Range;

use super::define;
use crate::config::diagnostic::Source;

/// What stands in a remark in place of a secret.
const MASK: &str = "********";
/// The statement `text` as it may be shown.
pub(super) fn masked(text: &str) -> String {
    match after_keyword(text) {
        Some(at) => format!("{}{MASK}", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The statement `text` of an `authentication` block as it may be shown: whatever is not known to be none is a secret,
/// such as a password on a line of its own, or behind a keyword that is misspelt or in quotes.
pub(super) fn masked_in_authentication(text: &str) -> String {
    if after_keyword(text).is_none() && !is_known(text) { MASK.to_owned() } else { masked(text) }
}

/// Whether `text` begins with a keyword of `authentication`, so that [`after_keyword`] finds what is secret in it.
fn is_known(text: &str) -> bool {
    let keyword = text.split([' ', '\t', '{']).next();
    keyword.is_some_and(|keyword| matches!(keyword, "auth_type" | "auth_hmac" | "auth_pass" | "{" | "}" | ""))
}

/// Where in `text` a secret begins.
fn after_keyword(text: &str) -> Option<usize> {
    let mut start = 0;
    for word in text.split_inclusive([' ', '\t', '{']) {
        let end = start + word.len();
        if is_secret(word.trim_end_matches([' ', '\t'])) {
            let rest = text.get(end..)?;
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            return (blanks < rest.len()).then_some(end + blanks);
        }
        start = end;
    }
    None
}

/// Whether what follows `keyword` is secret. A misspelt `auth_pass` is one too.
fn is_secret(keyword: &str) -> bool {
    let small = keyword.to_ascii_lowercase();
    small == "key" || (small.starts_with("auth_") && !matches!(small.as_str(), "auth_type" | "auth_hmac"))
}

/// The secret bytes of each source, ascending.
pub(super) fn hidden(sources: &[Source]) -> Vec<Vec<Range<usize>>> {
    let mut names = BTreeSet::new();
    for source in sources {
        for line in source.text.lines() {
            if let Some(secret) = after_keyword(line).and_then(|at| line.get(at..)) {
                names.extend(define::references(secret).map(str::to_owned));
            }
        }
    }
    sources.iter().map(|source| hidden_in(&source.text, &names)).collect()
}

fn hidden_in(text: &str, names: &BTreeSet<String>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let begins = line.split_whitespace().any(|word| word.trim_end_matches('{') == "authentication");
        // The block ends, or another one begins since this one did not.
        inside &= !begins && !line.contains(['{', '}']);
        let value = define::definition(line.trim()).filter(|(name, _)| names.contains(*name));
        let from = match value {
            Some((_, value)) => Some(end.saturating_sub(value.len())),
            None if inside && !is_known(line.trim()) => Some(start + line.len() - line.trim_start().len()),
            None => after_keyword(line).map(|at| start + at),
        };
        inside |= begins && !line.contains('}');
        spans.extend(from.filter(|from| *from < end).map(|from| from..end));
        start += line.len();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_and_nothing_else() {
        for (text, shown) in [
            ("auth_pass hunter2", "auth_pass ********"),
            ("auth_pass \"a b\"", "auth_pass ********"),
            ("@lb1 auth_pass  hunter2", "@lb1 auth_pass  ********"),
            ("key 1 hex:00", "key ********"),
            ("authentication { auth_pas hunter2 }", "authentication { auth_pas ********"),
            ("auth_type PASS", "auth_type PASS"),
            ("auth_hmac {", "auth_hmac {"),
            ("auth_pass", "auth_pass"),
            ("notify /x/monkey 1", "notify /x/monkey 1"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn in_authentication_what_is_not_known_is_masked() {
        for (text, shown) in [
            ("hunter2", "********"),
            ("auth_pass=hunter2", "********"),
            ("\"auth_pass\" hunter2", "********"),
            ("authpass hunter2", "********"),
            ("AUTH_PASS hunter2", "AUTH_PASS ********"),
            ("auth_type PASS auth_pass hunter2", "auth_type PASS auth_pass ********"),
            ("auth_type PASS", "auth_type PASS"),
            ("auth_pass", "auth_pass"),
        ] {
            assert_eq!(masked_in_authentication(text), shown);
        }
        let text = "x 1\nauthentication {\n auth_type PASS\n  authpass a\n auth_pass \"b\n c\"\n}\nx 2\n";
        let shown: Vec<&str> =
            hidden_in(text, &BTreeSet::new()).into_iter().map(|span| &text[span]).collect();
        assert_eq!(shown, ["authpass a", "\"b", "c\""]);
    }

    #[test]
    fn definitions_of_passwords_are_hidden_too() {
        let text = "$P=hunter2\n$Q=eth0\nauthentication { auth_pass $P }\ninterface $Q\n";
        let hidden = hidden(&[Source::new("a", text)]);
        let shown: Vec<&str> = hidden[0].iter().map(|span| &text[span.clone()]).collect();
        assert_eq!(shown, ["hunter2", "$P }"]);
    }
}
