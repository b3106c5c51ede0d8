//! `vrrp_instance` becomes `[instance.NAME]`: who it is, its timing and its preemption. Addresses, transport,
//! announcements, what it tracks and whom it tells have files of their own.

use super::addresses;
use super::check::{self, superseded};
use super::document::{Document, Entry, Fate, Item, Note, Section, Value};
use super::facts::{self, Facts, number};
use super::garp;
use super::model::{Model, header};
use super::notify;
use super::quote::{self, string};
use super::text;
use super::track;
use super::transport;
use super::tree::Node;
use super::words::{self, Block};
use crate::net::{Family, LinkName};
use crate::vrrp::fields::Version;

/// Longest `preempt_delay` in microseconds.
const LONGEST_DELAY: u64 = 1_000_000_000;

/// Writes the instance `node`.
pub(super) fn translate(node: &Node, model: &mut Model<'_>, document: &mut Document) {
    let Some(name) = model.named.get(&node.id).cloned() else {
        let reason = if node.words.len() == 2 {
            "there is an instance of that name already"
        } else {
            "it has no name"
        };
        super::preamble(document, Note::whole(node, Fate::Ignored, reason));
        return;
    };
    let facts = Facts::of(node, model);
    let mut main = Section::new(header("instance", &name), vec![node.id]);
    check::rename_note(node, &name, &mut main);
    identity(&facts, &mut main);
    timing(&facts, &mut main);
    preemption(&facts, &mut main);
    addresses::translate(&facts, &mut main);
    transport::translate(&facts, &mut main);
    garp::translate(&facts, model, &mut main);
    strict(&facts, &mut main);
    for inner in node.body() {
        if let Some((fate, reason)) = &inner.aside {
            main.say(Note::of(inner, *fate, reason.clone()));
        } else if let Some(note) = words::without(Block::Instance, inner) {
            main.say(note);
        }
        let inside = if inner.keyword() == "authentication" { inner.body() } else { &[] };
        std::iter::once(inner).chain(inside).filter_map(words::beyond).for_each(|note| main.say(note));
    }
    let group = node.word(1).and_then(|name| model.instances.get(name)?.group);
    let interface = facts.last("interface").and_then(|node| node.word(1));
    let track = track::translate(&facts, group, interface, model, document, &mut main);
    let weighted = |item: &Item| matches!(item, Item::Entry(Entry { value: Value::One(value), .. }) if value != "\"fault\"");
    if !facts.preempts() && track.items.iter().any(weighted) {
        main.say(Note::plain(
            "With `nopreempt`, weights move nothing in keepalived while the MASTER lives. Here a MASTER whose priority \
             falls resigns, and the best of the others takes over.",
        ));
    }
    let user = model.global("script_user").and_then(|node| node.word(1));
    let notify = notify::translate(node.body(), &mut main, user);
    document.sections.push(main);
    document.sections.extend([track, notify].into_iter().filter(|table| !table.items.is_empty()));
}

fn identity(facts: &Facts<'_>, main: &mut Section) {
    for keyword in ["interface", "virtual_router_id", "priority"] {
        superseded(facts.body, keyword, main);
    }
    let interface = facts.last("interface").map(|node| (node, node.word(1).and_then(LinkName::new)));
    match interface {
        Some((node, Some(name))) => {
            main.set(Entry::new("interface", string(name.as_str()), vec![node.id]).essential());
        }
        Some((node, None)) => {
            main.off = Some("no interface can be called as it says".to_owned());
            main.say(Note::of(node, Fate::Without, "no interface can be called so"));
        }
        None => main.off = Some("it names no interface: write one, then take the # away".to_owned()),
    }
    match facts.last("virtual_router_id").map(|node| (node, number(node, 1, 255))) {
        Some((node, Some(number))) => {
            main.set(Entry::new("virtual_router_id", number.to_string(), vec![node.id]).essential());
        }
        stated => {
            main.off =
                Some("it has no virtual router ID from 1 to 255: write one, then take the # away".to_owned());
            if let Some((node, _)) = stated {
                main.say(Note::of(node, Fate::Without, "a virtual router ID is 1 to 255"));
            }
        }
    }
    priority(facts, main);
}

fn priority(facts: &Facts<'_>, main: &mut Section) {
    let value = facts.priority.to_string();
    let stated = facts.last("priority");
    match stated {
        Some(node) if number(node, 1, 255).is_some() => {
            main.set(Entry::new("priority", value, vec![node.id]));
        }
        Some(node) => {
            let remark = Note::of(node, Fate::Ignored, "not from 1 to 255: keepalived takes 100");
            main.set(Entry::new("priority", value, Vec::new()).note(remark));
        }
        None => {}
    }
    for node in facts.all("state") {
        let counts = facts.state.is_some_and(|state| state.id == node.id);
        let (fate, reason) = match node.word(1) {
            _ if !counts => (Fate::Ignored, "another `state` counts"),
            Some("MASTER") if stated.is_none() => {
                let reason = "without a `priority` keepalived makes it 255, which is for the owner of the addresses; \
                              100 to 254 may be what is meant";
                let entry = Entry::new("priority", "255", vec![node.id]);
                main.set(entry.note(Note::of(node, Fate::Changed, reason)));
                continue;
            }
            Some("MASTER") => (Fate::Translated, "left out: the highest priority becomes MASTER"),
            Some("BACKUP") => (Fate::Translated, "left out: every router begins so"),
            _ => (Fate::Ignored, "neither MASTER nor BACKUP: keepalived takes BACKUP"),
        };
        main.say(Note::of(node, fate, reason));
    }
}

