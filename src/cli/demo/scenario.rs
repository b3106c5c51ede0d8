//! What happens in the demo, in order; each step waits for the fact that it is about, and for no longer than a limit.
//!
//! Fails when a step's fact does not come in time, with the last words of both agents, and when it is interrupted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use super::super::Failure;
use super::client::{Client, Outage, Sight};
use super::host::{answer, order};
use super::plan::Host;
use super::timeline::{Measured, Timeline, Who};
use super::world::{Event, World};
use crate::agent::snapshot::VrState;
use crate::os::clock;
use crate::time::Instant;

/// Longest wait for anything: more than ten times what it takes.
const LIMIT: Duration = Duration::from_secs(4);
/// How long the service is watched between two moves. Not a multiple of the advert interval: the crash shall come
/// somewhere between two adverts, not right after one.
const CALM: Duration = Duration::from_millis(650);
/// How often the timeline is looked at.
const TURN: Duration = Duration::from_millis(10);
/// Lines of each agent's log that are kept for the case that something fails.
const LAST_WORDS: usize = 6;

/// What is known of the world, from its events.
#[derive(Default)]
struct Facts {
    states: BTreeMap<Host, VrState>,
    answers: BTreeMap<Host, String>,
    gone: BTreeSet<Host>,
    log: BTreeMap<Host, VecDeque<String>>,
    /// Who answers the client.
    serving: Option<Host>,
}

impl Facts {
    fn holds(&self, host: Host) -> bool {
        self.states.get(&host) == Some(&VrState::Master) && self.serving == Some(host)
    }

    fn said(&self, host: Host, answer: &str) -> bool {
        self.answers.get(&host).is_some_and(|said| said.starts_with(answer))
    }
}

/// The demo while it runs.
pub(super) struct Scenario {
    facts: Facts,
    timeline: Timeline,
    // Last: it takes everything away.
    world: World,
}

impl Scenario {
    pub(super) fn new(world: World, timeline: Timeline) -> Self {
        Scenario { facts: Facts::default(), timeline, world }
    }

    /// Plays it, and measures.
    pub(super) fn play(mut self) -> Result<Measured, Failure> {
        for host in Host::ALL {
            self.boot(host)?;
        }
        self.timeline.start(clock::now());
        self.note("starts an agent on both hosts");
        self.world.order(Host::Alpha, order::START)?;
        // One after the other: beta would be first if alpha's start took longer than the difference of their patience.
        self.until("alpha's agent to start", |facts| {
            facts.states.get(&Host::Alpha) == Some(&VrState::Backup)
        })?;
        self.world.order(Host::Beta, order::START)?;
        let (socket, events) = self.world.client()?;
        let client = Client::start(socket, events)
            .map_err(|error| Failure::new(format!("the client cannot be started: {error}")))?;
        self.until("alpha to be MASTER and to serve", |facts| facts.holds(Host::Alpha))?;
        self.calm()?;
        let crash = self.crash()?;
        let comeback = self.come_back()?;
        let handover = self.hand_over()?;
        self.timeline.finish()?;
        let exchanges = client.stop();
        let measure = |(from, to)| Outage::between(&exchanges, from, to);
        Ok(Measured { crash: measure(crash), comeback: measure(comeback), handover: measure(handover) })
    }

    fn crash(&mut self) -> Result<(Instant, Instant), Failure> {
        let start = self.note("cuts alpha's power: SIGKILL to all its processes, its link is gone");
        self.facts.states.remove(&Host::Alpha);
        self.world.cut_power(Host::Alpha)?;
        self.until("beta to take over after the crash", |facts| facts.holds(Host::Beta))?;
        self.until("alpha's processes to be gone", |facts| facts.gone.contains(&Host::Alpha))?;
        Ok((start, self.calm()?))
    }

    fn come_back(&mut self) -> Result<(Instant, Instant), Failure> {
        let start = self.note("switches alpha on again; it has the higher priority and preempts");
        self.boot(Host::Alpha)?;
        self.world.order(Host::Alpha, order::START)?;
        self.until("alpha to take over again", |facts| facts.holds(Host::Alpha))?;
        Ok((start, self.calm()?))
    }

