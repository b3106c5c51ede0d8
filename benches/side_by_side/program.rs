//! The two programs that are compared: their configurations from one description, their processes and what those cost.
//! Kills only process ids that it started, or that those started.

use std::fmt::{self, Write};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::check::{self, Check};
use super::network::{Network, name};

/// How long it may take to end, at most.
const END: Duration = Duration::from_secs(20);

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Keepalived,
    Failover,
}

/// One virtual router, the same on both hosts.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// On link `eth0`, `eth1`, ….
    pub(crate) segment: u8,
    pub(crate) vrid: u8,
    /// Of host `a` and of host `b`. Where they are equal, nobody preempts.
    pub(crate) priorities: [u8; 2],
    /// A multiple of 10 ms.
    pub(crate) interval: Duration,
    /// In the adverts.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Held with them, not in adverts.
    pub(crate) unadvertised: Vec<Ipv4Addr>,
}

impl Instance {
    /// Three intervals and the skew (RFC 9568, section 6.1).
    pub(crate) fn master_down(&self, backup: usize) -> Duration {
        self.interval * 3 + self.skew(backup)
    }

    /// How long a BACKUP waits once its MASTER has resigned: version 3 takes it from the priority and the interval.
    pub(crate) fn skew(&self, backup: usize) -> Duration {
        self.interval * (256 - u32::from(self.priorities[backup])) / 256
    }

    fn preempts(&self) -> bool {
        self.priorities[0] != self.priorities[1]
    }
}

impl Program {
    /// Both, in the order of the columns.
    pub(crate) const BOTH: [Program; 2] = [Program::Keepalived, Program::Failover];

    /// Its configuration on a host.
    pub(crate) fn configuration(self, host: usize, instances: &[Instance], checks: &[Check]) -> String {
        match self {
            Program::Keepalived => keepalived(host, instances, checks),
            Program::Failover => failover(host, instances, checks),
        }
    }

    /// Starts it on a host.
    pub(crate) fn start(
        self,
        network: &Network,
        host: usize,
        instances: &[Instance],
        checks: &[Check],
        binary: &str,
    ) -> Running {
        self.start_with(network, host, instances, checks, &[], binary)
    }

    /// The same without checks; it says to the socket at `path` that it is ready.
    pub(crate) fn start_notifying(
        self,
        network: &Network,
        host: usize,
        instances: &[Instance],
        binary: &str,
        path: &str,
    ) -> Running {
        self.start_with(network, host, instances, &[], &["env", &format!("NOTIFY_SOCKET={path}")], binary)
    }

    fn start_with(
        self,
        network: &Network,
        host: usize,
        instances: &[Instance],
        checks: &[Check],
        before: &[&str],
        binary: &str,
    ) -> Running {
        let own = name(host);
        let log = network.path(&format!("{own}.log"));
        let out = File::create(&log).expect("a log file");
        let err = out.try_clone().expect("a log file");
        let (config, pid, child_pid) = (
            network.path(own),
            network.path(&format!("{own}.pid")),
            network.path(&format!("{own}.vrrp.pid")),
        );
        let argv: Vec<&str> = match self {
            Program::Keepalived => vec![
                "keepalived",
                "--dont-fork",
                "--log-console",
                "--vrrp",
                "--use-file",
                &config,
                "--pid",
                &pid,
                "--vrrp_pid",
                &child_pid,
            ],
            Program::Failover => vec![binary, "run", "--config", &config, "--runtime-dir", &pid],
        };
        match self {
            Program::Keepalived => {
                // It believes what a dead one wrote.
                let _ = (fs::remove_file(&pid), fs::remove_file(&child_pid));
                network.write(own, &self.configuration(host, instances, checks))
            }
            Program::Failover => {
                fs::create_dir_all(&pid).expect("a runtime directory");
                network.write(own, &self.configuration(host, instances, checks))
            }
        };
        let mut command = network.hosts[host].command(&[before, &argv].concat());
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        Running { child: child.unwrap_or_else(|error| panic!("{argv:?}: {error}")), log }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Program::Keepalived => "keepalived",
            Program::Failover => "failover",
        })
    }
}

/// A running program with all its processes.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: String,
}

