//! The whole node as a value: time and a fact go in, actions come out.
//!
//! [`Agent::handle`] is total: it never fails, blocks or logs. [`Agent::deadline`] says when it must be called again if
//! nothing else happens. The same agent runs in production, in the simulator and under the fuzzer.
//!
//! | part | owns |
//! |---|---|
//! | [`message`] | the contract: inputs and outputs |
//! | `world` | links and addresses as the kernel last told them |
//! | `instance` | one virtual router and what is known about it |
//! | `leave` | leaving on purpose: hand-over, drain, stop |
//! | `resume` | going on where a process that died left off |
//! | `judge` | verdicts of checks, and what they do to instances |
//! | `group` | instances that move together |
//! | `configure`, [`outlook`] | another configuration: taking it, and foreseeing what that does |
//! | `readiness` | whether an instance can take part, and why not |
//! | `receive`, `transmit` | checks on what comes in; bytes that go out |
//! | [`addresses`] | desired against observed addresses |
//! | `routes` | which addresses the kernel makes a route for |
//! | `announcer` | gratuitous ARP and neighbour advertisements, paced |
//! | `source` | which address adverts come from, and what to do while there is none |
//! | `sockets` | which sockets are open with which filter |
//! | `timers` | who is due next |
//! | [`report`], [`snapshot`], `summary` | what people are told |

pub mod addresses;
mod announcer;
mod configure;
mod elect;
mod group;
mod instance;
mod judge;
mod leave;
pub mod message;
pub mod outlook;
mod readiness;
mod receive;
pub mod report;
mod resume;
mod routes;
pub mod snapshot;
mod sockets;
mod source;
mod summary;
mod timers;
mod transmit;
pub mod trouble;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use leave::STOP_LIMIT;

use addresses::Addresses;
use announcer::Announcer;
use group::Group;
use instance::Instance;
use judge::Judged;
use leave::Aside;
use message::{Input, Output, SocketId, Watched};
use report::Report;
use resume::Memory;
use snapshot::{AgentCounters, Snapshot};
use sockets::Sockets;
use timers::Timers;
use world::{Event as WorldEvent, World};

use crate::config::model::GroupConfig;
use crate::net::{LinkIndex, LinkName, Prefix};
use crate::time::Instant;
use crate::vrrp::router::{Action, Event};

/// That events were lost is reported no more often than this: a host whose links change all the time loses them again and
/// again.
const MISSED_REPORT_AFTER: Duration = Duration::from_mins(1);

/// The whole node.
#[derive(Debug)]
pub struct Agent {
    router_id: String,
    /// Whether it has a configuration: a further one is told as a change.
    configured: bool,
    phase: Phase,
    world: World,
    sockets: Sockets,
    addresses: Addresses,
    announcer: Announcer,
    timers: Timers,
    /// By number. The number of one that is gone is given to the next new one.
    instances: Vec<Instance>,
    by_name: BTreeMap<String, usize>,
    /// Who a message is for: socket and VRID.
    by_wire: BTreeMap<(SocketId, u8), usize>,
    /// Every virtual address: none of them is a primary address of this host.
    virtual_addresses: BTreeSet<IpAddr>,
    /// Networks that are known to have an address of the host's own, or none; empty when that may have changed.
    networks: BTreeMap<(LinkIndex, Prefix), bool>,
    /// Every interface that an instance names: changes of others concern nobody.
    interfaces: BTreeSet<LinkName>,
    /// Groups, by the number that [`Instance::group`] has.
    groups: Vec<Group>,
    /// The same as they are configured.
    group_configs: BTreeMap<String, GroupConfig>,
    /// What each configured check says.
    checks: BTreeMap<String, Judged>,
    /// What the checks were last asked to be.
    watched: Arc<Watched>,
    /// Which instances are drained, whether they are configured or not.
    drained: Arc<BTreeSet<String>>,
    aside: Aside,
    memory: Memory,
    counters: AgentCounters,
    missed_reported: Option<Instant>,
    /// Buffers that live on, so that a turn allocates nothing.
    actions: Vec<Action>,
    due: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// To be stopped, but for instances that hold their addresses until somebody else has them.
    HandingOver,
    /// Until then at the latest.
    Stopping(Instant),
    Stopped,
}

impl Agent {
    /// An agent that calls itself `router_id` and has no instances yet.
    #[must_use]
    pub fn new(router_id: String) -> Self {
        Agent {
            router_id,
            configured: false,
            phase: Phase::Running,
            world: World::default(),
            sockets: Sockets::default(),
            addresses: Addresses::default(),
            announcer: Announcer::default(),
            timers: Timers::default(),
            instances: Vec::new(),
            by_name: BTreeMap::new(),
            by_wire: BTreeMap::new(),
            virtual_addresses: BTreeSet::new(),
            networks: BTreeMap::new(),
            interfaces: BTreeSet::new(),
            groups: Vec::new(),
            group_configs: BTreeMap::new(),
            checks: BTreeMap::new(),
            watched: Arc::default(),
            drained: Arc::default(),
            aside: Aside::default(),
            memory: Memory::default(),
            counters: AgentCounters::default(),
            missed_reported: None,
            actions: Vec::new(),
            due: Vec::new(),
        }
    }

