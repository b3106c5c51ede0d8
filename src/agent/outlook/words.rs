//! An outlook in words, as the command line and D-Bus give it.

use std::fmt::Write;

use super::{InstanceOutlook, Outlook};
use crate::agent::snapshot::VrState;

/// How parts of the text are marked; as they are, unless it says otherwise.
pub trait Marks {
    /// The name of an instance.
    fn name(&self, text: &str) -> String {
        text.to_owned()
    }
    /// A state.
    fn state(&self, state: VrState) -> String {
        state.word().to_owned()
    }
    /// What nobody wants to read.
    fn bad(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// No marks.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Marks for Plain {}

impl Outlook {
    /// What changes, an instance at a time, and a last line with the numbers; what is kept and does not move is only
    /// counted. `nothing` is said when nothing changes.
    #[must_use]
    pub fn in_words(&self, nothing: &str, marks: &dyn Marks) -> String {
        if self.is_empty() {
            return format!("{nothing}: {}\n", self.summary);
        }
        let mut text = String::new();
        for change in &self.agent {
            let _ = writeln!(text, "agent: {} {}", change.key, change.change);
        }
        let told = |instance: &&InstanceOutlook| instance.action != "kept" || !instance.effect.is_empty();
        for instance in self.instances.iter().filter(told) {
            text.push_str(&one(instance, marks));
        }
        for (what, others) in [("check", &self.checks), ("group", &self.groups)] {
            for other in others.iter().filter(|other| other.action != "kept") {
                let _ = writeln!(text, "{what} {}: {}", other.name, other.action);
                for change in &other.changes {
                    let _ = writeln!(text, "  {} {}", change.key, change.change);
                }
            }
        }
        let _ = writeln!(text, "{}", self.summary);
        text
    }
}

fn one(instance: &InstanceOutlook, marks: &dyn Marks) -> String {
    let state = instance.state.map(|state| format!(" ({})", marks.state(state))).unwrap_or_default();
    let effect = if instance.resigns { marks.bad(&instance.effect) } else { instance.effect.clone() };
    let mut text = format!("{}{state}: {}, {effect}\n", marks.name(&instance.name), instance.action);
    for change in &instance.changes {
        let _ = writeln!(text, "    {} {}", change.key, change.change);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::plan::KeyChange;

    #[test]
    fn a_plan_names_what_changes_and_counts_the_rest() {
        let change = |key: &str, change: &str| KeyChange { key: key.to_owned(), change: change.to_owned() };
        let instance = |name: &str, action: &str, state, effect: &str| InstanceOutlook {
            name: name.to_owned(),
            action: action.to_owned(),
            state,
            changes: Vec::new(),
            effect: effect.to_owned(),
            resigns: false,
        };
        let mut web = instance("web", "changed", Some(VrState::Master), "stays MASTER");
        web.changes = vec![change("priority", "100 → 120")];
        let plan = Outlook {
            summary: "1 changed, 1 added, 1 kept".to_owned(),
            agent: vec![change("router_id", "lb1 → lb2")],
            instances: vec![
                instance("db", "kept", Some(VrState::Backup), ""),
                instance("mail", "added", None, "starts"),
                web,
            ],
            ..Outlook::default()
        };
        assert_eq!(
            plan.in_words("", &Plain),
            "agent: router_id lb1 → lb2\nmail: added, starts\nweb (MASTER): changed, stays MASTER\n    \
             priority 100 → 120\n1 changed, 1 added, 1 kept\n"
        );
        let mut moved = instance("db", "kept", Some(VrState::Master), "resigns, and is FAULT: why");
        moved.resigns = true;
        let plan = Outlook {
            summary: "1 added, 1 kept".to_owned(),
            instances: vec![moved, instance("mail", "added", None, "starts")],
            ..Outlook::default()
        };
        assert_eq!(
            plan.in_words("", &Plain),
            "db (MASTER): kept, resigns, and is FAULT: why\nmail: added, starts\n1 added, 1 kept\n"
        );
        let none = Outlook { summary: "3 kept".to_owned(), ..Outlook::default() };
        assert_eq!(none.in_words("nothing changed", &Plain), "nothing changed: 3 kept\n");
    }
}
