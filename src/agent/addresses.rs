//! Desired and observed addresses: the difference between them is the work.
//!
//! Owns: for each address that an instance wants, or that carries our tag, whether it is there, and the request under
//! way. What the kernel says is believed, not what was asked for. An address that is wanted and vanishes is put back; one
//! that carries our tag and nobody wants is removed; one that somebody else put there is used and never removed.
//! A refusal to add is retried a bounded number of times and then told to the instance; a refusal to remove is told, and
//! tried again at a slow pace for as long as the address is there. Never: decides who is MASTER.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::announcer::Key;
use super::message::{Change, LinkAddress, Output, Refusal, RequestId};
use crate::config::model::VirtualAddress;
use crate::net::{LinkIndex, Prefix};
use crate::time::Instant;

/// `IFA_PROTO` of the addresses that we add: the number of the protocol that they are moved by.
pub const ADDRESS_PROTOCOL: u8 = 112;

/// Attempts to add or remove an address before it is given up.
pub const ATTEMPTS: u8 = 3;
/// Time between two attempts.
pub const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Time between two attempts to remove an address that the kernel refused to remove [`ATTEMPTS`] times: as long as it
/// stays, two hosts answer for it, so this is never given up.
pub const STUCK_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Times within [`RESTORE_WINDOW`] that a vanished address is put back at once; then once per [`RESTORE_PAUSE`].
const RESTORES: u8 = 5;
const RESTORE_WINDOW: Duration = Duration::from_secs(10);
const RESTORE_PAUSE: Duration = Duration::from_secs(1);

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
    /// The kernel refused to remove it again and again.
    Stuck { text: String },
    /// The kernel's answer does not fit what is known: ask for a dump.
    Stale,
}

