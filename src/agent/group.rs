//! Instances that move together: one state, one readiness, one step.
//!
//! What follows for the others from what happens to one is [`crate::vrrp::together`]'s; here is who belongs together, and
//! what is told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Agent;
use super::instance::Instance;
use super::message::{Entered, Output, Whose};
use super::report::{Around, Report};
use super::snapshot::{GroupStatus, VrState};
use crate::config::model::{GroupConfig, Hooks};
use crate::time::Instant;
use crate::vrrp::router::{Event, Router};
use crate::vrrp::together;

/// Rounds of events in one turn: each makes fewer due or MASTER, so they end long before.
const ROUNDS: usize = 8;

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Arc<str>,
    /// Numbers of its instances, in configured order.
    members: Vec<usize>,
    hooks: Option<Arc<Hooks>>,
    state: VrState,
    since: Instant,
    reason: String,
    /// Something happened to a member in this turn.
    touched: bool,
    /// What happens to one member is being passed on to the others.
    passing_on: bool,
}

impl Group {
    /// Numbers of its instances, in configured order.
    pub(super) fn members(&self) -> impl Iterator<Item = usize> {
        self.members.iter().copied()
    }

    /// For `status`.
    pub(super) fn status(&self, now: Instant, instances: &[Instance]) -> GroupStatus {
        let name = |number| instances.get(number).map(|member: &Instance| member.subject.name.to_string());
        GroupStatus {
            name: self.name.to_string(),
            state: self.state,
            since_seconds: now.since(self.since).as_secs_f64(),
            reason: self.reason.clone(),
            members: self.members().filter_map(name).collect(),
        }
    }

    /// The state of all members as one, and the member that it is for. Before all are MASTER it is BACKUP.
    fn state_of(&self, instances: &[Instance]) -> Option<(VrState, usize)> {
        let states = || self.members().filter_map(|n| Some((instances.get(n)?.state, n)));
        let first = |wanted: VrState| states().find(|(state, _)| *state == wanted);
        first(VrState::Fault).or(first(VrState::Init)).or(first(VrState::Backup)).or(first(VrState::Master))
    }
}

impl Agent {
    /// The groups are these now. One that stays keeps its state; who is in none any more moves alone. One that is gone is
    /// told so, for the last time.
    pub(super) fn regroup(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<String, GroupConfig>,
        out: &mut Vec<Output>,
    ) {
        for at in 0..self.groups.len() {
            if self.groups.get(at).is_some_and(|group| !wanted.contains_key(&*group.name)) {
                self.group_leaves(now, at, "no longer configured", out);
            }
        }
        let mut old: Vec<Group> = std::mem::take(&mut self.groups);
        for instance in &mut self.instances {
            instance.group = None;
            instance.subject.group = None;
        }
        for (name, config) in wanted {
            let known = old.iter().position(|group| *group.name == **name).map(|at| old.swap_remove(at));
            let shared: Arc<str> = Arc::from(name.as_str());
            let members: Vec<usize> =
                config.members.iter().filter_map(|member| self.by_name.get(member).copied()).collect();
            for member in &members {
                if let Some(instance) = self.instances.get_mut(*member) {
                    instance.group = Some(self.groups.len());
                    instance.subject.group = Some(Arc::clone(&shared));
                }
            }
            let rehooked = known.as_ref().is_some_and(|group| group.hooks != config.hooks);
            let (state, since, reason) = known.map_or_else(
                || (VrState::Init, now, "starting".to_owned()),
                |group| (group.state, group.since, group.reason),
            );
            self.groups.push(Group {
                name: shared,
                members,
                hooks: config.hooks.clone(),
                state,
                since,
                reason,
                touched: true,
                passing_on: false,
            });
            if rehooked {
                out.extend(self.group_entry(self.groups.len() - 1, state, false).map(Output::Rehooked));
            }
        }
    }

