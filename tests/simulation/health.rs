//! Checks in a run: what instances listen to, what their probes find out, and what the judge makes of it.
//!
//! The checks are the production ones ([`Checks`]); only the probes are false: they answer late, change their mind, find
//! nothing out, or hang. In the calm each says one thing for ever. All that is drawn here comes from a stream of its own,
//! so that a seed without checks stays the run that it was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failover::agent::message::{Input, Watched};
use failover::config::Config;
use failover::config::model::{CheckConfig, Flap, GroupConfig, Initial, Probe, Track, Weight};
use failover::health::check::Fact;
use failover::health::checks::{Action, RunnerId};
use failover::health::outcome::{Finding, Outcome};
use failover::health::standing::Verdict;
use failover::net::LinkName;
use failover::vrrp::fields::Priority;

use crate::faults::Fault;
use crate::judge::Judge;
use crate::random::Random;
use crate::scenario::{MS, SECOND, Scenario, group_name};
use crate::world::{Event, World};

/// The name of the group, where there is one.
const GROUP: &str = "all";
/// Longest that a probe hangs.
const HANG: u64 = 3 * SECOND;
/// Longest that a flapping check is held.
const HELD: u64 = 2 * SECOND;

/// What the checks of a run do.
#[derive(Debug)]
pub(crate) struct Health {
    random: Random,
    /// Faults are over: a probe says one thing.
    calm: bool,
    /// What each check of each host looks at is well.
    truths: BTreeMap<(usize, Arc<str>), bool>,
    /// Facts are told in order.
    told_at: BTreeMap<usize, u64>,
    /// When the next look at a host's checks is.
    next: BTreeMap<usize, u64>,
}

impl Health {
    pub(crate) fn new(seed: u64) -> Self {
        Health {
            random: Random::new(seed ^ 0x6865_616c_7468),
            calm: false,
            truths: BTreeMap::new(),
            told_at: BTreeMap::new(),
            next: BTreeMap::new(),
        }
    }
}

/// Has instances of some runs listen to checks, and those of some of them move together.
pub(crate) fn draw(scenario: &mut Scenario) {
    let mut random = Random::new(scenario.seed ^ 0x6368_6563_6b73);
    if random.chance(400) {
        return;
    }
    let together = scenario.groups.len() > 1
        && scenario.hosts.iter().all(|host| host.config.instances.len() == scenario.groups.len());
    if together && random.chance(700) {
        move_together(&mut random, scenario);
    }
    let count = random.pick(&[0, 1, 2, 3]);
    for number in 0..count {
        let name = format!("c{number}");
        let check = check(&mut random);
        scenario.health_settles = scenario.health_settles.max(settles(&check));
        let kind = random.index(4);
        for host in &mut scenario.hosts {
            host.config.checks.insert(name.clone(), check.clone());
        }
        let grouped = !scenario.hosts[0].config.groups.is_empty();
        let mut size = 0;
        for group in 0..scenario.groups.len() {
            // Members of one group that weigh a check differently may have hosts wait for each other.
            if !grouped || group == 0 {
                size = i16::try_from(random.between(1, 60)).unwrap();
            }
            let track = match kind {
                0 => Track::Fault,
                1 => Track::Weight(Weight::new(-size).unwrap()),
                2 => Track::Weight(Weight::new(size).unwrap()),
                _ => Track::FileWeight,
            };
            if random.chance(700) {
                for instance in
                    scenario.hosts.iter_mut().filter_map(|h| h.config.instances.get_mut(&group_name(group)))
                {
                    instance.track.insert(name.clone(), track);
                }
            }
        }
    }
}

fn check(random: &mut Random) -> CheckConfig {
    let interval = Duration::from_millis(random.pick(&[50, 100, 200, 1000]));
    let flap = Flap {
        changes: 3,
        within: Duration::from_secs(5),
        hold: Duration::from_secs(1),
        max_hold: Duration::from_nanos(HELD),
    };
    CheckConfig {
        probe: Probe::Interface(LinkName::new("lo").unwrap()),
        interval,
        timeout: interval / 2,
        fall: random.pick(&[1, 1, 2, 3]),
        rise: random.pick(&[1, 1, 2, 3]),
        initial: random.pick(&[Initial::Unknown, Initial::Unknown, Initial::Passing, Initial::Failing]),
        flap: random.chance(500).then_some(flap),
    }
}

/// How long after the faults its verdict may still change.
fn settles(check: &CheckConfig) -> u64 {
    let interval = u64::try_from(check.interval.as_nanos()).unwrap();
    HANG + 2 * HELD + interval * 2 * u64::from(check.fall + check.rise + 4) + SECOND
}

