//! The thread that asks the kernel for changes of addresses, and for dumps.
//!
//! A request runs inside the system call that makes it, for as long as the kernel takes; so this is not the engine's
//! work. Owns one blocking netlink socket. Every request is answered once and in order: done, refused, or, when the
//! kernel's answer is not there in time, failed without an `errno`; then the socket is replaced, so that a late answer
//! is nobody's. Retries no change: whoever asked decides. A dump that the kernel says was interrupted is repeated.
//!
//! No limit can end a system call that the kernel itself is stuck in.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NlasIterator};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimeout};
use nix::sys::socket::{MsgFlags, recv, setsockopt};
use nix::sys::time::TimeVal;

use super::decode::{self, Message, messages};
use super::{Address, AddressChange, Event, Failure, Link, Observed, request};
use crate::net::{LinkIndex, Prefix};
use crate::os::process::Waker;
use crate::os::queue::Queue;
use crate::os::{OsError, Trying, clock};
use crate::time::Instant;

/// Changes per system call when many wait.
const BATCH: usize = 64;
/// Changes in the first system call after a pause: the first address must not wait for sixty-three others.
const FIRST_BATCH: usize = 8;
/// The kernel's answers to one system call must be there within this.
const LIMIT: Duration = Duration::from_secs(2);
/// How often the limit is looked at while nothing comes.
const TICK_MILLISECONDS: i64 = 250;
/// Times an interrupted dump is tried again.
const DUMP_TRIES: usize = 10;
/// Bytes of answers that may wait: those to a batch come all at once.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Longest part of a dump that the kernel sends at once.
const ROOM: usize = 32 << 10;
/// Stack of the thread.
const STACK: usize = 128 << 10;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Something to ask of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Change an address; answered by [`Outcome::Applied`].
    Address {
        /// Comes back with the answer.
        id: u64,
        /// Which link.
        link: LinkIndex,
        /// What.
        change: AddressChange,
    },
    /// Read all links and addresses; answered by [`Outcome::Dumped`].
    Dump,
}

/// The kernel's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To [`Request::Address`].
    Applied {
        /// Of the request.
        id: u64,
        /// Why not.
        outcome: Result<(), Failure>,
    },
    /// To [`Request::Dump`].
    Dumped(Result<Observed, Failure>),
}

/// The way to the thread.
pub struct Worker {
    requests: Arc<Queue<Request>>,
    outcomes: Arc<Queue<Outcome>>,
}

impl Worker {
    /// Starts the thread. It takes at most `limit` waiting requests, wakes `waker` for outcomes, marks added addresses
    /// with `protocol` and runs `at_start` first.
    pub fn start(
        limit: usize,
        protocol: u8,
        waker: Waker,
        at_start: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let requests = Arc::new(Queue::new(limit));
        // Bounded by the requests.
        let outcomes = Arc::new(Queue::new(usize::MAX));
        let mut kernel = Kernel { socket: None, sequence: 0, protocol, buffer: vec![0; ROOM] };
        let worker = Worker { requests: Arc::clone(&requests), outcomes: Arc::clone(&outcomes) };
        thread::Builder::new().name("kernel".into()).stack_size(STACK).spawn(move || {
            at_start();
            let mut taken = Vec::new();
            let mut most = FIRST_BATCH;
            while requests.wait(most, &mut taken) {
                most = if taken.len() == most { BATCH } else { FIRST_BATCH };
                kernel.serve(&taken, &outcomes);
                taken.clear();
                waker.wake();
            }
        })?;
        Ok(worker)
    }

    /// Asks; gives the request back when too many wait.
    pub fn ask(&self, request: Request) -> Result<(), Request> {
        self.requests.push(request)
    }

    /// Moves the answers that are there to the end of `outcomes`.
    pub fn take(&self, outcomes: &mut Vec<Outcome>) {
        self.outcomes.take(outcomes);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.requests.close();
    }
}

