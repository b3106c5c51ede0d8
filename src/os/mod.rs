//! The operating system: sockets, frames, netlink, the clock, the timer, signals.
//!
//! Owns every system call that the engine and its helpers make, turned into values of `time` and `net` and of this
//! module. Decides nothing about VRRP. Fails with an [`OsError`] that says what was tried and what the kernel said.

pub mod child;
pub mod clock;
pub mod filter;
pub mod frame;
pub mod netlink;
pub mod poll;
pub mod process;
pub mod procfs;
pub mod queue;
pub mod signal;
pub mod socket;
mod sys;
pub mod timer;
pub mod trust;
pub mod user;

use std::io;

pub use sys::Readable;

/// The kernel refused something.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct OsError {
    what: &'static str,
    source: io::Error,
}

impl OsError {
    /// The kernel's number for the reason, `errno`; 0 when there is none.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }

    /// Whether a privilege is missing (`EPERM`, `EACCES`).
    #[must_use]
    pub fn is_privilege(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
}

/// Names what was tried when it fails.
trait Trying<T> {
    fn trying(self, what: &'static str) -> Result<T, OsError>;
}

impl<T, E: Into<io::Error>> Trying<T> for Result<T, E> {
    fn trying(self, what: &'static str) -> Result<T, OsError> {
        self.map_err(|error| OsError { what, source: error.into() })
    }
}
