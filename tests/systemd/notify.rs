//! What systemd is told by `sd_notify(3)`, with the test in systemd's place.

#![expect(clippy::disallowed_methods, reason = "what must not come is waited for")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::lab::agent::FAILOVER;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::{Lab, wait};

/// Longest wait for what must come.
const SOON: Duration = Duration::from_secs(30);
/// Longest message.
const LONGEST: usize = 8192;

/// One instance that can take part and one that cannot.
const CONFIG: &str = "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.50/24\"]\n\
    advert_interval = \"100ms\"\n[instance.db]\ninterface = \"eth9\"\nvirtual_router_id = 52\naddresses = [\"192.0.2.51/24\"]\n";

/// Who listens.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn on(host: &Host) -> Self {
        let path = host.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("no waiting");
        Manager { socket, path }
    }

    fn start(&self, host: &Host, watchdog: Duration, config: &str) -> Process {
        let file = host.write("failover.toml", config);
        let socket = format!("NOTIFY_SOCKET={}", self.path);
        let period = format!("WATCHDOG_USEC={}", watchdog.as_micros());
        let (run, state) = (host.path("run"), host.path("state"));
        let argv = [
            "env",
            "--unset=JOURNAL_STREAM",
            &socket,
            &period,
            FAILOVER,
            "run",
            "--config",
            &file,
            "--runtime-dir",
            &run,
            "--state-dir",
            &state,
        ];
        host.start("failover", &argv)
    }

    /// The next message, if there is one.
    fn next(&self) -> Option<String> {
        let mut bytes = vec![0; LONGEST];
        let length = self.socket.recv(&mut bytes).ok()?;
        let text = String::from_utf8(bytes[..length].to_vec()).expect("UTF-8");
        println!("told: {}", text.trim_end().replace('\n', " | "));
        Some(text)
    }

    /// All that lie there.
    fn all(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Waits for a message with this line, or with a line that begins so.
    fn hears(&self, line: &str) -> String {
        wait(&format!("systemd is told {line}"), SOON, || {
            std::iter::from_fn(|| self.next()).find(|text| text.lines().any(|own| own.starts_with(line)))
        })
    }
}

fn ask(host: &Host, command: &str) -> i32 {
    let output = host.space.output(&format!("{FAILOVER} {command} --runtime-dir {}", host.path("run")));
    output.status.code().expect("an exit status")
}

/// The one status among messages.
fn status(messages: &[String]) -> &str {
    let last = messages
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("STATUS="))
        .next_back();
    last.expect("a status")
}

#[test]
fn systemd_is_told_of_readiness_the_states_reloads_and_the_end() {
    let lab = Lab::new();
    let host = &lab.a;
    let manager = Manager::on(host);
    let mut agent = manager.start(host, Duration::from_mins(10), CONFIG);
    let first = wait("a message", SOON, || manager.next());
    // What is said together with the readiness was so before: what can be open is, and what is missing keeps nobody waiting.
    assert!(first.contains("READY=1\n") && first.contains("STATUS=db FAULT, web BACKUP\n"), "{first}");
    let raw = host.space.run(|| fs::read_to_string("/proc/thread-self/net/raw").expect("procfs"));
    assert!(raw.contains(":0070 "), "a socket of protocol 112: {raw}");
    manager.hears("STATUS=db FAULT, web MASTER");

    // By the end of a reload systemd was told of its beginning and its end, so that it sees them in order.
    manager.all();
    assert_eq!(ask(host, "reload"), 0);
    let said = manager.all();
    let begun = said.iter().position(|text| text.contains("RELOADING=1\nMONOTONIC_USEC="));
    let ended = said.iter().position(|text| text.contains("READY=1"));
    assert!(begun.is_some() && begun < ended, "{said:?}");
    assert_eq!(status(&said), "db FAULT, web MASTER");
    host.write("failover.toml", "[instance.web]\n");
    assert_eq!(ask(host, "reload"), 78);
    let refused = "db FAULT, web MASTER; THE LAST RELOAD WAS REFUSED: the configuration is not valid";
    assert_eq!(status(&manager.all()), refused);
    host.write("failover.toml", CONFIG);
    agent.signal(Signal::SIGHUP);
    manager.hears("RELOADING=1");
    manager.hears("STATUS=db FAULT, web MASTER");

    assert_eq!(ask(host, "drain web --force"), 0);
    manager.hears("STATUS=db FAULT, web BACKUP DRAINED");
    assert_eq!(ask(host, "undrain web"), 0);
    manager.hears("STATUS=db FAULT, web MASTER");
    agent.signal(Signal::SIGTERM);
    let stopping = manager.hears("STOPPING=1");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
    assert!(agent.ended(SOON).success());
}

