//! Tables of tables with names that somebody chose: `[instance.NAME]` and its like.
//!
//! Owns: which names are possible, the order in which they are read, and what is said when the name was forgotten.

use std::borrow::Cow;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::formats;
use super::keys;
use super::parse::inherit;
use super::reader::{self, Table};
use super::texts;
use super::tree::{Entries, Entry, Value};

/// A table of tables with names.
pub(super) struct Named {
    /// Its key.
    key: &'static str,
    /// The keys of each.
    table: &'static str,
    /// What each is, with an article.
    one: &'static str,
    /// What they are.
    many: &'static str,
}

/// `[check.NAME]`.
pub(super) const CHECKS: Named = Named { key: "check", table: keys::CHECK, one: "a check", many: "checks" };
/// `[instance.NAME]`.
pub(super) const INSTANCES: Named =
    Named { key: "instance", table: keys::INSTANCE, one: "an instance", many: "instances" };
/// `[group.NAME]`.
pub(super) const GROUPS: Named = Named { key: "group", table: keys::GROUP, one: "a group", many: "groups" };

/// What `read` makes of each of them, with what it inherits from `defaults`; in the order of the file, so that the second
/// of two is the one that comes later.
pub(super) fn read<T>(
    named: &Named,
    entry: Option<&Entry>,
    defaults: &Entries,
    problems: &mut Diagnostics,
    mut read: impl FnMut(&str, Table<'_>, &mut Diagnostics) -> T,
) -> Vec<T> {
    let Some(entry) = entry else { return Vec::new() };
    let hint = format!("{} have names: write [{}.NAME]", named.many, named.key);
    let Some(tables) = reader::table(named.key, &entry.node, &hint, problems) else { return Vec::new() };
    let mut in_order: Vec<(&String, &Entry)> = tables.iter().collect();
    in_order.sort_by_key(|(_, entry)| (entry.key.source, entry.key.span.start));
    let mut drafts = Vec::new();
    for (name, entry) in in_order {
        check_name(named, name, entry, problems);
        let Value::Table(entries) = &entry.node.value else {
            no_table(named, name, entry, problems);
            continue;
        };
        if is_inner_table(named, name, entries) {
            no_table(named, name, entry, problems);
            continue;
        }
        let entries =
            if defaults.is_empty() { Cow::Borrowed(entries) } else { Cow::Owned(inherit(entries, defaults)) };
        let table = Table::new(named.table, format!("{} `{name}`", named.key), entry.key.clone(), &entries);
        drafts.push(read(name, table, problems));
    }
    drafts
}

/// Whether what stands where a name belongs is an inner table such as `garp`: by its name, and by the keys in it.
fn is_inner_table(named: &Named, name: &str, entries: &Entries) -> bool {
    let is_key = |table: &str, key: &str| keys::names(table).any(|known| known == key);
    let any_of = |table: &str| entries.keys().any(|key| is_key(table, key));
    is_key(named.table, name) && any_of(name) && !any_of(named.table)
}

/// A key directly under `[instance]` or the like: most likely the name was forgotten.
fn no_table(named: &Named, name: &str, entry: &Entry, problems: &mut Diagnostics) {
    let Named { key, table, one, many } = named;
    let known = keys::names(table).any(|key| key == name);
    let (place, message) = if known {
        (&entry.key, format!("`{name}` stands outside of any {key}"))
    } else {
        (&entry.node.place, format!("{key} `{name}` must be a table, not {}", entry.node.value.kind()))
    };
    let diagnostic = Diagnostic::error(Code::WrongType, place, message)
        .label(format!("not {one}"))
        .hint(format!("{many} have names: write [{key}.NAME]"));
    problems.push(diagnostic);
}

fn check_name(named: &Named, name: &str, entry: &Entry, problems: &mut Diagnostics) {
    if formats::is_name(name) {
        return;
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let label = if name.is_empty() {
        "empty".to_owned()
    } else if name.len() > texts::NAME.most {
        format!("longer than {} bytes", texts::NAME.most)
    } else if !name.chars().all(legal) {
        "letters of ASCII, digits and - _ . are possible".to_owned()
    } else {
        "must begin with a letter, a digit or _".to_owned()
    };
    let message = format!("{} cannot have this name", named.one);
    problems.push(Diagnostic::error(Code::BadName, &entry.key, message).label(label));
}
