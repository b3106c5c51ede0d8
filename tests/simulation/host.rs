//! One host: its clock, its kernel, and the program that may run on it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use failover::agent::Agent;
use failover::agent::message::{Datagram, Input, SocketId};
use failover::config::Config;
use failover::health::checks::{Checks, RunnerId};
use failover::net::{Family, Prefix};
use failover::time::Instant;

use crate::kernel::{By, Kernel};
use crate::leave::Left;
use crate::network::Packet;
use crate::random::Random;

/// Datagrams that the receive buffer takes; what comes on top is lost.
const DATAGRAMS: usize = 256;
/// Events that the netlink buffer takes; what comes on top is lost, and the loss is told.
const EVENTS: usize = 256;

/// A clock that counts from its own origin at its own rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What it shows at the start of the run.
    pub(crate) offset: u64,
    /// Parts per million that it is fast.
    pub(crate) ppm: i64,
}

impl Clock {
    /// What it shows at the true time `now`.
    pub(crate) fn shows(&self, now: u64) -> Instant {
        let drift = (i128::from(now) * i128::from(self.ppm)).div_euclid(1_000_000);
        Instant::from_nanos(u64::try_from(i128::from(self.offset) + i128::from(now) + drift).unwrap())
    }

    /// The first true time at which it shows `then` or later.
    pub(crate) fn when(&self, then: Instant) -> u64 {
        let span = i128::from(then.as_nanos()) - i128::from(self.offset);
        let guess = (span * 1_000_000).div_euclid(1_000_000 + i128::from(self.ppm)).max(0);
        let mut at = u64::try_from(guess).unwrap_or(u64::MAX / 4);
        while self.shows(at) < then {
            at += 1;
        }
        while at > 0 && self.shows(at - 1) >= then {
            at -= 1;
        }
        at
    }
}

/// What troubles a host's kernel now; thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ills {
    /// Requests refused.
    pub(crate) refuse: u64,
    /// Requests that run into the time limit, half of them carried out.
    pub(crate) time_out: u64,
    /// Events that overrun the buffer.
    pub(crate) lose_events: u64,
    /// Sockets refused.
    pub(crate) refuse_sockets: u64,
}

impl Ills {
    /// Whether there are any.
    pub(crate) fn any(self) -> bool {
        self.refuse + self.time_out + self.lose_events + self.refuse_sockets > 0
    }
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) clock: Clock,
    pub(crate) kernel: Kernel,
    pub(crate) program: Option<Program>,
    /// What the program is started with.
    pub(crate) config: Config,
    /// Its own addresses by segment.
    pub(crate) own: Vec<(usize, Prefix)>,
    /// Without power nothing runs and nothing is held.
    pub(crate) powered: bool,
    /// Since when the program does not run although it should.
    pub(crate) paused_at: Option<u64>,
    /// Time that it did not run for, pauses that are over.
    pub(crate) paused_for: u64,
    /// Shortest and longest time from a fact or a deadline to the program's turn.
    pub(crate) wake: (u64, u64),
    pub(crate) ills: Ills,
    pub(crate) left: Left,
    pub(crate) random: Random,
    /// When the program's next turn is, and the number of that appointment.
    pub(crate) turn: Option<(u64, u64)>,
    /// Numbers the lives of the program on this host.
    pub(crate) life: u64,
    /// The kernel tells in order: the last event, the last answer, the last request done.
    pub(crate) told_at: u64,
    pub(crate) answered_at: u64,
    pub(crate) executed_at: u64,
    /// When somebody looks whether a lease is over.
    pub(crate) lease_end: Option<u64>,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) agent: Agent,
    pub(crate) checks: Checks,
    /// What looks at what.
    pub(crate) probes: BTreeMap<RunnerId, Arc<str>>,
    pub(crate) inputs: VecDeque<Input<'static>>,
    pub(crate) datagrams: VecDeque<(SocketId, Packet)>,
    /// It was told to stop at this time.
    pub(crate) stopping: Option<u64>,
}

impl Program {
    pub(crate) fn new(router_id: String) -> Self {
        Program {
            agent: Agent::new(router_id),
            checks: Checks::default(),
            probes: BTreeMap::new(),
            inputs: VecDeque::new(),
            datagrams: VecDeque::new(),
            stopping: None,
        }
    }

    /// A fact for the program's netlink socket; `event` is one that may be lost.
    pub(crate) fn tell(&mut self, input: Input<'static>, event: bool) {
        if event && self.inputs.len() >= EVENTS {
            if !matches!(self.inputs.back(), Some(Input::Missed)) {
                self.inputs.push_back(Input::Missed);
            }
            return;
        }
        self.inputs.push_back(input);
    }

    /// A message for one of the program's sockets.
    pub(crate) fn receive(&mut self, socket: SocketId, packet: Packet) {
        if self.datagrams.len() < DATAGRAMS {
            self.datagrams.push_back((socket, packet));
        }
    }
}

impl Host {
    /// The time that the program has had to run, for bounds that a pause must not break.
    pub(crate) fn awake(&self, now: u64) -> u64 {
        now - self.paused_for - self.paused_at.map_or(0, |since| now - since)
    }

    /// Switches the host on: links and its own addresses are there.
    pub(crate) fn boot(&mut self, now: u64, segments: usize) {
        self.powered = true;
        for segment in 0..segments {
            self.kernel.make_link(segment);
        }
        self.restore_own(now, false);
    }

    /// Whether an address of its own on a segment can be the source of adverts of this family.
    pub(crate) fn has_source(&self, segment: usize, family: Family) -> bool {
        self.own.iter().any(|(on, prefix)| {
            let held = self.kernel.address_on(segment, prefix.address());
            *on == segment
                && Family::of(prefix.address()) == family
                && held.is_some_and(|held| !held.address.tentative)
        })
    }

    /// Puts its own addresses back where they are missing; the IPv6 ones that need a check for duplicates.
    pub(crate) fn restore_own(&mut self, now: u64, check: bool) -> Vec<Prefix> {
        let mut added = Vec::new();
        for (segment, prefix) in self.own.clone() {
            let Some(link) = self.kernel.link_on(segment).filter(|link| link.up) else { continue };
            let (index, tentative) = (link.index, check && prefix.address().is_ipv6());
            if self.kernel.add(now, index, prefix, By::Administrator, tentative).is_ok() && tentative {
                added.push(prefix);
            }
        }
        added
    }

    /// What a packet looks like to the agent.
    pub(crate) fn datagram(socket: SocketId, packet: &Packet) -> Datagram<'_> {
        Datagram {
            socket,
            source: packet.source,
            destination: packet.destination,
            hop_limit: Packet::HOP_LIMIT,
            payload: &packet.payload,
        }
    }
}
