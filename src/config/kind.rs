//! What a row of the table of keys is made of: types with their ranges, defaults, and both in words.
//!
//! Never: knows a key by name.

use std::time::Duration;

use super::keys;
use super::reader::say;
use super::size;
use super::texts::Text;

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table that it stands in, as the manual heads it.
    pub table: &'static str,
    /// The key.
    pub name: &'static str,
    /// What it may be set to.
    pub kind: Kind,
    /// What holds when it is not there.
    pub default: Preset,
    /// What it is for, in one line.
    pub doc: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer {
        /// Least.
        low: i64,
        /// Greatest.
        high: i64,
    },
    /// A whole number but 0, at most so far from it.
    Weight {
        /// The greatest, and the least with the sign changed.
        most: i16,
    },
    /// A string that says a span of time.
    Duration {
        /// Shortest.
        low: Duration,
        /// Longest.
        high: Duration,
        /// Whether zero is allowed although it may be below `low`.
        zero: bool,
    },
    /// A string that says a number of bytes.
    Size {
        /// Least.
        low: u64,
        /// Greatest.
        high: u64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A string.
    Text(&'static Text),
    /// An array.
    List {
        /// What each item is.
        of: &'static Kind,
        /// What the items are called.
        items: &'static str,
        /// Fewest.
        least: usize,
        /// Most.
        most: usize,
    },
    /// A table with keys of its own.
    Table(&'static str),
    /// A table whose keys are names that the administrator chooses.
    Map {
        /// What the names are.
        names: &'static Text,
        /// What each is set to.
        of: &'static Kind,
    },
    /// Any of these.
    Either(&'static [Kind]),
}

/// What holds when a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// It must be there.
    Required,
    /// Something that cannot be written as a value, in words.
    Nothing(&'static str),
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Integer(i64),
    /// A number that depends on the probe: `polled` for most, `driven` for those that hear of a change at once
    /// ([`keys::DRIVEN`]).
    ByProbe {
        /// For probes that look once in an interval.
        polled: i64,
        /// For probes driven by events.
        driven: i64,
    },
    /// A span of time.
    Duration(Duration),
    /// A span of time, or what another key of the table is set to where that is shorter.
    AtMost {
        /// The span.
        span: Duration,
        /// The key that bounds it.
        key: &'static str,
    },
    /// A number of bytes.
    Size(u64),
    /// A word or a text.
    Word(&'static str),
    /// An array of words.
    Words(&'static [&'static str]),
    /// A table: what its own keys default to.
    Parts,
}

impl Kind {
    /// The type in words, with its range.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Kind::Boolean => "boolean".to_owned(),
            Kind::Integer { low, high } if high - low == 1 => format!("integer {low} or {high}"),
            Kind::Integer { low, high } => format!("integer {low}-{high}"),
            Kind::Weight { most } => format!("integer -{most} to {most} without 0"),
            Kind::Duration { low, high, zero } => {
                let or_zero = if *zero && !low.is_zero() { "0s or " } else { "" };
                format!("duration {or_zero}{}-{}", say(*low), say(*high))
            }
            Kind::Size { low, high } => format!("size {}-{}", size::say(*low), size::say(*high)),
            Kind::Word(_) => or(&self.choices()),
            Kind::Text(text) if text.one == "string" && (text.least, text.most) != (0, usize::MAX) => {
                format!("string of {}-{} bytes", text.least, text.most)
            }
            Kind::Text(text) => text.one.to_owned(),
            Kind::List { of: Kind::Either(kinds), items, .. } => {
                format!("array of {items}: {}", Kind::Either(kinds).words())
            }
            Kind::List { of: Kind::Word(words), items, .. } => {
                format!("array of {items}: {}", Kind::Word(words).words())
            }
            Kind::List { items, .. } => format!("array of {items}"),
            Kind::Table(_) => "table".to_owned(),
            Kind::Map { names, of } => format!("table of {}: {}", names.many, of.words()),
            Kind::Either(kinds) => or(&kinds.iter().flat_map(Kind::choices).collect::<Vec<_>>()),
        }
    }
}

impl Kind {
    /// Each word of a choice by itself; of other types the one description.
    fn choices(&self) -> Vec<String> {
        if let Kind::Word(words) = self {
            return words.iter().map(|word| format!("\"{word}\"")).collect();
        }
        vec![self.words()]
    }

    /// The range of the whole numbers among the values.
    pub(super) fn integers(&self) -> Option<(i64, i64)> {
        match self {
            Kind::Integer { low, high } => Some((*low, *high)),
            Kind::Weight { most } => Some((-i64::from(*most), i64::from(*most))),
            Kind::List { of, .. } | Kind::Map { of, .. } => of.integers(),
            Kind::Either(kinds) => kinds.iter().find_map(Kind::integers),
            Kind::Boolean
            | Kind::Duration { .. }
            | Kind::Size { .. }
            | Kind::Word(_)
            | Kind::Text(_)
            | Kind::Table(_) => None,
        }
    }

    /// The shortest and the longest span of time among the values, and whether zero is one too.
    pub(super) fn durations(&self) -> Option<(Duration, Duration, bool)> {
        match self {
            Kind::Duration { low, high, zero } => Some((*low, *high, *zero)),
            Kind::Either(kinds) => kinds.iter().find_map(Kind::durations),
            Kind::Boolean
            | Kind::Integer { .. }
            | Kind::Weight { .. }
            | Kind::Size { .. }
            | Kind::Word(_)
            | Kind::Text(_)
            | Kind::List { .. }
            | Kind::Table(_)
            | Kind::Map { .. } => None,
        }
    }

    /// The string among the values.
    pub(super) fn text(&self) -> Option<&'static Text> {
        match self {
            Kind::Text(text) => Some(text),
            Kind::List { of, .. } | Kind::Map { of, .. } => of.text(),
            Kind::Either(kinds) => kinds.iter().find_map(Kind::text),
            Kind::Boolean
            | Kind::Integer { .. }
            | Kind::Weight { .. }
            | Kind::Duration { .. }
            | Kind::Size { .. }
            | Kind::Word(_)
            | Kind::Table(_) => None,
        }
    }

    /// Most items of an array.
    pub(super) fn most(&self) -> usize {
        if let Kind::List { most, .. } = self { *most } else { usize::MAX }
    }
}

