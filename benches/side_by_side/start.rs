//! From the start of the program until it says that it is ready (`sd_notify(3)`), which Debian's keepalived never does.

use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use super::Context;
use super::network::Network;
use super::program::{Instance, Program};
use super::sheet::Sheet;

const INSTANCES: u8 = 200;
/// A program that says nothing by then does not say it at all.
const LIMIT: Duration = Duration::from_secs(20);

/// Two hundred instances on one link.
pub(crate) fn ready(context: &Context, program: Program, sheet: &mut Sheet) {
    if program == Program::Keepalived {
        return println!("  it does not say when it is ready");
    }
    let instance = |vrid| Instance {
        segment: 0,
        vrid,
        priorities: [200, 100],
        interval: Duration::from_secs(1),
        addresses: vec![Ipv4Addr::new(10, 0, vrid, 1)],
        unadvertised: Vec::new(),
    };
    let instances: Vec<Instance> = (1..=INSTANCES).map(instance).collect();
    for _ in 0..if context.quick { 3 } else { 9 } {
        let network = Network::new(1);
        let path = network.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
        let start = Instant::now();
        let _running = program.start_notifying(&network, 0, &instances, &context.binary, &path);
        while !says_ready(&socket) {}
        sheet.add(program, "ready", start.elapsed().as_secs_f64() * 1e3);
    }
}

/// Whether the next message says so.
fn says_ready(socket: &UnixDatagram) -> bool {
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).expect("a program that says when it is ready");
    String::from_utf8_lossy(&bytes[..length]).lines().any(|line| line == "READY=1")
}
