//! What the verdicts of the checks that an instance tracks make of its priority.
//!
//! The arithmetic is keepalived's (`man keepalived.conf`, `track_script`): weights are added up, and the sum with the base
//! priority stays within 1–254. The owner of the addresses has no other priority than 255 (RFC 9568, section 6.1).

use serde::{Deserialize, Serialize};

use crate::config::model::Track;
use crate::vrrp::fields::Priority;

/// What a check says at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is known.
    #[default]
    Unknown,
    /// All is well.
    Passing,
    /// Something is wrong.
    Failing,
}

impl Verdict {
    /// The word in status, logs and hooks.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Unknown => "unknown",
            Verdict::Passing => "passing",
            Verdict::Failing => "failing",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What counts of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// What it says.
    pub verdict: Verdict,
    /// What it said last but for [`Verdict::Unknown`]: goes on to count while nothing is known.
    pub settled: Verdict,
    /// The number in a file of weight, while it is known.
    pub weight: Option<i16>,
}

impl View {
    /// The same after a check said this.
    #[must_use]
    pub fn then(self, verdict: Verdict, weight: Option<i16>) -> Self {
        match verdict {
            Verdict::Unknown => View { verdict, ..self },
            Verdict::Passing | Verdict::Failing => View { verdict, settled: verdict, weight },
        }
    }
}

/// What the checks make of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The priority in force: base and weights, 1–254; 255 for the owner.
    pub effective: Priority,
    /// A check of which nothing is known: keeps a BACKUP from becoming MASTER. The first by name.
    pub unknown: Option<String>,
}

/// The standing of an instance of this base priority that tracks these checks, in order of their names.
#[must_use]
pub fn standing<'t>(base: Priority, tracked: impl Iterator<Item = (&'t str, Track, View)>) -> Standing {
    let (mut sum, mut unknown) = (i32::from(base.number()), None);
    for (name, track, view) in tracked {
        sum += i32::from(weight(track, view));
        // Weights are nothing to an owner.
        let counts = track == Track::Fault || !base.is_owner();
        if view.verdict == Verdict::Unknown && counts {
            unknown.get_or_insert(name);
        }
    }
    let within = u8::try_from(sum.clamp(1, 254)).ok().and_then(Priority::new);
    let effective = if base.is_owner() { base } else { within.unwrap_or(base) };
    Standing { effective, unknown: unknown.map(str::to_owned) }
}

/// Whether a check that is tracked so puts the instance in FAULT.
#[must_use]
pub fn unfits(track: Track, view: View) -> bool {
    track == Track::Fault && view.settled == Verdict::Failing
}

/// What a check adds to the priority at the moment, -253 to 253.
#[must_use]
pub fn weight(track: Track, view: View) -> i16 {
    match (track, view.settled) {
        (Track::Weight(weight), Verdict::Failing) if weight.number() < 0 => weight.number(),
        (Track::Weight(weight), Verdict::Passing) if weight.number() > 0 => weight.number(),
        (Track::FileWeight, Verdict::Passing) => view.weight.unwrap_or(0),
        (Track::Weight(_) | Track::FileWeight | Track::Fault, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Weight;
    use Verdict::{Failing, Passing, Unknown};

    fn view(verdict: Verdict) -> View {
        View::default().then(verdict, None)
    }

    fn by(weight: i16) -> Track {
        Track::Weight(Weight::new(weight).unwrap())
    }

    fn effective(base: u8, tracked: &[(Track, View)]) -> u8 {
        let named = tracked.iter().map(|(track, view)| ("x", *track, *view));
        standing(Priority::new(base).unwrap(), named).effective.number()
    }

    #[test]
    fn negative_weights_count_while_failing_and_positive_ones_while_passing() {
        assert_eq!(effective(101, &[(by(-20), view(Failing))]), 81);
        assert_eq!(effective(101, &[(by(-20), view(Passing))]), 101);
        assert_eq!(effective(101, &[(by(-20), view(Unknown))]), 101);
        assert_eq!(effective(101, &[(by(20), view(Failing))]), 101);
        assert_eq!(effective(101, &[(by(20), view(Passing))]), 121);
        assert_eq!(effective(101, &[(by(20), view(Unknown))]), 101);
        assert_eq!(effective(100, &[(by(-5), view(Failing)), (by(7), view(Passing))]), 102);
    }

    #[test]
    fn the_sum_stays_within_1_and_254_and_is_cut_only_at_the_end() {
        assert_eq!(effective(100, &[(by(-253), view(Failing))]), 1);
        assert_eq!(effective(100, &[(by(253), view(Passing))]), 254);
        assert_eq!(effective(100, &[(by(253), view(Passing)), (by(-253), view(Failing))]), 100);
    }

    #[test]
    fn the_owner_stays_the_owner() {
        assert_eq!(effective(255, &[(by(-20), view(Failing))]), 255);
        let waits =
            |track| standing(Priority::OWNER, [("x", track, view(Unknown))].into_iter()).unknown.is_some();
        assert_eq!((waits(by(-20)), waits(Track::Fault)), (false, true));
    }

    #[test]
    fn a_file_counts_while_it_passes() {
        let read = |weight| View::default().then(Passing, Some(weight));
        assert_eq!(effective(100, &[(Track::FileWeight, read(-30))]), 70);
        assert_eq!(effective(100, &[(Track::FileWeight, read(30))]), 130);
        assert_eq!(effective(100, &[(Track::FileWeight, read(30).then(Failing, None))]), 100);
        assert_eq!(effective(100, &[(Track::FileWeight, read(30).then(Unknown, None))]), 130);
    }

    #[test]
    fn what_is_not_known_any_more_goes_on_to_count_and_blocks() {
        let lost = view(Failing).then(Unknown, None);
        let named = [("a", Track::Fault, view(Passing)), ("b", Track::Fault, lost), ("c", by(-1), lost)];
        let standing = standing(Priority::DEFAULT, named.into_iter());
        assert!(unfits(Track::Fault, lost) && !unfits(by(-1), lost) && !unfits(Track::Fault, view(Passing)));
        assert_eq!(standing.unknown.as_deref(), Some("b"));
        assert_eq!(standing.effective.number(), 99);
        assert_eq!(lost.then(Passing, None).settled, Passing);
    }
}
