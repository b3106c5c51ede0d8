//! Every election that two or three routers can have, one by one, over the production state machine.
//!
//! Breadth first over every order and loss of adverts, crash, stop and start of a router. Delivery takes no time, and
//! faults fall on instants at which a timer runs out (of two routers also between adverts under way); states that differ only in the time of day are one. So the number
//! of states is finite, and each is visited: what latency, jitter and drift do is the simulation's to find out.
//!
//! In every state: a router holds the addresses exactly while it is MASTER, lets go of them in the turn that it leaves
//! MASTER in, and advertises only as MASTER. From every state, when nothing fails any more, whatever order adverts
//! arrive in: soon exactly one MASTER, and the right one. A failure prints the way from the start to the bad state.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

#[path = "model/drains.rs"]
mod drains;
#[path = "model/groups.rs"]
mod groups;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use failover::time::Instant;
use failover::vrrp::fields::{Claim, Interval, Priority, Version, master_down_interval};
use failover::vrrp::router::{
    Action, Afterwards, Cause, Event, HandOver, Heard, Promotion, Router, Settings, State,
};

/// Every state is moved to this time of day: late enough for a timer to have been set well before.
const NOW: Instant = Instant::from_nanos(3_600_000_000_000);
/// More adverts than this on their way at one instant are a storm.
const MOST_IN_FLIGHT: usize = 32;
/// A model that grows beyond this has stopped being one.
const MOST_STATES: usize = 600_000;

/// The routers of one election.
struct Model {
    settings: Vec<Settings>,
    /// How long it may take until there is one MASTER, when nothing fails any more.
    bound: Duration,
    /// Up to how many adverts may be on their way when a router fails, stops or starts.
    faults_amid: usize,
    /// What the priority of each router may fall to and rise from, as its checks say; and whether they may say nothing.
    weighed: Vec<Option<Priority>>,
    blocks: bool,
    /// Whether a MASTER may be drained, and whether that is insisted on. Blocked is what drained routers are.
    drains: Option<bool>,
}

/// One moment of an election. A router that does not run is `None`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    routers: Vec<Option<Router>>,
    /// Adverts on their way, and to whom, sorted.
    flight: Vec<(usize, Heard)>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start(usize),
    Stop(usize),
    Crash(usize),
    /// Its priority falls, or rises back.
    Weigh(usize),
    /// Nothing is known of a check any more, or something is again.
    Block(usize),
    /// It is drained: resigns, and holds its addresses until it hears its successor; whether it insists.
    HandOver(usize, bool),
    /// The advert of this number in flight arrives.
    Deliver(usize),
    /// The advert of this number in flight does not arrive.
    Lose(usize),
    /// The next timer runs out, or one that runs out now.
    Timeout(usize),
}

/// In which order adverts arrive and timers run out when nothing fails.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Adverts before timers, the first first.
    First,
    /// Adverts before timers, the last first.
    Last,
    /// What runs out now runs out before anything arrives: so do routers whose timers end together.
    TimersFirst,
}

/// Why an election is wrong.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for router in &self.routers {
            let due = |at: Instant| format!("{:.2}", at.since(NOW).as_secs_f64());
            match router.as_ref().map(Router::state) {
                None => write!(f, "down        ")?,
                Some(State::Init) => write!(f, "INIT        ")?,
                Some(State::Backup(b)) => write!(f, "BACKUP {:5}", due(b.down_at))?,
                Some(State::Master(m)) => write!(f, "MASTER {:5}", due(m.advertise_at))?,
                Some(State::Leaving(l)) => write!(f, "LEAVES {:5}", due(l.until))?,
            }
            f.write_str(" | ")?;
        }
        for (to, heard) in &self.flight {
            write!(f, " {}→{to}:{}", heard.source, heard.claim.number())?;
        }
        Ok(())
    }
}

impl World {
    /// A router that does not run hears nothing.
    fn down(&mut self, router: usize) {
        self.routers[router] = None;
        self.flight.retain(|(to, _)| *to != router);
    }
}

fn address(router: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(router).unwrap() + 1).into()
}

