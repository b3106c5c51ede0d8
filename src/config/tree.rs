//! TOML text as a tree in which every key and every value knows its place.
//!
//! Owns: the syntax, the syntax errors (all at once), and the finding of secrets. The tree belongs to this program and
//! not to the TOML parser, so that trees of several files can be laid over each other and each leaf still knows
//! where it came from. Fails: never; what is not TOML becomes diagnostics.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::code::Code;
use super::diagnostic::{Diagnostic, Place};
use super::keys;

/// The entries of a table, by key.
pub(super) type Entries = BTreeMap<String, Entry>;

/// A key and what it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where the key stands; for a table with a header, its name in the header.
    pub(super) key: Place,
    /// What it is set to.
    pub(super) node: Node,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value of TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    String(String),
    /// `None`: beyond 64 bits.
    Integer(Option<i64>),
    /// As written.
    Float(String),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Entries),
}

impl Value {
    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The entries of a table.
    pub(super) fn table(&self) -> Option<&Entries> {
        if let Value::Table(entries) = self { Some(entries) } else { None }
    }

    /// A number as it would be written, whole or not.
    pub(super) fn number(&self) -> Option<String> {
        if let Value::Integer(number) = self {
            return Some(number.map_or_else(|| "1".to_owned(), |number| number.to_string()));
        }
        if let Value::Float(number) = self { Some(number.clone()) } else { None }
    }

    /// What it is, in words, with an article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "true or false",
            Value::Datetime => "a date or time",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// What reading the text gave.
pub(super) struct Tree {
    /// The top-level table; incomplete when there are errors.
    pub(super) root: Entries,
    /// What is not TOML.
    pub(super) errors: Vec<Diagnostic>,
    /// Bytes of the text that must not be shown.
    pub(super) secrets: Vec<Range<usize>>,
}

/// Reads `text`, which is source number `source`.
pub(super) fn read(text: &str, source: usize) -> Tree {
    let (parsed, problems) = DeTable::parse_recoverable(text);
    let root = entries(parsed.get_ref(), At { source, offset: 0 });
    let mut secrets = secrets_of(&root);
    if !problems.is_empty() {
        secrets.extend(secrets_by_eye(text));
    }
    let errors = problems.iter().map(|problem| syntax_error(problem, text, source)).collect();
    Tree { root, errors, secrets: merge(secrets) }
}

/// Reads `text`, a value of TOML that begins at byte `offset` of source number `source`. What is no value is a string as it
/// stands: a variable of the environment is not quoted.
pub(super) fn read_value(text: &str, offset: usize, source: usize) -> Node {
    let place = Place { source, span: offset..offset + text.len() };
    let value = match DeValue::parse(text) {
        Ok(value) => convert(value.get_ref(), At { source, offset }),
        Err(_) => Value::String(text.to_owned()),
    };
    Node { place, value }
}

/// The values in `root` that must not be shown.
pub(super) fn secrets_of(root: &Entries) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    find_secrets(root, Within::Top, &mut secrets);
    merge(secrets)
}

/// Where a text stands: its source, and the byte that it begins at.
#[derive(Clone, Copy)]
struct At {
    source: usize,
    offset: usize,
}

impl At {
    fn place(self, span: Range<usize>) -> Place {
        Place { source: self.source, span: span.start + self.offset..span.end + self.offset }
    }
}

fn entries(table: &DeTable<'_>, at: At) -> Entries {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| Entry {
        key: at.place(key.span()),
        node: Node { place: at.place(value.span()), value: convert(value.get_ref(), at) },
    };
    table.iter().map(|(key, value)| (key.get_ref().to_string(), entry((key, value)))).collect()
}

fn convert(value: &DeValue<'_>, at: At) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| Node { place: at.place(item.span()), value: convert(item.get_ref(), at) })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries(table, at)),
    }
}

fn syntax_error(problem: &toml::de::Error, text: &str, source: usize) -> Diagnostic {
    let mut span = problem.span().unwrap_or(text.len()..text.len());
    // An empty span at the end of a line is hard to see: point at what stands before it.
    if span.is_empty()
        && let Some((at, last)) = text.get(..span.start).and_then(|before| before.char_indices().next_back())
        && last != '\n'
    {
        span.start = at;
    }
    Diagnostic::error(Code::Syntax, &Place { source, span }, problem.message())
}

/// Whether a key of this name holds a secret, wherever it stands.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let named = ["pass", "secret", "token"].iter().any(|word| key.contains(word)) && !key.ends_with("_file");
    let whole =
        ["auth", "authorization", "cookie", "headers", "header", "env", "environment", "body", "send"];
    named || whole.contains(&key.as_str())
}