/// All instances of every host are one group. What would have hosts wait for each other for ever is left out: other
/// priorities of one host in one network than in another, and what stays broken in one of two networks.
fn move_together(random: &mut Random, scenario: &mut Scenario) {
    for host in &mut scenario.hosts {
        let first = host.config.instances.values().next().unwrap();
        let (mut priority, delay) = (first.priority, first.preempt_delay);
        if priority.is_owner() {
            priority = Priority::new(u8::try_from(random.between(1, 254)).unwrap()).unwrap();
        }
        let preempt = first.preempt;
        for instance in host.config.instances.values_mut() {
            (instance.priority, instance.preempt, instance.preempt_delay) = (priority, preempt, delay);
        }
        let members = host.config.instances.keys().cloned().collect();
        host.config.groups.insert(GROUP.to_owned(), GroupConfig { members, hooks: None });
    }
    scenario.strikes.retain(|strike| !matches!(strike.fault, Fault::Reconfigure { .. }));
    if scenario.segments > 1 {
        scenario.residue.retain(|fault| !matches!(fault, Fault::Split { .. }));
    }
    let delay = scenario.groups.iter().map(|group| group.preempt_delay).max().unwrap_or(0);
    let down = scenario.groups.iter().map(|group| group.down).max().unwrap_or(0);
    let skew = scenario.groups.iter().map(|group| group.skew).max().unwrap_or(0);
    for group in &mut scenario.groups {
        (group.preempt_delay, group.down, group.skew) = (delay, down, skew);
    }
}

impl World {
    /// The program wants these checks.
    pub(crate) fn watch(&mut self, number: usize, watched: &Watched) {
        let now = self.hosts[number].clock.shows(self.now);
        let mut actions = Vec::new();
        if let Some(program) = &mut self.hosts[number].program {
            program.checks.configure(now, &watched.checks, &mut actions);
        }
        self.check(number, actions);
    }

    /// The time of a check has come.
    pub(crate) fn checks_due(&mut self, number: usize, life: u64) {
        if self.health.next.get(&number).is_some_and(|at| *at <= self.now) {
            self.health.next.remove(&number);
        }
        let host = &mut self.hosts[number];
        if host.paused_at.is_some() {
            return self.later(self.now + 10 * MS, Event::ChecksDue { host: number, life });
        }
        let now = host.clock.shows(self.now);
        let mut actions = Vec::new();
        let Some(program) = self.program(number, life) else { return };
        program.checks.timeout(now, &mut actions);
        self.check(number, actions);
    }

    /// A run of a probe ended, if it was not ended meanwhile.
    pub(crate) fn ran(&mut self, number: usize, life: u64, runner: RunnerId, outcome: Outcome) {
        let now = self.hosts[number].clock.shows(self.now);
        let mut actions = Vec::new();
        let Some(program) = self.program(number, life) else { return };
        program.checks.ran(now, runner, outcome, &mut actions);
        self.check(number, actions);
    }

    /// Does what the checks want done.
    fn check(&mut self, number: usize, actions: Vec<Action>) {
        let life = self.hosts[number].life;
        for action in actions {
            match action {
                Action::Start { runner, check, .. } => {
                    if let Some(program) = &mut self.hosts[number].program {
                        program.probes.insert(runner, check);
                    }
                }
                Action::Run(runner) => {
                    let check = self.hosts[number].program.as_ref().and_then(|p| p.probes.get(&runner));
                    let Some(check) = check.cloned() else { continue };
                    let (at, outcome) = self.probe(number, check);
                    self.later(at, Event::Ran { host: number, life, runner, outcome });
                }
                Action::End(runner) => {
                    if let Some(program) = &mut self.hosts[number].program {
                        program.probes.remove(&runner);
                    }
                }
                Action::Tell(fact) => {
                    let lag = if self.health.calm { MS } else { self.health.random.between(1000, 20 * MS) };
                    let told = self.health.told_at.entry(number).or_default();
                    *told = (*told).max(self.now + lag);
                    let (at, input) = (*told, Input::Judged(fact));
                    self.later(at, Event::Tell { host: number, life, input, event: false });
                }
            }
        }
        let host = &self.hosts[number];
        let due = host.program.as_ref().and_then(|program| program.checks.deadline());
        let Some(at) = due.map(|due| host.clock.when(due).max(self.now)) else { return };
        if self.health.next.get(&number).is_none_or(|next| at < *next || *next < self.now) {
            self.health.next.insert(number, at);
            self.later(at, Event::ChecksDue { host: number, life });
        }
    }

    /// What a probe finds out, and when.
    fn probe(&mut self, number: usize, check: Arc<str>) -> (u64, Outcome) {
        let Health { random, calm, truths, .. } = &mut self.health;
        let truth = truths.entry((number, check)).or_insert(true);
        if *calm {
            let mut outcome = if *truth { Outcome::passed("well") } else { Outcome::failed("ill") };
            outcome.weight = truth.then(|| i16::try_from(number * 7).unwrap());
            return (self.now + MS, outcome);
        }
        if random.chance(100) {
            *truth = !*truth;
        }
        let mut outcome = match (random.between(0, 19), *truth) {
            (0, _) => Outcome::unknown("nothing"),
            (1, truth) => Outcome::new(if truth { Finding::Failed } else { Finding::Passed }, "a blip"),
            (_, true) => Outcome::passed("well"),
            (_, false) => Outcome::failed("ill"),
        };
        if outcome.finding == Finding::Passed {
            outcome.weight = Some(i16::try_from(random.between(0, 600)).unwrap() - 300);
        }
        let takes =
            if random.chance(20) { random.between(SECOND / 2, HANG) } else { random.between(MS, 30 * MS) };
        (self.now + takes, outcome)
    }

