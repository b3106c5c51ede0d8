//! The judge: looks at every step of every host and says what must never be (safety). What must come to pass once the
//! faults are over is in `calm`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use failover::agent::message::{Change, Output, SocketId};
use failover::agent::report::{Planned, Report};
use failover::agent::snapshot::VrState;
use failover::config::Config;
use failover::config::model::{InstanceConfig, Transport};
use failover::net::LinkIndex;
use failover::time::Instant;
use failover::vrrp::fields::{Claim, Priority, master_down_interval};
use failover::vrrp::packet::{Advertisement, Auth};

use crate::faults::Fault;
use crate::health::Said;
use crate::host::Host;
use crate::kernel::{By, Held};
use crate::scenario::{Group, MS, SECOND, Scenario, group_name};

/// How long after an ill of the kernel its consequences may last: three attempts of two seconds, and some.
const ILL_FOR: u64 = 15 * SECOND;
/// Longest that what is held and what should be held may differ after a kernel was ill: a last attempt that runs into
/// the time limit, and the pause before a removal is tried again.
const ODD_WHEN_ILL: u64 = 10 * SECOND;
/// The same on a healthy one: a queue of requests, events and dumps under way.
const ODD: u64 = 250 * MS;
/// What comes on top where somebody deletes addresses again and again: the pause before they are put back.
const RESTORE_PAUSE: u64 = 1200 * MS;

/// The judge.
#[derive(Debug)]
pub(crate) struct Judge {
    /// The first thing that was wrong.
    pub(crate) failure: Option<String>,
    pub(crate) groups: Vec<Group>,
    pub(crate) watches: Vec<Watch>,
    /// From here on nothing may change.
    pub(crate) still: bool,
    meddling: u64,
    /// Who became MASTER since a MASTER left: host and group.
    pub(crate) successors: Vec<(usize, usize)>,
    /// Who hands over, where nothing fails any more.
    pub(crate) leaving: Option<usize>,
    /// By how much two hosts may misjudge the time while a MASTER hands over.
    pub(crate) slack: u64,
}

/// What is known of one host.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// By group; `None` where the host takes no part.
    pub(crate) seats: Vec<Option<Seat>>,
    /// Addresses that are held and should not be, or the reverse, since when: group and address.
    odd: BTreeMap<(usize, IpAddr), u64>,
    /// Groups that it is MASTER of without an address to send adverts from, since when.
    sourceless: BTreeMap<usize, u64>,
    /// What the program last asked the kernel for.
    wishes: BTreeMap<(LinkIndex, IpAddr), bool>,
    /// What its checks say.
    pub(crate) said: Said,
    dirty: bool,
    seen: u64,
    /// How long the program did not run before this turn.
    slept: u64,
    /// Since when it has run, or not run.
    pub(crate) runs_since: Option<u64>,
    pub(crate) gone_since: Option<u64>,
    ill_until: u64,
    ill: bool,
    /// When the kernel was last ill, or the host loaded, in the time that the program has had.
    well_since: u64,
}

/// What is known of one instance.
#[expect(clippy::struct_excessive_bools, reason = "what happened in a turn, each by itself")]
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) state: VrState,
    config: InstanceConfig,
    before: VrState,
    held: bool,
    /// It resigned and has not said since that it holds the addresses all the same.
    resigning: bool,
    /// It did so in this turn: the priority in force fell.
    renounced: bool,
    /// Priority in force: what its adverts are to say.
    pub(crate) effective: Priority,
    /// It fell by what the program takes in this turn.
    pub(crate) fell: bool,
    last_advert: Option<Instant>,
    /// The second that adverts are counted in, and how many there may be and were.
    second: u64,
    pub(crate) allowed: u64,
    sent: u64,
    /// Out because the kernel refused its addresses, until then.
    pub(crate) out_until: u64,
    /// It was MASTER when its host was told to stop.
    pub(crate) left_as_master: bool,
    /// It has resigned, and may hold the addresses until then.
    leaves_until: Option<u64>,
    /// When it resigned last, and whether it held the addresses for as long as it may.
    pub(crate) resigned_at: u64,
    pub(crate) held_on: bool,
    /// That began in this turn.
    leaves_now: bool,
    /// It goes on where the program before it left off.
    resumed: bool,
}

