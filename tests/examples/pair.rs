//! Two hosts with one service: nginx, a pooler of `PostgreSQL`, Redis.

use failover::agent::snapshot::VrState;
use failover::health::standing::Verdict;
use nix::sys::signal::Signal;

use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::wire::now;
use crate::{Stage, check, in_state, nginx, until};

/// A weight moves the address, gives it back, and takes it from nobody when both are the worse for it.
#[test]
fn nginx_pair() {
    let stage = Stage::new("nginx.toml", "192.168.1.100");
    let (a, b) = (&stage.lab.a, &stage.lab.b);
    let (mut web_a, mut web_b) = (nginx(a), nginx(b));
    let _agents = (stage.start(a, &[]), stage.start(b, &[]));
    stage.held_by(a);
    check(b, "nginx", Verdict::Passing);

    let start = now();
    web_a.crash();
    let fallen = until(a, "its priority has fallen", |instance| instance.effective_priority == 90);
    assert_eq!(fallen.base_priority, 110);
    assert!(fallen.tracks.iter().any(|t| t.check == "nginx" && t.adds == -20), "{:?}", fallen.tracks);
    stage.held_by(b);
    in_state(a, VrState::Backup);
    // It resigned and went on: the other did not have to wait for it to fall silent.
    let priorities: Vec<u8> = stage
        .lab
        .wire
        .adverts(start, 51)
        .into_iter()
        .filter(|(_, host, _)| *host == a.name)
        .map(|(_, _, vrrp)| vrrp.priority)
        .skip_while(|priority| *priority == 110)
        .collect();
    assert_eq!(priorities.get(..2), Some(&[0, 90][..]), "{priorities:?}");

    // The page must say so, too: a server that answers something else is none.
    web_b.crash();
    until(b, "its priority has fallen", |instance| instance.effective_priority == 80);
    stage.held_by(a);

    let _web_a = nginx(a);
    a.write("health.txt", "sorry\n");
    let _web_b = nginx(b);
    check(b, "nginx", Verdict::Passing);
    check(a, "nginx", Verdict::Failing);
    stage.held_by(b);
    a.write("health.txt", "ok\n");
    stage.held_by(a);
}

/// `HAProxy` that accepts connections on the pooler's port.
fn pooler(host: &Host) -> Process {
    let config = host.write(
        "haproxy.cfg",
        "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\nlisten pooler\n  bind 127.0.0.1:6432\n  server db 127.0.0.1:5432\n",
    );
    host.start("pooler", &["haproxy", "-db", "-f", &config])
}

/// A pooler that is back does not take the address back; a file takes a host out at once.
#[test]
fn postgresql_pair() {
    let stage = Stage::new("postgresql.toml", "192.168.1.110");
    let (a, b) = (&stage.lab.a, &stage.lab.b);
    let files = [("/etc/failover.maintenance", "maintenance")];
    let (mut pooler_a, _pooler_b) = (pooler(a), pooler(b));
    let _agent_a = stage.start(a, &files);
    stage.held_by(a);
    let _agent_b = stage.start(b, &files);
    in_state(b, VrState::Backup);

    pooler_a.crash();
    let fault = in_state(a, VrState::Fault);
    assert!(fault.reason.contains("check pgbouncer is failing"), "{}", fault.reason);
    stage.held_by(b);
    let _pooler_a = pooler(a);
    in_state(a, VrState::Backup);
    stage.held_by(b);

    b.write("maintenance", "");
    in_state(b, VrState::Fault);
    stage.held_by(a);
    std::fs::remove_file(b.path("maintenance")).expect("the file");
    in_state(b, VrState::Backup);
    stage.held_by(a);
}

fn redis(host: &Host) -> Process {
    let directory = host.path("");
    host.start(
        "redis",
        &["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", &directory],
    )
}

/// A Redis that hangs accepts connections and says nothing.
#[test]
fn redis_pair() {
    let stage = Stage::new("redis.toml", "192.168.1.120");
    let (a, b) = (&stage.lab.a, &stage.lab.b);
    let (redis_a, _redis_b) = (redis(a), redis(b));
    let _agents = (stage.start(a, &[]), stage.start(b, &[]));
    stage.held_by(a);
    check(b, "redis", Verdict::Passing);
    redis_a.signal(Signal::SIGSTOP);
    in_state(a, VrState::Fault);
    stage.held_by(b);
    redis_a.signal(Signal::SIGCONT);
    stage.held_by(a);
}
