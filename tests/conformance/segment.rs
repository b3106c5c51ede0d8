//! Virtual routers on one link, without a network: what one advertises the others hear at once. Time is virtual.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use failover::time::Instant;
use failover::vrrp::fields::{Claim, Interval, Priority, Version};
use failover::vrrp::router::{Action, Cause, Event, Heard, Promotion, Router, Settings, State};

use super::bytes::{centiseconds, ip};

const BEGIN: Instant = Instant::from_nanos(1_000_000_000_000);

/// Version 3, one second, preempting.
pub(crate) fn settings(priority: u8) -> Settings {
    Settings {
        version: Version::V3,
        priority: Priority::new(priority).unwrap(),
        interval: Interval::DEFAULT,
        preempt: true,
        preempt_delay: Duration::ZERO,
        promotion: Promotion::Alone,
    }
}

/// The same in version 2.
pub(crate) fn settings_v2(priority: u8) -> Settings {
    Settings { version: Version::V2, ..settings(priority) }
}

/// The same, every `number` centiseconds.
pub(crate) fn every(number: u16, settings: Settings) -> Settings {
    Settings { interval: centiseconds(number), ..settings }
}

/// The same, without preempting.
pub(crate) fn patient(settings: Settings) -> Settings {
    Settings { preempt: false, ..settings }
}

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

/// The link.
pub(crate) struct Segment {
    routers: Vec<(IpAddr, Settings, Router)>,
    now: Instant,
    /// Nobody hears anybody.
    pub(crate) cut: bool,
    /// When, who, what.
    log: Vec<(Duration, usize, Action)>,
}

impl Segment {
    /// Routers with these addresses and parameters, none of them started.
    pub(crate) fn new(routers: &[(&str, Settings)]) -> Self {
        let routers = routers.iter().map(|(address, s)| (ip(address), *s, Router::new(*s))).collect();
        Segment { routers, now: BEGIN, cut: false, log: Vec::new() }
    }

    /// One router with the address 192.0.2.2, started.
    pub(crate) fn one(settings: Settings) -> Self {
        let mut segment = Segment::new(&[("192.0.2.2", settings)]);
        segment.start(0);
        segment
    }

    /// One router that is MASTER, has been for 40 % of its interval, and what it did so far forgotten.
    pub(crate) fn master(settings: Settings) -> Self {
        let mut segment = Segment::one(settings);
        while !segment.is_master(0) {
            segment.run(segment.timer(0).unwrap());
        }
        segment.run(settings.interval.duration() * 2 / 5);
        segment.log.clear();
        segment
    }

    pub(crate) fn start(&mut self, n: usize) {
        let primary = self.routers[n].0;
        self.give(n, Event::Startup { primary });
    }

    pub(crate) fn stop(&mut self, n: usize) {
        self.give(n, Event::Shutdown);
    }

    /// The router is gone without a word.
    pub(crate) fn crash(&mut self, n: usize) {
        self.routers[n].2 = Router::new(self.routers[n].1);
    }

    /// A router that is not on this link is heard: its priority, address and interval in centiseconds.
    pub(crate) fn hear(&mut self, n: usize, priority: u8, source: &str, interval: u16) {
        let claim = Claim::from_number(priority);
        self.give(n, Event::Heard(Heard { claim, source: ip(source), interval: centiseconds(interval) }));
    }

    pub(crate) fn give(&mut self, n: usize, event: Event) {
        let mut given = vec![(n, event)];
        for round in 0.. {
            assert!(round < 100, "a storm of adverts");
            let mut next = Vec::new();
            for (n, event) in given {
                let mut actions = Vec::new();
                self.routers[n].2.handle(self.now, event, &mut actions);
                for action in actions {
                    self.log.push((self.now.since(BEGIN), n, action));
                    next.extend(self.carry(n, action));
                }
            }
            given = next;
            if given.is_empty() {
                return;
            }
        }
    }

    fn carry(&self, from: usize, action: Action) -> Vec<(usize, Event)> {
        let Action::Advertise(claim) = action else { return Vec::new() };
        let (source, settings, _) = &self.routers[from];
        let heard = Heard { claim, source: *source, interval: settings.interval };
        let others = (0..self.routers.len()).filter(|n| *n != from && !self.cut);
        others.map(|n| (n, Event::Heard(heard))).collect()
    }

    /// Lets time pass; timers run out in their order.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        loop {
            let due = self.routers.iter().enumerate().filter_map(|(n, r)| Some((r.2.deadline()?, n))).min();
            match due {
                Some((at, n)) if at <= end => {
                    self.now = at;
                    self.give(n, Event::Timeout);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Time since the segment was made.
    pub(crate) fn now(&self) -> Duration {
        self.now.since(BEGIN)
    }

    /// Time until the router's timer runs out.
    pub(crate) fn timer(&self, n: usize) -> Option<Duration> {
        self.routers[n].2.deadline().map(|at| at.since(self.now))
    }

    pub(crate) fn state(&self, n: usize) -> State {
        self.routers[n].2.state()
    }

    pub(crate) fn is_master(&self, n: usize) -> bool {
        matches!(self.state(n), State::Master(_))
    }

    pub(crate) fn is_backup(&self, n: usize) -> bool {
        matches!(self.state(n), State::Backup(_))
    }

    /// The interval that a BACKUP counts by, in centiseconds.
    pub(crate) fn learned(&self, n: usize) -> Option<u16> {
        match self.state(n) {
            State::Backup(backup) => Some(backup.interval.centiseconds()),
            State::Init | State::Master(_) | State::Leaving(_) => None,
        }
    }

    pub(crate) fn masters(&self) -> BTreeSet<usize> {
        (0..self.routers.len()).filter(|n| self.is_master(*n)).collect()
    }

    /// What router `n` did, in order.
    pub(crate) fn actions(&self, n: usize) -> Vec<Action> {
        self.log.iter().filter(|(_, who, _)| *who == n).map(|(_, _, action)| *action).collect()
    }

    /// When router `n` advertised, and the priority in it.
    pub(crate) fn adverts(&self, n: usize) -> Vec<(Duration, u8)> {
        let adverts =
            self.log.iter().filter(|(_, who, _)| *who == n).filter_map(|(at, _, action)| match action {
                Action::Advertise(claim) => Some((*at, claim.number())),
                Action::Acquire | Action::Contested | Action::Release | Action::Entered(_) => None,
            });
        adverts.collect()
    }

    /// Why router `n` last changed its state.
    pub(crate) fn cause(&self, n: usize) -> Option<Cause> {
        self.actions(n).into_iter().rev().find_map(|action| match action {
            Action::Entered(cause) => Some(cause),
            Action::Advertise(_) | Action::Acquire | Action::Contested | Action::Release => None,
        })
    }

    pub(crate) fn forget(&mut self) {
        self.log.clear();
    }
}
