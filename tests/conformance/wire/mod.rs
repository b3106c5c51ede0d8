//! Items that only a real kernel can show: the program on hosts of a small network in namespaces. Needs root.

mod adverts;
mod inject;
mod membership;
mod neighbours;
mod tap;

use std::net::IpAddr;
use std::time::Duration;

use super::lab::Lab;
use super::lab::host::Host;
use super::lab::process::Process;
use super::lab::router::{Program, Router, V3};
use super::lab::wait;

/// Long enough for anything that should happen at once.
const LIMIT: Duration = Duration::from_secs(10);

fn router(v6: bool) -> Router {
    Router { v6, ..V3 }
}

/// A network in which host `a` runs the program with this priority and holds the addresses.
fn with_master(v6: bool, priority: u8) -> (Lab, Process) {
    let lab = Lab::new();
    let program = router(v6).start(Program::Ours, &lab.a, &lab.b, priority);
    wait("a holds the addresses", LIMIT, || serves(&lab.a, v6).then_some(()));
    (lab, program)
}

/// The same, and host `b` runs it as BACKUP.
fn with_backup(v6: bool) -> (Lab, Process, Process) {
    let (lab, master) = with_master(v6, 200);
    let backup = router(v6).start(Program::Ours, &lab.b, &lab.a, 100);
    (lab, master, backup)
}

fn serves(host: &Host, v6: bool) -> bool {
    router(v6).addresses().into_iter().all(|address| host.serves(address))
}

/// The virtual address that the client asks.
fn virtual_address(v6: bool) -> IpAddr {
    router(v6).address()
}

/// The hardware address of `eth0`.
fn mac(host: &Host) -> [u8; 6] {
    let shown = host.space.sh("ip -o link show dev eth0");
    let text = shown.split("link/ether ").nth(1).unwrap();
    let octets: Vec<u8> = text[..17].split(':').map(|part| u8::from_str_radix(part, 16).unwrap()).collect();
    octets.try_into().unwrap()
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
