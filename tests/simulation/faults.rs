//! What can go wrong, when it does in a run, and what it does to the hosts and the network.

use std::net::IpAddr;

use failover::net::Prefix;

use crate::kernel::By;
use crate::random::Random;
use crate::scenario::{Group, MS, SECOND};
use crate::world::World;

/// Something that goes wrong, and after a while is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing passes one way.
    Cut { segment: usize, from: usize, to: usize },
    /// Nothing passes between the hosts of the mask and the others.
    Split { segment: usize, mask: u8 },
    /// The program does not run.
    Pause { host: usize },
    /// The program runs late.
    Load { host: usize, lateness: u64 },
    /// The link is down.
    Down { host: usize, segment: usize },
    /// The link has no carrier.
    NoCarrier { host: usize, segment: usize },
    /// The link is deleted, and made anew in the end.
    Delete { host: usize, segment: usize },
    /// The host's own addresses are gone.
    NoPrimary { host: usize, segment: usize },
    /// An administrator deletes a virtual address, whoever put it there.
    Take { host: usize, segment: usize, address: IpAddr },
    /// An administrator puts a virtual address there by hand.
    ByHand { host: usize, segment: usize, address: IpAddr },
    /// The program dies; what it added stays.
    Crash { host: usize },
    /// The host loses power.
    PowerOff { host: usize },
    /// The program is told to stop.
    Stop { host: usize },
    /// The kernel refuses requests this often in a thousand.
    Refuse { host: usize, often: u64 },
    /// Requests run into the time limit.
    TimeOut { host: usize, often: u64 },
    /// Events are lost.
    LoseEvents { host: usize, often: u64 },
    /// Sockets are refused.
    RefuseSockets { host: usize },
    /// All instances are drained; whether that is insisted on.
    Drain { host: usize, insist: bool },
    /// The host is about to sleep, and does not.
    StandAside { host: usize },
    /// The configuration is changed: another priority, and perhaps fewer addresses, others, or none of the instance.
    Reconfigure { host: usize, group: usize, priority: u8, preempt: bool },
}

/// A fault and its time.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    pub(crate) at: u64,
    pub(crate) lasts: u64,
    pub(crate) fault: Fault,
}

const KINDS: usize = 18;

/// Draws the faults of a run that is calm from `calm_at` on. Each run has some kinds only, so that rare meetings of two
/// kinds are not drowned by the others.
pub(crate) fn draw(
    random: &mut Random,
    hosts: usize,
    segments: usize,
    groups: &[Group],
    beat: u64,
    calm_at: u64,
) -> Vec<Strike> {
    let kinds: Vec<usize> = (0..KINDS).filter(|_| random.chance(300)).collect();
    let count = random.pick(&[0, 2, 5, 10, 20, 40]);
    let mut strikes = Vec::new();
    if kinds.is_empty() {
        return strikes;
    }
    for _ in 0..count {
        let at = random.between(0, calm_at * 19 / 20);
        let longest = random.pick(&[beat, beat * 5, beat * 20]);
        let lasts = random.between(beat / 10, longest).min(calm_at - at - 1);
        let kind = random.pick(&kinds);
        strikes.push(Strike { at, lasts, fault: fault(random, kind, hosts, segments, groups, beat) });
    }
    strikes.sort_by_key(|strike| strike.at);
    strikes
}

fn fault(
    random: &mut Random,
    kind: usize,
    hosts: usize,
    segments: usize,
    groups: &[Group],
    beat: u64,
) -> Fault {
    let (host, segment) = (random.index(hosts), random.index(segments));
    let number = random.index(groups.len());
    let group = &groups[number];
    let address = group.addresses[random.index(group.addresses.len())];
    match kind {
        0 => Fault::Cut { segment, from: host, to: (host + 1 + random.index(hosts - 1)) % hosts },
        1 => Fault::Split { segment, mask: u8::try_from(random.between(1, (1 << hosts) - 2)).unwrap() },
        2 => Fault::Pause { host },
        3 => Fault::Load { host, lateness: random.between(MS / 10, beat * 2) },
        4 => Fault::Down { host, segment },
        5 => Fault::NoCarrier { host, segment },
        6 => Fault::Delete { host, segment },
        7 => Fault::NoPrimary { host, segment },
        8 => Fault::Take { host, segment: group.segment, address },
        9 => Fault::ByHand { host, segment: group.segment, address },
        10 => Fault::Crash { host },
        11 => Fault::PowerOff { host },
        12 => Fault::Stop { host },
        13 => Fault::Refuse { host, often: random.pick(&[100, 500, 1000]) },
        14 => Fault::TimeOut { host, often: random.pick(&[100, 500]) },
        15 => Fault::LoseEvents { host, often: random.pick(&[100, 500, 1000]) },
        16 => Fault::RefuseSockets { host },
        _ => Fault::Reconfigure {
            host,
            group: number,
            priority: u8::try_from(random.between(1, 254)).unwrap(),
            preempt: random.chance(500),
        },
    }
}

/// What stays broken when the faults end, in some runs.
pub(crate) fn residue(random: &mut Random, hosts: usize, segments: usize) -> Vec<Fault> {
    let (host, segment) = (random.index(hosts), random.index(segments));
    let mask = u8::try_from(random.between(1, (1 << hosts) - 2)).unwrap();
    match random.between(0, 19) {
        0 => vec![Fault::Split { segment, mask }],
        1 => vec![Fault::Down { host, segment }],
        2 => vec![Fault::NoCarrier { host, segment }],
        3 => vec![Fault::PowerOff { host }],
        4 => vec![Fault::Delete { host, segment }],
        _ => Vec::new(),
    }
}

