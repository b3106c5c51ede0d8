//! `vrrp_script`, `vrrp_track_process` and `track_file` become `[check.NAME]`.
//!
//! keepalived's defaults are carried over where ours differ: one result decides, and a run may take the whole interval.

use super::command::{Command, Http, Native};
use super::document::{Document, Entry, Fate, Note, Section};
use super::facts::{ids, last};
use super::model::{Kind, Model, header};
use super::quote::{self, string};
use super::text;
use super::tree::{Id, Node};
use super::words;
use crate::net::LinkName;

/// Our default of `interval` and `timeout`, in microseconds.
const SECOND: u64 = 1_000_000;

/// Writes the check that the block `node` describes.
pub(super) fn translate(kind: Kind, node: &Node, model: &Model<'_>, document: &mut Document) {
    let Some(name) = model.named.get(&node.id) else {
        let reason =
            if node.words.len() < 2 { "it has no name" } else { "there is one of that name already" };
        super::preamble(document, Note::whole(node, Fate::Ignored, reason));
        return;
    };
    let mut section = Section::new(header("check", name), vec![node.id]);
    rename_note(node, name, &mut section);
    match kind {
        Kind::Script => script(node, &mut section),
        Kind::Process => process(node, &mut section),
        Kind::File | Kind::Interface => file(node, &mut section),
    }
    for (fate, reason, node) in asides(node) {
        section.say(Note::of(node, fate, reason));
    }
    node.body().iter().filter_map(words::beyond).for_each(|note| section.say(note));
    for weight in node.body().iter().filter(|inner| inner.keyword() == "weight") {
        let reason = "no tracker makes use of it";
        document.unused.insert(weight.id, reason.to_owned());
    }
    document.sections.push(section);
}

/// Lines in a block that have their fate already.
pub(super) fn asides(node: &Node) -> impl Iterator<Item = (Fate, String, &Node)> {
    node.body().iter().filter_map(|inner| {
        let (fate, reason) = inner.aside.as_ref()?;
        Some((*fate, reason.clone(), inner))
    })
}

/// Says so when the name had to be changed.
pub(super) fn rename_note(node: &Node, name: &str, section: &mut Section) {
    if node.word(1).is_some_and(|original| original != name) {
        section.say(Note::of(
            node,
            Fate::Changed,
            format!("here it is called `{name}`: names are of letters, digits and - _ ."),
        ));
    }
}

/// Says of all statements with `keyword` but the last that they do not count.
pub(super) fn superseded(body: &[Node], keyword: &str, section: &mut Section) {
    let all: Vec<&Node> = body.iter().filter(|node| node.keyword() == keyword).collect();
    if let Some((_, earlier)) = all.split_last() {
        for node in earlier {
            section.say(Note::whole(node, Fate::Ignored, "a later one takes its place"));
        }
    }
}

fn script(node: &Node, section: &mut Section) {
    let body = node.body();
    for keyword in ["script", "interval", "timeout", "rise", "fall", "user", "init_fail"] {
        superseded(body, keyword, section);
    }
    let Some(stated) = last(body, "script") else {
        section.off = Some("it has no `script`, so that keepalived leaves it out too".to_owned());
        rest(node, section);
        return;
    };
    let Some(command) = command_of(stated) else {
        section.off = Some("its command line cannot be read".to_owned());
        section.say(Note::of(stated, Fate::Without, "a quote in it does not end, or there is no word"));
        rest(node, section);
        return;
    };
    let user = last(body, "user");
    let native = command.native();
    let mut limit = None;
    if let Some(native) = &native {
        native_probe(native, stated, section);
        if let Some(user) = user {
            section.say(Note::of(user, Fate::Translated, "not needed: no program is started"));
        }
        limit = native.limit();
    } else {
        script_probe(&command, stated, user, section);
    }
    let events = matches!(native, Some(Native::Systemd(_) | Native::File(_)));
    timing(body, limit, section);
    hysteresis(body, events, section);
    if let Some(node) = last(body, "init_fail") {
        section.set(Entry::new("initial", "\"failing\"", vec![node.id]));
    }
    rest(node, section);
}

/// The command line that a `script` or `notify` statement names; what follows it is a user.
pub(super) fn command_of(statement: &Node) -> Option<Command> {
    let words = text::command_words(&statement.text, false)?;
    Command::read(words.get(1)?)
}

