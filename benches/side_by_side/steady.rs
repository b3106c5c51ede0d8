//! One MASTER at 100 ms: the pace of its adverts, idle and under load, and what floods of packets do to it.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::flood::{self, PACKETS, Packet};
use super::load::Load;
use super::network::Network;
use super::pair::Pair;
use super::program::{Instance, Program};
use super::sheet::{Sheet, middle};
use super::takeover::longest_gap;
use super::wire::{What, now};
use super::{Context, milliseconds};

const VRID: u8 = 51;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const INTERVAL: Duration = Duration::from_millis(100);
/// From a takeover until the second burst of announcements is over.
const SETTLE: Duration = Duration::from_millis(5500);
/// How long after a flood its consequences are looked for.
const AFTER: Duration = Duration::from_secs(1);

/// How exact the interval between adverts is.
pub(crate) fn pace(context: &Context, program: Program, sheet: &mut Sheet) {
    let span = Duration::from_secs(if context.quick { 3 } else { 6 });
    let pair = start(context, program);
    let wire = pair.network.wire();
    for (label, busy) in [("idle", false), ("busy", true)] {
        let load = busy.then(|| Load::start(&pair.network.hosts[0]));
        std::thread::sleep(INTERVAL * 3);
        let start = now();
        std::thread::sleep(span);
        let adverts = wire.adverts(start, 0);
        drop(load);
        let errors = errors(&adverts, INTERVAL);
        let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        sheet.add(program, &format!("pace {label}"), middle(&sizes));
        let count = f64::from(u32::try_from(errors.len()).expect("few"));
        sheet.add(program, &format!("drift {label}"), errors.iter().sum::<f64>() / count);
    }
}

/// By how much each gap between two adverts is longer than `interval`, ms.
pub(crate) fn errors(adverts: &[Duration], interval: Duration) -> Vec<f64> {
    adverts.windows(2).map(|pair| milliseconds(pair[1], pair[0] + interval)).collect()
}

/// A flood of malformed packets.
pub(crate) fn malformed(context: &Context, program: Program, sheet: &mut Sheet) {
    let mut pair = start(context, program);
    let wire = pair.network.wire();
    let flood = Flood::send(&mut pair, |network| flood::malformed(network, VRID, &[ADDRESS]));
    let mut adverts = wire.adverts(flood.start.saturating_sub(INTERVAL * 2), 0);
    adverts.push(now());
    let missed = adverts.windows(2).filter(|pair| pair[1] > pair[0] + INTERVAL * 3 / 2).map(|_| 1.0);
    sheet.add(program, "malformed missed", missed.sum::<f64>().abs());
    sheet.add(program, "malformed gap", longest_gap(adverts.into_iter()));
    sheet.add(program, "malformed transitions", flood.transitions);
    sheet.add(program, "malformed cpu", flood.cpu_each);
    sheet.add(program, "malformed lines", flood.lines);
}

/// A flood of adverts of priority 1, in order but for that.
pub(crate) fn low_priority(context: &Context, program: Program, sheet: &mut Sheet) {
    let mut pair = start(context, program);
    std::thread::sleep(SETTLE);
    let wire = pair.network.wire();
    let packet = Packet::good(VRID, 1, &[ADDRESS]);
    let flood = Flood::send(&mut pair, |network| flood::alike(network, &packet));
    let frames = wire.since(flood.start);
    let count = |wanted: &dyn Fn(What) -> bool| {
        frames.iter().filter(|frame| frame.host == 0 && wanted(frame.what)).map(|_| 1.0).sum::<f64>().abs()
    };
    let adverts = count(&|what| matches!(what, What::Advert { .. }));
    // One more may fall into a span than intervals do.
    let regular = ((flood.took + AFTER).as_secs_f64() / INTERVAL.as_secs_f64()).floor() + 1.0;
    sheet.add(program, "low adverts", (adverts - regular).max(0.0));
    sheet.add(program, "low garps", count(&|what| matches!(what, What::Announce(_))));
    sheet.add(program, "low transitions", flood.transitions);
    sheet.add(program, "low cpu", flood.cpu_each);
    sheet.add(program, "low lines", flood.lines);
}

/// What a flood did to the MASTER.
struct Flood {
    start: Duration,
    took: Duration,
    /// Addresses that came or left on either host.
    transitions: f64,
    /// µs per packet, less what the MASTER needs anyway.
    cpu_each: f64,
    lines: f64,
}

impl Flood {
    fn send(pair: &mut Pair, send: impl FnOnce(&Network) -> Duration) -> Flood {
        let idle = Duration::from_secs(2);
        let zero = pair.running(0).cpu();
        std::thread::sleep(idle);
        let before = pair.running(0).cpu();
        let anyway = before.saturating_sub(zero).as_secs_f64() / idle.as_secs_f64();
        let lines = pair.running(0).log_lines();
        let start = now();
        let took = send(&pair.network);
        let spent = pair.running(0).cpu().saturating_sub(before);
        std::thread::sleep(AFTER);
        let events: usize = pair.monitors.iter().map(|monitor| monitor.since(start).len()).sum();
        let lines = pair.running(0).log_lines().saturating_sub(lines);
        let extra = spent.as_secs_f64() - anyway * took.as_secs_f64();
        Flood {
            start,
            took,
            transitions: f64::from(u32::try_from(events).expect("few")),
            cpu_each: extra * 1e6 / f64::from(PACKETS),
            lines: f64::from(lines),
        }
    }
}

fn start(context: &Context, program: Program) -> Pair {
    let instance = Instance {
        segment: 0,
        vrid: VRID,
        priorities: [200, 100],
        interval: INTERVAL,
        addresses: vec![ADDRESS],
        unadvertised: Vec::new(),
    };
    let pair = Pair::start(program, &context.binary, 1, vec![instance]);
    // Let the start be over on both hosts.
    std::thread::sleep(INTERVAL * 5);
    pair
}
