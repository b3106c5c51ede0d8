//! Two hosts with two virtual routers each that move together, in two networks of which one may fail in part.
//!
//! As in the model of one virtual router time stands still while adverts are on their way, and faults fall on instants at
//! which a timer runs out. In every state the members of a host are all MASTER or none is. From every state, when nothing
//! changes any more, nobody goes on changing for ever; with whole networks one host has both.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use failover::time::Instant;
use failover::vrrp::router::{Action, Event, Heard, Promotion, Router, Settings};
use failover::vrrp::together;

use super::{MOST_STATES, NOW, Order, Wrong, address, is_master, router, wrong};

/// Rounds that what follows for others may take.
const ROUNDS: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    /// By host; `None` for one that does not run. One router in each network.
    hosts: [Option<[Router; 2]>; 2],
    /// Network, to whom, what.
    flight: Vec<(usize, usize, Heard)>,
    /// What the second network loses: what is sent to the first and to the second host.
    lost: [bool; 2],
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Start(usize),
    Stop(usize),
    Crash(usize),
    /// The second network loses what is sent to this host, or does so no longer.
    Cut(usize),
    Deliver(usize),
    /// Whatever of a host is due at the next instant runs out.
    Timeout(usize),
}

/// The settings of the members, by host and network; and whether the first host has the greater address in the second
/// network.
struct Model([[Settings; 2]; 2], bool);

fn deadline(host: Option<&[Router; 2]>) -> Option<Instant> {
    host.and_then(|pair| pair.iter().filter_map(Router::deadline).min())
}

impl World {
    fn start() -> Self {
        World { hosts: [None, None], flight: Vec::new(), lost: [false; 2] }
    }

    /// Which hosts are MASTER of what.
    fn masters(&self) -> Vec<bool> {
        self.hosts
            .iter()
            .flat_map(|h| h.as_ref().map_or([false; 2], |p| [0, 1].map(|n| is_master(&p[n]))))
            .collect()
    }
}

impl Model {
    fn primary(&self, host: usize, net: usize) -> IpAddr {
        address(if net == 1 && self.1 { 1 - host } else { host })
    }

    fn steps(world: &World) -> Vec<Step> {
        let mut steps: Vec<_> = (0..world.flight.len()).map(Step::Deliver).collect();
        if world.flight.is_empty() {
            for n in 0..2 {
                match world.hosts[n] {
                    None => steps.push(Step::Start(n)),
                    Some(_) => steps.extend([Step::Stop(n), Step::Crash(n)]),
                }
                steps.push(Step::Cut(n));
            }
        }
        let due = [0, 1].map(|n| deadline(world.hosts[n].as_ref()));
        let next = due.into_iter().flatten().min();
        if world.flight.is_empty() || next == Some(NOW) {
            steps.extend((0..2).filter(|n| next.is_some() && due[*n] == next).map(Step::Timeout));
        }
        steps
    }

    fn step(&self, world: &World, step: Step) -> Result<World, Wrong> {
        let mut after = world.clone();
        let mut now = NOW;
        match step {
            Step::Start(n) => {
                after.hosts[n] = Some(self.0[n].map(Router::new));
                for net in 0..2 {
                    drive(self, &mut after, n, net, now, Event::Startup { primary: self.primary(n, net) })?;
                }
            }
            Step::Stop(n) => {
                for net in 0..2 {
                    drive(self, &mut after, n, net, now, Event::Shutdown)?;
                }
                after.hosts[n] = None;
            }
            Step::Crash(n) => after.hosts[n] = None,
            Step::Cut(n) => after.lost[n] ^= true,
            Step::Deliver(n) => {
                let (net, to, heard) = after.flight.remove(n);
                drive(self, &mut after, to, net, now, Event::Heard(heard))?;
            }
            Step::Timeout(n) => {
                now = deadline(after.hosts[n].as_ref()).unwrap();
                for net in 0..2 {
                    if after.hosts[n].as_ref().unwrap()[net].deadline() == Some(now) {
                        drive(self, &mut after, n, net, now, Event::Timeout)?;
                    }
                }
            }
        }
        for pair in after.hosts.iter_mut().flatten() {
            *pair = [0, 1].map(|net| pair[net].rebased(now, NOW));
        }
        let running = [after.hosts[0].is_some(), after.hosts[1].is_some()];
        after.flight.retain(|(_, to, _)| running[*to]);
        after.flight.sort_unstable();
        for (n, pair) in after.hosts.iter().enumerate() {
            let masters = pair.iter().flatten().filter(|router| is_master(router)).count();
            wrong(masters == 1, || format!("host {n} is MASTER of one of two"))?;
        }
        wrong(after.flight.len() > 24, || "a storm of adverts".to_owned())?;
        Ok(after)
    }
}

/// Gives one router one event, and the others of its host what follows, as the agent does.
fn drive(
    model: &Model,
    world: &mut World,
    host: usize,
    net: usize,
    now: Instant,
    event: Event,
) -> Result<(), Wrong> {
    let was_master = world.hosts[host].as_ref().is_some_and(|pair| is_master(&pair[net]));
    turn(model, world, host, net, now, event)?;
    let follow = |world: &World, who, was_master, event: &Event| {
        let pair = world.hosts[host].as_ref().unwrap();
        together::follow(&[&pair[0], &pair[1]], who, was_master, event)
    };
    let mut events = follow(world, net, was_master, &event);
    for _ in 0..ROUNDS {
        for (place, event) in events {
            turn(model, world, host, place, now, event)?;
        }
        events = follow(world, usize::MAX, false, &Event::Timeout);
        if events.is_empty() {
            return Ok(());
        }
    }
    Err(Wrong("what follows for others has no end".to_owned()))
}

