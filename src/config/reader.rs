//! Reads one table: takes the keys that it may hold, and complains about all others.
//!
//! Every function here returns `None` after it has complained, so that reading goes on and all errors come in one run.

use std::time::Duration;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::foreign;
use super::keys::{self, Key, Kind, LATER_KEYS, Preset};
use super::kind;
use super::size;
use super::tree::{Entries, Entry, Node, Value};
use super::words::FOREIGN_WORDS;

/// How alike two words must be for one to be offered for the other, 0 to 1.
const ALIKE: f64 = 0.82;

/// A value together with where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T: Copy> At<T> {
    /// What `f` makes of the value, at the same place.
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> Option<U>) -> Option<At<U>> {
        f(self.value).map(|value| At { value, place: self.place })
    }
}

/// A table that is being read.
pub(super) struct Table<'t> {
    /// Its name in [`keys::FILE_KEYS`]; "" for the top level.
    kind: &'static str,
    /// The keys that it may hold.
    rows: &'static [Key],
    /// What to call it in messages.
    name: String,
    /// Where to complain about what it lacks.
    place: Place,
    entries: &'t Entries,
    taken: Vec<&'static str>,
    /// It may lack what is required: others complete it.
    partial: bool,
}

impl<'t> Table<'t> {
    /// The table `entries`, which messages call `name` and which begins at `place`.
    pub(super) fn new(kind: &'static str, name: String, place: Place, entries: &'t Entries) -> Self {
        let rows = keys::of(kind);
        Table { kind, rows, name, place, entries, taken: Vec::new(), partial: false }
    }

    /// The same, but it may lack what is required.
    pub(super) fn partial(self) -> Self {
        Table { partial: true, ..self }
    }

