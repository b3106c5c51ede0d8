//! A program started by a test: its output goes to a file, and it and its children are gone when the value is.
//! Kills only process ids that it started, or that those started.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::space::Space;

/// Lines of its log that a failing test prints.
const LOG_TAIL: usize = 80;

/// Runs its arguments in real time if it may.
const REAL_TIME: &str = r#"chrt --rr --pid 1 $$ || echo "not in real time"; exec "$@""#;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where its own part of the log starts.
    log_start: usize,
}

impl Process {
    /// Starts `argv` in `space`; what it prints is appended to a file in `dir`.
    pub(crate) fn start(space: &Space, name: &str, argv: &[&str], dir: &Path) -> Self {
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).expect("log file");
        let err = out.try_clone().expect("log file");
        let log_start = fs::read(&log).unwrap_or_default().len();
        println!("start {name}: {}", argv.join(" "));
        // Programs under test run in real time, as the systemd unit has it, so that a busy machine decides no election.
        // Where that is not allowed, it prints so and the program runs all the same.
        let child = space
            .command(&[&["sh", "-c", REAL_TIME, "sh"], argv].concat())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("{argv:?}: {e}"));
        Process { name: name.to_owned(), child, log, log_start }
    }

    /// What it printed so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    /// Sends `signal` to the program itself.
    pub(crate) fn signal(&self, signal: Signal) {
        println!("{signal} to {}", self.name);
        kill(self.pid(), signal).unwrap_or_else(|e| panic!("{signal} to {}: {e}", self.name));
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended(Duration::from_secs(20))
    }

    /// SIGKILL to it and its children, as in a crash of the host's software.
    pub(crate) fn crash(&mut self) {
        println!("SIGKILL to {}", self.name);
        self.destroy();
    }

    /// Waits for the end, at most `limit`.
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for a child") {
                println!("{} ended: {status}", self.name);
                return status;
            }
            assert!(Instant::now() < deadline, "{} still runs after {limit:?}", self.name);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("wait for a child").is_none()
    }

    /// Its process id, and that of its first thread.
    pub(crate) fn pid(&self) -> Pid {
        pid(self.child.id())
    }

    fn destroy(&mut self) {
        if !self.runs() {
            return;
        }
        // Stopped first, so that it starts no child that we would miss and hears of no death.
        let _ = kill(self.pid(), Signal::SIGSTOP);
        for child in children(self.child.id()) {
            let _ = kill(pid(child), Signal::SIGKILL);
        }
        let _ = kill(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.destroy();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let first = lines.len().saturating_sub(LOG_TAIL);
            println!("--- log of {}, last {} of {} lines", self.name, lines.len() - first, lines.len());
            for line in lines.iter().skip(first) {
                println!("{line}");
            }
        }
    }
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

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a process id"))
}