#[test]
fn what_systemd_does_not_take_keeps_nobody_waiting_and_is_said_again() {
    let lab = Lab::new();
    let host = &lab.a;
    let manager = Manager::on(host);
    // Away: nothing but the readiness and the newest status is left to be said.
    let away = host.path("away");
    fs::rename(&manager.path, &away).expect("a socket");
    let agent = manager.start(host, Duration::from_mins(10), CONFIG);
    wait("it says so", SOON, || {
        agent.log().contains("systemd cannot be told how the agent is").then_some(())
    });
    let is = |state: &str| {
        wait(state, SOON, || {
            let web = host.status()?.instances.into_iter().find(|instance| instance.name == "web")?;
            (web.state.word() == state).then_some(())
        });
    };
    is("MASTER");
    assert_eq!(ask(host, "reload"), 0);
    fs::rename(&away, &manager.path).expect("a socket");
    let first = wait("a message", SOON, || manager.next());
    assert_eq!(first, "READY=1\nSTATUS=db FAULT, web MASTER\n");

    // Full: the agent does what it is asked for all the same.
    let full = UnixDatagram::unbound().expect("a socket");
    full.connect(&manager.path).expect("a connection");
    full.set_nonblocking(true).expect("no waiting");
    while full.send(b"STATUS=noise\n").is_ok() {}
    assert_eq!(ask(host, "drain web --force"), 0);
    is("BACKUP");
    assert_eq!(ask(host, "reload"), 0);
    manager.hears("STATUS=db FAULT, web BACKUP DRAINED");
    assert_eq!(agent.log().matches("systemd cannot be told").count(), 1);
}

/// The agent's engine, which is its first thread, held by the kernel: the other threads go on.
struct Held(Pid);

impl Held {
    fn new(pid: Pid) -> Self {
        ptrace::seize(pid, ptrace::Options::empty()).expect("hold of a thread: these tests need root");
        let held = Held(pid);
        held.stop();
        held
    }

    fn stop(&self) {
        ptrace::interrupt(self.0).expect("stop a thread");
        waitpid(self.0, Some(WaitPidFlag::__WALL)).expect("it stops");
    }

    fn go(&self) {
        ptrace::cont(self.0, None).expect("let a thread go");
    }
}

#[test]
fn the_watchdog_is_fed_only_while_the_engine_turns_and_is_on_time() {
    let lab = Lab::new();
    let host = &lab.a;
    let manager = Manager::on(host);
    let agent = manager.start(host, Duration::from_secs(3), CONFIG);
    manager.hears("STATUS=db FAULT, web MASTER");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    let says = |text: &str| wait(text, SOON, || agent.log().contains(text).then_some(()));

    // Blocked: told nothing until it turns again.
    let held = Held::new(agent.pid());
    says("the engine stands still");
    manager.all();
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(manager.all(), Vec::<String>::new(), "fed for an engine that stands still");
    held.go();
    manager.hears("WATCHDOG=1");
    says("the engine is on time again");

    // Starved: it turns, but whatever is due is done too late.
    wait("starved", SOON, || {
        held.stop();
        std::thread::sleep(Duration::from_millis(300));
        held.go();
        std::thread::sleep(Duration::from_millis(2));
        agent.log().contains("the engine's timers are late").then_some(())
    });
    manager.hears("WATCHDOG=1");
    held.stop();
    ptrace::detach(held.0, None).expect("let a thread go");
}