    /// Where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is known of `key`.
    pub(super) fn row(&self, key: &str) -> &'static Key {
        let row = self.rows.iter().find(|row| row.name == key);
        debug_assert!(row.is_some(), "no row for `{key}` of {}", self.kind);
        row.unwrap_or(&Key::UNKNOWN)
    }

    /// The entry of `key`, which from now on is known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'t Entry> {
        if !self.taken.contains(&key) {
            self.taken.push(key);
        }
        self.entries.get(key)
    }

    /// The entry of `key`; complains when there is none.
    pub(super) fn require(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<&'t Entry> {
        let entry = self.take(key);
        if entry.is_none() && !self.partial {
            let row = self.row(key);
            let message = format!("{} lacks `{key}`", self.name);
            let diagnostic = Diagnostic::error(Code::MissingKey, &self.place, message)
                .label(format!("`{key}` is required here"))
                .hint(format!("`{key}` ({}): {}", row.kind.words(), row.doc));
            problems.push(diagnostic);
        }
        entry
    }

    /// The entry of `key`; complains when there is none and there must be one.
    fn look(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<&'t Entry> {
        if self.row(key).default == Preset::Required { self.require(key, problems) } else { self.take(key) }
    }

    /// A default of this table; its place is that of the table.
    fn preset<T>(&self, value: T) -> At<T> {
        At { value, place: self.place.clone() }
    }

    /// The whole number `key`, or its default.
    pub(super) fn number<N: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        problems: &mut Diagnostics,
    ) -> Option<At<N>> {
        let row = self.row(key);
        match (self.look(key, problems), row.default) {
            (Some(entry), _) => number(row, &entry.node, problems),
            (None, Preset::Integer(value)) => N::try_from(value).ok().map(|value| self.preset(value)),
            (None, _) => None,
        }
    }

    /// The span of time `key`, or its default.
    pub(super) fn duration(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<At<Duration>> {
        let row = self.row(key);
        match (self.look(key, problems), row.default) {
            (Some(entry), _) => duration(row, &entry.node, problems),
            (None, Preset::Duration(value) | Preset::AtMost { span: value, .. }) => Some(self.preset(value)),
            (None, _) => None,
        }
    }

    /// The number of bytes `key`, or its default.
    pub(super) fn size(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<At<u64>> {
        let row = self.row(key);
        match (self.look(key, problems), row.default) {
            (Some(entry), _) => size(row, &entry.node, problems),
            (None, Preset::Size(value)) => Some(self.preset(value)),
            (None, _) => None,
        }
    }

    /// The boolean `key`, or its default.
    pub(super) fn boolean(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<At<bool>> {
        match (self.look(key, problems), self.row(key).default) {
            (Some(entry), _) => boolean(key, &entry.node, problems),
            (None, Preset::Boolean(value)) => Some(self.preset(value)),
            (None, _) => None,
        }
    }

    /// What the word `key` means, or its default: one of `words`, which are those of the key's row.
    pub(super) fn word<T: Clone>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Diagnostics,
    ) -> Option<At<T>> {
        match (self.look(key, problems), self.row(key).default) {
            (Some(entry), _) => word(key, &entry.node, words, problems)
                .map(|value| At { value, place: entry.node.place.clone() }),
            (None, Preset::Word(preset)) => {
                let (_, value) = words.iter().find(|(word, _)| *word == preset)?;
                Some(self.preset(value.clone()))
            }
            (None, _) => None,
        }
    }

    /// Complains about every key that nobody took.
    pub(super) fn finish(self, problems: &mut Diagnostics) {
        for (key, entry) in self.entries {
            if self.taken.contains(&key.as_str()) {
                continue;
            }
            if LATER_KEYS.contains(&(self.kind, key.as_str())) {
                let message = format!("`{key}` is not available in this version");
                problems.push(
                    Diagnostic::error(Code::NotYet, &entry.key, message).label("a later version has it"),
                );
                continue;
            }
            let message = format!("{} has no key `{key}`", self.name);
            let diagnostic = Diagnostic::error(Code::UnknownKey, &entry.key, message).label("unknown key");
            problems.push(diagnostic.hint(self.suggestion(key)));
        }
    }

    fn suggestion(&self, key: &str) -> String {
        if let Some(hint) = foreign::hint(self.kind, key) {
            return hint;
        }
        if let Some(best) = closest(key, self.taken.iter().copied()) {
            return format!("did you mean `{best}`?");
        }
        let known: Vec<String> = self.taken.iter().map(|known| format!("`{known}`")).collect();
        format!("it takes {}", known.join(", "))
    }
}

/// Complains that `entry` is not `wanted`, and says what it is.
pub(super) fn wrong_type(key: &str, node: &Node, wanted: &str, problems: &mut Diagnostics) {
    let found = node.value.kind();
    let diagnostic =
        Diagnostic::error(Code::WrongType, &node.place, format!("`{key}` must be {wanted}, not {found}"))
            .label(format!("this is {found}"));
    problems.push(diagnostic);
}

/// A string.
pub(super) fn string<'t>(key: &str, node: &'t Node, problems: &mut Diagnostics) -> Option<At<&'t str>> {
    if let Value::String(text) = &node.value {
        return Some(At { value: text, place: node.place.clone() });
    }
    wrong_type(key, node, "a string", problems);
    None
}

/// `true` or `false`.
pub(super) fn boolean(key: &str, node: &Node, problems: &mut Diagnostics) -> Option<At<bool>> {
    if let Value::Boolean(value) = node.value {
        return Some(At { value, place: node.place.clone() });
    }
    let found = node.value.kind();
    let message = format!("`{key}` must be true or false, not {found}");
    let mut diagnostic =
        Diagnostic::error(Code::WrongType, &node.place, message).label(format!("this is {found}"));
    if let Value::String(text) = &node.value
        && (text == "true" || text == "false")
    {
        diagnostic = diagnostic.hint(format!("without quotes: {key} = {text}"));
    }
    problems.push(diagnostic);
    None
}

