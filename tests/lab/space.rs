//! A network namespace without a name: it lives as long as this value or a process inside it, so that even a test
//! that is killed leaves none behind. Never touches the namespace that the tests were started in.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::{Command, Output};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Space {
    file: File,
}

impl Space {
    /// A new one, with nothing in it but a loopback link that is down.
    pub(crate) fn new() -> Self {
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("network tests make network namespaces: run them as root (tests/run does)");
            File::open("/proc/thread-self/ns/net").expect("procfs")
        })
        .join()
        .expect("a namespace of our own");
        Space { file }
    }

    /// The same namespace once more.
    pub(crate) fn again(&self) -> Space {
        Space { file: self.file.try_clone().expect("one more descriptor") }
    }

    /// Runs `work` on a thread inside; for sockets and `/proc/sys/net`.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).expect("enter the namespace");
                work()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// `argv` as a command inside, killed by the kernel when the thread that starts it ends.
    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).args(["--", "setpriv", "--pdeathsig", "KILL", "--"]);
        command.args(argv);
        command
    }

    /// Runs `line`, split at white space, to its end; fails the test if the command fails.
    pub(crate) fn sh(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "`{line}`: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs `line`, split at white space, to its end.
    pub(crate) fn output(&self, line: &str) -> Output {
        let argv: Vec<&str> = line.split_whitespace().collect();
        self.command(&argv).output().expect("nsenter")
    }

    /// Sets a network parameter, such as `ipv6/conf/all/accept_ra`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.run(|| fs::write(&path, value).unwrap_or_else(|e| panic!("{path} = {value}: {e}")));
    }

    /// A path by which `ip` and `nsenter` find this namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}
