//! The one timer: a timerfd on the clock that counts suspend, armed for an absolute time.
//!
//! Watched edge-triggered and never read: setting it again clears what it counted.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::{OsError, Trying};
use crate::time::Instant;

/// Fires at the time it was last armed for, or earlier.
pub struct Timer {
    fd: TimerFd,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    pub fn new() -> Result<Self, OsError> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let fd = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags).trying("making a timer")?;
        Ok(Timer { fd, armed: None })
    }

    /// Makes it fire at `deadline` at the latest. A timer that is armed for an earlier time stays so: a BACKUP's
    /// deadline moves away with each advert, and one idle wake-up now and then is cheaper than a system call per advert.
    pub fn arm(&mut self, deadline: Instant) -> Result<(), OsError> {
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return Ok(());
        }
        // Zero would disarm it.
        let since_boot = Duration::from_nanos(deadline.as_nanos().max(1));
        let expiration = Expiration::OneShot(TimeSpec::from_duration(since_boot));
        self.fd.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME).trying("arming the timer")?;
        self.armed = Some(deadline);
        Ok(())
    }

    /// To be told when it has fired.
    pub fn fired(&mut self) {
        self.armed = None;
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
