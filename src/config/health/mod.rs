//! Reads `[check.NAME]`: the schedule, the rules of the verdict, and exactly one probe. Who tracks the check, and what its
//! probe has to do with other tables, is [`super::check`]'s.

mod http;
mod local;
mod network;

use std::time::Duration;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::keys::{self, Preset};
use super::kind;
use super::model::{CheckConfig, FileWant, Flap, Probe, UnitName};
use super::reader::{self, At, Table};
use super::tree::{Entries, Entry, Value};
use super::words;

/// A check as far as it could be read.
pub(super) struct CheckDraft {
    pub(super) name: String,
    /// Its name in the table's header.
    pub(super) place: Place,
    /// `None` when something is missing or wrong, which has been said then.
    pub(super) config: Option<CheckConfig>,
    /// The unit that a `systemd` probe watches.
    pub(super) unit: Option<At<UnitName>>,
}

impl CheckDraft {
    /// Reads the table.
    pub(super) fn read(name: &str, mut table: Table<'_>, problems: &mut Diagnostics) -> Self {
        let errors = problems.errors();
        let place = table.place().clone();
        let interval = table.duration("interval", problems);
        let timeout = table.duration("timeout", problems);
        let probes: Vec<(&'static str, &Entry)> =
            keys::PROBES.iter().filter_map(|probe| Some((*probe, table.take(probe)?))).collect();
        let driven = probes.iter().any(|(probe, _)| keys::DRIVEN.contains(probe));
        let fall = count(&mut table, "fall", driven, problems);
        let rise = count(&mut table, "rise", driven, problems);
        let initial = table.word("initial", &words::INITIALS, problems);
        let flap = flap(name, table.take("flap"), problems);
        table.finish(problems);
        let timeout = bounded(timeout, interval.as_ref(), &place, problems);
        let mut unit = None;
        let probe = one_of(name, &place, probes, problems)
            .and_then(|(key, entry)| read_probe(name, key, entry, &mut unit, problems));
        let config = || {
            Some(CheckConfig {
                probe: probe?,
                interval: interval?.value,
                timeout: timeout?,
                fall: fall?,
                rise: rise?,
                initial: initial?.value,
                flap,
            })
        };
        let config = if problems.errors() == errors { config() } else { None };
        CheckDraft { name: name.to_owned(), place, config, unit }
    }

    /// Whether its file holds a weight; `None` when its probe could not be read.
    pub(super) fn holds_weight(&self) -> Option<bool> {
        let config = self.config.as_ref()?;
        Some(matches!(&config.probe, Probe::File(file) if file.expect == FileWant::Weight))
    }
}

/// `fall` or `rise`, whose default depends on whether the probe is driven by events.
fn count(table: &mut Table<'_>, key: &'static str, driven: bool, problems: &mut Diagnostics) -> Option<u8> {
    let row = table.row(key);
    match (table.take(key), row.default) {
        (Some(entry), _) => reader::number(row, &entry.node, problems).map(|number| number.value),
        (None, Preset::ByProbe { polled, driven: at_once }) => {
            u8::try_from(if driven { at_once } else { polled }).ok()
        }
        (None, _) => None,
    }
}

/// The time limit, which cannot be longer than the interval: a run would begin before the one before it has ended.
fn bounded(
    timeout: Option<At<Duration>>,
    interval: Option<&At<Duration>>,
    check: &Place,
    problems: &mut Diagnostics,
) -> Option<Duration> {
    let (timeout, interval) = (timeout?, interval?);
    if timeout.value <= interval.value {
        return Some(timeout.value);
    }
    if timeout.place == *check {
        return Some(interval.value);
    }
    let message = "`timeout` is longer than `interval`";
    let mut diagnostic = Diagnostic::error(Code::TimeoutTooLong, &timeout.place, message)
        .label("a run would not have ended when the next begins");
    let long = reader::say(interval.value);
    diagnostic = if interval.place == *check {
        diagnostic.hint(format!("`interval` is \"{long}\" by default: set it too, or a shorter `timeout`"))
    } else {
        diagnostic.related(&interval.place, "the interval").hint(format!("at most \"{long}\""))
    };
    problems.push(diagnostic);
    None
}

/// The one probe of a check. Of two, both places are shown.
fn one_of<'t>(
    name: &str,
    place: &Place,
    mut probes: Vec<(&'static str, &'t Entry)>,
    problems: &mut Diagnostics,
) -> Option<(&'static str, &'t Entry)> {
    probes.sort_by_key(|(_, entry)| (entry.key.source, entry.key.span.start));
    let all = || kind::or(&keys::PROBES.iter().map(|probe| format!("`{probe}`")).collect::<Vec<_>>());
    match probes.as_slice() {
        [one] => return Some(*one),
        [] => {
            let message = format!("check `{name}` has no probe");
            let diagnostic = Diagnostic::error(Code::ProbeCount, place, message)
                .label("nothing says what is looked at")
                .hint(format!("one of {} is required", all()));
            problems.push(diagnostic);
        }
        [(first_key, first), others @ ..] => {
            for (key, entry) in others {
                let message = format!("check `{name}` has two probes, `{first_key}` and `{key}`");
                let diagnostic = Diagnostic::error(Code::ProbeCount, &entry.key, message)
                    .label("a second one")
                    .related(&first.key, "the first one")
                    .hint("make two checks, and track both");
                problems.push(diagnostic);
            }
        }
    }
    None
}