fn script_probe(command: &Command, stated: &Node, user: Option<&Node>, section: &mut Section) {
    let mut from = vec![stated.id];
    let mut table = format!("command = {}", quote::strings(&command.start()));
    if let Some((node, name)) = user.and_then(|node| Some((node, node.word(1)?))) {
        from.push(node.id);
        table = format!("{table}, user = {}", string(name));
    }
    let mut entry = Entry::new("script", format!("{{ {table} }}"), from).essential();
    if command.shell {
        let reason =
            "written for a shell, which keepalived starts only where it cannot start the first word itself";
        entry = entry.note(Note::of(stated, Fate::Changed, reason));
    }
    if text::command_words(&stated.text, false).is_some_and(|words| words.len() > 2) {
        let reason = "keepalived starts the first word alone: arguments belong into the same quotes";
        entry = entry.note(Note::of(stated, Fate::Changed, reason));
    }
    if let Some(node) = user.filter(|node| node.word(2).is_some()) {
        entry = entry.note(Note::of(node, Fate::Changed, "the group is always the user's own"));
    }
    if let Some(node) = user.filter(|node| node.word(1).is_none()) {
        entry = entry.note(Note::of(node, Fate::Without, "no user is named"));
    }
    section.set(entry);
}

fn native_probe(native: &Native, stated: &Node, section: &mut Section) {
    let (key, value, what) = match native {
        Native::Process(name) => {
            ("process", format!("{{ name = {} }}", string(name)), "the process itself is watched")
        }
        Native::Systemd(unit) => {
            ("systemd", format!("{{ unit = {} }}", string(unit)), "the unit itself is watched")
        }
        Native::File(path) => {
            ("file", format!("{{ path = {} }}", string(path)), "the file itself is watched")
        }
        Native::Tcp(address, _) => {
            ("tcp", format!("{{ address = {} }}", string(address)), "failover connects itself")
        }
        Native::Http(http) => ("http", http_table(http), "failover asks itself"),
    };
    let reason = format!("{what}, no program is started");
    section.set(Entry::new(key, value, vec![stated.id]).essential().note(Note::of(
        stated,
        Fate::Changed,
        reason,
    )));
}

/// Without `--fail` every answer is good to curl, and it follows no redirection.
fn http_table(http: &Http) -> String {
    let status = if http.fail { "200-399" } else { "200-599" };
    let tls = if http.insecure { ", tls = { verify = false }" } else { "" };
    format!("{{ url = {}, status = [\"{status}\"]{tls} }}", string(&http.url))
}

/// `interval` and `timeout`; `limit` is the time that the command gave itself.
fn timing(body: &[Node], limit: Option<u64>, section: &mut Section) {
    let span = |keyword: &str, section: &mut Section| {
        let node = last(body, keyword)?;
        match node.word(1).and_then(text::micros) {
            Some(0) => {
                section.say(Note::of(node, Fate::Changed, "keepalived makes it one second"));
                Some((SECOND, node))
            }
            Some(micros) => Some((micros.max(1000), node)),
            None => {
                section.say(Note::of(node, Fate::Ignored, "keepalived takes a number of seconds only"));
                None
            }
        }
    };
    let interval = span("interval", section);
    let timeout = span("timeout", section);
    let length = interval.map_or(SECOND, |(micros, _)| micros);
    if let Some((micros, node)) = interval {
        section.set(Entry::new("interval", quote::micros(micros), vec![node.id]));
    }
    let stated = timeout.map_or(length, |(micros, _)| micros);
    let may = stated.min(length).min(limit.unwrap_or(u64::MAX)).max(1000);
    let from: Vec<Id> = timeout.iter().map(|(_, node)| node.id).collect();
    if from.is_empty() && may == SECOND {
        return;
    }
    let mut entry = Entry::new("timeout", quote::micros(may), from);
    if let Some((micros, node)) = timeout
        && micros > length
    {
        let reason = "a run may last as long as the interval at most; keepalived leaves runs out meanwhile";
        entry = entry.note(Note::of(node, Fate::Changed, reason));
    } else if let Some((_, node)) = timeout.filter(|_| limit.is_some_and(|limit| limit < stated)) {
        let reason = "the command gives itself less time than that";
        entry = entry.note(Note::of(node, Fate::Changed, reason));
    }
    section.set(entry);
}

