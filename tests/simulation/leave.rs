//! Leaving on purpose and coming back: drains, hosts that stand aside, agents that are killed and go on where they left off.
//!
//! All that is drawn here comes from a stream of its own, so that a seed without it stays the run that it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use failover::agent::message::{Drain, Held, Input, Output, Remembered};
use failover::agent::snapshot::VrState;
use failover::time::Instant;
use failover::vrrp::fields::skew_time;

use crate::faults::{Fault, Strike};
use crate::judge::{Judge, Seat};
use crate::random::Random;
use crate::scenario::{Scenario, group_name};
use crate::world::World;

/// What outlives a program on a host.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// What it is MASTER of, by its own numbers; gone with the power.
    held: BTreeMap<usize, Arc<Held>>,
    /// When adverts last went out.
    beat: Option<Instant>,
    /// Drained instances.
    drained: BTreeSet<String>,
}

impl Left {
    /// The power went.
    pub(crate) fn forget(&mut self) {
        self.held.clear();
        self.beat = None;
    }

    /// Whether an instance is drained.
    pub(crate) fn is_drained(&self, group: usize) -> bool {
        self.drained.contains(&group_name(group))
    }

    fn remembered(&mut self) -> Option<Remembered> {
        let held = std::mem::take(&mut self.held);
        let held = held.into_values().map(|held| (held.name.clone(), (*held).clone())).collect();
        Some(Remembered { at: self.beat.take()?, held })
    }
}

/// Has some hosts drained, some stand aside, and some that die come back at once.
pub(crate) fn draw(scenario: &mut Scenario) {
    let mut random = Random::new(scenario.seed ^ 0x006c_6561_7665);
    if random.chance(500) {
        return;
    }
    let (beat, calm_at) = (scenario.beat, scenario.calm_at);
    for _ in 0..random.between(1, 6) {
        let host = random.index(scenario.hosts.len());
        let at = random.between(0, calm_at * 19 / 20);
        let kind = random.between(0, 3);
        let longest = if kind == 0 { beat * 3 } else { beat * 20 };
        let lasts = random.between(beat / 10, longest).min(calm_at - at - 1);
        let fault = match kind {
            0 => Fault::Crash { host },
            1 => Fault::StandAside { host },
            _ => Fault::Drain { host, insist: random.chance(500) },
        };
        scenario.strikes.push(Strike { at, lasts, fault });
    }
    scenario.strikes.sort_by_key(|strike| strike.at);
}

impl World {
    /// What a program says that is to outlive it.
    pub(crate) fn leave_word(&mut self, number: usize, output: &Output) {
        let now = self.hosts[number].clock.shows(self.now);
        let left = &mut self.hosts[number].left;
        match output {
            Output::Drained(names) => left.drained.clone_from(names),
            Output::Holds { number, held: Some(held) } => drop(left.held.insert(*number, Arc::clone(held))),
            Output::Holds { number, held: None } => drop(left.held.remove(number)),
            Output::Send { .. } => left.beat = Some(now),
            Output::Finished => left.forget(),
            Output::Listen(_)
            | Output::Unlisten(_)
            | Output::Frame { .. }
            | Output::Apply { .. }
            | Output::Dump
            | Output::Watch(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::StoodAside
            | Output::Report(_) => {}
        }
    }

    /// A program that starts hears what the one before it left.
    pub(crate) fn hear_word(&mut self, number: usize) {
        if let Some(remembered) = self.hosts[number].left.remembered() {
            self.feed(number, Input::Remembered(remembered));
        }
        let names = self.hosts[number].left.drained.clone();
        self.feed(number, Input::Drain(Drain { names, insist: true }));
    }

    pub(crate) fn drain(&mut self, host: usize, insist: bool) {
        let names = self.hosts[host].config.instances.keys().cloned().collect();
        self.tell_program(host, Input::Drain(Drain { names, insist }));
    }

    pub(crate) fn undrain(&mut self, host: usize) {
        let names = self.hosts[host].left.drained.clone();
        self.tell_program(host, Input::Undrain(names));
    }

    pub(crate) fn stand_aside(&mut self, host: usize, aside: bool) {
        self.tell_program(host, Input::StandAside(aside));
    }

    fn tell_program(&mut self, host: usize, input: Input<'static>) {
        if let Some(program) = &mut self.hosts[host].program {
            program.tell(input, false);
            self.arm(host);
        }
    }
}

impl Judge {
    /// How long a MASTER that resigns is to hold its addresses: an interval and its skew, with others the longest of theirs.
    pub(crate) fn promised(&self, number: usize, group: usize) -> Duration {
        let watch = &self.watches[number];
        let promise = |seat: &Seat| {
            let own = seat.config();
            own.interval.duration() + skew_time(own.version, seat.effective, own.interval)
        };
        self.moving(number, group).filter_map(|other| watch.seats[other].as_ref()).map(promise).max().unwrap()
    }

    /// Whether nobody had the addresses when `number` took over from who hands over, and should have. Who resigns holds them
    /// for as long as it promised; a successor whose skew is as long as that may come after it, but not beyond its skew.
    pub(crate) fn left_a_gap(&self, now: u64, number: usize, group: usize) -> bool {
        let Some(from) = self.leaving else { return false };
        let Some(left) = &self.watches[from].seats[group] else { return false };
        if !left.left_as_master || left.state == VrState::Master {
            return false;
        }
        let skew = |other: usize| {
            let (own, theirs) = (&self.watches[number].seats[other], &self.watches[from].seats[other]);
            let (own, theirs) = (own.as_ref()?, theirs.as_ref()?.config());
            Some(skew_time(theirs.version, own.effective, theirs.interval))
        };
        let skew = self.moving(number, group).filter_map(skew).max().unwrap();
        let in_time = now <= left.resigned_at + u64::try_from(skew.as_nanos()).unwrap() + self.slack;
        !(left.held_on && in_time)
    }

    /// What moves with a virtual router on a host, itself included.
    fn moving(&self, number: usize, group: usize) -> impl Iterator<Item = usize> {
        let said = &self.watches[number].said;
        (0..self.groups.len()).filter(move |other| said.moves_with(group, *other))
    }
}
