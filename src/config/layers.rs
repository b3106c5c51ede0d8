//! The layers of a configuration: the file, its drop-ins in name order, and the environment, each over those before it.
//!
//! Owns: what a layer is, how the environment becomes one, and how the trees of several become one tree in which every
//! leaf still knows where it came from. figment decides which layer's value counts; what the value is, and its place, is
//! read from that layer's own tree, so that figment never sees a value (nor a secret). Never: reads a file or a variable.
//! Fails: never; what is wrong with a variable's name or value is a diagnostic.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value as Merged};
use figment::{Figment, Metadata, Profile, Provider};

use super::code::Code;
use super::diagnostic::{Diagnostic, Place};
use super::tree::{self, Entries, Entry, Node, Tree, Value};

/// What the name of a variable of ours begins with.
pub(super) const ENVIRONMENT_PREFIX: &str = "FAILOVER_CONFIG__";
/// What parts the levels in a variable's name.
const LEVEL: &str = "__";
/// What the layer of the environment is called in diagnostics.
const ENVIRONMENT: &str = "<environment>";
/// Levels of a variable's name at most: `instance`, NAME, `addresses`… leave room.
const DEEPEST: usize = 16;

/// One text of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What to call it: a path, or `<environment>`.
    pub name: String,
    /// All of it.
    pub text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Environment,
}

impl Layer {
    /// The text of a file.
    #[must_use]
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Self {
        Layer { name: name.into(), text: text.into(), kind: Kind::File }
    }

    /// The variables that begin with `FAILOVER_CONFIG__`, one a line in the order of their names; `None` when there is
    /// none.
    #[must_use]
    pub fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let ours: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)).collect();
        let lines = ours.into_iter().map(|(name, value)| format!("{name}={value}\n"));
        let text: String = lines.collect();
        (!text.is_empty()).then(|| Layer { name: ENVIRONMENT.to_owned(), text, kind: Kind::Environment })
    }

    pub(super) fn read(&self, source: usize) -> Tree {
        match self.kind {
            Kind::File => tree::read(&self.text, source),
            Kind::Environment => read_environment(&self.text, source),
        }
    }
}

/// A line is a variable unless it goes on with the value of the one before, which may hold line ends.
fn read_environment(text: &str, source: usize) -> Tree {
    let mut tree = Tree { root: Entries::new(), errors: Vec::new(), secrets: Vec::new() };
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(ENVIRONMENT_PREFIX) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    for (start, end) in starts.iter().copied().zip(ends) {
        let Some((name, value)) = text.get(start..end).and_then(|line| line.split_once('=')) else {
            continue;
        };
        let value = value.strip_suffix('\n').unwrap_or(value);
        let value_at = start + name.len() + 1;
        let key = Place { source, span: start..start + name.len() };
        let node = tree::read_value(value, value_at, source);
        if let Err(error) = insert(&mut tree.root, name, &key, node) {
            tree.errors.push(*error);
        }
    }
    tree.secrets = tree::secrets_of(&tree.root);
    tree
}

/// Puts a variable's value where its name says.
fn insert(root: &mut Entries, name: &str, key: &Place, node: Node) -> Result<(), Box<Diagnostic>> {
    let path: Vec<&str> = name.strip_prefix(ENVIRONMENT_PREFIX).unwrap_or(name).split(LEVEL).collect();
    let wrong = |label: &str| {
        let message = "the name of this variable names no key";
        let hint = "such as FAILOVER_CONFIG__instance__web__priority=120";
        Box::new(Diagnostic::error(Code::BadName, key, message).label(label).hint(hint))
    };
    if path.iter().any(|part| part.is_empty()) {
        return Err(wrong("a level of the name is empty"));
    }
    if path.len() > DEEPEST {
        return Err(wrong("too many levels"));
    }
    let Some((last, tables)) = path.split_last() else { return Err(wrong("a level of the name is empty")) };
    let mut entries = root;
    for (depth, part) in tables.iter().enumerate() {
        let table = Node { place: key.clone(), value: Value::Table(Entries::new()) };
        let entry = entries
            .entry(spelling(&path, depth, part))
            .or_insert_with(|| Entry { key: key.clone(), node: table });
        let Value::Table(inner) = &mut entry.node.value else {
            return Err(wrong("another variable sets a level above it to a value"));
        };
        entries = inner;
    }
    let last = spelling(&path, tables.len(), last);
    if entries.contains_key(&last) {
        return Err(wrong("another variable sets the same key, or a key below it"));
    }
    entries.insert(last, Entry { key: key.clone(), node });
    Ok(())
}

