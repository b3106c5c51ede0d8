//! A thousand instances, 250 on each of four links: what they cost in calm, under load, and when their host dies.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::load::Load;
use super::pair::Pair;
use super::program::{Instance, Program};
use super::sheet::{Sheet, middle};
use super::wire::{Frame, What, Wire, now, wait};
use super::{Context, milliseconds};

const SEGMENTS: u8 = 4;
const PER_SEGMENT: u8 = 250;
/// From a takeover until the second burst of announcements is over.
const SETTLE: Duration = Duration::from_millis(6500);
/// From the master-down interval's end until somebody looks.
const QUIET: Duration = Duration::from_millis(500);
/// Until a thousand instances are where they should be.
const LIMIT: Duration = Duration::from_secs(40);

/// Segment and VRID.
type Id = (u8, u8);

/// An advert every second: processor time only.
pub(crate) fn slow(context: &Context, program: Program, sheet: &mut Sheet) {
    let mut pair = start(context, program, Duration::from_secs(1));
    processor_time(context, &mut pair, program, "1s", sheet);
}

/// An advert every 100 ms: processor time, memory, busy loops, the host's death.
pub(crate) fn fast(context: &Context, program: Program, sheet: &mut Sheet) {
    let interval = Duration::from_millis(100);
    let mut pair = start(context, program, interval);
    processor_time(context, &mut pair, program, "100ms", sheet);
    for (host, key) in [(0, "memory master"), (1, "memory backup")] {
        sheet.add(program, key, pair.running(host).memory() / 1000.0);
    }
    let wire = pair.network.wire();
    busy(context, &pair, &wire, program, sheet);
    calm(&wire, interval);
    // A new one, which has little to look through.
    drop(wire);
    let wire = pair.network.wire();
    std::thread::sleep(interval * 5);
    pair.crash(0);
    // Nothing of ours runs while it happens.
    std::thread::sleep(pair.instances[0].master_down(1) + QUIET);
    let overheads = wait("all instances are taken over", LIMIT, || {
        std::thread::sleep(QUIET);
        overheads(&wire.since(Duration::ZERO), &pair.instances)
    });
    sheet.add(program, "crash median", middle(&overheads));
    sheet.add(program, "crash max", overheads.into_iter().fold(0.0, f64::max));
}

fn start(context: &Context, program: Program, interval: Duration) -> Pair {
    let instances = (0..SEGMENTS).flat_map(|segment| {
        (1..=PER_SEGMENT).map(move |vrid| Instance {
            segment,
            vrid,
            priorities: [200, 100],
            interval,
            addresses: vec![Ipv4Addr::new(10, segment, vrid, 1)],
            unadvertised: Vec::new(),
        })
    });
    let pair = Pair::start(program, &context.binary, SEGMENTS, instances.collect());
    let wire = pair.network.wire();
    calm(&wire, interval);
    drop(wire);
    std::thread::sleep(SETTLE);
    pair
}

/// Waits until host `a` sends the adverts of all instances and host `b` sends none.
fn calm(wire: &Wire, interval: Duration) {
    let span = interval * 3 / 2 + Duration::from_millis(200);
    wait("a thousand instances in calm", LIMIT, || {
        std::thread::sleep(span);
        let frames = wire.since(now().saturating_sub(span));
        let held: std::collections::BTreeSet<Id> =
            frames.iter().filter(|frame| frame.host == 0).filter_map(claim).collect();
        let contested = frames.iter().any(|frame| frame.host == 1 && frame.claims());
        (held.len() == usize::from(SEGMENTS) * usize::from(PER_SEGMENT) && !contested).then_some(())
    });
}

fn processor_time(context: &Context, pair: &mut Pair, program: Program, label: &str, sheet: &mut Sheet) {
    let span = Duration::from_secs(if context.quick { 4 } else { 8 });
    let before = [0, 1].map(|host| pair.running(host).cpu());
    let earlier = pair.network.sent(0);
    std::thread::sleep(span);
    let after = [0, 1].map(|host| pair.running(host).cpu());
    let adverts = pair.network.sent(0) - earlier;
    for (host, role) in [(0, "master"), (1, "backup")] {
        let spent = milliseconds(after[host], before[host]) * 1e3;
        sheet.add(program, &format!("{role} {label}"), spent / adverts);
    }
}

/// How often the BACKUP claims an instance while the machine is busy and nobody has died.
fn busy(context: &Context, pair: &Pair, wire: &Wire, program: Program, sheet: &mut Sheet) {
    let span = Duration::from_secs(if context.quick { 6 } else { 20 });
    let start = now();
    let load = Load::start(&pair.network.hosts[0]);
    std::thread::sleep(span);
    drop(load);
    let frames = wire.since(start);
    let interval = pair.instances[0].interval;
    let (mut claimed, mut sent) = (BTreeMap::<Id, Duration>::new(), BTreeMap::<Id, Duration>::new());
    let (mut transitions, mut longest) = (0.0, 0.0_f64);
    for frame in &frames {
        let Some(id) = claim(frame) else { continue };
        if frame.host == 0 {
            if let Some(before) = sent.insert(id, frame.at) {
                longest = longest.max(milliseconds(frame.at, before));
            }
        } else if claimed.insert(id, frame.at).is_none_or(|before| frame.at > before + interval * 2) {
            transitions += 1.0;
        }
    }
    sheet.add(program, "false", transitions);
    sheet.add(program, "false late", longest);
}

/// How much later than due each instance was taken over, ms; `None` while some are not.
fn overheads(frames: &[Frame], instances: &[Instance]) -> Option<Vec<f64>> {
    let (mut last, mut first) = (BTreeMap::new(), BTreeMap::new());
    for frame in frames {
        let Some(id) = claim(frame) else { continue };
        if frame.host == 0 {
            last.insert(id, frame.at);
        } else {
            first.entry(id).or_insert(frame.at);
        }
    }
    let of = |instance: &Instance| {
        let id = (instance.segment, instance.vrid);
        let due = *last.get(&id)? + instance.master_down(1);
        Some(milliseconds(*first.get(&id)?, due))
    };
    instances.iter().map(of).collect()
}

/// The instance that a frame claims.
fn claim(frame: &Frame) -> Option<Id> {
    match frame.what {
        What::Advert { vrid, priority: 1.. } => Some((frame.segment, vrid)),
        What::Advert { .. } | What::Announce(_) => None,
    }
}