/// The words with commas and an "or" between them.
pub(super) fn or(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

impl Key {
    /// The default as it would be written; `None` where there is none or it cannot be written.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        match self.default {
            Preset::Required | Preset::Nothing(_) | Preset::ByProbe { .. } | Preset::AtMost { .. } => None,
            Preset::Boolean(value) => Some(value.to_string()),
            Preset::Integer(number) => Some(number.to_string()),
            Preset::Duration(span) => Some(format!("\"{}\"", say(span))),
            Preset::Size(bytes) => Some(format!("\"{}\"", size::say(bytes))),
            Preset::Word(word) => Some(format!("\"{word}\"")),
            Preset::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                Some(format!("[{}]", words.join(", ")))
            }
            Preset::Parts => {
                let Kind::Table(inner) = self.kind else { return Some("{}".to_owned()) };
                let part = |key: &Key| Some(format!("{} = {}", key.name, key.literal()?));
                let parts: Vec<String> = keys::of(inner).iter().filter_map(part).collect();
                Some(format!("{{ {} }}", parts.join(", ")))
            }
        }
    }

    /// The default as the manual gives it.
    #[must_use]
    pub fn default_words(&self) -> String {
        match self.default {
            Preset::Required => "required".to_owned(),
            Preset::Nothing(words) => words.to_owned(),
            Preset::ByProbe { polled, driven } => {
                format!("{polled}, or {driven} for {}", keys::DRIVEN.join(", "))
            }
            Preset::AtMost { span, key } => format!("\"{}\", or the {key} if shorter", say(span)),
            Preset::Boolean(_)
            | Preset::Integer(_)
            | Preset::Duration(_)
            | Preset::Size(_)
            | Preset::Word(_)
            | Preset::Words(_)
            | Preset::Parts => self.literal().unwrap_or_default(),
        }
    }

    /// What stands for a key that is not in the table, so that reading it never fails.
    pub(super) const UNKNOWN: Key =
        Key { table: "", name: "", kind: Kind::Boolean, default: Preset::Required, doc: "" };
}