/// A level of a variable's name as the configuration spells it. Keys may stand in capitals, as variables often do; the
/// names of instances, checks and the like stand in their own case.
fn spelling(path: &[&str], depth: usize, part: &str) -> String {
    let named = ["instance", "check", "group"];
    let first = path.first().map(|first| first.to_ascii_lowercase()).unwrap_or_default();
    let above = depth.checked_sub(1).and_then(|above| path.get(above)).map(|part| part.to_ascii_lowercase());
    let free = ["track", "headers", "env"];
    let own = depth == 1 && named.contains(&first.as_str());
    let is_name = own || above.is_some_and(|above| depth > 1 && free.contains(&above.as_str()));
    if is_name { part.to_owned() } else { part.to_ascii_lowercase() }
}

/// One tree to figment: only which keys there are.
struct Keys<'t> {
    number: usize,
    root: &'t Entries,
}

impl Provider for Keys<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.number.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, keys(self.root))]))
    }
}

fn keys(entries: &Entries) -> Dict {
    let value = |entry: &Entry| {
        entry.node.value.table().map_or_else(|| Merged::from(true), |inner| Merged::from(keys(inner)))
    };
    entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect()
}

/// The trees laid over each other, the later over the earlier: tables are joined key by key, everything else, arrays too,
/// is replaced as a whole.
pub(super) fn merge(roots: &[Entries]) -> Entries {
    if let [only] = roots {
        return only.clone();
    }
    let mut figment = Figment::new();
    for (number, root) in roots.iter().enumerate() {
        figment = figment.merge(Keys { number, root });
    }
    let layer_of =
        |value: &Merged| figment.get_metadata(value.tag()).and_then(|known| known.name.parse().ok());
    match figment.find_value("") {
        Ok(Merged::Dict(_, dict)) => rebuild(&dict, &roots.iter().map(Some).collect::<Vec<_>>(), &layer_of),
        Ok(_) | Err(_) => Entries::new(),
    }
}

