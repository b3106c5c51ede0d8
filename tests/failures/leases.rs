//! Nobody runs to take the addresses away: the kernel does, when they are not renewed.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use failover::agent::snapshot::VrState;
use nix::sys::signal::Signal;

use crate::lab::agent::FAILOVER;
use crate::lab::router::{Router, V3};
use crate::lab::wire::now;
use crate::lab::{Lab, at_once, wait};
use crate::{Two, V6};

/// What may be between the end of a lease and the kernel's taking the address away, and what was under way.
const LATE: Duration = Duration::from_secs(2);

/// The lease that the agent on host `a` says its addresses have.
fn lease(two: &Two) -> Duration {
    let seconds = two.lab.a.instance().expect("a status").address_lease_seconds;
    Duration::from_secs(seconds.expect("a lease"))
}

/// Waits until nothing of ours is left on host `a`, which must not take longer than the lease. The client is served.
fn gone_within(two: &Two, lease: Duration, since: Duration) {
    wait("the addresses are gone", lease + LATE, || two.lab.a.tagged().is_empty().then_some(()));
    println!("gone {:?} after the end, with a lease of {lease:?}", now().saturating_sub(since));
    two.held_by_b();
}

#[test]
fn the_addresses_of_a_killed_master_go_by_themselves() {
    at_once([V3, V6, Router { interval: 1000, ..V3 }], |router| {
        let mut two = Two::new(router);
        let lease = lease(&two);
        let expected = if router.interval == 1000 { 6 } else { 2 };
        assert_eq!(lease, Duration::from_secs(expected));
        let since = now();
        two.on_a.crash();
        assert_eq!(two.lab.a.tagged().len(), 2, "at first they stay");
        gone_within(&two, lease, since);
    });
}

#[test]
fn the_addresses_of_a_master_that_hangs_go_by_themselves() {
    at_once([V3, V6], |router| {
        let router = Router { preempt: false, ..router };
        let two = Two::new(router);
        let lease = lease(&two);
        let since = now();
        two.on_a.signal(Signal::SIGSTOP);
        gone_within(&two, lease, since);
        two.on_a.signal(Signal::SIGCONT);
        two.held_by_b();
        assert_eq!(two.lab.a.instance().expect("a status").state, VrState::Backup);
        two.stop();
    });
}

/// Without a lease they stay for as long as nobody takes them away.
#[test]
fn release_takes_away_what_a_killed_agent_left_and_nothing_else() {
    let lab = Lab::new();
    for address in ["192.0.2.77/24 dev eth0", "2001:db8::77/64 dev eth0 nodad"] {
        lab.a.space.sh(&format!("ip addr add {address}"));
    }
    let before = lab.a.addresses();
    let config = format!(
        "{}unadvertised_addresses = [\"2001:db8::50/64\"]\naddress_lease = \"off\"\n",
        V3.ours(&lab.a, &lab.b, 200)
    );
    let release = |arguments: &str, env: &str| {
        let output = lab.a.space.output(&format!("env {env} {FAILOVER} release {arguments}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(release("", ""), (Some(0), String::new(), String::new()), "nothing to do");
    let mut agent = lab.a.failover(&config);
    lab.held_by(&V3, &lab.a, &[&lab.b]);
    let held = lab.a.addresses();
    assert_eq!(lab.a.instance().expect("a status").address_lease_seconds, None);

    let (code, out, err) = release("", "");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("an agent is running in this network namespace (process "), "{err}");
    assert_eq!(lab.a.addresses(), held, "a running agent's addresses are its own");

    agent.crash();
    // systemd starts it again, as far as that can be known.
    let (code, out, err) = release(
        "--after-service",
        "SERVICE_RESULT=signal EXIT_CODE=killed EXIT_STATUS=KILL DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere",
    );
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert!(err.contains("leaving the addresses: systemd may start the agent again (signal)"), "{err}");
    assert_eq!(lab.a.addresses(), held);
    let (code, out, err) = release("--after-service", "-u SERVICE_RESULT");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("$SERVICE_RESULT is not set"), "{err}");
    let unprivileged = lab.a.space.output(&format!("setpriv --bounding-set -net_admin {FAILOVER} release"));
    assert_eq!(unprivileged.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unprivileged.stderr).contains("CAP_NET_ADMIN"), "{unprivileged:?}");

    let (code, out, err) =
        release("--after-service", "SERVICE_RESULT=exit-code EXIT_CODE=exited EXIT_STATUS=78");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["192.0.2.50/24 on eth0", "192.0.2.51/24 on eth0", "2001:db8::50/64 on eth0"]);
    assert_eq!(lab.a.addresses(), before);
}

/// Renewals of a thousand addresses of both families are in time, and nobody loses one.
#[test]
fn a_master_with_a_thousand_addresses_keeps_them_all() {
    const MANY: u32 = 1000;
    let lab = Lab::new();
    let addresses: Vec<String> = (0..MANY)
        .map(|number| {
            let (high, low) = (number / 2 / 250, number / 2 % 250 + 1);
            if number % 2 == 0 {
                format!("\"10.0.{high}.{low}/16\"")
            } else {
                format!("\"2001:db8:1::{high:x}:{low:x}/64\"")
            }
        })
        .collect();
    let mut config = V3.ours(&lab.a, &lab.b, 200);
    let _ = writeln!(config, "unadvertised_addresses = [{}]", addresses.join(", "));
    let mut agent = lab.a.failover(&config);
    let all = |lab: &Lab| lab.a.tagged().len() == addresses.len() + V3.addresses().len();
    wait("all addresses are there", Duration::from_mins(1), || all(&lab).then_some(()));
    let lease = lab.a.instance().expect("a status").address_lease_seconds.expect("a lease");
    let (start, span) = (now(), Duration::from_secs(lease * 3));
    wait("three leases have passed", span * 2, || {
        assert!(all(&lab), "{} are there", lab.a.tagged().len());
        (now().saturating_sub(start) >= span).then_some(())
    });
    let instance = lab.a.instance().expect("a status");
    assert_eq!(instance.state, VrState::Master);
    assert_eq!((instance.counters.addresses_restored, instance.counters.master_transitions), (0, 1));
    assert!(instance.addresses.iter().all(|address| address.present));
    assert!(!agent.log().contains("renewed"), "{}", agent.log());
    let status = agent.terminate();
    assert!(status.success(), "{status}");
    assert_eq!(lab.a.tagged(), [], "left over");
    let first: IpAddr = V3.address();
    assert!(!lab.a.holds(first));
}
