//! Leases: the kernel takes an address away by itself unless this says in time that it is still wanted.
//!
//! Owns: when each address of ours is renewed next, and the renewals under way. An address that is ours, wanted and leased
//! is renewed at an even pace, counted from when the one before was due, so that it does not drift; one whose lease is
//! not known to be the wanted one, because an earlier agent added it or the configuration changed, is renewed at once.
//! Never: renews what nobody wants or what somebody else put there. What is to go does not wait for a renewal.
//!
//! Fails: a renewal that is refused or not answered is tried again soon, and told when it fails first and when the end
//! of the lease is near. An address that is lost all the same comes back as one that somebody removed.

use std::time::Duration;

use super::{Addresses, ENODEV, Entry, Fact, Pending, Presence, RETRY_AFTER, Request};
use crate::agent::announcer::Key;
use crate::agent::message::{Change, Output, Refusal};
use crate::config::model::Lease;
use crate::time::Instant;

/// Renewals under way at once: what is added at a takeover must not wait for more. The others follow, oldest first.
pub const RENEWALS: usize = 32;
/// Renewals that are due so soon after one that is due are made with it: a thousand addresses do not wake the agent a
/// thousand times a second.
pub(super) const TOGETHER: Duration = Duration::from_millis(20);

/// What the kernel was last told of how long it keeps an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing in this life of the agent.
    Nothing,
    /// To keep it until it is removed.
    Forever,
    /// So many seconds.
    Seconds(u32),
}

impl Told {
    fn of(lease: Option<Lease>) -> Self {
        lease.map_or(Told::Forever, |lease| Told::Seconds(lease.seconds))
    }

    fn seconds(self) -> Option<u32> {
        match self {
            Told::Nothing | Told::Forever => None,
            Told::Seconds(seconds) => Some(seconds),
        }
    }
}

/// The lease of one address.
#[derive(Debug)]
pub(super) struct Renewal {
    told: Told,
    /// When that was asked for: the kernel counts from then on, or from a little later.
    from: Instant,
    /// When the last one that succeeded was due; the next is one renewal period after it.
    beat: Instant,
    /// Where it stands in the queue, if it does.
    queued: Option<Instant>,
    /// After a failure: not before then.
    retry_at: Option<Instant>,
    /// What is under way: for how long, since when, and when it was due.
    asked: Option<(Told, Instant, Instant)>,
    /// The failure was told, and that the end is near.
    told_failed: bool,
    told_near: bool,
}

impl Renewal {
    pub(super) fn new() -> Self {
        Renewal {
            told: Told::Nothing,
            from: Instant::ZERO,
            beat: Instant::ZERO,
            queued: None,
            retry_at: None,
            asked: None,
            told_failed: false,
            told_near: false,
        }
    }

    /// The address is being added with this lease. It may turn out to be there by an event, and no answer come: the kernel
    /// counts from now on in any case.
    pub(super) fn adding(&mut self, now: Instant, lease: Option<Lease>) {
        *self =
            Renewal { told: Told::of(lease), from: now, beat: now, queued: self.queued, ..Renewal::new() };
    }

    /// The address is gone. What puts it back, unless it is ours, told the kernel nothing.
    pub(super) fn gone(&mut self) {
        *self = Renewal { queued: self.queued, ..Renewal::new() };
    }

    /// How long the kernel keeps the address at least, where it has a lease that is known.
    fn left(&self, now: Instant) -> Option<Duration> {
        let seconds = self.told.seconds()?;
        Some(self.from.after(Duration::from_secs(u64::from(seconds))).since(now))
    }
}

impl Addresses {
    /// The instance that wants an address wants it with this lease from now on.
    pub(crate) fn relet(
        &mut self,
        now: Instant,
        key: Key,
        instance: usize,
        lease: Option<Lease>,
        out: &mut Vec<Output>,
    ) {
        let wanted = self.entries.get_mut(&key).and_then(|entry| entry.wanted.as_mut());
        if let Some(wanted) = wanted.filter(|wanted| wanted.instance == instance && wanted.lease != lease) {
            wanted.lease = lease;
            self.plan_renewal(now, key);
            self.renew(now, out);
        }
    }

    /// Puts an address into the queue where it belongs now, or takes it out.
    pub(super) fn plan_renewal(&mut self, now: Instant, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let at = entry.next_renewal(now);
        if at != entry.renewal.queued {
            if let Some(before) = std::mem::replace(&mut entry.renewal.queued, at) {
                self.renewals.remove(&(before, key));
            }
            self.renewals.extend(at.map(|at| (at, key)));
        }
    }

