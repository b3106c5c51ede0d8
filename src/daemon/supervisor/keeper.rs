//! The thread that tells systemd, and that sees to it that the engine is alive before it says so.
//!
//! A quarter of the watchdog's period is its pace: it looks what the engine did since the last time, says `WATCHDOG=1` only
//! if that proves it alive, and wakes it, so that an idle one has something to prove. systemd may take its time to read:
//! only this thread waits for that. What cannot be sent is said again, less and less often, until it is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::Desk;
use super::outbox::Outbox;
use super::vigil::{Proof, Vigil};
use super::voice::{Said, Voice};
use crate::daemon::log::Log;
use crate::daemon::pulse::Pulse;
use crate::observe::notice::Notice;
use crate::os::clock;
use crate::os::process::Waker;
use crate::time::Instant;

/// How many times in a watchdog's period it is fed.
const FEEDS: u32 = 4;
/// The status is told no more often than this: whoever flaps is not to keep systemd busy.
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// The first delay before what could not be sent is sent again, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

pub(super) struct Keeper {
    desk: Arc<Desk>,
    pulse: Arc<Pulse>,
    waker: Waker,
    log: Log,
    voice: Voice,
    outbox: Outbox,
    /// When it is tried again, and the delay before that; none while nothing waits for it.
    again: Option<(Instant, Duration)>,
    vigil: Vigil,
    /// How often the watchdog is fed; none where there is none.
    pace: Option<Duration>,
    proof: Proof,
    /// That systemd cannot be told was said.
    complained: bool,
}

impl Keeper {
    pub(super) fn new(desk: Arc<Desk>, pulse: Arc<Pulse>, waker: Waker, log: Log) -> Self {
        Keeper {
            desk,
            pulse,
            waker,
            log,
            voice: Voice::default(),
            outbox: Outbox::default(),
            again: None,
            vigil: Vigil::default(),
            pace: sd_notify::watchdog_enabled().map(|period| period / FEEDS),
            proof: Proof::Alive,
            complained: false,
        }
    }

    /// Tells what there is to tell, until the process ends.
    pub(super) fn run(mut self) {
        let mut tick = None;
        let mut quiet = Instant::ZERO;
        loop {
            let again = self.again.map(|(at, _)| at);
            let (news, reloads) = self.desk.wait([tick, again], quiet);
            self.outbox.put(self.voice.speak(news));
            if self.outbox.is_empty() {
                self.again = None;
            } else {
                self.deliver();
                quiet = clock::now().after(STATUS_EVERY);
            }
            let now = clock::now();
            let due = tick.is_none_or(|tick| tick <= now);
            if let Some(pace) = self.pace.filter(|_| due && self.voice.is_ready()) {
                tick = Some(now.after(pace));
                if self.look() {
                    let sent = send(&[Said::Alive]);
                    self.check(&sent);
                }
                self.pulse.call(now);
                self.waker.wake();
            }
            self.desk.told(reloads);
        }
    }

    /// Sends what waits, as far as that goes.
    fn deliver(&mut self) {
        while !self.outbox.is_empty() {
            let sent = send(&self.outbox.next());
            self.check(&sent);
            if sent.is_err() {
                let delay = self.again.map_or(AGAIN.0, |(_, delay)| (delay * 2).min(AGAIN.1));
                self.again = Some((clock::now().after(delay), delay));
                return;
            }
            self.outbox.sent();
        }
        self.again = None;
    }

    /// Whether the engine is alive. The log tells when that changes.
    fn look(&mut self) -> bool {
        let proof = self.vigil.look(self.pulse.read());
        if proof != self.proof {
            self.proof = proof;
            self.log.tell(match proof {
                Proof::Alive => Notice::EngineOnTime,
                Proof::Stands => Notice::EngineStands,
                Proof::Late => Notice::EngineLate,
            });
        }
        proof == Proof::Alive
    }

    /// The log tells when it cannot be told for the first time.
    fn check(&mut self, sent: &io::Result<()>) {
        if let Err(error) = sent
            && !std::mem::replace(&mut self.complained, true)
        {
            self.log.tell(Notice::NotifyFailed { why: error.to_string() });
        }
    }
}

/// Sends one message, which may wait until systemd reads.
fn send(said: &[Said]) -> io::Result<()> {
    let mut states = Vec::new();
    for said in said {
        match said {
            Said::Ready => states.push(NotifyState::Ready),
            Said::Reloading => states.extend([NotifyState::Reloading, NotifyState::monotonic_usec_now()?]),
            Said::Stopping => states.push(NotifyState::Stopping),
            Said::Extend(limit) => {
                let microseconds = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
                states.push(NotifyState::ExtendTimeoutUsec(microseconds));
            }
            Said::Status(text) => states.push(NotifyState::Status(text)),
            Said::Alive => states.push(NotifyState::Watchdog),
        }
    }
    sd_notify::notify(&states)
}
