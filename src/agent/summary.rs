//! All instances in one line, for whoever has room for no more: `web MASTER, db BACKUP`.
//!
//! Bounded, however many there are: of many that are alike only the number is said.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::leave::Aside;
use super::snapshot::VrState;
use super::{Agent, Phase};

/// So many instances are all named.
const FEW: usize = 8;
/// Of more than those, so many that are alike are named; of more of a kind, the number is said.
const ALIKE: usize = 3;
/// Longest line in bytes.
const LONGEST: usize = 400;

/// An instance as the line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    state: VrState,
    handing_over: bool,
    drained: bool,
}

impl Kind {
    fn words(self) -> String {
        let mut words = self.state.word().to_owned();
        for (is, word) in [(self.handing_over, " HANDING OVER"), (self.drained, " DRAINED")] {
            if is {
                words.push_str(word);
            }
        }
        words
    }
}

impl Agent {
    /// What all instances are doing, in one line of bounded length.
    #[must_use]
    pub fn summary(&self) -> String {
        let before = match (self.phase, self.aside) {
            (Phase::Stopped, _) => return "stopped".to_owned(),
            (Phase::HandingOver | Phase::Stopping(_), _) => "leaving: ",
            (Phase::Running, Aside::Leaving | Aside::Done) => "standing aside for shutdown or sleep: ",
            (Phase::Running, Aside::No) => "",
        };
        let instances = self.by_name.iter().filter_map(|(name, number)| {
            let instance = self.instances.get(*number)?;
            let kind = Kind {
                state: instance.state,
                handing_over: instance.router.is_leaving(),
                drained: instance.drained,
            };
            Some((name.as_str(), kind))
        });
        let all: Vec<(&str, Kind)> = instances.collect();
        cut(format!("{before}{}", line(&all)))
    }
}

fn line(all: &[(&str, Kind)]) -> String {
    if all.is_empty() {
        return "no instances".to_owned();
    }
    let mut sizes: BTreeMap<Kind, usize> = BTreeMap::new();
    for (_, kind) in all {
        *sizes.entry(*kind).or_default() += 1;
    }
    let counted = |kind: &Kind| all.len() > FEW && sizes.get(kind).is_some_and(|size| *size > ALIKE);
    let mut crowds: Vec<(usize, Kind)> =
        sizes.iter().filter(|(kind, _)| counted(kind)).map(|(kind, size)| (*size, *kind)).collect();
    crowds.sort_unstable_by(|a, b| b.cmp(a));
    let numbers: Vec<String> = crowds.iter().map(|(size, kind)| format!("{size} {}", kind.words())).collect();
    let others = all.iter().filter(|(_, kind)| !counted(kind));
    let names: Vec<String> = others.map(|(name, kind)| format!("{name} {}", kind.words())).collect();
    let mut line = numbers.join(", ");
    if !names.is_empty() {
        let between = if numbers.is_empty() { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(line, "{between}{}", names.join(", "));
    }
    line
}

fn cut(mut line: String) -> String {
    if line.len() > LONGEST {
        let at = (0..=LONGEST).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(at);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(state: VrState) -> Kind {
        Kind { state, handing_over: false, drained: false }
    }

    #[test]
    fn a_few_are_all_named() {
        let (master, backup) = (kind(VrState::Master), kind(VrState::Backup));
        assert_eq!(line(&[]), "no instances");
        assert_eq!(line(&[("db", backup), ("web", master)]), "db BACKUP, web MASTER");
        let leaves = Kind { handing_over: true, drained: true, ..master };
        assert_eq!(line(&[("web", leaves)]), "web MASTER HANDING OVER DRAINED");
        assert_eq!(line(&[("a", backup); FEW]).matches("a BACKUP").count(), FEW);
    }

    #[test]
    fn of_many_the_others_are_named() {
        let (backup, fault) = (kind(VrState::Backup), kind(VrState::Fault));
        let mut all = vec![("x", backup); 198];
        all.extend([("web", kind(VrState::Master)), ("db", fault)]);
        assert_eq!(line(&all), "198 BACKUP; web MASTER, db FAULT");
        all.extend([("y", Kind { drained: true, ..backup }); 40]);
        assert_eq!(line(&all), "198 BACKUP, 40 BACKUP DRAINED; web MASTER, db FAULT");
        assert_eq!(line(&[("x", backup); FEW + 1]), "9 BACKUP");
    }

    #[test]
    fn no_line_is_long() {
        let long = "ä".repeat(LONGEST);
        let cut = cut(line(&[(long.as_str(), kind(VrState::Init))]));
        assert!(cut.len() <= LONGEST + '…'.len_utf8() && cut.ends_with('…'), "{cut}");
    }
}
