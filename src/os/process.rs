//! The process itself: real-time priority, privileges, waking the engine.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
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

/// Lets go of the pages of the program's own code and constants. What is used comes back at once, a microsecond for 64 KiB; what only read
/// the command line and the configuration stays away. Where it cannot be done, nothing is lost but memory.
pub fn trim_code() {
    let (Ok(maps), Ok(program)) = (fs::read_to_string("/proc/self/maps"), std::env::current_exe()) else {
        return;
    };
    for (start, end) in maps.lines().filter_map(|line| code(line, &program)) {
        let _ = sys::forget_pages(start, end.saturating_sub(start));
    }
}

/// The range of a line of `/proc/PID/maps` that is code of `program`, or the constants at the file's beginning. What the
/// loader has written to stands further back.
fn code(line: &str, program: &Path) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let kind = (words.next()?, words.next()?);
    if !matches!(kind, ("r-xp", _) | ("r--p", "00000000")) || Path::new(words.nth(2)?) != program {
        return None;
    }
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_writes_to_is_let_go_of() {
        let range =
            |rest: &str| code(&format!("5570f6a8a000-5570f6c4d000 {rest}"), Path::new("/usr/bin/failover"));
        let whole = Some((0x5570_f6a8_a000, 0x5570_f6c4_d000));
        assert_eq!(range("r--p 00000000 fe:00 1001                   /usr/bin/failover"), whole);
        assert_eq!(range("r-xp 001c2000 fe:00 1001                   /usr/bin/failover"), whole);
        assert_eq!(range("r--p 007fc000 fe:00 1001                   /usr/bin/failover"), None);
        assert_eq!(range("rw-p 00000000 fe:00 1001                   /usr/bin/failover"), None);
        assert_eq!(range("r-xp 001c2000 fe:00 1002                   /usr/lib/libc.so.6"), None);
        assert_eq!(range("rw-p 00000000 00:00 0"), None);
    }

    #[test]
    fn the_program_runs_on_without_its_pages() {
        trim_code();
        assert!(!fs::read_to_string("/proc/self/maps").expect("procfs").is_empty());
    }
}
