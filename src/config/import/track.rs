//! What an instance tracks, with which weight, by itself and through its group.
//!
//! The rules are keepalived's: without a weight a failure is a FAULT; a negative one counts while failing, a positive one
//! while passing. So they are here, but for `reverse`. In a group without `sync_group_tracking_weight`, and for the owner
//! of the addresses, keepalived drops weights, each kind of tracker in its own way.

use std::collections::BTreeSet;

use super::check;
use super::document::{Document, Entry, Fate, Note, Section};
use super::facts::Facts;
use super::model::{Kind, Model, Weight, header};
use super::quote;
use super::tree::{Id, Node};

/// Largest weight.
const HEAVIEST: i32 = 253;

/// A line of a list of trackers.
struct Tracker<'t> {
    kind: Kind,
    node: &'t Node,
    /// The statement with the braces around it.
    list: Id,
    /// Whether the group says so and not the instance.
    of_group: bool,
}

/// What a tracker comes to.
enum Outcome {
    Fault,
    Weight(i32),
    Nothing(Fate, &'static str),
}

/// Writes the table of what the instance tracks; `interface` is its own.
pub(super) fn translate(
    facts: &Facts<'_>,
    group: Option<usize>,
    interface: Option<&str>,
    model: &mut Model<'_>,
    document: &mut Document,
    main: &mut Section,
) -> Section {
    let mut table = main.below("track");
    let weights = group.is_none_or(|group| model.groups.get(group).is_some_and(|group| group.weights));
    let mut seen = BTreeSet::new();
    for tracker in trackers(facts, group, model) {
        let node = tracker.node;
        let name = node.keyword();
        if !seen.insert((tracker.kind, tracker.of_group, name.to_owned())) {
            main.say(Note::of(node, Fate::Ignored, "it is named twice"));
            continue;
        }
        if tracker.kind == Kind::Interface && Some(name) == interface {
            main.say(Note::of(
                node,
                Fate::Translated,
                "always so here: an instance watches its own interface",
            ));
            continue;
        }
        let (stated, default) = match weight(node) {
            Ok(weight) => (weight, model.tracked.get(&(tracker.kind, name.to_owned())).map(|t| t.weight)),
            Err(reason) => {
                main.say(Note::of(node, Fate::Ignored, reason));
                continue;
            }
        };
        let Some(check) = check_name(&tracker, model, document) else {
            let (fate, reason) = if tracker.kind == Kind::Interface {
                (Fate::Without, "no interface can be called so")
            } else {
                (Fate::Ignored, "there is none of that name")
            };
            main.say(Note::of(node, fate, reason));
            continue;
        };
        let used = match stated {
            Some(stated) => Weight {
                reverse: stated.reverse.unwrap_or(default.unwrap_or_default().reverse),
                number: stated.number,
            },
            None => default.unwrap_or_default(),
        };
        let (outcome, remark) = outcome(&tracker, used, facts.owner(), weights);
        if let Outcome::Nothing(fate, reason) = outcome {
            main.say(Note::of(node, fate, reason));
            continue;
        }
        let mut from = vec![node.id];
        if stated.is_none() {
            let default = model.tracked.get(&(tracker.kind, name.to_owned()));
            from.extend(default.and_then(|tracked| tracked.weight_from));
        }
        from.push(tracker.list);
        let value = match outcome {
            Outcome::Weight(number) => number.to_string(),
            Outcome::Fault | Outcome::Nothing(..) => "\"fault\"".to_owned(),
        };
        let mut entry = Entry::new(&quote::key(&check), value, from);
        entry.needs = Some(header("check", &check));
        entry.notes.extend(remark);
        push(&mut table, entry, main);
    }
    lists_without_entries(facts, main);
    table
}

/// A check that is tracked by the instance and its group, or under two names, is one key: the first counts.
fn push(table: &mut Section, entry: Entry, main: &mut Section) {
    let known = table
        .items
        .iter()
        .any(|item| matches!(item, super::document::Item::Entry(other) if other.key == entry.key));
    if known {
        let note = Note {
            about: entry.from,
            block: false,
            fate: Fate::Ignored,
            reason: "it is tracked already".to_owned(),
        };
        main.say(note);
    } else {
        table.set(entry);
    }
}

/// Accounts for the lists themselves.
fn lists_without_entries(facts: &Facts<'_>, main: &mut Section) {
    for node in facts.body.iter().filter(|node| Kind::of_list(node.keyword()).is_some()) {
        if node.body().iter().all(|inner| inner.aside.is_some()) {
            main.say(Note::of(node, Fate::Ignored, "it names nothing"));
        } else {
            // Its lines are accounted for one by one.
            main.about.push(node.id);
        }
        for (fate, reason, node) in check::asides(node) {
            main.say(Note::of(node, fate, reason));
        }
    }
}

fn trackers<'t>(facts: &Facts<'t>, group: Option<usize>, model: &Model<'t>) -> Vec<Tracker<'t>> {
    let lists = |body: &'t [Node], of_group: bool| {
        body.iter().filter_map(move |list| Some((Kind::of_list(list.keyword())?, list))).flat_map(
            move |(kind, list)| {
                let lines = list.body().iter().filter(|node| node.aside.is_none());
                lines.map(move |node| Tracker { kind, node, list: list.id, of_group })
            },
        )
    };
    let group = group.and_then(|group| model.groups.get(group)).map_or(&[][..], |group| group.node.body());
    lists(facts.body, false).chain(lists(group, true)).collect()
}

