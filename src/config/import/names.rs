//! Names that are legal here, each used once. Pure.

use std::collections::BTreeSet;

/// Longest name in bytes.
const LONGEST: usize = 64;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// `original`, or what is nearest to it: letters of ASCII, digits and `- _ .`, not used before.
    pub(super) fn legal(&mut self, original: &str) -> String {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut name: String = original.chars().map(|c| if legal(c) { c } else { '-' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            name.insert(0, '_');
        }
        name.truncate(LONGEST);
        let mut number = 2;
        let mut free = name.clone();
        while !self.0.insert(free.clone()) {
            let suffix = format!("-{number}");
            free = name.chars().take(LONGEST - suffix.len()).chain(suffix.chars()).collect();
            number += 1;
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_legal_and_stay_different() {
        let mut names = Names::default();
        for (original, legal) in [
            ("VI_1", "VI_1"),
            ("VI_1", "VI_1-2"),
            ("web/one", "web-one"),
            ("web:one", "web-one-2"),
            ("", "_"),
            ("-x", "_-x"),
            ("é", "_-"),
        ] {
            assert_eq!(names.legal(original), legal, "{original}");
        }
        let long = "x".repeat(100);
        assert_eq!(names.legal(&long).len(), 64);
        let second = names.legal(&long);
        assert!(second.len() == 64 && second.ends_with("-2"), "{second}");
    }
}
