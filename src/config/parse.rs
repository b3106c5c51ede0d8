//! One text to a configuration. Pure: what a password file holds is asked of the caller.

use super::auth::{ReadSecret, Secret};
use super::check;
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity, Source};
use super::formats;
use super::group::GroupDraft;
use super::health::CheckDraft;
use super::instance::Draft;
use super::keys::{self, Key};
use super::load::Loaded;
use super::model::{AgentConfig, Config, UserName};
use super::not_yet::not_yet;
use super::reader::{self, Table};
use super::texts;
use super::tree::{self, Entries, Entry, Value};

/// Reads `text`, which messages call `name`. A `password_file` cannot be read this way and is an error.
pub fn parse(text: &str, name: &str) -> Result<Loaded, Diagnostics> {
    let mut unreadable = |_: &str| Err::<Secret, _>("no file can be read here".to_owned());
    parse_with(text, name, &mut unreadable)
}

/// Reads `text`, which messages call `name`; `read_secret` brings the content of password files. What this version does
/// not do yet is an error.
pub fn parse_with(text: &str, name: &str, read_secret: ReadSecret<'_>) -> Result<Loaded, Diagnostics> {
    whole(text, name, read_secret, not_yet)
}

/// The same for all that can be read, whether this version does it or not.
pub fn parse_all(text: &str, name: &str, read_secret: ReadSecret<'_>) -> Result<Loaded, Diagnostics> {
    whole(text, name, read_secret, |_, _| {})
}

fn whole(
    text: &str,
    name: &str,
    read_secret: ReadSecret<'_>,
    gate: fn(&Entries, &mut Diagnostics),
) -> Result<Loaded, Diagnostics> {
    let tree = tree::read(text, 0);
    let mut problems = Diagnostics::new(vec![Source::new(name, text)]);
    problems.hide(0, tree.secrets);
    let config = if tree.errors.is_empty() {
        let config = read(&tree.root, read_secret, &mut problems);
        gate(&tree.root, &mut problems);
        config
    } else {
        // Half a tree would bring errors about what is only missing from it.
        tree.errors.into_iter().for_each(|error| problems.push(error));
        Config::default()
    };
    problems.sort();
    if problems.errors() > 0 { Err(problems) } else { Ok(Loaded { config, warnings: problems }) }
}

fn read(root: &Entries, mut read_secret: ReadSecret<'_>, problems: &mut Diagnostics) -> Config {
    let start = Place { source: 0, span: 0..0 };
    let mut top = Table::new("", "the configuration".to_owned(), start, root);
    let agent = top.take("agent").map(|entry| agent(entry, problems)).unwrap_or_default();
    let checks = top.take("check");
    let instances = top.take("instance");
    let groups = top.take("group");
    top.finish(problems);
    let checks = named(&CHECKS, checks, problems, CheckDraft::read);
    let drafts = named(&INSTANCES, instances, problems, |name, table, problems| {
        Draft::read(name, table, &mut read_secret, problems)
    });
    let groups = named(&GROUPS, groups, problems, GroupDraft::read);
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

/// A table of tables with names.
struct Named {
    /// Its key.
    key: &'static str,
    /// The keys of each.
    table: &'static str,
    /// What each is, with an article.
    one: &'static str,
    /// What they are.
    many: &'static str,
}

const CHECKS: Named = Named { key: "check", table: keys::CHECK, one: "a check", many: "checks" };
const INSTANCES: Named =
    Named { key: "instance", table: keys::INSTANCE, one: "an instance", many: "instances" };
const GROUPS: Named = Named { key: "group", table: keys::GROUP, one: "a group", many: "groups" };

/// What `read` makes of each of them, in the order of the file, so that the second of two is the one that comes later.
fn named<T>(
    named: &Named,
    entry: Option<&Entry>,
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
        let table = Table::new(named.table, format!("{} `{name}`", named.key), entry.key.clone(), entries);
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