    /// Takes one fact at time `now`; appends what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Output>) {
        let before = out.len();
        match input {
            Input::Configure(config) => self.configure(now, config, out),
            Input::Datagram(datagram) => self.hear(now, &datagram, out),
            Input::Observed(observed) => {
                self.counters.dumps += 1;
                let again = self.world.replace(observed);
                self.compare_all(now, out);
                if again {
                    out.push(Output::Dump);
                }
            }
            Input::Missed => {
                self.counters.events_missed += 1;
                if self.missed_reported.is_none_or(|at| now.since(at) >= MISSED_REPORT_AFTER) {
                    self.missed_reported = Some(now);
                    out.push(Output::Report(Report::EventsMissed { count: self.counters.events_missed }));
                }
                self.dump(out);
            }
            Input::Link(link) => self.link_there(now, link, out),
            Input::LinkGone(index) => self.link_gone(now, index, out),
            Input::Address(address) => self.address_there(now, address, out),
            Input::AddressGone { link, prefix } => self.address_gone(now, link, prefix, out),
            Input::Listening { socket, outcome } => self.listening(now, socket, outcome, out),
            Input::Applied { request, outcome } => {
                if let Some((link, prefix)) = self.addresses.applied(now, request, outcome, out) {
                    // The kernel's event may still be under way; who looks meanwhile must not take it for there.
                    self.world.apply(WorldEvent::AddressGone(link, prefix));
                }
            }
            Input::SendFailed { socket, refusal } => self.send_failed(now, socket, refusal, out),
            Input::Judged(fact) => self.judged(now, &fact, out),
            Input::Drain(drain) => self.drain(now, drain, out),
            Input::Undrain(names) => self.undrain(now, &names, out),
            Input::Remembered(remembered) => self.memory = Memory::new(now, remembered),
            Input::StandAside(aside) => self.stand_aside(now, aside, out),
            Input::Timeout => self.timeout(now, out),
            Input::Stop => self.stop(now, out),
        }
        self.memory_fades(now, out);
        self.settle(now, out);
        self.groups_settle(now, out);
        self.finish(now, out);
        self.spare_routes(out.get_mut(before..).unwrap_or_default());
    }

    /// When [`Input::Timeout`] is due, if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let stop = match self.phase {
            Phase::Stopped => return None,
            Phase::Stopping(at) => Some(at),
            Phase::Running | Phase::HandingOver => None,
        };
        let parts = [
            self.timers.first(),
            self.addresses.deadline(),
            self.announcer.deadline(),
            self.sockets.deadline(),
            self.memory.until(),
            stop,
        ];
        parts.into_iter().flatten().min()
    }

    /// How often an address of ours has come or gone, as the kernel says: no output tells of that.
    #[must_use]
    pub fn address_changes(&self) -> u64 {
        self.addresses.changes
    }

    /// What it is doing and why.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let numbers = self.by_name.values().filter_map(|number| self.instances.get(*number));
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            router_id: self.router_id.clone(),
            configuration: None,
            instances: numbers.map(|instance| self.status_of(now, instance)).collect(),
            groups: self.groups.iter().map(|group| group.status(now, &self.instances)).collect(),
            checks: Vec::new(),
            drained: self.drained.iter().cloned().collect(),
            counters: self.counters.clone(),
        }
    }

    /// Adverts first, then addresses and sockets, announcements last: those can wait a turn.
    fn timeout(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut due = std::mem::take(&mut self.due);
        self.timers.due(now, &mut due);
        for number in &due {
            self.instance_due(now, *number, out);
        }
        self.due = due;
        self.addresses.run(now, out);
        self.sockets.run(now, out);
        self.announce(now, out);
    }

    fn instance_due(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        if instance.router.deadline().is_some_and(|at| at <= now) {
            self.drive(now, number, Event::Timeout, out);
        }
        let Some(instance) = self.instances.get_mut(number) else { return };
        if instance.reannounce_at.is_some_and(|at| at <= now) {
            instance.reannounce_at = None;
            self.announce_again(now, number);
        }
        let Some(instance) = self.instances.get_mut(number) else { return };
        let held_off = instance.hold_off.take_if(|(until, _)| *until <= now).is_some();
        self.source_overdue(now, number, out);
        if held_off {
            self.evaluate(now, number, out);
        }
        self.rearm(number);
    }

    /// Tells the index of deadlines what the instance says.
    fn rearm(&mut self, number: usize) {
        if let Some(instance) = self.instances.get(number) {
            self.timers.set(number, instance.deadline());
        }
    }

    fn dump(&mut self, out: &mut Vec<Output>) {
        if self.world.want_dump() {
            out.push(Output::Dump);
        }
    }
}

#[cfg(test)]
mod tests;
