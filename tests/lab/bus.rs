//! A message bus of a test's own on a host, which ends with the value. Needs the package `dbus`.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::host::Host;
use super::wait;
use std::time::Duration;

/// Longest wait for it to listen.
const LIMIT: Duration = Duration::from_secs(30);

/// Everybody may do everything.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>@</listen><policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>"#;

/// The bus.
#[derive(Debug)]
pub(crate) struct Bus(Child);

impl Bus {
    /// The system bus of `host`, at [`Host::system_bus`].
    pub(crate) fn start(host: &Host) -> Self {
        let socket = host.path("system_bus_socket");
        let _ = fs::remove_file(&socket);
        let file = host.write("bus.conf", &CONFIGURATION.replace('@', &host.system_bus()));
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog"])
            .arg(format!("--config-file={file}"))
            .stdin(Stdio::null())
            .spawn()
            .expect("dbus-daemon: tests/run installs it");
        wait("a bus", LIMIT, || fs::metadata(&socket).ok());
        Bus(child)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
