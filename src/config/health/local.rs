//! Probes of what is on this host: units, commands, interfaces, files, processes.

use std::collections::BTreeMap;

use super::super::address;
use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::formats::{self, Fault};
use super::super::keys::{self, Key};
use super::super::model::{
    FileProbe, Probe, ProcessProbe, Restarts, ScriptProbe, SystemdProbe, Text, UnitName, UnitState,
};
use super::super::reader::{self, At, Table};
use super::super::texts;
use super::super::tree::{Entry, Node};
use super::super::words;

/// What the names of our own environment variables begin with.
const OUR_VARIABLES: &str = "FAILOVER_";

/// `systemd`; leaves the unit in `unit` even when the rest is wrong.
pub(super) fn systemd(
    mut table: Table<'_>,
    unit: &mut Option<At<UnitName>>,
    problems: &mut Diagnostics,
) -> Option<Probe> {
    let of = table.name().to_owned();
    let row = table.row("unit");
    *unit = table.require("unit", problems).and_then(|entry| formats::unit(row, &entry.node, problems));
    let states = states(&mut table, problems);
    let restarts = table.take("max_restarts");
    table.finish(problems);
    let max_restarts = restarts.and_then(|entry| max_restarts(&of, entry, unit.as_ref(), problems));
    Some(Probe::Systemd(SystemdProbe { unit: unit.as_ref()?.value.clone(), states: states?, max_restarts }))
}

fn states(table: &mut Table<'_>, problems: &mut Diagnostics) -> Option<Vec<UnitState>> {
    let row = table.row("states");
    let Some(entry) = table.take("states") else {
        let keys::Preset::Words(preset) = row.default else { return None };
        let is_preset = |(word, _): &&(&str, UnitState)| preset.contains(word);
        return Some(words::STATES.iter().filter(is_preset).map(|(_, state)| *state).collect());
    };
    let items = reader::array("states", &entry.node, "states", problems)?;
    if items.is_empty() {
        let message = "`states` is empty";
        problems
            .push(Diagnostic::error(Code::BadValue, &entry.node.place, message).label("no state would pass"));
        return None;
    }
    let mut states = Vec::new();
    for item in items {
        match reader::word("states", item, &words::STATES, problems) {
            Some(state) if states.contains(&state) => {
                let message = "a state is listed twice";
                let diagnostic = Diagnostic::warning(Code::NoEffect, &item.place, message);
                problems.push(diagnostic.label("listed before"));
            }
            Some(state) => states.push(state),
            None => {}
        }
    }
    Some(states)
}

fn max_restarts(
    of: &str,
    entry: &Entry,
    unit: Option<&At<UnitName>>,
    problems: &mut Diagnostics,
) -> Option<Restarts> {
    let hint = "such as max_restarts = { count = 3, within = \"10m\" }";
    let entries = reader::table("max_restarts", &entry.node, hint, problems)?;
    let name = format!("`max_restarts` in {of}");
    let mut table = Table::new(keys::RESTARTS, name, entry.key.clone(), entries);
    let count = table.number("count", problems);
    let within = table.duration("within", problems);
    table.finish(problems);
    if let Some(unit) = unit.filter(|unit| unit.value.suffix() != "service") {
        let message = "`max_restarts` has no effect here";
        let diagnostic = Diagnostic::warning(Code::NoEffect, &entry.key, message)
            .label("only services are restarted by systemd")
            .related(&unit.place, format!("this is a {}", unit.value.suffix()));
        problems.push(diagnostic);
    }
    Some(Restarts { count: count?.value, within: within?.value })
}

/// `script`.
pub(super) fn script(check: &str, mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let row = table.row("command");
    let command =
        table.require("command", problems).and_then(|entry| formats::command(row, &entry.node, problems));
    let row = table.row("user");
    let user = table.take("user").and_then(|entry| formats::user(row, &entry.node, problems));
    let env = table.take("env").map(|entry| env(check, entry, problems)).unwrap_or_default();
    table.finish(problems);
    let user = user.map(|user| user.value);
    Some(Probe::Script(ScriptProbe { command: command?, user, env }))
}

fn env(check: &str, entry: &Entry, problems: &mut Diagnostics) -> BTreeMap<String, Text> {
    let hint = "such as env = { LANG = \"C\" }";
    let mut env = BTreeMap::new();
    let Some(entries) = reader::table("env", &entry.node, hint, problems) else { return env };
    for (name, entry) in entries {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let label = if !begins || !name.chars().all(legal) {
            "letters of ASCII, digits and _ are possible, and no digit first"
        } else if name.starts_with(OUR_VARIABLES) {
            "names that begin with FAILOVER_ are set by the agent"
        } else if name.len() > texts::VARIABLE.most {
            "this name is too long"
        } else {
            if let Some(value) = value_of(name, &entry.node, problems) {
                env.insert(name.clone(), Text(value));
            }
            continue;
        };
        let message = format!("`env` of check `{check}` cannot set this variable");
        problems.push(Diagnostic::error(Code::BadValue, &entry.key, message).label(label));
    }
    env
}

/// The value of a variable, which no message shows.
fn value_of(name: &str, node: &Node, problems: &mut Diagnostics) -> Option<String> {
    let text = formats::bounded(name, texts::VARIABLE_VALUE, node, problems)?;
    if text.value.contains('\0') {
        let message = "the value of a variable holds a zero byte";
        problems.push(Diagnostic::error(Code::BadValue, &text.place, message).label("would end it"));
        return None;
    }
    Some(text.value.to_owned())
}

/// `interface`.
pub(super) fn interface(mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let name =
        table.require("name", problems).and_then(|entry| address::link_name("name", &entry.node, problems));
    table.finish(problems);
    Some(Probe::Interface(name?.value))
}

/// `file`.
pub(super) fn file(mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let row = table.row("path");
    let path = table.require("path", problems).and_then(|entry| formats::path(row, &entry.node, problems));
    let expect = table.word("expect", &words::FILE_WANTS, problems);
    table.finish(problems);
    Some(Probe::File(FileProbe { path: path?.value, expect: expect?.value }))
}

/// `process`.
pub(super) fn process(check: &str, mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let name = table.take("name");
    let pid_file = table.take("pid_file");
    let rows = (table.row("name"), table.row("pid_file"));
    let place = table.place().clone();
    table.finish(problems);
    let probe = match (name, pid_file) {
        (Some(name), None) => ProcessProbe::Name(program(rows.0, name, problems)?),
        (None, Some(file)) => ProcessProbe::PidFile(formats::path(rows.1, &file.node, problems)?.value),
        (Some(name), Some(file)) => {
            let message = "`name` and `pid_file` exclude each other";
            let diagnostic = Diagnostic::error(Code::ProbeContradiction, &file.key, message)
                .label("the process shall be found so")
                .related(&name.key, "and so");
            problems.push(diagnostic);
            return None;
        }
        (None, None) => {
            let message = format!("`process` of check `{check}` lacks `name` or `pid_file`");
            problems
                .push(Diagnostic::error(Code::MissingKey, &place, message).label("one of them is required"));
            return None;
        }
    };
    Some(Probe::Process(probe))
}

fn program(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Option<String> {
    let name = formats::read(row, "must be the file name of a program", &entry.node, problems, |text| {
        if let Some((_, file)) = text.rsplit_once('/') {
            Err(Fault::whole("a path").hint(format!("without the directories: \"{file}\"")))
        } else if text.contains(|c: char| c.is_control()) {
            Err(Fault::whole("a control character"))
        } else {
            Ok(text.to_owned())
        }
    });
    name.map(|name| name.value)
}
