//! Namespaces for tests: one per test, made by and for one thread.

use std::net::IpAddr;
use std::process::Command;
use std::thread;

use failover::net::LinkIndex;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Runs `test` in a fresh network namespace with `lo` up and a veth pair, `va` and `vb`, also up.
///
/// `vb` is in the same namespace: what is sent on `va` arrives on `vb`. IPv4 from an own address is taken as martian, so
/// `accept_local` is on.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "these tests need root");
        eprintln!("SKIPPED: needs root");
        return;
    }
    let outcome = thread::spawn(move || {
        // Only this thread moves; the commands that it starts are in its namespace too.
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        ip("link set lo up");
        ip("link add va type veth peer name vb");
        for link in ["va", "vb"] {
            ip(&format!("link set {link} up"));
        }
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// `ip ARGUMENTS`.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip runs");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What `ip ARGUMENTS` prints.
pub(crate) fn ip_output(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip runs");
    String::from_utf8(output.stdout).expect("text")
}

/// Sets a value under `/proc/sys/net`, which shows the namespace of the thread that looks.
pub(crate) fn sysctl(path: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{path}"), value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Gives `va` and `vb` addresses that can be used at once, of both families.
pub(crate) fn with_addresses() {
    for link in ["va", "vb"] {
        sysctl(&format!("ipv4/conf/{link}/accept_local"), "1");
        sysctl(&format!("ipv4/conf/{link}/rp_filter"), "0");
    }
    sysctl("ipv4/conf/all/rp_filter", "0");
    ip("addr add 192.0.2.1/24 dev va");
    ip("addr add 192.0.2.2/24 dev vb");
    ip("addr add fe80::a/64 dev va nodad");
    ip("addr add fe80::b/64 dev vb nodad");
}

/// The number of the interface `name`.
pub(crate) fn link(name: &str) -> LinkIndex {
    LinkIndex(nix::net::if_::if_nametoindex(name).expect("an interface"))
}

/// An address.
pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
