//! Desired and observed addresses: the difference between them is the work.
//!
//! Owns: for each address that an instance wants, or that carries our tag, whether it is there, and the request under
//! way. What the kernel says is believed, not what was asked for. An address that is wanted and vanishes is put back; one
//! that carries our tag and nobody wants is removed; one that somebody else put there is used and never removed.
//! A refusal to add is retried a bounded number of times and then told to the instance; a refusal to remove is told, and
//! tried again at a slow pace for as long as the address is there. Never: decides who is MASTER.
//!
//! | part | owns |
//! |---|---|
//! | `entry` | what events and answers mean for one address |
//! | `lease` | when an address is renewed, and what is done where that fails |

mod entry;
mod lease;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::announcer::Key;
use super::message::{Change, LinkAddress, Output, Refusal, RequestId};
use crate::config::model::{Lease, VirtualAddress};
use crate::net::{LinkIndex, Prefix};
use crate::time::Instant;
pub use lease::RENEWALS;
use lease::Renewal;

/// `IFA_PROTO` of the addresses that we add: the number of the protocol that they are moved by.
pub const ADDRESS_PROTOCOL: u8 = 112;

/// Attempts to add or remove an address before it is given up.
pub const ATTEMPTS: u8 = 3;
/// Time between two attempts.
pub const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Time between two attempts to remove an address that the kernel refused to remove [`ATTEMPTS`] times: as long as it
/// stays, two hosts answer for it, so this is never given up.
pub const STUCK_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Times within [`RESTORE_WINDOW`] that a vanished address is put back at once; then after [`RESTORE_PAUSE`], twice as long
/// each time, up to [`RESTORE_PAUSE_LONGEST`]. `ip address flush` takes away again what is put back, up to ten times.
const RESTORES: u8 = 5;
const RESTORE_WINDOW: Duration = Duration::from_secs(10);
const RESTORE_PAUSE: Duration = Duration::from_millis(20);
const RESTORE_PAUSE_LONGEST: Duration = Duration::from_secs(1);
/// Time before an address that was a secondary is put back. It may have gone because the primary does, of which the kernel
/// tells in the next moment.
const RESTORE_REST: Duration = Duration::from_micros(500);

/// How long an add that got no answer may still show its effect.
const EXPECTED_FOR: Duration = Duration::from_secs(10);

const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;

/// What an instance wants to have.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// By number.
    pub(crate) instance: usize,
    /// As configured.
    pub(crate) address: VirtualAddress,
    /// How long the kernel is to keep it; `None`: until it is removed.
    pub(crate) lease: Option<Lease>,
}

/// What the agent must know of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// It is there now.
    Held,
    /// It is there, put by somebody else.
    HeldByOther,
    /// It was there and is not any more, though wanted.
    Lost,
    /// The kernel refused to add it.
    Refused { text: String, attempts: u8, again: bool },
    /// Its lease could not be renewed; `again`: it has failed before, and the end is near, which is in `left`.
    Unrenewed { text: String, left: Option<Duration>, again: bool },
    /// The kernel refused to remove it again and again.
    Stuck { text: String },
    /// The kernel's answer does not fit what is known: ask for a dump.
    Stale,
}

/// All addresses that concern us.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// Each in a place of its own: the map has room for nearly twice as many as are in it.
    entries: BTreeMap<Key, Box<Entry>>,
    requests: BTreeMap<RequestId, Key>,
    retries: BTreeSet<(Instant, Key)>,
    /// Who is to be renewed when.
    renewals: BTreeSet<(Instant, Key)>,
    /// The renewals that the kernel has not answered.
    renewing: BTreeSet<RequestId>,
    last_request: u64,
    /// How often an address has come or gone.
    pub(crate) changes: u64,
    /// Facts for the agent, in order.
    pub(crate) facts: Vec<(Key, Fact)>,
}

