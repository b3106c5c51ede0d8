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

/// Gives free memory back to the kernel. For the start, when much was needed that is not any more, and nobody waits for
/// the allocator.
pub fn trim_memory() {
    sys::trim_memory();
}

/// Whether the process has the capability with the number `bit`. `true` when that cannot be found out: the first system
/// call that needs it will tell.
#[must_use]
pub fn has_capability(bit: u32) -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return true };
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_none_or(|set| set >> bit & 1 == 1)
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