fn read_probe(
    check: &str,
    key: &'static str,
    entry: &Entry,
    unit: &mut Option<At<UnitName>>,
    problems: &mut Diagnostics,
) -> Option<Probe> {
    let table = Table::new(
        key,
        format!("`{key}` of check `{check}`"),
        entry.key.clone(),
        probe_entries(key, entry, problems)?,
    );
    match key {
        keys::SYSTEMD => local::systemd(table, unit, problems),
        keys::HTTP => http::read(check, table, problems),
        keys::TCP => network::tcp(check, table, problems),
        keys::SCRIPT => local::script(check, table, problems),
        keys::LINK => local::interface(table, problems),
        keys::FILE => local::file(table, problems),
        keys::PROCESS => local::process(check, table, problems),
        keys::PING => network::ping(table, problems),
        _ => None,
    }
}

/// The entries of a probe's table. A string in its place is most likely what its first key should be set to.
fn probe_entries<'t>(key: &'static str, entry: &'t Entry, problems: &mut Diagnostics) -> Option<&'t Entries> {
    let first = match key {
        keys::SYSTEMD => "unit",
        keys::HTTP => "url",
        keys::TCP | keys::PING => "address",
        keys::SCRIPT => "command",
        keys::FILE => "path",
        _ => "name",
    };
    let shown = |text: &&str| key != keys::SCRIPT && !text.contains('@') && text.len() < 100;
    let value = match (&entry.node.value, key) {
        (Value::String(text), _) if shown(&text.as_str()) => format!("\"{text}\""),
        (_, keys::SCRIPT) => "[\"/path/of/program\", \"argument\"]".to_owned(),
        _ => "…".to_owned(),
    };
    reader::table(key, &entry.node, &format!("such as {key} = {{ {first} = {value} }}"), problems)
}

/// `flap`, or its defaults; `None` where there is no bound.
fn flap(check: &str, entry: Option<&Entry>, problems: &mut Diagnostics) -> Option<Flap> {
    let none = Entries::new();
    let (entries, place) = match entry {
        Some(entry) => {
            let hint = "such as flap = { changes = 6, within = \"2m\" }; or { changes = 0 } for no bound";
            (reader::table("flap", &entry.node, hint, problems)?, entry.key.clone())
        }
        None => (&none, Place { source: 0, span: 0..0 }),
    };
    let mut table = Table::new(keys::FLAP, format!("`flap` of check `{check}`"), place.clone(), entries);
    let changes: Option<At<u16>> = table.number("changes", problems);
    let within = table.duration("within", problems);
    let hold = table.duration("hold", problems);
    let max_hold = table.duration("max_hold", problems);
    table.finish(problems);
    let (changes, within, hold, max_hold) = (changes?, within?, hold?, max_hold?);
    if hold.value > max_hold.value {
        problems.push(longer_hold(&hold, &max_hold, &place));
    }
    let flap =
        Flap { changes: changes.value, within: within.value, hold: hold.value, max_hold: max_hold.value };
    (changes.value > 0).then_some(flap)
}

/// Complains that the first hold is longer than the longest; either may be a default, but not both.
fn longer_hold(hold: &At<Duration>, max_hold: &At<Duration>, table: &Place) -> Diagnostic {
    let message = "`hold` is longer than `max_hold`";
    let error = |at: &Place| Diagnostic::error(Code::ProbeContradiction, at, message);
    let preset =
        |key: &str, at: &At<Duration>| format!("`{key}` is \"{}\" by default", reader::say(at.value));
    if hold.place == *table {
        error(&max_hold.place).label("less than the first hold").hint(preset("hold", hold))
    } else if max_hold.place == *table {
        error(&hold.place).label("more than the longest hold").hint(preset("max_hold", max_hold))
    } else {
        error(&hold.place).label("more than the longest hold").related(&max_hold.place, "the longest")
    }
}
