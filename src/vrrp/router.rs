//! The state machine of one virtual router (RFC 9568, section 6.4).
//!
//! Owns: the state, its timers, the bound on answers. Never: sends, reads a clock, fails. [`Router::handle`] is total:
//! each state takes each event. A timer is a field of the state that it belongs to, so a timer that was left behind by
//! a transition does not exist.
//!
//! A MASTER that leaves on purpose passes through a state that the RFC does not have: it has resigned and holds the
//! addresses until its successor is heard (`leave`).
//!
//! ```text
//!                 Startup, priority 255
//!        ┌──────────────────────────────────────┐
//!        │                                      ▼
//!   ┌─────────┐  Startup   ┌────────┐ down_at ┌────────┐
//!   │  INIT   │ ─────────► │ BACKUP │ ──────► │ MASTER │
//!   └─────────┘ ◄───────── └────────┘ ◄────── └────────┘
//!        ▲        Shutdown         a better advert │
//!        └─────────────────────────────────────────┘
//!                        Shutdown
//! ```

mod leave;
mod types;

use std::net::IpAddr;
use std::time::Duration;

use super::fields::{Claim, Interval, Priority, Version};
use crate::time::Instant;

pub use types::{
    Action, Afterwards, Backup, Cause, Event, HandOver, Heard, Leaving, Master, Promotion, Settings, State,
};

/// At most one answer to a losing or resigning advert in this time: ten a second, however many come in.
pub const ANSWER_SPACING: Duration = Duration::from_millis(100);

/// One virtual router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Router {
    settings: Settings,
    primary: Option<IpAddr>,
    state: State,
    /// Why the running `down_at` will mean what it means.
    awaited: Awaited,
    /// While BACKUP: its time to take over has come, and it waits for more than that ([`Promotion`]).
    due: bool,
    /// While BACKUP: the master that the last accepted advert came from. While MASTER: the one whose silence made it so.
    other: Option<IpAddr>,
}

/// What a BACKUP's timer waits for: only to tell the [`Cause`] of a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Awaited {
    Silence,
    /// The same, and it was hastened already: once only, however many resign with its master.
    Hastened,
    Resignation,
    Preemption,
}

impl Router {
    /// A virtual router in INIT.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Router {
            settings,
            primary: None,
            state: State::Init,
            awaited: Awaited::Silence,
            due: false,
            other: None,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it holds the addresses, also after it has resigned.
    #[must_use]
    pub fn is_master(&self) -> bool {
        matches!(self.state, State::Master(_) | State::Leaving(_))
    }

