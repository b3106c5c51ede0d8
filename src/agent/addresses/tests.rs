//! One address through its life.

use std::net::IpAddr;

use super::*;
use crate::net::Scope;

const ETH0: LinkIndex = LinkIndex(2);

fn key() -> Key {
    (ETH0, IpAddr::from([10, 0, 0, 100]))
}

fn wanted() -> Wanted {
    let prefix = Prefix::new(key().1, 24).unwrap();
    Wanted {
        instance: 7,
        address: VirtualAddress { prefix, interface: None, label: None, scope: Scope::Global },
        lease: None,
    }
}

fn there(protocol: u8) -> LinkAddress {
    LinkAddress { link: ETH0, prefix: wanted().address.prefix, protocol, tentative: false, secondary: false }
}

fn at(milliseconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_millis(milliseconds))
}

fn refusal(errno: i32) -> Refusal {
    Refusal { errno, text: "no".to_owned() }
}

/// The one request in `out`: its number, and whether it adds.
fn request(out: &mut Vec<Output>) -> Option<(RequestId, bool)> {
    assert!(out.len() <= 1, "{out:?}");
    out.pop().map(|output| {
        let Output::Apply { request, link: ETH0, change } = output else { panic!("{output:?}") };
        (request, matches!(change, Change::Add { .. }))
    })
}

fn facts(addresses: &mut Addresses) -> Vec<Fact> {
    std::mem::take(&mut addresses.facts).into_iter().map(|(_, fact)| fact).collect()
}

fn held() -> (Addresses, Vec<Output>) {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, add) = request(&mut out).unwrap();
    assert!(add);
    addresses.applied(at(1), number, Ok(()), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::Held]);
    (addresses, out)
}

#[test]
fn held_when_the_kernel_says_so_whether_by_event_or_by_answer() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, _) = request(&mut out).unwrap();
    assert!(!addresses.is_present(key()));
    addresses.observe(at(1), key(), Some(&there(ADDRESS_PROTOCOL)), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::Held]);
    addresses.applied(at(1), number, Ok(()), &mut out);
    assert_eq!(facts(&mut addresses), [], "told once");
    assert!(addresses.is_present(key()));
    assert_eq!(out, []);
}

#[test]
fn a_vanished_address_is_put_back_at_once_but_not_without_bound() {
    let (mut addresses, mut out) = held();
    let pauses = [20, 40, 80, 160, 320, 640, 1000, 1000].map(Duration::from_millis);
    let pauses = [None; 5].into_iter().chain(pauses.map(Some));
    for (round, pause) in (1..).zip(pauses) {
        addresses.observe(at(round), key(), None, &mut out);
        assert_eq!(facts(&mut addresses), [Fact::Lost]);
        if let Some(pause) = pause {
            assert_eq!(request(&mut out), None, "round {round} waits");
            let due = addresses.deadline().unwrap();
            assert_eq!(due, at(round).after(pause));
            addresses.run(due, &mut out);
        }
        let (number, add) = request(&mut out).unwrap();
        assert!(add);
        addresses.applied(at(round), number, Ok(()), &mut out);
        assert_eq!(facts(&mut addresses), [Fact::Held]);
    }
}

#[test]
fn removal_heard_before_the_answer_to_the_add_counts() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, _) = request(&mut out).unwrap();
    addresses.observe(at(1), key(), Some(&there(ADDRESS_PROTOCOL)), &mut out);
    addresses.observe(at(1), key(), None, &mut out);
    addresses.applied(at(1), number, Ok(()), &mut out);
    assert!(!addresses.is_present(key()));
    assert!(request(&mut out).is_some_and(|(_, add)| add), "asked for again");
}

#[test]
fn a_refusal_is_retried_with_a_bound_and_then_told() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    for attempts in 1..=ATTEMPTS {
        let (number, _) = request(&mut out).unwrap();
        addresses.applied(at(0), number, Err(refusal(1)), &mut out);
        let again = attempts < ATTEMPTS;
        assert_eq!(facts(&mut addresses), [Fact::Refused { text: "no".to_owned(), attempts, again }]);
        addresses.run(at(1000), &mut out);
    }
    assert_eq!(request(&mut out), None);
    assert_eq!(addresses.deadline(), None);
}

#[test]
fn an_address_said_to_exist_asks_for_a_fresh_look() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, _) = request(&mut out).unwrap();
    addresses.applied(at(0), number, Err(refusal(EEXIST)), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::Stale]);
    addresses.observe(at(1), key(), Some(&there(0)), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::Held]);
    addresses.release(at(2), key(), &mut out);
    assert_eq!(request(&mut out), None, "it is not ours to remove");
}