impl Model {
    fn new(settings: Vec<Settings>) -> Self {
        let longest = settings.iter().map(|s| s.interval).max().unwrap();
        let waits = settings.iter().map(|s| master_down_interval(s.version, s.priority, longest));
        // The worst: a takeover by the wrong router, and then by the right one.
        let bound = waits.max().unwrap() * 2;
        // Of three routers the states would be millions; one advert was tried once, and showed no more than none.
        let faults_amid = if settings.len() > 2 { 0 } else { 3 };
        let weighed = vec![None; settings.len()];
        Model { settings, bound, faults_amid, weighed, blocks: false, drains: None }
    }

    /// The same with checks: what each priority may fall to, and whether nothing may be known of a check.
    fn with_checks(settings: Vec<Settings>, weighed: Vec<Option<Priority>>, blocks: bool) -> Self {
        let lowest = |s: &Settings| Settings { priority: Priority::new(1).unwrap(), ..*s };
        let Model { bound, .. } = Model::new(settings.iter().map(lowest).collect());
        Model { bound, weighed, blocks, faults_amid: 1, ..Model::new(settings) }
    }

    fn start(&self) -> World {
        World { routers: vec![None; self.settings.len()], flight: Vec::new() }
    }

    /// All that may happen next. While adverts are on their way time stands still.
    fn steps(&self, world: &World) -> Vec<Step> {
        let flight = 0..world.flight.len();
        let mut steps: Vec<_> = flight.flat_map(|n| [Step::Deliver(n), Step::Lose(n)]).collect();
        if world.flight.len() <= self.faults_amid {
            for (n, router) in world.routers.iter().enumerate() {
                if router.is_none() {
                    steps.push(Step::Start(n));
                    continue;
                }
                steps.extend([Step::Stop(n), Step::Crash(n)]);
                steps.extend(self.weighed[n].map(|_| Step::Weigh(n)));
                steps.extend(self.blocks.then_some(Step::Block(n)));
                if router.as_ref().is_some_and(|r| matches!(r.state(), State::Master(_))) {
                    steps.extend(self.drains.map(|insist| Step::HandOver(n, insist)));
                }
            }
        }
        let (next, due) = due(world);
        if world.flight.is_empty() || next == Some(NOW) {
            steps.extend(due.into_iter().map(Step::Timeout));
        }
        steps
    }

    fn step(&self, world: &World, step: Step) -> Result<World, Wrong> {
        let mut after = world.clone();
        match step {
            Step::Start(n) => {
                after.routers[n] = Some(Router::new(self.settings[n]));
                let primary = address(n);
                self.turn(&mut after, n, NOW, Event::Startup { primary })?;
            }
            Step::Stop(n) => {
                self.turn(&mut after, n, NOW, Event::Shutdown)?;
                after.down(n);
            }
            Step::Crash(n) => after.down(n),
            Step::Weigh(n) | Step::Block(n) => {
                let mut settings = after.routers[n].as_ref().unwrap().settings();
                match (step, settings.promotion) {
                    (Step::Weigh(_), _) if settings.priority == self.settings[n].priority => {
                        settings.priority = self.weighed[n].unwrap();
                    }
                    (Step::Weigh(_), _) => settings.priority = self.settings[n].priority,
                    (_, Promotion::Blocked) => settings.promotion = Promotion::Alone,
                    (_, _) => settings.promotion = Promotion::Blocked,
                }
                self.turn(&mut after, n, NOW, Event::Configure(settings))?;
            }
            Step::HandOver(n, insist) => {
                let settings = after.routers[n].as_ref().unwrap().settings();
                let settings = Settings { promotion: Promotion::Blocked, ..settings };
                self.turn(&mut after, n, NOW, Event::Configure(settings))?;
                // Any more would only make more states.
                let settle = Duration::ZERO;
                let limit = after.routers[n].as_ref().unwrap().hand_over_limit();
                let plan = HandOver { then: Afterwards::Backup, limit, settle, insist };
                self.turn(&mut after, n, NOW, Event::HandOver(plan))?;
            }
            Step::Deliver(n) => {
                let (to, heard) = after.flight.remove(n);
                self.turn(&mut after, to, NOW, Event::Heard(heard))?;
            }
            Step::Lose(n) => drop(after.flight.remove(n)),
            Step::Timeout(n) => {
                let now = after.routers[n].as_ref().and_then(Router::deadline).unwrap();
                let leaving = after.routers[n].as_ref().unwrap().is_leaving();
                self.turn(&mut after, n, now, Event::Timeout)?;
                let router = after.routers[n].as_ref().unwrap();
                if leaving && matches!(router.state(), State::Master(_)) {
                    // Nobody took over: it is not drained after all.
                    let settings = Settings { promotion: Promotion::Alone, ..router.settings() };
                    self.turn(&mut after, n, now, Event::Configure(settings))?;
                }
                after.routers =
                    after.routers.iter().map(|r| r.as_ref().map(|r| r.rebased(now, NOW))).collect();
            }
        }
        let moved = |r: &Option<Router>| r.as_ref().map(|r| r.rebased(NOW, NOW));
        after.routers = after.routers.iter().map(moved).collect();
        after.flight.sort_unstable();
        Ok(after)
    }

