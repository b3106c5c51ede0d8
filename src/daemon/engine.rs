//! The engine: one thread, one loop, no runtime.
//!
//! A turn waits for any descriptor, then takes what is there in a fixed order: link and address events, the kernel
//! thread's answers, VRRP messages, and last the time. So a process that was held up reads the adverts that waited
//! before it believes that there were none. What the agent wants is done at once, in order.
//!
//! A flood must not keep the timer waiting: reading messages has a budget of time per turn. It is as long as the process
//! is late already, within bounds: to catch up may at most double the delay.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::drain::Concerned;
use super::effects::{Effects, socket_of};
use super::pace::{PAUSE_MS, Pace};
use super::reload::Ticket;
use super::services::Board;
use super::supervisor::Supervisor;
use super::{LEAVE_LIMIT, RunError, convert};
use crate::agent::Agent;
use crate::agent::message::{Datagram, Drain, Input, Output, RequestId, SocketId};
use crate::agent::outlook::Outlook;
use crate::agent::snapshot::Snapshot;
use crate::config::Config;
use crate::observe::notice::Notice;
use crate::os::clock;
use crate::os::netlink::{Monitor, Outcome};
use crate::os::poll::{Poll, Token};
use crate::os::process;
use crate::os::queue::Queue;
use crate::os::signal::{Asked, Signals};
use crate::os::socket::{BATCH, Batch};
use crate::os::timer::Timer;
use crate::time::Instant;

pub(super) const TIMER: Token = Token(0);
pub(super) const WAKE: Token = Token(1);
pub(super) const SIGNALS: Token = Token(2);
pub(super) const MONITOR: Token = Token(3);

/// Time for messages in a turn, at least and at most.
const BUDGET: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(200));
/// Later than this, the process was held up, and more may have arrived than the wait has told.
const HELD_UP: Duration = Duration::from_millis(5);
/// Requests to stop that are obeyed in good order: the first hands over, the second does not wait for a successor. One more
/// ends the process at once.
const PATIENT_STOPS: u8 = 2;
/// Time before a dump that failed is asked for again.
const DUMP_AGAIN: Duration = Duration::from_secs(1);

/// So long after the start, and after another configuration was taken, memory that only these needed is given back: it is calm
/// by then, the second announcements included.
const TIDY_AFTER: Duration = Duration::from_secs(10);

/// Something that another thread asks; the answer goes back the way it says, and none while the agent leaves.
pub(super) enum Query {
    /// What the agent is doing.
    Status(SyncSender<Snapshot>),
    /// What this configuration would do.
    Outlook(Box<Config>, SyncSender<Outlook>),
    /// Take this configuration, unless who asked for it has given up. The answer is what that did.
    Reload(Box<Config>, SyncSender<Outlook>, Ticket),
    /// Have these instances hand over and not compete, all for no names, unless who asked has given up. The answer is
    /// which they are, and how long that takes at most.
    Drain {
        /// Which.
        names: Vec<String>,
        /// Also where nobody takes over.
        force: bool,
        /// For the answer.
        reply: SyncSender<Concerned>,
        /// Of who asked.
        ticket: Ticket,
    },
    /// Have these instances compete again, all for no names. The answer is which they are.
    Undrain {
        /// Which.
        names: Vec<String>,
        /// For the answer.
        reply: SyncSender<Concerned>,
        /// Of who asked.
        ticket: Ticket,
    },
}

/// Where facts come from, but for the sockets, which come and go.
pub(super) struct Sources {
    pub(super) timer: Timer,
    pub(super) monitor: Monitor,
    pub(super) signals: Signals,
    pub(super) queries: Arc<Queue<Query>>,
    /// To whom a SIGHUP is passed on: to read files is not for this thread.
    pub(super) hang_ups: Arc<Queue<()>>,
    /// What checks say.
    pub(super) board: Arc<Board>,
    /// Watches all but the sockets.
    pub(super) urgent: Poll,
    /// Tells systemd.
    pub(super) supervisor: Supervisor,
}