    /// When [`Addresses::renew`] is due; not before an answer while as many are under way as may be.
    pub(super) fn renewal_due(&self) -> Option<Instant> {
        self.renewals.first().map(|(due, _)| *due).filter(|_| self.renewing.len() < RENEWALS)
    }

    /// Asks for the renewals that are due, as far as they may be under way at once.
    pub(super) fn renew(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.renewal_due().is_none_or(|due| due > now) {
            return;
        }
        while let Some((due, key)) = self.renewals.first().copied()
            && due <= now.after(TOGETHER)
            && self.renewing.len() < RENEWALS
        {
            self.renewals.remove(&(due, key));
            // Of an address whose link is gone the place in the queue may be left.
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.renewal.queued == Some(due))
            else {
                continue;
            };
            entry.renewal.queued = None;
            let Some(change) = entry.renewing(now, due) else { continue };
            let request = super::next(&mut self.last_request);
            entry.pending = Some(Pending::new(Request::Renew, request, entry.prefix));
            self.requests.insert(request, key);
            self.renewing.insert(request);
            out.push(Output::Apply { request, link: key.0, change });
        }
    }
}

impl Entry {
    /// When the address is to be renewed next; `None` where that is not to be, or is under way.
    fn next_renewal(&self, now: Instant) -> Option<Instant> {
        let wanted = self.wanted.as_ref()?;
        if self.presence != Presence::Ours || self.pending.is_some() || self.is_in_another_form() {
            return None;
        }
        let renewal = &self.renewal;
        let told = renewal.told == Told::of(wanted.lease);
        // One that has its place keeps it: this is asked often.
        let due = if told {
            renewal.beat.after(wanted.lease?.renewal)
        } else {
            renewal.queued.unwrap_or(now).min(now)
        };
        Some(renewal.retry_at.map_or(due, |at| at.max(due)))
    }

    /// The request that renews it, which was `due` then.
    fn renewing(&mut self, now: Instant, due: Instant) -> Option<Change> {
        let wanted = self.wanted.as_ref()?;
        self.renewal.asked = Some((Told::of(wanted.lease), now, due));
        Some(Change::Renew {
            prefix: self.prefix,
            label: wanted.address.label.clone(),
            scope: wanted.address.scope,
            preferred: super::preferred(self.prefix),
            route: true,
            lease: wanted.lease.map(|lease| lease.seconds),
        })
    }

    /// The kernel's answer to a renewal.
    pub(super) fn renew_answered(
        &mut self,
        now: Instant,
        pending: Pending,
        outcome: Result<(), Refusal>,
    ) -> Option<Fact> {
        let (told, from, due) = self.renewal.asked.take()?;
        match outcome {
            Ok(()) => {
                let period = self.wanted.as_ref().and_then(|wanted| wanted.lease).map(|lease| lease.renewal);
                // Who is behind by a whole period does not catch up: one renewal is as good as two.
                let late = period.is_some_and(|period| due.after(period) <= from);
                let (beat, queued) = (if late { from } else { due }, self.renewal.queued);
                self.renewal = Renewal { told, from, beat, queued, ..Renewal::new() };
                // What was not there was added by this; who else's it is by now the event says. Where it went and came
                // since this was asked, and this was not done before, it is ours by this, tag or none.
                let ours = self.presence != Presence::Foreign || pending.brings_back();
                if ours { self.is_there(now, pending) } else { None }
            }
            Err(refusal) => {
                self.renewal.retry_at = Some(now.after(RETRY_AFTER));
                // The link is gone, of which an event tells.
                if refusal.errno == ENODEV || self.presence != Presence::Ours || self.wanted.is_none() {
                    return None;
                }
                let left = self.renewal.left(now);
                let whole =
                    self.renewal.told.seconds().map(|seconds| Duration::from_secs(u64::from(seconds)));
                let near = left.zip(whole).is_some_and(|(left, whole)| left * 3 < whole);
                let first = !std::mem::replace(&mut self.renewal.told_failed, true);
                let news = near && !std::mem::replace(&mut self.renewal.told_near, near);
                (first || news).then_some(Fact::Unrenewed { text: refusal.text, left, again: !first })
            }
        }
    }
}

#[cfg(test)]
mod tests;