    /// Gives one router one event, judges what it does, and sends what it sends to everybody else.
    fn turn(&self, world: &mut World, n: usize, now: Instant, event: Event) -> Result<(), Wrong> {
        let router = world.routers[n].as_mut().unwrap();
        let mut actions = Vec::new();
        let mut holds = is_master(router);
        let (was_master, before) = (holds, router.settings().priority);
        router.handle(now, event, &mut actions);
        let priority_now = router.settings().priority;
        let fell = matches!(event, Event::Configure(_)) && priority_now < before && !before.is_owner();
        let goes_on = was_master && is_master(router);
        if fell && goes_on {
            let said = [Action::Advertise(Claim::Resign), Action::Advertise(Claim::Hold(priority_now))];
            wrong(actions != said, || format!("{n} falls to {priority_now} and does {actions:?}"))?;
        }
        wrong(fell && was_master && !goes_on, || format!("{n} lets go because its priority falls"))?;
        let resigns = actions.contains(&Action::Advertise(Claim::Resign));
        let leaves = matches!(event, Event::HandOver(_));
        wrong(resigns && goes_on && !fell && !leaves, || format!("{n} resigns and goes on"))?;
        let comes_back = actions.contains(&Action::Entered(Cause::NotTaken));
        for action in &actions {
            match action {
                Action::Advertise(Claim::Hold(priority)) => {
                    let silent = matches!(event, Event::Heard(_)) && router.is_leaving();
                    wrong(silent, || format!("{n} has resigned and advertises"))?;
                    wrong(!holds && !is_master(router), || format!("{n} advertises and is not MASTER"))?;
                    wrong(*priority != priority_now, || format!("{n} advertises {priority}"))?;
                }
                Action::Advertise(Claim::Resign) => {
                    wrong(!holds, || format!("{n} resigns what it does not hold"))?;
                }
                Action::Acquire => {
                    wrong(holds && !comes_back, || format!("{n} acquires twice"))?;
                    holds = true;
                }
                Action::Release => {
                    wrong(!holds, || format!("{n} releases what it does not hold"))?;
                    holds = false;
                }
                Action::Contested | Action::Entered(_) => {}
            }
        }
        for action in &actions {
            if let Action::Advertise(claim) = action {
                let heard = Heard { claim: *claim, source: address(n), interval: self.settings[n].interval };
                let running = |to: &usize| *to != n && world.routers[*to].is_some();
                world.flight.extend((0..self.settings.len()).filter(running).map(|to| (to, heard)));
            }
        }
        let router = world.routers[n].as_ref().unwrap();
        wrong(holds != is_master(router), || {
            format!("{n} holds the addresses: {holds}, and is {:?}", router.state())
        })?;
        wrong(world.flight.len() > MOST_IN_FLIGHT, || "a storm of adverts".to_owned())
    }

