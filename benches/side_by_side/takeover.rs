//! One instance, the MASTER's host dies: how long beyond the master-down interval, and how long until the address works.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::pair::Pair;
use super::program::{Instance, Program};
use super::sheet::Sheet;
use super::wire::{What, Wire, now, wait};
use super::{Context, milliseconds};

const VRID: u8 = 51;
/// From the master-down interval's end until somebody looks.
const QUIET: Duration = Duration::from_millis(250);
/// Beyond the master-down interval.
const LIMIT: Duration = Duration::from_secs(10);

/// What one death showed.
struct Death {
    /// Of the new MASTER.
    first: Duration,
    /// When all its addresses were in the kernel, and all announced.
    in_kernel: Duration,
    announced: Duration,
    /// First advert of the new less last of the old and the master-down interval, ms.
    overhead: f64,
    backup: usize,
    /// The new MASTER's very first announcement.
    first_announced: Duration,
}

/// One address; the advert intervals take turns.
pub(crate) fn one_address(context: &Context, program: Program, sheet: &mut Sheet) {
    let (few, many) = if context.quick { (1, 3) } else { (2, 5) };
    for (label, interval, samples) in [("1s", 1000, few), ("100ms", 100, many), ("10ms", 10, many)] {
        let instance =
            instance(Duration::from_millis(interval), vec![Ipv4Addr::new(10, 0, 1, 1)], Vec::new());
        let mut pair = Pair::start(program, &context.binary, 1, vec![instance]);
        let wire = pair.network.wire();
        for sample in 0..samples {
            let death = die(&mut pair, &wire);
            sheet.add(program, &format!("takeover {label}"), death.overhead);
            sheet.add(program, &format!("kernel {label}"), milliseconds(death.in_kernel, death.first));
            sheet.add(program, &format!("garp {label}"), milliseconds(death.first_announced, death.first));
            if sample + 1 < samples {
                pair.revive(1 - death.backup);
            }
        }
    }
}

/// A thousand addresses, of which twenty are in the adverts.
pub(crate) fn thousand_addresses(context: &Context, program: Program, sheet: &mut Sheet) {
    let mut addresses =
        (1..=4).flat_map(|third| (1..=250).map(move |fourth| Ipv4Addr::new(10, 0, third, fourth)));
    let advertised: Vec<Ipv4Addr> = addresses.by_ref().take(20).collect();
    let interval = Duration::from_millis(100);
    let instance = instance(interval, advertised, addresses.collect());
    let mut pair = Pair::start(program, &context.binary, 1, vec![instance]);
    let wire = pair.network.wire();
    let death = die(&mut pair, &wire);
    sheet.add(program, "addresses overhead", death.overhead);
    sheet.add(program, "addresses kernel", milliseconds(death.in_kernel, death.first));
    sheet.add(program, "addresses garp", milliseconds(death.announced, death.first));
    std::thread::sleep((death.announced + interval * 5).saturating_sub(now()));
    let done = death.in_kernel.max(death.announced);
    let adverts = wire.adverts(death.first, death.backup);
    let meanwhile = adverts.iter().take_while(|&&at| at <= done).count();
    // To the first that came after all was done.
    sheet.add(program, "addresses gap", longest_gap(adverts.iter().copied().take(meanwhile + 1)));
    if context.quick {
        return;
    }
    std::thread::sleep((death.first + Duration::from_millis(6500)).saturating_sub(now()));
    let adverts = wire.adverts(death.first, death.backup);
    sheet.add(program, "addresses later gap", longest_gap(adverts.into_iter()));
}

/// The longest time between two, ms.
pub(crate) fn longest_gap(times: impl Iterator<Item = Duration>) -> f64 {
    let times: Vec<Duration> = times.collect();
    let gaps = times.windows(2).map(|pair| milliseconds(pair[1], pair[0]));
    gaps.fold(0.0, f64::max)
}

/// An instance with equal priorities, so that the hosts can die in turn.
fn instance(interval: Duration, addresses: Vec<Ipv4Addr>, unadvertised: Vec<Ipv4Addr>) -> Instance {
    Instance { segment: 0, vrid: VRID, priorities: [254, 254], interval, addresses, unadvertised }
}

/// The host of the MASTER dies.
fn die(pair: &mut Pair, wire: &Wire) -> Death {
    let instance = pair.instances[0].clone();
    let master = wire.master();
    let backup = 1 - master;
    pair.running(backup);
    let mark = now();
    pair.crash(master);
    // Nothing of ours runs while it happens.
    std::thread::sleep(instance.master_down(backup) + QUIET);
    let first =
        wait("the first advert of the new MASTER", LIMIT, || wire.adverts(mark, backup).first().copied());
    let old = wire.adverts(mark.saturating_sub(instance.interval * 3), master);
    let last = *old.last().expect("the old MASTER was alive");
    let all: Vec<Ipv4Addr> = [&instance.addresses[..], &instance.unadvertised].concat();
    let in_kernel = wait("all addresses in the kernel", LIMIT, || pair.arrived(backup, mark, &all));
    let (first_announced, announced) =
        wait("all addresses announced", LIMIT, || announced(wire, first, backup, &all));
    let overhead = milliseconds(first, last + instance.master_down(backup));
    Death { first, in_kernel, announced, overhead, backup, first_announced }
}

/// When the first of `addresses` was announced, and when each of them had been.
fn announced(
    wire: &Wire,
    start: Duration,
    host: usize,
    addresses: &[Ipv4Addr],
) -> Option<(Duration, Duration)> {
    let mut missing: std::collections::BTreeSet<Ipv4Addr> = addresses.iter().copied().collect();
    let mut first = None;
    for frame in wire.since(start).into_iter().filter(|frame| frame.host == host) {
        if let What::Announce(address) = frame.what
            && missing.remove(&address)
        {
            let first = *first.get_or_insert(frame.at);
            if missing.is_empty() {
                return Some((first, frame.at));
            }
        }
    }
    None
}