fn timing(facts: &Facts<'_>, main: &mut Section) {
    superseded(facts.body, "advert_int", main);
    let from = facts.version_from.filter(|node| node.word(1) == Some(facts.version.to_string().as_str()));
    match (facts.version, from) {
        (version, Some(node)) => main.set(Entry::new("version", version.to_string(), vec![node.id])),
        (Version::V2, None) => {
            let reason = "keepalived speaks version 2 where nothing is said";
            main.set(Entry::new("version", "2", Vec::new()).note(Note::plain(reason)));
        }
        (Version::V3, None) => {}
    }
    for node in facts.all("version").filter(|node| from.is_none_or(|from| from.id != node.id)) {
        let note = if facts.family == Family::Ipv6 && node.word(1) == Some("2") {
            Note::of(node, Fate::Changed, "IPv6 is version 3 always")
        } else {
            Note::of(node, Fate::Ignored, "another version counts, or this is none")
        };
        main.say(note);
    }
    let Some(node) = facts.last("advert_int") else { return };
    let Some(stated) =
        node.word(1).and_then(text::micros).filter(|span| (10_000..=255_000_000).contains(span))
    else {
        main.say(Note::of(node, Fate::Ignored, "not from 0.01 to 255 seconds: keepalived takes one second"));
        return;
    };
    let (step, longest) = match facts.version {
        Version::V2 => (1_000_000, 255_000_000),
        Version::V3 => (10_000, 40_950_000),
    };
    let rounded = ((stated + step / 2) / step * step).clamp(step, longest);
    let mut entry = Entry::new("advert_interval", quote::micros(rounded), vec![node.id]);
    if rounded != stated {
        let reason = match facts.version {
            Version::V2 => "version 2 has whole seconds up to 255: keepalived rounds it so too",
            Version::V3 => "version 3 has steps of 10 ms up to 40.95 s: keepalived rounds it so too",
        };
        entry = entry.note(Note::of(node, Fate::Changed, reason));
    }
    main.set(entry);
}

fn preemption(facts: &Facts<'_>, main: &mut Section) {
    superseded(facts.body, "preempt_delay", main);
    let stated: Vec<&Node> =
        facts.body.iter().filter(|node| matches!(node.keyword(), "preempt" | "nopreempt")).collect();
    if let Some((node, earlier)) = stated.split_last() {
        for node in earlier {
            main.say(Note::of(node, Fate::Ignored, "a later one takes its place"));
        }
        if node.keyword() == "preempt" {
            main.set(Entry::new("preempt", "true", vec![node.id]));
        } else if facts.owner() {
            let reason = "keepalived does without it, because an owner (priority 255) always preempts";
            main.say(Note::of(node, Fate::Ignored, reason));
        } else if facts.master {
            let reason =
                "keepalived does without it, because of `state MASTER`. If it is meant: preempt = false";
            main.say(Note::of(node, Fate::Ignored, reason));
        } else {
            main.set(Entry::new("preempt", "false", vec![node.id]));
        }
    }
    let Some(node) = facts.last("preempt_delay") else { return };
    let Some(delay) = node.word(1).and_then(text::micros).filter(|delay| *delay <= LONGEST_DELAY) else {
        main.say(Note::of(node, Fate::Ignored, "not from 0 to 1000 seconds: keepalived does without it"));
        return;
    };
    let reason = if facts.owner() {
        "keepalived does without it, because an owner (priority 255) preempts at once"
    } else if facts.master {
        "keepalived does without it, because of `state MASTER`. If it is meant: preempt_delay, with its unit"
    } else if facts.strict {
        "keepalived does without it in strict mode"
    } else if !facts.preempts() {
        "keepalived does without it, because `nopreempt` forbids what it delays"
    } else {
        main.set(Entry::new("preempt_delay", quote::micros(delay), vec![node.id]));
        return;
    };
    main.say(Note::of(node, Fate::Ignored, reason));
}

/// What strict mode changes that has no key.
fn strict(facts: &Facts<'_>, main: &mut Section) {
    for node in facts.all("strict_mode") {
        main.say(if facts::on(node) {
            Note::of(node, Fate::Without, "there is no strict mode; what it changes here was worked out")
        } else {
            Note::of(node, Fate::Translated, "that is so here too")
        });
    }
    if !facts.strict {
        return;
    }
    if !facts.owner() && facts.last("accept").is_none() && facts.last("no_accept").is_none() {
        main.say(Note::plain(
            "Strict mode: in keepalived a MASTER that does not own its addresses does not answer to them; here it does.",
        ));
    }
    if facts.unicast {
        main.say(Note::plain(
            "Strict mode: keepalived leaves out an instance with unicast peers on an interface with multicast.",
        ));
    }
}