/// Whether the string of `key` may be a URL with a user name or a password in it, even one that is not written quite right.
fn is_secret_url(key: &str, text: &str) -> bool {
    let scheme = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
    text.contains('@')
        && (scheme || text.contains("://") || ["url", "address", "connect_address"].contains(&key))
}

/// What kind of table a key stands in, as far as it matters to secrets.
#[derive(Clone, Copy)]
enum Within {
    /// The whole configuration.
    Top,
    /// A table whose keys are names that somebody chose, such as `[instance]`.
    Names,
    /// Any other table.
    Plain,
    /// `auth`.
    Auth,
    /// A probe that may send credentials.
    Probe(&'static str),
    /// A table of secrets.
    Secret,
}

impl Within {
    /// Whether the value of `key` must not be shown. In `auth` and in a probe only what is known to be harmless is shown, so
    /// that a misspelt key does not give a password away.
    fn hides(self, key: &str) -> bool {
        match self {
            Within::Top | Within::Names | Within::Plain => is_secret(key),
            Within::Auth => key != "type" && key != "password_file",
            Within::Probe(probe) => {
                let mut known = keys::names(probe).chain(keys::names(keys::CHECK));
                is_secret(key) || !known.any(|known| known == key)
            }
            Within::Secret => true,
        }
    }

    /// What the table `key` in this one is.
    fn table(self, key: &str) -> Within {
        match self {
            Within::Top if ["instance", "check", "group"].contains(&key) => Within::Names,
            Within::Top | Within::Names | Within::Plain if key == "auth" => Within::Auth,
            Within::Names => Within::Plain,
            _ if self.hides(key) => Within::Secret,
            Within::Plain => {
                let probe = [keys::HTTP, keys::TCP, keys::SCRIPT].into_iter().find(|probe| *probe == key);
                probe.map_or(Within::Plain, Within::Probe)
            }
            Within::Top | Within::Auth | Within::Probe(_) | Within::Secret => Within::Plain,
        }
    }
}

/// Collects the values that must not be shown.
fn find_secrets(table: &Entries, within: Within, secrets: &mut Vec<Range<usize>>) {
    for (key, entry) in table {
        match &entry.node.value {
            Value::Table(inner) => find_secrets(inner, within.table(key), secrets),
            _ if within.hides(key) => secrets.push(entry.node.place.span.clone()),
            Value::String(text) if is_secret_url(key, text) => secrets.push(entry.node.place.span.clone()),
            Value::Array(items) => {
                for item in items {
                    if let Value::Table(inner) = &item.value {
                        find_secrets(inner, within.table(key), secrets);
                    }
                }
            }
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime => {}
        }
    }
}

/// Words that a line which holds a secret has in it.
const SPEAKING: [&str; 10] =
    ["pass", "secret", "auth", "token", "header", "cookie", "-key", "env", "body", "send"];

/// Secrets of a text that is not TOML, so that there is no whole tree to find them in: on a line that speaks of
/// authentication, everything after the first `=`; to the end of a string that goes over several lines.
fn secrets_by_eye(text: &str) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    let mut at = 0;
    let mut carried = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let content = line.trim_end();
        let lower = content.to_ascii_lowercase();
        let url = lower.find("http").filter(|_| lower.contains('@'));
        let speaks = SPEAKING.iter().filter_map(|word| lower.find(word)).chain(url).min();
        let from = match speaks {
            _ if carried => Some(0),
            Some(word) => content
                .find('=')
                .or_else(|| content.get(word..)?.find(char::is_whitespace).map(|space| word + space))
                .map(|before| before + 1),
            None => None,
        };
        let mut end = at + line.len();
        carried = false;
        if let Some(from) = from.map(|from| at + from) {
            let value = text.get(from..at + content.len()).unwrap_or_default();
            let value_at = from + (value.len() - value.trim_start().len());
            carried = value.trim().is_empty();
            let triple = ["\"\"\"", "'''"].into_iter().find_map(|quote| Some((quote, value.find(quote)?)));
            let until = match triple {
                Some((quote, open)) => {
                    let inside = from + open + quote.len();
                    let close = text.get(inside..).and_then(|rest| rest.find(quote));
                    end = end.max(close.map_or(text.len(), |close| inside + close + quote.len()));
                    end
                }
                None => at + content.len(),
            };
            if value_at < until {
                secrets.push(value_at..until);
            }
        }
        at = end;
    }
    secrets
}

/// Ascending, and apart from each other.
fn merge(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for span in spans.into_iter().filter(|span| !span.is_empty()) {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