/// `fall` and `rise`, both 1 in keepalived, and here too where events drive the check.
fn hysteresis(body: &[Node], events: bool, section: &mut Section) {
    for keyword in ["fall", "rise"] {
        let stated = last(body, keyword);
        let digits = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let number =
            stated.and_then(|node| node.word(1).filter(digits)?.parse::<u32>().ok()).filter(|n| *n > 0);
        match (stated, number) {
            (Some(node), Some(number)) => section.set(Entry::new(keyword, number.to_string(), vec![node.id])),
            (Some(node), None) => {
                let remark = Note::of(node, Fate::Ignored, "no number above 0: keepalived makes it 1");
                section.set(Entry::new(keyword, "1", Vec::new()).note(remark));
            }
            (None, _) if events => {}
            (None, _) => section.set(Entry::new(keyword, "1", Vec::new())),
        }
    }
}

/// What a script's block has besides.
fn rest(node: &Node, section: &mut Section) {
    if section.off.is_some() {
        let known = ["interval", "timeout", "rise", "fall", "user", "init_fail"];
        for inner in node.body().iter().filter(|inner| known.contains(&inner.keyword())) {
            section.say(Note::whole(inner, Fate::Ignored, "of no use without the script"));
        }
    }
}

fn process(node: &Node, section: &mut Section) {
    let body = node.body();
    let mut stated = body.iter().filter(|inner| inner.keyword() == "process");
    let first = stated.next();
    for node in stated {
        section.say(Note::of(node, Fate::Ignored, "only the first one counts"));
    }
    let Some((first, name)) = first.and_then(|first| Some((first, first.word(1)?))) else {
        section.off = Some("it names no `process`, so that keepalived leaves it out too".to_owned());
        if let Some(node) = first {
            section.say(Note::of(node, Fate::Ignored, "no process is named"));
        }
        process_rest(body, section);
        return;
    };
    let base = name.rsplit('/').next().unwrap_or(name);
    let mut entry = Entry::new("process", format!("{{ name = {} }}", string(base)), ids([first])).essential();
    if base != name || first.words.len() > 2 {
        let reason = "a process is known by its name alone: neither its path nor its arguments are compared";
        entry = entry.note(Note::of(first, Fate::Changed, reason));
    }
    section.set(entry);
    for keyword in ["fall", "rise"] {
        section.set(Entry::new(keyword, "1", Vec::new()));
    }
    process_rest(body, section);
}

fn process_rest(body: &[Node], section: &mut Section) {
    for node in body {
        let (fate, reason) = match (node.keyword(), node.word(1)) {
            ("quorum", Some("1")) => (Fate::Translated, "one process is enough here too"),
            ("quorum" | "quorum_max", _) => (Fate::Without, "one process is enough, and any number is good"),
            ("delay" | "fork_delay" | "terminate_delay", _) => {
                (Fate::Without, "there are no delays; with `fall` above 1 a process may be gone for a moment")
            }
            ("full_command" | "param_match", _) => {
                (Fate::Without, "a process is known by its name alone; its arguments are not compared")
            }
            _ => continue,
        };
        section.say(Note::of(node, fate, reason));
    }
}

fn file(node: &Node, section: &mut Section) {
    let mut stated = node.body().iter().filter(|inner| inner.keyword() == "file");
    let first = stated.next();
    for node in stated {
        section.say(Note::of(node, Fate::Ignored, "only the first one counts"));
    }
    if let Some((first, path)) = first.and_then(|first| Some((first, first.word(1)?))) {
        let value = format!("{{ path = {} }}", string(path));
        section.set(Entry::new("file", value, ids([first])).essential());
    } else {
        section.off = Some("it names no `file`, so that keepalived leaves it out too".to_owned());
        if let Some(node) = first {
            section.say(Note::of(node, Fate::Ignored, "no file is named"));
        }
    }
    for init in node.body().iter().filter(|inner| inner.keyword() == "init_file") {
        let reason = "files are read and never written; a tmpfiles.d(5) line can make it at the start";
        section.say(Note::of(init, Fate::Without, reason));
    }
}

/// The name of the check of a link, which is written when it is first needed; `None` when no link can be called so.
pub(super) fn link(interface: &str, model: &mut Model<'_>, document: &mut Document) -> Option<String> {
    let interface = LinkName::new(interface)?;
    if let Some(name) = model.links.get(interface.as_str()) {
        return Some(name.clone());
    }
    let name = model.check_names.legal(&format!("link-{interface}"));
    let mut section = Section::new(header("check", &name), Vec::new());
    let value = format!("{{ name = {} }}", string(interface.as_str()));
    section.set(Entry::new("interface", value, Vec::new()).essential());
    document.sections.push(section);
    model.links.insert(interface.to_string(), name.clone());
    Some(name)
}
