//! Texts to a configuration. Pure: what a password file holds is asked of the caller.
//!
//! Owns: the top level, `[agent]`, `[defaults]` and who inherits from it. Fails: with every
//! diagnostic at once, in the order of the layers and of the text; only syntax errors come alone.

use super::auth::{ReadSecret, Secret, SecretProblem};
use super::check;
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity, Source};
use super::formats;
use super::group::GroupDraft;
use super::health::CheckDraft;
use super::instance::Draft;
use super::keys::{self, Key};
use super::layers::{self, Layer};
use super::model::{AgentConfig, Config, UserName};
use super::named::{self, CHECKS, GROUPS, INSTANCES};
use super::reader::{self, Table};
use super::tree::{Entries, Entry, Node, Value};

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
    let checks = top.take("check");
    let instances = top.take("instance");
    let groups = top.take("group");
    top.finish(problems);
    let none = Entries::new();
    let checks = named::read(&CHECKS, checks, &none, problems, CheckDraft::read);
    let defaults = defaults.unwrap_or(&none);
    let drafts = named::read(&INSTANCES, instances, defaults, problems, |name, table, problems| {
        Draft::read(name, table, &mut read_secret, problems)
    });
    let groups = named::read(&GROUPS, groups, &none, problems, GroupDraft::read);
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
    check::hooks(&checks, &drafts, &groups, problems);
    config.groups = groups.iter().map(|draft| (draft.name.clone(), check::group(draft))).collect();
    config.checks = checks.into_iter().filter_map(|draft| Some((draft.name, draft.config?))).collect();
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
        agent.router_id = router_id(table.row("router_id"), entry, problems);
    }
    if let Some(user) =
        table.take("script_user").and_then(|entry| script_user(table.row("script_user"), entry, problems))
    {
        agent.script_user = user;
    }
    table.finish(problems);
    agent
}

/// Any user but root: what runs as root says so itself.
fn script_user(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Option<UserName> {
    let user = formats::user(row, &entry.node, problems)?;
    if user.value.as_str() == "root" {
        let message = "`script_user` cannot be root";
        let diagnostic = Diagnostic::error(Code::BadValue, &user.place, message)
            .label("every script and command would run as root")
            .hint("a check that needs it says so itself: script = { command = […], user = \"root\" }");
        problems.push(diagnostic);
        return None;
    }
    Some(user.value)
}

fn router_id(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Option<String> {
    let text = reader::string("router_id", &entry.node, problems)?;
    let (least, most) = row.kind.text().map_or((0, 0), |rule| (rule.least, rule.most));
    if (least..=most).contains(&text.value.len()) && !text.value.contains(char::is_control) {
        return Some(text.value.to_owned());
    }
    let message = format!("`router_id` must be {least} to {most} bytes without control characters");
    problems.push(Diagnostic::error(Code::BadValue, &text.place, message).label("cannot be a name"));
    None
}
