//! The instances at work: messages to events, actions of the state machine to outputs, facts about addresses to
//! announcements, repairs and faults.

use std::net::IpAddr;

use super::Agent;
use super::addresses::{Fact, Wanted};
use super::announcer::Key;
use super::instance::{DEFEND_INTERVAL, Source};
use super::message::{Datagram, Output, Refusal, SocketId};
use super::receive::{self, Accepted};
use super::report::Report;
use super::snapshot::VrState;
use super::trouble::Trouble;
use crate::time::Instant;
use crate::vrrp::announce;
use crate::vrrp::fields::Claim;
use crate::vrrp::packet::Peek;
use crate::vrrp::router::{Action, Cause, Event};

impl Agent {
    /// A message came in.
    pub(super) fn hear(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut Vec<Output>) {
        let vrid = Peek::read(datagram.payload).map(|peek| peek.vrid);
        let number = vrid.and_then(|vrid| self.by_wire.get(&(datagram.socket, vrid))).copied();
        let Some(number) = number else {
            self.counters.vrid_errors += 1;
            self.sockets.rubbish(now, datagram.socket, out);
            return;
        };
        let Some(instance) = self.instances.get_mut(number) else { return };
        // Not the virtual ones: a peer may send from those, such as the owner, or FRR from its link-local one.
        let own = |address: IpAddr| {
            let key = (datagram.socket.link, address);
            self.world.address(key.0, key.1).is_some() && !self.addresses.is_ours(key)
        };
        match receive::check(&instance.config, datagram, own) {
            Err(trouble) => {
                self.sockets.rubbish(now, datagram.socket, out);
                self.trouble(now, number, datagram.source, trouble, out);
            }
            Ok(accepted) => self.accept(now, number, &accepted, out),
        }
    }

