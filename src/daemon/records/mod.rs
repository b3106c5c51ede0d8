//! What outlives the process: in the state directory which instances are drained, in the runtime directory what this agent
//! is MASTER of.
//!
//! Owns both files. The first is written by a thread of its own, for disks are slow; the second by the engine, where it is
//! a few bytes in memory (the runtime directory is a tmpfs wherever systemd runs). Fails: softly. What cannot be
//! remembered is said in the log, and whoever asked for it is told.

mod drains;
mod masters;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;

use super::log::Log;
use crate::agent::message::{Held, Remembered};
use crate::observe::notice::Notice;
use crate::time::Instant;

pub(super) use drains::{Drains, read as read_drains};

/// Opens what is to be a file for reading: one that waits for the other end of a pipe would not start.
fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// A new file at `path` to write to, in place of what an earlier attempt left there; never one that a link there leads to.
fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Shortest time between two writes of when adverts went out.
const BEATS_APART: Duration = Duration::from_millis(1);

/// What the engine writes down.
pub(super) struct Records {
    pub(super) drains: Drains,
    masters: Option<masters::Masters>,
    /// When it was last written that adverts went out.
    beat: Instant,
    log: Log,
}

impl Records {
    /// Reads what a process before this one left in `runtime_dir`, and begins a record of our own there.
    pub(super) fn open(runtime_dir: &Path, drains: Drains, log: Log) -> (Self, Option<Remembered>) {
        let remembered = masters::read(runtime_dir);
        let masters = match masters::Masters::create(runtime_dir) {
            Ok(masters) => Some(masters),
            Err(error) => {
                let directory = runtime_dir.display().to_string();
                log.tell(Notice::NoRecord { directory, why: error.to_string() });
                None
            }
        };
        (Records { drains, masters, beat: Instant::ZERO, log }, remembered)
    }

    /// The instance of this number is MASTER as described, or not any more.
    pub(super) fn holds(&mut self, number: usize, held: Option<&Held>) {
        let written = self.masters.as_mut().map_or(Ok(()), |masters| masters.holds(number, held));
        self.check(written);
    }

    /// Adverts went out just now. Of those of one millisecond the first is written: an older time is the more careful one.
    pub(super) fn beat(&mut self, now: Instant) {
        if now.since(self.beat) < BEATS_APART {
            return;
        }
        self.beat = now;
        let written = self.masters.as_mut().map_or(Ok(()), |masters| masters.beat(now));
        self.check(written);
    }

    /// The agent has left: nothing is to be gone on with.
    pub(super) fn close(&mut self) {
        if let Some(masters) = self.masters.take() {
            masters.remove();
        }
    }

    /// A record that cannot be written is none: half of the truth would be worse.
    fn check(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.log.tell(Notice::RecordLost { why: error.to_string() });
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_neither_waited_for_nor_followed() {
        let at = std::env::temp_dir().join(format!("failover-records-{}", std::process::id()));
        fs::create_dir_all(&at).unwrap();
        let (pipe, link, precious) = (at.join("pipe"), at.join("link"), at.join("precious"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&pipe, &at] {
            assert_eq!(open_file(path).unwrap_err().to_string(), "it is no file");
        }
        fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        for path in [&link, &pipe, &at.join("none")] {
            assert!(new_file(path, 0o600).unwrap().metadata().unwrap().is_file());
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        fs::remove_dir_all(at).unwrap();
    }
}
