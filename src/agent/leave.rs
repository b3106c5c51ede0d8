//! Leaving on purpose: an instance that is drained, a host that stands aside, an agent that stops. Whoever is MASTER hands
//! over: resigns, and holds its addresses until its successor has them.
//!
//! Owns: which instances are drained, and what is left to do before the agent has left. Never: remembers that beyond the
//! life of the process; that is asked of others ([`Output::Drained`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::instance::Instance;
use super::message::{Drain, Output};
use super::report::{Planned, Report};
use super::{Agent, Phase};
use crate::net::Family;
use crate::time::Instant;
use crate::vrrp::router::{Afterwards, Cause, Event, HandOver};

/// How long a stopping agent waits for the kernel's word that its addresses are gone.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How long a successor takes from its first advert until it has announced one address, and how much more for each
/// further one: several times what we and keepalived were measured to take. Meanwhile both have the address, which nobody
/// sees who does not just then ask for it; without this, nobody would have it.
const SETTLE: Duration = Duration::from_millis(5);
const SETTLE_MORE_IPV4: Duration = Duration::from_micros(100);
const SETTLE_MORE_IPV6: Duration = Duration::from_millis(1);

/// Whether the host stands aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Aside {
    /// It does not.
    #[default]
    No,
    /// It does, and hands over.
    Leaving,
    /// It does, and holds nothing.
    Done,
}

impl Agent {
    /// Which instances a drain of `names` concerns, those that move with them included; all for no names. Unless `insist`,
    /// it is refused, with the reason in words, where nobody was ever heard who could take over.
    pub fn drainable(&self, names: &[String], insist: bool) -> Result<BTreeSet<String>, String> {
        let all = self.with_their_groups(names)?;
        let alone = |name: &&String| {
            let instance = self.by_name.get(*name).and_then(|number| self.instances.get(*number));
            instance.is_some_and(|instance| instance.is_master() && instance.counters.adverts_received == 0)
        };
        let alone: Vec<&str> = all.iter().filter(alone).map(String::as_str).collect();
        if alone.is_empty() || insist {
            return Ok(all);
        }
        Err(format!(
            "no other router was heard of by {} since this agent started, so nobody may be there to take over\n  \
             a backup is silent as long as it hears a master: look whether one runs, then use --force",
            alone.join(", ")
        ))
    }

    /// These instances, and those that move with them; all for no names. Why not, in words.
    pub fn with_their_groups(&self, names: &[String]) -> Result<BTreeSet<String>, String> {
        if names.is_empty() {
            return Ok(self.by_name.keys().chain(self.drained.iter()).cloned().collect());
        }
        let mut all = BTreeSet::new();
        for name in names {
            let number = self.by_name.get(name);
            if number.is_none() && !self.drained.contains(name) {
                return Err(self.unknown(name));
            }
            all.insert(name.clone());
            let group = number.and_then(|number| self.instances.get(*number)?.group);
            let members =
                group.and_then(|at| self.groups.get(at)).into_iter().flat_map(super::Group::members);
            all.extend(members.filter_map(|n| Some(self.instances.get(n)?.subject.name.to_string())));
        }
        Ok(all)
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.by_name.keys().take(8).map(String::as_str).collect();
        if known.is_empty() {
            return format!("no instance `{name}` is configured, nor any other");
        }
        format!("no instance `{name}` is configured; there are {}", known.join(", "))
    }

    /// The longest that a hand-over of these instances takes.
    #[must_use]
    pub fn hand_over_limit(&self, names: &BTreeSet<String>) -> Duration {
        let asked = names.iter().filter_map(|name| self.instances.get(*self.by_name.get(name)?));
        let masters = asked.filter(|instance| instance.is_master());
        masters.map(|instance| self.limit_of(instance)).max().unwrap_or_default()
    }

    /// How long an instance waits for its successor: those that move together are taken over together, by the slowest.
    fn limit_of(&self, instance: &Instance) -> Duration {
        let group = instance.group.and_then(|at| self.groups.get(at));
        let others = group.into_iter().flat_map(super::Group::members).filter_map(|n| self.instances.get(n));
        let limits = others.map(|other| other.router.hand_over_limit());
        limits.chain([instance.router.hand_over_limit()]).max().unwrap_or_default()
    }

