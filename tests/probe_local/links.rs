//! Interfaces in a network namespace.

use std::process::Command;
use std::time::{Duration, Instant};

use failover::config::model::Probe;
use failover::health::outcome::Finding;
use failover::net::LinkName;
use failover::probe::Runner;
use nix::sched::{CloneFlags, unshare};

use crate::rig::{check, on_services, shared};

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip runs");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let inside = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run this as root");
        test();
    });
    if let Err(panic) = inside.join() {
        std::panic::resume_unwind(panic);
    }
}

async fn told(runner: &mut Runner, text: &str) {
    let wait = async { while runner.changed().await.text != text {} };
    tokio::time::timeout(Duration::from_secs(2), wait).await.unwrap_or_else(|_| panic!("never told: {text}"));
}

#[test]
fn up_down_carrier_and_names() {
    in_namespace(|| {
        on_services(async {
            let shared = shared();
            let probe = Probe::Interface(LinkName::new("va").unwrap());
            let mut runner = Runner::new("check", &check(probe, Duration::from_secs(2)), &shared);
            assert_eq!(runner.run().await.text, "interface va does not exist");
            ip("link add va type veth peer name vb");
            told(&mut runner, "interface va is down").await;
            ip("link set va up");
            told(&mut runner, "interface va has no carrier: cable, switch port or peer is down").await;
            let began = Instant::now();
            ip("link set vb up");
            told(&mut runner, "interface va is up and has a carrier").await;
            println!("carrier, with the command that gives it: told after {:?}", began.elapsed());
            assert_eq!(runner.run().await.finding, Finding::Passed);
            // Two events that were not waited for: both are told, in order. (Of a carrier that goes and comes, the kernel
            // itself may tell nothing.)
            ip("link set va down");
            ip("link set va up");
            told(&mut runner, "interface va is down").await;
            told(&mut runner, "interface va is up and has a carrier").await;
            ip("link set va down");
            ip("link set va name vx");
            told(&mut runner, "interface va does not exist").await;
            ip("link set vb name va");
            told(&mut runner, "interface va has no carrier: cable, switch port or peer is down").await;
            ip("link del vx");
            told(&mut runner, "interface va does not exist").await;
            assert_eq!(runner.run().await.text, "interface va does not exist");
        });
    });
}
