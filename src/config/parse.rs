//! Texts to a configuration. Pure: what a password file holds is asked of the caller.
//!
//! Owns: the top level, `[agent]`, `[defaults]` and who inherits from it, the names of instances. Fails: with every
//! diagnostic at once, in the order of the layers and of the text; only syntax errors come alone.

use super::auth::{ReadSecret, Secret, SecretProblem};
use super::check;
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity, Source};
use super::instance::Draft;
use super::keys;
use super::layers::{self, Layer};
use super::model::{AgentConfig, Config};
use super::reader::{self, Table};
use super::tree::{Entries, Entry, Node, Value};

/// Longest instance name in bytes.
const LONGEST_NAME: usize = 64;
/// Longest `router_id` in bytes.
const LONGEST_ROUTER_ID: usize = 255;

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What somebody should look at; warnings only. Its sources are the layers, in order.
    pub warnings: Diagnostics,
    /// The layers as one tree, before defaults.
    pub(super) root: Entries,
}

/// Reads `text`, which messages call `name`. A `password_file` cannot be read this way and is an error.
pub fn parse(text: &str, name: &str) -> Result<Loaded, Diagnostics> {
    let mut unreadable = |_: &str| Err::<Secret, _>(SecretProblem::new("no file can be read here"));
    parse_with(text, name, &mut unreadable)
}

/// Reads `text`, which messages call `name`; `read_secret` brings the content of password files.
pub fn parse_with(text: &str, name: &str, read_secret: ReadSecret<'_>) -> Result<Loaded, Diagnostics> {
    parse_layers(&[Layer::file(name, text)], read_secret)
}

/// Reads `layers`, each over those before it; `read_secret` brings the content of password files.
pub fn parse_layers(layers: &[Layer], read_secret: ReadSecret<'_>) -> Result<Loaded, Diagnostics> {
    parse_into(sources_of(layers), layers, read_secret)
}

/// The same for another part of the program, which wants every diagnostic, however many.
pub(super) fn parse_keeping_all(text: &str) -> Result<Loaded, Diagnostics> {
    let mut unreadable = |_: &str| Err::<Secret, _>(SecretProblem::new("no file can be read here"));
    let layers = [Layer::file("", text)];
    parse_into(sources_of(&layers).keep_all(), &layers, &mut unreadable)
}

fn sources_of(layers: &[Layer]) -> Diagnostics {
    let sources = layers.iter().map(|layer| Source::new(layer.name.as_str(), layer.text.as_str()));
    Diagnostics::new(sources.collect())
}

fn parse_into(
    mut problems: Diagnostics,
    layers: &[Layer],
    read_secret: ReadSecret<'_>,
) -> Result<Loaded, Diagnostics> {
    let mut roots = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let tree = layer.read(number);
        problems.hide(number, tree.secrets);
        for error in tree.errors {
            problems.push(error);
        }
        roots.push(tree.root);
    }
    let root = layers::merge(&roots);
    let config = if problems.errors() == 0 {
        read(&root, read_secret, &mut problems)
    } else {
        // Half a tree would bring errors about what is only missing from it.
        Config::default()
    };
    problems.sort();
    if problems.errors() > 0 { Err(problems) } else { Ok(Loaded { config, warnings: problems, root }) }
}

fn read(root: &Entries, mut read_secret: ReadSecret<'_>, problems: &mut Diagnostics) -> Config {
    let start = Place { source: 0, span: 0..0 };
    let mut top = Table::new("", "the configuration".to_owned(), start, root);
    let agent = top.take("agent").map(|entry| agent(entry, problems)).unwrap_or_default();
    let defaults = top.take("defaults").and_then(|entry| defaults(entry, &mut read_secret, problems));
    let instances = top.take("instance");
    top.finish(problems);
    let none = Entries::new();
    let defaults = defaults.unwrap_or(&none);
    let drafts = instances.map(|entry| drafts(entry, defaults, read_secret, problems)).unwrap_or_default();
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

/// The keys that all instances inherit. What is wrong with one of them is told here, once, whoever inherits it.
fn defaults<'e>(
    entry: &'e Entry,
    read_secret: &mut ReadSecret<'_>,
    problems: &mut Diagnostics,
) -> Option<&'e Entries> {
    let hint = "write [defaults] and below it keys of instances, such as advert_interval = \"100ms\"";
    let entries = reader::table("defaults", &entry.node, hint, problems)?;
    let table = Table::new(keys::INSTANCE, "[defaults]".to_owned(), entry.key.clone(), entries).partial();
    Draft::read("[defaults]", table, read_secret, problems);
    problems.tell_once(&places(entries));
    Some(entries)
}

/// Every place in a table.
fn places(entries: &Entries) -> Vec<Place> {
    let mut all = Vec::new();
    for entry in entries.values() {
        all.push(entry.key.clone());
        all.extend(node_places(&entry.node));
    }
    all
}

fn node_places(node: &Node) -> Vec<Place> {
    let mut all = vec![node.place.clone()];
    match &node.value {
        Value::Table(inner) => all.extend(places(inner)),
        Value::Array(items) => all.extend(items.iter().flat_map(node_places)),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime => {}
    }
    all
}

/// Tables of an instance that are one thing and are not joined with the default, but replace it.
const WHOLE: [&str; 1] = ["auth"];

/// `own` with what it does not say itself taken from `defaults`, tables key by key.
pub(super) fn inherit(own: &Entries, defaults: &Entries) -> Entries {
    let mut entries = own.clone();
    for (key, default) in defaults {
        let Some(entry) = entries.get_mut(key) else {
            entries.insert(key.clone(), default.clone());
            continue;
        };
        if let (Value::Table(inner), Value::Table(below)) = (&mut entry.node.value, &default.node.value)
            && !WHOLE.contains(&key.as_str())
        {
            *inner = inherit(inner, below);
        }
    }
    entries
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

fn drafts(
    entry: &Entry,
    defaults: &Entries,
    mut read_secret: ReadSecret<'_>,
    problems: &mut Diagnostics,
) -> Vec<Draft> {
    let hint = "instances have names: write [instance.NAME]";
    let Some(instances) = reader::table("instance", &entry.node, hint, problems) else { return Vec::new() };
    // In the order of the file, so that the second of two is the one that comes later.
    let mut in_order: Vec<(&String, &Entry)> = instances.iter().collect();
    in_order.sort_by_key(|(_, entry)| (entry.key.source, entry.key.span.start));
    let mut drafts = Vec::new();
    for (name, entry) in in_order {
        check_name(name, entry, problems);
        let Value::Table(entries) = &entry.node.value else {
            not_an_instance(name, entry, problems);
            continue;
        };
        let entries = inherit(entries, defaults);
        let table = Table::new(keys::INSTANCE, format!("instance `{name}`"), entry.key.clone(), &entries);
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
