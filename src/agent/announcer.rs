//! Paces the announcements (gratuitous ARP, unsolicited neighbour advertisement) of addresses.
//!
//! Per address: a burst at once, a second one after a delay, then single ones as a refresh. Of many addresses each is
//! announced once before any is repeated, and no turn sends more than [`FRAMES_PER_TURN`], so that a thousand addresses
//! do not stand between two adverts. What was planned for an address that has since been let go falls away when due.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::config::model::Garp;
use crate::net::LinkIndex;
use crate::time::Instant;

/// Most frames that one turn sends.
pub(crate) const FRAMES_PER_TURN: usize = 64;

/// An address on a link.
pub(crate) type Key = (LinkIndex, IpAddr);

/// What is planned.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// By time, then in the order of planning.
    queue: BTreeMap<(Instant, u64), Item>,
    /// The plan that counts for an address; older ones are void.
    current: BTreeMap<Key, u64>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    key: Key,
    plan: u64,
    garp: Garp,
    stage: Stage,
    copies: u8,
    burst_began: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    Second,
    Refresh,
}

impl Announcer {
    /// Plans the announcement of an address from `now` on; what was planned for it before is void.
    ///
    /// Without `second` the first burst is not followed by another.
    pub(crate) fn plan(&mut self, now: Instant, key: Key, garp: Garp, second: bool) {
        let plan = self.number();
        self.current.insert(key, plan);
        let stage = if second { Stage::First } else { Stage::Second };
        let item = Item { key, plan, garp, stage, copies: garp.repeat, burst_began: now };
        self.queue.insert((now, plan), item);
    }

    /// The addresses of `keys` are announced by other rules from now on: bursts that are under way go on by them.
    pub(crate) fn change(&mut self, now: Instant, keys: &BTreeSet<Key>, garp: Garp) {
        let mut idle = keys.clone();
        let refreshed = garp.refresh > Duration::ZERO;
        for item in self.queue.values_mut() {
            if self.current.get(&item.key) == Some(&item.plan) && keys.contains(&item.key) {
                item.garp = garp;
                if item.stage != Stage::Refresh {
                    idle.remove(&item.key);
                }
            }
        }
        for key in idle {
            self.cancel(key);
            if refreshed {
                let plan = self.number();
                self.current.insert(key, plan);
                let due = now.after(garp.refresh);
                let item = Item { key, plan, garp, stage: Stage::Refresh, copies: 1, burst_began: due };
                self.queue.insert((due, plan), item);
            }
        }
    }

