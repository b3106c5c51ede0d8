//! Many checks over the network at one a second each: what they cost, and whether adverts keep their pace beside them. All
//! on the MASTER's host.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::check::{Check, Effect};
use super::network::Network;
use super::pair::Pair;
use super::program::{Instance, Program};
use super::server::{Kind, Server};
use super::sheet::Sheet;
use super::steady::errors;
use super::wire::now;
use super::{Context, milliseconds};

const PORT: u16 = 7000;
const TCP: u32 = 200;
const HTTP: u32 = 1000;
/// Until the start is over and all checks have been run.
const SETTLE: Duration = Duration::from_secs(3);
/// Until checks that came by a reload have been run, or those that went are forgotten.
const CHANGE: Duration = Duration::from_millis(1500);
/// The shortest interval there is.
const FAST: Duration = Duration::from_millis(10);

/// 200 TCP connections a second.
pub(crate) fn tcp(context: &Context, program: Program, sheet: &mut Sheet) {
    let (mut pair, server) = start(context, program, Duration::from_secs(1), Kind::Tcp, TCP);
    let span = Duration::from_secs(if context.quick { 6 } else { 20 });
    sheet.add(program, "checks cpu", cost(&mut pair, &server, span));
}

/// 1000 HTTP requests a second, beside an advert every 10 ms: the checks come and go by reloading, so that the machine's
/// drift hits the pace with them and without.
pub(crate) fn http(context: &Context, program: Program, sheet: &mut Sheet) {
    if program == Program::Keepalived {
        // Has no such check for its VRRP instances.
        return;
    }
    let span = Duration::from_secs(if context.quick { 3 } else { 5 });
    let (mut pair, server) = start(context, program, FAST, Kind::Http, 0);
    let wire = pair.network.wire();
    let all = checks(&pair.network, Kind::Http, HTTP);
    let (mut calm, mut busy) = (Vec::new(), Vec::new());
    for turn in 0..2 {
        for (found, checks) in [(&mut calm, &[][..]), (&mut busy, &all)] {
            if turn > 0 || !checks.is_empty() {
                pair.recheck(0, checks.to_vec());
                std::thread::sleep(CHANGE);
            }
            let (begin, first) = (now(), server.served());
            std::thread::sleep(span);
            found.extend(errors(&wire.adverts(begin, 0), FAST));
            let done = server.served() - first;
            let due = span.as_secs_f64() * f64::from(u32::try_from(checks.len()).expect("few"));
            assert!(
                (done - due).abs() <= due / 10.0,
                "{done} checks of {due}:\n{}",
                pair.running(0).log_tail()
            );
        }
    }
    drop(wire);
    let [calm, busy] = [calm, busy].map(|errors| all_but_one_of_hundred(&errors));
    sheet.add(program, "http calm pace", calm);
    sheet.add(program, "http pace", busy);
    sheet.add(program, "http pace ratio", busy / calm);
    sheet.add(program, "http cpu", cost(&mut pair, &server, span));
    sheet.add(program, "http memory", pair.running(0).memory() / 1000.0);
}

fn start(context: &Context, program: Program, interval: Duration, kind: Kind, count: u32) -> (Pair, Server) {
    let instance = Instance {
        segment: 0,
        vrid: 51,
        priorities: [200, 100],
        interval,
        addresses: vec![Ipv4Addr::new(10, 0, 1, 1)],
        unadvertised: Vec::new(),
    };
    let mut server = None;
    let pair = Pair::checked(program, &context.binary, 1, vec![instance], |network| {
        server = Some(Server::start(&network.hosts[0], PORT, kind));
        [checks(network, kind, count), Vec::new()]
    });
    std::thread::sleep(SETTLE);
    (pair, server.expect("it was started"))
}

fn checks(network: &Network, kind: Kind, count: u32) -> Vec<Check> {
    let probe = match kind {
        Kind::Tcp => format!("tcp = {{ address = \"127.0.0.1:{PORT}\" }}"),
        Kind::Http => format!("http = {{ url = \"http://127.0.0.1:{PORT}/health\" }}"),
    };
    // Bash connects by itself: one process a check, and no other program to load.
    let script = network.script("connects", &format!("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{PORT}\n"));
    let check = |number| Check {
        name: format!("c{number}"),
        probe: probe.clone(),
        script: script.clone(),
        effect: Effect::Fault,
    };
    (0..count).map(check).collect()
}

/// Processor time of the program and its children per check that was done, µs.
fn cost(pair: &mut Pair, server: &Server, span: Duration) -> f64 {
    let (before, first) = (pair.running(0).cpu_with_ended(), server.served());
    std::thread::sleep(span);
    let (after, count) = (pair.running(0).cpu_with_ended(), server.served() - first);
    assert!(count > 0.0, "nobody was checked:\n{}", pair.running(0).log_tail());
    println!("  {:.0} checks a second", count / span.as_secs_f64());
    milliseconds(after, before) * 1e3 / count
}

/// The size within which 99 of 100 are.
fn all_but_one_of_hundred(errors: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes[sizes.len() * 99 / 100]
}