impl Watch {
    /// Whether the kernel has been ill lately.
    pub(crate) fn is_ill(&self) -> bool {
        self.ill
    }
}

impl Seat {
    fn new(config: &InstanceConfig) -> Self {
        Seat {
            state: VrState::Init,
            config: config.clone(),
            before: VrState::Init,
            held: false,
            resigning: false,
            renounced: false,
            effective: config.priority,
            fell: false,
            last_advert: None,
            second: 0,
            allowed: 0,
            sent: 0,
            out_until: 0,
            left_as_master: false,
            leaves_until: None,
            resigned_at: 0,
            held_on: false,
            leaves_now: false,
            resumed: false,
        }
    }

    pub(crate) fn config(&self) -> &InstanceConfig {
        &self.config
    }
}

impl Judge {
    pub(crate) fn new(scenario: &Scenario, slack: u64) -> Self {
        let seats = || scenario.groups.iter().map(|_| None).collect();
        let watches = scenario.hosts.iter().map(|_| Watch { seats: seats(), ..Watch::default() }).collect();
        let meddles = |fault: &Fault| {
            matches!(fault, Fault::Take { .. } | Fault::ByHand { .. } | Fault::NoPrimary { .. })
        };
        let meddling = scenario.strikes.iter().any(|strike| meddles(&strike.fault));
        Judge {
            failure: None,
            groups: scenario.groups.clone(),
            watches,
            still: false,
            meddling: if meddling { RESTORE_PAUSE } else { 0 },
            successors: Vec::new(),
            leaving: None,
            slack,
        }
    }

    /// Something is wrong.
    pub(crate) fn fail(&mut self, host: usize, what: impl std::fmt::Display) {
        self.failure.get_or_insert_with(|| format!("h{host}: {what}"));
    }

    /// A program begins its life.
    pub(crate) fn born(&mut self, number: usize, now: u64, host: &Host) {
        let watch = &mut self.watches[number];
        watch.seats.iter_mut().for_each(|seat| *seat = None);
        watch.odd.clear();
        watch.sourceless.clear();
        watch.wishes.clear();
        watch.slept = 0;
        watch.dirty = true;
        watch.ill_until = now;
        watch.said.forget();
        self.configured(number, &host.config);
    }

    /// A program is gone, and with it what can be asked of it.
    pub(crate) fn died(&mut self, number: usize) {
        let watch = &mut self.watches[number];
        watch.odd.clear();
        watch.seats.iter_mut().flatten().for_each(|seat| seat.state = VrState::Init);
    }

    /// A program takes a configuration.
    pub(crate) fn configured(&mut self, number: usize, config: &Config) {
        self.watches[number].dirty = true;
        for (group, seat) in self.watches[number].seats.iter_mut().enumerate() {
            let Some(instance) = config.instances.get(&group_name(group)) else { continue };
            let seat = seat.get_or_insert_with(|| Seat::new(instance));
            seat.config = instance.clone();
            // A MASTER says at once what is new.
            seat.allowed += 1;
        }
        self.watches[number].said.configured(config);
        self.restand(number);
    }

    /// A program runs again after a pause.
    pub(crate) fn resumed(&mut self, number: usize, slept: u64) {
        self.watches[number].slept = slept;
    }

    /// A program's turn is over.
    pub(crate) fn turn_over(&mut self, number: usize) {
        self.watches[number].slept = 0;
    }

    /// A host is no longer loaded: what its program was late with it has time for from now on.
    pub(crate) fn relieved(&mut self, number: usize, now: u64, host: &Host) {
        self.watches[number].well_since = host.awake(now);
    }

    /// One fact is given to the program.
    pub(crate) fn begin(&mut self, number: usize) {
        for seat in self.watches[number].seats.iter_mut().flatten() {
            seat.before = seat.state;
            seat.held = false;
            seat.resigning = false;
            seat.renounced = false;
            seat.leaves_now = false;
        }
    }