    /// What is wrong with a world that is as settled as it ever gets.
    fn judge(world: &World) -> Result<(), Wrong> {
        let up: Vec<_> = (0..world.routers.len()).filter(|n| world.routers[*n].is_some()).collect();
        let masters: Vec<_> =
            up.iter().copied().filter(|n| world.routers[*n].as_ref().is_some_and(is_master)).collect();
        let standing = |n: usize| world.routers[n].as_ref().unwrap().settings();
        // Who must wait for its checks cannot become MASTER, but can stay it.
        let able = |n: &usize| standing(*n).promotion != Promotion::Blocked || masters.contains(n);
        let up: Vec<_> = up.into_iter().filter(able).collect();
        let Some(highest) = up.iter().map(|n| standing(*n).priority).max() else { return Ok(()) };
        let [master] = masters[..] else {
            return Err(Wrong(format!("{} routers are MASTER", masters.len())));
        };
        let won = standing(master).priority;
        // Whoever does not preempt leaves in office whom it finds there; an owner always preempts.
        let preempting = |n: &usize| standing(*n).preempt || standing(*n).priority.is_owner();
        let better = up.iter().find(|n| standing(**n).priority > won && preempting(n));
        wrong(better.is_some(), || {
            format!("{master} is MASTER with {won}, but {highest} is there and preempts")
        })
    }
}

fn wrong(is: bool, what: impl FnOnce() -> String) -> Result<(), Wrong> {
    if is { Err(Wrong(what())) } else { Ok(()) }
}

fn is_master(router: &Router) -> bool {
    router.is_master()
}

/// When the next timer runs out, and whose.
fn due(world: &World) -> (Option<Instant>, Vec<usize>) {
    let deadline = |n: &usize| world.routers[*n].as_ref().and_then(Router::deadline);
    let all = 0..world.routers.len();
    let next = all.clone().filter_map(|n| deadline(&n)).min();
    (next, all.filter(|n| next.is_some() && deadline(n) == next).collect())
}

/// Every world there is, and how it came about.
struct Explored {
    worlds: Vec<World>,
    index: BTreeMap<World, usize>,
    /// The world before, and the step from it.
    came: Vec<Option<(usize, Step)>>,
}

impl Explored {
    fn everything(model: &Model) -> Self {
        let start = model.start();
        let mut all =
            Explored { index: BTreeMap::from([(start.clone(), 0)]), worlds: vec![start], came: vec![None] };
        let mut next = 0;
        while next < all.worlds.len() {
            let world = all.worlds[next].clone();
            for step in model.steps(&world) {
                match model.step(&world, step) {
                    Ok(after) => all.visit(after, (next, step)),
                    Err(Wrong(what)) => panic!("{what}\n{}  then {step:?}", all.way_to(next)),
                }
            }
            next += 1;
            assert!(all.worlds.len() < MOST_STATES, "the model grows without end");
        }
        all
    }

    fn visit(&mut self, world: World, came: (usize, Step)) {
        if !self.index.contains_key(&world) {
            self.index.insert(world.clone(), self.worlds.len());
            self.worlds.push(world);
            self.came.push(Some(came));
        }
    }

    fn way_to(&self, world: usize) -> String {
        let mut lines = Vec::new();
        let mut at = world;
        while let Some((before, step)) = self.came[at] {
            let step = format!("{step:?}");
            lines.push(format!("  {step:<12} {}\n", self.worlds[at]));
            at = before;
        }
        lines.into_iter().rev().collect()
    }