#[derive(Debug)]
struct Entry {
    prefix: Prefix,
    wanted: Option<Wanted>,
    presence: Presence,
    /// We added it in this life: it is ours even where the kernel knows no tag.
    added: bool,
    /// As we last asked for it to be added; `None` where we did not, or where another form is not to be had.
    form: Option<VirtualAddress>,
    /// This, if it appears until then, is ours: an add of ours got no answer and may have been done.
    expected: Option<(Prefix, Instant)>,
    pending: Option<Pending>,
    attempts: u8,
    retry_at: Option<Instant>,
    /// The kernel last told that another address is the first of its network.
    secondary: bool,
    /// Wanted, and not to be put there for now.
    hold: Option<Hold>,
    restores: u8,
    restore_window: Instant,
    renewal: Renewal,
}

/// A wanted address is not to be put there for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Until then at the latest.
    pub(crate) until: Instant,
    /// It is to be away: what is there of it goes, and of what becomes of it meanwhile nothing is told.
    pub(crate) away: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Absent,
    Ours,
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Add,
    Renew,
    Remove,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    what: Request,
    request: RequestId,
    prefix: Prefix,
    /// The kernel told of its removal after the request: the answer is out of date.
    removed_since: bool,
    /// The kernel told of it while it was there all along: a renewal is done by then.
    told_since: bool,
}

impl Addresses {
    /// An instance wants an address; `known` is what the kernel last told of that place, which counts where nothing
    /// newer is known here.
    pub(crate) fn want(
        &mut self,
        now: Instant,
        key: Key,
        wanted: Wanted,
        known: Option<&LinkAddress>,
        out: &mut Vec<Output>,
    ) {
        let entry = self.entries.entry(key).or_insert_with(|| Box::new(Entry::found(&wanted.address, known)));
        entry.wanted = Some(wanted);
        entry.attempts = 0;
        entry.retry_at = None;
        match entry.presence {
            Presence::Absent => {}
            // About to go: the answer tells whether it has to be added again.
            Presence::Ours if entry.is_being_removed() => {}
            Presence::Ours if entry.is_in_another_form() => {}
            Presence::Ours => self.facts.push((key, Fact::Held)),
            Presence::Foreign => self.facts.extend([(key, Fact::HeldByOther), (key, Fact::Held)]),
        }
        self.reconcile(now, key, out);
        self.renew(now, out);
    }

