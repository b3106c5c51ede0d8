//! Leaving on purpose without a gap, and coming back before anybody noticed. Not of the RFC, and nothing that others could
//! tell from what the RFC does: a resignation and silence, or an advert at its pace.
//!
//! A MASTER that hands over sends its resignation and goes on to hold the addresses. By the time the successor's skew is
//! over, and it has said so, there is somebody else who answers; then they are let go. Whoever asked may want them back if
//! nobody takes over.

use std::net::IpAddr;
use std::time::Duration;

use super::types::{Action, Afterwards, Cause, HandOver, Heard, Leaving, State};
use super::{Awaited, Router};
use crate::time::Instant;
use crate::vrrp::fields::Claim;

impl Router {
    /// How long a MASTER that has resigned waits for its successor: the skew of any other is less than an interval, which
    /// leaves our own for its advert to arrive.
    #[must_use]
    pub fn hand_over_limit(&self) -> Duration {
        let interval = self.settings.interval;
        interval.duration() + self.settings.skew_time(interval)
    }

    /// A process before this one was MASTER, and no peer has counted it out: an advert at once, as if nothing had been.
    pub(super) fn resume(&mut self, now: Instant, primary: IpAddr, actions: &mut Vec<Action>) {
        self.primary = Some(primary);
        self.other = None;
        self.due = false;
        self.take_over(now, Cause::Resumed, actions);
    }

    /// A MASTER resigns. The addresses stay.
    pub(super) fn hand_over(&mut self, now: Instant, plan: HandOver, actions: &mut Vec<Action>) {
        actions.push(Action::Advertise(Claim::Resign));
        let until = now.after(self.hand_over_limit());
        self.state = State::Leaving(Leaving { until, successor: None, plan });
    }

    /// It is asked once more, perhaps for more: who once insisted goes on to, and who is to take no part afterwards takes
    /// none.
    pub(super) fn plan_again(&mut self, leaving: Leaving, plan: HandOver) {
        let before = leaving.plan;
        let then = if before.then == Afterwards::Init { Afterwards::Init } else { plan.then };
        let plan = HandOver { then, insist: before.insist || plan.insist, ..plan };
        self.state = State::Leaving(Leaving { plan, ..leaving });
    }

    /// Whoever advertises now has the addresses, or is about to: of what priority it is does not matter any more.
    pub(super) fn hear_as_leaving(&mut self, now: Instant, leaving: Leaving, heard: Heard) {
        if matches!(heard.claim, Claim::Hold(_)) && leaving.successor.is_none() {
            let until = leaving.until.min(now.after(leaving.plan.settle));
            self.state = State::Leaving(Leaving { until, successor: Some(heard.source), ..leaving });
        }
    }

    /// The wait is over: the addresses go, or, where nobody took them and that was not insisted on, stay for good.
    pub(super) fn let_go(&mut self, now: Instant, leaving: Leaving, actions: &mut Vec<Action>) {
        if now < leaving.until {
            return;
        }
        let Leaving { successor, plan, .. } = leaving;
        if successor.is_none() && !plan.insist {
            self.take_over(now, Cause::NotTaken, actions);
            return;
        }
        actions.push(Action::Release);
        let state = match plan.then {
            Afterwards::Init => State::Init,
            Afterwards::Backup => {
                self.other = successor;
                State::Backup(self.waiting(now, self.settings.interval, Awaited::Silence))
            }
        };
        self.enter(state, Cause::HandedOver { to: successor }, actions);
    }
}
