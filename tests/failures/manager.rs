//! systemd-networkd as it is, on the host of a MASTER: restarted, and told to configure the interface anew, which takes all
//! addresses away, the host's own first. Nobody else hears of it.
//!
//! Needs the package `dbus`.

#![expect(clippy::disallowed_methods, reason = "what must not come is waited for")]

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::lab::absence::Absence;
use crate::lab::bus::Bus;
use crate::lab::client::Client;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::router::VRID;
use crate::lab::wire::now;
use crate::lab::{Lab, wait};

/// Longest wait for what must come.
const SOON: Duration = Duration::from_mins(1);
/// Longest that a virtual address may be away beyond what the host's own is, an order of magnitude above what it takes.
const BACK: Duration = Duration::from_millis(500);

/// Its configuration, within the host's directory.
const NETWORK: &str = "networkd/systemd/network/10-eth0.network";

/// In a mount namespace of its own, with `/run` of its own and the host's bus in it; without udev, whose word it waits for
/// where `/sys` is writable.
const START: &str = r#"mount -o remount,bind,ro /sys && mount --bind "$1" /run && mount --bind "$2" /run/dbus/socket &&
ln -sf socket /run/dbus/system_bus_socket && exec /lib/systemd/systemd-networkd"#;

fn network(addresses: &[&str]) -> String {
    let addresses = addresses.join("\nAddress=");
    format!("[Match]\nName=eth0\n[Network]\nLinkLocalAddressing=no\nAddress={addresses}\n")
}

fn config(priority: u8) -> String {
    format!(
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = {VRID}\npriority = {priority}\n\
         addresses = [\"192.0.2.50/24\"]\nadvert_interval = \"1s\"\n"
    )
}

/// The program on a host.
struct Networkd<'h> {
    host: &'h Host,
    process: Process,
}

impl<'h> Networkd<'h> {
    fn start(host: &'h Host) -> Self {
        for directory in ["systemd/network", "dbus"] {
            fs::create_dir_all(format!("{}/networkd/{directory}", host.path(""))).expect("a directory");
        }
        host.write("networkd/dbus/socket", "");
        // It tries for ever to make its own of one that is there with another broadcast address.
        host.space.sh("ip -4 address flush dev eth0");
        host.write(NETWORK, &network(&["192.0.2.1/24"]));
        Networkd { host, process: Networkd::run(host) }
    }

    fn run(host: &Host) -> Process {
        let script = ["sh", "-c", START, "sh", &host.path("networkd"), &host.path("system_bus_socket")];
        let process =
            host.start("networkd", &[&["unshare", "--mount", "--propagation=private"], &script[..]].concat());
        let answers = || host.space.output(&networkctl(host, "reload")).status.success();
        wait("networkd answers", SOON, || answers().then_some(()));
        process
    }

    fn restarts(&mut self) {
        assert!(self.process.terminate().success());
        self.process = Networkd::run(self.host);
    }

    fn does(&self, command: &str) {
        let output = self.host.space.output(&networkctl(self.host, command));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn networkctl(host: &Host, command: &str) -> String {
    format!("env DBUS_SYSTEM_BUS_ADDRESS={} networkctl --no-pager {command}", host.system_bus())
}

/// The address that the host connects from by default.
fn first(host: &Host) -> String {
    let shown = host.space.sh("ip -4 -oneline address show dev eth0 -secondary");
    shown.split_whitespace().nth(3).unwrap_or_default().to_owned()
}

#[test]
fn a_network_manager_that_configures_the_interface_anew_is_no_transition() {
    let lab = Lab::new();
    let address = IpAddr::from([192, 0, 2, 50]);
    // As most hosts have it not, and where a mistake would cost the host its own address.
    lab.a.space.sysctl("ipv4/conf/eth0/promote_secondaries", "0");
    let _bus = Bus::start(&lab.a);
    let mut networkd = Networkd::start(&lab.a);
    let mut on_a = lab.a.failover(&config(200));
    let _on_b = lab.b.failover(&config(100));
    wait("a serves alone", SOON, || (lab.a.serves(address) && !lab.b.serves(address)).then_some(()));

    let (start, watch) = (now(), Absence::watch(&lab.a.space, address));
    let client = Client::start(&lab.client.space, address);
    let back = |what: &str| {
        println!("{what}");
        // It takes its time to begin.
        thread::sleep(Duration::from_millis(300));
        wait(what, SOON, || lab.a.serves(address).then_some(()));
    };
    networkd.restarts();
    back("restarted");
    for _ in 0..3 {
        networkd.does("reconfigure eth0");
        back("configured anew");
    }
    lab.a.write(NETWORK, &network(&["192.0.2.1/24", "192.0.2.7/24"]));
    networkd.does("reload");
    back("with another address");
    // For longer than the other waits for an advert.
    thread::sleep(Duration::from_secs(4));
    let (served, away) = (client.stop(), watch.stop());
    println!("{} requests lost", served.lost);
    assert!(away.len() > 3 && away.iter().all(|away| *away < BACK), "{away:?}");
    assert_eq!(lab.wire.claimants(start, VRID), BTreeSet::from(["a".to_owned()]));
    assert!(!lab.wire.adverts(start, VRID).iter().any(|(_, _, vrrp)| vrrp.priority == 0), "a resignation");
    let transitions = |host: &Host| host.instance().expect("an agent").counters.master_transitions;
    assert_eq!((transitions(&lab.a), transitions(&lab.b)), (1, 0));
    assert_eq!(first(&lab.a), "192.0.2.1/24");

    assert!(on_a.terminate().success());
    wait("b serves alone", SOON, || (lab.b.serves(address) && !lab.a.serves(address)).then_some(()));
    assert_eq!(first(&lab.a), "192.0.2.1/24", "it went with the virtual address");
}
