//! The agent's outputs, done: sockets, frames, requests to the kernel, log lines.
//!
//! One exhaustive match; decides nothing. What comes of an output at once (a socket opened or refused, a send that
//! failed) is kept as an [`Answer`] for the engine to feed back.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::convert;
use super::log::Log;
use super::records::Records;
use super::services::Services;
use crate::agent::message::{Change, Input, Listen, Output, Refusal, RequestId, SocketId};
use crate::bus::Changes;
use crate::net::{Family, LinkIndex};
use crate::observe::notice::Notice;
use crate::os::OsError;
use crate::os::clock;
use crate::os::frame::FrameSender;
use crate::os::netlink::{Outcome, Request, Worker};
use crate::os::poll::{Poll, Token, Watch};
use crate::os::socket::{Batch, Outgoing, SendBuffers, VrrpSocket};

/// Something that came of an output at once.
#[derive(Debug)]
pub(super) enum Answer {
    Listening { socket: SocketId, outcome: Result<(), Refusal> },
    Applied { request: RequestId, outcome: Result<(), Refusal> },
    SendFailed { socket: SocketId, refusal: Refusal },
}

impl From<Answer> for Input<'static> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Listening { socket, outcome } => Input::Listening { socket, outcome },
            Answer::Applied { request, outcome } => Input::Applied { request, outcome },
            Answer::SendFailed { socket, refusal } => Input::SendFailed { socket, refusal },
        }
    }
}

/// Everything that outputs act on.
pub(super) struct Effects {
    pub(super) poll: Poll,
    pub(super) log: Log,
    services: Services,
    worker: Worker,
    pub(super) records: Records,
    /// For those who tell others what the agent is doing.
    changes: Arc<Changes>,
    /// Adverts went out in this turn.
    sent: bool,
    sockets: BTreeMap<SocketId, VrrpSocket>,
    send_buffers: SendBuffers,
    frames: FrameSender,
    frame_errors: u64,
    receive_errors: u64,
    asked: Asked,
    pub(super) answers: VecDeque<Answer>,
    /// A dump that is to be asked for but could not be.
    pub(super) dump_wanted: bool,
    pub(super) finished: bool,
}

/// The address changes that are not answered yet, kept so that answers come in the order of the requests.
#[derive(Debug, Default)]
struct Asked {
    /// How many the kernel thread has.
    taken: usize,
    /// Those that it did not take, and those after them: answered when it has answered all that it took.
    refused: Vec<RequestId>,
}

impl Asked {
    /// Notes a change, and hands it over with `ask` unless one before it was refused; `ask` tells whether it was taken.
    fn ask(&mut self, request: RequestId, ask: impl FnOnce() -> bool) {
        if self.refused.is_empty() && ask() {
            self.taken += 1;
        } else {
            self.refused.push(request);
        }
    }

    /// Notes an answer; the refusals that are due after it.
    fn answered(&mut self) -> Vec<RequestId> {
        self.taken = self.taken.saturating_sub(1);
        if self.taken == 0 { std::mem::take(&mut self.refused) } else { Vec::new() }
    }
}

/// Room for so many outputs of a turn stays when they are done.
const OUTPUTS: usize = 512;

/// The first token of sockets; those below are the engine's own.
const SOCKETS: u64 = 1 << 32;

/// A socket's name in the poll: the link and one bit for the family.
fn token(socket: SocketId) -> Token {
    let family = match socket.family {
        Family::Ipv4 => 0,
        Family::Ipv6 => 1,
    };
    Token(SOCKETS + (u64::from(socket.link.0) << 1 | family))
}

/// The socket of that name; `None` for the engine's own descriptors.
pub(super) fn socket_of(token: Token) -> Option<SocketId> {
    let number = token.0.checked_sub(SOCKETS)?;
    let family = if number & 1 == 0 { Family::Ipv4 } else { Family::Ipv6 };
    Some(SocketId { link: LinkIndex(u32::try_from(number >> 1).ok()?), family })
}

impl Effects {
    pub(super) fn new(
        poll: Poll,
        worker: Worker,
        services: Services,
        records: Records,
        (changes, log): (Arc<Changes>, Log),
    ) -> Result<Self, OsError> {
        Ok(Effects {
            poll,
            log,
            services,
            worker,
            records,
            changes,
            sent: false,
            sockets: BTreeMap::new(),
            send_buffers: SendBuffers::default(),
            frames: FrameSender::open()?,
            frame_errors: 0,
            receive_errors: 0,
            asked: Asked::default(),
            answers: VecDeque::new(),
            dump_wanted: false,
            finished: false,
        })
    }