/// The agent and what carries out its outputs.
struct Node {
    agent: Agent,
    effects: Effects,
    out: Vec<Output>,
    /// The time of the last fact: for the agent, time never goes back.
    last: Instant,
    /// What the instances are doing may be something else since it was told.
    news: bool,
}

impl Node {
    fn feed(&mut self, input: Input<'_>) {
        self.feed_at(clock::now(), input);
    }

    fn drain(&mut self, names: &[String], insist: bool) -> Concerned {
        let names = self.agent.drainable(names, insist)?;
        let limit = self.agent.hand_over_limit(&names);
        self.feed(Input::Drain(Drain { names: names.clone(), insist }));
        Ok((names, limit))
    }

    fn undrain(&mut self, names: &[String]) -> Concerned {
        let names = self.agent.with_their_groups(names)?;
        let drained = self.agent.drained().intersection(&names).cloned().collect();
        self.feed(Input::Undrain(names));
        Ok((drained, Duration::ZERO))
    }

    /// Brings a fact that became one at `at`, or at the time of the last fact if that was later.
    fn feed_at(&mut self, at: Instant, input: Input<'_>) {
        self.last = self.last.max(at);
        let before = self.agent.address_changes();
        self.agent.handle(self.last, input, &mut self.out);
        self.news |= self.out.iter().any(may_change_summary);
        if self.agent.address_changes() != before {
            self.effects.changed();
        }
        self.effects.perform(&mut self.out);
    }
}

/// The loop's state.
pub(super) struct Engine {
    node: Node,
    sources: Sources,
    batch: Batch,
    ready: Vec<Token>,
    outcomes: Vec<Outcome>,
    queries: Vec<Query>,
    pace: Pace,
    /// How often it was told to stop.
    stops: u8,
    dump_again_at: Option<Instant>,
    /// When memory is given back.
    tidy_at: Option<Instant>,
    /// It has seen the links and addresses of the host.
    dumped: bool,
    /// It serves, and that was told.
    serves: bool,
}

impl Engine {
    pub(super) fn new(agent: Agent, effects: Effects, sources: Sources) -> Self {
        Engine {
            node: Node { agent, effects, out: Vec::new(), last: Instant::ZERO, news: false },
            sources,
            batch: Batch::default(),
            ready: Vec::new(),
            outcomes: Vec::new(),
            queries: Vec::new(),
            pace: Pace::default(),
            stops: 0,
            dump_again_at: None,
            tidy_at: Some(clock::now().after(TIDY_AFTER)),
            dumped: false,
            serves: false,
        }
    }

