//! How a test comes to a host, and what it has there.

use std::fs;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use failover::bus::Bus;
use failover::config::Config;
use failover::config::model::UserName;
use failover::health::outcome::{Finding, Outcome};
use failover::os::clock;
use failover::probe::{Runner, Shared};

use crate::lab::machine::Machine;

/// Says to this program that it is on the host already.
const MARK: &str = "FAILOVER_TEST_INSIDE";
/// How long a test may take on its host.
const LIMIT: &str = "120";
/// Longest wait for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Runs `body`, the test `name` with its module, on a host of its own.
pub(crate) fn on_a_host(name: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(MARK).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        return tokio::task::LocalSet::new().block_on(&runtime, body);
    }
    let machine = Machine::boot();
    machine.install("/proc/self/exe", "/opt/program");
    // A file that another thread's child still has open for writing cannot be executed: this copy has one writer.
    assert!(machine.output(&["cp", "/opt/program", "/opt/inside"]).status.success(), "copy the program");
    let argv = ["timeout", LIMIT, "/opt/inside", "--exact", name, "--nocapture", "--test-threads=1"];
    let output = machine.command(&argv).env(MARK, "1").output().expect("nsenter");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success(), "{name} on the host: {}", output.status);
    assert!(out.contains("1 passed"), "{name} did not run on the host");
}

/// Runs a line of shell; fails the test if that fails.
pub(crate) fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    assert!(output.status.success(), "`{line}`: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The same beside what the test waits for.
pub(crate) async fn sh_beside(line: &str) -> String {
    let line = line.to_owned();
    tokio::task::spawn_blocking(move || sh(&line)).await.expect("a thread")
}

/// Writes the file of a unit; systemd is to read it with the next `daemon-reload`.
pub(crate) fn unit(name: &str, text: &str) {
    fs::write(format!("/etc/systemd/system/{name}"), text).expect("a unit's file");
}

/// A service that runs until it is stopped.
pub(crate) const LASTING: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

/// The configuration `text` with an instance before it.
pub(crate) fn config(text: &str) -> Config {
    let whole = format!(
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.100/24\"]\n{text}"
    );
    let loaded = failover::config::parse_with(&whole, "test", &mut |_| panic!("there is no secret"));
    loaded.unwrap_or_else(|problems| panic!("{problems:?}")).config
}

/// A probe of the table `systemd` with these values, by `bus`.
pub(crate) fn probe(bus: &Bus, values: &str) -> Runner {
    let config =
        config(&format!("[check.c]\ntimeout = \"1s\"\ninterval = \"1s\"\nsystemd = {{ {values} }}\n"));
    let shared = Rc::new(Shared::with_bus(UserName::default(), bus.clone()));
    Runner::new("c", &config.checks["c"], &shared)
}

/// The next change, which must come.
pub(crate) async fn next(probe: &mut Runner) -> Outcome {
    let outcome = tokio::time::timeout(SOON, probe.changed()).await.expect("a change that was to come");
    println!(
        "{:?}: {:?}: {}",
        clock::now().since(failover::time::Instant::ZERO),
        outcome.finding,
        outcome.text
    );
    outcome
}

/// Takes changes until one says `finding` and `text`.
pub(crate) async fn until(probe: &mut Runner, finding: Finding, text: &str) {
    let look = async {
        loop {
            let outcome = next(probe).await;
            if outcome.finding == finding && outcome.text.contains(text) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, look).await.unwrap_or_else(|_| panic!("never {finding:?}: {text}"));
}

/// For `span` nothing but `finding` is told.
pub(crate) async fn only(probe: &mut Runner, finding: Finding, span: Duration) {
    let look = async {
        loop {
            let outcome = next_or_never(probe).await;
            assert_eq!(outcome.finding, finding, "{}", outcome.text);
        }
    };
    let _ = tokio::time::timeout(span, look).await;
}

async fn next_or_never(probe: &mut Runner) -> Outcome {
    let outcome = probe.changed().await;
    println!("{:?}: {}", outcome.finding, outcome.text);
    outcome
}

/// Runs once; what it said.
pub(crate) async fn run(probe: &mut Runner) -> (Finding, String) {
    let outcome = probe.run().await;
    println!("run: {:?}: {} ({:?})", outcome.finding, outcome.text, outcome.took);
    (outcome.finding, outcome.text)
}