    /// All outputs of one fact are out.
    pub(crate) fn end(&mut self, number: usize) {
        let mut wrong = None;
        let watch = &mut self.watches[number];
        // Who hands over lets go when it hears its own successor.
        let staying = || watch.seats.iter().flatten().filter(|seat| seat.leaves_until.is_none());
        let masters = staying().filter(|seat| seat.state == VrState::Master).count();
        let all = watch.seats.iter().flatten().count();
        let leaving = staying().count() < all;
        if leaving {
        } else if watch.said.together() && masters != 0 && masters != all {
            wrong = Some(format!("{masters} of a group of {all} are MASTER"));
        }
        for (group, seat) in watch.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let (was_master, is_master) = (seat.before == VrState::Master, seat.state == VrState::Master);
            let fell = std::mem::take(&mut seat.fell);
            if is_master && watch.said.unfit(group) {
                wrong = Some(format!("vr{group} is MASTER while a check that it must not be without fails"));
            }
            let resumed = std::mem::take(&mut seat.resumed);
            if is_master && !was_master && !resumed && watch.said.blocked(group, seat.config.priority) {
                wrong = Some(format!("vr{group} takes over, and nothing is known of a check"));
            }
            if fell && was_master && is_master && !seat.renounced && seat.leaves_until.is_none() {
                wrong = Some(format!("vr{group} keeps its fall to {} to itself", seat.effective));
            }
            if seat.renounced && !(fell && was_master) {
                wrong = Some(format!("vr{group} resigns and goes on, and its priority did not fall"));
            }
            if seat.held && !was_master && seat.state != VrState::Master {
                wrong = Some(format!("vr{group} claims the addresses as {}", seat.state));
            }
            if seat.leaves_now && !seat.resigning {
                wrong = Some(format!("vr{group} hands over without a resignation"));
            }
            if seat.resigning && (!was_master || is_master && !seat.leaves_now) {
                wrong = Some(format!("vr{group} resigns in {}, was {}", seat.state, seat.before));
            }
        }
        if let Some(wrong) = wrong {
            self.fail(number, wrong);
        }
    }

    /// Looks at one output, before it is done.
    pub(crate) fn output(&mut self, now: u64, number: usize, host: &Host, output: &Output) {
        match output {
            Output::Send { socket, source, destination, payload } => {
                let local = host.clock.shows(now);
                if let Err(wrong) =
                    self.advert((now, local), number, host, *socket, *source, *destination, payload)
                {
                    self.fail(number, wrong);
                }
            }
            Output::Report(Report::Planned(Planned::HandingOver { subject, limit })) => {
                let group: usize = subject.name.trim_start_matches("vr").parse().unwrap();
                if *limit != self.promised(number, group) {
                    self.fail(number, format!("vr{group} resigns, and is to hold on for {limit:?}"));
                }
                if let Some(seat) = &mut self.watches[number].seats[group] {
                    let local = host.clock.shows(now).after(*limit);
                    (seat.leaves_until, seat.leaves_now) = (Some(host.clock.when(local)), true);
                    seat.resigned_at = now;
                }
            }
            Output::Report(Report::Planned(Planned::NotTaken { subject })) => {
                let group: usize = subject.name.trim_start_matches("vr").parse().unwrap();
                if let Some(seat) = &mut self.watches[number].seats[group] {
                    seat.leaves_until = None;
                }
            }
            Output::Frame { link, bytes } => self.frame(number, host, *link, bytes),
            Output::Apply { link, change, .. } => {
                let (prefix, add) = match change {
                    Change::Add { prefix, .. } | Change::Renew { prefix, .. } => (prefix, true),
                    Change::Remove { prefix } => (prefix, false),
                };
                self.watches[number].wishes.insert((*link, prefix.address()), add);
            }
            Output::Report(report) => self.report(now, number, host, report),
            Output::Finished => self.finished(number, host),
            Output::Listen(_)
            | Output::Unlisten(_)
            | Output::Dump
            | Output::Watch(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::Drained(_)
            | Output::Holds { .. }
            | Output::StoodAside => {}
        }
    }

    /// An advert is what the configuration says, comes from who may send it, and not too often.
    #[expect(clippy::too_many_arguments, reason = "an advert with all that it is judged by")]
    fn advert(
        &mut self,
        (now, local): (u64, Instant),
        number: usize,
        host: &Host,
        socket: SocketId,
        source: IpAddr,
        destination: IpAddr,
        payload: &[u8],
    ) -> Result<(), String> {
        let parsed = Advertisement::parse(payload, source, destination)
            .map_err(|error| format!("sends what does not parse: {error}"))?;
        let message = parsed.advertisement;
        let group = usize::from(message.vrid.number()).wrapping_sub(51);
        let segment = self.groups.get(group).map(|group| group.segment);
        let on = host.kernel.segment_of(socket.link);
        let slept = self.watches[number].slept;
        let seat = self.watches[number].seats.get_mut(group).and_then(Option::as_mut);
        let seat = seat.ok_or_else(|| format!("sends for VRID {}, which is not its own", message.vrid))?;
        let own = &seat.config;
        let listed = own.addresses.iter().map(|address| address.prefix.address());
        let auth = own.password.map_or(Auth::None, |password| Auth::Password(password.0));
        let counted = match &own.transport {
            Transport::Multicast if destination == own.family.vrrp_group() => true,
            Transport::Unicast(peers) if peers.contains(&destination) => peers[0] == destination,
            Transport::Multicast | Transport::Unicast(_) => {
                return Err(format!("vr{group} sends to {destination}"));
            }
        };
        if (message.version, message.interval, message.auth) != (own.version, own.interval, auth)
            || !listed.eq(message.addresses.iter().copied())
            || on.is_some() && on != segment
        {
            return Err(format!("vr{group} sends {message:?} on link {}", socket.link));
        }
        match message.claim {
            Claim::Resign => {
                seat.resigning = true;
                return Ok(());
            }
            Claim::Hold(_) if seat.leaves_until.is_some_and(|until| now < until) => {
                return Err(format!("vr{group} advertises, and has resigned"));
            }
            Claim::Hold(priority) if priority == seat.effective => {
                seat.renounced |= std::mem::take(&mut seat.resigning);
                seat.held = true;
            }
            Claim::Hold(priority) => {
                return Err(format!("vr{group} sends priority {priority}, {} counts", seat.effective));
            }
        }
        if !counted {
            return Ok(());
        }
        let down = master_down_interval(own.version, seat.effective, own.interval);
        let silent = seat.last_advert.map_or(Duration::ZERO, |last| local.since(last));
        if seat.state == VrState::Master && silent > down && seat.leaves_until.is_none() {
            return Err(format!(
                "vr{group} goes on as MASTER after {silent:?} of silence (slept {slept} ns)"
            ));
        }
        seat.last_advert = Some(local);
        seat.count(local)
    }

    /// An announcement is of an address that is held here, by a MASTER.
    fn frame(&mut self, number: usize, host: &Host, link: LinkIndex, bytes: &[u8]) {
        let address = announced(bytes);
        let group = self.groups.iter().position(|group| group.addresses.contains(&address));
        let watch = &self.watches[number];
        let seat = group.and_then(|group| watch.seats[group].as_ref());
        let Some(seat) = seat else { return self.fail(number, format!("announces {address}")) };
        if seat.state != VrState::Master {
            let state = seat.state;
            return self.fail(number, format!("announces {address} as {state}"));
        }
        let held = host.kernel.address(link, address).is_some();
        let let_go = watch.wishes.get(&(link, address)) == Some(&false);
        if !held && (let_go || self.still) {
            self.fail(number, format!("announces {address}, which it does not hold"));
        }
    }

    fn report(&mut self, now: u64, number: usize, host: &Host, report: &Report) {
        let Report::Transition { subject, previous, state, reason, .. } = report else { return };
        let group: usize = subject.name.trim_start_matches("vr").parse().unwrap();
        let (still, down) = (self.still, self.groups[group].down);
        let watch = &mut self.watches[number];
        let slept = watch.slept;
        watch.dirty = true;
        let Some(seat) = &mut watch.seats[group] else { return };
        let mut wrong = None;
        if *state == VrState::Master && previous != state && host.left.is_drained(group) {
            wrong = Some(format!("vr{group} takes over, and is drained: {reason}"));
        }
        seat.held_on = seat.leaves_until.take().is_some_and(|until| now >= until);
        seat.resumed = *previous == VrState::Init && reason.starts_with("goes on from");
        if seat.state != *previous {
            wrong = Some(format!("vr{group} leaves {previous}, but was {}", seat.state));
        }
        if still && previous != state {
            wrong = Some(format!("vr{group}: {previous} → {state} in the calm: {reason}"));
        }
        let first = !self.successors.iter().any(|(_, of)| *of == group);
        let gap = self.leaving.is_some_and(|from| from != number) && first;
        if *state == VrState::Master && previous != state {
            self.successors.push((number, group));
            seat.allowed += 2;
            if slept > 2 * down && !seat.config.priority.is_owner() {
                wrong = Some(format!("vr{group} takes over straight after a sleep of {slept} ns"));
            }
        }
        if let Some((_, wait)) = reason.rsplit_once("; trying again in ") {
            let seconds: f64 = wait.trim_end_matches(" s").parse().unwrap();
            let wait = u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap();
            seat.out_until =
                seat.out_until.max(host.clock.when(host.clock.shows(now).after(Duration::from_nanos(wait))));
        }
        seat.state = *state;
        if gap && *state == VrState::Master && self.left_a_gap(now, number, group) {
            wrong = Some(format!("vr{group} takes over, and nobody had the addresses before"));
        }
        if let Some(wrong) = wrong {
            self.fail(number, wrong);
        }
    }

    /// A program that has stopped leaves nothing behind, if its kernel was well.
    fn finished(&mut self, number: usize, host: &Host) {
        let left = host.kernel.held().iter().find(|held| held.by == By::Agent(host.life));
        let ill = self.watches[number].ill;
        if let Some(left) = left.filter(|_| !ill) {
            self.fail(number, format!("stopped, but left {} behind", left.address.prefix));
        }
        self.died(number);
    }

    /// The kernel is about to do what the program asked for: it is not to touch what an administrator put there.
    pub(crate) fn executes(
        &mut self,
        now: u64,
        number: usize,
        host: &Host,
        link: LinkIndex,
        change: &Change,
    ) {
        let (prefix, does) = match change {
            Change::Add { .. } => return,
            Change::Renew { prefix, .. } => (prefix, "leases"),
            Change::Remove { prefix } => (prefix, "removes"),
        };
        let settled = |held: &&Held| now > held.since + SECOND;
        let held = host.kernel.address(link, prefix.address()).filter(settled);
        if held.is_some_and(|held| held.by == By::Administrator) && !self.watches[number].ill {
            self.fail(number, format!("{does} {prefix}, which an administrator put there"));
        }
    }

    /// Looks at a host after a step: what is held is what should be held, but for a bounded time.
    pub(crate) fn look(&mut self, now: u64, number: usize, host: &Host) {
        let watch = &mut self.watches[number];
        if host.ills.any() {
            watch.ill_until = now + ILL_FOR;
            watch.well_since = host.awake(now);
        }
        watch.ill = now < watch.ill_until;
        self.look_at_leases(now, number, host);
        let watch = &mut self.watches[number];
        if host.program.is_none() {
            return;
        }
        let awake = host.awake(now);
        watch.look_for_sources(awake, host, &self.groups);
        if watch.dirty || watch.seen != host.kernel.changes {
            watch.dirty = false;
            watch.seen = host.kernel.changes;
            for (group, seat) in watch.seats.iter().enumerate() {
                let Some(seat) = seat else { continue };
                let waits = waits_for_source(host, self.groups[group].segment, seat);
                for address in &self.groups[group].addresses {
                    let held = host.kernel.address_on(self.groups[group].segment, *address);
                    let wanted = seat.config.addresses.iter().any(|one| one.prefix.address() == *address);
                    let odd = match seat.state {
                        VrState::Master if waits => false,
                        VrState::Master if wanted => held.is_none(),
                        VrState::Master | VrState::Init | VrState::Backup | VrState::Fault => {
                            held.is_some_and(|held| is_ours(host, held))
                        }
                    };
                    if odd {
                        watch.odd.entry((group, *address)).or_insert(awake);
                    } else {
                        watch.odd.remove(&(group, *address));
                    }
                }
            }
        }
        if host.paused_at.is_some() {
            return;
        }
        let late = watch.seats.iter().position(|seat| {
            let until =
                seat.as_ref().filter(|seat| seat.state == VrState::Master).and_then(|s| s.leaves_until);
            until.is_some_and(|until| awake > watch.well_since + ODD && now > until + ODD + 4 * host.wake.1)
        });
        if let Some(group) = late {
            return self.fail(number, format!("vr{group} has resigned, and holds on"));
        }
        let watch = &mut self.watches[number];
        let patience = if watch.ill { ODD_WHEN_ILL } else { ODD + self.meddling + 4 * host.wake.1 };
        let endless = watch.sourceless.iter().find(|(group, since)| {
            let interval = watch.seats[**group].as_ref().map_or(0, |seat| interval_of(&seat.config));
            awake - watch.well_since.max(**since) > 2 * interval + patience
        });
        if let Some((group, _)) = endless {
            let what = format!("vr{group} is MASTER for ever with nothing to send from");
            return self.fail(number, what);
        }
        let overdue = watch.odd.iter().find(|(_, since)| awake - watch.well_since.max(**since) > patience);
        if let Some(((group, address), since)) = overdue {
            let state = watch.seats[*group].as_ref().map_or(VrState::Init, |seat| seat.state);
            let held = if state == VrState::Master { "not held" } else { "held" };
            let what = format!("vr{group}: {address} {held} as {state} for {} ms", (awake - since) / MS);
            self.fail(number, what);
        }
    }

    /// Whether anything is not as it should be on a host.
    pub(crate) fn odd(&self, number: usize) -> Option<(usize, IpAddr)> {
        self.watches[number].odd.keys().next().copied()
    }
}

