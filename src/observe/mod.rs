//! What the agent reports, as people read it: journal records with fields, or lines on standard error.
//!
//! Renders, and writes where it was told; whoever calls must be ready to wait. A line that cannot be written is lost,
//! which whoever calls is told.

mod journal;
pub mod limit;
pub mod notice;
mod stderr;

use std::io;
use std::time::{Duration, SystemTime};

use notice::Notice;

use crate::agent::report::{Report, Severity};

/// Something to log, and when it happened.
#[derive(Clone, Debug)]
pub struct Record {
    /// The time of day.
    pub at: SystemTime,
    /// What.
    pub entry: Entry,
    /// How many more of its kind there were that are not written, and within which time.
    pub more: Option<(u64, Duration)>,
}

impl Record {
    /// The text, with how many more there were.
    #[must_use]
    pub fn message(&self) -> String {
        let message = self.entry.message();
        match self.more {
            None => message,
            Some((count, within)) => {
                format!("{message} (the latest; {count} more of this kind within {} s)", within.as_secs())
            }
        }
    }

    /// Journal fields.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.entry.fields();
        fields.extend(self.more.map(|(count, _)| ("FAILOVER_MORE", count.to_string())));
        fields
    }
}

/// What there is to log.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A fact that the agent reports.
    Agent(Report),
    /// A fact about the process around it.
    Process(Notice),
}

impl Entry {
    /// How much a person should care.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Entry::Agent(report) => report.severity(),
            Entry::Process(notice) => notice.severity(),
        }
    }

    /// Which kind of message it is.
    #[must_use]
    pub fn message_id(&self) -> &'static str {
        match self {
            Entry::Agent(report) => report.message_id(),
            Entry::Process(notice) => notice.message_id(),
        }
    }

    /// The text.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Entry::Agent(report) => report.message(),
            Entry::Process(notice) => notice.message(),
        }
    }

    /// Journal fields.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Entry::Agent(report) => report.fields(),
            Entry::Process(notice) => notice.fields(),
        }
    }
}

/// Where records go.
pub struct Sink(Way);

enum Way {
    Journal(journal::Journal),
    Stderr(stderr::Stderr),
}

impl Sink {
    /// The journal when systemd connected standard error to it, standard error otherwise.
    #[must_use]
    pub fn choose() -> Self {
        Sink(match journal::Journal::open() {
            Some(journal) => Way::Journal(journal),
            None => Way::Stderr(stderr::Stderr::open()),
        })
    }

    /// Writes one record; may block. Fails where it is lost.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        match &self.0 {
            Way::Journal(journal) => journal.write(record),
            Way::Stderr(stderr) => stderr.write(record),
        }
    }
}