    /// Nobody wants it any more.
    pub(crate) fn release(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.wanted = None;
            entry.hold = None;
            entry.attempts = 0;
            entry.retry_at = None;
            if let Some(request) = entry.forget_renewal() {
                self.requests.remove(&request);
            }
            self.reconcile(now, key, out);
        }
    }

    /// A wanted address is held back, or no longer, or otherwise; it stays wanted.
    pub(crate) fn hold_back(&mut self, now: Instant, key: Key, hold: Option<Hold>, out: &mut Vec<Output>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.wanted.is_none() || entry.hold == hold {
            return;
        }
        let was_awaited = entry.is_awaited();
        entry.hold = hold;
        entry.retry_at = None;
        entry.attempts = 0;
        if !entry.is_awaited()
            && let Some(request) = entry.forget_renewal()
        {
            self.requests.remove(&request);
        }
        if !was_awaited
            && entry.is_awaited()
            && entry.presence != Presence::Absent
            && !entry.is_being_removed()
        {
            self.facts.push((key, Fact::Held));
        }
        self.reconcile(now, key, out);
    }

    /// Whether a wanted address is held back.
    pub(crate) fn is_held_back(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.hold.is_some())
    }

    /// Whether a wanted address is to be away for now.
    pub(crate) fn is_away(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.wanted.is_some() && !entry.is_awaited())
    }

    /// Whether the kernel last told that another address is the first of its network.
    pub(crate) fn is_secondary(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.secondary)
    }

    /// The wanted addresses on a link, and the network of each.
    pub(crate) fn wanted_on(&self, link: LinkIndex) -> impl Iterator<Item = (Key, Prefix)> {
        let first = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let on = self.entries.range((link, first)..).take_while(move |((at, _), _)| *at == link);
        on.filter_map(|(key, entry)| Some((*key, entry.wanted.as_ref()?.address.prefix.network())))
    }

    /// The kernel told of an address: there now, or gone.
    pub(crate) fn observe(
        &mut self,
        now: Instant,
        key: Key,
        known: Option<&LinkAddress>,
        out: &mut Vec<Output>,
    ) {
        let ours = known.is_some_and(|address| address.protocol == ADDRESS_PROTOCOL);
        if !ours && !self.entries.contains_key(&key) {
            return;
        }
        let prefix = known.map_or(Prefix::host(key.1), |address| address.prefix);
        let entry = self.entries.entry(key).or_insert_with(|| Box::new(Entry::new(prefix)));
        let before = entry.presence;
        // The same address with another prefix beside ours: somebody else's, and not to be removed in its stead.
        if known.is_some() && before == Presence::Ours && prefix != entry.prefix {
            return;
        }
        if known.is_none() {
            entry.added = false;
            if entry.pending.is_none() {
                entry.renewal.gone();
            }
        } else if let Some((_, until)) = entry.expected.filter(|(asked, _)| *asked == prefix) {
            entry.expected = None;
            entry.added |= now < until && before == Presence::Absent;
        }
        entry.presence = entry.presence_of(known);
        if let Some(known) = known {
            entry.prefix = prefix;
            entry.secondary = known.secondary;
            entry.told(known);
        } else if let Some(pending) = &mut entry.pending
            && before != Presence::Absent
        {
            // Only what has been seen there can go: otherwise this tells of an earlier removal, or is an older dump.
            pending.removed_since = true;
        }
        self.changes += u64::from(before != entry.presence);
        let awaited = entry.is_awaited() && !entry.is_being_removed();
        match (before, entry.presence, awaited) {
            (Presence::Absent, Presence::Ours | Presence::Foreign, true) => {
                self.facts.push((key, Fact::Held));
            }
            (Presence::Ours | Presence::Foreign, Presence::Absent, true) => {
                entry.pace_restore(now);
                self.facts.push((key, Fact::Lost));
            }
            (_, _, _) => {}
        }
        self.reconcile(now, key, out);
    }

    /// The kernel's answer to a request; the address and its place if it says that it is gone.
    pub(crate) fn applied(
        &mut self,
        now: Instant,
        request: RequestId,
        outcome: Result<(), Refusal>,
        out: &mut Vec<Output>,
    ) -> Option<(LinkIndex, Prefix)> {
        self.renewing.remove(&request);
        let gone = self.answered(now, request, outcome, out);
        // One that is over makes room for another.
        self.renew(now, out);
        gone
    }

    fn answered(
        &mut self,
        now: Instant,
        request: RequestId,
        outcome: Result<(), Refusal>,
        out: &mut Vec<Output>,
    ) -> Option<(LinkIndex, Prefix)> {
        let key = self.requests.remove(&request)?;
        let entry = self.entries.get_mut(&key)?;
        let pending = entry.pending.take_if(|pending| pending.request == request)?;
        let before = entry.presence;
        let (fact, removed) = match pending.what {
            Request::Add => (entry.add_answered(now, pending, outcome), false),
            Request::Renew => (entry.renew_answered(now, pending, outcome), false),
            Request::Remove => (entry.remove_answered(now, pending, outcome), true),
        };
        self.changes += u64::from(before != entry.presence);
        let gone = removed && entry.presence == Presence::Absent;
        if let Some(fact) = fact {
            self.facts.push((key, fact));
        }
        self.reconcile(now, key, out);
        gone.then_some((key.0, pending.prefix))
    }

    /// Does what has become due.
    pub(crate) fn run(&mut self, now: Instant, out: &mut Vec<Output>) {
        while let Some((due, key)) = self.retries.first().copied()
            && due <= now
        {
            self.retries.remove(&(due, key));
            self.reconcile(now, key, out);
        }
        self.renew(now, out);
    }

    /// When [`Addresses::run`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let retry = self.retries.first().map(|(due, _)| *due);
        [retry, self.renewal_due()].into_iter().flatten().min()
    }

    /// Whether the address is there, as the kernel says.
    pub(crate) fn is_present(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.presence != Presence::Absent)
    }

    /// Whether anything is known of the address here.
    pub(crate) fn is_known(&self, key: Key) -> bool {
        self.entries.contains_key(&key)
    }

    /// Whether the address was put there by us, in this life or an earlier one, or is being put there.
    pub(crate) fn is_ours(&self, key: Key) -> bool {
        let entry = self.entries.get(&key);
        entry.is_some_and(|e| e.presence == Presence::Ours || e.added || e.pending.is_some())
    }

    /// The address as we put it there, in this life or an earlier one, if it is there.
    pub(crate) fn held_by_us(&self, key: Key) -> Option<Prefix> {
        self.entries.get(&key).filter(|entry| entry.presence == Presence::Ours).map(|entry| entry.prefix)
    }

    /// Who wants the address.
    pub(crate) fn owner(&self, key: Key) -> Option<usize> {
        self.entries.get(&key).and_then(|entry| entry.wanted.as_ref()).map(|wanted| wanted.instance)
    }

    /// The address as it is or should be.
    pub(crate) fn prefix(&self, key: Key) -> Prefix {
        self.entries.get(&key).map_or(Prefix::host(key.1), |entry| entry.prefix)
    }

    /// Addresses that are ours, wanted by nobody, and still there or in question.
    pub(crate) fn leaving(&self) -> usize {
        let ours = |entry: &Entry| entry.presence == Presence::Ours || entry.pending.is_some();
        self.entries.values().filter(|entry| entry.wanted.is_none() && ours(entry)).count()
    }

    /// The link is gone, and with it what was on it.
    pub(crate) fn link_gone(&mut self, link: LinkIndex) {
        self.entries.retain(|(on, _), _| *on != link);
        self.changes += 1;
    }

    /// Every key that is known here.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }

    /// Asks for what is still to be done about one address, unless that is under way or has to wait.
    fn reconcile(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        self.ask(now, key, out);
        self.plan_renewal(now, key);
    }

    fn ask(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.pending.is_some() {
            return;
        }
        if entry.end_hold(now) {
            self.facts.push((key, Fact::Held));
        }
        let change = match (&entry.wanted, entry.presence) {
            (Some(_), Presence::Absent) if entry.hold.is_some() => {
                self.retries.extend(entry.hold.map(|hold| (hold.until, key)));
                return;
            }
            (Some(_), Presence::Ours) if !entry.is_awaited() => Change::Remove { prefix: entry.prefix },
            (Some(wanted), Presence::Absent) => {
                entry.prefix = wanted.address.prefix;
                entry.form = Some(wanted.address.clone());
                add(wanted)
            }
            (None, Presence::Ours) => Change::Remove { prefix: entry.prefix },
            // The kernel knows no change of an address: it goes and comes.
            (Some(_), Presence::Ours) if entry.is_in_another_form() => {
                Change::Remove { prefix: entry.prefix }
            }
            (Some(_), Presence::Ours | Presence::Foreign) => return,
            (None, Presence::Absent | Presence::Foreign) if entry.expected.is_some() => return,
            (None, Presence::Absent | Presence::Foreign) => {
                self.entries.remove(&key);
                return;
            }
        };
        let add = matches!(change, Change::Add { .. });
        if add && entry.attempts >= ATTEMPTS {
            return;
        }
        if let Some(retry_at) = entry.retry_at.filter(|at| *at > now) {
            self.retries.insert((retry_at, key));
            return;
        }
        let what = if add { Request::Add } else { Request::Remove };
        if add {
            entry.renewal.adding(now, entry.wanted.as_ref().and_then(|wanted| wanted.lease));
        }
        let request = next(&mut self.last_request);
        entry.pending = Some(Pending::new(what, request, entry.prefix));
        self.requests.insert(request, key);
        out.push(Output::Apply { request, link: key.0, change });
    }
}

/// The number of one more request.
fn next(last: &mut u64) -> RequestId {
    *last += 1;
    RequestId(*last)
}

/// The request that adds what is wanted.
fn add(wanted: &Wanted) -> Change {
    let address = &wanted.address;
    Change::Add {
        prefix: address.prefix,
        label: address.label.clone(),
        scope: address.scope,
        preferred: preferred(address.prefix),
        route: true,
        lease: wanted.lease.map(|lease| lease.seconds),
    }
}

/// Whether the kernel may pick the address as a source. Not an IPv6 one without a network part of its own: a connection of
/// this host must not leave from an address that moves away.
fn preferred(prefix: Prefix) -> bool {
    !(prefix.address().is_ipv6() && prefix.length() == 128)
}

#[cfg(test)]
mod tests;
