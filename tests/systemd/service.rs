//! The units, users and rules that are shipped, on a host with a real systemd and polkit.

#![expect(clippy::disallowed_methods, reason = "tests of the real thing read the clock and hold others up")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::lab::addresses::dump;
use crate::lab::agent::FAILOVER;
use crate::lab::machine::Machine;
use crate::lab::process::Process;
use crate::lab::space::Space;
use crate::lab::wait;

/// Longest time for anything to happen: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// The units in a directory, with a program that exists.
fn units() -> Folder {
    let folder = Folder::new("units");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let service = fs::read_to_string(from.join("failover.service")).expect("the unit");
    fs::write(folder.0.join("failover.service"), service.replace("/usr/bin/failover", "/bin/true"))
        .expect("a copy");
    fs::copy(from.join("failover-master@.target"), folder.0.join("failover-master@web.target"))
        .expect("a copy");
    folder
}

/// A directory that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("failover-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn systemd_finds_no_fault_with_the_units_and_the_sandbox_is_tight() {
    let folder = units();
    for name in ["failover.service", "failover-master@web.target"] {
        let path = folder.0.join(name);
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&path)
            .output()
            .expect("systemd");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours = said.lines().filter(|line| line.contains("failover"));
        let faults: Vec<&str> = ours.collect();
        assert!(output.status.success() && faults.is_empty(), "{name}: {said}");
    }
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(folder.0.join("failover.service"))
        .output()
        .expect("systemd");
    assert!(security.status.success(), "{}", String::from_utf8_lossy(&security.stdout));
}

const CONFIG: &str = "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.50/24\"]\n\
    advert_interval = \"1s\"\n[instance.db]\ninterface = \"eth9\"\nvirtual_router_id = 52\naddresses = [\"192.0.2.51/24\"]\n";

/// A host with the service as a package puts it there, and a neighbour.
struct Rig {
    machine: Machine,
    neighbour: Space,
}

impl Rig {
    fn new() -> Self {
        let (space, neighbour) = (Space::new(), Space::new());
        space.sh("ip link set lo up");
        space.sh(&format!("ip link add eth0 type veth peer name eth0 netns {}", neighbour.path()));
        for (space, number) in [(&space, 1), (&neighbour, 2)] {
            space.sh("ip link set eth0 up");
            space.sh(&format!("ip addr add 192.0.2.{number}/24 dev eth0"));
        }
        let rig = Rig { machine: Machine::boot_in(space), neighbour };
        let from = |name: &str| format!("{}/systemd/{name}", env!("CARGO_MANIFEST_DIR"));
        rig.machine.install(env!("CARGO_BIN_EXE_failover"), "/usr/bin/failover");
        rig.sh("mkdir -p /etc/polkit-1/rules.d /usr/lib/sysusers.d /run/systemd/system/failover.service.d");
        rig.machine.install(&from("failover.sysusers"), "/usr/lib/sysusers.d/failover.conf");
        rig.machine.install(&from("failover.rules"), "/etc/polkit-1/rules.d/failover.rules");
        rig.machine.install(&from("failover.service"), "/etc/systemd/system/failover.service");
        rig.machine.install(&from("failover-master@.target"), "/etc/systemd/system/failover-master@.target");
        rig.write("/etc/failover.toml", CONFIG);
        // Sooner than it is shipped; and a hand-over to nobody takes longer than this to stop, so the agent has to say so.
        let sooner = "[Service]\nWatchdogSec=1500ms\nTimeoutStopSec=1s\n";
        rig.write("/run/systemd/system/failover.service.d/test.conf", sooner);
        rig.sh("systemd-sysusers && systemctl daemon-reload");
        rig
    }

    fn output(&self, line: &str) -> Output {
        self.machine.output(&["sh", "-c", line])
    }

    /// Runs a line of shell; fails the test if that fails.
    fn sh(&self, line: &str) -> String {
        let output = self.output(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "`{line}`: {said}{}", self.journal());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let output = self.machine.output(&["sh", "-c", "printf %s \"$1\" >\"$2\"", "sh", text, path]);
        assert!(output.status.success(), "write {path}");
    }

    fn journal(&self) -> String {
        let argv = ["journalctl", "--no-pager", "--output=cat", "--unit=failover.service"];
        String::from_utf8_lossy(&self.machine.output(&argv).stdout).into_owned()
    }

    fn show(&self, property: &str) -> String {
        self.sh(&format!("systemctl show --property={property} --value failover.service"))
    }

    /// Waits until the unit says so of itself.
    fn status(&self, text: &str) {
        wait(&format!("the status {text}"), LIMIT, || (self.show("StatusText") == text).then_some(()));
    }

    fn holds(&self) -> bool {
        holds(&self.machine.space)
    }