/// The entries that `dict` stands for; `layers` are the tables at this place in each layer that has one.
fn rebuild(dict: &Dict, layers: &[Option<&Entries>], layer_of: &dyn Fn(&Merged) -> Option<usize>) -> Entries {
    let mut entries = Entries::new();
    for (key, value) in dict {
        let there: Vec<Option<&Entry>> =
            layers.iter().map(|layer| layer.and_then(|entries| entries.get(key))).collect();
        let entry = if let Merged::Dict(_, inner) = value {
            let tables: Vec<Option<&Entries>> =
                there.iter().map(|entry| entry.and_then(|entry| entry.node.value.table())).collect();
            // A table is where the first layer that has it begins it.
            let first = there.iter().flatten().find(|entry| entry.node.value.table().is_some());
            first.map(|first| {
                let value = Value::Table(rebuild(inner, &tables, layer_of));
                let place = first.node.place.clone();
                Entry { key: first.key.clone(), node: Node { place, value } }
            })
        } else {
            layer_of(value).and_then(|layer| there.get(layer).copied().flatten()).cloned()
        };
        if let Some(entry) = entry {
            entries.insert(key.clone(), entry);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, text: &str) -> Layer {
        Layer::file(name, text)
    }

    fn merged(layers: &[Layer]) -> Entries {
        let trees = layers.iter().enumerate().map(|(number, layer)| layer.read(number));
        let roots: Vec<Entries> = trees.map(|tree| tree.root).collect();
        merge(&roots)
    }

    fn at<'e>(entries: &'e Entries, path: &[&str]) -> &'e Entry {
        let (first, rest) = path.split_first().unwrap();
        let entry = entries.get(*first).unwrap_or_else(|| panic!("no {first}"));
        match entry.node.value.table().filter(|_| !rest.is_empty()) {
            Some(inner) => at(inner, rest),
            None => entry,
        }
    }

    #[test]
    fn a_later_layer_replaces_leaves_and_joins_tables() {
        let layers = [
            layer("a", "[i.web]\npriority = 1\nname = \"x\"\naddresses = [\"1\", \"2\"]\n"),
            layer("b", "[i.web]\npriority = 2\naddresses = [\"3\"]\n[i.db]\nx = 1\n"),
        ];
        let root = merged(&layers);
        let priority = at(&root, &["i", "web", "priority"]);
        assert_eq!((priority.node.place.source, priority.key.source), (1, 1));
        assert_eq!(at(&root, &["i", "web", "name"]).node.place.source, 0);
        assert!(matches!(&at(&root, &["i", "web", "addresses"]).node.value, Value::Array(a) if a.len() == 1));
        assert_eq!(at(&root, &["i", "db", "x"]).key.source, 1);
        assert_eq!(
            root.get("i").map(|entry| entry.key.source),
            Some(0),
            "the table begins in the first layer"
        );
    }

    #[test]
    fn what_is_a_table_here_and_a_value_there_is_the_later_one() {
        let table_last = merged(&[layer("a", "x = 1\n"), layer("b", "[x]\ny = 2\n")]);
        assert_eq!(at(&table_last, &["x", "y"]).key.source, 1);
        let value_last = merged(&[layer("a", "[x]\ny = 2\n"), layer("b", "x = 1\n")]);
        assert!(matches!(at(&value_last, &["x"]).node.value, Value::Integer(Some(1))));
    }

    #[test]
    fn variables_are_values_of_toml_or_strings_and_know_their_place() {
        let variables = [
            ("FAILOVER_CONFIG__INSTANCE__Web__PRIORITY", "120"),
            ("FAILOVER_CONFIG__instance__Web__advert_interval", "100ms"),
            ("FAILOVER_CONFIG__instance__Web__addresses", "[\"192.0.2.1\"]"),
            ("FAILOVER_CONFIG__instance__Web__track__API", "fault"),
            ("HOME", "/root"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let layer = Layer::environment(variables).unwrap();
        let tree = layer.read(0);
        assert_eq!(tree.errors, []);
        let priority = at(&tree.root, &["instance", "Web", "priority"]);
        assert!(matches!(priority.node.value, Value::Integer(Some(120))));
        assert_eq!(layer.text.get(priority.node.place.span.clone()), Some("120"));
        let interval = at(&tree.root, &["instance", "Web", "advert_interval"]);
        assert_eq!(interval.node.value.text(), Some("100ms"));
        assert_eq!(layer.text.get(interval.node.place.span.clone()), Some("100ms"));
        assert!(matches!(&at(&tree.root, &["instance", "Web", "addresses"]).node.value, Value::Array(_)));
        assert_eq!(at(&tree.root, &["instance", "Web", "track", "API"]).node.value.text(), Some("fault"));
        assert!(Layer::environment([("HOME".to_owned(), "/".to_owned())]).is_none());
    }

    #[test]
    fn names_of_variables_that_make_no_sense_are_told() {
        let names = [
            "FAILOVER_CONFIG__",
            "FAILOVER_CONFIG__instance__web__",
            "FAILOVER_CONFIG__a",
            "FAILOVER_CONFIG__a__b",
        ];
        let layer = Layer::environment(names.map(|name| (name.to_owned(), "1".to_owned()))).unwrap();
        let tree = layer.read(0);
        assert_eq!(tree.errors.len(), 3, "{:?}", tree.errors);
        for error in &tree.errors {
            assert!(
                layer.text.get(error.place.clone().unwrap().span).unwrap().starts_with(ENVIRONMENT_PREFIX)
            );
        }
    }

    #[test]
    fn a_value_over_several_lines_belongs_to_its_variable() {
        let variables = [("FAILOVER_CONFIG__a", "[\n1,\n2]"), ("FAILOVER_CONFIG__b", "2")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let tree = Layer::environment(variables).unwrap().read(0);
        assert!(matches!(&at(&tree.root, &["a"]).node.value, Value::Array(items) if items.len() == 2));
        assert!(matches!(at(&tree.root, &["b"]).node.value, Value::Integer(Some(2))));
    }
}
