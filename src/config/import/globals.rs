//! `global_defs` and what stands outside of any block.

use super::document::{Document, Entry, Fate, Item, Note, Section};
use super::facts::on;
use super::model::Model;
use super::quote;
use super::tree::{Node, Tree};
use super::words::{self, Block};

/// Global settings that instances take over: accounted for where one does.
const TAKEN_OVER: [&str; 6] = [
    "vrrp_version",
    "v3_checksum_as_v2",
    "vrrp_min_garp",
    "vrrp_garp_master_delay",
    "vrrp_garp_master_repeat",
    "vrrp_garp_master_refresh",
];

/// The table of the agent.
const AGENT: &str = "agent";
/// Longest `router_id` in bytes.
const LONGEST_ROUTER_ID: usize = 255;

/// Writes `[agent]`, the first table.
pub(super) fn translate(tree: &Tree, model: &Model<'_>, document: &mut Document) {
    let blocks: Vec<&Node> = tree.nodes.iter().filter(|node| node.keyword() == "global_defs").collect();
    let mut section = Section::new(AGENT, blocks.iter().map(|block| block.id).collect());
    for node in blocks.iter().flat_map(|block| block.body()) {
        if let Some((fate, reason)) = &node.aside {
            section.say(Note::of(node, *fate, reason.clone()));
            continue;
        }
        let last = model.global(node.keyword()).is_some_and(|last| last.id == node.id);
        match node.keyword() {
            "router_id" | "script_user" if !last => {
                section.say(Note::of(node, Fate::Ignored, "a later one takes its place"));
            }
            "router_id" => router_id(node, &mut section),
            "script_user" => script_user(node, &mut section),
            "vrrp_strict" if on(node) => {
                let reason = "there is no strict mode; what it changes in each instance was worked out";
                section.say(Note::of(node, Fate::Without, reason));
            }
            "vrrp_strict" => section.say(Note::of(node, Fate::Translated, "that is so here too")),
            keyword if TAKEN_OVER.contains(&keyword) => {
                let few = model.global("vrrp_min_garp").is_some_and(on);
                let reason = if !last {
                    "a later one takes its place"
                } else if few && node.word(1) == Some("5") {
                    "`vrrp_min_garp` takes its place, because 5 is the default"
                } else {
                    "no instance here makes use of it"
                };
                document.unused.insert(node.id, reason.to_owned());
            }
            _ => {
                if let Some(note) = words::without(Block::Global, node) {
                    section.say(note);
                }
            }
        }
        section.items.extend(words::beyond(node).map(Item::Note));
    }
    if !section.items.is_empty() || !section.about.is_empty() {
        document.sections.push(section);
    }
}

/// Says whom commands run as, when that is not said and there are commands.
pub(super) fn who_runs_commands(model: &Model<'_>, document: &mut Document) {
    let command = |item: &Item| matches!(item, Item::Entry(entry) if entry.key == "script");
    let runs = |section: &Section| {
        (section.parent.is_some() && section.header.ends_with(".notify")) || section.items.iter().any(command)
    };
    if model.global("script_user").is_some() || !document.sections.iter().any(runs) {
        return;
    }
    if document.sections.iter().all(|section| section.header != AGENT) {
        document.sections.insert(1.min(document.sections.len()), Section::new(AGENT, Vec::new()));
    }
    let agent = document.sections.iter_mut().find(|section| section.header == AGENT);
    if let Some(agent) = agent {
        agent.say(Note::plain(
            "Whom commands run as is not said: keepalived takes the user keepalived_script if there is one, else root. \
             failover never takes root by itself; `script_user` names the user.",
        ));
    }
}

fn router_id(node: &Node, section: &mut Section) {
    let id = node.word(1).unwrap_or_default();
    if (1..=LONGEST_ROUTER_ID).contains(&id.len()) && !id.contains(char::is_control) {
        section.set(Entry::new("router_id", quote::string(id), vec![node.id]));
    } else {
        section.say(Note::of(node, Fate::Without, "no name that a host can have; the host name is used"));
    }
}

fn script_user(node: &Node, section: &mut Section) {
    let Some(user) = node.word(1) else {
        section.say(Note::of(node, Fate::Without, "no user is named"));
        return;
    };
    let mut entry = Entry::new("script_user", quote::string(user), vec![node.id]);
    if node.word(2).is_some() {
        entry = entry.note(Note::of(node, Fate::Changed, "the group is always the user's own"));
    }
    section.set(entry);
}
