//! The run itself: events in order of time, programs that take their turns, kernels that answer them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use failover::agent::STOP_LIMIT;
use failover::agent::message::{Change, Input, Listen, Output, RequestId};
use failover::config::model::Garp;
use failover::health::checks::RunnerId;
use failover::health::outcome::Outcome;
use failover::net::{LinkIndex, Prefix};
use failover::vrrp::fields::Priority;

use crate::effects;
use crate::faults::Fault;
use crate::health::Health;
use crate::host::{Host, Ills, Program};
use crate::judge::Judge;
use crate::kernel::Kernel;
use crate::leave::Left;
use crate::network::{Dials, Network, Packet};
use crate::random::Random;
use crate::scenario::{MS, Scenario, group_name, own_addresses};
use crate::trace::Trace;

/// Turns for nothing but time that a program may take at one instant: all that 3 instances of 20 addresses announce at
/// once, 64 a turn, and some.
const TIMEOUTS_AT_ONCE: u32 = 12;

/// Time on the way while a MASTER hands over.
pub(crate) const HAND_OVER_LATENCY: u64 = 50_000;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    Boot(usize),
    Turn {
        host: usize,
        ticket: u64,
    },
    Arrive {
        host: usize,
        packet: Packet,
    },
    /// Reaches the program's netlink socket; `event` as opposed to an answer.
    Tell {
        host: usize,
        life: u64,
        input: Input<'static>,
        event: bool,
    },
    Execute {
        host: usize,
        life: u64,
        request: RequestId,
        link: LinkIndex,
        change: Change,
    },
    Open {
        host: usize,
        life: u64,
        listen: Listen,
    },
    Look {
        host: usize,
        life: u64,
    },
    /// Perhaps the lease of an address is over.
    Expire(usize),
    Verified {
        host: usize,
        address: IpAddr,
    },
    ChecksDue {
        host: usize,
        life: u64,
    },
    /// A run of a probe ended.
    Ran {
        host: usize,
        life: u64,
        runner: RunnerId,
        outcome: Outcome,
    },
    Strike(Fault),
    Relent(Fault),
    Calm,
    Settle,
    Watched,
    HandOver(usize),
    HandedOver(usize),
    Leave,
    End,
}

/// A run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) now: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    pub(crate) judge: Judge,
    pub(crate) health: Health,
    pub(crate) trace: Trace,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    out: Vec<Output>,
    over: bool,
}

impl World {
    /// The run that `scenario` describes, at its start.
    pub(crate) fn new(scenario: Scenario, lines: bool) -> Self {
        let mut random = Random::new(!scenario.seed);
        let dials = scenario.rough.clone();
        let network = Network::new(scenario.segments, scenario.hosts.len(), dials, random.fork());
        let mut world = World {
            now: 0,
            hosts: Vec::new(),
            network,
            judge: Judge::new(&scenario, 2 * HAND_OVER_LATENCY + 4 * longest_wake(&scenario)),
            trace: Trace::new(lines),
            health: Health::new(scenario.seed),
            queue: BTreeMap::new(),
            sequence: 0,
            out: Vec::new(),
            over: false,
            scenario,
        };
        for number in 0..world.scenario.hosts.len() {
            let host = world.host(number, random.fork());
            world.hosts.push(host);
            let boots_at = world.scenario.hosts[number].boots_at;
            world.later(boots_at, Event::Boot(number));
        }
        for strike in world.scenario.strikes.clone() {
            world.later(strike.at, Event::Strike(strike.fault));
            world.later(strike.at + strike.lasts, Event::Relent(strike.fault));
        }
        world.later(world.scenario.calm_at, Event::Calm);
        world
    }

    fn host(&self, number: usize, random: Random) -> Host {
        let plan = &self.scenario.hosts[number];
        let own = |segment: usize| own_addresses(number, segment).map(|prefix| (segment, prefix));
        Host {
            clock: plan.clock,
            kernel: Kernel::new(number, plan.tags, plan.promotes),
            program: None,
            config: plan.config.clone(),
            own: (0..self.scenario.segments).flat_map(own).collect(),
            powered: false,
            paused_at: None,
            paused_for: 0,
            wake: (5_000, self.scenario_wake()),
            ills: Ills::default(),
            left: Left::default(),
            random,
            turn: None,
            life: 0,
            told_at: 0,
            answered_at: 0,
            executed_at: 0,
            lease_end: None,
        }
    }

