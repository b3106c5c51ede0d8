//! Which VRRP sockets should be open, with which filters, and which are.
//!
//! A socket that is refused is asked for again every [`RETRY_AFTER`]. One that brings too much rubbish has its filter
//! closed for [`CLOSED_FOR`] and then opened again to have a look: trouble is seen within seconds, a flood is not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::{FilterRow, Listen, Output, Refusal, SocketId};
use crate::time::Instant;

/// Time between two attempts to open a socket.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Messages within [`RUBBISH_WINDOW`] that may be rubbish before the filter is closed.
const RUBBISH: u32 = 20;
const RUBBISH_WINDOW: Duration = Duration::from_secs(1);
/// How long a filter stays closed.
const CLOSED_FOR: Duration = Duration::from_secs(2);
/// A failure to send is reported no more often than this.
const SEND_REPORT_AFTER: Duration = Duration::from_mins(1);

/// All sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    sockets: BTreeMap<SocketId, Socket>,
}

#[derive(Debug)]
struct Socket {
    listen: Listen,
    state: State,
    window: Instant,
    rubbish: u32,
    reopen_at: Option<Instant>,
    send_failures: u64,
    send_reported: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Refused { text: String, retry_at: Instant },
}

/// Whether a socket can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Usable {
    Yes,
    NotYet,
    Refused(String),
}

impl Sockets {
    /// Has exactly the sockets of `wanted` open, with these rows and group memberships.
    pub(crate) fn update(
        &mut self,
        wanted: BTreeMap<SocketId, (bool, Vec<FilterRow>)>,
        out: &mut Vec<Output>,
    ) {
        self.sockets.retain(|id, _| {
            let keep = wanted.contains_key(id);
            if !keep {
                out.push(Output::Unlisten(*id));
            }
            keep
        });
        for (id, (group, filter)) in wanted {
            let strict = self.sockets.get(&id).is_some_and(|socket| socket.listen.strict);
            let listen = Listen { socket: id, group, filter, strict };
            match self.sockets.get_mut(&id) {
                Some(socket) if socket.listen == listen => {}
                Some(socket) => {
                    socket.listen = listen.clone();
                    out.push(Output::Listen(listen));
                }
                None => {
                    self.sockets.insert(id, Socket::new(listen.clone()));
                    out.push(Output::Listen(listen));
                }
            }
        }
    }

    /// The answer to [`Output::Listen`]; `true` if it changes whether the socket can be used.
    pub(crate) fn answered(&mut self, now: Instant, id: SocketId, outcome: Result<(), Refusal>) -> bool {
        let Some(socket) = self.sockets.get_mut(&id) else { return false };
        let state = match outcome {
            Ok(()) => State::Open,
            Err(refusal) => State::Refused { text: refusal.text, retry_at: now.after(RETRY_AFTER) },
        };
        let changed = match (&socket.state, &state) {
            (State::Refused { text: old, .. }, State::Refused { text: new, .. }) => old != new,
            (old, new) => old != new,
        };
        socket.state = state;
        changed
    }

    /// Whether a socket can be used.
    pub(crate) fn usable(&self, id: SocketId) -> Usable {
        match self.sockets.get(&id).map(|socket| &socket.state) {
            None | Some(State::Opening) => Usable::NotYet,
            Some(State::Open) => Usable::Yes,
            Some(State::Refused { text, .. }) => Usable::Refused(text.clone()),
        }
    }

