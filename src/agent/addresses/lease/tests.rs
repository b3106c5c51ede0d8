//! Leases on a kernel that answers when the test says so.

use std::net::IpAddr;

use super::super::{ADDRESS_PROTOCOL, Wanted};
use super::*;
use crate::agent::message::{LinkAddress, RequestId};
use crate::config::model::VirtualAddress;
use crate::net::{LinkIndex, Prefix, Scope};

const ETH0: LinkIndex = LinkIndex(2);
const PERIOD: u64 = 1000;
const SIX: Option<Lease> = Some(Lease { seconds: 6, renewal: Duration::from_millis(PERIOD) });
const LONG: Option<Lease> = Some(Lease { seconds: 60, renewal: Duration::from_millis(PERIOD) });

fn key(number: u16) -> Key {
    let [high, low] = number.to_be_bytes();
    (ETH0, IpAddr::from([10, 0, high, low]))
}

fn wanted(number: u16, lease: Option<Lease>) -> Wanted {
    let prefix = Prefix::new(key(number).1, 16).unwrap();
    let address =
        VirtualAddress { prefix, interface: None, label: Some("eth0:v".to_owned()), scope: Scope::Link };
    Wanted { instance: 7, address, lease }
}

fn there(number: u16, protocol: u8) -> LinkAddress {
    let prefix = wanted(number, None).address.prefix;
    LinkAddress { link: ETH0, prefix, protocol, tentative: false, secondary: false }
}

fn at(milliseconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_millis(milliseconds))
}

fn refusal(errno: i32) -> Refusal {
    Refusal { errno, text: "no".to_owned() }
}

/// What was asked for: number, which address, and what.
fn asked(out: &mut Vec<Output>) -> Vec<(RequestId, Change)> {
    let apply = |output| {
        let Output::Apply { request, link: ETH0, change } = output else { panic!("{output:?}") };
        (request, change)
    };
    std::mem::take(out).into_iter().map(apply).collect()
}

/// The one renewal that was asked for: its number and lease.
fn renewal(out: &mut Vec<Output>) -> (RequestId, Option<u32>) {
    let all = asked(out);
    let [(request, Change::Renew { label, scope: Scope::Link, preferred: true, lease, .. })] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!(label.as_deref(), Some("eth0:v"));
    (*request, *lease)
}

fn facts(addresses: &mut Addresses) -> Vec<Fact> {
    std::mem::take(&mut addresses.facts).into_iter().map(|(_, fact)| fact).collect()
}

/// Address 1, held since 1 ms with this lease, which was asked for at 0.
fn held(lease: Option<Lease>) -> (Addresses, Vec<Output>) {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(1), wanted(1, lease), None, &mut out);
    let [(request, Change::Add { lease: told, .. })] = &asked(&mut out)[..] else { panic!("no add") };
    assert_eq!(*told, lease.map(|lease| lease.seconds));
    addresses.applied(at(1), *request, Ok(()), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::Held]);
    assert_eq!(out, []);
    (addresses, out)
}

#[test]
fn a_lease_is_renewed_at_an_even_pace_however_long_the_answers_take() {
    let (mut addresses, mut out) = held(SIX);
    for beat in 1..=20 {
        let due = beat * PERIOD;
        assert_eq!(addresses.deadline(), Some(at(due)));
        addresses.run(at(due - 1), &mut out);
        assert_eq!(out, [], "not before its time");
        // The agent is late each time, and the answer too: the next is due as if neither were.
        addresses.run(at(due + 70), &mut out);
        let (request, lease) = renewal(&mut out);
        assert_eq!((lease, addresses.deadline()), (Some(6), None));
        addresses.applied(at(due + 300), request, Ok(()), &mut out);
        assert_eq!((&out[..], facts(&mut addresses)), (&[][..], vec![]));
    }
}