    /// Every drained instance, configured or not.
    #[must_use]
    pub fn drained(&self) -> &Arc<BTreeSet<String>> {
        &self.drained
    }

    pub(super) fn drain(&mut self, now: Instant, drain: Drain, out: &mut Vec<Output>) {
        let Drain { names, insist } = drain;
        let fresh: BTreeSet<String> = names.difference(&self.drained).cloned().collect();
        self.drained = Arc::new(self.drained.union(&names).cloned().collect());
        if !self.configured {
            return;
        }
        out.push(Output::Drained(Arc::clone(&self.drained)));
        let numbers: Vec<usize> = names.iter().filter_map(|name| self.by_name.get(name).copied()).collect();
        for number in &numbers {
            let Some(instance) = self.instances.get_mut(*number) else { continue };
            instance.drained = true;
            if fresh.contains(&*instance.subject.name) {
                let subject = instance.subject.clone();
                out.push(Output::Report(Report::Planned(Planned::Drained { subject })));
            }
            self.restand(now, *number, None, out);
        }
        for number in numbers {
            self.hand_over(now, number, Afterwards::Backup, insist, out);
        }
    }

    pub(super) fn undrain(&mut self, now: Instant, names: &BTreeSet<String>, out: &mut Vec<Output>) {
        let ended: BTreeSet<String> = self.drained.intersection(names).cloned().collect();
        self.drained = Arc::new(self.drained.difference(&ended).cloned().collect());
        // Also where none was: what is written down may be damaged.
        out.push(Output::Drained(Arc::clone(&self.drained)));
        for name in &ended {
            let Some(number) = self.by_name.get(name).copied() else { continue };
            let Some(instance) = self.instances.get_mut(number) else { continue };
            instance.drained = false;
            let subject = instance.subject.clone();
            out.push(Output::Report(Report::Planned(Planned::Undrained { subject })));
            self.restand(now, number, None, out);
            self.relent(now, number, out);
        }
    }

    /// An instance that hands over may be MASTER again if nobody takes over: nothing wants it to leave any more, and none of
    /// its group has.
    fn relent(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get(number) else { return };
        let wanted_to = self.phase != Phase::Running || self.aside != Aside::No || instance.drained;
        let members = instance.group.and_then(|at| self.groups.get(at)).map(super::Group::members);
        let holds = |other| self.instances.get(other).is_some_and(Instance::is_master);
        let whole = members.is_none_or(|mut members| members.all(holds));
        if instance.router.is_leaving() && !wanted_to && whole {
            self.drive(now, number, Event::Relent, out);
        }
    }

    pub(super) fn stand_aside(&mut self, now: Instant, aside: bool, out: &mut Vec<Output>) {
        if aside != (self.aside == Aside::No) {
            // Told once more of what is so already: whoever waits for the end of it is answered.
            if self.aside == Aside::Done {
                out.push(Output::StoodAside);
            }
            return;
        }
        self.aside = if aside { Aside::Leaving } else { Aside::No };
        out.push(Output::Report(Report::Planned(Planned::Aside(aside))));
        for number in 0..self.instances.len() {
            if let Some(instance) = self.instances.get_mut(number).filter(|instance| !instance.retired) {
                instance.aside = aside;
                self.restand(now, number, None, out);
                self.relent(now, number, out);
            }
        }
        if aside {
            for number in 0..self.instances.len() {
                self.hand_over(now, number, Afterwards::Backup, true, out);
            }
        }
    }

    /// A MASTER hands over; nothing happens to others.
    fn hand_over(
        &mut self,
        now: Instant,
        number: usize,
        then: Afterwards,
        insist: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(instance) = self.instances.get(number).filter(|instance| instance.is_master()) else {
            return;
        };
        if instance.source_due().is_some() {
            // It cannot resign.
            return self.source_lost(now, number, out);
        }
        let before = instance.router.is_leaving();
        let subject = instance.subject.clone();
        let limit = self.limit_of(instance);
        let plan = HandOver { then, limit, settle: settle(instance), insist };
        let keys = instance.place.as_ref().map_or(Vec::new(), |place| place.keys.clone());
        self.drive(now, number, Event::HandOver(plan), out);
        for key in keys {
            // Its successor's announcements are to be the last.
            self.announcer.cancel(key);
        }
        if let Some(instance) = self.instances.get_mut(number) {
            instance.reannounce_at = None;
        }
        // One that has slept is none any more.
        if !before && self.instances.get(number).is_some_and(|instance| instance.router.is_leaving()) {
            out.push(Output::Report(Report::Planned(Planned::HandingOver { subject, limit })));
        }
    }