impl Running {
    /// Time on a processor so far, of all threads.
    pub(crate) fn cpu(&self) -> Duration {
        let mut sum = 0;
        for process in self.tree() {
            for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
                let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                sum += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Duration::from_nanos(sum)
    }

    /// Processor time so far with that of children that have ended, in steps of 10 ms.
    pub(crate) fn cpu_with_ended(&self) -> Duration {
        let of = |process: u32| {
            let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // Behind the name, which may hold anything: utime, stime, and both of the children.
            let (_, fields) = text.rsplit_once(')')?;
            let times = fields.split_whitespace().skip(11).take(4);
            times.map(|word| word.parse::<u64>().ok()).sum::<Option<u64>>()
        };
        Duration::from_millis(self.tree().into_iter().filter_map(of).sum::<u64>() * 10)
    }

    /// SIGHUP: read the configuration again.
    pub(crate) fn hang_up(&self) {
        kill(pid(self.child.id()), Signal::SIGHUP).expect("it runs");
    }

    /// Proportional set size of all processes, kB.
    pub(crate) fn memory(&self) -> f64 {
        let of = |process: u32| {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        self.tree().into_iter().filter_map(of).sum()
    }

    /// Lines that it wrote so far.
    pub(crate) fn log_lines(&self) -> u32 {
        self.log().lines().map(|_| 1).sum()
    }

    /// The last lines that it wrote.
    pub(crate) fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// SIGKILL to all its processes.
    pub(crate) fn crash(mut self) {
        self.destroy();
    }

    /// SIGTERM, and waits until it has ended.
    pub(crate) fn terminate(mut self) {
        kill(pid(self.child.id()), Signal::SIGTERM).expect("it runs");
        let end = Instant::now() + END;
        while self.runs() {
            assert!(Instant::now() < end, "it still runs {END:?} after SIGTERM:\n{}", self.log_tail());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it has not ended by itself.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn tree(&self) -> Vec<u32> {
        let mut all = children(self.child.id());
        all.push(self.child.id());
        all
    }

    fn destroy(&mut self) {
        if !self.runs() {
            return;
        }
        // Stopped first, so that it starts no child that we would miss and hears of no death.
        let main = pid(self.child.id());
        let _ = kill(main, Signal::SIGSTOP);
        for process in self.tree() {
            let _ = kill(pid(process), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.destroy();
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a process id"))
}

/// All descendants of `parent`, the youngest generation first.
fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in list.split_whitespace().filter_map(|number| number.parse().ok()) {
            found.extend(children(child));
            found.push(child);
        }
    }
    found
}

fn keepalived(host: usize, instances: &[Instance], checks: &[Check]) -> String {
    let user = if checks.is_empty() { "" } else { "  script_user root\n" };
    let mut text = format!("global_defs {{\n  router_id {}\n  vrrp_version 3\n{user}}}\n", name(host));
    text += &check::keepalived(checks);
    for instance in instances {
        let Instance { segment, vrid, .. } = instance;
        let _ =
            writeln!(text, "vrrp_instance vr{segment}_{vrid} {{\n  state BACKUP\n  interface eth{segment}");
        let _ = writeln!(text, "  virtual_router_id {vrid}\n  priority {}", instance.priorities[host]);
        let _ = writeln!(text, "  advert_int {:.2}", instance.interval.as_secs_f64());
        if !instance.preempts() && !check::weighted(checks) {
            text += "  nopreempt\n";
        }
        let blocks = [
            ("virtual_ipaddress", &instance.addresses),
            ("virtual_ipaddress_excluded", &instance.unadvertised),
        ];
        for (block, addresses) in blocks {
            if !addresses.is_empty() {
                let lines: Vec<String> =
                    addresses.iter().map(|address| format!("    {address}/16")).collect();
                let _ = writeln!(text, "  {block} {{\n{}\n  }}", lines.join("\n"));
            }
        }
        text += &check::keepalived_tracks(checks);
        text += "}\n";
    }
    text
}

fn failover(host: usize, instances: &[Instance], checks: &[Check]) -> String {
    let mut text = format!("[agent]\nrouter_id = \"{}\"\n", name(host));
    text += &check::failover(checks);
    for instance in instances {
        let Instance { segment, vrid, .. } = instance;
        let _ = writeln!(text, "[instance.vr{segment}_{vrid}]\ninterface = \"eth{segment}\"");
        let _ = writeln!(text, "virtual_router_id = {vrid}\npriority = {}", instance.priorities[host]);
        let _ = writeln!(text, "advert_interval = \"{}ms\"", instance.interval.as_millis());
        let _ = writeln!(text, "preempt = {}", instance.preempts() || check::weighted(checks));
        text += &check::failover_tracks(checks);
        for (key, addresses) in
            [("addresses", &instance.addresses), ("unadvertised_addresses", &instance.unadvertised)]
        {
            let list: Vec<String> = addresses.iter().map(|address| format!("\"{address}/16\"")).collect();
            let _ = writeln!(text, "{key} = [{}]", list.join(", "));
        }
    }
    text
}