fn turn(
    model: &Model,
    world: &mut World,
    host: usize,
    net: usize,
    now: Instant,
    event: Event,
) -> Result<(), Wrong> {
    let router = &mut world.hosts[host].as_mut().unwrap()[net];
    let (mut actions, mut holds) = (Vec::new(), is_master(router));
    router.handle(now, event, &mut actions);
    let interval = router.settings().interval;
    let holds_now = is_master(router);
    let other = 1 - host;
    for action in actions {
        match action {
            Action::Acquire => holds = true,
            Action::Release => holds = false,
            Action::Advertise(claim) => {
                if world.hosts[other].is_some() && !(net == 1 && world.lost[other]) {
                    world.flight.push((
                        net,
                        other,
                        Heard { claim, source: model.primary(host, net), interval },
                    ));
                }
            }
            Action::Contested | Action::Entered(_) => {}
        }
    }
    wrong(holds != holds_now, || format!("host {host} holds what it should not, or the reverse"))
}

/// The world before each, and the step from it.
type Came = Vec<Option<(usize, Step)>>;

fn explore(model: &Model) -> (Vec<World>, BTreeMap<World, usize>, Came) {
    let mut worlds = vec![World::start()];
    let mut index = BTreeMap::from([(World::start(), 0)]);
    let mut came = vec![None];
    let mut next = 0;
    while next < worlds.len() {
        let world = worlds[next].clone();
        for step in Model::steps(&world) {
            let after = model
                .step(&world, step)
                .unwrap_or_else(|Wrong(what)| panic!("{what}\n{} then {step:?}", way(&worlds, &came, next)));
            if !index.contains_key(&after) {
                index.insert(after.clone(), worlds.len());
                worlds.push(after);
                came.push(Some((next, step)));
            }
        }
        next += 1;
        assert!(worlds.len() < MOST_STATES, "the model grows without end");
    }
    (worlds, index, came)
}

fn way(worlds: &[World], came: &[Option<(usize, Step)>], to: usize) -> String {
    let (mut steps, mut at) = (Vec::new(), to);
    while let Some((before, step)) = came[at] {
        steps.push((step, at));
        at = before;
    }
    let mut text = String::new();
    for (step, at) in steps.into_iter().rev() {
        let world = &worlds[at];
        let _ = writeln!(text, "  {step:?}: masters {:?}, {:?}", world.masters(), world.flight);
    }
    text
}

/// Lets nothing fail from every world on: nobody changes for ever.
fn settle(model: &Model, order: Order) {
    let (worlds, index, came) = explore(model);
    let next: Vec<usize> = worlds
        .iter()
        .map(|world| {
            let steps = Model::steps(world);
            let arrive: Vec<_> = steps.iter().filter(|step| matches!(step, Step::Deliver(_))).collect();
            let fire: Vec<_> = steps.iter().filter(|step| matches!(step, Step::Timeout(_))).collect();
            let step = match order {
                Order::First => arrive.first().or(fire.first()),
                Order::Last => arrive.last().or(fire.last()),
                Order::TimersFirst => fire.first().or(arrive.first()),
            };
            step.map_or(index[world], |step| index[&model.step(world, **step).unwrap_or_else(|_| panic!())])
        })
        .collect();
    // Zero for not seen, else the walk that saw it first.
    let mut seen = vec![0; worlds.len()];
    for from in 0..worlds.len() {
        let mut at = from;
        while seen[at] == 0 {
            seen[at] = from + 1;
            at = next[at];
        }
        if seen[at] != from + 1 {
            continue;
        }
        let (circle, masters) = (at, worlds[at].masters());
        loop {
            let world = &worlds[at];
            let both = [0, 2].map(|n| masters[n] && masters[n + 1]);
            let whole = world.lost == [false; 2] && world.hosts.iter().all(Option::is_some);
            let up = world.hosts.iter().flatten().count();
            let fine = world.masters() == masters
                && (up == 0 || both.contains(&true))
                && !(whole && both == [true, true]);
            assert!(fine, "{order:?}: {:?}, again and again\n{}", world.masters(), way(&worlds, &came, at));
            at = next[at];
            if at == circle {
                break;
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "shown by `cargo test -- --nocapture`")]
    {
        println!("{order:?}: {} states", worlds.len());
    }
}

fn check(priorities: [[u8; 2]; 2], preempt: bool) {
    check_addressed(priorities, preempt, false);
}

fn check_addressed(priorities: [[u8; 2]; 2], preempt: bool, crossed: bool) {
    let member = |n| Settings { promotion: Promotion::Together, ..router(n, preempt) };
    let model = Model(priorities.map(|pair| pair.map(member)), crossed);
    for order in [Order::First, Order::Last, Order::TimersFirst] {
        settle(&model, order);
    }
}

#[test]
fn two_hosts_of_two_that_preempt() {
    check([[192, 192], [64, 64]], true);
}

#[test]
fn two_hosts_of_two_that_do_not_preempt() {
    check([[192, 192], [64, 64]], false);
}

#[test]
fn two_hosts_of_two_of_equal_priority() {
    check([[128, 128], [128, 128]], true);
    check_addressed([[128, 128], [128, 128]], true, true);
    check_addressed([[128, 128], [128, 128]], false, true);
}

#[test]
fn two_hosts_of_two_with_opposite_priorities() {
    check([[192, 64], [64, 192]], true);
    check([[192, 64], [64, 192]], false);
}

#[test]
fn two_hosts_of_two_with_priorities_that_differ_in_one_network() {
    check([[192, 64], [64, 64]], true);
    check([[192, 64], [128, 192]], true);
}
