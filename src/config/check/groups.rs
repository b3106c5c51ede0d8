//! Groups: that the members exist, that each is in one group, that they agree on what decides who becomes MASTER.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::group::GroupDraft;
use super::super::instance::Draft;
use super::super::reader::At;

/// Looks at every group.
pub(super) fn check(groups: &[GroupDraft], instances: &[Draft], problems: &mut Diagnostics) {
    let by_name: BTreeMap<&str, &Draft> =
        instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
    let mut taken: BTreeMap<&str, (&At<String>, &str)> = BTreeMap::new();
    for group in groups {
        let mut members = Vec::new();
        for member in &group.members {
            let Some(instance) = by_name.get(member.value.as_str()) else {
                problems.push(unknown(member, &by_name, problems));
                continue;
            };
            if let Some((first, other)) = taken.get(member.value.as_str()) {
                problems.push(twice(group, member, first, other));
                continue;
            }
            taken.insert(&member.value, (member, &group.name));
            members.push((member, *instance));
        }
        alone(group, problems);
        agree(group, &members, problems);
    }
}

fn unknown(member: &At<String>, known: &BTreeMap<&str, &Draft>, problems: &Diagnostics) -> Diagnostic {
    let message = format!("there is no instance `{}` to be a member", member.value);
    let diagnostic = Diagnostic::error(Code::BadMember, &member.place, message).label("no such instance");
    match super::guess(&member.value, known.keys().copied(), problems) {
        Some(best) => diagnostic.hint(format!("did you mean `{best}`?")),
        None => diagnostic,
    }
}

fn twice(group: &GroupDraft, member: &At<String>, first: &At<String>, other: &str) -> Diagnostic {
    let (message, label) = if group.name == other {
        (format!("`{}` is listed twice", member.value), "first listed here".to_owned())
    } else {
        (format!("instance `{}` is in two groups", member.value), format!("also in group `{other}`"))
    };
    let diagnostic = Diagnostic::error(Code::BadMember, &member.place, message)
        .label("the second time")
        .related(&first.place, label);
    if group.name == other {
        diagnostic
    } else {
        diagnostic.hint("what moves with two groups moves with both: make one group of them")
    }
}

fn alone(group: &GroupDraft, problems: &mut Diagnostics) {
    let [member] = group.members.as_slice() else { return };
    let message = format!("group `{}` has only one member", group.name);
    let diagnostic = Diagnostic::warning(Code::LoneMember, &member.place, message)
        .label("moves as it would without the group");
    problems.push(diagnostic);
}

/// Members become MASTER together, so what decides about one should decide the same about all.
fn agree(group: &GroupDraft, members: &[(&At<String>, &Draft)], problems: &mut Diagnostics) {
    let Some(((_, first), rest)) = members.split_first() else { return };
    for (member, draft) in rest {
        let (Some(ours), Some(theirs)) = (&draft.priority, &first.priority) else { continue };
        let diagnostic = if ours.value.is_owner() != theirs.value.is_owner() {
            let message = format!("group `{}` mixes owners and others", group.name);
            let label = format!("its priority is {}, that of `{}` {}", ours.value, first.name, theirs.value);
            let hint = "an owner takes its addresses at once, and the others of its group cannot";
            let diagnostic = Diagnostic::error(Code::MixedOwners, &member.place, message);
            both(diagnostic.label(label).hint(hint), (draft, ours), (first, theirs))
        } else if ours.value != theirs.value {
            differ(group, member, "priority", (draft, ours), (first, theirs))
        } else if let (Some(ours), Some(theirs)) = (&draft.preempt, &first.preempt)
            && ours.value != theirs.value
        {
            differ(group, member, "preempt", (draft, ours), (first, theirs))
        } else {
            continue;
        };
        problems.push(diagnostic);
        return;
    }
}

fn differ<T: Display>(
    group: &GroupDraft,
    member: &At<String>,
    key: &str,
    ours: (&Draft, &At<T>),
    theirs: (&Draft, &At<T>),
) -> Diagnostic {
    let message = format!("the members of group `{}` differ in `{key}`", group.name);
    let label = format!("{} here, {} in `{}`", ours.1.value, theirs.1.value, theirs.0.name);
    let diagnostic = Diagnostic::warning(Code::MembersDiffer, &member.place, message)
        .label(label)
        .hint("members become MASTER together: hosts may wait for each other where these differ");
    both(diagnostic, ours, theirs)
}

/// With the places of two settings.
fn both<T>(diagnostic: Diagnostic, ours: (&Draft, &At<T>), theirs: (&Draft, &At<T>)) -> Diagnostic {
    let label = |draft: &Draft| format!("of instance `{}`", draft.name);
    let diagnostic = super::because(diagnostic, ours.0, ours.1, &label(ours.0));
    super::because(diagnostic, theirs.0, theirs.1, &label(theirs.0))
}