    /// Does what the agent wants, in order. Neighbours of a kind share system calls.
    pub(super) fn perform(&mut self, outputs: &mut Vec<Output>) {
        let mut rest: &[Output] = outputs;
        while let Some((first, others)) = rest.split_first() {
            let mut run = 1;
            if may_change_snapshot(first) {
                self.changes.mark();
            }
            match first {
                Output::Send { socket, .. } => {
                    let same =
                        |o: &&Output| matches!(o, Output::Send { socket: other, .. } if other == socket);
                    run += others.iter().take_while(same).count();
                    self.sent = true;
                    self.send(*socket, rest.get(..run).unwrap_or_default());
                }
                Output::Frame { .. } => {
                    run += others.iter().take_while(|o| matches!(o, Output::Frame { .. })).count();
                    self.send_frames(rest.get(..run).unwrap_or_default());
                }
                Output::Listen(listen) => {
                    let outcome = self.listen(listen).map_err(|error| convert::refused(&error));
                    self.answers.push_back(Answer::Listening { socket: listen.socket, outcome });
                }
                Output::Unlisten(socket) => self.unlisten(*socket),
                Output::Apply { request, link, change } => {
                    let change = convert::change(change);
                    let asked = Request::Address { id: request.0, link: *link, change };
                    self.asked.ask(*request, || self.worker.ask(asked).is_ok());
                }
                Output::Dump => self.dump(),
                Output::Watch(watched) => self.services.watch(watched),
                Output::Entered(entered) => self.services.entered(entered, true),
                Output::Rehooked(entered) => self.services.entered(entered, false),
                Output::Drained(names) => self.records.drains.put(names),
                Output::Holds { number, held } => self.records.holds(*number, held.as_deref()),
                Output::StoodAside => self.services.stood_aside(),
                Output::Report(report) => self.log.report(report.clone()),
                Output::Finished => self.finished = true,
            }
            rest = rest.get(run..).unwrap_or_default();
        }
        outputs.clear();
        // Not for good what a thousand instances took at once.
        outputs.shrink_to(OUTPUTS);
        if std::mem::take(&mut self.sent) {
            self.records.beat(clock::now());
        }
    }

    /// Reads from a socket what has arrived; how many messages there were, and none when the socket is closed by now.
    pub(super) fn receive(&mut self, socket: SocketId, batch: &mut Batch) -> usize {
        let Some(open) = self.sockets.get(&socket) else { return 0 };
        match open.receive(batch) {
            Ok(count) => count,
            Err(error) => {
                self.receive_errors += 1;
                if self.receive_errors.is_power_of_two() {
                    let (why, count) = (error.to_string(), self.receive_errors);
                    self.log.tell(Notice::ReceiveFailed { why, count });
                }
                0
            }
        }
    }

    /// Moves the kernel thread's answers to the end of `outcomes`.
    pub(super) fn outcomes(&mut self, outcomes: &mut Vec<Outcome>) {
        self.worker.take(outcomes);
    }

    /// Tells those who tell others that the agent may be in another way.
    pub(super) fn changed(&self) {
        self.changes.mark();
    }

    /// To be told of every address change that the kernel thread has answered.
    pub(super) fn answered(&mut self) {
        let refusal = || Refusal { errno: 0, text: "too many address changes at once".into() };
        let refused = self.asked.answered().into_iter();
        self.answers.extend(refused.map(|request| Answer::Applied { request, outcome: Err(refusal()) }));
    }

    /// Asks for a dump; one that cannot be asked for now stays wanted.
    pub(super) fn dump(&mut self) {
        self.dump_wanted = self.worker.ask(Request::Dump).is_err();
    }

    fn listen(&mut self, listen: &Listen) -> Result<(), OsError> {
        let SocketId { link, family } = listen.socket;
        let filter = convert::filter(listen);
        if let Some(open) = self.sockets.get_mut(&listen.socket) {
            open.set_filter(&filter)?;
            return open.set_group(listen.group);
        }
        let open = VrrpSocket::open(link, family, listen.group, &filter)?;
        self.poll.add(&open, token(listen.socket), Watch::Level)?;
        self.sockets.insert(listen.socket, open);
        Ok(())
    }

