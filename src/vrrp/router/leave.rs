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
        let until = now.after(plan.limit);
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

    /// It is to stay. Its resignation is out, so somebody may take over all the same; where nobody does, it goes on.
    pub(super) fn relent(&mut self, leaving: Leaving) {
        let plan = HandOver { insist: false, ..leaving.plan };
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
        let Leaving { successor, plan, until } = leaving;
        // Who slept heard nobody because of itself.
        let overslept = now.since(until) > self.settings.master_down_interval(self.settings.interval);
        if successor.is_none() && !plan.insist && !overslept {
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{Event, Promotion, Settings};
    use super::*;
    use crate::vrrp::fields::{Interval, Priority, Version, skew_time};

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    const SETTLE: Duration = Duration::from_millis(5);

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(100_000_000_000 + milliseconds * 1_000_000)
    }

    fn plan(then: Afterwards, insist: bool) -> HandOver {
        HandOver { then, limit: Duration::from_millis(1500), settle: SETTLE, insist }
    }

    /// A MASTER of priority 128 (skew 0.5 s) that resigned at `at(0)`.
    fn leaving(then: Afterwards, insist: bool) -> Router {
        let mut router = Router::new(Settings {
            version: Version::V3,
            priority: Priority::new(128).unwrap(),
            interval: Interval::DEFAULT,
            preempt: true,
            preempt_delay: Duration::ZERO,
            promotion: Promotion::Alone,
        });
        assert_eq!(
            give(&mut router, at(0), Event::Resume { primary: OWN }),
            [hold(), Action::Acquire, Action::Entered(Cause::Resumed)]
        );
        let resignation = give(&mut router, at(0), Event::HandOver(plan(then, insist)));
        assert_eq!(resignation, [Action::Advertise(Claim::Resign)], "the addresses stay");
        assert!(router.is_master() && router.is_leaving());
        router
    }

    fn hold() -> Action {
        Action::Advertise(Claim::Hold(Priority::new(128).unwrap()))
    }

    fn give(router: &mut Router, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        router.handle(now, event, &mut actions);
        actions
    }

    fn heard(number: u8) -> Event {
        Event::Heard(Heard { claim: Claim::from_number(number), source: OTHER, interval: Interval::DEFAULT })
    }

    #[test]
    fn the_addresses_stay_until_the_successor_has_them() {
        for priority in [1, 127, 128, 254] {
            let mut router = leaving(Afterwards::Backup, true);
            assert_eq!(give(&mut router, at(600), heard(priority)), []);
            assert_eq!(router.deadline(), Some(at(605)));
            assert_eq!(give(&mut router, at(604), Event::Timeout), []);
            assert_eq!(give(&mut router, at(604), heard(priority)), [], "only its first advert counts");
            let done = [Action::Release, Action::Entered(Cause::HandedOver { to: Some(OTHER) })];
            assert_eq!(give(&mut router, at(605), Event::Timeout), done);
            let State::Backup(backup) = router.state() else { panic!("{:?}", router.state()) };
            assert_eq!(backup.down_at, at(605).after(Duration::from_millis(3500)));
        }
    }

    #[test]
    fn who_insists_lets_go_after_an_interval_and_the_skew() {
        let mut router = leaving(Afterwards::Init, true);
        assert_eq!(give(&mut router, at(100), heard(0)), [], "one that resigns is no successor");
        assert_eq!(router.deadline(), Some(at(1500)));
        let done = [Action::Release, Action::Entered(Cause::HandedOver { to: None })];
        assert_eq!(give(&mut router, at(1500), Event::Timeout), done);
        assert_eq!((router.state(), router.deadline()), (State::Init, None));
    }

    #[test]
    fn who_does_not_insist_is_master_again_where_nobody_takes_over() {
        let mut router = leaving(Afterwards::Backup, false);
        let back = [hold(), Action::Acquire, Action::Entered(Cause::NotTaken)];
        assert_eq!(give(&mut router, at(1500), Event::Timeout), back);
        assert!(router.is_master() && !router.is_leaving());
        assert_eq!(router.deadline(), Some(at(2500)));
    }

    #[test]
    fn who_slept_meanwhile_does_not_come_back() {
        let mut router = leaving(Afterwards::Backup, false);
        let late = at(1500).after(Duration::from_millis(3501));
        let done = [Action::Release, Action::Entered(Cause::HandedOver { to: None })];
        assert_eq!(give(&mut router, late, Event::Timeout), done);
    }

    #[test]
    fn a_successor_at_the_last_moment_is_not_waited_for_beyond_the_limit() {
        let mut router = leaving(Afterwards::Backup, false);
        assert_eq!(give(&mut router, at(1498), heard(100)), []);
        assert_eq!(router.deadline(), Some(at(1500)));
        let done = [Action::Release, Action::Entered(Cause::HandedOver { to: Some(OTHER) })];
        assert_eq!(give(&mut router, at(1500), Event::Timeout), done);
    }

    #[test]
    fn nothing_but_time_and_a_shutdown_ends_it_sooner() {
        let mut router = leaving(Afterwards::Backup, false);
        for event in [
            Event::Promote,
            Event::Hasten,
            Event::Yield { sooner: false },
            Event::Primary(OTHER),
            Event::Startup { primary: OWN },
            Event::Resume { primary: OWN },
            Event::Configure(router.settings()),
        ] {
            assert_eq!(give(&mut router, at(1), event), [], "{event:?}");
            assert_eq!(router.deadline(), Some(at(1500)), "{event:?}");
        }
        let gone = [Action::Release, Action::Entered(Cause::ShutDown)];
        assert_eq!(give(&mut router, at(2), Event::Shutdown), gone, "it has resigned already");
    }

    #[test]
    fn a_second_request_may_only_ask_for_more() {
        let mut router = leaving(Afterwards::Init, false);
        give(&mut router, at(1), Event::HandOver(plan(Afterwards::Backup, true)));
        give(&mut router, at(2), Event::HandOver(plan(Afterwards::Backup, false)));
        let done = [Action::Release, Action::Entered(Cause::HandedOver { to: None })];
        assert_eq!(give(&mut router, at(1500), Event::Timeout), done);
        assert_eq!(router.state(), State::Init);
    }

    #[test]
    fn who_is_not_to_leave_any_more_stays_where_nobody_takes_over() {
        let mut router = leaving(Afterwards::Backup, true);
        assert_eq!(give(&mut router, at(1), Event::Relent), []);
        let back = [hold(), Action::Acquire, Action::Entered(Cause::NotTaken)];
        assert_eq!(give(&mut router.clone(), at(1500), Event::Timeout), back);
        give(&mut router, at(600), heard(1));
        let done = [Action::Release, Action::Entered(Cause::HandedOver { to: Some(OTHER) })];
        assert_eq!(give(&mut router, at(605), Event::Timeout), done, "what is taken is taken");
        let before = router.clone();
        assert_eq!(give(&mut router, at(606), Event::Relent), []);
        assert_eq!(router, before);
    }

    #[test]
    fn only_a_master_has_something_to_hand_over() {
        let mut router = leaving(Afterwards::Init, true);
        give(&mut router, at(1), Event::Shutdown);
        for _ in 0..2 {
            let before = router.clone();
            assert_eq!(give(&mut router, at(2), Event::HandOver(plan(Afterwards::Init, true))), []);
            assert_eq!(router, before);
            give(&mut router, at(2), Event::Startup { primary: OWN });
        }
    }

    #[test]
    fn the_limit_is_an_interval_and_the_skew() {
        assert_eq!(leaving(Afterwards::Init, true).hand_over_limit(), Duration::from_millis(1500));
    }

    #[test]
    fn the_limit_is_longer_than_the_skew_of_any_successor() {
        for version in [Version::V2, Version::V3] {
            for own in [1, 100, 254, 255] {
                for seconds in [1, 7, 255] {
                    let interval = Interval::from_seconds(seconds).unwrap();
                    let priority = Priority::new(own).unwrap();
                    let settings = leaving(Afterwards::Init, true).settings();
                    let router = Router::new(Settings { version, priority, interval, ..settings });
                    for peer in 1..=254 {
                        let skew = skew_time(version, Priority::new(peer).unwrap(), interval);
                        assert!(skew < router.hand_over_limit(), "{peer} after {own}");
                    }
                }
            }
        }
    }
}
