//! Two hosts, `a` and `b`, on one bridge or on several (a segment each), and a third party on the first segment; each
//! in a network namespace of its own. Owns the namespaces and a directory, and removes them when it is dropped.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::LinkAddr;

use super::monitor::Monitor;
use super::space::Space;
use super::wire::Wire;

/// The third party.
pub(crate) const CLIENT: usize = 2;
/// Segments are links `eth0`, `eth1`, … of each host.
const NAMES: [&str; 3] = ["a", "b", "c"];

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    /// Hosts `a` and `b`, then the third party.
    pub(crate) hosts: [Space; 3],
    switch: Space,
    segments: u8,
    directory: PathBuf,
}

impl Network {
    /// A network with so many segments.
    pub(crate) fn new(segments: u8) -> Self {
        let directory = std::env::temp_dir().join(format!(
            "failover-bench-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        fs::create_dir(&directory).expect("a directory of our own");
        let switch = Space::new();
        let hosts = [(); 3].map(|()| Space::new());
        let mut at_switch = String::new();
        for segment in 0..segments {
            let bridge = format!("br{segment}");
            let _ =
                writeln!(at_switch, "link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up");
            for (host, space) in hosts.iter().enumerate() {
                let port = port(segment, host);
                let peer = format!("eth{segment} netns {}", space.path());
                let _ = writeln!(at_switch, "link add {port} type veth peer name {peer}");
                let _ = writeln!(at_switch, "link set {port} master {bridge} up");
            }
        }
        switch.ip(&at_switch);
        for (host, space) in hosts.iter().enumerate() {
            let mut lines = "link set lo up\n".to_owned();
            for segment in 0..segments {
                let address = address(segment, host);
                let _ = writeln!(lines, "link set eth{segment} up\naddr add {address}/16 dev eth{segment}");
            }
            space.ip(&lines);
        }
        Network { hosts, switch, segments, directory }
    }

    /// Starts to capture what `a` and `b` send.
    pub(crate) fn wire(&self) -> Wire {
        let ports = (0..self.segments).flat_map(|segment| {
            (0..CLIENT).map(move |host| (segment, host, self.switch.run(|| link(&port(segment, host)))))
        });
        Wire::new(&self.switch, ports.collect())
    }

    /// Starts to listen to the address events of a host.
    pub(crate) fn monitor(&self, host: usize) -> Monitor {
        Monitor::new(&self.hosts[host])
    }

    /// Pulls the cables of a host, or plugs them in.
    pub(crate) fn plug(&self, host: usize, joined: bool) {
        let state = if joined { "up" } else { "down" };
        let line = |segment| format!("link set {} {state}", port(segment, host));
        let lines: Vec<String> = (0..self.segments).map(line).collect();
        self.switch.ip(&(lines.join("\n") + "\n"));
    }

    /// Packets that a host has sent so far on all segments.
    pub(crate) fn sent(&self, host: usize) -> f64 {
        let table = self.hosts[host].run(|| fs::read_to_string("/proc/thread-self/net/dev").expect("procfs"));
        let columns = table.lines().filter_map(|line| line.trim().strip_prefix("eth"));
        columns.filter_map(|line| line.split_whitespace().nth(10)?.parse::<f64>().ok()).sum()
    }

    /// Whether the host's programs have joined the VRRP group on every segment.
    pub(crate) fn listens(&self, host: usize) -> bool {
        let table =
            self.hosts[host].run(|| fs::read_to_string("/proc/thread-self/net/igmp").expect("procfs"));
        table.lines().filter(|line| line.trim().starts_with("120000E0")).count() >= usize::from(self.segments)
    }

    /// Writes a file; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("write a file");
        path
    }

    /// Writes a file that can be run; its path.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
        path
    }

    /// The path of a file in the network's own directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What hosts are called.
pub(crate) fn name(host: usize) -> &'static str {
    NAMES[host]
}

/// A host's own address on a segment.
pub(crate) fn address(segment: u8, host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, segment, 255, [1, 2, 9][host])
}

/// The link called `name`, in the namespace that this runs in.
pub(crate) fn link(name: &str) -> LinkAddr {
    let mut found = getifaddrs().expect("interfaces").filter(|entry| entry.interface_name == name);
    let link = found.find_map(|entry| entry.address?.as_link_addr().copied());
    link.unwrap_or_else(|| panic!("no link {name}"))
}

fn port(segment: u8, host: usize) -> String {
    format!("p{segment}{}", NAMES[host])
}