    /// The agent's process, as this machine numbers it.
    fn agent(&self) -> Pid {
        let here = fs::read_to_string("/proc/self/mountinfo").map(|_| self.show("MainPID")).expect("procfs");
        let found = fs::read_dir("/proc").expect("procfs").flatten().find_map(|entry| {
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            let mut numbers = numbers.split_whitespace();
            let outer = numbers.next()?.parse().ok()?;
            let ours = status.starts_with("Name:\tfailover\n") && numbers.next() == Some(here.as_str());
            (ours && self.is_on_host(outer)).then_some(outer)
        });
        Pid::from_raw(found.expect("the agent"))
    }

    /// Whether a process is in the host's network namespace.
    fn is_on_host(&self, pid: i32) -> bool {
        let space = |path: String| {
            fs::metadata(path).map(|found| std::os::linux::fs::MetadataExt::st_ino(&found)).ok()
        };
        space(format!("/proc/{pid}/ns/net")) == space(self.machine.space.path())
    }

    /// Waits until another process serves.
    fn comes_back(&self, before: &str, times: u32) {
        wait("it is started again", LIMIT, || {
            let (restarts, state) = (self.show("NRestarts"), self.show("ActiveState"));
            (restarts == times.to_string() && state == "active").then_some(())
        });
        assert_ne!(self.show("MainPID"), before);
        self.status("db FAULT, web MASTER");
    }
}

/// Whether an agent has an address there.
fn holds(space: &Space) -> bool {
    dump(space).iter().any(|held| held.protocol == 112)
}

