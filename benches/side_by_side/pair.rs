//! One of the programs on both hosts: brought up in a known state, crashed, revived.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::check::Check;
use super::monitor::Monitor;
use super::network::{Network, name};
use super::program::{Instance, Program, Running};
use super::wire::now;

/// The whole of a host's start, at most.
const START: Duration = Duration::from_secs(20);
/// For what a program does after it has joined the group.
const BREATH: Duration = Duration::from_millis(150);

/// Two hosts that run the same program.
#[derive(Debug)]
pub(crate) struct Pair {
    runs: [Option<Running>; 2],
    /// The hosts' address events.
    pub(crate) monitors: [Monitor; 2],
    pub(crate) instances: Vec<Instance>,
    /// Of each host.
    checks: [Vec<Check>; 2],
    /// Dropped after the programs.
    pub(crate) network: Network,
    program: Program,
    binary: String,
}

impl Pair {
    /// Starts host `a`, waits until it is MASTER of everything, then starts host `b`.
    pub(crate) fn start(program: Program, binary: &str, segments: u8, instances: Vec<Instance>) -> Self {
        Pair::checked(program, binary, segments, instances, |_| [Vec::new(), Vec::new()])
    }

    /// The same with checks, which every instance tracks. `prepare` starts what they look at, and says what they are.
    pub(crate) fn checked(
        program: Program,
        binary: &str,
        segments: u8,
        instances: Vec<Instance>,
        prepare: impl FnOnce(&Network) -> [Vec<Check>; 2],
    ) -> Self {
        let network = Network::new(segments);
        let checks = prepare(&network);
        let monitors = [network.monitor(0), network.monitor(1)];
        let binary = binary.to_owned();
        let mut pair = Pair { runs: [None, None], monitors, instances, checks, network, program, binary };
        let start = now();
        pair.launch(0);
        let addresses: usize =
            pair.instances.iter().map(|each| each.addresses.len() + each.unadvertised.len()).sum();
        pair.until("host a has all addresses", || pair.monitors[0].since(start).len() >= addresses);
        pair.revive(1);
        pair
    }

    /// Starts the program on a host and waits until it is BACKUP and has heard its MASTER.
    pub(crate) fn revive(&mut self, host: usize) {
        self.network.plug(host, true);
        self.launch(host);
        self.until("the host joins the group", || self.network.listens(host));
        let longest = self.instances.iter().map(|each| each.interval).max().unwrap_or_default();
        std::thread::sleep(longest * 5 / 4 + BREATH);
    }

    /// SIGKILL to all processes of the program on a host, and its cables pulled.
    pub(crate) fn crash(&mut self, host: usize) {
        self.kill(host);
        self.network.plug(host, false);
    }

    /// SIGKILL to all processes of the program on a host that lives on.
    pub(crate) fn kill(&mut self, host: usize) {
        self.running(host);
        if let Some(running) = self.runs[host].take() {
            running.crash();
        }
    }

    /// Tells the program on a host to end, and waits until it has.
    pub(crate) fn stop(&mut self, host: usize) {
        self.running(host);
        if let Some(running) = self.runs[host].take() {
            running.terminate();
        }
    }

    /// Gives the program on a host another configuration and SIGHUP; when that was.
    pub(crate) fn reload(&mut self, host: usize, instances: Vec<Instance>) -> Duration {
        self.instances = instances;
        self.reread(host)
    }

    /// The same with other checks.
    pub(crate) fn recheck(&mut self, host: usize, checks: Vec<Check>) -> Duration {
        self.checks[host] = checks;
        self.reread(host)
    }

    fn reread(&mut self, host: usize) -> Duration {
        let text = self.program.configuration(host, &self.instances, &self.checks[host]);
        self.network.write(name(host), &text);
        let mark = now();
        self.running(host).hang_up();
        mark
    }

    /// The program on a host; ends the run if it has ended.
    pub(crate) fn running(&mut self, host: usize) -> &Running {
        let running = self.runs[host].as_mut().expect("it was started");
        assert!(running.runs(), "{} ended on {}:\n{}", self.program, name(host), running.log_tail());
        running
    }

    /// When each of `addresses` came to `host` at `start` or later; `None` while some are missing.
    pub(crate) fn arrived(&self, host: usize, start: Duration, addresses: &[Ipv4Addr]) -> Option<Duration> {
        let events = self.monitors[host].since(start);
        let mut missing: std::collections::BTreeSet<&Ipv4Addr> = addresses.iter().collect();
        for event in events.iter().filter(|event| event.added) {
            missing.remove(&event.address);
            if missing.is_empty() {
                return Some(event.at);
            }
        }
        None
    }

    /// Starts the program on a host.
    pub(crate) fn launch(&mut self, host: usize) {
        let (instances, checks) = (&self.instances, &self.checks[host]);
        self.runs[host] = Some(self.program.start(&self.network, host, instances, checks, &self.binary));
    }

    fn until(&self, text: &str, mut look: impl FnMut() -> bool) {
        let logs = || {
            let tails = self.runs.iter().flatten().map(Running::log_tail);
            tails.collect::<Vec<String>>().join("\n")
        };
        let end = now() + START;
        while !look() {
            assert!(now() < end, "{}: not within {START:?}: {text}\n{}", self.program, logs());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
