//! The gate before what can be read and is not done yet: whoever configures it must not believe that it works.
//!
//! When the agent does one of these things its row goes, and with the last row this file.

use std::collections::BTreeSet;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::tree::{Entries, Entry, Value};

/// Tables of named things that the agent does not do: `(key, what they are)`.
const TABLES: [(&str, &str); 1] = [("group", "move instances together")];
/// Keys of an instance that the agent does not act upon.
const OF_AN_INSTANCE: [(&str, &str); 2] = [("notify", "run commands"), ("units", "start units")];

/// One error for each use in the configuration `root`.
pub(super) fn not_yet(root: &Entries, problems: &mut Diagnostics) {
    for (key, what) in TABLES {
        for (name, entry) in inner(root, key) {
            refuse(&entry.key, &format!("[{key}.{name}]"), what, problems);
        }
    }
    let mut told = BTreeSet::new();
    let inherited = root.get_key_value("defaults");
    for (_, instance) in inner(root, "instance").chain(inherited) {
        let Value::Table(entries) = &instance.node.value else { continue };
        for (key, what) in OF_AN_INSTANCE {
            let says_something =
                |entry: &&Entry| !matches!(&entry.node.value, Value::Table(inner) if inner.is_empty());
            let Some(entry) = entries.get(key).filter(says_something) else { continue };
            // What all instances inherit is one use.
            if told.insert((entry.key.source, entry.key.span.start)) {
                refuse(&entry.key, key, what, problems);
            }
        }
    }
}

fn inner<'t>(root: &'t Entries, key: &str) -> impl Iterator<Item = (&'t String, &'t Entry)> {
    let entries = root.get(key).and_then(|entry| match &entry.node.value {
        Value::Table(entries) => Some(entries),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime
        | Value::Array(_) => None,
    });
    entries.into_iter().flatten()
}

fn refuse(place: &Place, what: &str, does: &str, problems: &mut Diagnostics) {
    let message = format!("`{what}` is read, but this version does not {does} yet");
    problems.push(Diagnostic::error(Code::NotYet, place, message).label("a later version does"));
}
