//! The effective configuration as text: every key that is set or has a default, with where it comes from.
//!
//! What it prints is itself a configuration, and means the same, but that secrets are masked. Pure: makes a string.

use std::collections::BTreeSet;
use std::ops::Range;

use super::diagnostic::{Place, Source};
use super::keys::{self, Key, Preset};
use super::parse::{self, Loaded};
use super::reader;
use super::render::MASK;
use super::tree::{Entries, Entry, Node, Value};

/// Where the remarks begin, if the settings leave room.
const REMARKS_AT: usize = 48;

impl Loaded {
    /// The effective configuration, one setting a line, each with its origin: a file and a line, a variable, `[defaults]`,
    /// or the default of the program.
    #[must_use]
    pub fn show(&self) -> String {
        let none = Entries::new();
        let table =
            |name: &str| self.root.get(name).and_then(|entry| entry.node.value.table()).unwrap_or(&none);
        let defaults = table("defaults");
        let mut shown =
            Shown { sources: self.warnings.sources(), inherited: leaves(defaults), text: String::new() };
        shown.table("agent", keys::AGENT, table("agent"));
        for (top, kind) in [("check", keys::CHECK), ("group", keys::GROUP), ("instance", keys::INSTANCE)] {
            for (name, entry) in table(top) {
                let Some(own) = entry.node.value.table() else { continue };
                let head = format!("{top}.{}", key(name));
                if top == "instance" {
                    shown.table(&head, kind, &parse::inherit(own, defaults));
                } else {
                    shown.table(&head, kind, own);
                }
            }
        }
        shown.text
    }
}

struct Shown<'s> {
    sources: &'s [Source],
    /// The places of keys of `[defaults]`.
    inherited: BTreeSet<(usize, usize)>,
    text: String,
}

impl Shown<'_> {
    /// A table with a header; `kind` names its keys, for the defaults.
    fn table(&mut self, head: &str, kind: &str, entries: &Entries) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(&format!("[{head}]"), None);
        self.settings("", kind, entries);
    }

    fn settings(&mut self, prefix: &str, kind: &str, entries: &Entries) {
        for row in keys::of(kind) {
            match entries.get(row.name) {
                Some(entry) => self.setting(prefix, row.name, entry),
                None => self.default(prefix, row, entries),
            }
        }
        for (name, entry) in entries {
            if !keys::names(kind).any(|known| known == name) {
                self.setting(prefix, name, entry);
            }
        }
    }

    fn setting(&mut self, prefix: &str, name: &str, entry: &Entry) {
        let name_here = format!("{prefix}{}", key(name));
        if let Some(inner) = entry.node.value.table().filter(|inner| !inner.is_empty()) {
            self.settings(&format!("{name_here}."), name, inner);
            return;
        }
        let value = self.value(&entry.node);
        let origin = self.origin(&entry.key);
        self.line(&format!("{name_here} = {value}"), Some(&origin));
    }

    /// The default of `row` where the rest of its table is `entries`.
    fn default(&mut self, prefix: &str, row: &Key, entries: &Entries) {
        let value = match row.default {
            Preset::ByProbe { polled, driven } => {
                let is_driven = keys::DRIVEN.iter().any(|probe| entries.contains_key(*probe));
                Some(if is_driven { driven } else { polled }.to_string())
            }
            Preset::AtMost { span, key } => {
                let bound = entries.get(key).and_then(|entry| reader::span(entry.node.value.text()?));
                Some(format!("\"{}\"", reader::say(bound.map_or(span, |bound| bound.min(span)))))
            }
            Preset::Required
            | Preset::Nothing(_)
            | Preset::Boolean(_)
            | Preset::Integer(_)
            | Preset::Duration(_)
            | Preset::Size(_)
            | Preset::Word(_)
            | Preset::Words(_)
            | Preset::Parts => row.literal(),
        };
        if let Some(value) = value {
            self.line(&format!("{prefix}{} = {value}", row.name), Some("default"));
        }
    }

    fn line(&mut self, setting: &str, remark: Option<&str>) {
        self.text.push_str(setting);
        if let Some(remark) = remark {
            let room = REMARKS_AT.saturating_sub(setting.chars().count() + 1);
            self.text.extend(std::iter::repeat_n(' ', room + 1));
            self.text.push_str("# ");
            self.text.push_str(remark);
        }
        self.text.push('\n');
    }

    fn origin(&self, at: &Place) -> String {
        let Some(source) = self.sources.get(at.source) else { return String::new() };
        let before = source.text.get(..at.span.start).unwrap_or_default();
        let words = source.text.get(at.span.clone()).unwrap_or_default();
        let origin = if source.name.starts_with('<') {
            format!("variable {words}")
        } else {
            format!("{}:{}", source.name, before.matches('\n').count() + 1)
        };
        if self.inherited.contains(&(at.source, at.span.start)) {
            format!("[defaults], {origin}")
        } else {
            origin
        }
    }

    fn value(&self, node: &Node) -> String {
        let secret =
            |hidden: &Range<usize>| hidden.start < node.place.span.end && node.place.span.start < hidden.end;
        let hidden = self.sources.get(node.place.source).is_some_and(|s| s.secrets.iter().any(secret));
        match &node.value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(entries) => {
                let pair =
                    |(name, entry): (&String, &Entry)| format!("{} = {}", key(name), self.value(&entry.node));
                let pairs: Vec<String> = entries.iter().map(pair).collect();
                format!("{{ {} }}", pairs.join(", "))
            }
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime
                if hidden =>
            {
                format!("\"{MASK}\"")
            }
            Value::String(text) => toml::Value::String(text.clone()).to_string(),
            Value::Integer(number) => number.map_or_else(String::new, |number| number.to_string()),
            Value::Float(text) => text.clone(),
            Value::Boolean(value) => value.to_string(),
            // No key takes one.
            Value::Datetime => String::new(),
        }
    }
}

/// The places of every key in a table, however deep.
fn leaves(entries: &Entries) -> BTreeSet<(usize, usize)> {
    let mut all = BTreeSet::new();
    for entry in entries.values() {
        all.insert((entry.key.source, entry.key.span.start));
        all.extend(entry.node.value.table().map(leaves).unwrap_or_default());
    }
    all
}

/// A key as it is written: bare where that is possible.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        toml::Value::String(name.to_owned()).to_string()
    }
}