    fn trouble(
        &mut self,
        now: Instant,
        number: usize,
        peer: IpAddr,
        trouble: Trouble,
        out: &mut Vec<Output>,
    ) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        receive::count(&mut instance.counters, trouble);
        if let Some(count) = instance.troubles.note(now, trouble, peer) {
            let subject = instance.subject.clone();
            out.push(Output::Report(Report::Trouble { subject, peer, trouble, count }));
        }
    }

    fn accept(&mut self, now: Instant, number: usize, accepted: &Accepted, out: &mut Vec<Output>) {
        let heard = accepted.heard;
        for trouble in &accepted.notes {
            self.trouble(now, number, heard.source, *trouble, out);
        }
        let Some(instance) = self.instances.get_mut(number) else { return };
        instance.counters.adverts_received += 1;
        instance.counters.priority_zero_received += u64::from(heard.claim == Claim::Resign);
        if let Some(form) = accepted.form {
            use crate::vrrp::fields::ChecksumForm::{Rfc5798, Rfc9568};
            match form {
                Rfc9568 => instance.counters.checksum_rfc9568 += 1,
                Rfc5798 => instance.counters.checksum_rfc5798 += 1,
            }
            out.extend(instance.follows(now, heard.source, form).map(Output::Report));
        }
        out.extend(instance.hears(now, heard).map(Output::Report));
        self.drive(now, number, Event::Heard(heard), out);
    }

    /// Gives an event to an instance's state machine and does what it answers.
    pub(super) fn drive(&mut self, now: Instant, number: usize, event: Event, out: &mut Vec<Output>) {
        let mut actions = std::mem::take(&mut self.actions);
        let mut was_master = false;
        if let Some(instance) = self.instances.get_mut(number) {
            was_master = instance.is_master();
            instance.router.handle(now, event, &mut actions);
        }
        for action in actions.drain(..) {
            self.act(now, number, action, out);
        }
        self.actions = actions;
        self.rearm(number);
        self.record(number, matches!(event, Event::Configure(_) | Event::Primary(_)), out);
        self.tell_waiting(number, out);
        self.pass_on(now, number, was_master, event, out);
        self.source_not_awaited(now, number, out);
    }

    fn act(&mut self, now: Instant, number: usize, action: Action, out: &mut Vec<Output>) {
        match action {
            Action::Advertise(claim) => self.advertise(number, claim, out),
            Action::Acquire => self.acquire(now, number, out),
            Action::Contested => self.contested(now, number, out),
            Action::Release => self.release(now, number, out),
            Action::Entered(cause) => {
                let leaves = self.instances.get(number).map_or("", |instance| self.leaves_because(instance));
                self.handed_over(number, cause);
                let Some(instance) = self.instances.get_mut(number) else { return };
                let (previous, last) = (instance.state, instance.leaving);
                let (state, reason) = instance.explain(now, cause, leaves);
                if cause == Cause::NotTaken {
                    // The same state, and news each time.
                    instance.reason = reason;
                    return self.not_taken(now, number, out);
                }
                let report = instance.enter(now, state, reason);
                self.told(number, report, out);
                if matches!(cause, Cause::HandedOver { .. }) {
                    if last {
                        self.entered(number, previous, true, out);
                    }
                    self.others_insist(now, number, out);
                }
            }
        }
    }

    /// What is told of an instance that entered a state, or is in FAULT for another reason.
    pub(super) fn told(&mut self, number: usize, report: Option<Report>, out: &mut Vec<Output>) {
        let Some(report) = report else { return };
        self.touch(number);
        let entered = if let Report::Transition { previous, state, .. } = &report {
            Some((*previous, *state))
        } else {
            None
        };
        out.push(Output::Report(report));
        // Who leaves is told so once, by `leave`.
        let leaving = self.instances.get(number).is_none_or(|instance| instance.leaving);
        if let Some((previous, _)) = entered.filter(|(previous, state)| !leaving && previous != state) {
            self.entered(number, previous, false, out);
        }
    }

    pub(super) fn advertise(&mut self, number: usize, claim: Claim, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        if instance.source != Source::There {
            // What cannot be said and cannot wait: then it is not MASTER by the others' leave any more.
            if claim == Claim::Resign {
                self.source_given_up(number);
            }
            return;
        }
        let Some(place) = &instance.place else { return };
        let (socket, source) = (place.socket, place.primary);
        instance.counters.adverts_sent += 1;
        instance.counters.priority_zero_sent += u64::from(claim == Claim::Resign);
        for (destination, payload) in instance.transmit.messages(&instance.config, source, claim) {
            let (destination, payload) = (*destination, payload.clone());
            out.push(Output::Send { socket, source, destination, payload });
        }
    }

    fn acquire(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        let Some(place) = &instance.place else { return };
        instance.announced_at = Some(now);
        instance.missing = place.keys.len();
        let mut absent = None;
        for (key, address) in place.keys.iter().zip(instance.config.all_addresses()) {
            let known = self.world.address(key.0, key.1);
            if known.is_none() {
                absent.get_or_insert(address.prefix);
            }
            let wanted =
                Wanted { instance: number, address: address.clone(), lease: instance.config.lease() };
            self.addresses.want(now, *key, wanted, known, out);
        }
        if let Some(address) = absent.filter(|_| instance.config.priority.is_owner()) {
            let subject = instance.subject.clone();
            out.push(Output::Report(Report::NotOwner { subject, address }));
        }
    }

    fn release(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        instance.reannounce_at = None;
        let keys = instance.place.as_ref().map_or(Vec::new(), |place| place.keys.clone());
        for key in keys {
            self.let_go(now, number, key, out);
        }
    }

    /// Somebody else announced the addresses: say again where they are, but not for every advert.
    fn contested(&mut self, now: Instant, number: usize, out: &mut Vec<Output>) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        let Some((_, heard)) = instance.heard else { return };
        // Whom we have just preempted says once more that it was there: counted, but no news.
        if now.since(instance.since) < instance.config.interval.duration() {
            instance.counters.contested += 1;
            return;
        }
        let report = instance.contested(now, heard);
        let free_at = instance.announced_at.map_or(now, |at| at.after(DEFEND_INTERVAL));
        if free_at <= now {
            self.announce_again(now, number);
        } else {
            instance.reannounce_at = Some(free_at);
        }
        if let Some(report) = report {
            out.push(Output::Report(report));
            // Whatever follows the address may have followed the other one meanwhile.
            self.entered(number, VrState::Master, false, out);
        }
    }

    /// Announces all addresses of a MASTER once more, in one burst.
    pub(super) fn announce_again(&mut self, now: Instant, number: usize) {
        let Some(instance) = self.instances.get_mut(number) else { return };
        let holds = instance.router.is_master() && !instance.router.is_leaving();
        let Some(place) = instance.place.as_ref().filter(|_| holds) else { return };
        instance.announced_at = Some(now);
        for key in place.keys.iter().filter(|key| self.addresses.is_present(**key)) {
            self.announcer.plan(now, *key, instance.config.garp, false);
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn announce(&mut self, now: Instant, out: &mut Vec<Output>) {
        let (world, addresses, instances) = (&self.world, &self.addresses, &mut self.instances);
        self.announcer.run(now, |key: Key| {
            let owner = addresses.owner(key).and_then(|number| instances.get_mut(number));
            let mac = world.link(key.0).and_then(|link| link.mac);
            if let (Some(instance), Some(mac)) = (owner, mac) {
                instance.counters.announcements_sent += 1;
                out.push(Output::Frame { link: key.0, bytes: announce::frame(key.1, mac, true) });
            }
        });
    }

    /// Draws the conclusions from what became known about addresses.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        // Each round can cause more facts only by shutting an instance down, which happens once for each.
        while !self.addresses.facts.is_empty() {
            for (key, fact) in std::mem::take(&mut self.addresses.facts) {
                self.conclude(now, key, fact, out);
            }
        }
    }

    fn conclude(&mut self, now: Instant, key: Key, fact: Fact, out: &mut Vec<Output>) {
        let address = self.addresses.prefix(key);
        match fact {
            Fact::Stale => return self.dump(out),
            Fact::Stuck { text } => {
                let interface = self.link_words(key.0);
                let instances = self.having(address);
                let report = Report::AddressStuck { instances, address, interface, text };
                return out.push(Output::Report(report));
            }
            Fact::Held | Fact::HeldByOther | Fact::Lost | Fact::Refused { .. } | Fact::Unrenewed { .. } => {}
        }
        let Some(number) = self.addresses.owner(key) else { return };
        let Some(instance) = self.instances.get_mut(number) else { return };
        let subject = instance.subject.clone();
        match fact {
            Fact::Held => {
                instance.missing = instance.missing.saturating_sub(1);
                if instance.missing == 0 {
                    instance.next_hold_off = super::instance::HOLD_OFF_FIRST;
                }
                // Of one that has resigned, its successor's announcements are to be the last.
                if !instance.router.is_leaving() {
                    self.announcer.plan(now, key, instance.config.garp, true);
                }
            }
            Fact::HeldByOther => {
                if !instance.config.priority.is_owner() {
                    out.push(Output::Report(Report::ForeignAddress { subject, address }));
                }
            }
            Fact::Lost => {
                instance.missing += 1;
                instance.counters.addresses_restored += 1;
                self.announcer.cancel(key);
                out.push(Output::Report(Report::AddressRestored { subject, address }));
            }
            Fact::Refused { text, attempts, again } => {
                let because = format!("the kernel refused to add {address}: {text}");
                out.push(Output::Report(Report::AddressRefused { subject, address, text, attempts, again }));
                if !again {
                    let reason = instance.hold_off(now, &because);
                    self.shut_down(now, number, VrState::Fault, reason, out);
                    // One unfit, all unfit.
                    self.evaluate(now, number, out);
                }
            }
            Fact::Unrenewed { text, left, again } => {
                out.push(Output::Report(Report::LeaseNotRenewed { subject, address, text, left, again }));
            }
            Fact::Stale | Fact::Stuck { .. } => {}
        }
    }

    pub(super) fn send_failed(
        &mut self,
        now: Instant,
        socket: SocketId,
        refusal: Refusal,
        out: &mut Vec<Output>,
    ) {
        if let Some(count) = self.sockets.send_failed(now, socket) {
            let interface = self.link_words(socket.link);
            let (instances, family, text) = (self.listening_on(socket), socket.family, refusal.text);
            let report = Report::SendFailed { instances, interface, family, text, count };
            out.push(Output::Report(report));
        }
    }
}