    /// Nothing more is announced for this address.
    pub(crate) fn cancel(&mut self, key: Key) {
        self.current.remove(&key);
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Calls `send` for each address that is to be announced now, up to the limit of a turn.
    pub(crate) fn run(&mut self, now: Instant, mut send: impl FnMut(Key)) {
        let mut frames = 0;
        while frames < FRAMES_PER_TURN
            && let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let item = entry.remove();
            if self.current.get(&item.key) != Some(&item.plan) {
                continue;
            }
            send(item.key);
            frames += 1;
            match after(now, item) {
                Some((due, next)) => {
                    let number = self.number();
                    self.queue.insert((due, number), next);
                }
                None => self.cancel(item.key),
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// What follows one announcement, and when.
fn after(now: Instant, item: Item) -> Option<(Instant, Item)> {
    if item.copies > 1 {
        return Some((now, Item { copies: item.copies - 1, ..item }));
    }
    let garp = item.garp;
    if item.stage == Stage::First && garp.delay > Duration::ZERO {
        let due = item.burst_began.after(garp.delay);
        return Some((due, Item { stage: Stage::Second, copies: garp.repeat, burst_began: due, ..item }));
    }
    let refresh = (garp.refresh > Duration::ZERO).then(|| now.after(garp.refresh));
    refresh.map(|due| (due, Item { stage: Stage::Refresh, copies: 1, ..item }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> Key {
        (LinkIndex(2), IpAddr::from([10, 0, 0, last]))
    }

    fn run_all(announcer: &mut Announcer, until: Instant) -> Vec<(u64, Key)> {
        let mut sent = Vec::new();
        while let Some(due) = announcer.deadline().filter(|due| *due <= until) {
            announcer.run(due, |key| sent.push((due.as_nanos() / 1_000_000_000, key)));
        }
        sent
    }

    #[test]
    fn five_at_once_and_five_more_after_five_seconds() {
        let mut announcer = Announcer::default();
        announcer.plan(Instant::ZERO, key(1), Garp::default(), true);
        let sent = run_all(&mut announcer, Instant::from_nanos(u64::MAX));
        assert_eq!(
            sent.iter().map(|(second, _)| *second).collect::<Vec<_>>(),
            [0, 0, 0, 0, 0, 5, 5, 5, 5, 5]
        );
    }

    #[test]
    fn refresh_goes_on_until_cancelled() {
        let garp = Garp { repeat: 1, delay: Duration::ZERO, refresh: Duration::from_mins(1) };
        let mut announcer = Announcer::default();
        announcer.plan(Instant::ZERO, key(1), garp, true);
        let until = Instant::ZERO.after(Duration::from_secs(130));
        let seconds: Vec<u64> = run_all(&mut announcer, until).iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 60, 120]);
        announcer.cancel(key(1));
        assert_eq!(run_all(&mut announcer, until.after(Duration::from_mins(10))), []);
    }

    #[test]
    fn other_rules_hold_from_the_next_announcement_on() {
        let refreshed = Garp { refresh: Duration::from_mins(1), ..Garp::default() };
        let keys = BTreeSet::from([key(1)]);
        let seconds = |announcer: &mut Announcer, until: u64| -> Vec<u64> {
            run_all(announcer, Instant::ZERO.after(Duration::from_secs(until)))
                .iter()
                .map(|(at, _)| *at)
                .collect()
        };
        let mut announcer = Announcer::default();
        announcer.plan(Instant::ZERO, key(1), Garp::default(), true);
        assert_eq!(seconds(&mut announcer, 1), [0; 5]);
        announcer.change(Instant::ZERO, &keys, Garp { repeat: 2, ..refreshed });
        assert_eq!(seconds(&mut announcer, 70), [5, 5, 5, 5, 5, 65], "the second burst was planned already");
        announcer.change(Instant::ZERO.after(Duration::from_secs(70)), &keys, Garp::default());
        assert_eq!(seconds(&mut announcer, 1000), [0; 0]);
        announcer.change(Instant::ZERO.after(Duration::from_secs(1000)), &keys, refreshed);
        assert_eq!(seconds(&mut announcer, 1130), [1060, 1120]);
    }

    #[test]
    fn every_address_comes_once_before_any_is_repeated() {
        let mut announcer = Announcer::default();
        for last in 1..=100 {
            announcer.plan(Instant::ZERO, key(last), Garp::default(), false);
        }
        let mut turns = Vec::new();
        while announcer.deadline() == Some(Instant::ZERO) {
            let mut turn = Vec::new();
            announcer.run(Instant::ZERO, |key| turn.push(key));
            turns.push(turn);
        }
        assert!(turns.iter().all(|turn| turn.len() <= FRAMES_PER_TURN));
        let order: Vec<Key> = turns.concat();
        assert_eq!(order.len(), 500);
        assert_eq!(order[..100], (1..=100).map(key).collect::<Vec<_>>());
    }

    #[test]
    fn a_new_plan_voids_the_old_one() {
        let mut announcer = Announcer::default();
        announcer.plan(Instant::ZERO, key(1), Garp::default(), true);
        announcer.plan(Instant::ZERO, key(1), Garp { repeat: 2, ..Garp::default() }, false);
        assert_eq!(run_all(&mut announcer, Instant::from_nanos(u64::MAX)).len(), 2);
    }
}
