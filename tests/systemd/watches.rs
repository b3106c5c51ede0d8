//! A thousand watches: what they cost, and that one is heard among them.

use std::fs;
use std::time::Duration;

use failover::bus::Bus;
use failover::health::outcome::Finding::Failed;
use failover::os::clock;

use crate::inside::{LASTING, on_a_host, probe, run, sh, unit, until};

fn status(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("status");
    let line = text.lines().find(|line| line.starts_with(key)).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

#[test]
fn a_thousand_units_are_watched_by_one_connection() {
    on_a_host("watches::a_thousand_units_are_watched_by_one_connection", async {
        unit("app@.service", LASTING);
        unit("slot@.target", "[Unit]\nDescription=a target\n");
        sh("systemctl daemon-reload; systemctl start app@1.service slot@1.target slot@2.target");
        let bus = Bus::default();
        let before = status("VmRSS");
        let mut one = probe(&bus, "unit = \"app@1.service\"");
        run(&mut one).await;
        let connected = status("VmRSS");
        let began = clock::now();
        let mut watches: Vec<_> =
            (0..1000).map(|number| bus.watch(&format!("slot@{number}.target"), false)).collect();
        for watch in &mut watches {
            while watch.seen().is_none() {
                watch.changed().await;
            }
        }
        println!(
            "1000 watches began in {:?}; the connection has {} kB, they {} kB",
            clock::now().since(began),
            connected - before,
            status("VmRSS") - connected,
        );
        assert!(clock::now().since(began) < Duration::from_secs(10));
        // Units that are not loaded are loaded to be looked at and unloaded again: that is no news to be looked at.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let cpu = cpu_ticks();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let used = cpu_ticks() - cpu;
        println!("{used} ticks of 10 ms of processor time in two seconds of calm");
        assert!(used < 10, "{used} ticks of processor time while nothing happens");
        sh("systemctl kill -s KILL app@1.service");
        until(&mut one, Failed, "failed (signal)").await;
    });
}

fn cpu_ticks() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = text.rsplit(')').next().expect("fields").split_whitespace().collect();
    let number = |field: usize| fields[field].parse::<u64>().expect("a number");
    number(11) + number(12)
}