#[test]
fn release_while_the_add_is_under_way_removes_after_the_answer() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, _) = request(&mut out).unwrap();
    addresses.release(at(1), key(), &mut out);
    assert_eq!((request(&mut out), addresses.leaving()), (None, 1));
    addresses.applied(at(1), number, Ok(()), &mut out);
    let (number, add) = request(&mut out).unwrap();
    assert!(!add);
    addresses.applied(at(2), number, Ok(()), &mut out);
    assert_eq!((addresses.leaving(), facts(&mut addresses)), (0, vec![]));
}

#[test]
fn what_a_dead_agent_left_is_removed_and_what_an_administrator_added_is_not() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.observe(at(0), key(), Some(&there(ADDRESS_PROTOCOL)), &mut out);
    assert!(request(&mut out).is_some_and(|(_, add)| !add));

    let mut addresses = Addresses::default();
    addresses.observe(at(0), key(), Some(&there(0)), &mut out);
    assert_eq!(request(&mut out), None);
    addresses.want(at(0), key(), wanted(), Some(&there(0)), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::HeldByOther, Fact::Held]);
    addresses.release(at(0), key(), &mut out);
    assert_eq!((request(&mut out), addresses.leaving()), (None, 0));
}

#[test]
fn without_tags_in_the_kernel_our_own_are_known_for_this_life() {
    let (mut addresses, mut out) = held();
    addresses.observe(at(1), key(), Some(&there(0)), &mut out);
    addresses.release(at(2), key(), &mut out);
    assert!(request(&mut out).is_some_and(|(_, add)| !add));
}

#[test]
fn an_address_that_cannot_be_removed_is_told_once_and_tried_for_as_long_as_it_stays() {
    let (mut addresses, mut out) = held();
    addresses.release(at(2), key(), &mut out);
    let mut now = at(2);
    for _ in 0..20 {
        let (number, add) = request(&mut out).unwrap();
        assert!(!add);
        addresses.applied(now, number, Err(refusal(1)), &mut out);
        assert_eq!((request(&mut out), addresses.leaving()), (None, 1));
        now = addresses.deadline().unwrap();
        addresses.run(now, &mut out);
    }
    assert_eq!(facts(&mut addresses), [Fact::Stuck { text: "no".to_owned() }]);
    assert!(now.since(at(2)) > STUCK_RETRY_AFTER * 15, "at a slow pace");
    let (number, _) = request(&mut out).unwrap();
    addresses.applied(now, number, Ok(()), &mut out);
    assert_eq!((addresses.leaving(), addresses.deadline()), (0, None));
}

#[test]
fn an_older_dump_or_the_echo_of_a_removal_does_not_void_an_add_under_way() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, _) = request(&mut out).unwrap();
    addresses.observe(at(1), key(), None, &mut out);
    addresses.applied(at(2), number, Ok(()), &mut out);
    assert_eq!((facts(&mut addresses), request(&mut out)), (vec![Fact::Held], None));
    // Also known for ours where the kernel has no tags.
    addresses.observe(at(3), key(), Some(&there(0)), &mut out);
    addresses.release(at(4), key(), &mut out);
    assert!(request(&mut out).is_some_and(|(_, add)| !add));
}

#[test]
fn what_the_kernel_answered_counts_more_than_an_event_not_yet_seen() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.observe(at(0), key(), Some(&there(ADDRESS_PROTOCOL)), &mut out);
    let (leftover, _) = request(&mut out).unwrap();
    // Wanted while its removal is under way: not held, and added once it is gone.
    addresses.want(at(1), key(), wanted(), Some(&there(ADDRESS_PROTOCOL)), &mut out);
    facts(&mut addresses);
    let gone = (ETH0, wanted().address.prefix);
    assert_eq!(addresses.applied(at(2), leftover, Ok(()), &mut out), Some(gone));
    assert!(!addresses.is_present(key()));
    assert!(request(&mut out).is_some_and(|(_, add)| add));
}

#[test]
fn an_add_without_an_answer_that_was_done_after_all_is_ours_also_without_tags() {
    for event_first in [true, false] {
        let (mut addresses, mut out) = (Addresses::default(), Vec::new());
        addresses.want(at(0), key(), wanted(), None, &mut out);
        let (number, _) = request(&mut out).unwrap();
        if event_first {
            addresses.observe(at(1), key(), Some(&there(0)), &mut out);
            addresses.applied(at(2000), number, Err(refusal(0)), &mut out);
        } else {
            addresses.applied(at(2000), number, Err(refusal(0)), &mut out);
            addresses.observe(at(2001), key(), Some(&there(0)), &mut out);
        }
        assert_eq!(request(&mut out), None);
        addresses.release(at(3000), key(), &mut out);
        assert!(request(&mut out).is_some_and(|(_, add)| !add), "event first: {event_first}");
    }
    // Much later it is somebody else's.
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let (number, _) = request(&mut out).unwrap();
    addresses.release(at(1), key(), &mut out);
    addresses.applied(at(2000), number, Err(refusal(0)), &mut out);
    addresses.observe(at(60_000), key(), Some(&there(0)), &mut out);
    assert_eq!((request(&mut out), addresses.is_known(key())), (None, false));
}

