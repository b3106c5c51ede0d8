//! Two hundred instances, one of which gets another priority: how long until that is on the wire, and whether the others
//! miss a beat. And how long it takes to check a thousand.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::pair::Pair;
use super::program::{Instance, Program};
use super::sheet::Sheet;
use super::wire::{What, Wire, now, wait};
use super::{Context, milliseconds};

const INSTANCES: u8 = 200;
const INTERVAL: Duration = Duration::from_millis(100);
/// The one that changes.
const CHANGED: u8 = 77;
/// How long gaps are looked for, with a reload and without.
const SPAN: Duration = Duration::from_secs(3);
/// Until all is in calm after a start: the second burst of announcements is over, too.
const SETTLE: Duration = Duration::from_secs(7);
const LIMIT: Duration = Duration::from_secs(20);

/// SIGHUP, for both programs.
pub(crate) fn one_of_many(context: &Context, program: Program, sheet: &mut Sheet) {
    let instance = |vrid| Instance {
        segment: 0,
        vrid,
        priorities: [200, 100],
        interval: INTERVAL,
        addresses: vec![Ipv4Addr::new(10, 0, vrid, 1)],
        unadvertised: Vec::new(),
    };
    let mut pair = Pair::start(program, &context.binary, 1, (1..=INSTANCES).map(instance).collect());
    std::thread::sleep(SETTLE);
    let wire = pair.network.wire();
    for sample in 1..=if context.quick { 2 } else { 5 } {
        let calm = now();
        std::thread::sleep(SPAN);
        sheet.add(program, "reload calm gap", longest_gap(&wire, calm));
        let priority = 200 + sample;
        let mut changed = pair.instances.clone();
        changed.iter_mut().filter(|one| one.vrid == CHANGED).for_each(|one| one.priorities[0] = priority);
        let mark = pair.reload(0, changed);
        let first = wait("the new priority on the wire", LIMIT, || {
            let new =
                |what| matches!(what, What::Advert { vrid, priority: p } if vrid == CHANGED && p == priority);
            wire.since(mark).iter().find(|frame| frame.host == 0 && new(frame.what)).map(|frame| frame.at)
        });
        sheet.add(program, "reload wire", milliseconds(first, mark));
        std::thread::sleep((mark + SPAN).saturating_sub(now()));
        sheet.add(program, "reload gap", longest_gap(&wire, mark));
        let claims = wire.since(mark).iter().filter(|frame| frame.host == 1 && frame.claims()).count();
        sheet.add(program, "reload false", f64::from(u32::try_from(claims).unwrap_or(u32::MAX)));
    }
}

/// The longest time between two adverts of one instance that does not change since `start`, ms.
fn longest_gap(wire: &Wire, start: Duration) -> f64 {
    let mut last: BTreeMap<u8, Duration> = BTreeMap::new();
    let mut longest = 0.0_f64;
    for frame in wire.since(start).iter().filter(|frame| frame.host == 0) {
        let What::Advert { vrid, .. } = frame.what else { continue };
        if let Some(before) = last.insert(vrid, frame.at).filter(|_| vrid != CHANGED) {
            longest = longest.max(milliseconds(frame.at, before));
        }
    }
    assert_eq!(last.len(), usize::from(INSTANCES), "everybody advertises");
    longest
}

/// `failover validate` of a thousand instances, from start to end; keepalived's check of its own file beside it.
pub(crate) fn validate(context: &Context, program: Program, sheet: &mut Sheet) {
    let instances: Vec<Instance> = (0..4)
        .flat_map(|segment| {
            (1..=250).map(move |vrid| Instance {
                segment,
                vrid,
                priorities: [200, 100],
                interval: INTERVAL,
                addresses: vec![Ipv4Addr::new(10, segment, vrid, 1)],
                unadvertised: Vec::new(),
            })
        })
        .collect();
    let file = std::env::temp_dir().join(format!("failover-bench-{}", std::process::id()));
    std::fs::write(&file, program.configuration(0, &instances, &[])).expect("a file");
    for _ in 0..if context.quick { 3 } else { 9 } {
        let mut command = match program {
            Program::Keepalived => {
                let mut command = Command::new("unshare");
                command.args(["--net", "keepalived", "--config-test", "--vrrp", "--use-file"]).arg(&file);
                command
            }
            Program::Failover => {
                let mut command = Command::new(&context.binary);
                command.arg("validate").arg(&file);
                command
            }
        };
        let start = Instant::now();
        // keepalived misses the interfaces there, and says so: it has read the file all the same.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let taken = start.elapsed();
        let status = status.expect("a program");
        assert!(status.success() || program == Program::Keepalived, "{status}");
        sheet.add(program, "validate", taken.as_secs_f64() * 1e3);
    }
    let _ = std::fs::remove_file(&file);
}
