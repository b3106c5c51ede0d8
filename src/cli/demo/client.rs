//! The client: asks the service every millisecond, and remembers each question and its answer.
//!
//! A question whose answer never comes is lost; nothing is asked twice. Fails to start when the system has no thread
//! left; after that, what does not work is what it measures.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::plan::{self, Host};
use super::world::Event;
use crate::os::{clock, process};
use crate::time::Instant;

/// Time between two questions.
pub(super) const PACE: Duration = Duration::from_millis(1);

/// Real-time priority of who asks and who answers, below that of the agents: a busy machine must not pass for an outage.
pub(super) const PRIORITY: i32 = 40;

/// A question that is not answered for so long is worth a word.
const PATIENCE: Duration = Duration::from_millis(20);

/// What the client sees change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The first answer of a host, or the first after a silence.
    Answered(Host),
    /// Questions are not answered any more; the time is that of the first.
    Silence,
}

/// A question, and when the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) asked: Instant,
    pub(super) answered: Option<Instant>,
}

/// The running client.
pub(super) struct Client {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Exchange>>,
}

impl Client {
    /// Starts asking through `socket`; what changes goes to `events`.
    pub(super) fn start(socket: UdpSocket, events: Sender<Event>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let asker = Asker {
            socket,
            events,
            over: Arc::clone(&over),
            exchanges: Vec::new(),
            heard: None,
            newest: None,
        };
        let thread = thread::Builder::new().name("client".to_owned()).spawn(move || asker.run())?;
        Ok(Client { over, thread })
    }

    /// Stops asking and tells everything that was asked, in order.
    pub(super) fn stop(self) -> Vec<Exchange> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

struct Asker {
    socket: UdpSocket,
    events: Sender<Event>,
    over: Arc<AtomicBool>,
    exchanges: Vec<Exchange>,
    /// Who answers at present.
    heard: Option<Host>,
    /// The newest question that was answered, and when the last answer came.
    newest: Option<(usize, Instant)>,
}

impl Asker {
    fn run(mut self) -> Vec<Exchange> {
        // Refused without root: then the priority is an ordinary one.
        let _ = process::real_time(PRIORITY);
        let mut next = clock::now();
        while !self.over.load(Ordering::Relaxed) {
            let now = clock::now();
            if now >= next {
                self.ask(now);
                // Late: on from here, without a volley that would make up for it.
                next = next.after(PACE).max(now);
            }
            self.wait(next.since(now));
            while let Some((question, host)) = self.read() {
                self.hear(clock::now(), question, host);
            }
            self.judge(clock::now());
        }
        self.exchanges
    }

    fn ask(&mut self, now: Instant) {
        let number = u64::try_from(self.exchanges.len()).unwrap_or(u64::MAX);
        self.exchanges.push(Exchange { asked: now, answered: None });
        // One that cannot be sent (no host has the address) is a question without an answer.
        let _ = self.socket.send_to(&number.to_be_bytes(), SocketAddr::V4(plan::SERVICE));
    }

    fn wait(&self, limit: Duration) {
        let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let _ = ppoll(&mut watched, Some(TimeSpec::from(limit)), None);
    }

    /// The number of the question that was answered, and by whom.
    fn read(&self) -> Option<(usize, Host)> {
        let mut buffer = [0; 64];
        let length = self.socket.recv(&mut buffer).ok()?;
        let (number, name) = buffer.get(..length)?.split_first_chunk()?;
        let host = Host::named(std::str::from_utf8(name).ok()?)?;
        Some((usize::try_from(u64::from_be_bytes(*number)).ok()?, host))
    }

    fn hear(&mut self, now: Instant, question: usize, host: Host) {
        let Some(exchange) = self.exchanges.get_mut(question) else { return };
        exchange.answered = Some(now);
        let newest = self.newest.map_or(question, |(newest, _)| newest.max(question));
        self.newest = Some((newest, now));
        if self.heard != Some(host) {
            self.heard = Some(host);
            self.tell(now, Sight::Answered(host));
        }
    }

    /// Says once when the questions are not answered any more.
    fn judge(&mut self, now: Instant) {
        let (Some(_), Some((newest, last))) = (self.heard, self.newest) else { return };
        let Some(waiting) = self.exchanges.get(newest + 1) else { return };
        let asked = waiting.asked;
        // Questions that waited for the host's hardware address are answered late, and in a row.
        if now.since(asked.max(last)) >= PATIENCE {
            self.heard = None;
            self.tell(asked, Sight::Silence);
        }
    }

    fn tell(&self, at: Instant, sight: Sight) {
        // Nobody listens any more when the demo is over.
        let _ = self.events.send(Event::Client { at, sight });
    }
}

/// How the service was missed while an address moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    /// The longest time between an answer and the next.
    pub(super) longest: Duration,
    /// Questions that were never answered.
    pub(super) lost: usize,
    /// Questions in all.
    pub(super) asked: usize,
}

impl Outage {
    /// The outage between `from` and `to`, which both lie in times when the service answered.
    pub(super) fn between(exchanges: &[Exchange], from: Instant, to: Instant) -> Self {
        let mut answers: Vec<Instant> = exchanges.iter().filter_map(|exchange| exchange.answered).collect();
        answers.sort_unstable();
        let pairs = answers.iter().zip(answers.iter().skip(1));
        let gaps = pairs.filter(|(before, after)| **after >= from && **before <= to);
        let longest = gaps.map(|(before, after)| after.since(*before)).max().unwrap_or_default();
        let asked = exchanges.iter().filter(|exchange| (from..=to).contains(&exchange.asked));
        let lost = asked.clone().filter(|exchange| exchange.answered.is_none()).count();
        Outage { longest, lost, asked: asked.count() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn an_outage_is_the_longest_gap_of_its_time_and_what_was_lost_in_it() {
        let exchanges: Vec<Exchange> = (0..200)
            .map(|n| {
                let silent = (20..50).contains(&n) || (100..180).contains(&n);
                Exchange { asked: at(n), answered: (!silent).then(|| at(n + 1)) }
            })
            .collect();
        let first = Outage::between(&exchanges, at(20), at(60));
        // The last answer at 20, to question 19; the next at 51, to question 50.
        assert_eq!(first, Outage { longest: Duration::from_millis(31), lost: 30, asked: 41 });
        let second = Outage::between(&exchanges, at(99), at(190));
        assert_eq!(second, Outage { longest: Duration::from_millis(81), lost: 80, asked: 92 });
        let calm = Outage::between(&exchanges, at(60), at(90));
        assert_eq!(calm, Outage { longest: Duration::from_millis(1), lost: 0, asked: 31 });
    }
}
