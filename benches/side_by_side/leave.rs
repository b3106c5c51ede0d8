//! The MASTER's program ends while its host lives on: told to, killed for good, or killed and started again at once. What a
//! client sees of it, and what is left behind.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread::sleep;
use std::time::Duration;

use super::network::Network;
use super::pair::Pair;
use super::program::{Instance, Program};
use super::request::{Client, Request, Service};
use super::sheet::Sheet;
use super::takeover::longest_gap;
use super::wire::{Wire, now, wait};
use super::{Context, milliseconds};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const INTERVAL: Duration = Duration::from_secs(1);
/// Equal on both hosts, so that they can leave in turn.
const PRIORITY: u8 = 100;
/// Where requests go.
const REQUESTS: u16 = 7000;
/// Requests before anything happens, and after.
const CALM: Duration = Duration::from_millis(300);
/// How long after the program was killed its addresses are looked for.
const LEFT: Duration = Duration::from_secs(10);
/// Until who supervises a program starts it again: systemd's `RestartSec=` unless a unit says otherwise.
const RESTART: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(15);

/// SIGTERM.
pub(crate) fn planned(context: &Context, program: Program, sheet: &mut Sheet) {
    let (mut pair, _services) = served(context, program);
    let wire = pair.network.wire();
    let samples = if context.quick { 3 } else { 10 };
    for sample in 0..samples {
        let master = wire.master();
        let client = client(&pair);
        let mark = now();
        pair.stop(master);
        announced(&wire, mark, 1 - master, &pair.instances[0]);
        note(sheet, program, "planned", &client.finish());
        if sample + 1 < samples {
            pair.revive(master);
        }
    }
}

/// SIGKILL, and nobody starts it again.
pub(crate) fn killed(context: &Context, program: Program, sheet: &mut Sheet) {
    for _ in 0..if context.quick { 1 } else { 3 } {
        let (mut pair, _services) = served(context, program);
        let wire = pair.network.wire();
        let master = wire.master();
        let client = client(&pair);
        let mark = now();
        pair.kill(master);
        announced(&wire, mark, 1 - master, &pair.instances[0]);
        sleep((mark + LEFT).saturating_sub(now()));
        note(sheet, program, "killed", &client.finish());
        let gone = removed(&pair, master, mark);
        sheet.add(program, "killed left", if gone.is_none() { 1.0 } else { 0.0 });
        if let Some(gone) = gone {
            sheet.add(program, "killed gone", milliseconds(gone, mark));
        }
    }
}

/// SIGKILL, and a supervisor starts it again.
pub(crate) fn restarted(context: &Context, program: Program, sheet: &mut Sheet) {
    for _ in 0..if context.quick { 1 } else { 5 } {
        let (mut pair, _services) = served(context, program);
        let wire = pair.network.wire();
        let master = wire.master();
        let backup = 1 - master;
        let client = client(&pair);
        let mark = now();
        pair.kill(master);
        sleep(RESTART);
        pair.launch(master);
        let instance = &pair.instances[0];
        sleep(instance.master_down(backup) + instance.interval * 2);
        note(sheet, program, "restarted", &client.finish());
        let taken = !wire.adverts(mark, backup).is_empty();
        let moved = taken || removed(&pair, master, mark).is_some();
        sheet.add(program, "restarted moved", if moved { 1.0 } else { 0.0 });
    }
}

/// Both hosts run the program, and have the service that a client sends requests to.
fn served(context: &Context, program: Program) -> (Pair, [Service; 2]) {
    let instance = Instance {
        segment: 0,
        vrid: 51,
        priorities: [PRIORITY, PRIORITY],
        interval: INTERVAL,
        addresses: vec![ADDRESS],
        unadvertised: Vec::new(),
    };
    let pair = Pair::start(program, &context.binary, 1, vec![instance]);
    let service = |host| Service::start(&pair.network, host, REQUESTS);
    let services = [service(0), service(1)];
    (pair, services)
}

/// Requests from now on, and a calm before anything happens.
fn client(pair: &Pair) -> Client {
    let network: &Network = &pair.network;
    let client = Client::start(network, SocketAddrV4::new(ADDRESS, REQUESTS));
    sleep(CALM);
    client
}

/// Waits until `backup` has announced the address, and a calm more. Nothing of ours but the client runs while it happens.
fn announced(wire: &Wire, mark: Duration, backup: usize, instance: &Instance) {
    sleep((mark + instance.skew(backup) + CALM).saturating_sub(now()));
    wait("the address is announced by the other host", LIMIT, || {
        wire.since(mark).iter().find(|frame| frame.host == backup && frame.announces()).map(|_| ())
    });
    sleep(CALM);
}

/// When the address left a host.
fn removed(pair: &Pair, host: usize, mark: Duration) -> Option<Duration> {
    let events = pair.monitors[host].since(mark);
    events.iter().find(|event| !event.added && event.address == ADDRESS).map(|event| event.at)
}

/// What the client saw.
fn note(sheet: &mut Sheet, program: Program, what: &str, requests: &[Request]) {
    let lost = requests.iter().filter(|request| !request.answered).count();
    sheet.add(program, &format!("{what} lost"), f64::from(u32::try_from(lost).unwrap_or(u32::MAX)));
    let answered = requests.iter().filter(|request| request.answered);
    sheet.add(program, &format!("{what} outage"), longest_gap(answered.map(|request| request.sent)));
}
