//! What the judge says of leases: who no longer runs loses its addresses in time, and who runs never does.

use failover::agent::snapshot::VrState;

use crate::host::Host;
use crate::judge::Judge;
use crate::kernel::{By, Held};
use crate::scenario::SECOND;

/// What the kernel may be late by, and what was under way when the program stopped.
const LATE: u64 = 2 * SECOND;

impl Judge {
    /// A program runs, from now on or again.
    pub(crate) fn runs(&mut self, number: usize, now: u64) {
        let watch = &mut self.watches[number];
        watch.runs_since = Some(now);
        watch.gone_since = None;
    }

    /// A program was killed or does not run for a while.
    pub(crate) fn runs_no_more(&mut self, number: usize, now: u64) {
        let watch = &mut self.watches[number];
        watch.runs_since = None;
        watch.gone_since.get_or_insert(now);
    }

    /// How long an address may be there without its program, where it has a lease.
    fn lease_of(&self, number: usize, held: &Held) -> Option<(usize, u64)> {
        let address = held.address.prefix.address();
        let group = self.groups.iter().position(|group| group.addresses.contains(&address))?;
        let lease = self.watches[number].seats[group].as_ref()?.config().lease()?;
        Some((group, u64::from(lease.seconds) * SECOND))
    }

    /// Nothing that a program put there is held for longer than its lease after it stopped to run.
    pub(crate) fn look_at_leases(&mut self, now: u64, number: usize, host: &Host) {
        let Some(gone) = self.watches[number].gone_since else { return };
        let over = |held: &&Held| {
            let lease = self.lease_of(number, held);
            matches!(held.by, By::Agent(_)) && lease.is_some_and(|(_, lease)| now > gone + lease + LATE)
        };
        if let Some(held) = host.kernel.held().iter().find(over) {
            self.fail(number, format!("{} outlives its lease", held.address.prefix));
        }
    }

    /// The kernel took an address away because it was not renewed: not from a MASTER that runs and whose kernel is well.
    pub(crate) fn expired(&mut self, now: u64, number: usize, host: &Host, held: &Held) {
        let Some((group, lease)) = self.lease_of(number, held) else { return };
        let watch = &self.watches[number];
        let state = watch.seats[group].as_ref().map(|seat| seat.state);
        let ran = watch.runs_since.is_some_and(|since| now > since + lease);
        if state == Some(VrState::Master) && ran && !watch.is_ill() && held.by == By::Agent(host.life) {
            self.fail(number, format!("vr{group} is MASTER, and did not renew {}", held.address.prefix));
        }
    }
}