    fn hand_over(&mut self) -> Result<(Instant, Instant), Failure> {
        let start = self.note("asks alpha's agent to stop: SIGTERM");
        self.world.order(Host::Alpha, order::STOP)?;
        self.until("beta to take over from the stopped agent", |facts| facts.holds(Host::Beta))?;
        self.until("alpha's agent to end", |facts| facts.said(Host::Alpha, answer::STOPPED))?;
        Ok((start, self.calm()?))
    }

    fn boot(&mut self, host: Host) -> Result<(), Failure> {
        self.facts.gone.remove(&host);
        self.facts.answers.remove(&host);
        self.world.switch_on(host)?;
        self.until("a host to start", |facts| facts.said(host, answer::APART))?;
        self.world.connect(host)?;
        self.until("a host to be in the network", |facts| facts.said(host, answer::CONNECTED))
    }

    fn note(&mut self, text: &str) -> Instant {
        let now = clock::now();
        self.timeline.add(now, Who::Demo, text);
        now
    }

    /// Goes on until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Facts) -> bool) -> Result<(), Failure> {
        let end = clock::now().after(LIMIT);
        while !done(&self.facts) {
            if clock::now() >= end {
                self.timeline.finish()?;
                return Err(self.late(what));
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Lets the world go on for a while; answers with a time in which it was calm, away from what comes next.
    fn calm(&mut self) -> Result<Instant, Failure> {
        let end = clock::now().after(CALM);
        while clock::now() < end {
            self.turn()?;
        }
        Ok(end.before(CALM / 4))
    }

    fn turn(&mut self) -> Result<(), Failure> {
        if let Some(event) = self.world.next(TURN) {
            self.take(event)?;
        }
        self.timeline.write(clock::now())
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Answer { at, host, text } => {
                if let Some(how) = text.strip_prefix(answer::STOPPED) {
                    self.timeline.add(at, Who::Host(host), &format!("the agent has ended:{how}"));
                }
                self.facts.answers.insert(host, text);
            }
            Event::Log { at, host, text } => {
                if let Some((state, reason)) = transition(&text) {
                    self.facts.states.insert(host, state);
                    // Passed through at each start and stop, which are told already.
                    if state != VrState::Init {
                        self.timeline.transition(at, host, state, reason);
                    }
                }
                let words = self.facts.log.entry(host).or_default();
                words.push_back(text);
                if words.len() > LAST_WORDS {
                    words.pop_front();
                }
            }
            Event::Gone { at, host } => {
                self.facts.gone.insert(host);
                self.facts.states.remove(&host);
                self.timeline.add(at, Who::Host(host), "is dead");
            }
            Event::Client { at, sight } => {
                self.facts.serving = match sight {
                    Sight::Answered(host) => Some(host),
                    Sight::Silence => None,
                };
                self.timeline.sight(at, sight);
            }
            Event::Interrupted => {
                self.timeline.finish()?;
                return Err(Failure::new("interrupted; everything that the demo made is removed"));
            }
        }
        Ok(())
    }

    fn late(&self, what: &str) -> Failure {
        let mut text = format!("waited {} s for {what}, in vain", LIMIT.as_secs());
        for (host, words) in &self.facts.log {
            let _ = write!(text, "\n  last words of {}:", host.name());
            for line in words {
                let _ = write!(text, "\n    {line}");
            }
        }
        Failure::new(text)
    }
}

/// The state that a log line says was entered, and why.
fn transition(line: &str) -> Option<(VrState, &str)> {
    let (_, entered) = line.split_once(") Entering ")?;
    let (word, reason) = entered.split_once(" state: ")?;
    let states = [VrState::Init, VrState::Backup, VrState::Master, VrState::Fault];
    Some((states.into_iter().find(|state| state.word() == word)?, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_are_read_from_the_agents_log() {
        let line = "notice: (web) Entering MASTER state: 192.0.2.1 resigned";
        assert_eq!(transition(line), Some((VrState::Master, "192.0.2.1 resigned")));
        assert_eq!(transition("(web) Entering a new state: of mind"), None);
        assert_eq!(transition("192.0.2.1 is MASTER with priority 150"), None);
    }
}
