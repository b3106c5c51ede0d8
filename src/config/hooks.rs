//! Reads what happens around an instance or a group: `track`, `notify` and `units`, each by itself. Whether the checks
//! exist and the units clash is [`super::check`]'s.

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::formats;
use super::keys::{self, Key};
use super::model::{Notify, Track, UnitName, Units, Weight};
use super::reader::{self, At, Table};
use super::tree::{Entry, Node, Value};
use super::words;

/// One line of `track`.
pub(super) struct TrackDraft {
    /// The check's name, where it is tracked.
    pub(super) check: At<String>,
    /// What it does; `None` when that could not be read.
    pub(super) effect: Option<At<Track>>,
}

/// `units`, each with its place.
#[derive(Default)]
pub(super) struct UnitsDraft {
    pub(super) master: Vec<At<UnitName>>,
    pub(super) backup: Vec<At<UnitName>>,
    pub(super) fault: Vec<At<UnitName>>,
}

impl UnitsDraft {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &At<UnitName>> {
        self.master.iter().chain(&self.backup).chain(&self.fault)
    }

    /// The legal value.
    pub(super) fn units(&self) -> Units {
        let names = |units: &[At<UnitName>]| units.iter().map(|unit| unit.value.clone()).collect();
        Units { master: names(&self.master), backup: names(&self.backup), fault: names(&self.fault) }
    }
}