    /// Whether it has resigned, and holds the addresses until somebody else has them.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving(_))
    }

    /// Whether it is a BACKUP that would be MASTER by now if it did not have to wait for more.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due && matches!(self.state, State::Backup(_))
    }

    /// Its parameters.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// When [`Event::Timeout`] is due; `None` in INIT.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Init => None,
            State::Backup(backup) => Some(backup.down_at),
            State::Master(master) => Some(master.advertise_at),
            State::Leaving(leaving) => Some(leaving.until),
        }
    }

    /// The same router as if `now` were `then`: its timers stand as far off as before, those that ran out stand at
    /// `then`. For models, to which states that differ only in the time of day are one.
    #[must_use]
    pub fn rebased(&self, now: Instant, then: Instant) -> Router {
        let moved = |at: Instant| then.after(at.since(now));
        let state = match self.state {
            State::Init => State::Init,
            State::Backup(b) => {
                State::Backup(Backup { down_at: moved(b.down_at), hold_until: b.hold_until.map(moved), ..b })
            }
            State::Master(m) => State::Master(Master {
                advertise_at: moved(m.advertise_at),
                answer_after: moved(m.answer_after),
            }),
            State::Leaving(l) => State::Leaving(Leaving { until: moved(l.until), ..l }),
        };
        Router { state, ..self.clone() }
    }

    /// Takes one event at time `now`, appends what is to be done to `actions`.
    ///
    /// The rows stand in the order of RFC 9568, section 6.4.
    pub fn handle(&mut self, now: Instant, event: Event, actions: &mut Vec<Action>) {
        if let State::Master(master) = self.state {
            self.notice_sleep(now, master, self.settings.interval, actions);
        }
        match (self.state, event) {
            // 6.4.1 Initialize
            (State::Init, Event::Startup { primary }) => self.start(now, primary, actions),
            (State::Init, Event::Resume { primary }) => self.resume(now, primary, actions),
            (
                State::Init,
                Event::Shutdown
                | Event::HandOver(_)
                | Event::Relent
                | Event::Heard(_)
                | Event::Timeout
                | Event::Primary(_)
                | Event::Promote
                | Event::Yield { .. }
                | Event::Hasten,
            ) => {}

            // 6.4.2 Backup
            (State::Backup(_), Event::Shutdown) => self.enter(State::Init, Cause::ShutDown, actions),
            (State::Backup(backup), Event::Timeout) => self.master_down(now, backup, actions),
            (State::Backup(backup), Event::Heard(heard)) => self.hear_as_backup(now, backup, heard),

            // 6.4.3 Active
            (State::Master(_), Event::Shutdown) => {
                actions.extend([Action::Advertise(Claim::Resign), Action::Release]);
                self.enter(State::Init, Cause::ShutDown, actions);
            }
            (State::Master(master), Event::Timeout) => self.advertise(now, master, actions),
            (State::Master(master), Event::Heard(heard)) => self.hear_as_master(now, master, heard, actions),

            // Not of the RFC: those that move together.
            (State::Backup(_), Event::Promote) if self.due => self.promote(now, actions),
            (State::Backup(backup), Event::Hasten) => self.hasten(now, backup),
            (State::Master(_), Event::Yield { sooner }) => self.give_way(now, sooner, actions),
            (State::Backup(_), Event::Promote | Event::Yield { .. } | Event::HandOver(_) | Event::Relent)
            | (State::Master(_), Event::Promote | Event::Hasten | Event::Relent) => {}

            // Not of the RFC: leaving on purpose.
            (State::Master(_), Event::HandOver(plan)) => self.hand_over(now, plan, actions),
            (State::Leaving(leaving), Event::HandOver(plan)) => self.plan_again(leaving, plan),
            (State::Leaving(leaving), Event::Relent) => self.relent(leaving),
            (State::Leaving(leaving), Event::Heard(heard)) => self.hear_as_leaving(now, leaving, heard),
            (State::Leaving(leaving), Event::Timeout) => self.let_go(now, leaving, actions),
            (State::Leaving(_), Event::Shutdown) => {
                actions.push(Action::Release);
                self.enter(State::Init, Cause::ShutDown, actions);
            }
            (State::Leaving(_), Event::Promote | Event::Yield { .. } | Event::Hasten) => {}

            // Not of the RFC: the parameters live.
            (
                State::Backup(_) | State::Master(_) | State::Leaving(_),
                Event::Startup { primary: address }
                | Event::Resume { primary: address }
                | Event::Primary(address),
            ) => self.primary = Some(address),
            (State::Init | State::Leaving(_), Event::Configure(settings)) => self.settings = settings,
            (State::Backup(backup), Event::Configure(settings)) => {
                self.state = State::Backup(self.configure_backup(now, backup, settings));
            }
            (State::Master(master), Event::Configure(settings)) => {
                self.configure_master(now, master, settings, actions);
            }
        }
    }

    fn enter(&mut self, state: State, cause: Cause, actions: &mut Vec<Action>) {
        self.state = state;
        actions.push(Action::Entered(cause));
    }

    /// 6.4.1: the owner does not wait, everybody else does.
    fn start(&mut self, now: Instant, primary: IpAddr, actions: &mut Vec<Action>) {
        self.primary = Some(primary);
        self.other = None;
        let owner = self.settings.priority.is_owner();
        if owner && self.settings.promotion == Promotion::Alone {
            self.take_over(now, Cause::OwnerStarted, actions);
        } else {
            let backup = self.waiting(now, self.settings.interval, Awaited::Silence);
            self.due = owner;
            self.enter(State::Backup(backup), Cause::Started, actions);
        }
    }

    /// 6.4.1 (100)–(145) and 6.4.2 (215)–(245): the advert leaves first, the addresses follow.
    fn take_over(&mut self, now: Instant, cause: Cause, actions: &mut Vec<Action>) {
        let claim = Claim::Hold(self.settings.priority);
        actions.extend([Action::Advertise(claim), Action::Acquire]);
        let advertise_at = now.after(self.settings.interval.duration());
        self.enter(State::Master(Master { advertise_at, answer_after: now }), cause, actions);
    }

    /// A BACKUP that gives a master with `interval` the whole master-down interval from `now` on.
    fn waiting(&mut self, now: Instant, interval: Interval, awaited: Awaited) -> Backup {
        self.awaited = awaited;
        self.due = false;
        let down_at = now.after(self.settings.master_down_interval(interval));
        Backup { down_at, interval, hold_until: None }
    }

    /// A MASTER with other parameters says so at once, unless by these it has been silent for too long. Its pace stays, if
    /// its interval does.
    fn configure_master(
        &mut self,
        now: Instant,
        master: Master,
        settings: Settings,
        actions: &mut Vec<Action>,
    ) {
        let Settings { interval, priority: before, .. } = self.settings;
        let paced = settings.interval == interval;
        let only_promotion = settings != self.settings
            && Settings { promotion: settings.promotion, ..self.settings } == settings;
        self.settings = settings;
        if only_promotion {
            return;
        }
        self.notice_sleep(now, master, interval, actions);
        if !self.is_master() {
            return;
        }
        if settings.priority < before && !before.is_owner() {
            actions.push(Action::Advertise(Claim::Resign));
        }
        actions.push(Action::Advertise(Claim::Hold(settings.priority)));
        if !paced {
            let advertise_at = now.after(settings.interval.duration());
            self.state = State::Master(Master { advertise_at, ..master });
        }
    }

    /// A BACKUP with other parameters. Its timer goes on, except where that would count by an interval that nobody has any
    /// more, or take over from a master that may no longer be preempted.
    fn configure_backup(&mut self, now: Instant, backup: Backup, settings: Settings) -> Backup {
        let old = std::mem::replace(&mut self.settings, settings);
        let less = settings.priority < old.priority || !settings.preempt;
        if self.awaited == Awaited::Preemption && less {
            return self.waiting(now, backup.interval, Awaited::Silence);
        }
        let backup = self.unblock(now, backup, old.promotion);
        let learned =
            settings.version == Version::V3 && (self.other.is_some() || backup.interval != old.interval);
        let hold_until =
            backup.hold_until.map(|at| at.before(old.preempt_delay).after(settings.preempt_delay));
        if learned || settings.interval == old.interval {
            return Backup { hold_until, ..backup };
        }
        let span = |settings: &Settings, interval| match self.awaited {
            Awaited::Resignation => settings.skew_time(interval),
            Awaited::Silence | Awaited::Hastened | Awaited::Preemption => {
                settings.master_down_interval(interval)
            }
        };
        let began = backup.down_at.before(span(&old, backup.interval));
        let down_at = began.after(span(&settings, settings.interval)).max(now);
        Backup { down_at, interval: settings.interval, hold_until }
    }

    /// 6.4.2: `Active_Down_Timer`.
    fn master_down(&mut self, now: Instant, backup: Backup, actions: &mut Vec<Action>) {
        if now < backup.down_at {
            return;
        }
        // Who slept through a whole master-down interval heard nothing because of itself: listen first.
        let late = now.since(backup.down_at);
        if late > self.settings.master_down_interval(backup.interval) {
            let again = self.waiting(now, backup.interval, Awaited::Silence);
            self.state = State::Backup(again);
            return;
        }
        match self.settings.promotion {
            Promotion::Alone => self.promote(now, actions),
            Promotion::Together | Promotion::Blocked => {
                self.due = true;
                let down_at = now.after(self.settings.master_down_interval(backup.interval));
                self.state = State::Backup(Backup { down_at, ..backup });
            }
        }
    }

    /// A BACKUP takes over for the reason that it waited for.
    fn promote(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let cause = match self.awaited {
            Awaited::Silence | Awaited::Hastened => Cause::MasterSilent,
            Awaited::Resignation => Cause::MasterResigned,
            Awaited::Preemption => Cause::Preempted,
        };
        self.other = self.other.filter(|_| cause == Cause::MasterSilent);
        self.awaited = Awaited::Silence;
        self.due = false;
        self.take_over(now, cause, actions);
    }

    /// A BACKUP that was due and may take over at last does so after its skew: whoever was freed by the same thing and has
    /// a higher priority comes first.
    fn unblock(&mut self, now: Instant, backup: Backup, before: Promotion) -> Backup {
        let freed = match self.settings.promotion {
            Promotion::Alone => true,
            Promotion::Together => before == Promotion::Blocked,
            Promotion::Blocked => false,
        };
        if !freed || !self.due {
            return backup;
        }
        self.due = false;
        Backup { down_at: now.after(self.settings.skew_time(backup.interval)), ..backup }
    }

    /// A BACKUP that hears a master gives it one interval from its last advert on, and the skew.
    fn hasten(&mut self, now: Instant, backup: Backup) {
        if self.awaited == Awaited::Silence && self.other.is_some() && !self.due {
            self.awaited = Awaited::Hastened;
            let down_at = backup.down_at.before(backup.interval.duration() * 2).max(now);
            self.state = State::Backup(Backup { down_at, ..backup });
        }
    }

    /// A MASTER resigns and lets go, and listens whether somebody better takes over.
    fn give_way(&mut self, now: Instant, sooner: bool, actions: &mut Vec<Action>) {
        actions.extend([Action::Advertise(Claim::Resign), Action::Release]);
        self.other = None;
        let interval = self.settings.interval;
        let mut backup = self.waiting(now, interval, Awaited::Silence);
        if sooner {
            backup.down_at = backup.down_at.before(interval.duration());
        }
        self.enter(State::Backup(backup), Cause::Yielded, actions);
    }

    /// 6.4.2: an advert while BACKUP. Addresses are not compared here: equal priority is accepted from anybody.
    fn hear_as_backup(&mut self, now: Instant, backup: Backup, heard: Heard) {
        let settings = self.settings;
        let next = match heard.claim {
            // The interval is not learned from one who leaves.
            Claim::Resign => {
                self.awaited = Awaited::Resignation;
                self.other = None;
                Backup { down_at: now.after(settings.skew_time(backup.interval)), ..backup }
            }
            Claim::Hold(theirs) if theirs >= settings.priority || !settings.preempt => {
                self.other = Some(heard.source);
                self.waiting(now, settings.learn(heard.interval), Awaited::Silence)
            }
            // A master that we may preempt. Without a delay, and after it, the running timer decides.
            Claim::Hold(_) => {
                let hold_until = backup.hold_until.unwrap_or_else(|| now.after(settings.preempt_delay));
                if now < hold_until {
                    let waiting = self.waiting(now, settings.learn(heard.interval), Awaited::Silence);
                    Backup { hold_until: Some(hold_until), ..waiting }
                } else {
                    self.awaited = Awaited::Preemption;
                    Backup { hold_until: Some(hold_until), ..backup }
                }
            }
        };
        self.state = State::Backup(next);
    }

    /// 6.4.3: `Adver_Timer`. Deadlines are absolute, so the pace does not drift; what was missed is not made up for.
    fn advertise(&mut self, now: Instant, master: Master, actions: &mut Vec<Action>) {
        if now < master.advertise_at {
            return;
        }
        actions.push(Action::Advertise(Claim::Hold(self.settings.priority)));
        let interval = self.settings.interval.duration();
        let on_time = master.advertise_at.after(interval);
        let advertise_at = if on_time > now { on_time } else { now.after(interval) };
        self.state = State::Master(Master { advertise_at, ..master });
    }

    /// 6.4.3: an advert while MASTER. The preempt setting does not matter here.
    fn hear_as_master(&mut self, now: Instant, master: Master, heard: Heard, actions: &mut Vec<Action>) {
        match heard.claim {
            Claim::Resign => {
                if let Some(answered) = self.answer(now, master, actions) {
                    let advertise_at = now.after(self.settings.interval.duration());
                    self.state = State::Master(Master { advertise_at, ..answered });
                }
            }
            Claim::Hold(theirs) if self.outranked_by(theirs, heard.source) => {
                self.last_claim(heard.source, actions);
                actions.push(Action::Release);
                self.other = Some(heard.source);
                let backup = self.waiting(now, self.settings.learn(heard.interval), Awaited::Silence);
                let cause = Cause::Outranked { priority: theirs, by: heard.source };
                self.enter(State::Backup(backup), cause, actions);
            }
            // Version 3 answers at once and keeps its pace; version 2 stays silent (RFC 3768, section 6.4.3).
            Claim::Hold(_) => {
                if self.settings.version == Version::V3
                    && let Some(answered) = self.answer(now, master, actions)
                {
                    self.state = State::Master(answered);
                }
                actions.push(Action::Contested);
            }
        }
    }

    /// Yields with a word, only to a master that it took to be dead: where that was a partition, the other one has been
    /// MASTER all along, and this is how it learns that its addresses were claimed and must be announced again. Not of
    /// the RFC, by which the survivor learns it only if its peer's advert happens to come first.
    fn last_claim(&self, to: IpAddr, actions: &mut Vec<Action>) {
        if self.other == Some(to) {
            actions.push(Action::Advertise(Claim::Hold(self.settings.priority)));
        }
    }

    /// Sends an advert out of turn, unless one went out just now: a flood of losing adverts, or two routers with the
    /// same address, must not make a storm.
    fn answer(&self, now: Instant, master: Master, actions: &mut Vec<Action>) -> Option<Master> {
        if now < master.answer_after {
            return None;
        }
        actions.push(Action::Advertise(Claim::Hold(self.settings.priority)));
        Some(Master { answer_after: now.after(ANSWER_SPACING), ..master })
    }

    /// 6.4.3: a higher priority wins; of two equal ones the greater address, as an unsigned number in network order.
    fn outranked_by(&self, priority: Priority, source: IpAddr) -> bool {
        let own = (self.settings.priority, self.primary.map(address_number));
        (priority, Some(address_number(source))) > own
    }

    /// A MASTER that sent nothing for its own master-down interval has been counted out by its peers: it does not come
    /// back as a second MASTER but asks first. `paced` is the interval that its last advert told.
    fn notice_sleep(&mut self, now: Instant, master: Master, paced: Interval, actions: &mut Vec<Action>) {
        let last_advert = master.advertise_at.before(paced.duration());
        let silent = now.since(last_advert);
        if silent > self.settings.master_down_interval(paced) {
            actions.push(Action::Release);
            let backup = self.waiting(now, self.settings.interval, Awaited::Silence);
            self.enter(State::Backup(backup), Cause::Overslept { silent }, actions);
        }
    }
}

/// An address as the unsigned number that ties are broken by.
fn address_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests;
