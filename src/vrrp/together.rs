//! Virtual routers that move together: a group. Not of the RFC.
//!
//! Owns: what follows for the others from what happened to one of them. A group takes over in one step, when each of its
//! members would; as long as one of them hears a better master, none does. So two hosts that hear each other in one network
//! and not in another do not pass the group to and fro for ever. A group that is MASTER in part, as one that a reload has
//! just made of others may be, gives way where one of its members hears a better master. Never: knows names, addresses or
//! checks.

use super::fields::Claim;
use super::router::{Event, Heard, Promotion, Router, State};

/// What the members of a group must do after one of them, which was MASTER before if `was_master`, took an event and is
/// now as it stands in `members`: `(place, event)` for each, in order.
///
/// To be asked again after each of these events, until there are none: a few rounds, since each makes fewer due or MASTER.
#[must_use]
pub fn follow(members: &[&Router], who: usize, was_master: bool, event: &Event) -> Vec<(usize, Event)> {
    let stepped_down =
        was_master && members.get(who).is_some_and(|router| matches!(router.state(), State::Backup(_)));
    let resigned = matches!(event, Event::Heard(Heard { claim: Claim::Resign, .. }));
    let all = || members.iter().copied().enumerate();
    // It hears a master that it lets be, and the others will not all be due before that is gone.
    let outdone = matches!(event, Event::Heard(Heard { claim: Claim::Hold(theirs), .. })
    if members.get(who).is_some_and(|router| {
        let settings = router.settings();
        matches!(router.state(), State::Backup(_)) && (*theirs >= settings.priority || !settings.preempt)
    }));
    if stepped_down || outdone {
        // Of two hosts that outrank each other in different networks it is the one that wins for the first member.
        let sooner = who != 0;
        return all()
            .filter(|(_, router)| router.is_master() && !router.is_leaving())
            .map(|(place, _)| (place, Event::Yield { sooner }))
            .collect();
    }
    let may = |router: &Router| router.is_due() && router.settings().promotion == Promotion::Together;
    // One that leaves is not waited for, nor is it there to be joined.
    let ready = all().all(|(_, router)| router.is_master() && !router.is_leaving() || may(router));
    if ready {
        return all()
            .filter(|(_, router)| router.is_due())
            .map(|(place, _)| (place, Event::Promote))
            .collect();
    }
    if resigned {
        let others = all().filter(|(place, router)| *place != who && !router.is_master());
        return others.map(|(place, _)| (place, Event::Hasten)).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::time::Instant;
    use crate::vrrp::fields::{Interval, Priority, Version};
    use crate::vrrp::router::Settings;

    const NOW: Instant = Instant::from_nanos(10_000_000_000);
    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn member() -> Router {
        let mut router = Router::new(Settings {
            version: Version::V3,
            priority: Priority::DEFAULT,
            interval: Interval::DEFAULT,
            preempt: true,
            preempt_delay: Duration::ZERO,
            promotion: Promotion::Together,
        });
        router.handle(NOW, Event::Startup { primary: OWN }, &mut Vec::new());
        router
    }

    fn due() -> Router {
        let mut router = member();
        let at = router.deadline().unwrap();
        router.handle(at, Event::Timeout, &mut Vec::new());
        assert!(router.is_due() && !router.is_master());
        router
    }

    fn master() -> Router {
        let mut router = due();
        router.handle(router.deadline().unwrap(), Event::Promote, &mut Vec::new());
        assert!(router.is_master());
        router
    }

    fn heard(number: u8) -> Event {
        let claim = Claim::from_number(number);
        Event::Heard(Heard { claim, source: OTHER, interval: Interval::DEFAULT })
    }

    #[test]
    fn all_take_over_when_each_is_due_and_not_before() {
        let (a, b, c) = (due(), member(), master());
        assert_eq!(follow(&[&a, &b], 0, false, &Event::Timeout), []);
        assert_eq!(
            follow(&[&a, &due(), &c], 1, false, &Event::Timeout),
            [(0, Event::Promote), (1, Event::Promote)]
        );
        assert_eq!(follow(&[&c, &master()], 0, true, &Event::Timeout), []);
    }

    #[test]
    fn one_that_steps_down_takes_the_others_with_it() {
        let mut outranked = master();
        outranked.handle(
            outranked.deadline().unwrap().before(Duration::from_millis(1)),
            heard(200),
            &mut Vec::new(),
        );
        assert!(!outranked.is_master());
        let (a, b) = (master(), due());
        assert_eq!(follow(&[&a, &outranked, &b], 1, true, &heard(200)), [(0, Event::Yield { sooner: true })]);
        assert_eq!(follow(&[&a, &outranked], 1, false, &Event::Timeout), [], "it was none before");
    }

    #[test]
    fn one_that_is_master_in_part_gives_way_where_a_better_one_is_heard() {
        let (a, waiting) = (master(), member());
        assert_eq!(follow(&[&a, &waiting], 1, false, &heard(100)), [(0, Event::Yield { sooner: true })]);
        assert_eq!(follow(&[&a, &waiting], 1, false, &heard(99)), [], "it will be due");
        assert_eq!(follow(&[&a, &waiting], 0, true, &heard(200)), [], "a MASTER that stays");
    }

    #[test]
    fn a_resignation_hastens_once() {
        let mut waiting = member();
        waiting.handle(NOW, heard(200), &mut Vec::new());
        waiting.handle(NOW, Event::Hasten, &mut Vec::new());
        let once = waiting.clone();
        waiting.handle(NOW, Event::Hasten, &mut Vec::new());
        assert_eq!(waiting, once);
        waiting.handle(NOW, heard(200), &mut Vec::new());
        waiting.handle(NOW, Event::Hasten, &mut Vec::new());
        assert_eq!(waiting, once, "after another advert it may be again");
    }

    #[test]
    fn a_resignation_hastens_those_who_hear_a_master() {
        let mut waiting = member();
        waiting.handle(NOW, heard(200), &mut Vec::new());
        let before = waiting.deadline().unwrap();
        let resigned = member();
        assert_eq!(follow(&[&resigned, &waiting], 0, false, &heard(0)), [(1, Event::Hasten)]);
        waiting.handle(NOW, Event::Hasten, &mut Vec::new());
        assert_eq!(before.since(waiting.deadline().unwrap()), Duration::from_secs(2));
    }
}