    /// From every world: let nothing fail, keep to an order, and see how it ends. Answers the
    /// longest time that it took to settle.
    fn settle(&self, model: &Model, order: Order) -> Duration {
        let calm: Vec<_> = self.worlds.iter().map(|world| self.calm(model, world, order)).collect();
        // Zero while unknown; else the time to settle, plus one so that it is not zero.
        let mut settled: Vec<Option<Duration>> = vec![None; self.worlds.len()];
        for from in 0..self.worlds.len() {
            let mut way = Vec::new();
            let mut on_way = BTreeMap::new();
            let mut at = from;
            while settled[at].is_none() && !on_way.contains_key(&at) {
                on_way.insert(at, way.len());
                way.push(at);
                at = calm[at].0;
            }
            // A circle that was not known: what goes round for ever must be right all along.
            let circle = if settled[at].is_none() { on_way.get(&at).copied() } else { None };
            for n in way.iter().skip(circle.unwrap_or(way.len())) {
                if let Err(Wrong(what)) = Model::judge(&self.worlds[*n]) {
                    panic!("{what}, again and again\n{}", self.way_to(*n));
                }
                settled[*n] = Some(Duration::ZERO);
            }
            for n in way.iter().take(circle.unwrap_or(way.len())).rev() {
                let (next, took) = calm[*n];
                let fine = Model::judge(&self.worlds[*n]).is_ok();
                let rest = settled[next].unwrap();
                // A world that is right and stays right takes no more time.
                settled[*n] = Some(if fine && rest.is_zero() { rest } else { rest + took });
            }
        }
        let longest = (0..self.worlds.len()).max_by_key(|n| settled[*n]).unwrap();
        let took = settled[longest].unwrap();
        assert!(
            took <= model.bound,
            "{took:?} until one MASTER, {:?} are due\n{}",
            model.bound,
            self.way_to(longest)
        );
        took
    }

    /// The world that follows when nothing fails, and the time until then.
    fn calm(&self, model: &Model, world: &World, order: Order) -> (usize, Duration) {
        let steps = model.steps(world);
        let arrive: Vec<_> = steps.iter().copied().filter(|s| matches!(s, Step::Deliver(_))).collect();
        let fire: Vec<_> = steps.iter().copied().filter(|s| matches!(s, Step::Timeout(_))).collect();
        let step = match order {
            Order::First => arrive.first().or(fire.first()),
            Order::Last => arrive.last().or(fire.last()),
            Order::TimersFirst => fire.first().or(arrive.first()),
        };
        let Some(step) = step else { return (self.index[world], Duration::ZERO) };
        let took = match step {
            Step::Timeout(_) => due(world).0.map_or(Duration::ZERO, |at| at.since(NOW)),
            Step::Start(_)
            | Step::Stop(_)
            | Step::Crash(_)
            | Step::Weigh(_)
            | Step::Block(_)
            | Step::HandOver(..)
            | Step::Deliver(_)
            | Step::Lose(_) => Duration::ZERO,
        };
        let after = model.step(world, *step).unwrap_or_else(|Wrong(what)| panic!("{what}"));
        (self.index[&after], took)
    }
}

fn check(settings: &[Settings]) {
    check_model(&Model::new(settings.to_vec()));
}

fn check_model(model: &Model) {
    let settings = &model.settings;
    let all = Explored::everything(model);
    let took = [Order::First, Order::Last, Order::TimersFirst].map(|order| all.settle(model, order));
    let priorities: Vec<_> = settings.iter().map(|s| s.priority.number()).collect();
    #[expect(clippy::print_stdout, reason = "shown by `cargo test -- --nocapture`")]
    {
        println!(
            "{priorities:?}: {} states, settled within {:?}",
            all.worlds.len(),
            took.into_iter().max().unwrap()
        );
    }
    assert!(all.worlds.len() > 50, "the model did not move");
}

fn router(priority: u8, preempt: bool) -> Settings {
    Settings {
        version: Version::V3,
        priority: Priority::new(priority).unwrap(),
        interval: Interval::DEFAULT,
        preempt,
        preempt_delay: Duration::ZERO,
        promotion: Promotion::Alone,
    }
}

#[test]
fn two_that_preempt() {
    check(&[router(192, true), router(64, true)]);
}

#[test]
fn two_that_do_not_preempt() {
    check(&[router(192, false), router(64, false)]);
}

#[test]
fn two_of_equal_priority() {
    check(&[router(128, true), router(128, true)]);
    check(&[router(128, false), router(128, false)]);
}

#[test]
fn an_owner_and_one_more() {
    check(&[router(255, true), router(128, true)]);
    check(&[router(255, false), router(128, false)]);
}

#[test]
fn two_owners() {
    check(&[router(255, true), router(255, true)]);
}

