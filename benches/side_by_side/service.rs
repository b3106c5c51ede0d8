//! The MASTER's host lives on, but what it is there for has ended, or a check that counts: how long until the address is
//! on the other host, and what a client sees of it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::check::{Check, Effect};
use super::network::{Network, name};
use super::pair::Pair;
use super::program::{Instance, Program};
use super::request::{Client, Request, Service, pid_file};
use super::sheet::Sheet;
use super::takeover::longest_gap;
use super::wire::{Frame, What, Wire, now, wait};
use super::{Context, milliseconds};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
/// Equal on both hosts, so that they can fail in turn.
const PRIORITY: u8 = 100;
/// Where requests go.
const REQUESTS: u16 = 7000;
/// Of the process that a weight is about, which nobody sends a request to.
const ASIDE: u16 = 7001;
/// Requests before anything happens, and after.
const CALM: Duration = Duration::from_millis(300);
/// keepalived looks once in this time: what happens, happens at moments spread over it.
const PERIOD: Duration = Duration::from_secs(1);
/// Until a host that failed is BACKUP again.
const RECOVERY: Duration = Duration::from_millis(2500);
const LIMIT: Duration = Duration::from_secs(15);

/// The service behind the address ends on the MASTER's host.
pub(crate) fn stopped(context: &Context, program: Program, sheet: &mut Sheet) {
    each(context, program, REQUESTS, Effect::Fault, |instance, moved| {
        if let Some(resigned) = moved.resigned {
            sheet.add(program, "service resigned", milliseconds(resigned, moved.mark));
        }
        let due = moved.mark + instance.skew(moved.backup);
        sheet.add(program, "service moved", milliseconds(moved.announced, due));
        let answered = moved.requests.iter().filter(|request| request.answered);
        sheet.add(program, "service outage", longest_gap(answered.map(|request| request.sent)));
    });
}

/// A check of weight −20 fails on the MASTER's host, where the service goes on.
pub(crate) fn weight(context: &Context, program: Program, sheet: &mut Sheet) {
    each(context, program, ASIDE, Effect::Weight(-20), |_, moved| {
        sheet.add(program, "weight moved", milliseconds(moved.announced, moved.mark));
        let lost = moved.requests.iter().filter(|request| !request.answered).count();
        sheet.add(program, "weight lost", f64::from(u32::try_from(lost).unwrap_or(u32::MAX)));
    });
}

/// How the address went from one host to the other.
struct Move {
    /// When the process was ended.
    mark: Duration,
    /// The old MASTER's advert of priority 0.
    resigned: Option<Duration>,
    /// The new MASTER's first gratuitous ARP.
    announced: Duration,
    backup: usize,
    requests: Vec<Request>,
}

/// Ends the process that listens on `port` on the MASTER's host, again and again.
fn each(
    context: &Context,
    program: Program,
    port: u16,
    effect: Effect,
    mut note: impl FnMut(&Instance, Move),
) {
    let instance = Instance {
        segment: 0,
        vrid: 51,
        priorities: [PRIORITY, PRIORITY],
        interval: Duration::from_secs(1),
        addresses: vec![ADDRESS],
        unadvertised: Vec::new(),
    };
    let (mut answering, mut watched) = (Vec::new(), Vec::new());
    let mut pair = Pair::checked(program, &context.binary, 1, vec![instance.clone()], |network| {
        if port != REQUESTS {
            answering.extend([0, 1].map(|host| Service::start(network, host, REQUESTS)));
        }
        watched.extend([0, 1].map(|host| Some(Service::start(network, host, port))));
        [0, 1].map(|host| vec![check(network, host, port, effect)])
    });
    let wire = pair.network.wire();
    let samples = if context.quick { 2 } else { 3 };
    for sample in 0..samples {
        let master = wire.master();
        let backup = 1 - master;
        pair.running(backup);
        let client = Client::start(&pair.network, SocketAddrV4::new(ADDRESS, REQUESTS));
        std::thread::sleep(CALM + PERIOD * (2 * sample + 1) / (2 * samples));
        let mark = watched[master].take().map_or_else(now, Service::stop);
        // Nothing of ours but the client runs while it happens.
        std::thread::sleep(instance.skew(backup) + CALM);
        let announced = wait("the address is announced by the other host", LIMIT, || {
            let frames = wire.since(mark);
            frames.iter().find(|frame| frame.host == backup && frame.announces()).map(|frame| frame.at)
        });
        std::thread::sleep((announced + CALM).saturating_sub(now()));
        let requests = client.finish();
        let resigned = resigned(&wire, mark, master);
        note(&instance, Move { mark, resigned, announced, backup, requests });
        if sample + 1 < samples {
            watched[master] = Some(Service::start(&pair.network, master, port));
            std::thread::sleep(RECOVERY);
        }
    }
}

/// Whether the process runs whose number stands in the file: an exit is heard of at once by `failover`, and seen by a
/// shell without any child at keepalived's next look.
fn check(network: &Network, host: usize, port: u16, effect: Effect) -> Check {
    let file = pid_file(network, host, port);
    let script = format!("#!/bin/sh\nread -r pid < {file} && kill -0 \"$pid\"\n");
    Check {
        name: "service".to_owned(),
        probe: format!("process = {{ pid_file = \"{file}\" }}"),
        script: network.script(&format!("{}.check", name(host)), &script),
        effect,
    }
}

fn resigned(wire: &Wire, start: Duration, host: usize) -> Option<Duration> {
    let resigns = |frame: &Frame| matches!(frame.what, What::Advert { priority: 0, .. });
    wire.since(start).iter().find(|frame| frame.host == host && resigns(frame)).map(|frame| frame.at)
}