#[test]
fn who_is_late_by_more_than_a_period_does_not_catch_up() {
    let (mut addresses, mut out) = held(SIX);
    addresses.run(at(PERIOD * 5 / 2), &mut out);
    let (request, _) = renewal(&mut out);
    addresses.applied(at(PERIOD * 5 / 2), request, Ok(()), &mut out);
    assert_eq!((out.len(), addresses.deadline()), (0, Some(at(PERIOD * 7 / 2))));
}

#[test]
fn without_a_lease_nothing_is_renewed() {
    let (mut addresses, mut out) = held(None);
    assert_eq!(addresses.deadline(), None);
    addresses.run(at(1_000_000), &mut out);
    assert_eq!(out, []);
}

#[test]
fn what_an_earlier_agent_left_is_renewed_at_once_with_a_lease_and_without() {
    for lease in [SIX, None] {
        let (mut addresses, mut out) = (Addresses::default(), Vec::new());
        let known = there(1, ADDRESS_PROTOCOL);
        addresses.want(at(5), key(1), wanted(1, lease), Some(&known), &mut out);
        assert_eq!(facts(&mut addresses), [Fact::Held]);
        let (request, told) = renewal(&mut out);
        assert_eq!(told, lease.map(|lease| lease.seconds));
        addresses.applied(at(6), request, Ok(()), &mut out);
        assert_eq!(addresses.deadline(), lease.map(|_| at(5 + PERIOD)));
    }
}

/// IPv4 has such an address beside the one that is wanted, where it would stay.
#[test]
fn what_an_earlier_agent_left_with_another_network_is_had_anew() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    let known = LinkAddress { prefix: Prefix::host(key(1).1), ..there(1, ADDRESS_PROTOCOL) };
    addresses.want(at(0), key(1), wanted(1, SIX), Some(&known), &mut out);
    let [(request, Change::Remove { prefix })] = asked(&mut out)[..] else { panic!("not removed") };
    assert_eq!((prefix, facts(&mut addresses)), (known.prefix, vec![]));
    addresses.applied(at(1), request, Ok(()), &mut out);
    let [(_, Change::Add { prefix, .. })] = asked(&mut out)[..] else { panic!("not added") };
    assert_eq!(prefix, wanted(1, SIX).address.prefix);
}

#[test]
fn another_lease_is_told_to_the_kernel_at_once() {
    for (before, after) in [(SIX, LONG), (SIX, None), (None, SIX)] {
        let (mut addresses, mut out) = held(before);
        addresses.relet(at(300), key(1), 8, after, &mut out);
        assert_eq!(out, [], "not by an instance that does not want it");
        addresses.relet(at(300), key(1), 7, after, &mut out);
        let (request, told) = renewal(&mut out);
        assert_eq!(told, after.map(|lease| lease.seconds));
        addresses.relet(at(301), key(1), 7, after, &mut out);
        addresses.applied(at(302), request, Ok(()), &mut out);
        assert_eq!((out.len(), addresses.deadline()), (0, after.map(|_| at(300 + PERIOD))));
    }
    // Changed again while that is under way.
    let (mut addresses, mut out) = held(SIX);
    addresses.relet(at(300), key(1), 7, LONG, &mut out);
    let (request, _) = renewal(&mut out);
    addresses.relet(at(301), key(1), 7, None, &mut out);
    assert_eq!(out, []);
    addresses.applied(at(302), request, Ok(()), &mut out);
    assert_eq!(renewal(&mut out).1, None);
}

/// Such as an add without an answer that was done after all: its lease counts from then, not from the add that found it.
#[test]
fn what_an_add_finds_there_already_is_renewed_at_once() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(1), wanted(1, SIX), None, &mut out);
    let [(request, Change::Add { .. })] = asked(&mut out)[..] else { panic!("no add") };
    addresses.applied(at(0), request, Err(refusal(super::super::EEXIST)), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::Stale]);
    addresses.observe(at(1), key(1), Some(&there(1, ADDRESS_PROTOCOL)), &mut out);
    assert_eq!(addresses.deadline(), Some(at(1)));
    addresses.run(at(1), &mut out);
    assert_eq!(renewal(&mut out).1, Some(6));
}

