//! The last word has our own reader: whatever it would refuse becomes a comment, with its reason.
//!
//! So that the text can be used as it is. A key that this version does not have yet is no reason. Fails: never; when the
//! reader is still not content after many rounds, whole tables become comments.

use std::collections::BTreeMap;

use super::document::{Document, Entry, Item, Value};
use super::render::{Rendered, Unit, render};
use super::tree::Statement;
use crate::config::diagnostic::{Diagnostics, Severity};
use crate::config::parse::parse_keeping_all;

/// Most bytes that are read before all of it becomes a comment; a round reads the whole text.
const MOST_READ: usize = 256 << 20;
/// Fewest and most rounds.
const ROUNDS: (usize, usize) = (4, 400);

/// Makes comments of what cannot stay, and writes the text.
pub(super) fn settle(document: &mut Document, statements: &[Statement], names: &[String]) -> Rendered {
    let mut round = 0;
    loop {
        empty_lists(document);
        let rendered = render(document, statements, names, true);
        let refused = match parse_keeping_all(&rendered.text) {
            Ok(_) => break,
            Err(problems) => refused(&problems, &rendered),
        };
        if refused.is_empty() {
            break;
        }
        let most = (MOST_READ / rendered.text.len().max(1)).clamp(ROUNDS.0, ROUNDS.1);
        for (unit, reason) in refused {
            take_away(document, unit, &reason, round >= most / 2);
        }
        round += 1;
        if round > most {
            let why = "it could not be made to fit";
            document.sections.iter_mut().for_each(|section| section.off = Some(why.to_owned()));
        }
    }
    render(document, statements, names, false)
}

/// What the reader refuses, and why.
fn refused(problems: &Diagnostics, rendered: &Rendered) -> BTreeMap<Unit, String> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(rendered.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut refused = BTreeMap::new();
    for problem in problems.list() {
        if problem.severity == Severity::Warning {
            continue;
        }
        let at = problem.place.as_ref().map_or(0, |place| place.span.start);
        let line = starts.partition_point(|start| *start <= at).saturating_sub(1);
        let Some(unit) = rendered.units.get(line) else { continue };
        let reason = match &problem.hint {
            Some(hint) => format!("{}; {hint}", problem.message),
            None if problem.label.is_empty() => problem.message.clone(),
            None => format!("{}: {}", problem.message, problem.label),
        };
        refused.entry(*unit).or_insert(reason);
    }
    refused
}

fn take_away(document: &mut Document, (section, item, element): Unit, reason: &str, whole: bool) {
    let Some(section) = document.sections.get_mut(section) else { return };
    let entry = item.and_then(|item| match section.items.get_mut(item) {
        Some(Item::Entry(entry)) => Some(entry),
        Some(Item::Note(_)) | None => None,
    });
    match entry {
        Some(entry) if !whole => {
            if take_from(entry, element, reason) {
                return;
            }
        }
        Some(_) | None => {}
    }
    section.off.get_or_insert_with(|| format!("{reason}. Mend that, then take the # away"));
}

/// Whether taking the element, or the entry, away is enough.
fn take_from(entry: &mut Entry, element: Option<usize>, reason: &str) -> bool {
    if let (Value::Many(elements), Some(element)) = (&mut entry.value, element)
        && let Some(element) = elements.get_mut(element)
    {
        return element.off.replace(reason.to_owned()).is_none();
    }
    !entry.essential && entry.off.replace(reason.to_owned()).is_none()
}

/// A list of which nothing is left, but which its table needs, takes the table with it.
fn empty_lists(document: &mut Document) {
    loop {
        let alive = document.alive();
        let mut empty = Vec::new();
        for (number, section) in
            document.sections.iter().enumerate().filter(|(_, section)| section.off.is_none())
        {
            let gone = section.items.iter().find_map(|item| match item {
                Item::Entry(Entry { value: Value::Many(elements), essential: true, key, .. }) => {
                    let gone = elements.iter().all(|element| {
                        super::document::why_off(element.off.as_ref(), element.needs.as_ref(), &alive)
                            .is_some()
                    });
                    gone.then(|| format!("nothing is left of its `{key}`"))
                }
                Item::Entry(_) | Item::Note(_) => None,
            });
            empty.extend(gone.map(|reason| (number, reason)));
        }
        if empty.is_empty() {
            return;
        }
        for (number, reason) in empty {
            if let Some(section) = document.sections.get_mut(number) {
                section.off = Some(reason);
            }
        }
    }
}
