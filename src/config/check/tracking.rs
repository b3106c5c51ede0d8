//! Checks and the instances that track them: that a tracked check exists and can do what it is tracked for, that every
//! check is tracked, that every weight can matter.

use std::collections::{BTreeMap, BTreeSet};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::formats;
use super::super::health::CheckDraft;
use super::super::hooks::TrackDraft;
use super::super::instance::Draft;
use super::super::model::{Track, Weight};

/// The least and the greatest effective priority of a router that does not own its addresses.
const CLAMP: (i32, i32) = (1, 254);

/// Looks at every check and at every `track`.
pub(super) fn check(checks: &[CheckDraft], instances: &[Draft], problems: &mut Diagnostics) {
    let by_name: BTreeMap<&str, &CheckDraft> =
        checks.iter().map(|check| (check.name.as_str(), check)).collect();
    let mut tracked = BTreeSet::new();
    for instance in instances {
        for track in &instance.track {
            match by_name.get(track.check.value.as_str()) {
                Some(check) => {
                    tracked.insert(&check.name);
                    suits(check, track, problems);
                }
                None => problems.push(unknown(track, &by_name, problems)),
            }
        }
        weights(instance, problems);
    }
    let untracked = |check: &&CheckDraft| !tracked.contains(&check.name) && formats::is_name(&check.name);
    for check in checks.iter().filter(untracked) {
        let message = format!("no instance tracks check `{}`", check.name);
        let diagnostic = Diagnostic::warning(Code::Untracked, &check.place, message)
            .label("moves no address")
            .hint(format!("in an instance: track = {{ {} = \"fault\" }}", key(&check.name)));
        problems.push(diagnostic);
    }
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

fn unknown(track: &TrackDraft, known: &BTreeMap<&str, &CheckDraft>, problems: &Diagnostics) -> Diagnostic {
    let name = &track.check.value;
    let message = format!("there is no check `{name}` to track");
    let diagnostic =
        Diagnostic::error(Code::UnknownCheck, &track.check.place, message).label("no such check");
    match super::guess(name, known.keys().copied(), problems) {
        Some(best) => diagnostic.hint(format!("did you mean `{best}`?")),
        None => diagnostic.hint(format!("a check begins with [check.{}]", key(name))),
    }
}

/// Whether the check has the weight that it is tracked for.
fn suits(check: &CheckDraft, track: &TrackDraft, problems: &mut Diagnostics) {
    let Some(effect) = track.effect.as_ref().filter(|effect| effect.value == Track::FileWeight) else {
        return;
    };
    if check.holds_weight() != Some(false) {
        return;
    }
    let message = format!("check `{}` has no weight of its own", check.name);
    let diagnostic = Diagnostic::error(Code::BadTrack, &effect.place, message)
        .label("only a file can hold one")
        .related(&check.place, "this check")
        .hint("write a number here; or let the check be file = { path = …, expect = \"weight\" }");
    problems.push(diagnostic);
}

/// Warns of weights that change nothing whatever the checks say: the owner's, and those beyond the clamp.
fn weights(instance: &Draft, problems: &mut Diagnostics) {
    let Some(priority) = &instance.priority else { return };
    let effects = || instance.track.iter().filter_map(|track| Some((track, track.effect.as_ref()?)));
    let spans = || effects().map(|(_, effect)| span(effect.value));
    let base = i32::from(priority.value.number());
    let lowest = base + spans().map(|(low, _)| low).sum::<i32>();
    let highest = base + spans().map(|(_, high)| high).sum::<i32>();
    for (track, effect) in effects() {
        let (low, high) = span(effect.value);
        let label = if (low, high) == (0, 0) {
            continue;
        } else if priority.value.is_owner() {
            "the owner of the addresses keeps its priority"
        } else if moves(lowest - low, highest - high, (low, high)) {
            continue;
        } else if high > 0 {
            "the priority is 254 at most, without this too"
        } else {
            "the priority is 1 at least, without this too"
        };
        let message = format!("the weight of check `{}` never changes the priority", track.check.value);
        let diagnostic = Diagnostic::warning(Code::IdleWeight, &effect.place, message).label(label);
        problems.push(super::because(diagnostic, instance, priority, "the base priority"));
    }
}

/// The least and the most that a check adds.
fn span(track: Track) -> (i32, i32) {
    match track {
        Track::Fault => (0, 0),
        Track::Weight(weight) => (i32::from(weight.number().min(0)), i32::from(weight.number().max(0))),
        Track::FileWeight => (-i32::from(Weight::MOST), i32::from(Weight::MOST)),
    }
}

/// Whether adding a weight can move a priority that the others leave between `low` and `high`.
fn moves(low: i32, high: i32, (least, most): (i32, i32)) -> bool {
    let (floor, ceiling) = CLAMP;
    let down = least < 0 && high > floor && low + least < ceiling;
    let up = most > 0 && low < ceiling && high + most > floor;
    down || up
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition: some priority in the range that the others leave comes out differently.
    #[test]
    fn a_weight_moves_what_it_changes_after_clamping() {
        let clamp = |priority: i32| priority.clamp(CLAMP.0, CLAMP.1);
        for (low, high) in
            [(1, 1), (1, 2), (254, 254), (253, 254), (100, 100), (-50, 1), (254, 300), (-300, 300)]
        {
            for weight in [-253, -20, -1, 1, 20, 253] {
                let expected = (low..=high).any(|priority| clamp(priority + weight) != clamp(priority));
                let span = (weight.min(0), weight.max(0));
                assert_eq!(moves(low, high, span), expected, "{low}..={high} {weight}");
            }
        }
    }
}