/// All addresses that concern us.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    entries: BTreeMap<Key, Entry>,
    requests: BTreeMap<RequestId, Key>,
    retries: BTreeSet<(Instant, Key)>,
    last_request: u64,
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
    restores: u8,
    restore_window: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Absent,
    Ours,
    Foreign,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    add: bool,
    prefix: Prefix,
    /// The kernel told of its removal after the request: the answer is out of date.
    removed_since: bool,
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
        let prefix = wanted.address.prefix;
        let entry = self.entries.entry(key).or_insert_with(|| {
            let fresh = Entry::new(prefix);
            Entry { presence: fresh.presence_of(known), ..fresh }
        });
        entry.wanted = Some(wanted);
        entry.attempts = 0;
        entry.retry_at = None;
        match entry.presence {
            Presence::Absent => {}
            // About to go: the answer tells whether it has to be added again.
            Presence::Ours if entry.pending.is_some_and(|pending| !pending.add) => {}
            Presence::Ours if entry.is_in_another_form() => {}
            Presence::Ours => self.facts.push((key, Fact::Held)),
            Presence::Foreign => self.facts.extend([(key, Fact::HeldByOther), (key, Fact::Held)]),
        }
        self.reconcile(now, key, out);
    }

    /// Nobody wants it any more.
    pub(crate) fn release(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.wanted = None;
            entry.attempts = 0;
            entry.retry_at = None;
            self.reconcile(now, key, out);
        }
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
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(prefix));
        let before = entry.presence;
        // The same address with another prefix beside ours: somebody else's, and not to be removed in its stead.
        if known.is_some() && before == Presence::Ours && prefix != entry.prefix {
            return;
        }
        if known.is_none() {
            entry.added = false;
        } else if let Some((_, until)) = entry.expected.filter(|(asked, _)| *asked == prefix) {
            entry.expected = None;
            entry.added |= now < until && before == Presence::Absent;
        }
        entry.presence = entry.presence_of(known);
        if known.is_some() {
            entry.prefix = prefix;
        } else if let Some(pending) = &mut entry.pending
            && before != Presence::Absent
        {
            // Only what has been seen there can go: otherwise this tells of an earlier removal, or is an older dump.
            pending.removed_since = true;
        }
        let removing = entry.pending.is_some_and(|pending| !pending.add);
        match (before, entry.presence, entry.wanted.is_some() && !removing) {
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
        let key = self.requests.remove(&request)?;
        let entry = self.entries.get_mut(&key)?;
        let pending = entry.pending.take()?;
        let fact = if pending.add {
            entry.add_answered(now, pending, outcome)
        } else {
            entry.remove_answered(now, pending, outcome)
        };
        let gone = !pending.add && entry.presence == Presence::Absent;
        let prefix = pending.prefix;
        if let Some(fact) = fact {
            self.facts.push((key, fact));
        }
        self.reconcile(now, key, out);
        gone.then_some((key.0, prefix))
    }

    /// Does what has become due.
    pub(crate) fn run(&mut self, now: Instant, out: &mut Vec<Output>) {
        while let Some((due, key)) = self.retries.first().copied()
            && due <= now
        {
            self.retries.remove(&(due, key));
            self.reconcile(now, key, out);
        }
    }

    /// When [`Addresses::run`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.retries.first().map(|(due, _)| *due)
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
        let ours = |e: &Entry| e.presence == Presence::Ours || e.added || e.pending.is_some();
        self.entries.get(&key).is_some_and(ours)
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
        let leaving = |entry: &&Entry| {
            entry.wanted.is_none() && (entry.presence == Presence::Ours || entry.pending.is_some())
        };
        self.entries.values().filter(leaving).count()
    }

    /// The link is gone, and with it what was on it.
    pub(crate) fn link_gone(&mut self, link: LinkIndex) {
        self.entries.retain(|(on, _), _| *on != link);
    }

    /// Every key that is known here.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }

    /// Asks for what is still to be done about one address, unless that is under way or has to wait.
    fn reconcile(&mut self, now: Instant, key: Key, out: &mut Vec<Output>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.pending.is_some() {
            return;
        }
        let change = match (&entry.wanted, entry.presence) {
            (Some(wanted), Presence::Absent) => {
                entry.prefix = wanted.address.prefix;
                entry.form = Some(wanted.address.clone());
                add(&wanted.address)
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
        entry.pending = Some(Pending { add, prefix: entry.prefix, removed_since: false });
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.requests.insert(request, key);
        out.push(Output::Apply { request, link: key.0, change });
    }
}

impl Entry {
    fn new(prefix: Prefix) -> Self {
        Entry {
            prefix,
            wanted: None,
            presence: Presence::Absent,
            added: false,
            form: None,
            expected: None,
            pending: None,
            attempts: 0,
            retry_at: None,
            restores: 0,
            restore_window: Instant::ZERO,
        }
    }

    /// Whether we put it there with another prefix, label or scope than it is wanted with.
    fn is_in_another_form(&self) -> bool {
        let form = |address: &VirtualAddress| (address.prefix, address.label.clone(), address.scope);
        match (&self.wanted, &self.form) {
            (Some(wanted), Some(ours)) => form(ours) != form(&wanted.address),
            (_, _) => false,
        }
    }

    fn presence_of(&self, known: Option<&LinkAddress>) -> Presence {
        match known {
            None => Presence::Absent,
            Some(address) if self.added || address.protocol == ADDRESS_PROTOCOL => Presence::Ours,
            Some(_) => Presence::Foreign,
        }
    }

    fn pace_restore(&mut self, now: Instant) {
        if now.since(self.restore_window) > RESTORE_WINDOW {
            self.restore_window = now;
            self.restores = 0;
        }
        self.restores = self.restores.saturating_add(1);
        self.attempts = 0;
        self.retry_at = (self.restores > RESTORES).then(|| now.after(RESTORE_PAUSE));
    }

    fn add_answered(&mut self, now: Instant, pending: Pending, outcome: Result<(), Refusal>) -> Option<Fact> {
        match outcome {
            Ok(()) => {
                self.attempts = 0;
                if pending.removed_since && self.presence == Presence::Absent {
                    // Gone again, or the event was of an earlier removal and that of this add is yet to come.
                    self.expected = Some((pending.prefix, now.after(EXPECTED_FOR)));
                    return None;
                }
                self.added = true;
                self.prefix = pending.prefix;
                self.expected = None;
                let before = std::mem::replace(&mut self.presence, Presence::Ours);
                (before == Presence::Absent && self.wanted.is_some()).then_some(Fact::Held)
            }
            Err(refusal) => {
                self.attempts = self.attempts.saturating_add(1);
                self.retry_at = Some(now.after(RETRY_AFTER));
                if refusal.errno == 0 {
                    self.add_unanswered(now, pending.prefix);
                }
                self.wanted.as_ref()?;
                if refusal.errno == EEXIST && self.attempts < ATTEMPTS {
                    return Some(Fact::Stale);
                }
                let again = self.attempts < ATTEMPTS;
                Some(Fact::Refused { text: refusal.text, attempts: self.attempts, again })
            }
        }
    }

    /// It may have been done. It was not there when this was asked, so what has appeared since, or will soon, is ours.
    fn add_unanswered(&mut self, now: Instant, prefix: Prefix) {
        match self.presence {
            Presence::Absent => self.expected = Some((prefix, now.after(EXPECTED_FOR))),
            Presence::Ours => {}
            // Somebody else's, with a network of another length.
            Presence::Foreign if self.prefix != prefix => {
                self.expected = Some((prefix, now.after(EXPECTED_FOR)));
            }
            Presence::Foreign => {
                self.added = true;
                self.presence = Presence::Ours;
            }
        }
    }

    fn remove_answered(
        &mut self,
        now: Instant,
        pending: Pending,
        outcome: Result<(), Refusal>,
    ) -> Option<Fact> {
        match outcome {
            Err(refusal) if refusal.errno != EADDRNOTAVAIL && refusal.errno != ENODEV => {
                self.attempts = self.attempts.saturating_add(1);
                let wait = if self.attempts < ATTEMPTS { RETRY_AFTER } else { STUCK_RETRY_AFTER };
                self.retry_at = Some(now.after(wait));
                if self.wanted.is_some() {
                    // Wanted again meanwhile, and still there: as it is, if it is not to be had otherwise.
                    self.attempts = 0;
                    self.form = None;
                    return (self.presence != Presence::Absent).then_some(Fact::Held);
                }
                (self.attempts == ATTEMPTS).then_some(Fact::Stuck { text: refusal.text })
            }
            // The kernel told of its end, and then that it is there again: somebody put it back before this answer.
            Ok(()) if pending.removed_since && self.presence != Presence::Absent => {
                self.attempts = 0;
                self.wanted.is_some().then_some(Fact::Held)
            }
            Ok(()) | Err(_) => {
                self.attempts = 0;
                self.added = false;
                self.presence = Presence::Absent;
                None
            }
        }
    }
}

/// The request that adds `address`. An IPv6 address without a network part of its own is never picked as a source by the
/// kernel: a connection of this host must not leave from an address that moves away.
fn add(address: &VirtualAddress) -> Change {
    let prefix = address.prefix;
    Change::Add {
        prefix,
        label: address.label.clone(),
        scope: address.scope,
        preferred: !(prefix.address().is_ipv6() && prefix.length() == 128),
    }
}

#[cfg(test)]
mod tests;