#[test]
fn two_of_version_2() {
    let v2 = |priority| Settings { version: Version::V2, ..router(priority, true) };
    check(&[v2(192), v2(64)]);
    check(&[v2(128), v2(128)]);
}

#[test]
fn two_with_different_intervals() {
    let slow = Settings { interval: Interval::from_centiseconds(400).unwrap(), ..router(192, true) };
    check(&[slow, router(64, true)]);
    check(&[router(192, true), Settings { priority: Priority::new(64).unwrap(), ..slow }]);
}

#[test]
fn two_with_a_preempt_delay() {
    let patient = Settings { preempt_delay: Duration::from_secs(2), ..router(192, true) };
    check(&[patient, router(64, true)]);
}

#[test]
fn three_that_preempt() {
    check(&[router(192, true), router(128, true), router(64, true)]);
}

#[test]
fn three_that_do_not_preempt() {
    check(&[router(192, false), router(128, false), router(64, false)]);
}

#[test]
fn three_of_equal_priority() {
    check(&[router(128, true), router(128, true), router(128, true)]);
}

#[test]
fn three_with_two_alike() {
    check(&[router(192, true), router(128, true), router(128, true)]);
}

#[test]
fn three_with_an_owner() {
    check(&[router(255, true), router(128, true), router(64, true)]);
}

/// Two routers of these priorities, the second numbers being what they may fall to.
fn weigh(settings: [Settings; 2], falls: [Option<u8>; 2], blocks: bool) {
    let falls = falls.map(|fall| fall.and_then(Priority::new));
    check_model(&Model::with_checks(settings.to_vec(), falls.to_vec(), blocks));
}

#[test]
fn two_whose_priorities_follow_checks() {
    weigh([router(192, true), router(128, true)], [Some(64), None], false);
    weigh([router(192, true), router(128, true)], [Some(64), Some(32)], false);
    weigh([router(192, true), router(64, true)], [Some(128), None], false);
}

#[test]
fn two_of_which_one_falls_to_the_priority_of_the_other_or_both_from_one_to_one() {
    weigh([router(192, true), router(128, true)], [Some(128), None], false);
    weigh([router(192, true), router(192, true)], [Some(64), Some(64)], false);
}

#[test]
fn two_whose_priorities_follow_checks_and_do_not_preempt() {
    weigh([router(192, false), router(128, false)], [Some(64), None], false);
}

#[test]
fn two_of_version_2_whose_priorities_follow_checks() {
    let v2 = |priority| Settings { version: Version::V2, ..router(priority, true) };
    weigh([v2(192), v2(128)], [Some(64), None], false);
}

#[test]
fn two_that_wait_for_their_checks() {
    weigh([router(192, true), router(64, true)], [None, None], true);
    weigh([router(192, false), router(64, false)], [None, None], true);
}

#[test]
fn a_better_backup_takes_over_within_its_skew_of_a_fall_and_nothing_is_let_go_before() {
    let settings = vec![router(192, true), router(128, true)];
    let model = Model::with_checks(settings, vec![Priority::new(64), None], false);
    let mut world = model.start();
    let step = |world: &World, step| model.step(world, step).unwrap_or_else(|Wrong(what)| panic!("{what}"));
    for next in [Step::Start(0), Step::Start(1), Step::Timeout(0), Step::Deliver(0), Step::Weigh(0)] {
        world = step(&world, next);
    }
    assert!(is_master(world.routers[0].as_ref().unwrap()));
    while !world.flight.is_empty() {
        // The resignation was sent before the new priority, and so it arrives.
        let resigns = world.flight.iter().position(|(_, heard)| heard.claim == Claim::Resign).unwrap_or(0);
        world = step(&world, Step::Deliver(resigns));
    }
    let (next, who) = due(&world);
    assert_eq!(who, [1], "before the next advert");
    assert_eq!(next.unwrap().since(NOW), Duration::from_millis(500), "the skew of priority 128");
    world = step(&world, Step::Timeout(1));
    assert!(world.routers.iter().flatten().all(is_master), "both hold until the advert arrives");
    world = step(&world, Step::Deliver(0));
    assert!(!is_master(world.routers[0].as_ref().unwrap()));
}
