//! Going on where a process that died left off.
//!
//! An agent that was killed and is started again before its peers have counted it out is MASTER all along: it finds its
//! addresses, adopts them and sends the next advert. That is decided once for each instance, when it starts. In doubt it
//! starts as BACKUP, and the addresses that were left behind are taken away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Agent;
use super::addresses::ADDRESS_PROTOCOL;
use super::announcer::Key;
use super::instance::{Instance, Place, Source};
use super::message::{Held, LinkAddress, Output, Remembered};
use crate::net::Family;
use crate::time::Instant;
use crate::vrrp::fields::Interval;
use crate::vrrp::router::State;

/// What is remembered of the process before this one, and was not decided yet.
#[derive(Debug, Default)]
pub(super) struct Memory {
    at: Instant,
    held: BTreeMap<String, Held>,
    /// Addresses with our tag that nobody wants were seen, and wait for the end of this.
    leftovers: bool,
}

impl Memory {
    /// One that claims to be of a later time is none: it would never be too old.
    pub(super) fn new(now: Instant, remembered: Remembered) -> Self {
        let Remembered { at, held } = remembered;
        if at > now {
            return Memory::default();
        }
        Memory { at, held, leftovers: false }
    }

    /// Whether anything is still to be decided: until then, no address that was left behind is taken away.
    pub(super) fn is_open(&self) -> bool {
        !self.held.is_empty()
    }

    /// By then all of it is of no use any more.
    pub(super) fn until(&self) -> Option<Instant> {
        self.held.values().map(|held| self.at.after(patience(held.interval))).max()
    }

    /// Addresses wait for the end of it.
    pub(super) fn defer(&mut self) {
        self.leftovers = true;
    }
}

/// How long after the record was last touched an instance may go on. Its last advert left at most an interval before that,
/// and no peer waits less than three; an eighth is for the way.
fn patience(interval: u16) -> Duration {
    let interval = Interval::from_centiseconds(interval).map_or(Duration::ZERO, Interval::duration);
    interval / 8 * 15
}

impl Agent {
    /// Whether an instance that can take part at `place` goes on as MASTER. Asked once for each.
    pub(super) fn resumes(&mut self, now: Instant, number: usize, place: &Place) -> bool {
        let Some(instance) = self.instances.get(number) else { return false };
        let name = instance.subject.name.clone();
        let resumes = self.could_resume(now, instance, place) && self.group_resumes(now, number);
        self.memory.held.remove(&*name);
        resumes
    }

    /// Whether all that is known of an instance itself, at `place`, is as the process before this one left it.
    fn could_resume(&self, now: Instant, instance: &Instance, place: &Place) -> bool {
        self.remembered(now, instance).is_some_and(|held| held.primary == place.primary)
            && instance.heard.is_none()
            && place.keys.iter().all(|key| self.left_by_us(*key, instance))
    }

    /// Whether an address is there and tagged as ours. What carries no tag would never be let go of again; only an owner
    /// has such, and keeps it.
    fn left_by_us(&self, key: Key, instance: &Instance) -> bool {
        let tagged = |address: &LinkAddress| address.protocol == ADDRESS_PROTOCOL;
        let found = self.world.address(key.0, key.1);
        found.is_some_and(|address| tagged(address) || instance.config.priority.is_owner())
    }

    /// An instance that is unfit does not go on, whatever comes.
    pub(super) fn forget(&mut self, number: usize) {
        if let Some(instance) = self.instances.get(number) {
            self.memory.held.remove(&*instance.subject.name);
        }
    }

    /// What is remembered of an instance, if it still is the same and that is not too old.
    fn remembered(&self, now: Instant, instance: &Instance) -> Option<&Held> {
        let held = self.memory.held.get(&*instance.subject.name)?;
        let config = &instance.config;
        let same = held.interface == config.interface.to_string()
            && held.virtual_router_id == config.vrid.number()
            && held.version == config.version.number()
            && Family::of(held.primary) == config.family;
        let soon = now < self.memory.at.after(patience(held.interval));
        (same && soon && !instance.drained).then_some(held)
    }

    /// Who moves with others goes on only if all do: those that came before it have, and those after it will.
    fn group_resumes(&self, now: Instant, number: usize) -> bool {
        let group = self.instances.get(number).and_then(|instance| self.groups.get(instance.group?));
        let mut others = group.into_iter().flat_map(super::Group::members).filter(|other| *other != number);
        others.all(|other| {
            self.instances.get(other).is_some_and(|other| {
                let place = self.readiness_of(other);
                other.is_master() || place.is_ok_and(|place| self.could_resume(now, other, &place))
            })
        })
    }

    /// What has become too old is forgotten. When nothing is left, what was left behind is taken away.
    pub(super) fn memory_fades(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.memory.is_open() {
            let at = self.memory.at;
            let known = &self.by_name;
            let configured = self.configured;
            self.memory.held.retain(|name, held| {
                now < at.after(patience(held.interval)) && (!configured || known.contains_key(name))
            });
        }
        if self.memory.leftovers && !self.memory.is_open() {
            self.memory.leftovers = false;
            self.claim_leftovers(now, out);
        }
    }

    /// Tells what an instance holds, if that is, or with `anew` may be, another thing than was last told.
    pub(super) fn record(&mut self, number: usize, anew: bool, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        let holds = matches!(instance.router.state(), State::Master(_)) && instance.source == Source::There;
        if holds == instance.recorded && !(anew && holds) {
            return;
        }
        let held = holds.then(|| held(instance)).flatten().map(Arc::new);
        if held.is_some() || instance.recorded {
            instance.recorded = held.is_some();
            out.push(Output::Holds { number, held });
        }
    }
}

fn held(instance: &Instance) -> Option<Held> {
    let config = &instance.config;
    Some(Held {
        name: instance.subject.name.to_string(),
        interface: config.interface.to_string(),
        virtual_router_id: config.vrid.number(),
        version: config.version.number(),
        primary: instance.place.as_ref()?.primary,
        interval: config.interval.centiseconds(),
    })
}
