//! Reads one table: takes the keys that it may hold, and complains about all others.
//!
//! Every function here returns `None` after it has complained, so that reading goes on and all errors come in one run.

use std::time::Duration;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::keys::{self, FOREIGN_KEYS, LATER_KEYS};
use super::tree::{Entries, Entry, Node, Value};

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
        Table { kind, name, place, entries, taken: Vec::new(), partial: false }
    }

    /// The same, but it may lack what is required.
    pub(super) fn partial(self) -> Self {
        Table { partial: true, ..self }
    }

    /// Where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The entry of `key`, which from now on is known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'t Entry> {
        self.taken.push(key);
        self.entries.get(key)
    }

    /// The entry of `key`; complains when there is none.
    pub(super) fn require(&mut self, key: &'static str, problems: &mut Diagnostics) -> Option<&'t Entry> {
        let entry = self.take(key);
        if entry.is_none() && !self.partial {
            let doc = keys::FILE_KEYS.iter().find(|row| row.table == self.kind && row.name == key);
            let message = format!("{} lacks `{key}`", self.name);
            let mut diagnostic = Diagnostic::error(Code::MissingKey, &self.place, message)
                .label(format!("`{key}` is required here"));
            if let Some(doc) = doc {
                diagnostic = diagnostic.hint(format!("`{key}` ({}): {}", doc.kind, doc.doc));
            }
            problems.push(diagnostic);
        }
        entry
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
            problems.push(match self.suggestion(key) {
                Some(hint) => diagnostic.hint(hint),
                None => diagnostic,
            });
        }
    }

    fn suggestion(&self, key: &str) -> Option<String> {
        let foreign = FOREIGN_KEYS.iter().find(|(table, word, _)| *table == self.kind && *word == key);
        if let Some((_, _, hint)) = foreign {
            return Some((*hint).to_owned());
        }
        let close = self.taken.iter().map(|known| (strsim::jaro_winkler(known, key), known));
        let (likeness, best) = close.max_by(|a, b| a.0.total_cmp(&b.0))?;
        if likeness >= ALIKE {
            return Some(format!("did you mean `{best}`?"));
        }
        let known: Vec<String> = self.taken.iter().map(|known| format!("`{known}`")).collect();
        Some(format!("it takes {}", known.join(", ")))
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

/// A whole number from `low` to `high`.
pub(super) fn number(
    key: &str,
    node: &Node,
    (low, high): (u8, u8),
    problems: &mut Diagnostics,
) -> Option<At<u8>> {
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
    let fits =
        number.and_then(|number| u8::try_from(number).ok()).filter(|value| (low..=high).contains(value));
    if fits.is_none() {
        let joint = if high - low == 1 { "or" } else { "to" };
        let message = format!("`{key}` must be {low} {joint} {high}");
        problems.push(Diagnostic::error(Code::OutOfRange, &node.place, message).label("out of range"));
    }
    fits.map(|value| At { value, place: node.place.clone() })
}

/// A span of time from `low` to `high`, or zero where `zero` allows that.
pub(super) fn duration(
    key: &str,
    node: &Node,
    range: &Spans,
    problems: &mut Diagnostics,
) -> Option<At<Duration>> {
    let Some(text) = node.value.text() else {
        no_duration(key, node, problems);
        return None;
    };
    let Ok(span) = jiff::fmt::friendly::SpanParser::new().parse_unsigned_duration(text) else {
        problems.push(not_a_duration(key, text, node));
        return None;
    };
    let allowed = (range.low..=range.high).contains(&span) || (range.zero && span.is_zero());
    if !allowed {
        let or_zero = if range.zero && !range.low.is_zero() { "\"0s\", or " } else { "" };
        let message = format!("`{key}` must be {or_zero}from {} to {}", say(range.low), say(range.high));
        problems.push(Diagnostic::error(Code::OutOfRange, &node.place, message).label("out of range"));
        return None;
    }
    Some(At { value: span, place: node.place.clone() })
}

/// The durations that a key may take.
pub(super) struct Spans {
    pub(super) low: Duration,
    pub(super) high: Duration,
    /// Whether zero is allowed although it may be below `low`.
    pub(super) zero: bool,
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
pub(super) fn word<T: Copy>(
    key: &str,
    node: &Node,
    words: &[(&str, T)],
    problems: &mut Diagnostics,
) -> Option<T> {
    let text = string(key, node, problems)?;
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.value) {
        return Some(*meaning);
    }
    let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let message = match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("`{key}` must be {} or {last}", rest.join(", ")),
        _ => format!("`{key}` must be {}", all.join("")),
    };
    let diagnostic = Diagnostic::error(Code::BadValue, &text.place, message).label("not one of them");
    let close =
        words.iter().find(|(word, _)| strsim::jaro_winkler(word, &text.value.to_lowercase()) >= ALIKE);
    problems.push(match close {
        Some((word, _)) => diagnostic.hint(format!("did you mean \"{word}\"?")),
        None => diagnostic,
    });
    None
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