    fn unlisten(&mut self, socket: SocketId) {
        if let Some(open) = self.sockets.remove(&socket) {
            self.poll.remove(&open);
        }
    }

    fn send(&mut self, socket: SocketId, outputs: &[Output]) {
        let Some(open) = self.sockets.get(&socket) else {
            let refusal = Refusal { errno: 0, text: "the socket is not open".into() };
            self.answers.push_back(Answer::SendFailed { socket, refusal });
            return;
        };
        let answers = &mut self.answers;
        let mut failed = |error: &OsError| {
            answers.push_back(Answer::SendFailed { socket, refusal: convert::refused(error) });
        };
        if let [Output::Send { source, destination, payload, .. }] = outputs {
            if let Err(error) = open.send(&outgoing(*source, *destination, payload)) {
                failed(&error);
            }
            return;
        }
        let messages: Vec<Outgoing<'_>> = outputs
            .iter()
            .filter_map(|output| {
                let Output::Send { source, destination, payload, .. } = output else { return None };
                Some(outgoing(*source, *destination, payload))
            })
            .collect();
        open.send_all(&messages, &mut self.send_buffers, |_, error| failed(&error));
    }

    fn send_frames(&mut self, outputs: &[Output]) {
        let frames: Vec<(LinkIndex, &[u8])> = outputs
            .iter()
            .filter_map(|output| {
                let Output::Frame { link, bytes } = output else { return None };
                Some((*link, bytes.as_slice()))
            })
            .collect();
        let refused = self.frames.send_all(&frames);
        if refused > 0 {
            let before = self.frame_errors;
            self.frame_errors += refused;
            // At the first, and whenever they have doubled.
            if before.checked_ilog2() != self.frame_errors.checked_ilog2() {
                self.log.tell(Notice::AnnouncementsRefused { count: self.frame_errors });
            }
        }
    }
}

/// Whether anything that a snapshot says may be something else since. Adverts, announcements and renewals of leases come all
/// the time and say nothing new.
fn may_change_snapshot(output: &Output) -> bool {
    !matches!(
        output,
        Output::Send { .. } | Output::Frame { .. } | Output::Apply { change: Change::Renew { .. }, .. }
    )
}

fn outgoing(source: IpAddr, destination: IpAddr, payload: &Arc<[u8]>) -> Outgoing<'_> {
    Outgoing { source, destination, payload }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Prefix, Scope};

    #[test]
    fn refusals_come_after_the_answers_to_what_was_taken() {
        let mut asked = Asked::default();
        for (id, room) in [(1, true), (2, true), (3, false), (4, true)] {
            asked.ask(RequestId(id), || room);
        }
        assert_eq!(asked.answered(), [], "the first is answered, the second is not");
        assert_eq!(asked.answered(), [3, 4].map(RequestId), "the fourth must not overtake the third");
        asked.ask(RequestId(5), || true);
        assert_eq!(asked.answered(), []);
    }

    #[test]
    fn a_renewed_lease_is_no_news_and_an_added_address_is() {
        let (prefix, scope) = (Prefix::host([192, 0, 2, 7].into()), Scope::Global);
        let apply = |change| Output::Apply { request: RequestId(1), link: LinkIndex(2), change };
        let (label, preferred, route, lease) = (None, true, true, Some(6));
        assert!(!may_change_snapshot(&apply(Change::Renew {
            prefix,
            label,
            scope,
            preferred,
            route,
            lease
        })));
        let label = None;
        assert!(may_change_snapshot(&apply(Change::Add { prefix, label, scope, preferred, route, lease })));
        assert!(may_change_snapshot(&apply(Change::Remove { prefix })));
    }

    #[test]
    fn tokens_name_sockets_and_nothing_else() {
        for link in [0, 1, 7, u32::MAX] {
            for family in [Family::Ipv4, Family::Ipv6] {
                let socket = SocketId { link: LinkIndex(link), family };
                assert_eq!(socket_of(token(socket)), Some(socket));
            }
        }
        assert_eq!(socket_of(Token(3)), None);
        assert_eq!(socket_of(Token(u64::MAX)), None);
    }
}