/// `track` of an instance, in the order of the file.
pub(super) fn track(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Vec<TrackDraft> {
    let hint = "such as track = { haproxy = \"fault\", api = -20 }";
    let Some(entries) = reader::table("track", &entry.node, hint, problems) else { return Vec::new() };
    let mut in_order: Vec<(&String, &Entry)> = entries.iter().collect();
    in_order.sort_by_key(|(_, entry)| (entry.key.source, entry.key.span.start));
    let draft = |(check, entry): (&String, &Entry)| TrackDraft {
        check: At { value: check.clone(), place: entry.key.clone() },
        effect: effect(row, check, &entry.node, problems),
    };
    in_order.into_iter().map(draft).collect()
}

fn effect(row: &Key, check: &str, node: &Node, problems: &mut Diagnostics) -> Option<At<Track>> {
    let what = format!("`{check}` must be tracked with");
    match &node.value {
        Value::Integer(Some(0)) => {
            let message = format!("{what} \"fault\" or a weight other than 0");
            let diagnostic = Diagnostic::error(Code::OutOfRange, &node.place, message)
                .label("adds nothing")
                .hint("what keepalived means by weight 0 is \"fault\"");
            problems.push(diagnostic);
            None
        }
        Value::Integer(number) => {
            let weight = number.and_then(|number| i16::try_from(number).ok()).and_then(Weight::new);
            let Some(weight) = weight else {
                let (low, high) = row.kind.integers().unwrap_or_default();
                let message = format!("{what} a weight from {low} to {high}");
                problems
                    .push(Diagnostic::error(Code::OutOfRange, &node.place, message).label("out of range"));
                return None;
            };
            Some(At { value: Track::Weight(weight), place: node.place.clone() })
        }
        Value::String(text) => {
            if let Some((_, track)) = words::TRACKS.iter().find(|(word, _)| word == text) {
                return Some(At { value: *track, place: node.place.clone() });
            }
            let message = format!("{what} \"fault\", a weight, or \"weight\" for the one in a file");
            let diagnostic = Diagnostic::error(Code::BadValue, &node.place, message).label("none of them");
            let words = words::TRACK_WORDS.iter().copied();
            let hint = match text.parse::<i64>() {
                Ok(number) => Some(format!("without quotes: {number}")),
                Err(_) => reader::meant("track", text, words).map(|word| format!("did you mean \"{word}\"?")),
            };
            problems.push(hint.into_iter().fold(diagnostic, Diagnostic::hint));
            None
        }
        Value::Float(_) | Value::Boolean(_) | Value::Datetime | Value::Array(_) | Value::Table(_) => {
            let found = node.value.kind();
            let message = format!("{what} \"fault\" or a weight, not {found}");
            problems.push(
                Diagnostic::error(Code::WrongType, &node.place, message).label(format!("this is {found}")),
            );
            None
        }
    }
}

/// `notify` of `owner`, which is an instance or a group.
pub(super) fn notify(owner: &str, entry: &Entry, problems: &mut Diagnostics) -> Notify {
    let mut notify = Notify::default();
    let hint = "such as notify = { master = [\"/usr/local/bin/on-master\"] }";
    let Some(entries) = reader::table("notify", &entry.node, hint, problems) else { return notify };
    let name = format!("`notify` of {owner}");
    let mut table = Table::new(keys::NOTIFY, name, entry.key.clone(), entries);
    let mut command = |key| {
        let row = table.row(key);
        table.take(key).and_then(|entry| formats::command(row, &entry.node, problems))
    };
    notify.master = command("master");
    notify.backup = command("backup");
    notify.fault = command("fault");
    notify.stop = command("stop");
    notify.any = command("any");
    if let Some(timeout) = table.duration("timeout", problems) {
        notify.timeout = timeout.value;
    }
    table.finish(problems);
    notify
}

/// `units` of `owner`, which is an instance or a group.
pub(super) fn units(owner: &str, entry: &Entry, problems: &mut Diagnostics) -> UnitsDraft {
    let hint = "such as units = { master = [\"web.service\"] }";
    let Some(entries) = reader::table("units", &entry.node, hint, problems) else {
        return UnitsDraft::default();
    };
    let mut table = Table::new(keys::UNITS, format!("`units` of {owner}"), entry.key.clone(), entries);
    let mut list = |key| {
        let row = table.row(key);
        table.take(key).map(|entry| list(row, entry, problems)).unwrap_or_default()
    };
    let draft = UnitsDraft { master: list("master"), backup: list("backup"), fault: list("fault") };
    table.finish(problems);
    draft
}

fn list(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Vec<At<UnitName>> {
    let key = row.name;
    let Some(items) = reader::array(key, &entry.node, "unit names", problems) else { return Vec::new() };
    if let Some(beyond) = items.get(row.kind.most()) {
        let message = format!("`{key}` has {} units; at most {} are possible", items.len(), row.kind.most());
        problems.push(
            Diagnostic::error(Code::BadValue, &beyond.place, message)
                .label("the first one too many")
                .hint("a target can start any number of them"),
        );
    }
    let mut units: Vec<At<UnitName>> = Vec::new();
    for item in items {
        let Some(unit) = formats::unit(row, item, problems) else { continue };
        if let Some(first) = units.iter().find(|first| first.value == unit.value) {
            let message = format!("`{}` is listed twice", unit.value);
            let diagnostic = Diagnostic::warning(Code::NoEffect, &unit.place, message)
                .label("starts nothing")
                .related(&first.place, "started here");
            problems.push(diagnostic);
            continue;
        }
        if startable(&unit, problems) {
            units.push(unit);
        }
    }
    units
}

/// Devices and scopes come and go by themselves, and the agent cannot stop itself and go on.
fn startable(unit: &At<UnitName>, problems: &mut Diagnostics) -> bool {
    let place: &Place = &unit.place;
    let diagnostic = if unit.value.as_str() == "failover.service" {
        let message = "the agent cannot start and stop itself";
        Diagnostic::error(Code::BadValue, place, message).label("this is the agent's own unit")
    } else if unit.value.as_str().starts_with("failover-master@") {
        let message = format!("`{}` is started and stopped by the agent itself", unit.value);
        Diagnostic::error(Code::BadValue, place, message)
            .label("active exactly while its instance is MASTER, without being listed")
    } else if ["device", "scope"].contains(&unit.value.suffix()) {
        let message = format!("`{}` cannot be started", unit.value);
        let label = format!("a {} comes and goes by itself", unit.value.suffix());
        Diagnostic::error(Code::BadValue, place, message).label(label)
    } else {
        return true;
    };
    problems.push(diagnostic);
    false
}
