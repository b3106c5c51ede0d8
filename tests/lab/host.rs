//! One host of the network: a namespace with one Ethernet link, `eth0`, plugged into a port of the switch.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::addresses::{Held, dump};
use super::frame::host_address;
use super::process::Process;
use super::space::Space;
use super::wire::Wire;

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// The last part of its addresses.
    pub(crate) number: u8,
    pub(crate) space: Space,
    /// Where its configurations and logs go.
    pub(crate) directory: PathBuf,
    switch: Arc<Space>,
}

impl Host {
    pub(crate) fn new(name: &str, number: u8, switch: &Arc<Space>, wire: &Wire, directory: &Path) -> Self {
        let directory = directory.join(name);
        fs::create_dir(&directory).expect("a directory for the host");
        let space = Space::new();
        for value in
            ["ipv6/conf/default/accept_dad", "ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_ra"]
        {
            space.sysctl(value, "0");
        }
        space.sh("ip link set lo up");
        let host = Host { name: name.to_owned(), number, space, directory, switch: Arc::clone(switch) };
        host.plug_in("eth0", wire);
        host
    }

    /// Makes the link `link` with the host's addresses, joined to the host's port of the switch.
    pub(crate) fn plug_in(&self, link: &str, wire: &Wire) {
        let port = self.port();
        self.switch.sh(&format!("ip link add {port} type veth peer name {link} netns {}", self.space.path()));
        self.switch.sh(&format!("ip link set {port} master br0 up"));
        let index =
            self.switch.run(|| nix::net::if_::if_nametoindex(port.as_str())).expect("the port's index");
        wire.name_port(usize::try_from(index).expect("an index"), &self.name);
        self.set_up(link);
    }

    /// Gives `link` the host's addresses and brings it up.
    pub(crate) fn set_up(&self, link: &str) {
        self.space.sh(&format!("ip link set {link} up"));
        self.space.sh(&format!("ip addr add {}/24 dev {link}", self.address(false)));
        self.space.sh(&format!("ip addr add {}/64 dev {link} nodad", self.address(true)));
    }

    /// Its own address.
    pub(crate) fn address(&self, v6: bool) -> IpAddr {
        host_address(self.number, v6)
    }

    /// Every address it has.
    pub(crate) fn addresses(&self) -> Vec<Held> {
        dump(&self.space)
    }

    /// Whether it has `address` on any link.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        self.addresses().iter().any(|held| held.address == address)
    }

    /// Whether it has `address` on a link that carries packets.
    pub(crate) fn serves(&self, address: IpAddr) -> bool {
        self.space.run(|| {
            getifaddrs().expect("addresses").any(|entry| {
                let found =
                    entry.address.and_then(|found| match (found.as_sockaddr_in(), found.as_sockaddr_in6()) {
                        (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
                        (None, Some(v6)) => Some(IpAddr::V6(v6.ip())),
                        (None, None) => None,
                    });
                found == Some(address) && entry.flags.contains(InterfaceFlags::IFF_RUNNING)
            })
        })
    }

    /// Separates it from all others; its link keeps its carrier.
    pub(crate) fn cut(&self) {
        println!("cut {} off", self.name);
        self.switch.sh(&format!("bridge link set dev {} state 0", self.port()));
    }

    /// Undoes [`Host::cut`].
    pub(crate) fn heal(&self) {
        println!("join {} again", self.name);
        self.switch.sh(&format!("bridge link set dev {} state 3", self.port()));
    }

    /// Pulls the cable: the host's link loses its carrier.
    pub(crate) fn unplug(&self) {
        println!("unplug {}", self.name);
        self.switch.sh(&format!("ip link set {} down", self.port()));
    }

    /// Undoes [`Host::unplug`].
    pub(crate) fn replug(&self) {
        println!("replug {}", self.name);
        self.switch.sh(&format!("ip link set {} up", self.port()));
    }

    /// Starts a program on it.
    pub(crate) fn start(&self, name: &str, argv: &[&str]) -> Process {
        Process::start(&self.space, &format!("{}-{name}", self.name), argv, &self.directory)
    }

    /// Writes a file into the host's directory; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        fs::write(&path, text).expect("write a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Path of a file in the host's directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    fn port(&self) -> String {
        format!("port-{}", self.name)
    }
}