#[test]
fn wanted_again_while_it_is_being_removed_is_neither_lost_nor_held_before_the_answer() {
    for refused in [true, false] {
        let (mut addresses, mut out) = held();
        addresses.release(at(2), key(), &mut out);
        let (number, _) = request(&mut out).unwrap();
        addresses.want(at(3), key(), wanted(), Some(&there(ADDRESS_PROTOCOL)), &mut out);
        if refused {
            addresses.applied(at(4), number, Err(refusal(1)), &mut out);
            assert_eq!((facts(&mut addresses), request(&mut out)), (vec![Fact::Held], None));
        } else {
            addresses.observe(at(4), key(), None, &mut out);
            assert_eq!((facts(&mut addresses), request(&mut out)), (vec![], None));
            addresses.applied(at(5), number, Ok(()), &mut out);
            assert!(request(&mut out).is_some_and(|(_, add)| add));
        }
    }
}

#[test]
fn what_is_put_back_before_the_answer_to_its_removal_is_seen() {
    for (protocol, goes) in [(ADDRESS_PROTOCOL, true), (3, false)] {
        let (mut addresses, mut out) = held();
        addresses.release(at(2), key(), &mut out);
        let (number, _) = request(&mut out).unwrap();
        addresses.observe(at(3), key(), None, &mut out);
        addresses.observe(at(3), key(), Some(&there(protocol)), &mut out);
        assert_eq!(addresses.applied(at(3), number, Ok(()), &mut out), None, "it is not gone");
        // With our tag it goes like anything that nobody wants; else it is somebody's and stays.
        assert_eq!(request(&mut out).map(|(_, add)| add), goes.then_some(false), "protocol {protocol}");
    }
}

/// Whatever becomes of an add of ours, an address with another network length is not what it added.
#[test]
fn a_twin_that_appears_beside_an_add_under_way_is_not_ours_to_remove() {
    let twin = LinkAddress { prefix: Prefix::host(key().1), ..there(0) };
    for (answer, twin_first) in [(Ok(()), true), (Err(0), true), (Err(0), false)] {
        let (mut addresses, mut out) = (Addresses::default(), Vec::new());
        addresses.want(at(0), key(), wanted(), None, &mut out);
        let (number, _) = request(&mut out).unwrap();
        if twin_first {
            addresses.observe(at(1), key(), Some(&twin), &mut out);
        }
        addresses.applied(at(2), number, answer.map_err(refusal), &mut out);
        addresses.observe(at(3), key(), Some(&twin), &mut out);
        addresses.release(at(4), key(), &mut out);
        let removed = out.pop().map(|output| {
            let Output::Apply { change: Change::Remove { prefix }, .. } = output else {
                panic!("{output:?}")
            };
            prefix.length()
        });
        assert_eq!(removed, answer.is_ok().then_some(24), "{answer:?}, {twin_first}");
    }
}

#[test]
fn what_was_refused_before_it_was_held_back_is_tried_anew_after_that() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(), wanted(), None, &mut out);
    let mut asked = request(&mut out);
    for attempt in 1..ATTEMPTS {
        let (number, _) = asked.unwrap();
        addresses.applied(at(0), number, Err(refusal(1)), &mut out);
        assert_eq!(facts(&mut addresses).len(), 1, "attempt {attempt}");
        addresses.run(addresses.deadline().unwrap(), &mut out);
        asked = request(&mut out);
    }
    let until = at(10_000);
    addresses.hold_back(at(1000), key(), Some(Hold { until, away: true }), &mut out);
    addresses.applied(at(1000), asked.unwrap().0, Err(refusal(1)), &mut out);
    assert_eq!((facts(&mut addresses), request(&mut out)), (vec![], None), "nobody waits for it");
    addresses.hold_back(at(1001), key(), None, &mut out);
    assert!(request(&mut out).is_some_and(|(_, add)| add));
}

#[test]
fn what_is_held_back_comes_by_itself_in_the_end() {
    let (mut addresses, mut out) = held();
    addresses.hold_back(at(2), key(), Some(Hold { until: at(100), away: false }), &mut out);
    assert_eq!(request(&mut out), None, "what is there stays");
    addresses.observe(at(3), key(), None, &mut out);
    assert_eq!((facts(&mut addresses), request(&mut out)), (vec![Fact::Lost], None));
    assert_eq!(addresses.deadline(), Some(at(100)));
    addresses.run(at(100), &mut out);
    let (number, add) = request(&mut out).unwrap();
    assert!(add);
    addresses.applied(at(101), number, Ok(()), &mut out);
    assert_eq!((facts(&mut addresses), addresses.is_held_back(key())), (vec![Fact::Held], false));
}