    /// An instance of a group has handed over: for the others there is no way back.
    pub(super) fn others_insist(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let group = self.instances.get(number).and_then(|instance| self.groups.get(instance.group?));
        let others: Vec<usize> = group.into_iter().flat_map(super::Group::members).collect();
        for other in others {
            if self.instances.get(other).is_some_and(|other| other.router.is_leaving()) {
                self.hand_over(now, other, Afterwards::Backup, true, out);
            }
        }
    }

    /// Nobody took over from an instance that was to be drained: it is MASTER as before, and those that move with it are
    /// not drained either.
    pub(super) fn not_taken(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get(number) else { return };
        let name = instance.subject.name.to_string();
        let subject = instance.subject.clone();
        out.push(Output::Report(Report::Planned(Planned::NotTaken { subject })));
        if let Ok(names) = self.with_their_groups(&[name]) {
            self.undrain(now, &names, out);
        }
    }

    pub(super) fn stop(&mut self, now: Instant, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Running => {
                self.phase = Phase::HandingOver;
                out.push(Output::Report(Report::Stopping));
                for number in 0..self.instances.len() {
                    self.hand_over(now, number, Afterwards::Init, true, out);
                    // Also one that was MASTER until it saw, just now, that it had slept: it is not to be so again.
                    if !self.instances.get(number).is_some_and(Instance::is_master) {
                        self.leave(now, number, "stopped", out);
                    }
                }
            }
            // Who asks twice does not want to wait.
            Phase::HandingOver => {
                for number in 0..self.instances.len() {
                    self.leave(now, number, "stopped", out);
                }
            }
            Phase::Stopping(_) | Phase::Stopped => {}
        }
    }

    /// At the end of a turn: whether what was begun is done.
    pub(super) fn finish(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.aside != Aside::Leaving && self.phase == Phase::Running {
            return;
        }
        let holds = self.instances.iter().any(Instance::is_master);
        if self.aside == Aside::Leaving && !holds {
            self.aside = Aside::Done;
            out.push(Output::StoodAside);
        }
        if self.phase == Phase::HandingOver && !holds {
            self.phase = Phase::Stopping(now.after(STOP_LIMIT));
            for number in 0..self.instances.len() {
                // Who became unfit meanwhile.
                if self.instances.get(number).is_some_and(|instance| !instance.leaving) {
                    self.leave(now, number, "stopped", out);
                }
            }
            self.groups_leave(now, out);
        }
        if let Phase::Stopping(until) = self.phase {
            let left = self.addresses.leaving();
            if left == 0 || now >= until {
                self.phase = Phase::Stopped;
                out.push(Output::Report(Report::Stopped { left }));
                out.push(Output::Finished);
            }
        }
    }

    /// Why an instance that hands over does so, in words.
    pub(super) fn leaves_because(&self, instance: &Instance) -> &'static str {
        if self.phase != Phase::Running {
            "stopped"
        } else if self.aside == Aside::No || instance.drained {
            "drained"
        } else {
            "this host shuts down or goes to sleep"
        }
    }

    /// An instance has handed over and takes no part any more: that is the last that is told of it.
    pub(super) fn handed_over(&mut self, number: usize, cause: Cause) {
        if let Some(instance) = self.instances.get_mut(number)
            && matches!(cause, Cause::HandedOver { .. })
            && self.phase != Phase::Running
        {
            instance.leaving = true;
        }
    }
}

/// How long its successor may take to have its addresses.
fn settle(instance: &Instance) -> Duration {
    let (mut ipv4, mut ipv6) = (0, 0);
    for address in instance.config.all_addresses() {
        match Family::of(address.prefix.address()) {
            Family::Ipv4 => ipv4 += 1,
            Family::Ipv6 => ipv6 += 1,
        }
    }
    SETTLE + SETTLE_MORE_IPV4 * ipv4 + SETTLE_MORE_IPV6 * ipv6
}
