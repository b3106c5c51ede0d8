//! One address: what events and answers of the kernel mean for it.
//!
//! Owns: how the state of one address follows what the kernel says. Never: asks the kernel, or knows other addresses.
//! Cannot fail; what the kernel refused becomes a fact.

use super::lease::Renewal;
use super::{
    ADDRESS_PROTOCOL, ATTEMPTS, EADDRNOTAVAIL, EEXIST, ENODEV, EXPECTED_FOR, Entry, Fact, Pending, Presence,
    RESTORE_PAUSE, RESTORE_PAUSE_LONGEST, RESTORE_REST, RESTORE_WINDOW, RESTORES, RETRY_AFTER, Request,
    STUCK_RETRY_AFTER,
};
use crate::agent::message::{LinkAddress, Refusal, RequestId};
use crate::config::model::VirtualAddress;
use crate::net::Prefix;
use crate::time::Instant;

impl Pending {
    pub(super) fn new(what: Request, request: RequestId, prefix: Prefix) -> Self {
        Pending { what, request, prefix, removed_since: false, told_since: false }
    }

    /// Whether a renewal that succeeded did so after the end of what it was to renew.
    pub(super) fn brings_back(self) -> bool {
        self.removed_since && !self.told_since
    }
}

impl Entry {
    pub(super) fn new(prefix: Prefix) -> Self {
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
            secondary: false,
            hold: None,
            restores: 0,
            restore_window: Instant::ZERO,
            renewal: Renewal::new(),
        }
    }

    /// The entry of an address that is wanted, of which the kernel told this before anybody wanted it. What an earlier agent
    /// left with another network is to be had anew.
    pub(super) fn found(wanted: &VirtualAddress, known: Option<&LinkAddress>) -> Self {
        let secondary = known.is_some_and(|known| known.secondary);
        let fresh = Entry { secondary, ..Entry::new(wanted.prefix) };
        let presence = fresh.presence_of(known);
        match known {
            Some(known) if presence == Presence::Ours && known.prefix != wanted.prefix => {
                let form = Some(VirtualAddress { prefix: known.prefix, ..wanted.clone() });
                Entry { presence, prefix: known.prefix, form, ..fresh }
            }
            Some(_) | None => Entry { presence, ..fresh },
        }
    }

    /// Whether it is to be there now.
    pub(super) fn is_awaited(&self) -> bool {
        self.wanted.is_some() && !self.hold.is_some_and(|hold| hold.away)
    }

    /// Ends what holds it back if that is over; whether it is there after all, which was not told.
    pub(super) fn end_hold(&mut self, now: Instant) -> bool {
        let over = self.hold.take_if(|hold| hold.until <= now);
        over.is_some_and(|hold| hold.away && self.presence != Presence::Absent)
    }

    /// The renewal under way, if any, is not waited for: the kernel does one thing after the other, so a removal needs no word
    /// on the renewal before it.
    pub(super) fn forget_renewal(&mut self) -> Option<RequestId> {
        self.pending.take_if(|pending| pending.what == Request::Renew).map(|pending| pending.request)
    }

    pub(super) fn is_being_removed(&self) -> bool {
        self.pending.is_some_and(|pending| pending.what == Request::Remove)
    }

    /// Whether we put it there with another prefix, label or scope than it is wanted with.
    pub(super) fn is_in_another_form(&self) -> bool {
        let form = |address: &VirtualAddress| (address.prefix, address.label.clone(), address.scope);
        match (&self.wanted, &self.form) {
            (Some(wanted), Some(ours)) => form(ours) != form(&wanted.address),
            (_, _) => false,
        }
    }

    pub(super) fn presence_of(&self, known: Option<&LinkAddress>) -> Presence {
        match known {
            None => Presence::Absent,
            Some(address) if self.added || address.protocol == ADDRESS_PROTOCOL => Presence::Ours,
            Some(_) => Presence::Foreign,
        }
    }

    /// The kernel told of the address while a request is under way. A mark of somebody else's says enough by itself.
    pub(super) fn told(&mut self, known: &LinkAddress) {
        if let Some(pending) = &mut self.pending {
            let marked = !matches!(known.protocol, 0 | ADDRESS_PROTOCOL);
            pending.told_since |= marked || !pending.removed_since;
        }
    }

    pub(super) fn pace_restore(&mut self, now: Instant) {
        if now.since(self.restore_window) > RESTORE_WINDOW {
            self.restore_window = now;
            self.restores = 0;
        }
        self.restores = self.restores.saturating_add(1);
        self.attempts = 0;
        let rest = self.secondary.then(|| now.after(RESTORE_REST));
        let paused = self.restores.checked_sub(RESTORES + 1).map(|before| {
            let doubled = RESTORE_PAUSE.saturating_mul(2_u32.saturating_pow(u32::from(before)));
            now.after(doubled.min(RESTORE_PAUSE_LONGEST))
        });
        self.retry_at = paused.or(rest);
    }

    pub(super) fn add_answered(
        &mut self,
        now: Instant,
        pending: Pending,
        outcome: Result<(), Refusal>,
    ) -> Option<Fact> {
        match outcome {
            Ok(()) => {
                self.attempts = 0;
                self.is_there(now, pending)
            }
            Err(refusal) => {
                self.attempts = self.attempts.saturating_add(1);
                self.retry_at = Some(now.after(RETRY_AFTER));
                if refusal.errno == EEXIST {
                    // There already, with whatever lease an earlier request or somebody else gave it.
                    self.renewal.gone();
                }
                if refusal.errno == 0 {
                    self.add_unanswered(now, pending.prefix);
                }
                if !self.is_awaited() {
                    return None;
                }
                if refusal.errno == EEXIST && self.attempts < ATTEMPTS {
                    return Some(Fact::Stale);
                }
                let again = self.attempts < ATTEMPTS;
                Some(Fact::Refused { text: refusal.text, attempts: self.attempts, again })
            }
        }
    }

    /// The kernel says that it is there, because that was asked for.
    pub(super) fn is_there(&mut self, now: Instant, pending: Pending) -> Option<Fact> {
        if pending.removed_since && self.presence == Presence::Absent {
            // Gone again, or the event was of an earlier removal and that of this add is yet to come.
            self.expected = Some((pending.prefix, now.after(EXPECTED_FOR)));
            return None;
        }
        self.added = true;
        self.prefix = pending.prefix;
        self.expected = None;
        let before = std::mem::replace(&mut self.presence, Presence::Ours);
        (before == Presence::Absent && self.is_awaited()).then_some(Fact::Held)
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

    pub(super) fn remove_answered(
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
                if self.is_awaited() {
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
                self.is_awaited().then_some(Fact::Held)
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