    /// Brings the agent one fact.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.node.feed(input);
    }

    /// The agent has left for good: nothing is to be gone on with.
    pub(super) fn close(&mut self) {
        self.node.effects.records.close();
    }

    /// Turns until the agent has left.
    pub(super) fn run(&mut self) -> Result<(), RunError> {
        while !self.node.effects.finished {
            let deadline = self.wait()?;
            self.turn(deadline)?;
            self.tell();
        }
        Ok(())
    }

    /// Waits until something can be read or the deadline has come, and answers that deadline.
    fn wait(&mut self) -> Result<Option<Instant>, RunError> {
        let deadline = self.node.agent.deadline();
        let first = [deadline, self.dump_again_at, self.tidy_at].into_iter().flatten().min();
        let now = clock::now();
        let lead = self.pace.lead(now);
        let due = first.is_some_and(|first| first <= now);
        if let Some(first) = first
            && !due
        {
            self.sources.timer.arm(first.before(lead))?;
        }
        self.ready.clear();
        let mut block = !due && self.node.effects.answers.is_empty();
        if block && self.pace.is_busy() {
            self.sources.urgent.pause(PAUSE_MS)?;
            block = false;
        }
        self.node.effects.poll.wait(block, &mut self.ready)?;
        let late = deadline.is_some_and(|deadline| clock::now().since(deadline) > HELD_UP);
        if (block && late) || first.is_some_and(|first| self.stay_awake(first, lead)) {
            self.node.effects.poll.wait(false, &mut self.ready)?;
            self.ready.sort_unstable();
            self.ready.dedup();
        }
        Ok(deadline)
    }

    /// Woken `lead` before the deadline `first` or less, waits for it awake; whether it did.
    fn stay_awake(&self, first: Instant, lead: Duration) -> bool {
        let now = clock::now();
        if now >= first || first.since(now) > lead || !self.ready.contains(&TIMER) {
            return false;
        }
        while clock::now() < first {
            std::hint::spin_loop();
        }
        true
    }

    fn turn(&mut self, deadline: Option<Instant>) -> Result<(), RunError> {
        if self.ready.contains(&TIMER) {
            self.sources.timer.fired();
        }
        self.feed_back();
        // Taken before the events and fed after them: the kernel reports a change before it answers for it, and an
        // answer that overtook the report would make that look like another change.
        if self.ready.contains(&WAKE) {
            self.node.effects.outcomes(&mut self.outcomes);
        }
        if self.ready.contains(&MONITOR) || !self.outcomes.is_empty() {
            self.take_events()?;
        }
        self.feed_outcomes();
        let heard = self.take_messages(deadline);
        let now = clock::now();
        self.pace.heard(now, heard);
        let pulse = self.sources.supervisor.pulse();
        pulse.turn(now);
        if let Some(due) = self.node.agent.deadline().filter(|due| *due <= now) {
            pulse.timer(now.since(due));
            self.pace.acted(now);
            self.node.feed(Input::Timeout);
        }
        if self.dump_again_at.is_some_and(|at| at <= now) {
            self.dump_again_at = None;
            self.node.effects.dump();
        }
        if self.node.effects.dump_wanted && self.dump_again_at.is_none() {
            self.dump_again_at = Some(now.after(DUMP_AGAIN));
        }
        if self.tidy_at.is_some_and(|at| at <= now) {
            self.tidy_at = None;
            process::trim_memory();
            super::warm_up();
        }
        if self.ready.contains(&WAKE) {
            self.take_verdicts();
            self.answer_queries();
        }
        if self.ready.contains(&SIGNALS) {
            self.take_signals()?;
        }
        Ok(())
    }

    /// Puts there for systemd what is new. Ready is an agent that has seen the host and opened the sockets that it can: an
    /// instance that cannot take part is in FAULT, and waits for what is missing.
    fn tell(&mut self) {
        let news = std::mem::take(&mut self.node.news);
        let ready = !self.serves && self.dumped && self.node.effects.answers.is_empty();
        let told = ready || (self.serves && news);
        if !told || !self.sources.supervisor.listens() {
            return;
        }
        self.sources.supervisor.summary(self.node.agent.summary());
        if ready {
            self.serves = true;
            self.sources.supervisor.ready();
        }
    }

    /// Feeds back what came of earlier outputs; what comes of these waits for the next turn.
    fn feed_back(&mut self) {
        for _ in 0..self.node.effects.answers.len() {
            if let Some(answer) = self.node.effects.answers.pop_front() {
                self.node.feed(answer.into());
            }
        }
    }

    fn take_events(&mut self) -> Result<(), RunError> {
        let Engine { node, sources, .. } = self;
        let drained = sources.monitor.drain(|event| node.feed(convert::event(event)))?;
        if drained.overrun {
            node.feed(Input::Missed);
        }
        Ok(())
    }

    fn feed_outcomes(&mut self) {
        for outcome in self.outcomes.drain(..) {
            match outcome {
                Outcome::Applied { id, outcome } => {
                    let outcome = outcome.map_err(convert::refusal);
                    self.node.feed(Input::Applied { request: RequestId(id), outcome });
                    self.node.effects.answered();
                }
                Outcome::Dumped(Ok(observed)) => {
                    self.node.feed(Input::Observed(convert::observed(observed)));
                    self.dumped = true;
                }
                Outcome::Dumped(Err(failure)) => {
                    self.node.effects.log.tell(Notice::DumpFailed { why: failure.text });
                    self.dump_again_at = Some(clock::now().after(DUMP_AGAIN));
                }
            }
        }
    }

    /// Reads the sockets that have something, one batch from each in turn, until they have nothing more or the budget
    /// is spent. What is left is reported again by the next wait. Answers how many messages there were.
    fn take_messages(&mut self, deadline: Option<Instant>) -> usize {
        let mut waiting: Vec<SocketId> = self.ready.iter().copied().filter_map(socket_of).collect();
        if waiting.is_empty() {
            return 0;
        }
        let mut heard = 0;
        let start = clock::now();
        let late = deadline.map_or(Duration::ZERO, |deadline| start.since(deadline));
        let end = start.after(late.clamp(BUDGET.0, BUDGET.1));
        while !waiting.is_empty() {
            waiting.retain(|socket| {
                let count = take_batch(&mut self.node, *socket, &mut self.batch);
                heard += count;
                count == BATCH
            });
            if clock::now() >= end {
                break;
            }
        }
        heard
    }

    fn take_verdicts(&mut self) {
        if let Some(aside) = self.sources.board.take_aside() {
            self.node.feed(Input::StandAside(aside));
        }
        for fact in self.sources.board.take().into_values() {
            self.node.feed(Input::Judged(fact));
        }
    }

    fn answer_queries(&mut self) {
        self.sources.queries.take(&mut self.queries);
        for query in self.queries.drain(..) {
            // Whoever asked may have given up.
            match query {
                Query::Status(reply) => {
                    let _ = reply.try_send(self.node.agent.snapshot(clock::now()));
                }
                Query::Outlook(config, reply) => {
                    let _ = reply.try_send(self.node.agent.outlook(&config));
                }
                Query::Reload(config, reply, ticket) if self.stops == 0 && ticket.use_up() => {
                    let outlook = self.node.agent.outlook(&config);
                    self.node.feed(Input::Configure(*config));
                    self.tidy_at = Some(clock::now().after(TIDY_AFTER));
                    let _ = reply.try_send(outlook);
                }
                Query::Drain { names, force, reply, ticket } if self.stops == 0 && ticket.use_up() => {
                    let _ = reply.try_send(self.node.drain(&names, force));
                }
                Query::Undrain { names, reply, ticket } if self.stops == 0 && ticket.use_up() => {
                    let _ = reply.try_send(self.node.undrain(&names));
                }
                Query::Reload(..) | Query::Drain { .. } | Query::Undrain { .. } => {}
            }
        }
    }

    fn take_signals(&mut self) -> Result<(), RunError> {
        while let Some(asked) = self.sources.signals.next() {
            match asked {
                Asked::Stop if self.stops >= PATIENT_STOPS => return Err(RunError::Interrupted),
                Asked::Stop => {
                    self.stops += 1;
                    let all = self.node.agent.with_their_groups(&[]).unwrap_or_default();
                    self.sources.supervisor.leaving(self.node.agent.hand_over_limit(&all) + LEAVE_LIMIT);
                    self.node.feed(Input::Stop);
                }
                // One that is waiting already will read what is there by then.
                Asked::Reload => {
                    let _ = self.sources.hang_ups.push(());
                }
            }
        }
        Ok(())
    }
}

/// Whether the line about what the instances are doing may be another with this.
fn may_change_summary(output: &Output) -> bool {
    matches!(
        output,
        Output::Entered(_) | Output::Drained(_) | Output::StoodAside | Output::Report(_) | Output::Finished
    )
}

/// One batch from one socket; how many messages there were. Less than [`BATCH`]: no more are waiting.
fn take_batch(node: &mut Node, socket: SocketId, batch: &mut Batch) -> usize {
    let count = node.effects.receive(socket, batch);
    if count == 0 {
        return 0;
    }
    for place in 0..batch.len() {
        if let Some(message) = batch.get(place) {
            let datagram = Datagram {
                socket,
                source: message.source,
                destination: message.destination,
                hop_limit: message.hop_limit,
                payload: message.payload,
            };
            node.feed_at(message.at, Input::Datagram(datagram));
        }
    }
    count
}
