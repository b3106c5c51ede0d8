//! One text to a configuration. Pure: what a password file holds is asked of the caller.

use super::auth::{ReadSecret, Secret};
use super::check;
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity, Source};
use super::instance::Draft;
use super::keys;
use super::load::Loaded;
use super::model::{AgentConfig, Config};
use super::reader::{self, Table};
use super::tree::{self, Entries, Entry, Value};

/// Longest instance name in bytes.
const LONGEST_NAME: usize = 64;
/// Longest `router_id` in bytes.
const LONGEST_ROUTER_ID: usize = 255;

/// Reads `text`, which messages call `name`. A `password_file` cannot be read this way and is an error.
pub fn parse(text: &str, name: &str) -> Result<Loaded, Diagnostics> {
    let mut unreadable = |_: &str| Err::<Secret, _>("no file can be read here".to_owned());
    parse_with(text, name, &mut unreadable)
}

/// Reads `text` for another part of the program, which wants every diagnostic, however many.
pub(super) fn parse_keeping_all(text: &str) -> Result<Loaded, Diagnostics> {
    let mut unreadable = |_: &str| Err::<Secret, _>("no file can be read here".to_owned());
    let problems = Diagnostics::new(vec![Source::new("", text)]).keep_all();
    parse_into(problems, text, &mut unreadable)
}

/// Reads `text`, which messages call `name`; `read_secret` brings the content of password files.
pub fn parse_with(text: &str, name: &str, read_secret: ReadSecret<'_>) -> Result<Loaded, Diagnostics> {
    parse_into(Diagnostics::new(vec![Source::new(name, text)]), text, read_secret)
}

fn parse_into(
    mut problems: Diagnostics,
    text: &str,
    read_secret: ReadSecret<'_>,
) -> Result<Loaded, Diagnostics> {
    let tree = tree::read(text, 0);
    problems.hide(0, tree.secrets);
    let config = if tree.errors.is_empty() {
        read(&tree.root, read_secret, &mut problems)
    } else {
        // Half a tree would bring errors about what is only missing from it.
        tree.errors.into_iter().for_each(|error| problems.push(error));
        Config::default()
    };
    problems.sort();
    if problems.errors() > 0 { Err(problems) } else { Ok(Loaded { config, warnings: problems }) }
}

fn read(root: &Entries, read_secret: ReadSecret<'_>, problems: &mut Diagnostics) -> Config {
    let start = Place { source: 0, span: 0..0 };
    let mut top = Table::new("", "the configuration".to_owned(), start, root);
    let agent = top.take("agent").map(|entry| agent(entry, problems)).unwrap_or_default();
    let instances = top.take("instance");
    top.finish(problems);
    let drafts = instances.map(|entry| drafts(entry, read_secret, problems)).unwrap_or_default();
    if drafts.is_empty() && problems.errors() == 0 {
        let message = "no instances are configured: the agent would have nothing to do";
        let hint = "an instance begins with [instance.NAME]; see failover.toml(5)";
        problems.push(Diagnostic::whole(Code::NoInstances, Severity::Warning, message).hint(hint));
    }
    let mut config = Config { agent, ..Config::default() };
    for draft in &drafts {
        if let Some(instance) = check::instance(draft, problems) {
            config.instances.insert(draft.name.clone(), instance);
        }
    }
    check::across(&drafts, problems);
    config
}

fn agent(entry: &Entry, problems: &mut Diagnostics) -> AgentConfig {
    let mut agent = AgentConfig::default();
    let Some(entries) = reader::table("agent", &entry.node, "write [agent]", problems) else { return agent };
    let mut table = Table::new(keys::AGENT, "[agent]".to_owned(), entry.key.clone(), entries);
    if let Some(entry) = table.take("router_id") {
        agent.router_id = router_id(entry, problems);
    }
    table.finish(problems);
    agent
}

fn router_id(entry: &Entry, problems: &mut Diagnostics) -> Option<String> {
    let text = reader::string("router_id", &entry.node, problems)?;
    let length = text.value.len();
    if (1..=LONGEST_ROUTER_ID).contains(&length) && !text.value.contains(char::is_control) {
        return Some(text.value.to_owned());
    }
    let message = format!("`router_id` must be 1 to {LONGEST_ROUTER_ID} bytes without control characters");
    problems.push(Diagnostic::error(Code::BadValue, &text.place, message).label("cannot be a name"));
    None
}

fn drafts(entry: &Entry, mut read_secret: ReadSecret<'_>, problems: &mut Diagnostics) -> Vec<Draft> {
    let hint = "instances have names: write [instance.NAME]";
    let Some(instances) = reader::table("instance", &entry.node, hint, problems) else { return Vec::new() };
    // In the order of the file, so that the second of two is the one that comes later.
    let mut in_order: Vec<(&String, &Entry)> = instances.iter().collect();
    in_order.sort_by_key(|(_, entry)| entry.key.span.start);
    let mut drafts = Vec::new();
    for (name, entry) in in_order {
        check_name(name, entry, problems);
        let Value::Table(entries) = &entry.node.value else {
            not_an_instance(name, entry, problems);
            continue;
        };
        let table = Table::new(keys::INSTANCE, format!("instance `{name}`"), entry.key.clone(), entries);
        drafts.push(Draft::read(name, table, &mut read_secret, problems));
    }
    drafts
}

/// A key directly under `[instance]`: most likely the name was forgotten.
fn not_an_instance(name: &str, entry: &Entry, problems: &mut Diagnostics) {
    let known = keys::names(keys::INSTANCE).any(|key| key == name);
    let (place, message) = if known {
        (&entry.key, format!("`{name}` stands outside of any instance"))
    } else {
        (&entry.node.place, format!("instance `{name}` must be a table, not {}", entry.node.value.kind()))
    };
    let diagnostic = Diagnostic::error(Code::WrongType, place, message)
        .label("not an instance")
        .hint("instances have names: write [instance.NAME]");
    problems.push(diagnostic);
}

fn check_name(name: &str, entry: &Entry, problems: &mut Diagnostics) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let label = if name.is_empty() {
        "empty"
    } else if name.len() > LONGEST_NAME {
        "longer than 64 bytes"
    } else if !name.chars().all(legal) {
        "letters of ASCII, digits and - _ . are possible"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        "must begin with a letter, a digit or _"
    } else {
        return;
    };
    let message = "an instance cannot have this name";
    problems.push(Diagnostic::error(Code::BadName, &entry.key, message).label(label));
}