    /// Faults are over.
    pub(crate) fn checks_calm(&mut self) {
        self.health.calm = true;
    }
}

/// What the judge knows of the checks of one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    config: Config,
    /// The verdict, and the definite one before it, with its number.
    verdicts: BTreeMap<String, (Verdict, Verdict, i16)>,
}

impl Said {
    /// The program starts with nothing but what its configuration says.
    pub(crate) fn forget(&mut self) {
        *self = Said::default();
    }

    pub(crate) fn configured(&mut self, config: &Config) {
        self.config = config.clone();
        self.verdicts.retain(|name, _| config.checks.contains_key(name));
        for (name, check) in &config.checks {
            let initial = match check.initial {
                Initial::Unknown => Verdict::Unknown,
                Initial::Passing => Verdict::Passing,
                Initial::Failing => Verdict::Failing,
            };
            self.verdicts.entry(name.clone()).or_insert((initial, initial, 0));
        }
    }

    pub(crate) fn judged(&mut self, fact: &Fact) {
        if let Some((verdict, settled, number)) = self.verdicts.get_mut(&*fact.check) {
            *verdict = fact.verdict;
            if fact.verdict != Verdict::Unknown {
                *settled = fact.verdict;
                *number = fact.weight.unwrap_or(0);
            }
        }
    }

    /// Whether a virtual router moves with others.
    pub(crate) fn together(&self) -> bool {
        !self.config.groups.is_empty()
    }

    /// Whether one virtual router is the other, or is configured to move with it.
    pub(crate) fn moves_with(&self, group: usize, other: usize) -> bool {
        group == other || self.together() && self.config.instances.contains_key(&group_name(other))
    }

    /// What counts for a virtual router: its own tracks, then those of its group that it has not.
    fn tracks(&self, group: usize) -> BTreeMap<&str, Vec<(Track, bool)>> {
        let own = group_name(group);
        let mut all: BTreeMap<&str, Vec<(Track, bool)>> = BTreeMap::new();
        for (name, instance) in &self.config.instances {
            if *name == own || self.together() {
                for (check, track) in &instance.track {
                    all.entry(check).or_default().push((*track, *name == own));
                }
            }
        }
        all
    }

    /// A check that it must not run without is failing, or was when that was last known.
    pub(crate) fn unfit(&self, group: usize) -> bool {
        let failing = |check: &str| self.verdicts[check].1 == Verdict::Failing;
        self.tracks(group)
            .iter()
            .any(|(check, tracks)| failing(check) && tracks.iter().any(|(track, _)| *track == Track::Fault))
    }

    /// Nothing is known of a check that it listens to; to an owner weights are nothing.
    pub(crate) fn blocked(&self, group: usize, base: Priority) -> bool {
        self.tracks(group).iter().any(|(check, tracks)| {
            let (track, _) = tracks.iter().find(|(_, own)| *own).unwrap_or(&tracks[0]);
            let counts = *track == Track::Fault || !base.is_owner();
            counts && self.verdicts[*check].0 == Verdict::Unknown
        })
    }

    /// The sum of the base and what counts, worked out once more.
    pub(crate) fn priority(&self, group: usize, base: Priority) -> Priority {
        if base.is_owner() {
            return base;
        }
        let mut sum = i32::from(base.number());
        for (check, tracks) in self.tracks(group) {
            let (track, _) = tracks.iter().find(|(_, own)| *own).unwrap_or(&tracks[0]);
            let (_, settled, number) = self.verdicts[check];
            sum += match (track, settled) {
                (Track::Weight(weight), Verdict::Failing) => i32::from(weight.number().min(0)),
                (Track::Weight(weight), Verdict::Passing) => i32::from(weight.number().max(0)),
                (Track::FileWeight, Verdict::Passing) => i32::from(number),
                _ => 0,
            };
        }
        Priority::new(u8::try_from(sum.clamp(1, 254)).unwrap()).unwrap()
    }
}

impl Judge {
    /// A check says something to the program.
    pub(crate) fn judged(&mut self, number: usize, fact: &Fact) {
        self.watches[number].said.judged(fact);
        self.restand(number);
    }

    /// Works out the priorities anew.
    pub(crate) fn restand(&mut self, number: usize) {
        let watch = &mut self.watches[number];
        for (group, seat) in watch.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let new = watch.said.priority(group, seat.config().priority);
            seat.fell |= new < seat.effective && !seat.effective.is_owner();
            // What is new is said at once.
            seat.allowed += u64::from(new != seat.effective);
            seat.effective = new;
        }
    }
}