#[test]
fn somebody_elses_address_is_never_leased() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    addresses.want(at(0), key(1), wanted(1, SIX), Some(&there(1, 0)), &mut out);
    assert_eq!(facts(&mut addresses), [Fact::HeldByOther, Fact::Held]);
    addresses.relet(at(1), key(1), 7, LONG, &mut out);
    addresses.run(at(100_000), &mut out);
    assert_eq!((&out[..], addresses.deadline()), (&[][..], None));
}

#[test]
fn a_failed_renewal_is_tried_again_and_told_at_first_and_near_the_end() {
    for errno in [1, 0] {
        let (mut addresses, mut out) = held(SIX);
        let mut told = Vec::new();
        let mut now = at(PERIOD);
        while now < at(6000) {
            addresses.run(now, &mut out);
            let (request, _) = renewal(&mut out);
            addresses.applied(now, request, Err(refusal(errno)), &mut out);
            assert_eq!(addresses.deadline(), Some(now.after(RETRY_AFTER)));
            for fact in facts(&mut addresses) {
                let Fact::Unrenewed { text, left: Some(left), again } = fact else { panic!("{fact:?}") };
                assert_eq!(text, "no");
                told.push((now, left.as_millis(), again));
            }
            now = now.after(RETRY_AFTER);
        }
        assert_eq!(told, [(at(1000), 5000, false), (at(4100), 1900, true)]);
        // Told anew when it fails once more after it went well.
        addresses.run(now, &mut out);
        let (request, _) = renewal(&mut out);
        addresses.applied(now, request, Ok(()), &mut out);
        let next = addresses.deadline().unwrap();
        addresses.run(next, &mut out);
        let (request, _) = renewal(&mut out);
        addresses.applied(next, request, Err(refusal(errno)), &mut out);
        assert!(matches!(facts(&mut addresses)[..], [Fact::Unrenewed { again: false, .. }]));
    }
}

#[test]
fn a_renewal_on_a_link_that_is_gone_is_no_news() {
    let (mut addresses, mut out) = held(SIX);
    addresses.run(at(PERIOD), &mut out);
    let (request, _) = renewal(&mut out);
    addresses.link_gone(ETH0);
    addresses.applied(at(PERIOD), request, Err(refusal(ENODEV)), &mut out);
    assert_eq!((facts(&mut addresses), out.len()), (vec![], 0));
    addresses.run(at(100_000), &mut out);
    assert_eq!((out.len(), addresses.deadline()), (0, None));
}

#[test]
fn a_removal_waits_for_no_renewal_and_none_follows_it() {
    let (mut addresses, mut out) = held(SIX);
    addresses.run(at(PERIOD), &mut out);
    let (renewed, _) = renewal(&mut out);
    addresses.release(at(PERIOD + 1), key(1), &mut out);
    let [(removed, Change::Remove { .. })] = asked(&mut out)[..] else { panic!("no removal") };
    assert_eq!(addresses.leaving(), 1);
    for outcome in [Ok(()), Err(refusal(1))] {
        addresses.applied(at(PERIOD + 2), renewed, outcome, &mut out);
        assert_eq!((addresses.leaving(), facts(&mut addresses), out.len()), (1, vec![], 0));
    }
    // What the renewal did and was told of late does not count for more.
    addresses.observe(at(PERIOD + 3), key(1), Some(&there(1, ADDRESS_PROTOCOL)), &mut out);
    addresses.observe(at(PERIOD + 3), key(1), None, &mut out);
    addresses.applied(at(PERIOD + 4), removed, Ok(()), &mut out);
    assert_eq!((addresses.leaving(), facts(&mut addresses)), (0, vec![]));
    addresses.run(at(100_000), &mut out);
    assert_eq!((out.len(), addresses.deadline(), addresses.is_known(key(1))), (0, None, false));
}

