//! `vrrp_sync_group` becomes `[group.NAME]`.

use super::check;
use super::document::{Document, Element, Entry, Fate, Note, Section};
use super::model::{Kind, Model, header, members};
use super::notify;
use super::quote;
use super::tree::Node;
use super::words::{self, Block};

/// Writes the group `node`.
pub(super) fn translate(node: &Node, model: &Model<'_>, document: &mut Document) {
    let Some(name) = model.named.get(&node.id) else {
        let reason =
            if node.words.len() == 2 { "there is a group of that name already" } else { "it has no name" };
        super::preamble(document, Note::whole(node, Fate::Ignored, reason));
        return;
    };
    let mut section = Section::new(header("group", name), vec![node.id]);
    check::rename_note(node, name, &mut section);
    let number = model.groups.iter().position(|group| group.node.id == node.id);
    let mut elements: Vec<Element> = Vec::new();
    for (line, names) in members(node) {
        for original in names {
            let facts = model.instances.get(original);
            let reason = match facts {
                None => format!("there is no instance `{original}`"),
                Some(facts) if facts.group != number => format!("`{original}` is in another group already"),
                Some(facts) => {
                    let mut element = Element::new(quote::string(&facts.name), vec![line.id]);
                    element.needs = Some(header("instance", &facts.name));
                    if elements.iter().all(|other| other.text != element.text) {
                        elements.push(element);
                    }
                    continue;
                }
            };
            section.say(Note::of(line, Fate::Ignored, reason));
        }
    }
    let lists: Vec<usize> =
        node.body().iter().filter(|inner| inner.keyword() == "group").map(|list| list.id).collect();
    if elements.is_empty() {
        section.off = Some("it has no members, so that keepalived leaves it out too".to_owned());
    }
    section.set(Entry::many("members", elements, lists).essential());
    rest(node, &mut section, document);
    let user = model.global("script_user").and_then(|node| node.word(1));
    let table = notify::translate(node.body(), &mut section, user);
    document.sections.push(section);
    if !table.items.is_empty() {
        document.sections.push(table);
    }
}

fn rest(node: &Node, section: &mut Section, document: &mut Document) {
    for inner in node.body() {
        if let Some((fate, reason)) = &inner.aside {
            section.say(Note::of(inner, *fate, reason.clone()));
        } else if inner.keyword() == "group" {
            for (fate, reason, node) in check::asides(inner) {
                section.say(Note::of(node, fate, reason));
            }
        } else if Kind::of_list(inner.keyword()).is_some() {
            let reason = "each member tracks it";
            section.say(Note {
                about: vec![inner.id],
                block: true,
                fate: Fate::Translated,
                reason: reason.to_owned(),
            });
            for line in inner.body() {
                document.unused.insert(line.id, "no member is there to track it".to_owned());
            }
            for (fate, reason, node) in check::asides(inner) {
                section.say(Note::of(node, fate, reason));
            }
        } else if let Some(note) = words::without(Block::Group, inner) {
            section.say(note);
        }
    }
}
