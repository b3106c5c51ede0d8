//! The programs of others: how they are started on a host. All from Debian's packages, never as services.

use std::fmt::Write as _;
use std::time::Duration;

use super::host::Host;
use super::process::Process;
use super::router::{Router, VRID};
use super::wait;

/// The user that FRR's daemons change to.
const FRR_USER: &str = "frr";

/// Starts keepalived with this configuration.
pub(crate) fn keepalived(host: &Host, config: &str) -> Process {
    let file = host.write("keepalived.conf", config);
    let (pid, vrrp_pid) = (host.path("keepalived.pid"), host.path("vrrp.pid"));
    // A killed keepalived leaves them, and the next one believes them when the number has a new owner.
    for stale in [&pid, &vrrp_pid] {
        let _ = std::fs::remove_file(stale);
    }
    let files = ["--use-file", &file, "--pid", &pid, "--vrrp_pid", &vrrp_pid];
    let flags = ["keepalived", "--dont-fork", "--vrrp", "--no-syslog", "--log-console", "--log-detail"];
    host.start("keepalived", &[&flags[..], &files[..]].concat())
}

/// Starts FRR's vrrpd; [`zebra`] must run.
pub(crate) fn vrrpd(host: &Host, router: &Router, priority: u8) -> Process {
    let mut config =
        format!("log stdout\ndebug vrrp protocol\ninterface eth0\n vrrp {VRID} version {}\n", router.version);
    let _ = writeln!(config, " vrrp {VRID} priority {priority}");
    let _ = writeln!(config, " vrrp {VRID} advertisement-interval {}", router.interval);
    let family = if router.v6 { "ipv6" } else { "ip" };
    for address in router.addresses() {
        let _ = writeln!(config, " vrrp {VRID} {family} {address}");
    }
    frr_daemon(host, "vrrpd", &config)
}

/// Makes the device that FRR wants for the virtual addresses (it answers at the virtual router's own hardware
/// address) and starts zebra, by which vrrpd talks to the kernel.
pub(crate) fn zebra(host: &Host, router: &Router) -> Process {
    let (family, length) = if router.v6 { (2, 64) } else { (1, 24) };
    let space = &host.space;
    space.sh("ip link add vrrp51 link eth0 type macvlan mode bridge");
    space.sh("ip link set vrrp51 addrgenmode none");
    space.sh(&format!("ip link set vrrp51 address 00:00:5e:00:{family:02x}:{VRID:02x}"));
    for address in router.addresses() {
        space.sh(&format!("ip addr add {address}/{length} dev vrrp51"));
    }
    // vrrpd switches it on while it is master.
    space.sh("ip link set vrrp51 protodown on");
    space.sh("ip link set vrrp51 up");
    space.sh(&format!("chown {FRR_USER} {}", host.path("")));
    let zebra = frr_daemon(host, "zebra", "log stdout\n");
    let socket = host.path("zserv");
    wait("zebra listens", Duration::from_secs(20), || {
        std::fs::exists(&socket).unwrap_or(false).then_some(())
    });
    zebra
}

fn frr_daemon(host: &Host, daemon: &str, config: &str) -> Process {
    let file = host.write(&format!("{daemon}.conf"), config);
    let (program, pid) = (format!("/usr/lib/frr/{daemon}"), host.path(&format!("{daemon}.pid")));
    let (socket, directory) = (host.path("zserv"), host.path(""));
    let files = ["-f", &file, "-i", &pid, "-z", &socket, "--vty_socket", &directory];
    host.start(
        daemon,
        &[&[program.as_str()], &files[..], &["-P", "0", "-u", FRR_USER, "-g", FRR_USER]].concat(),
    )
}

/// Starts UCARP with the group's number [`VRID`]; it holds `address` while it is master.
pub(crate) fn ucarp(host: &Host, address: &str, skew: u8) -> Process {
    let script = |name: &str, verb: &str| {
        let path = host.write(name, &format!("#!/bin/sh\nexec ip addr {verb} {address}/24 dev eth0\n"));
        host.space.sh(&format!("chmod 755 {path}"));
        path
    };
    let (up, down) = (script("up", "replace"), script("down", "del"));
    let (own, number, skew) = (host.address(false).to_string(), VRID.to_string(), skew.to_string());
    let names =
        ["ucarp", "-i", "eth0", "-s", &own, "-v", &number, "-p", "secret", "-a", address, "-k", &skew];
    host.start("ucarp", &[&names[..], &["-u", &up, "-d", &down, "-z", "-n"]].concat())
}