/// Whether it is MASTER and its host has no address to send adverts from, as it may for two intervals.
fn waits_for_source(host: &Host, segment: usize, seat: &Seat) -> bool {
    seat.state == VrState::Master && !host.has_source(segment, seat.config.family)
}

/// An advert interval.
fn interval_of(config: &InstanceConfig) -> u64 {
    u64::from(config.interval.centiseconds()) * 10 * MS
}

impl Watch {
    /// Notes since when it is MASTER of what it cannot send adverts for.
    fn look_for_sources(&mut self, awake: u64, host: &Host, groups: &[Group]) {
        for (group, seat) in self.seats.iter().enumerate() {
            let waits = |seat: &Seat| waits_for_source(host, groups[group].segment, seat);
            if seat.as_ref().is_some_and(waits) {
                self.sourceless.entry(group).or_insert(awake);
            } else {
                self.sourceless.remove(&group);
            }
        }
    }
}

impl Seat {
    /// Counts an advert: no more in a second than the interval asks for, ten answers, and those of takeovers.
    fn count(&mut self, local: Instant) -> Result<(), String> {
        let second = local.as_nanos() / SECOND;
        if second != self.second {
            self.second = second;
            self.sent = 0;
            self.allowed = 100 / u64::from(self.config.interval.centiseconds()) + 10 + 3;
        }
        self.sent += 1;
        if self.sent > self.allowed {
            return Err(format!("VRID {}: {} adverts in a second", self.config.vrid, self.sent));
        }
        Ok(())
    }
}

/// Whether the program that runs on a host must know that an address is its own.
pub(crate) fn is_ours(host: &Host, held: &Held) -> bool {
    match held.by {
        By::Administrator => false,
        By::Agent(life) => host.kernel.tags || life == host.life,
    }
}

/// The address that an announcement frame is about.
fn announced(bytes: &[u8]) -> IpAddr {
    match bytes[12..14] {
        [0x08, 0x06] => Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[28..32]).unwrap()).into(),
        _ => Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[62..78]).unwrap()).into(),
    }
}
