//! A first look over everything, so that what stands later is known where it is needed: the global settings, what is
//! tracked, the instances and the groups, each with the name that it has here.
//!
//! Never: writes anything.

use std::collections::BTreeMap;

use super::names::Names;
use super::quote;
use super::tree::{Id, Node, Tree};

/// What a tracker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Script,
    Process,
    File,
    Interface,
}

impl Kind {
    /// The kind of the block `keyword` at the root.
    pub(super) fn of_block(keyword: &str) -> Option<Self> {
        match keyword {
            "vrrp_script" => Some(Kind::Script),
            "vrrp_track_process" => Some(Kind::Process),
            "track_file" | "vrrp_track_file" => Some(Kind::File),
            _ => None,
        }
    }

    /// The kind that the list `keyword` of an instance or a group names.
    pub(super) fn of_list(keyword: &str) -> Option<Self> {
        match keyword {
            "track_script" => Some(Kind::Script),
            "track_process" => Some(Kind::Process),
            "track_file" => Some(Kind::File),
            "track_interface" => Some(Kind::Interface),
            _ => None,
        }
    }
}

/// A weight and whether it is reversed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) number: i32,
    pub(super) reverse: bool,
}

/// Something that can be tracked.
#[derive(Debug)]
pub(super) struct Tracked {
    /// Its name here.
    pub(super) name: String,
    /// The weight where the tracker has none, and the statement that says so.
    pub(super) weight: Weight,
    pub(super) weight_from: Option<Id>,
}

/// A synchronisation group.
#[derive(Debug)]
pub(super) struct GroupFacts<'t> {
    pub(super) node: &'t Node,
    /// Whether the members' trackers keep their weights.
    pub(super) weights: bool,
}

/// An instance.
#[derive(Debug)]
pub(super) struct InstanceFacts {
    /// Its name here.
    pub(super) name: String,
    /// The group that it is in, by number.
    pub(super) group: Option<usize>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Model<'t> {
    /// The statements in `global_defs`, by keyword, the last of each.
    pub(super) globals: BTreeMap<&'t str, &'t Node>,
    pub(super) tracked: BTreeMap<(Kind, String), Tracked>,
    pub(super) instances: BTreeMap<String, InstanceFacts>,
    pub(super) groups: Vec<GroupFacts<'t>>,
    /// The names of checks.
    pub(super) check_names: Names,
    /// The checks of links that were written, by interface.
    pub(super) links: BTreeMap<String, String>,
    /// By number of the statement: the name here of what it begins, if keepalived takes it.
    pub(super) named: BTreeMap<Id, String>,
}

impl<'t> Model<'t> {
    /// Looks over all statements.
    pub(super) fn survey(tree: &'t Tree) -> Self {
        let mut model = Model::default();
        let (mut instances, mut groups) = (Names::default(), Names::default());
        for node in &tree.nodes {
            let original = node.word(1).unwrap_or_default().to_owned();
            match node.keyword() {
                "global_defs" => model.globals.extend(node.body().iter().map(|node| (node.keyword(), node))),
                "vrrp_instance" => {
                    if node.words.len() == 2 && !model.instances.contains_key(&original) {
                        let name = instances.legal(&original);
                        model.named.insert(node.id, name.clone());
                        model.instances.insert(original, InstanceFacts { name, group: None });
                    }
                }
                "vrrp_sync_group" => {
                    let known = model.groups.iter().any(|group| group.node.word(1) == node.word(1));
                    if node.words.len() == 2 && !known {
                        let name = groups.legal(&original);
                        model.named.insert(node.id, name);
                        let says = |word: &str| node.body().iter().any(|inner| inner.keyword() == word);
                        let weights = says("global_tracking") || says("sync_group_tracking_weight");
                        model.groups.push(GroupFacts { node, weights });
                    }
                }
                keyword => {
                    if let Some(kind) = Kind::of_block(keyword) {
                        model.add_tracked(kind, node, original);
                    }
                }
            }
        }
        model.join_groups();
        model
    }

    fn add_tracked(&mut self, kind: Kind, node: &Node, original: String) {
        if node.words.len() < 2 || self.tracked.contains_key(&(kind, original.clone())) {
            return;
        }
        let name = self.check_names.legal(&original);
        self.named.insert(node.id, name.clone());
        let stated = node.body().iter().rfind(|inner| inner.keyword() == "weight");
        let number = stated.and_then(|weight| weight.word(1)?.parse().ok());
        let default = i32::from(kind == Kind::File);
        let reverse = stated.is_some_and(|weight| weight.word(2) == Some("reverse"));
        let weight = Weight { number: number.unwrap_or(default), reverse };
        let weight_from = stated.map(|weight| weight.id);
        self.tracked.insert((kind, original), Tracked { name, weight, weight_from });
    }

    /// An instance is in the first group that names it.
    fn join_groups(&mut self) {
        for (number, group) in self.groups.iter().enumerate() {
            for member in members(group.node).flat_map(|(_, names)| names) {
                if let Some(instance) = self.instances.get_mut(member) {
                    instance.group.get_or_insert(number);
                }
            }
        }
    }

    /// A global setting.
    pub(super) fn global(&self, keyword: &str) -> Option<&'t Node> {
        self.globals.get(keyword).copied()
    }
}

/// The lines of a group's `group { … }` and the names on each.
pub(super) fn members(group: &Node) -> impl Iterator<Item = (&Node, &[String])> {
    let lists = group.body().iter().filter(|node| node.keyword() == "group");
    lists.flat_map(Node::body).map(|line| (line, line.words.as_slice()))
}

/// The header of a table of its own name.
pub(super) fn header(kind: &str, name: &str) -> String {
    format!("{kind}.{}", quote::key(name))
}
