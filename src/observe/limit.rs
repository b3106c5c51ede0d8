//! Bounds on what is told again and again: the first of a kind at once, then one now and then, with how many there were.
//!
//! Counts everything and silences nothing: what is held back is told when its time is over, as the newest of its kind. Pure:
//! no clock, no thread. Beyond `KEYS` kinds at once more are told without a bound; the queue behind has one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Entry;
use crate::agent::report::{Around, Report, Severity};
use crate::time::Instant;

/// Kinds of whatever it is about that are watched at once.
const KEYS: usize = 4096;

/// How often something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    /// So many in a row at once.
    burst: u32,
    /// Within that time; those beyond are told as one when it is over, and so on until a whole time was calm.
    span: Duration,
}

/// Trouble.
const TROUBLE: Pace = Pace { burst: 8, span: Duration::from_mins(1) };
/// What tells the state of an instance, a group or a check: the newest is never old.
const STATE: Pace = Pace { burst: 20, span: Duration::from_secs(10) };

/// What is counted as one kind: message, severity, and whom it is about.
type Key = (&'static str, Severity, Option<Arc<str>>);

/// What was told lately.
#[derive(Debug, Default)]
pub struct Limiter {
    lately: BTreeMap<Key, Lately>,
}

#[derive(Debug)]
struct Lately {
    pace: Pace,
    /// When the time at hand began.
    since: Instant,
    /// How many were told in it.
    told: u32,
    /// How many were not, and the newest of them.
    held: Option<Box<(u64, Entry)>>,
    /// The time before had too many.
    busy: bool,
}

/// Something to write now, with others of its kind that were not.
#[derive(Clone, Debug)]
pub struct Told {
    /// The newest.
    pub entry: Entry,
    /// How many more there were.
    pub more: u64,
    /// Within which time.
    pub within: Duration,
}

impl Limiter {
    /// Whether `entry` is to be written now; nothing when it is held back.
    pub fn admit(&mut self, now: Instant, entry: Entry) -> Option<Told> {
        let (key, pace) = kind(&entry);
        let fresh = Lately { pace, since: now, told: 0, held: None, busy: false };
        if self.lately.len() >= KEYS && !self.lately.contains_key(&key) {
            return Some(Told { entry, more: 0, within: Duration::ZERO });
        }
        let lately = self.lately.entry(key).or_insert(fresh);
        if now.since(lately.since) >= pace.span {
            let more = lately.held.take().map_or(0, |held| held.0);
            *lately = Lately { pace, since: now, told: 1, held: None, busy: more > 0 };
            return Some(Told { entry, more, within: pace.span });
        }
        if !lately.busy && lately.told < pace.burst {
            lately.told += 1;
            return Some(Told { entry, more: 0, within: pace.span });
        }
        let count = lately.held.take().map_or(0, |held| held.0);
        lately.held = Some(Box::new((count + 1, entry)));
        None
    }

    /// When [`Limiter::due`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.lately.values().map(|lately| lately.since.after(lately.pace.span)).min()
    }

    /// What was held back and whose time is over; all of it at the `end`.
    pub fn due(&mut self, now: Instant, end: bool) -> Vec<Told> {
        let mut due = Vec::new();
        self.lately.retain(|_, lately| {
            let span = lately.pace.span;
            if now.since(lately.since) < span && !end {
                return true;
            }
            let Some(held) = lately.held.take() else { return false };
            let (count, entry) = *held;
            due.push(Told { entry, more: count - 1, within: span });
            (lately.since, lately.busy) = (now, true);
            true
        });
        due
    }
}

