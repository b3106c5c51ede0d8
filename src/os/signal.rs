//! Signals as values on a descriptor: SIGTERM, SIGINT, SIGHUP.
//!
//! SIGPIPE is ignored by Rust's own start-up code, so writing to a closed pipe is an error and no death.

use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{OsError, Trying};

/// What somebody asked of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: leave.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals, no longer delivered to any thread started from here on.
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Takes the signals over. To be called before the first thread is started: threads inherit the mask.
    pub fn take() -> Result<Self, OsError> {
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block().trying("blocking signals")?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let fd = SignalFd::with_flags(&mask, flags).trying("making a signal descriptor")?;
        Ok(Signals { fd })
    }

    /// The next one that arrived.
    #[must_use]
    pub fn next(&self) -> Option<Asked> {
        let info = self.fd.read_signal().ok()??;
        if i32::try_from(info.ssi_signo) == Ok(libc::SIGHUP) {
            Some(Asked::Reload)
        } else {
            Some(Asked::Stop)
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