    /// A message that came by this socket was no good.
    pub(crate) fn rubbish(&mut self, now: Instant, id: SocketId, out: &mut Vec<Output>) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        if now.since(socket.window) > RUBBISH_WINDOW {
            socket.window = now;
            socket.rubbish = 0;
        }
        socket.rubbish += 1;
        if socket.rubbish > RUBBISH && !socket.listen.strict {
            socket.listen.strict = true;
            socket.reopen_at = Some(now.after(CLOSED_FOR));
            out.push(Output::Listen(socket.listen.clone()));
        }
    }

    /// Sending by this socket failed; the count so far if it is to be reported now.
    pub(crate) fn send_failed(&mut self, now: Instant, id: SocketId) -> Option<u64> {
        let socket = self.sockets.get_mut(&id)?;
        socket.send_failures += 1;
        if socket.send_reported.is_some_and(|at| now.since(at) < SEND_REPORT_AFTER) {
            return None;
        }
        socket.send_reported = Some(now);
        Some(socket.send_failures)
    }

    /// When [`Sockets::run`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.sockets.values().filter_map(Socket::deadline).min()
    }

    /// Opens filters and tries refused sockets again.
    pub(crate) fn run(&mut self, now: Instant, out: &mut Vec<Output>) {
        for socket in self.sockets.values_mut() {
            if socket.reopen_at.is_some_and(|at| at <= now) {
                socket.reopen_at = None;
                socket.listen.strict = false;
                socket.rubbish = 0;
                out.push(Output::Listen(socket.listen.clone()));
            }
            if let State::Refused { retry_at, .. } = &mut socket.state
                && *retry_at <= now
            {
                *retry_at = now.after(RETRY_AFTER);
                out.push(Output::Listen(socket.listen.clone()));
            }
        }
    }
}

impl Socket {
    fn new(listen: Listen) -> Self {
        Socket {
            listen,
            state: State::Opening,
            window: Instant::ZERO,
            rubbish: 0,
            reopen_at: None,
            send_failures: 0,
            send_reported: None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let retry = match &self.state {
            State::Refused { retry_at, .. } => Some(*retry_at),
            State::Opening | State::Open => None,
        };
        [retry, self.reopen_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Family, LinkIndex};

    const ID: SocketId = SocketId { link: LinkIndex(2), family: Family::Ipv4 };

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(10_000_000_000).after(Duration::from_millis(milliseconds))
    }

    fn opened() -> (Sockets, Vec<Output>) {
        let (mut sockets, mut out) = (Sockets::default(), Vec::new());
        sockets.update(BTreeMap::from([(ID, (true, Vec::new()))]), &mut out);
        assert!(matches!(&out[..], [Output::Listen(Listen { group: true, strict: false, .. })]));
        assert_eq!(sockets.usable(ID), Usable::NotYet);
        assert!(sockets.answered(at(0), ID, Ok(())));
        out.clear();
        (sockets, out)
    }

    #[test]
    fn a_flood_of_rubbish_closes_the_filter_for_two_seconds() {
        let (mut sockets, mut out) = opened();
        for n in 0..10_000 {
            sockets.rubbish(at(n / 100), ID, &mut out);
        }
        assert!(matches!(&out[..], [Output::Listen(Listen { strict: true, .. })]), "{out:?}");
        out.clear();
        let due = sockets.deadline().unwrap();
        assert!(due.since(at(0)) >= CLOSED_FOR);
        sockets.run(due, &mut out);
        assert!(matches!(&out[..], [Output::Listen(Listen { strict: false, .. })]), "{out:?}");
        assert_eq!(sockets.deadline(), None);
    }

    #[test]
    fn a_trickle_of_rubbish_is_always_seen() {
        let (mut sockets, mut out) = opened();
        for n in 0..1000 {
            sockets.rubbish(at(n * 100), ID, &mut out);
        }
        assert_eq!(out, []);
    }

    #[test]
    fn a_refused_socket_is_tried_again() {
        let (mut sockets, mut out) = opened();
        let refusal = || Err(Refusal { errno: 1, text: "not permitted".to_owned() });
        assert!(sockets.answered(at(0), ID, refusal()));
        assert_eq!(sockets.usable(ID), Usable::Refused("not permitted".to_owned()));
        for n in 1..=3 {
            let due = sockets.deadline().unwrap();
            assert_eq!(due, at(5000 * n));
            sockets.run(due, &mut out);
            assert_eq!(out.len(), 1);
            out.clear();
            assert!(!sockets.answered(due, ID, refusal()), "told once");
        }
        assert!(sockets.answered(at(20_000), ID, Ok(())));
        assert_eq!((sockets.deadline(), sockets.usable(ID)), (None, Usable::Yes));
    }

    #[test]
    fn what_nobody_wants_is_closed() {
        let (mut sockets, mut out) = opened();
        sockets.update(BTreeMap::new(), &mut out);
        assert_eq!(out, [Output::Unlisten(ID)]);
        assert_eq!(sockets.usable(ID), Usable::NotYet);
    }
}