/// The kernel adds what it is to renew and does not have.
#[test]
fn a_renewal_that_brings_an_address_back_ends_as_one_that_was_put_back() {
    // Heard of its end before the answer, and of its return before or after.
    for event_first in [true, false] {
        let (mut addresses, mut out) = held(SIX);
        addresses.run(at(PERIOD), &mut out);
        let (request, _) = renewal(&mut out);
        addresses.observe(at(PERIOD), key(1), None, &mut out);
        assert_eq!((facts(&mut addresses), out.len()), (vec![Fact::Lost], 0));
        if event_first {
            addresses.observe(at(PERIOD), key(1), Some(&there(1, ADDRESS_PROTOCOL)), &mut out);
            addresses.applied(at(PERIOD), request, Ok(()), &mut out);
            assert_eq!(asked(&mut out), []);
        } else {
            addresses.applied(at(PERIOD), request, Ok(()), &mut out);
            let [(add, Change::Add { .. })] = asked(&mut out)[..] else { panic!("not asked for") };
            addresses.observe(at(PERIOD), key(1), Some(&there(1, ADDRESS_PROTOCOL)), &mut out);
            addresses.applied(at(PERIOD), add, Err(refusal(super::super::EEXIST)), &mut out);
            // Which of the two the kernel did is not known.
            let (request, _) = renewal(&mut out);
            addresses.applied(at(PERIOD), request, Ok(()), &mut out);
        }
        assert_eq!(facts(&mut addresses)[0], Fact::Held);
        assert!(addresses.is_present(key(1)));
        assert!(addresses.deadline().is_some_and(|due| due <= at(PERIOD * 2)));
    }
    // Gone, and the renewal refused: added as ever.
    let (mut addresses, mut out) = held(SIX);
    addresses.run(at(PERIOD), &mut out);
    let (request, _) = renewal(&mut out);
    addresses.observe(at(PERIOD), key(1), None, &mut out);
    addresses.applied(at(PERIOD), request, Err(refusal(1)), &mut out);
    assert!(matches!(asked(&mut out)[..], [(_, Change::Add { .. })]));
}

/// A kernel without tags tells of ours as of somebody else's: that the renewal was done tells it apart.
#[test]
fn what_a_renewal_brings_back_is_ours_also_without_tags() {
    let (mut addresses, mut out) = held(SIX);
    addresses.run(at(PERIOD), &mut out);
    let (request, _) = renewal(&mut out);
    addresses.observe(at(PERIOD), key(1), None, &mut out);
    addresses.observe(at(PERIOD), key(1), Some(&there(1, 0)), &mut out);
    addresses.applied(at(PERIOD), request, Ok(()), &mut out);
    assert_eq!((facts(&mut addresses), out.len()), (vec![Fact::Lost, Fact::Held], 0));
    addresses.run(at(PERIOD * 2), &mut out);
    assert_eq!(renewal(&mut out).1, Some(6), "or the kernel takes it away");
    addresses.release(at(PERIOD * 2), key(1), &mut out);
    assert!(matches!(asked(&mut out)[..], [(_, Change::Remove { .. })]));
}

#[test]
fn what_somebody_put_there_after_the_renewal_is_not_ours_without_tags_either() {
    for (outcome, done) in [(Ok(()), true), (Err(refusal(0)), true), (Err(refusal(0)), false)] {
        let (mut addresses, mut out) = held(SIX);
        addresses.run(at(PERIOD), &mut out);
        let (request, _) = renewal(&mut out);
        if done {
            addresses.observe(at(PERIOD), key(1), Some(&there(1, 0)), &mut out);
        }
        addresses.observe(at(PERIOD), key(1), None, &mut out);
        addresses.observe(at(PERIOD), key(1), Some(&there(1, 0)), &mut out);
        addresses.applied(at(PERIOD), request, outcome, &mut out);
        addresses.run(at(PERIOD * 2), &mut out);
        addresses.release(at(PERIOD * 2), key(1), &mut out);
        assert_eq!(out, [], "neither to renew nor to remove");
    }
}

