//! What checks say, and what follows for the instances that listen to them: another priority, FAULT, or to wait.
//!
//! Never: runs a check or counts its outcomes; that is `health`, elsewhere.

use std::fmt::Write;

use super::Agent;
use super::group::Group;
use super::instance::Instance;
use super::message::{Entered, Output, Whose};
use super::report::{Around, Report};
use super::snapshot::{InstanceStatus, TrackStatus, VrState};
use crate::config::model::{Initial, InstanceConfig, Track};
use crate::health::check::Fact;
use crate::health::standing::{self, Verdict, View};
use crate::time::Instant;
use crate::vrrp::router::Event;

/// What one check says.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) view: View,
    /// Why, in one line.
    pub(super) text: String,
}

impl Judged {
    pub(super) fn new(initial: Initial) -> Self {
        let view = View::default().then(initial.into(), None);
        Judged { view, text: "not run yet".to_owned() }
    }
}

impl Agent {
    /// A check says something. Of one that is not configured any more nothing is wanted.
    pub(super) fn judged(&mut self, now: Instant, fact: &Fact, out: &mut Vec<Output>) {
        let Some(judged) = self.checks.get_mut(&*fact.check) else { return };
        let before = judged.view;
        judged.view = before.then(fact.verdict, fact.weight);
        judged.text.clone_from(&fact.text);
        let (same, news) =
            (judged.view == before, judged.view.verdict != before.verdict || fact.held.is_some());
        if same && !news {
            return;
        }
        let concerned = self.listeners(&fact.check);
        if news {
            let Fact { check, verdict, text, held, .. } = fact.clone();
            let name = |number: &usize| Some(self.instances.get(*number)?.subject.name.clone());
            let instances = concerned.iter().filter_map(name).collect();
            let report = Around::Verdict { check, verdict, text, held, instances };
            out.push(Output::Report(Report::Around(report)));
        }
        if same {
            return;
        }
        for number in &concerned {
            self.restand(now, *number, Some(fact), out);
        }
        self.evaluate_all(now, concerned, out);
    }

