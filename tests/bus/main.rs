//! The agent's objects on D-Bus: peer to peer, and on a real bus with the policy that is shipped.
//!
//! Needs root and the packages that `tests/run` installs.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "tests print what they do")]

#[path = "../lab/mod.rs"]
mod lab;

mod client;
mod hostile;
mod objects;
mod places;

use std::time::Duration;

use lab::host::Host;
use lab::process::Process;
use lab::wait;

/// Longest wait for anything: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(20);

/// What a bus is told beside the policy that is shipped.
const BUS: &str = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"
 \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">
<busconfig>
 <type>system</type>
 <auth>EXTERNAL</auth>
 <listen>LISTEN</listen>
 <policy context=\"default\">
  <allow user=\"*\"/>
  <deny own=\"*\"/>
  <deny send_type=\"method_call\"/>
  <allow send_type=\"signal\"/>
  <allow send_requested_reply=\"true\" send_type=\"method_return\"/>
  <allow send_requested_reply=\"true\" send_type=\"error\"/>
  <allow receive_type=\"method_call\"/>
  <allow receive_type=\"method_return\"/>
  <allow receive_type=\"error\"/>
  <allow receive_type=\"signal\"/>
  <allow send_destination=\"org.freedesktop.DBus\" send_interface=\"org.freedesktop.DBus\"/>
 </policy>
 <policy user=\"root\">
  <allow own=\"org.freedesktop.PolicyKit1\"/>
  <allow send_destination=\"org.freedesktop.PolicyKit1\"/>
 </policy>
 <include>POLICY</include>
</busconfig>
";

impl Host {
    /// Starts a system bus of this host's own.
    fn bus(&self) -> Process {
        // One that was killed left it.
        let _ = std::fs::remove_file(self.path("system_bus_socket"));
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/org.failover1.conf");
        let text = BUS.replace("LISTEN", &self.system_bus()).replace("POLICY", policy);
        let file = self.write("bus.conf", &text);
        let bus =
            self.start("bus", &["dbus-daemon", "--nofork", "--nopidfile", &format!("--config-file={file}")]);
        wait("there is a bus", LIMIT, || {
            std::fs::exists(self.path("system_bus_socket")).expect("a directory").then_some(())
        });
        bus
    }

    /// Address of the agent's own socket.
    fn peer(&self) -> String {
        format!("unix:path={}/bus", self.path("run"))
    }

    /// Waits until the agent listens.
    fn agent_listens(&self) {
        let socket = format!("{}/bus", self.path("run"));
        wait("the agent listens", LIMIT, || std::os::unix::net::UnixStream::connect(&socket).ok().map(drop));
    }
}

/// An instance without a rival: MASTER within half a second.
fn instance(name: &str, vrid: usize) -> String {
    format!(
        "[instance.{name}]\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\nadvert_interval = \"100ms\"\n\
         addresses = [\"198.51.100.{vrid}/24\"]\n"
    )
}

/// Runs a test that waits for several things at once.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test);
}
