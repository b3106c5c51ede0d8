//! What programs want is done, and what comes of it is brought back: by the network to other hosts, by the kernel to the
//! program.

use std::net::IpAddr;
use std::sync::Arc;

use failover::agent::message::{Change, Input, Listen, Output, Refusal, RequestId, SocketId};
use failover::net::LinkIndex;

use crate::kernel::{EADDRNOTAVAIL, ENETDOWN, ENOBUFS, ENODEV, EPERM};
use crate::network::Packet;
use crate::scenario::{MS, SECOND};
use crate::world::{Event, World};

impl World {
    pub(crate) fn perform(&mut self, number: usize, output: Output) {
        let life = self.hosts[number].life;
        match &output {
            Output::Send { payload, .. } => self.trace.mix_bytes(payload),
            Output::Frame { bytes, .. } => self.trace.mix_bytes(bytes),
            Output::Report(report) => {
                self.trace.mix_bytes(report.message_id().as_bytes());
                self.trace.line(self.now, || format!("h{number}   {}", report.message()));
            }
            Output::Listen(_)
            | Output::Unlisten(_)
            | Output::Apply { .. }
            | Output::Dump
            | Output::Watch(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::Drained(_)
            | Output::Holds { .. }
            | Output::StoodAside
            | Output::Finished => self.trace.mix(&[1]),
        }
        match output {
            Output::Listen(listen) => {
                let at = self.now + self.hosts[number].random.between(10_000, MS);
                self.later(at, Event::Open { host: number, life, listen });
            }
            Output::Unlisten(socket) => {
                self.hosts[number].kernel.sockets.remove(&socket);
            }
            Output::Send { socket, source, destination, payload } => {
                self.trace.line(self.now, || {
                    format!("h{number} → {destination} vrid {} priority {}", payload[1], payload[2])
                });
                self.send(number, socket, source, destination, payload);
            }
            Output::Watch(watched) => self.watch(number, &watched),
            Output::Frame { .. }
            | Output::Report(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::Drained(_)
            | Output::Holds { .. }
            | Output::StoodAside => {}
            Output::Apply { request, link, change } => {
                self.trace.line(self.now, || format!("h{number} → {request:?} link {link}: {change:?}"));
                let host = &mut self.hosts[number];
                host.executed_at = host.executed_at.max(self.now) + host.random.between(20_000, MS);
                let at = host.executed_at;
                self.later(at, Event::Execute { host: number, life, request, link, change });
            }
            Output::Dump => {
                let host = &mut self.hosts[number];
                host.executed_at = host.executed_at.max(self.now) + host.random.between(50_000, 5 * MS);
                let at = host.executed_at;
                self.later(at, Event::Look { host: number, life });
            }
            Output::Finished => {
                self.hosts[number].program = None;
                self.hosts[number].kernel.sockets.clear();
            }
        }
    }

    fn send(
        &mut self,
        number: usize,
        socket: SocketId,
        source: IpAddr,
        destination: IpAddr,
        payload: Arc<[u8]>,
    ) {
        let kernel = &self.hosts[number].kernel;
        let Some(segment) = kernel.segment_of(socket.link) else {
            return self.send_failed(number, socket, ENODEV);
        };
        if !kernel.is_connected(segment) {
            return self.send_failed(number, socket, ENETDOWN);
        }
        if kernel.address(socket.link, source).is_none() || !kernel.sockets.contains_key(&socket) {
            return self.send_failed(number, socket, EADDRNOTAVAIL);
        }
        let packet = Packet { segment, from: number, source, destination, payload };
        for (host, delay) in self.network.carry(&packet) {
            self.later(self.now + delay, Event::Arrive { host, packet: packet.clone() });
        }
    }

    fn send_failed(&mut self, number: usize, socket: SocketId, errno: i32) {
        let input = Input::SendFailed { socket, refusal: refusal(errno) };
        self.answer(number, self.hosts[number].life, 0, input);
    }

    pub(crate) fn arrive(&mut self, number: usize, packet: &Packet) {
        let host = &mut self.hosts[number];
        let receivers = host.kernel.receivers(packet);
        let Some(program) = &mut host.program else { return };
        for socket in receivers {
            program.receive(socket, packet.clone());
        }
        self.arm(number);
    }

    pub(crate) fn execute(
        &mut self,
        number: usize,
        life: u64,
        request: RequestId,
        link: LinkIndex,
        change: &Change,
    ) {
        if self.program(number, life).is_none() {
            return;
        }
        let host = &mut self.hosts[number];
        let (refused, timed_out) =
            (host.random.chance(host.ills.refuse), host.random.chance(host.ills.time_out));
        let executed = !timed_out || host.random.chance(500);
        let mut outcome = Err(if host.random.chance(500) { EPERM } else { ENOBUFS });
        if executed && !refused {
            self.judge.executes(self.now, number, host, link, change);
            outcome = host.kernel.execute(self.now, link, change, life);
        }
        let wait = if timed_out { host.random.between(SECOND / 5, 2 * SECOND) } else { 0 };
        if timed_out {
            outcome = Err(0);
        }
        self.trace.line(self.now, || format!("h{number} kernel: {request:?} → {outcome:?}"));
        self.await_end(number);
        let input = Input::Applied { request, outcome: outcome.map_err(refusal) };
        self.answer(number, life, wait, input);
    }

    pub(crate) fn open(&mut self, number: usize, life: u64, listen: Listen) {
        if self.program(number, life).is_none() {
            return;
        }
        let host = &mut self.hosts[number];
        let socket = listen.socket;
        let mut outcome = Ok(());
        if host.random.chance(host.ills.refuse_sockets) {
            outcome = Err(refusal(EPERM));
        } else if host.kernel.segment_of(socket.link).is_none() {
            outcome = Err(refusal(ENODEV));
        } else {
            host.kernel.sockets.insert(socket, listen);
        }
        self.answer(number, life, 0, Input::Listening { socket, outcome });
    }

    /// Answers reach the program in order.
    pub(crate) fn answer(&mut self, number: usize, life: u64, wait: u64, input: Input<'static>) {
        let host = &mut self.hosts[number];
        let delay = wait + host.random.between(5_000, 200_000);
        host.answered_at = host.answered_at.max(self.now + delay);
        let at = host.answered_at;
        self.later(at, Event::Tell { host: number, life, input, event: false });
    }

    /// What the kernel tells everybody reaches the program in order, unless it is lost.
    pub(crate) fn publish(&mut self, number: usize) {
        if self.hosts[number].kernel.news.is_empty() {
            return;
        }
        let news = std::mem::take(&mut self.hosts[number].kernel.news);
        let life = self.hosts[number].life;
        let mut lost = false;
        for input in news {
            self.trace.line(self.now, || format!("h{number} kernel: {}", words(&input)));
            let host = &mut self.hosts[number];
            // Events are there at once; that a turn takes a later answer before them is rare.
            let slow = if host.random.chance(20) { 500_000 } else { 5_000 };
            host.told_at = host.told_at.max(self.now + host.random.between(1_000, slow));
            let at = host.told_at;
            if host.random.chance(host.ills.lose_events) {
                lost = true;
                continue;
            }
            self.later(at, Event::Tell { host: number, life, input, event: true });
        }
        if lost {
            let at = self.hosts[number].told_at;
            self.later(at, Event::Tell { host: number, life, input: Input::Missed, event: true });
        }
    }
}

fn refusal(errno: i32) -> Refusal {
    let text = if errno == 0 { "no answer in time".to_owned() } else { format!("error {errno}") };
    Refusal { errno, text }
}

/// A fact in short words, for the trace.
pub(crate) fn words(input: &Input<'_>) -> String {
    match input {
        Input::Datagram(datagram) => {
            format!("from {}: vrid {} priority {}", datagram.source, datagram.payload[1], datagram.payload[2])
        }
        Input::Configure(config) => format!("configuration of {} instances", config.instances.len()),
        Input::Observed(observed) => {
            format!("dump: {} links, {} addresses", observed.links.len(), observed.addresses.len())
        }
        Input::Link(link) => {
            format!("{} (link {}) up {} carrier {}", link.name, link.index, link.up, link.carrier)
        }
        Input::Address(address) => {
            let (link, protocol) = (address.link, address.protocol);
            format!("{} on link {link}, protocol {protocol}, tentative {}", address.prefix, address.tentative)
        }
        Input::Missed
        | Input::LinkGone(_)
        | Input::AddressGone { .. }
        | Input::Listening { .. }
        | Input::Applied { .. }
        | Input::SendFailed { .. }
        | Input::Judged(_)
        | Input::Drain(_)
        | Input::Undrain(_)
        | Input::Remembered(_)
        | Input::StandAside(_)
        | Input::Timeout
        | Input::Stop => format!("{input:?}"),
    }
}