    /// Longest time to a turn of a host that is not loaded.
    pub(crate) fn scenario_wake(&self) -> u64 {
        longest_wake(&self.scenario)
    }

    /// Runs to the end or to the first failure.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at;
            self.happen(event);
            for number in 0..self.hosts.len() {
                self.publish(number);
                self.judge.look(self.now, number, &self.hosts[number]);
            }
            if let Some(failure) = self.judge.failure.take() {
                return Err(failure);
            }
            if self.over {
                return Ok(());
            }
        }
        Err("nothing happens any more".to_owned())
    }

    pub(crate) fn later(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Boot(host) => {
                self.hosts[host].boot(self.now, self.scenario.segments);
                self.start(host);
            }
            Event::Turn { host, ticket } => {
                if self.hosts[host].turn.is_some_and(|(_, valid)| valid == ticket) {
                    self.hosts[host].turn = None;
                    self.turn(host);
                }
            }
            Event::Arrive { host, packet } => self.arrive(host, &packet),
            Event::Tell { host, life, input, event } => {
                if let Some(program) = self.program(host, life) {
                    program.tell(input, event);
                    self.arm(host);
                }
            }
            Event::Execute { host, life, request, link, change } => {
                self.execute(host, life, request, link, &change);
            }
            Event::Open { host, life, listen } => self.open(host, life, listen),
            Event::Look { host, life } => {
                let observed = self.hosts[host].kernel.observed();
                self.answer(host, life, 0, Input::Observed(observed));
            }
            Event::Expire(host) => self.expire(host),
            Event::Verified { host, address } => self.hosts[host].kernel.verified(address),
            Event::ChecksDue { host, life } => self.checks_due(host, life),
            Event::Ran { host, life, runner, outcome } => self.ran(host, life, runner, outcome),
            Event::Strike(fault) => {
                self.trace.line(self.now, || format!("FAULT {fault:?}"));
                self.strike(fault);
            }
            Event::Relent(fault) => {
                self.trace.line(self.now, || format!("MENDED {fault:?}"));
                self.relent(fault);
            }
            Event::Calm => self.calm(),
            Event::Settle => self.settle(),
            Event::Watched => self.watched(),
            Event::HandOver(from) => self.hand_over(from),
            Event::HandedOver(from) => {
                self.judge.handed_over(from, &self.hosts, &self.network, &self.scenario);
                let at = self.judge.settles_at(self.now, &self.scenario);
                self.later(at, Event::Leave);
            }
            Event::Leave => {
                self.judge.settled(self.now, &self.hosts, &self.network, &self.scenario);
                self.judge.still = false;
                (0..self.hosts.len()).for_each(|host| self.stop(host));
                let limit = u64::try_from(STOP_LIMIT.as_nanos()).unwrap();
                let waits = self.judge.groups.iter().map(|group| group.down).max().unwrap_or(0);
                self.later(self.now + waits + limit, Event::End);
            }
            Event::End => {
                let left = self.hosts.iter().position(|host| host.program.is_some());
                if let Some(host) = left {
                    self.judge.fail(host, "does not stop");
                }
                self.over = true;
            }
        }
    }

    fn calm(&mut self) {
        self.trace.line(self.now, || "CALM: everything is mended".to_owned());
        self.mend();
        self.checks_calm();
        for fault in self.scenario.residue.clone() {
            self.strike(fault);
        }
        self.later(self.judge.settles_at(self.now, &self.scenario), Event::Settle);
    }

    fn settle(&mut self) {
        let at = self.judge.settles_at(self.scenario.calm_at, &self.scenario);
        if at > self.now {
            return self.later(at, Event::Settle);
        }
        self.trace.line(self.now, || "SETTLED: from here on nothing may change".to_owned());
        self.judge.settled(self.now, &self.hosts, &self.network, &self.scenario);
        self.later(self.now + self.scenario.watch, Event::Watched);
    }

    /// Nothing has changed in the calm. A MASTER is to leave on purpose, once nothing is under way that could come in
    /// after its resignation.
    fn watched(&mut self) {
        self.judge.settled(self.now, &self.hosts, &self.network, &self.scenario);
        let dials = &mut self.network.dials;
        let under_way = dials.latency.1;
        *dials =
            Dials { latency: (HAND_OVER_LATENCY, HAND_OVER_LATENCY), duplicate: 0, echo: 0, ..dials.clone() };
        let next = self.judge.any_master().map_or(Event::Leave, Event::HandOver);
        self.later(self.now + under_way, next);
    }

    /// A MASTER leaves: somebody else takes over within the skew.
    fn hand_over(&mut self, master: usize) {
        self.judge.still = false;
        self.trace.line(self.now, || format!("HAND OVER by h{master}"));
        self.judge.leaves(master);
        self.stop(master);
        let skew = self.judge.groups.iter().map(|group| group.skew).max().unwrap_or(0);
        self.later(self.now + skew + self.judge.slack, Event::HandedOver(master));
    }

    /// The program takes what is there: facts, then messages, then what is due.
    fn turn(&mut self, number: usize) {
        let host = &self.hosts[number];
        if host.paused_at.is_some() || host.program.is_none() {
            return;
        }
        while let Some(input) = self.hosts[number].program.as_mut().and_then(|p| p.inputs.pop_front()) {
            self.feed(number, input);
        }
        while let Some(program) = &mut self.hosts[number].program
            && let Some((socket, packet)) = program.datagrams.pop_front()
        {
            self.feed(number, Input::Datagram(Host::datagram(socket, &packet)));
        }
        let now = self.hosts[number].clock.shows(self.now);
        for round in 0.. {
            let Some(program) = &self.hosts[number].program else { break };
            if program.agent.deadline().is_none_or(|due| due > now) {
                break;
            }
            if round >= TIMEOUTS_AT_ONCE {
                self.judge.fail(number, format!("busy: due again after {round} timeouts at one instant"));
                break;
            }
            self.feed(number, Input::Timeout);
        }
        self.judge.turn_over(number);
        self.arm(number);
    }

    pub(crate) fn feed(&mut self, number: usize, input: Input<'_>) {
        let mut out = std::mem::take(&mut self.out);
        let host = &mut self.hosts[number];
        let now = host.clock.shows(self.now);
        self.trace.mix(&[self.now, u64::try_from(number).unwrap()]);
        self.trace.line(self.now, || format!("h{number} ← {}", effects::words(&input)));
        let timeout = matches!(input, Input::Timeout);
        if let Input::Configure(config) = &input {
            self.judge.configured(number, config);
        }
        if let Input::Judged(fact) = &input {
            self.judge.judged(number, fact);
        }
        let Some(program) = &mut host.program else { return };
        program.agent.handle(now, input, &mut out);
        if timeout && out.is_empty() {
            self.trace.mix(&[7]);
        }
        self.judge.begin(number);
        for output in out.drain(..) {
            self.judge.output(self.now, number, &self.hosts[number], &output);
            self.leave_word(number, &output);
            self.perform(number, output);
        }
        self.judge.end(number);
        self.out = out;
    }

    /// Makes the appointment for the program's next turn.
    pub(crate) fn arm(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        let Some(program) = &host.program else { return };
        let due = if program.inputs.is_empty() && program.datagrams.is_empty() {
            match program.agent.deadline() {
                None => return,
                Some(deadline) => host.clock.when(deadline).max(self.now),
            }
        } else {
            self.now
        };
        if host.turn.is_some_and(|(at, _)| at <= due) {
            return;
        }
        let at = due + host.random.of((host.wake.0.min(host.wake.1), host.wake.1));
        let ticket = self.sequence;
        if host.turn.is_none_or(|(planned, _)| at < planned) {
            host.turn = Some((at, ticket));
            self.later(at, Event::Turn { host: number, ticket });
        }
    }

    pub(crate) fn program(&mut self, number: usize, life: u64) -> Option<&mut Program> {
        let host = &mut self.hosts[number];
        if host.life == life { host.program.as_mut() } else { None }
    }

    /// Starts the program where it does not run.
    pub(crate) fn start(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        if host.program.is_some() || !host.powered {
            return;
        }
        host.life += 1;
        host.turn = None;
        host.answered_at = 0;
        host.executed_at = 0;
        host.program = Some(Program::new(format!("h{number}")));
        self.judge.born(number, self.now, host);
        self.judge.runs(number, self.now);
        let config = host.config.clone();
        self.trace.line(self.now, || format!("h{number} starts"));
        self.hear_word(number);
        self.feed(number, Input::Configure(config));
        self.arm(number);
    }

    /// The program is gone at once.
    pub(crate) fn kill(&mut self, number: usize) {
        self.resume(number);
        let host = &mut self.hosts[number];
        if host.program.is_some() {
            self.judge.runs_no_more(number, self.now);
        }
        host.program = None;
        host.kernel.sockets.clear();
        self.judge.died(number);
    }

    pub(crate) fn power_off(&mut self, number: usize) {
        self.kill(number);
        let host = &mut self.hosts[number];
        for segment in 0..self.scenario.segments {
            host.kernel.delete_link(segment);
        }
        host.powered = false;
        host.left.forget();
    }

    pub(crate) fn power_on(&mut self, number: usize) {
        if !self.hosts[number].powered {
            self.hosts[number].boot(self.now, self.scenario.segments);
            self.start(number);
        }
    }

    pub(crate) fn stop(&mut self, number: usize) {
        let now = self.now;
        if let Some(program) = &mut self.hosts[number].program {
            program.stopping.get_or_insert(now);
            program.tell(Input::Stop, false);
            self.arm(number);
        }
    }

    pub(crate) fn pause(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        if host.program.is_some() {
            host.paused_at.get_or_insert(self.now);
            self.judge.runs_no_more(number, self.now);
        }
    }

    pub(crate) fn resume(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        if let Some(since) = host.paused_at.take() {
            host.paused_for += self.now - since;
            host.turn = None;
            self.judge.resumed(number, self.now - since);
            self.judge.runs(number, self.now);
            self.turn(number);
        }
    }

    /// The administrator has the program take another configuration. What of it is more than another priority depends on
    /// the number, so that a seed stays the run that it was.
    pub(crate) fn reconfigure(&mut self, number: usize, group: usize, priority: u8, preempt: bool) {
        let name = group_name(group);
        let Some(whole) = self.scenario.hosts[number].config.instances.get(&name) else { return };
        let mut instance = whole.clone();
        if !instance.priority.is_owner() {
            instance.priority = Priority::new(priority).unwrap();
        }
        instance.preempt = preempt;
        match priority % 8 {
            4 => instance.addresses.truncate(instance.addresses.len().div_ceil(2)),
            5 => instance.addresses.iter_mut().skip(1).for_each(|address| {
                let prefix = address.prefix;
                address.prefix = Prefix::new(prefix.address(), prefix.length() - 1).unwrap();
            }),
            6 => instance.garp = Garp { refresh: Duration::from_secs(1), ..Garp::default() },
            _ => {}
        }
        if priority % 8 == 7 {
            self.hosts[number].config.instances.remove(&name);
        } else {
            self.hosts[number].config.instances.insert(name, instance);
        }
        self.tell_configuration(number);
    }

    /// The administrator undoes what was more than another priority.
    pub(crate) fn restore_configuration(&mut self, number: usize) {
        let whole = self.scenario.hosts[number].config.instances.clone();
        let config = &mut self.hosts[number].config;
        let mut restored = whole;
        for (name, instance) in &mut restored {
            if let Some(now) = config.instances.get(name) {
                (instance.priority, instance.preempt) = (now.priority, now.preempt);
            }
        }
        if config.instances != restored {
            config.instances = restored;
            self.tell_configuration(number);
        }
    }

    fn tell_configuration(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        let config = host.config.clone();
        if let Some(program) = &mut host.program {
            program.tell(Input::Configure(config), false);
            self.arm(number);
        }
    }

    /// Comes back when the next lease of a host is over.
    pub(crate) fn await_end(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        if let Some(end) =
            host.kernel.next_end().filter(|end| host.lease_end.is_none_or(|known| *end < known))
        {
            host.lease_end = Some(end);
            self.later(end.max(self.now), Event::Expire(number));
        }
    }

    fn expire(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        if host.lease_end.is_some_and(|end| end <= self.now) {
            host.lease_end = None;
        }
        for held in host.kernel.expire(self.now) {
            self.trace
                .line(self.now, || format!("h{number} kernel: the lease of {} is over", held.address.prefix));
            self.judge.expired(self.now, number, &self.hosts[number], &held);
        }
        self.await_end(number);
    }

    pub(crate) fn verify_later(&mut self, host: usize, address: IpAddr, wait: u64) {
        self.later(self.now + wait, Event::Verified { host, address });
    }

    /// The host is no longer loaded: the next turn is not put off any more.
    pub(crate) fn unload(&mut self, number: usize) {
        self.hosts[number].wake.1 = self.scenario_wake();
        self.hosts[number].turn = None;
        self.judge.relieved(number, self.now, &self.hosts[number]);
        self.arm(number);
    }

    /// What a fault changed in kernels is told.
    pub(crate) fn after_fault(&mut self) {
        for number in 0..self.hosts.len() {
            self.publish(number);
        }
    }
}

fn longest_wake(scenario: &Scenario) -> u64 {
    (scenario.beat / 50).min(MS)
}