/// A whole number within the range of `row`.
pub(super) fn number<N: TryFrom<i64>>(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<N>> {
    let key = row.name;
    let Value::Integer(number) = node.value else {
        let found = node.value.kind();
        let message = format!("`{key}` must be a whole number, not {found}");
        let diagnostic =
            Diagnostic::error(Code::WrongType, &node.place, message).label(format!("this is {found}"));
        let bare = node.value.text().and_then(|text| text.parse::<i64>().ok());
        problems.push(match bare {
            Some(number) => diagnostic.hint(format!("without quotes: {key} = {number}")),
            None => diagnostic,
        });
        return None;
    };
    let (low, high) = row.kind.integers().unwrap_or((i64::MIN, i64::MAX));
    let fits =
        number.filter(|number| (low..=high).contains(number)).and_then(|number| N::try_from(number).ok());
    if fits.is_none() {
        let joint = if high.abs_diff(low) == 1 { "or" } else { "to" };
        let message = format!("`{key}` must be {low} {joint} {high}");
        problems.push(Diagnostic::error(Code::OutOfRange, &node.place, message).label("out of range"));
    }
    fits.map(|value| At { value, place: node.place.clone() })
}

/// The span of time that `text` says.
pub(super) fn span(text: &str) -> Option<Duration> {
    jiff::fmt::friendly::SpanParser::new().parse_unsigned_duration(text).ok()
}

/// A span of time within the range of `row`.
pub(super) fn duration(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<Duration>> {
    let key = row.name;
    let Some(text) = node.value.text() else {
        no_duration(key, node, problems);
        return None;
    };
    let Some(span) = span(text) else {
        problems.push(not_a_duration(key, text, node));
        return None;
    };
    let (low, high, zero) = row.kind.durations()?;
    let allowed = (low..=high).contains(&span) || (zero && span.is_zero());
    if !allowed {
        let or_zero = if zero && !low.is_zero() { "\"0s\", or " } else { "" };
        let message = format!("`{key}` must be {or_zero}from {} to {}", say(low), say(high));
        problems.push(Diagnostic::error(Code::OutOfRange, &node.place, message).label("out of range"));
        return None;
    }
    Some(At { value: span, place: node.place.clone() })
}

/// A number of bytes within the range of `row`.
fn size(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<u64>> {
    let key = row.name;
    let Some(text) = node.value.text() else {
        let message = format!("`{key}` must be a size with a unit");
        let diagnostic = Diagnostic::error(Code::WrongType, &node.place, message);
        problems.push(match node.value.number() {
            Some(number) => diagnostic
                .label("a number without a unit")
                .hint(format!("in quotes, with its unit: {key} = \"{number}B\" or {key} = \"{number}KiB\"")),
            None => diagnostic.label(format!("this is {}", node.value.kind())),
        });
        return None;
    };
    let Some(bytes) = size::parse(text) else {
        let message = format!("`{key}` cannot be read as a size");
        let diagnostic = Diagnostic::error(Code::BadValue, &node.place, message)
            .label("not a size")
            .hint("a whole number and its unit: \"512B\", \"64KiB\", \"1MiB\"");
        problems.push(diagnostic);
        return None;
    };
    let Kind::Size { low, high } = row.kind else { return None };
    if !(low..=high).contains(&bytes) {
        let message = format!("`{key}` must be from {} to {}", size::say(low), size::say(high));
        problems.push(Diagnostic::error(Code::OutOfRange, &node.place, message).label("out of range"));
        return None;
    }
    Some(At { value: bytes, place: node.place.clone() })
}

/// Complains about a value that is no string.
fn no_duration(key: &str, node: &Node, problems: &mut Diagnostics) {
    let Some(number) = node.value.number() else {
        wrong_type(key, node, "a duration such as \"1s\"", problems);
        return;
    };
    let message = format!("`{key}` must be a duration with a unit");
    let hint = format!("in quotes, with its unit: {key} = \"{number}s\" or {key} = \"{number}ms\"");
    let diagnostic = Diagnostic::error(Code::WrongType, &node.place, message);
    problems.push(diagnostic.label("a number without a unit").hint(hint));
}

fn not_a_duration(key: &str, text: &str, node: &Node) -> Diagnostic {
    let trimmed = text.trim();
    let (label, hint) = if trimmed.starts_with('-') || trimmed.ends_with("ago") {
        ("a duration cannot be negative", None)
    } else if !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit() || c == '.') {
        (
            "the unit is missing",
            Some(format!("with its unit: {key} = \"{trimmed}s\" or {key} = \"{trimmed}ms\"")),
        )
    } else {
        ("not a duration", Some("a number and its unit: \"10ms\", \"1s\", \"2m\", \"1h\"".to_owned()))
    };
    let message = format!("`{key}` cannot be read as a duration");
    let diagnostic = Diagnostic::error(Code::BadValue, &node.place, message).label(label);
    match hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

/// A duration as it is written in a configuration.
pub(super) fn say(span: Duration) -> String {
    let millis = span.as_millis();
    match (millis, millis % 1000) {
        (0, _) => "0s".to_owned(),
        (_, 0) if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        (_, 0) if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        (_, 0) => format!("{}s", millis / 1000),
        (_, part) if millis > 1000 => {
            format!("{}.{}s", millis / 1000, format!("{part:03}").trim_end_matches('0'))
        }
        _ => format!("{millis}ms"),
    }
}

/// One of `words`.
pub(super) fn word<T: Clone>(
    key: &str,
    node: &Node,
    words: &[(&str, T)],
    problems: &mut Diagnostics,
) -> Option<T> {
    let text = string(key, node, problems)?;
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.value) {
        return Some(meaning.clone());
    }
    let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let message = format!("`{key}` must be {}", kind::or(&all));
    let diagnostic = Diagnostic::error(Code::BadValue, &text.place, message).label("not one of them");
    problems.push(match meant(key, text.value, words.iter().map(|(word, _)| *word)) {
        Some(word) => diagnostic.hint(format!("did you mean \"{word}\"?")),
        None => diagnostic,
    });
    None
}

/// Which of `words` was most likely meant.
pub(super) fn meant<'w>(
    key: &str,
    text: &str,
    words: impl Iterator<Item = &'w str> + Clone,
) -> Option<&'w str> {
    let lower = text.to_lowercase();
    if let Some(same) = words.clone().find(|word| word.to_lowercase() == lower) {
        return Some(same);
    }
    let foreign = FOREIGN_WORDS.iter().find(|(of, theirs, _)| *of == key && *theirs == lower);
    match foreign {
        Some((_, _, ours)) => words.clone().find(|word| word == ours),
        None => closest(&lower, words),
    }
}