#[test]
fn what_somebody_put_in_place_of_ours_is_not_taken_for_ours_by_a_renewal() {
    let (mut addresses, mut out) = held(SIX);
    addresses.run(at(PERIOD), &mut out);
    let (request, _) = renewal(&mut out);
    addresses.observe(at(PERIOD), key(1), None, &mut out);
    addresses.observe(at(PERIOD), key(1), Some(&there(1, 3)), &mut out);
    addresses.applied(at(PERIOD), request, Ok(()), &mut out);
    addresses.release(at(PERIOD), key(1), &mut out);
    assert_eq!(out, [], "it is not ours to remove");
}

#[test]
fn a_thousand_are_renewed_a_few_at_a_time_the_oldest_first_and_an_add_is_not_kept_waiting() {
    const MANY: u16 = 1000;
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    for number in 1..=MANY {
        addresses.want(at(0), key(number), wanted(number, SIX), None, &mut out);
    }
    // Added one after the other, a millisecond each; wanted all at once, so due at once.
    for (number, (request, _)) in (1..).zip(asked(&mut out)) {
        addresses.applied(at(number), request, Ok(()), &mut out);
    }
    facts(&mut addresses);
    for beat in 1..=3 {
        let (mut now, mut order) = (at(beat * PERIOD), Vec::new());
        addresses.run(now, &mut out);
        let mut under_way = std::collections::VecDeque::from(asked(&mut out));
        assert_eq!((under_way.len(), addresses.deadline()), (RENEWALS, None));
        while let Some((request, change)) = under_way.pop_front() {
            let Change::Renew { prefix, .. } = change else { panic!("{change:?}") };
            order.push(prefix.address());
            now = now.after(Duration::from_micros(500));
            addresses.applied(now, request, Ok(()), &mut out);
            under_way.extend(asked(&mut out));
            assert!(under_way.len() <= RENEWALS);
        }
        let all: Vec<IpAddr> = (1..=MANY).map(|number| key(number).1).collect();
        assert_eq!(order, all);
        assert_eq!(addresses.deadline(), Some(at((beat + 1) * PERIOD)), "no drift");
    }
    addresses.run(at(4 * PERIOD), &mut out);
    assert_eq!(asked(&mut out).len(), RENEWALS);
    addresses.want(at(4 * PERIOD), key(MANY + 1), wanted(MANY + 1, SIX), None, &mut out);
    assert!(matches!(asked(&mut out)[..], [(_, Change::Add { .. })]), "at once");
}

#[test]
fn what_is_due_soon_is_renewed_with_what_is_due_but_nothing_brings_that_forward() {
    let (mut addresses, mut out) = (Addresses::default(), Vec::new());
    for (number, when) in [(1, 0), (2, 19), (3, 21)] {
        addresses.want(at(when), key(number), wanted(number, SIX), None, &mut out);
        let (request, _) = asked(&mut out)[0];
        addresses.applied(at(when), request, Ok(()), &mut out);
    }
    addresses.run(at(PERIOD - 1), &mut out);
    assert_eq!(out, []);
    addresses.run(at(PERIOD), &mut out);
    let first = asked(&mut out);
    assert_eq!(first.len(), 2);
    for (request, _) in first {
        addresses.applied(at(PERIOD + 1), request, Ok(()), &mut out);
    }
    assert_eq!(addresses.deadline(), Some(at(PERIOD + 21)));
    addresses.run(at(PERIOD + 21), &mut out);
    let (request, _) = renewal(&mut out);
    addresses.applied(at(PERIOD + 21), request, Ok(()), &mut out);
    assert_eq!(addresses.deadline(), Some(at(2 * PERIOD)), "each keeps its own beat");
}