/// All links, for who is not the engine. Waits for the kernel, two seconds at most.
pub fn read_links() -> Result<Vec<Link>, Failure> {
    let mut kernel = Kernel { socket: None, sequence: 0, protocol: 0, buffer: vec![0; ROOM] };
    let deadline = clock::now().after(LIMIT);
    for _ in 0..DUMP_TRIES {
        let mut observed = Observed::default();
        if kernel.read_all(request::dump_links, &mut observed, deadline)? {
            return Ok(observed.links);
        }
    }
    Err(Failure { errno: 0, text: "links change faster than they can be read".into() })
}

/// All links and addresses, for who is not the engine. Waits for the kernel, two seconds at most.
pub fn read_addresses() -> Result<Observed, Failure> {
    Kernel { socket: None, sequence: 0, protocol: 0, buffer: vec![0; ROOM] }.dump()
}

/// What became of an address that [`remove_marked`] was to take away.
#[derive(Clone, Debug)]
pub struct Removed {
    /// The address and the length of its network part.
    pub prefix: Prefix,
    /// Where it was: the name of the link.
    pub interface: String,
    /// Why it is still there.
    pub outcome: Result<(), Failure>,
}

/// Takes away those of the `observed` addresses that carry `protocol`, for who is not the engine. Waits for the kernel, two
/// seconds at most for every batch of them.
#[must_use]
pub fn remove_marked(observed: &Observed, protocol: u8) -> Vec<Removed> {
    let mut kernel = Kernel { socket: None, sequence: 0, protocol, buffer: vec![0; ROOM] };
    let mut marked: Vec<_> = observed.addresses.iter().filter(|found| found.protocol == protocol).collect();
    // With the first of a subnet the kernel may take the others: each is to have its own answer.
    marked.sort_by_key(|found| !found.secondary);
    let request = |found: &&Address| {
        let change = AddressChange::Remove { prefix: found.prefix };
        Request::Address { id: 0, link: found.link, change }
    };
    let mut removed = Vec::with_capacity(marked.len());
    for batch in marked.chunks(BATCH) {
        let requests: Vec<Request> = batch.iter().map(request).collect();
        for (found, (_, outcome)) in batch.iter().zip(kernel.change(&requests)) {
            let link = observed.links.iter().find(|link| link.index == found.link);
            let interface = link.map_or_else(|| format!("link {}", found.link), |link| link.name.to_string());
            let outcome = match outcome {
                // Gone meanwhile.
                Some(Err(failure))
                    if failure.errno == libc::EADDRNOTAVAIL || failure.errno == libc::ENODEV =>
                {
                    Ok(())
                }
                Some(outcome) => outcome,
                None => Err(Failure { errno: 0, text: "the kernel did not answer".into() }),
            };
            removed.push(Removed { prefix: found.prefix, interface, outcome });
        }
    }
    removed
}

struct Kernel {
    /// Opened when needed, and anew after answers were lost.
    socket: Option<Socket>,
    sequence: u32,
    protocol: u8,
    buffer: Vec<u8>,
}

/// A change on its way: its id and what came of it.
type Pending = (u64, Option<Result<(), Failure>>);

