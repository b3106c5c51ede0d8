//! What outlives the process: in the state directory which instances are drained, in the runtime directory what this agent
//! is MASTER of.
//!
//! Owns both files. The first is written by a thread of its own, for disks are slow; the second by the engine, where it is
//! a few bytes in memory (the runtime directory is a tmpfs wherever systemd runs). Fails: softly. What cannot be
//! remembered is said in the log, and whoever asked for it is told.

mod drains;
mod masters;

use std::path::Path;

use super::log::Log;
use crate::agent::message::{Held, Remembered};
use crate::observe::notice::Notice;
use crate::time::Instant;

pub(super) use drains::{Drains, read as read_drains};

/// What the engine writes down.
pub(super) struct Records {
    pub(super) drains: Drains,
    masters: Option<masters::Masters>,
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
        (Records { drains, masters, log }, remembered)
    }

    /// The instance of this number is MASTER as described, or not any more.
    pub(super) fn holds(&mut self, number: usize, held: Option<&Held>) {
        let written = self.masters.as_mut().map_or(Ok(()), |masters| masters.holds(number, held));
        self.check(written);
    }

    /// Adverts went out just now.
    pub(super) fn beat(&mut self, now: Instant) {
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
    fn check(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.log.tell(Notice::RecordLost { why: error.to_string() });
            self.close();
        }
    }
}