#[test]
fn the_service_is_watched_reloaded_and_killed_without_surprises() {
    let rig = Rig::new();
    rig.sh("systemctl start failover.service");
    rig.status("db FAULT, web MASTER");
    let pid = rig.show("MainPID");
    let process = rig.sh(&format!("cat /proc/{pid}/status"));
    for line in ["CapEff:\t0000000000003000", "CapBnd:\t0000000000003000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(process.lines().any(|own| own == line), "{line}: {process}");
    }
    assert_eq!(rig.sh(&format!("stat --format=%U /proc/{pid}")), "failover");
    // By the rule for polkit, which allows no more.
    wait("the role target", LIMIT, || {
        rig.output("systemctl is-active failover-master@web.target").status.success().then_some(())
    });
    let as_agent = "setpriv --reuid=failover --regid=failover --clear-groups systemctl --no-ask-password";
    assert!(!rig.output(&format!("{as_agent} stop systemd-journald.service")).status.success());
    assert!(!rig.output(&format!("{as_agent} restart failover-master@web.target")).status.success());
    rig.sh(&format!("{as_agent} start failover-master@x.target"));

    // What the sandbox hides is not taken for what does not run.
    rig.write(
        "/etc/probe.toml",
        &format!("{CONFIG}[check.log]\nprocess = {{ name = \"systemd-journald\" }}\n"),
    );
    let probe = |sandbox: &str| {
        let unit =
            format!("systemd-run --quiet --wait --pipe --uid=failover --property=ProtectProc={sandbox}");
        let output = rig.output(&format!("{unit} failover probe log /etc/probe.toml 2>&1"));
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(probe("default").0, Some(0), "{}", probe("default").1);
    let (code, said) = probe("invisible");
    assert!(code == Some(1) && said.contains("ProtectProc=default"), "{code:?} {said}");

    // Reloads, good and bad.
    rig.write("/etc/failover.toml", "[instance.web]\ninterfase = 1\n");
    let refused = rig.output("systemctl reload failover.service");
    assert!(!refused.status.success(), "an invalid configuration was reloaded");
    assert!(rig.journal().contains("interfase"), "the diagnostics: {}", rig.journal());
    rig.status("db FAULT, web MASTER; THE LAST RELOAD WAS REFUSED: the configuration is not valid");
    // With adverts every four seconds, it has more than seven to come back in.
    rig.write("/etc/failover.toml", &CONFIG.replace("\"1s\"", "\"4s\""));
    rig.sh("systemctl reload failover.service");
    rig.status("db FAULT, web MASTER");
    assert_eq!((rig.show("MainPID"), rig.show("ActiveState")), (pid.clone(), "active".to_owned()));

    // Killed: MASTER all along.
    let transitions = || rig.journal().matches("Entering BACKUP state").count();
    let before = transitions();
    rig.sh("systemctl kill --signal=KILL --kill-who=main failover.service");
    rig.comes_back(&pid, 1);
    assert_eq!(transitions(), before, "{}", rig.journal());

    // Stopped, blocked, and starved: the watchdog ends it.
    let pid = rig.show("MainPID");
    rig.sh("systemctl kill --signal=STOP --kill-who=main failover.service");
    rig.comes_back(&pid, 2);
    let pid = rig.show("MainPID");
    let engine = rig.agent();
    ptrace::seize(engine, ptrace::Options::empty()).expect("hold of a thread");
    ptrace::interrupt(engine).expect("stop a thread");
    waitpid(engine, Some(WaitPidFlag::__WALL)).expect("it stops");
    wait("it ends", LIMIT, || {
        // Whoever holds a thread hears of its end first.
        let _ = waitpid(engine, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
        kill(engine, None::<Signal>).is_err().then_some(())
    });
    rig.comes_back(&pid, 3);
    assert!(rig.journal().contains("the engine stands still"), "{}", rig.journal());

    let pid = rig.show("MainPID");
    starve(rig.agent());
    rig.comes_back(&pid, 4);

    rig.write("/etc/failover.toml", CONFIG);
    rig.sh("systemctl reload failover.service");
    starts(&rig);
    rig.write("/etc/failover.toml", CONFIG);
    shutting_down(&rig);
}

/// Lets a thread run for a few milliseconds a second, until its process is ended.
fn starve(thread: Pid) {
    ptrace::seize(thread, ptrace::Options::empty()).expect("hold of a thread");
    let end = Instant::now() + LIMIT;
    while ptrace::interrupt(thread).is_ok() {
        match waitpid(thread, Some(WaitPidFlag::__WALL)) {
            Err(_) | Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return,
            Ok(_) => {}
        }
        sleep(Duration::from_millis(900));
        // It may have been ended meanwhile.
        let _ = ptrace::cont(thread, None);
        sleep(Duration::from_millis(5));
        assert!(Instant::now() < end, "nobody ends a starved agent");
    }
}

/// Starts that are out of the ordinary.
fn starts(rig: &Rig) {
    rig.sh("systemctl stop failover.service");
    assert_eq!(rig.show("Result"), "success", "it was not let finish: {}", rig.journal());
    assert!(!rig.holds(), "left after the stop");

    // The sandbox lets it have real-time priority. The unit's limit needs more of a host than one in a container has.
    let nice = "[Service]\nAmbientCapabilities=CAP_SYS_NICE\nCapabilityBoundingSet=CAP_SYS_NICE\n";
    rig.write("/run/systemd/system/failover.service.d/nice.conf", nice);
    rig.sh("systemctl daemon-reload && systemctl start failover.service");
    let scheduling = rig.sh(&format!("chrt -p {}", rig.show("MainPID")));
    assert!(scheduling.contains("SCHED_FIFO"), "{scheduling}{}", rig.journal());
    rig.sh("systemctl stop failover.service");
    // An invalid configuration is told, and not tried again.
    rig.write("/etc/failover.toml", "[instance.web]\n");
    assert!(!rig.output("systemctl start failover.service").status.success());
    assert_eq!((rig.show("ExecMainStatus"), rig.show("NRestarts")), ("78".to_owned(), "0".to_owned()));
}

/// The host shuts down: the addresses are handed over before anything is stopped.
fn shutting_down(rig: &Rig) {
    // A service that is in no hurry to stop, and for which the agent would have to wait.
    let slow = "[Unit]\nAfter=failover.service\n[Service]\nExecStart=sleep infinity\nExecStop=sleep 3\n";
    rig.write("/run/systemd/system/slow.service", slow);
    rig.sh("systemctl daemon-reload && systemctl start systemd-logind.service failover.service slow.service");
    rig.status("db FAULT, web MASTER");
    let locks = wait("its locks", LIMIT, || {
        let list = rig.sh("systemd-inhibit --list --no-legend --no-pager");
        (list.matches("failover").count() >= 2).then_some(list)
    });
    assert!(locks.contains("shutdown") && locks.contains("sleep"), "{locks}");
    let folder = Folder::new("neighbour");
    let file = folder.0.join("failover.toml");
    fs::write(&file, CONFIG.replace("virtual_router_id = 51", "virtual_router_id = 51\npriority = 90"))
        .expect("a file");
    let (file, run) = (file.to_str().expect("UTF-8"), folder.0.join("run"));
    let argv = [FAILOVER, "run", "--config", file, "--runtime-dir", run.to_str().expect("UTF-8")];
    let neighbour = Process::start(&rig.neighbour, "neighbour", &argv, &folder.0);
    wait("it hears the master", LIMIT, || neighbour.log().contains("BACKUP state").then_some(()));
    let agent = rig.agent();
    rig.sh("systemctl poweroff --no-block");
    wait("the neighbour serves", LIMIT, || holds(&rig.neighbour).then_some(()));
    assert!(kill(agent, None::<Signal>).is_ok(), "the agent was stopped before it was taken over from");
    wait("the host goes", LIMIT, || kill(agent, None::<Signal>).is_err().then_some(()));
}