impl Kernel {
    fn serve(&mut self, requests: &[Request], outcomes: &Queue<Outcome>) {
        let answer = |outcome| {
            // Never full and never closed.
            let _ = outcomes.push(outcome);
        };
        let mut rest = requests;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|request| matches!(request, Request::Address { .. })).count();
            if run == 0 {
                debug_assert_eq!(*first, Request::Dump, "what is no change is a dump");
                answer(Outcome::Dumped(self.dump()));
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            for (id, outcome) in self.change(rest.get(..run).unwrap_or_default()) {
                let lost = || Failure { errno: 0, text: "the kernel did not answer in time".into() };
                answer(Outcome::Applied { id, outcome: outcome.unwrap_or_else(|| Err(lost())) });
            }
            rest = rest.get(run..).unwrap_or_default();
        }
    }

    /// Makes changes in one system call and waits for the answers.
    fn change(&mut self, requests: &[Request]) -> Vec<Pending> {
        let base = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut pending: Vec<Pending> = Vec::with_capacity(requests.len());
        for request in requests {
            if let Request::Address { id, link, change } = request {
                self.sequence = self.sequence.wrapping_add(1);
                request::address_change(&mut bytes, self.sequence, *link, change, self.protocol);
                pending.push((*id, None));
            }
        }
        let deadline = clock::now().after(limit(requests));
        if let Err(error) = self.exchange(&bytes, base, &mut pending, deadline) {
            // What was not answered is not known; an answer that comes later must find nobody.
            self.socket = None;
            let failure = Failure { errno: 0, text: error.to_string() };
            for (_, outcome) in &mut pending {
                outcome.get_or_insert_with(|| Err(failure.clone()));
            }
        }
        pending
    }

    fn exchange(
        &mut self,
        bytes: &[u8],
        base: u32,
        pending: &mut [Pending],
        deadline: Instant,
    ) -> Result<(), OsError> {
        self.send(bytes)?;
        let mut missing = pending.len();
        while missing > 0 {
            let length = self.receive(deadline)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                let place = usize::try_from(message.sequence.wrapping_sub(base)).ok();
                if let Some((_, outcome @ None)) = place.and_then(|place| pending.get_mut(place)) {
                    *outcome = Some(verdict(&message));
                    missing -= 1;
                }
            }
        }
        Ok(())
    }

    /// Reads all links and addresses, again and again while the kernel says that they changed meanwhile.
    fn dump(&mut self) -> Result<Observed, Failure> {
        let deadline = clock::now().after(LIMIT);
        for _ in 0..DUMP_TRIES {
            let mut observed = Observed::default();
            let whole = self.read_all(request::dump_links, &mut observed, deadline).and_then(|links| {
                Ok(links && self.read_all(request::dump_addresses, &mut observed, deadline)?)
            });
            match whole {
                Ok(true) => return Ok(observed),
                Ok(false) => {}
                Err(failure) => {
                    self.socket = None;
                    return Err(failure);
                }
            }
        }
        Err(Failure { errno: 0, text: "links and addresses change faster than they can be read".into() })
    }

    /// Reads one dump to its end. Whether it was whole.
    fn read_all(
        &mut self,
        ask: fn(u32) -> Vec<u8>,
        observed: &mut Observed,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&ask(self.sequence))?;
        let mut whole = true;
        loop {
            let length = self.receive(deadline)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                if message.sequence != self.sequence {
                    continue;
                }
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE => return Ok(whole),
                    NLMSG_ERROR => verdict(&message)?,
                    _ => match decode::event(&message) {
                        Some(Event::Link(link)) => observed.links.push(link),
                        Some(Event::Address(address)) => observed.addresses.push(address),
                        Some(Event::LinkGone(_) | Event::AddressGone { .. }) | None => {}
                    },
                }
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), OsError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open()?,
        };
        let sent = socket.send_to(bytes, &SocketAddr::new(0, 0), 0);
        self.socket = Some(socket);
        sent.map(drop).trying("asking the kernel")
    }

    /// The next datagram; the length of what is in the buffer.
    fn receive(&mut self, deadline: Instant) -> Result<usize, OsError> {
        let Some(socket) = &self.socket else {
            return Err(Errno::EBADF).trying("hearing the kernel's answer");
        };
        loop {
            match recv(socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => return Ok(length),
                Err(Errno::EAGAIN | Errno::EINTR) if clock::now() < deadline => {}
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    return Err(io::Error::from(io::ErrorKind::TimedOut))
                        .trying("hearing the kernel's answer");
                }
                Err(errno) => return Err(errno).trying("hearing the kernel's answer"),
            }
        }
    }
}

/// How long the kernel's answers to these may take. That a renewal got none must be known while there is time for
/// another: within a quarter of the lease.
fn limit(requests: &[Request]) -> Duration {
    let lease = |request: &Request| match request {
        Request::Address { change: AddressChange::Renew { lease, .. }, .. } => *lease,
        Request::Address { change: AddressChange::Add { .. } | AddressChange::Remove { .. }, .. }
        | Request::Dump => None,
    };
    let shortest = requests.iter().filter_map(lease).min();
    shortest.map_or(LIMIT, |seconds| LIMIT.min(Duration::from_secs(u64::from(seconds)) / 4))
}