    /// What an instance listens to, by name: what it tracks itself, then what others of its group track and it does not.
    /// With each the member that tracks it, if that is another one.
    pub(super) fn tracked<'a>(
        &'a self,
        instance: &'a Instance,
    ) -> impl Iterator<Item = (&'a str, Track, Option<&'a Instance>)> {
        let group = instance.group.and_then(|group| self.groups.get(group));
        let others = group.into_iter().flat_map(Group::members);
        let others = others.filter_map(|number| self.instances.get(number));
        let others = others.filter(|other| other.subject.name != instance.subject.name);
        let mut seen: Vec<&str> = Vec::new();
        let inherited =
            others.flat_map(|other| other.config.track.iter().map(move |(name, track)| (name, track, other)));
        let inherited: Vec<(&str, Track, Option<&Instance>)> = inherited
            .filter(|(name, _, _)| {
                let new = !instance.config.track.contains_key(*name) && !seen.contains(&name.as_str());
                if new {
                    seen.push(name);
                }
                new
            })
            .map(|(name, track, other)| (name.as_str(), *track, Some(other)))
            .collect();
        let own = instance.config.track.iter().map(|(name, track)| (name.as_str(), *track, None));
        own.chain(inherited)
    }

    /// The instances that listen to a check.
    fn listeners(&self, check: &str) -> Vec<usize> {
        let listens = |instance: &Instance| {
            !instance.retired && self.tracked(instance).any(|(name, _, _)| name == check)
        };
        (0..self.instances.len()).filter(|number| self.instances.get(*number).is_some_and(listens)).collect()
    }

    fn view(&self, check: &str) -> View {
        self.checks.get(check).map_or_else(View::default, |judged| judged.view)
    }

    /// Works out anew what the checks make of an instance, and tells its state machine if that is another thing. Whether it
    /// is fit is a matter of [`Agent::evaluate`].
    pub(super) fn restand(
        &mut self,
        now: Instant,
        number: usize,
        because: Option<&Fact>,
        out: &mut Vec<Output>,
    ) {
        self.stand(number);
        let Some(instance) = self.instances.get_mut(number) else { return };
        let (old, new) = (instance.router.settings(), instance.settings());
        if old == new {
            return;
        }
        if old.priority != new.priority {
            let subject = instance.subject.clone();
            let why = because.map(|fact| format!("check {} is {}; ", fact.check, fact.verdict));
            let because = format!("{}{}", why.unwrap_or_default(), self.arithmetic(number));
            let change = Around::Priority { subject, from: old.priority, to: new.priority, because };
            out.push(Output::Report(Report::Around(change)));
        }
        self.drive(now, number, Event::Configure(new), out);
    }

    /// Works out what the checks make of an instance.
    pub(super) fn stand(&mut self, number: usize) {
        let Some(instance) = self.instances.get(number) else { return };
        let tracked = self.tracked(instance).map(|(name, track, _)| (name, track, self.view(name)));
        let standing = standing::standing(instance.config.priority, tracked);
        if let Some(instance) = self.instances.get_mut(number) {
            instance.told_waiting &= standing.unknown.is_some();
            instance.standing = standing;
        }
    }

    /// The priority as a sum in words: "base 101, haproxy failing −20".
    fn arithmetic(&self, number: usize) -> String {
        let Some(instance) = self.instances.get(number) else { return String::new() };
        let mut words = format!("base {}", instance.config.priority);
        for (name, track, _) in self.tracked(instance) {
            let view = self.view(name);
            match standing::weight(track, view) {
                0 => {}
                // To a string that cannot fail.
                weight => drop(write!(words, ", {name} {} {weight:+}", view.settled)),
            }
        }
        words
    }

    /// Why an instance is unfit, in words.
    pub(super) fn unfit(&self, config: &InstanceConfig) -> Option<String> {
        let unfits = |(name, track): &(&String, &Track)| standing::unfits(**track, self.view(name));
        let (name, _) = config.track.iter().find(unfits)?;
        let judged = self.checks.get(name)?;
        Some(match judged.view.verdict {
            Verdict::Unknown => format!("check {name} was failing when last known"),
            Verdict::Passing | Verdict::Failing => format!("check {name} is failing: {}", judged.text),
        })
    }

    /// A BACKUP that is due and may not take over yet: told once.
    pub(super) fn tell_waiting(&mut self, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        if let Some(check) = instance.standing.unknown.clone()
            && instance.router.is_due()
            && !instance.told_waiting
        {
            instance.told_waiting = true;
            let subject = instance.subject.clone();
            out.push(Output::Report(Report::Around(Around::Waiting { subject, check })));
        }
    }

    /// For `status`.
    pub(super) fn status_of(&self, now: Instant, instance: &Instance) -> InstanceStatus {
        let mut status = instance.status(now, |key| self.addresses.is_present(key));
        status.tracks = self
            .tracked(instance)
            .map(|(name, track, through)| TrackStatus {
                check: name.to_owned(),
                verdict: self.view(name).verdict,
                effect: effect(track),
                adds: standing::weight(track, self.view(name)),
                through: through.map(|other| other.subject.name.to_string()),
            })
            .collect();
        let group = instance.group.and_then(|group| self.groups.get(group));
        status.group = group.map(|group| group.name.to_string());
        status
    }

    /// An instance entered a state: those who wait for that are told.
    pub(super) fn entered(&self, number: usize, previous: VrState, leaving: bool, out: &mut Vec<Output>) {
        out.extend(self.entry(number, previous, leaving).map(Output::Entered));
    }

    /// What is told of an instance that entered a state.
    pub(super) fn entry(&self, number: usize, previous: VrState, leaving: bool) -> Option<Entered> {
        let instance = self.instances.get(number)?;
        Some(Entered {
            whose: Whose::Instance,
            name: instance.subject.name.clone(),
            previous,
            state: instance.state,
            leaving,
            priority: instance.priority().number(),
            reason: instance.reason.as_str().into(),
            hooks: instance.config.hooks.clone(),
        })
    }
}

fn effect(track: Track) -> String {
    match track {
        Track::Fault => "fault".to_owned(),
        Track::Weight(weight) => format!("{:+}", weight.number()),
        Track::FileWeight => "weight".to_owned(),
    }
}