/// A weight as a tracker says it; `reverse` only if it says something about that.
#[derive(Clone, Copy)]
struct Stated {
    number: i32,
    reverse: Option<bool>,
}

/// `NAME [weight NUMBER [reverse|noreverse]]`.
fn weight(node: &Node) -> Result<Option<Stated>, &'static str> {
    let Some(word) = node.word(1) else { return Ok(None) };
    if word != "weight" {
        return Err("keepalived knows nothing but `weight` after the name, and leaves the line out");
    }
    let number = node.word(2).and_then(|word| word.parse().ok());
    let number = number.ok_or("no number follows `weight`: keepalived leaves the line out")?;
    let reverse = match node.word(3) {
        Some("reverse") => Some(true),
        Some("noreverse" | "no_reverse") => Some(false),
        _ => None,
    };
    Ok(Some(Stated { number, reverse }))
}

fn check_name(tracker: &Tracker<'_>, model: &mut Model<'_>, document: &mut Document) -> Option<String> {
    let name = tracker.node.keyword();
    if tracker.kind == Kind::Interface {
        return check::link(name, model, document);
    }
    model.tracked.get(&(tracker.kind, name.to_owned())).map(|tracked| tracked.name.clone())
}

fn outcome(tracker: &Tracker<'_>, weight: Weight, owner: bool, weights: bool) -> (Outcome, Option<Note>) {
    let node = tracker.node;
    let nothing = |fate, reason| (Outcome::Nothing(fate, reason), None);
    if weight.number == 0 && weight.reverse {
        return nothing(Fate::Without, "no check can mean FAULT while it passes; turn the check round");
    }
    if tracker.kind == Kind::File {
        return file(node, weight, owner, weights || tracker.of_group);
    }
    if weight.number == 0 {
        return (Outcome::Fault, None);
    }
    let dropped = !weights && !tracker.of_group;
    if dropped && tracker.kind == Kind::Interface {
        if weight.reverse {
            return nothing(
                Fate::Without,
                "keepalived makes the weight 0 here, and so a FAULT while the link is up",
            );
        }
        let reason = "in a group without `sync_group_tracking_weight` keepalived makes the weight 0: a failure is a fault";
        return (Outcome::Fault, Some(Note::of(node, Fate::Changed, reason)));
    }
    if owner {
        return nothing(Fate::Ignored, "a weight means nothing to the owner of the addresses (priority 255)");
    }
    if dropped && tracker.kind == Kind::Script {
        let reason = "in a group without `sync_group_tracking_weight` keepalived does not track a script with a weight; \
                      if it is meant, write it under `track`, since here weights count in groups too";
        return nothing(Fate::Ignored, reason);
    }
    if weight.reverse {
        let reason = "a weight cannot be reversed: negative ones count while the check fails, positive ones while it passes; \
                      turn the check round";
        return nothing(Fate::Without, reason);
    }
    let number = weight.number.clamp(-HEAVIEST, HEAVIEST);
    let remark = (number != weight.number)
        .then(|| Note::of(node, Fate::Changed, format!("weights are -{HEAVIEST} to {HEAVIEST}")));
    (Outcome::Weight(number), remark)
}

/// The number in a file counts as often as the weight says.
fn file(node: &Node, weight: Weight, owner: bool, weights: bool) -> (Outcome, Option<Note>) {
    // Where a weight may not be, keepalived takes the default of 1 for 0.
    if weight.number == 0 || ((owner || !weights) && weight.number == 1) {
        let reason = "no check can mean FAULT while a file holds another number than 0; let the file be there while all \
                      is well, and track that";
        return (Outcome::Nothing(Fate::Without, reason), None);
    }
    if owner || !weights {
        let reason = if owner {
            "a weight means nothing to the owner of the addresses (priority 255)"
        } else {
            "in a group without `sync_group_tracking_weight` keepalived does not add the number in a file"
        };
        return (Outcome::Nothing(Fate::Ignored, reason), None);
    }
    let number = if weight.reverse { -weight.number } else { weight.number }.clamp(-HEAVIEST, HEAVIEST);
    let reason = "keepalived adds the number in the file times the weight; see `file` in failover.toml(5)";
    (Outcome::Weight(number), Some(Note::of(node, Fate::Changed, reason)))
}