fn open() -> Result<Socket, OsError> {
    let mut socket = Socket::new(NETLINK_ROUTE).trying("opening a netlink socket")?;
    if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER);
    }
    let tick = TimeVal::new(0, TICK_MILLISECONDS * 1000);
    setsockopt(&socket, ReceiveTimeout, &tick).trying("setting a time limit")?;
    socket.bind(&SocketAddr::new(0, 0)).trying("binding a netlink socket")?;
    // Reasons in words (Linux 4.12) and answers without a copy of the question (4.3): pleasant, not needed.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    Ok(socket)
}

/// What an `NLMSG_ERROR` says; an `errno` of 0 is the acknowledgement.
fn verdict(message: &Message<'_>) -> Result<(), Failure> {
    let code = message.payload.first_chunk().copied().map_or(0, i32::from_ne_bytes);
    if code == 0 {
        return Ok(());
    }
    let errno = code.checked_neg().unwrap_or(0);
    let words = Errno::from_raw(errno).desc().to_owned();
    let text = match explanation(message) {
        Some(more) => format!("{words} ({more})"),
        None => words,
    };
    Err(Failure { errno, text })
}

/// The kernel's own words, if it sent any (`NLMSGERR_ATTR_MSG`).
fn explanation(message: &Message<'_>) -> Option<String> {
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    // The code, then the question's header, then the question unless it was left out, then the attributes.
    let question = message.payload.get(4..)?;
    let length = u32::from_ne_bytes(*question.first_chunk()?);
    let skip = if message.flags & NLM_F_CAPPED == 0 { usize::try_from(length).ok()? } else { 16 };
    let attributes = question.get(skip.next_multiple_of(4)..)?;
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        if attribute.kind() == NLMSGERR_ATTR_MSG {
            return decode::text(attribute.value()).map(str::to_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32, flags: u16, tail: &[u8]) -> Result<(), Failure> {
        let mut payload = code.to_ne_bytes().to_vec();
        payload.extend(20_u32.to_ne_bytes());
        payload.extend([0; 12]);
        payload.extend(tail);
        verdict(&Message { kind: NLMSG_ERROR, flags, sequence: 1, payload: &payload })
    }

    #[test]
    fn a_renewal_without_an_answer_is_known_in_time_for_another() {
        let (prefix, label, scope) = (Prefix::host([192, 0, 2, 7].into()), None, crate::net::Scope::Global);
        let (preferred, route) = (true, true);
        let request = |change| Request::Address { id: 1, link: LinkIndex(2), change };
        let renew =
            |lease| AddressChange::Renew { prefix, label: label.clone(), scope, preferred, route, lease };
        let remove = request(AddressChange::Remove { prefix });
        for (leases, expected) in
            [(vec![], 2000), (vec![None], 2000), (vec![Some(60)], 2000), (vec![Some(6), Some(2)], 500)]
        {
            let requests: Vec<Request> =
                leases.iter().map(|lease| request(renew(*lease))).chain([remove.clone()]).collect();
            assert_eq!(limit(&requests), Duration::from_millis(expected), "{leases:?}");
        }
    }

    #[test]
    fn verdicts_carry_the_number_and_the_words() {
        assert_eq!(error(0, 0, &[]), Ok(()));
        let plain = error(-17, 0, &[]).unwrap_err();
        assert_eq!((plain.errno, plain.text.as_str()), (17, "File exists"));
        let words = [9, 0, 1, 0, b'b', b'a', b'd', b'!', 0, 0, 0, 0];
        let capped = error(-22, NLM_F_ACK_TLVS | NLM_F_CAPPED, &words).unwrap_err();
        assert_eq!(capped.text, "Invalid argument (bad!)");
        let whole = [&[0; 4], &words[..]].concat();
        assert_eq!(error(-22, NLM_F_ACK_TLVS, &whole).unwrap_err().text, "Invalid argument (bad!)");
        assert_eq!(error(-22, NLM_F_ACK_TLVS, &[]).unwrap_err().text, "Invalid argument");
        assert_eq!(error(i32::MIN, 0, &[]).unwrap_err().errno, 0);
    }
}
