//! A network namespace without a name: it lives as long as this value or a process inside it, so that even a run that
//! is killed leaves none behind. Never touches the namespace that the benchmark was started in.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Space {
    file: File,
}

impl Space {
    /// A new one, with nothing in it but a loopback link that is down, and without IPv6: its chatter would be measured
    /// too.
    pub(crate) fn new() -> Self {
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of our own");
            fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("no IPv6");
            fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("no IPv6");
            File::open("/proc/thread-self/ns/net").expect("procfs")
        })
        .join()
        .expect("a namespace of our own");
        Space { file }
    }

    /// Runs `work` on a thread inside; for sockets and what `/proc/thread-self/net` tells.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).expect("enter the namespace");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// `argv` as a command inside, killed by the kernel when the thread that starts it ends.
    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).args(["--", "setpriv", "--pdeathsig", "KILL", "--"]);
        command.args(argv);
        command
    }

    /// Does `lines`, each an `ip` command, in order.
    pub(crate) fn ip(&self, lines: &str) {
        let mut child = self
            .command(&["ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("`nsenter` and `ip` (util-linux, iproute2)");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(lines.as_bytes()).expect("a pipe to `ip`");
        drop(input);
        let status = child.wait().expect("a child");
        assert!(status.success(), "`ip` refused one of:\n{lines}");
    }

    /// A path by which `ip` and `nsenter` find this namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}
