//! The process itself: real-time priority, privileges, waking the engine.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{OsError, Trying, sys};

/// `CAP_NET_ADMIN`, as a bit of a capability set.
pub const NET_ADMIN: u32 = 12;
/// `CAP_NET_RAW`, as a bit of a capability set.
pub const NET_RAW: u32 = 13;

/// Puts the calling thread under `SCHED_FIFO` at `priority` (1–99); threads and processes that it starts are ordinary
/// ones. Needs `CAP_SYS_NICE` or `RLIMIT_RTPRIO`.
pub fn real_time(priority: i32) -> Result<(), OsError> {
    sys::set_fifo(priority).trying("asking for real-time priority")
}

/// Gives free memory back to the kernel, when much was needed that is not any more. Holds the allocator for as long as that
/// takes, a tenth of a millisecond with a thousand instances: for the thread that must not wait for another.
pub fn trim_memory() {
    sys::trim_memory();
}

/// Whether the process has the capability with the number `bit`. `true` when that cannot be found out: the first system
/// call that needs it will tell.
#[must_use]
pub fn has_capability(bit: u32) -> bool {
    capability_of("self", bit).unwrap_or(true)
}

/// Whether another process has the capability with the number `bit` where this one would have it: not in a user namespace
/// that anybody can make, where everybody has all. `false` when that cannot be found out.
#[must_use]
pub fn other_has_capability(process: i32, bit: u32) -> bool {
    let users = |process: &str| fs::read_to_string(format!("/proc/{process}/uid_map")).ok();
    let process = process.to_string();
    counts(users("self").as_deref(), users(&process).as_deref(), capability_of(&process, bit))
}

/// Whether a capability of another process is one here: the users of another namespace are not numbered as they are here.
fn counts(users: Option<&str>, of_the_other: Option<&str>, capability: Option<bool>) -> bool {
    users.is_some() && users == of_the_other && capability == Some(true)
}

/// Whether the process of this name in `/proc` has the capability with the number `bit`, if that can be read.
fn capability_of(process: &str, bit: u32) -> Option<bool> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok().map(|set| set >> bit & 1 == 1)
}

/// Wakes a thread that waits with [`super::poll::Poll`]; watched edge-triggered and never read.
#[derive(Clone, Debug)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    /// A new one.
    pub fn new() -> Result<Self, OsError> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Waker(Arc::new(EventFd::from_flags(flags).trying("making an event descriptor")?)))
    }

    /// Wakes it.
    pub fn wake(&self) {
        // Fails only when the counter is full, after 2^64 wakes.
        let _ = self.0.write(1);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// The program that starts the next one as another user, without the superuser's capabilities.
    const OTHER: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

    /// Whether a shell that is started by way of these programs has the capability.
    fn may(by: &str) -> bool {
        let mut words = by.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["sh", "-c", "echo it runs; read end"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "it runs\n", "{by}");
        let may = other_has_capability(i32::try_from(child.id()).unwrap(), NET_ADMIN);
        drop(child.stdin.take());
        child.wait().unwrap();
        may
    }

    #[test]
    fn a_capability_counts_whoever_has_it_but_not_in_a_namespace_that_anybody_can_make() {
        assert!(!other_has_capability(0, NET_ADMIN), "nobody");
        // To start a process of another user takes root.
        if nix::unistd::geteuid().is_root() && has_capability(NET_ADMIN) {
            assert!(may("env"));
            assert!(!may(OTHER));
            assert!(may(&format!("{OTHER} --inh-caps +net_admin --ambient-caps +net_admin")));
            // The kernel makes none for a process in a chroot, so that there is nothing to be wrong about.
            let namespace = format!("{OTHER} unshare --user --map-root-user");
            if Command::new("unshare").args(["--user", "true"]).status().is_ok_and(|status| status.success())
            {
                assert!(!may(&namespace));
            }
        }
    }

    #[test]
    fn a_capability_in_another_namespace_does_not_count() {
        let (here, there) = (Some("0 0 4294967295"), Some("0 65534 1"));
        assert!(counts(here, here, Some(true)));
        for (mine, other, capability) in [
            (here, there, Some(true)),
            (here, None, Some(true)),
            (None, None, Some(true)),
            (here, here, Some(false)),
            (here, here, None),
        ] {
            assert!(!counts(mine, other, capability), "{mine:?} {other:?} {capability:?}");
        }
    }
}