/// The one of `known` that is most like `word`, if it is like it at all.
#[must_use]
pub fn closest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // What is longer than any name is like none, and takes long to compare.
    if word.len() > 128 {
        return None;
    }
    let likeness = known.map(|known| (strsim::jaro_winkler(known, word), known));
    let (likeness, best) = likeness.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness >= ALIKE).then_some(best)
}

/// The items of an array.
pub(super) fn array<'t>(
    key: &str,
    node: &'t Node,
    wanted: &str,
    problems: &mut Diagnostics,
) -> Option<&'t [Node]> {
    if let Value::Array(items) = &node.value {
        return Some(items);
    }
    let found = node.value.kind();
    let message = format!("`{key}` must be an array of {wanted}, not {found}");
    let mut diagnostic =
        Diagnostic::error(Code::WrongType, &node.place, message).label(format!("this is {found}"));
    if let Value::String(text) = &node.value {
        diagnostic = diagnostic.hint(format!("in brackets: {key} = [\"{text}\"]"));
    }
    problems.push(diagnostic);
    None
}

/// The entries of a table.
pub(super) fn table<'t>(
    key: &str,
    node: &'t Node,
    hint: &str,
    problems: &mut Diagnostics,
) -> Option<&'t Entries> {
    if let Value::Table(entries) = &node.value {
        return Some(entries);
    }
    let found = node.value.kind();
    let message = format!("`{key}` must be a table, not {found}");
    problems.push(
        Diagnostic::error(Code::WrongType, &node.place, message)
            .label(format!("this is {found}"))
            .hint(hint.to_owned()),
    );
    None
}
