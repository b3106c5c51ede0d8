//! A name server that never answers, and what that delays: whoever needs it, and nobody else.
//!
//! The checks run in this process, on a thread with a network and a `/etc/resolv.conf` of its own.

use std::fs;
use std::net::TcpListener;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use failover::config;
use failover::health::outcome::{Finding, Outcome};
use failover::probe::{Runner, Shared};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::lab::space::Space;

const CHECKS: &str = "\
[check.stuck]\ninterval = \"1s\"\ntcp = { address = \"www.example.net:80\" }\n\
[check.again]\ninterval = \"1s\"\nhttp = { url = \"http://www.example.net/\" }\n\
[check.known]\ninterval = \"1s\"\ntcp = { address = \"localhost:PORT\" }\n\
[check.address]\ninterval = \"1s\"\ntcp = { address = \"127.0.0.1:PORT\" }\n\
[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.100/24\"]\n";

/// The outcomes of all the checks, begun at once, by name.
fn all_at_once(text: &str) -> Vec<(String, Outcome)> {
    let mut none = |_: &str| Err(config::SecretProblem::new("none"));
    let checks = config::parse_with(text, "test", &mut none).unwrap().config.checks;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let shared = Rc::new(Shared::new(config::model::UserName::default()));
        let mut running = Vec::new();
        for (name, check) in &checks {
            let (name, mut runner) = (name.clone(), Runner::new(name, check, &shared));
            running.push(tokio::task::spawn_local(async move { (name, runner.run().await) }));
        }
        let mut outcomes = Vec::new();
        for run in running {
            outcomes.push(run.await.unwrap());
        }
        outcomes
    })
}

#[test]
fn a_silent_name_server_delays_only_who_needs_it() {
    let space = Space::new();
    space.sh("ip link set lo up");
    space.sh("ip link add eth0 type veth peer name eth1");
    space.sh("ip link set eth0 up");
    space.sh("ip link set eth1 up");
    space.sh("ip addr add 192.0.2.2/24 dev eth0");
    let resolv = std::env::temp_dir().join(format!("failover-dark-{}", std::process::id()));
    fs::write(&resolv, "nameserver 192.0.2.53\n").unwrap();
    let outcomes = space.run(|| {
        // A thread inside a thread: whose mounts are its own.
        let inside = thread::spawn({
            let resolv = resolv.clone();
            move || {
                unshare(CloneFlags::CLONE_NEWNS).unwrap();
                let none: Option<&str> = None;
                mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
                mount(Some(&resolv), "/etc/resolv.conf", none, MsFlags::MS_BIND, none).unwrap();
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port().to_string();
                all_at_once(&CHECKS.replace("PORT", &port))
            }
        });
        inside.join().unwrap()
    });
    fs::remove_file(&resolv).unwrap();
    for (name, outcome) in outcomes {
        if name == "stuck" || name == "again" {
            let text = "no answer within 1 s (lookup)";
            assert_eq!((outcome.finding, outcome.text.as_str()), (Finding::Failed, text), "{name}");
            assert!(outcome.took < Duration::from_millis(1300), "{name}: {:?}", outcome.took);
        } else {
            assert_eq!((outcome.finding, outcome.text.as_str()), (Finding::Passed, "connected"), "{name}");
            assert!(outcome.took < Duration::from_millis(500), "{name}: {:?}", outcome.took);
        }
    }
}
