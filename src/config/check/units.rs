//! Units of states: that one instance or group alone starts each, and that nobody waits for what he starts himself.

use std::collections::BTreeMap;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::super::group::GroupDraft;
use super::super::health::CheckDraft;
use super::super::hooks::UnitsDraft;
use super::super::instance::Draft;
use super::super::model::{Probe, Track, UnitName, UnitState};
use super::super::reader::At;

/// Who starts units: what to call it, the group that it moves with if it does, and its units.
struct Owner<'d> {
    name: String,
    group: Option<&'d str>,
    units: &'d UnitsDraft,
}

/// Looks at the units of all.
pub(super) fn check(
    checks: &[CheckDraft],
    instances: &[Draft],
    groups: &[GroupDraft],
    problems: &mut Diagnostics,
) {
    let group_of: BTreeMap<&str, &str> = groups
        .iter()
        .flat_map(|group| group.members.iter().map(|member| (member.value.as_str(), group.name.as_str())))
        .collect();
    let mut owners: Vec<Owner<'_>> = Vec::new();
    for Draft { name, units, .. } in instances {
        let group = group_of.get(name.as_str()).copied();
        owners.push(Owner { name: format!("instance `{name}`"), group, units });
    }
    for GroupDraft { name, units, .. } in groups {
        owners.push(Owner { name: format!("group `{name}`"), group: Some(name), units });
    }
    clashes(&owners, problems);
    deadlocks(checks, instances, &owners, problems);
}

/// Of two that start a unit, the first that leaves its state would stop it under the other.
fn clashes(owners: &[Owner<'_>], problems: &mut Diagnostics) {
    let mut seen: BTreeMap<&UnitName, (&Place, &str)> = BTreeMap::new();
    for Owner { name: owner, units, .. } in owners {
        for unit in units.all() {
            match seen.get(&unit.value) {
                Some((_, first)) if first == owner => {}
                Some((place, first)) => {
                    let message = format!("`{}` is started and stopped by two", unit.value);
                    let diagnostic = Diagnostic::error(Code::UnitClash, &unit.place, message)
                        .label(format!("by {owner}"))
                        .related(place, format!("and by {first}"))
                        .hint("the first to leave its state would stop it under the other: a group can start it for both");
                    problems.push(diagnostic);
                }
                None => {
                    seen.insert(&unit.value, (&unit.place, owner));
                }
            }
        }
    }
}

/// A unit that runs only while MASTER cannot be what an instance needs to become MASTER, whether it starts it itself or
/// somebody of its group does.
fn deadlocks(checks: &[CheckDraft], instances: &[Draft], owners: &[Owner<'_>], problems: &mut Diagnostics) {
    let by_name: BTreeMap<&str, &CheckDraft> =
        checks.iter().map(|check| (check.name.as_str(), check)).collect();
    let mut starters: BTreeMap<&UnitName, (&Owner<'_>, &Place)> = BTreeMap::new();
    for owner in owners {
        for unit in &owner.units.master {
            if !owner.units.backup.iter().any(|other| other.value == unit.value) {
                starters.insert(&unit.value, (owner, &unit.place));
            }
        }
    }
    // The owners begin with the instances.
    for (instance, itself) in instances.iter().zip(owners) {
        for track in &instance.track {
            let Some(effect) = track.effect.as_ref().filter(|effect| effect.value == Track::Fault) else {
                continue;
            };
            let Some(watched) = by_name.get(track.check.value.as_str()).and_then(|check| needed(check))
            else {
                continue;
            };
            let Some((owner, started)) = starters.get(&watched.value) else { continue };
            let together = owner.group.is_some() && owner.group == itself.group;
            if owner.name == itself.name || together {
                problems.push(deadlock(instance, &effect.place, started, watched));
            }
        }
    }
}

/// The unit that must run for the check to pass.
fn needed(check: &CheckDraft) -> Option<&At<UnitName>> {
    let Probe::Systemd(probe) = &check.config.as_ref()?.probe else { return None };
    if probe.states.contains(&UnitState::Inactive) { None } else { check.unit.as_ref() }
}

fn deadlock(instance: &Draft, tracked: &Place, started: &Place, watched: &At<UnitName>) -> Diagnostic {
    let unit = &watched.value;
    let message =
        format!("instance `{}` waits for `{unit}`, which runs only while it is MASTER", instance.name);
    Diagnostic::error(Code::UnitDeadlock, tracked, message)
        .label("must pass before the instance can be MASTER")
        .related(started, "started on becoming MASTER")
        .related(&watched.place, "what the check watches")
        .hint("leave it out of `units` and let systemd start it on every host; or do not track it here")
}