impl World {
    /// A fault begins.
    pub(crate) fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { segment, from, to } => self.network.cut(segment, from, to),
            Fault::Split { segment, mask } => {
                for (from, to) in across(mask, self.hosts.len()) {
                    self.network.cut(segment, from, to);
                }
            }
            Fault::Pause { host } => self.pause(host),
            Fault::Load { host, lateness } => self.hosts[host].wake.1 = lateness,
            Fault::Down { host, segment } => self.hosts[host].kernel.set_up(segment, false),
            Fault::NoCarrier { host, segment } => self.hosts[host].kernel.set_carrier(segment, false),
            Fault::Delete { host, segment } => self.hosts[host].kernel.delete_link(segment),
            Fault::NoPrimary { host, segment } => {
                for (on, prefix) in self.hosts[host].own.clone() {
                    if on == segment {
                        self.take(host, on, prefix.address());
                    }
                }
            }
            Fault::Take { host, segment, address } => self.take(host, segment, address),
            Fault::ByHand { host, segment, address } => {
                let (now, kernel) = (self.now, &mut self.hosts[host].kernel);
                if let Some(link) = kernel.link_on(segment).filter(|link| link.up).map(|link| link.index) {
                    // There already: the administrator is told so, and nothing changes.
                    let _ = kernel.add(now, link, Prefix::host(address), By::Administrator, false);
                }
            }
            Fault::Crash { host } => self.kill(host),
            Fault::PowerOff { host } => self.power_off(host),
            Fault::Stop { host } => self.stop(host),
            Fault::Drain { host, insist } => self.drain(host, insist),
            Fault::StandAside { host } => self.stand_aside(host, true),
            Fault::Refuse { host, often } => self.hosts[host].ills.refuse = often,
            Fault::TimeOut { host, often } => self.hosts[host].ills.time_out = often,
            Fault::LoseEvents { host, often } => self.hosts[host].ills.lose_events = often,
            Fault::RefuseSockets { host } => self.hosts[host].ills.refuse_sockets = 500,
            Fault::Reconfigure { host, group, priority, preempt } => {
                self.reconfigure(host, group, priority, preempt);
            }
        }
        self.after_fault();
    }

    /// A fault is mended.
    pub(crate) fn relent(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { segment, from, to } => self.network.heal(segment, from, to),
            Fault::Split { segment, mask } => {
                for (from, to) in across(mask, self.hosts.len()) {
                    self.network.heal(segment, from, to);
                }
            }
            Fault::Pause { host } => self.resume(host),
            Fault::Load { host, .. } => self.unload(host),
            Fault::Down { host, segment } => self.hosts[host].kernel.set_up(segment, true),
            Fault::NoCarrier { host, segment } => self.hosts[host].kernel.set_carrier(segment, true),
            Fault::Delete { host, segment } => {
                if self.hosts[host].powered {
                    self.hosts[host].kernel.make_link(segment);
                }
            }
            Fault::NoPrimary { .. } | Fault::Take { .. } => {}
            Fault::Reconfigure { host, .. } => self.restore_configuration(host),
            Fault::ByHand { host, segment, address } => {
                let kernel = &self.hosts[host].kernel;
                if kernel.address_on(segment, address).is_some_and(|held| held.by == By::Administrator) {
                    self.take(host, segment, address);
                }
            }
            Fault::Crash { host } | Fault::Stop { host } => self.start(host),
            Fault::Drain { host, .. } => self.undrain(host),
            Fault::StandAside { host } => self.stand_aside(host, false),
            Fault::PowerOff { host } => self.power_on(host),
            Fault::Refuse { host, .. } => self.hosts[host].ills.refuse = 0,
            Fault::TimeOut { host, .. } => self.hosts[host].ills.time_out = 0,
            Fault::LoseEvents { host, .. } => self.hosts[host].ills.lose_events = 0,
            Fault::RefuseSockets { host } => self.hosts[host].ills.refuse_sockets = 0,
        }
        self.restore_own();
        self.after_fault();
    }

    /// Everything is mended, whatever the order in which faults overlapped.
    pub(crate) fn mend(&mut self) {
        self.network.heal_all();
        self.network.dials = self.scenario.smooth.clone();
        for host in 0..self.hosts.len() {
            self.power_on(host);
            for segment in 0..self.scenario.segments {
                let kernel = &mut self.hosts[host].kernel;
                kernel.make_link(segment);
                kernel.set_up(segment, true);
                kernel.set_carrier(segment, true);
            }
            self.hosts[host].ills = crate::host::Ills::default();
            self.unload(host);
            self.resume(host);
            self.start(host);
            self.restore_configuration(host);
            self.undrain(host);
            self.stand_aside(host, false);
        }
        self.restore_own();
        self.after_fault();
    }

    fn take(&mut self, host: usize, segment: usize, address: IpAddr) {
        let kernel = &mut self.hosts[host].kernel;
        if let Some(link) = kernel.link_on(segment).map(|link| link.index) {
            // Not there: the administrator is told so, and nothing changes.
            let _ = kernel.remove(link, address);
        }
    }

    fn restore_own(&mut self) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].powered {
                for prefix in self.hosts[host].restore_own(self.now, true) {
                    let wait = self.hosts[host].random.between(SECOND / 10, SECOND);
                    self.verify_later(host, prefix.address(), wait);
                }
            }
        }
    }
}

/// Every way between the hosts in `mask` and the others.
fn across(mask: u8, hosts: usize) -> Vec<(usize, usize)> {
    let side = |host: usize| mask >> host & 1;
    let pairs = (0..hosts).flat_map(|from| (0..hosts).map(move |to| (from, to)));
    pairs.filter(|(from, to)| side(*from) != side(*to)).collect()
}
