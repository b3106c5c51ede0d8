//! The program under test on a host.

use failover::agent::addresses::ADDRESS_PROTOCOL;
use failover::agent::snapshot::{InstanceStatus, Snapshot};

use super::host::Host;
use super::process::Process;

/// The program under test.
pub(crate) const FAILOVER: &str = env!("CARGO_BIN_EXE_failover");

impl Host {
    /// Starts `failover run` with this configuration.
    pub(crate) fn failover(&self, config: &str) -> Process {
        let file = self.write("failover.toml", config);
        let (runtime, state) = (self.path("run"), self.path("state"));
        let places = ["--config", &file, "--runtime-dir", &runtime, "--state-dir", &state];
        // The system bus is the host's own, where it has one, and never the machine's.
        let bus = format!("DBUS_SYSTEM_BUS_ADDRESS={}", self.system_bus());
        self.start("failover", &[&["env", &bus, FAILOVER, "run"], &places[..]].concat())
    }

    /// Address of the host's system bus, for a test that starts one.
    pub(crate) fn system_bus(&self) -> String {
        format!("unix:path={}", self.path("system_bus_socket"))
    }

    /// What `failover status --json` says; `None` when it finds no agent.
    pub(crate) fn status(&self) -> Option<Snapshot> {
        let output =
            self.space.output(&format!("{FAILOVER} status --json --runtime-dir {}", self.path("run")));
        match output.status.code() {
            Some(0) => Some(serde_json::from_slice(&output.stdout).expect("JSON of a snapshot")),
            Some(3) => None,
            _ => panic!("status: {} {}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// The one instance of the running agent; `None` while there is no agent.
    pub(crate) fn instance(&self) -> Option<InstanceStatus> {
        self.status()?.instances.into_iter().next()
    }

    /// The addresses that `failover` added and that are still there.
    pub(crate) fn tagged(&self) -> Vec<super::addresses::Held> {
        self.addresses().into_iter().filter(|held| held.protocol == ADDRESS_PROTOCOL).collect()
    }
}