    /// Something happened to an instance; the others of its group follow.
    pub(super) fn pass_on(
        &mut self,
        now: Instant,
        number: usize,
        was_master: bool,
        event: Event,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.instances.get(number).and_then(|instance| instance.group) else { return };
        let Some(group) = self.groups.get_mut(at) else { return };
        group.touched = true;
        if std::mem::replace(&mut group.passing_on, true) {
            return;
        }
        let members = group.members.clone();
        let who = members.iter().position(|member| *member == number).unwrap_or(usize::MAX);
        let mut events = self.follow(&members, who, was_master, &event);
        for _ in 0..ROUNDS {
            if events.is_empty() {
                break;
            }
            for (place, event) in events {
                if let Some(member) = members.get(place) {
                    self.drive(now, *member, event, out);
                }
            }
            events = self.follow(&members, usize::MAX, false, &Event::Timeout);
        }
        if let Some(group) = self.groups.get_mut(at) {
            group.passing_on = false;
        }
    }

    fn follow(&self, members: &[usize], who: usize, was_master: bool, event: &Event) -> Vec<(usize, Event)> {
        let router = |number: &usize| self.instances.get(*number).map(|instance| &instance.router);
        let routers: Vec<&Router> = members.iter().filter_map(router).collect();
        together::follow(&routers, who, was_master, event)
    }

    /// At the end of a turn: tells which groups are in another state now.
    pub(super) fn groups_settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        // Who leaves is told so by `groups_leave`.
        if self.phase != super::Phase::Running {
            return;
        }
        for at in 0..self.groups.len() {
            let Some(group) = self.groups.get_mut(at).filter(|group| group.touched) else { continue };
            group.touched = false;
            let Some((state, member)) = group.state_of(&self.instances) else { continue };
            if state == group.state {
                continue;
            }
            let member = self.instances.get(member);
            let reason = member.map_or_else(String::new, |m| format!("{}: {}", m.subject.name, m.reason));
            let previous = std::mem::replace(&mut group.state, state);
            group.since = now;
            group.reason.clone_from(&reason);
            let name = group.name.clone();
            let report = Around::Group { name, previous, state, reason };
            out.push(Output::Report(Report::Around(report)));
            self.group_entered(at, previous, false, out);
        }
    }

    /// The agent leaves: each group is told so, for the last time.
    pub(super) fn groups_leave(&mut self, now: Instant, out: &mut Vec<Output>) {
        for at in 0..self.groups.len() {
            self.group_leaves(now, at, "stopped", out);
        }
    }

    fn group_leaves(&mut self, now: Instant, at: usize, reason: &str, out: &mut Vec<Output>) {
        let Some(group) = self.groups.get_mut(at) else { return };
        let previous = std::mem::replace(&mut group.state, VrState::Init);
        group.since = now;
        reason.clone_into(&mut group.reason);
        self.group_entered(at, previous, true, out);
    }

    /// Something happened to an instance: at the end of the turn its group is looked at.
    pub(super) fn touch(&mut self, number: usize) {
        let group = self.instances.get(number).and_then(|instance| instance.group);
        if let Some(group) = group.and_then(|at| self.groups.get_mut(at)) {
            group.touched = true;
        }
    }

    fn group_entered(&self, at: usize, previous: VrState, leaving: bool, out: &mut Vec<Output>) {
        out.extend(self.group_entry(at, previous, leaving).map(Output::Entered));
    }

    fn group_entry(&self, at: usize, previous: VrState, leaving: bool) -> Option<Entered> {
        let group = self.groups.get(at)?;
        let priorities = group.members().filter_map(|n| self.instances.get(n)).map(|m| m.priority().number());
        Some(Entered {
            whose: Whose::Group,
            name: group.name.clone(),
            previous,
            state: group.state,
            leaving,
            priority: priorities.min().unwrap_or(0),
            reason: group.reason.as_str().into(),
            hooks: group.hooks.clone(),
        })
    }
}