fn kind(entry: &Entry) -> (Key, Pace) {
    let (id, pace, whom) = match entry {
        // All states are one kind: they take turns.
        Entry::Agent(Report::Transition { subject, .. }) => ("state", STATE, Some(subject.name.clone())),
        // So are those of a group, and the verdicts of a check.
        Entry::Agent(Report::Around(Around::Group { name, .. })) => {
            ("state of a group", STATE, Some(name.clone()))
        }
        Entry::Agent(Report::Around(Around::Verdict { check, .. })) => {
            ("verdict", STATE, Some(check.clone()))
        }
        Entry::Agent(Report::Around(around)) => {
            let (pace, whom) = match around {
                Around::Verdict { check, .. } => (STATE, check),
                Around::Priority { subject, .. } => (STATE, &subject.name),
                Around::Waiting { subject, .. } => (TROUBLE, &subject.name),
                Around::Group { name, .. } | Around::Hook { name, .. } => (STATE, name),
            };
            (entry.message_id(), pace, Some(whom.clone()))
        }
        Entry::Agent(report) => {
            let whom = report.subject().map(|subject| &subject.name);
            (report.message_id(), TROUBLE, whom.or(report.concerned().first()).cloned())
        }
        Entry::Process(notice) => (notice.message_id(), TROUBLE, notice.instance().map(Arc::from)),
    };
    let together = ["state", "state of a group", "verdict"].contains(&id);
    let severity = if together { Severity::Notice } else { entry.severity() };
    ((id, severity, whom), pace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::Subject;
    use crate::agent::snapshot::VrState;
    use crate::health::standing::Verdict;
    use crate::net::{LinkName, Prefix};
    use crate::observe::notice::Notice;
    use crate::vrrp::fields::{Priority, Vrid};

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(milliseconds))
    }

    fn trouble(number: u64) -> Entry {
        Entry::Process(Notice::DumpFailed { why: number.to_string() })
    }

    fn enters(name: &str, state: VrState) -> Entry {
        Entry::Agent(Report::Transition {
            subject: Subject {
                name: name.into(),
                interface: LinkName::new("eth0").unwrap(),
                vrid: Vrid::new(51).unwrap(),
                group: None,
            },
            previous: VrState::Init,
            state,
            priority: Priority::DEFAULT,
            reason: "a test".to_owned(),
        })
    }

    /// Every millisecond one, for `span`; what is written, with its time and how many it stands for.
    fn run(limiter: &mut Limiter, span: u64, entry: impl Fn(u64) -> Entry) -> Vec<(u64, String, u64)> {
        let mut told = Vec::new();
        for now in 0..span {
            let due = limiter.due(at(now), false);
            let admitted = limiter.admit(at(now), entry(now));
            told.extend(due.into_iter().chain(admitted).map(|one| (now, one.entry.message(), one.more)));
        }
        told
    }

    #[test]
    fn trouble_that_goes_on_is_told_at_once_and_then_once_a_minute_with_its_count() {
        let mut limiter = Limiter::default();
        let told = run(&mut limiter, 180_000, trouble);
        let times: Vec<u64> = told.iter().map(|(now, _, _)| *now).collect();
        assert_eq!(times, [0, 1, 2, 3, 4, 5, 6, 7, 60_000, 120_000]);
        let left: u64 = limiter.due(at(180_000), true).iter().map(|one| one.more + 1).sum();
        assert_eq!(told.iter().map(|(_, _, more)| more + 1).sum::<u64>() + left, 180_000, "all are counted");
        assert!(told[8].1.contains("59999"), "the newest is told: {:?}", told[8]);
    }

    #[test]
    fn who_flaps_is_heard_of_every_ten_seconds_with_the_newest_state() {
        let mut limiter = Limiter::default();
        let state = |now: u64| if now.is_multiple_of(2) { VrState::Master } else { VrState::Backup };
        let told = run(&mut limiter, 30_000, |now| enters("web", state(now)));
        assert_eq!(told.len(), 20 + 2);
        assert_eq!(told[20].0, 10_000);
        assert!(told[20].1.starts_with("(web) Entering BACKUP state"), "{}", told[20].1);
        // Another instance is not concerned.
        assert!(limiter.admit(at(29_999), enters("db", VrState::Master)).is_some());
        // The last word comes when the flapping is over, and then it is forgotten.
        let last = limiter.due(at(40_000), false);
        assert!(last.iter().any(|one| one.entry.message().contains("(web) Entering BACKUP")), "{last:?}");
        assert!(limiter.due(at(50_000), false).is_empty());
        assert_eq!(limiter.deadline(), None);
    }

    #[test]
    fn the_last_word_of_a_group_and_of_a_check_is_the_newest() {
        let group = |state| {
            let (name, reason) = ("g".into(), "a test".to_owned());
            Entry::Agent(Report::Around(Around::Group { name, previous: VrState::Init, state, reason }))
        };
        let verdict = |verdict| {
            let (check, text, instances) = ("c".into(), "a test".to_owned(), [].into());
            Entry::Agent(Report::Around(Around::Verdict { check, verdict, text, held: None, instances }))
        };
        let mut limiter = Limiter::default();
        let told = run(&mut limiter, 9_001, |now| match now % 4 {
            0 => group(VrState::Fault),
            1 => verdict(Verdict::Failing),
            2 => group(VrState::Backup),
            _ => verdict(Verdict::Passing),
        });
        assert_eq!(told.len(), 40);
        // The last two of the time were these.
        let _ = (
            limiter.admit(at(9_001), group(VrState::Backup)),
            limiter.admit(at(9_001), verdict(Verdict::Passing)),
        );
        let last: Vec<String> =
            limiter.due(at(20_000), false).into_iter().map(|one| one.entry.message()).collect();
        assert_eq!(last.len(), 2, "{last:?}");
        assert!(last.iter().any(|text| text.contains("Entering BACKUP")), "{last:?}");
        assert!(last.iter().any(|text| text.contains("passing")), "{last:?}");
    }

    #[test]
    fn a_calm_time_ends_it_and_errors_are_not_hidden_behind_warnings() {
        let mut limiter = Limiter::default();
        for number in 0..100 {
            let _ = limiter.admit(at(number), trouble(number));
        }
        let error = Entry::Process(Notice::ReloadFailed { why: "no".to_owned() });
        assert!(limiter.admit(at(100), error).is_some());
        assert_eq!(limiter.deadline(), Some(at(60_000)));
        let due = limiter.due(at(60_000), false);
        assert_eq!(due.iter().map(|one| one.more).collect::<Vec<_>>(), [91]);
        assert!(limiter.due(at(120_000), false).is_empty());
        assert!(limiter.admit(at(130_000), trouble(0)).is_some_and(|told| told.more == 0));
    }

    #[test]
    fn what_is_near_the_end_is_told_beside_what_failed_first() {
        let mut limiter = Limiter::default();
        let Entry::Agent(Report::Transition { subject, .. }) = enters("web", VrState::Master) else {
            panic!()
        };
        let failed = |number: u8, again| {
            let address = Prefix::new([10, 0, 0, number].into(), 24).unwrap();
            let (subject, text) = (subject.clone(), "refused".to_owned());
            Entry::Agent(Report::LeaseNotRenewed { subject, address, text, left: None, again })
        };
        for again in [false, true] {
            let told =
                (0..100).filter(|number| limiter.admit(at(1), failed(*number, again)).is_some()).count();
            assert_eq!(told, 8, "of a hundred addresses");
        }
        assert_eq!(limiter.due(at(60_001), false).iter().map(|one| one.more).collect::<Vec<_>>(), [91, 91]);
    }

    #[test]
    fn what_is_about_many_instances_is_told_of_each() {
        let mut limiter = Limiter::default();
        for number in 0..200 {
            let drained = Entry::Process(Notice::StillDrained { instance: number.to_string() });
            assert!(limiter.admit(at(0), drained).is_some(), "{number}");
        }
    }

    #[test]
    fn very_many_kinds_take_no_more_memory() {
        let mut limiter = Limiter::default();
        for number in 0..2 * KEYS {
            assert!(limiter.admit(at(0), enters(&number.to_string(), VrState::Master)).is_some());
        }
        assert_eq!(limiter.lately.len(), KEYS);
    }
}
