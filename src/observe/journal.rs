//! Records for systemd's journal, with fields to search by.

use std::io;
use std::sync::Arc;

use nix::sys::stat::fstat;
use tracing::dispatcher::{self, Dispatch};
use tracing::{Level, event};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use super::Record;
use crate::agent::report::Severity;

/// The journal's socket.
pub(super) struct Journal(Dispatch);

impl Journal {
    /// The journal, if standard error is connected to it and its socket is there.
    pub(super) fn open() -> Option<Self> {
        let stat = fstat(io::stderr()).ok()?;
        let stream = std::env::var("JOURNAL_STREAM").ok()?;
        if !names(&stream, stat.st_dev, stat.st_ino) {
            return None;
        }
        // Our fields have our prefix already, and MESSAGE_ID must have none.
        let layer = tracing_journald::layer().ok()?.with_field_prefix(None);
        Some(Journal(Dispatch::from(Arc::new(Registry::default().with(layer)))))
    }

    pub(super) fn write(&self, record: &Record) {
        dispatcher::with_default(&self.0, || send(record));
    }
}

/// Whether `JOURNAL_STREAM` is about the file of this device and inode (systemd.exec(5)). A service's standard error may
/// have been redirected since.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// The fields that [`crate::agent::report::FIELDS`] lists; those that a report does not have are left out.
macro_rules! record_at {
    ($level:expr, $record:expr) => {{
        let fields = $record.entry.fields();
        let field = |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        event!(
            $level,
            MESSAGE_ID = field("MESSAGE_ID"),
            FAILOVER_INSTANCE = field("FAILOVER_INSTANCE"),
            FAILOVER_GROUP = field("FAILOVER_GROUP"),
            FAILOVER_CHECK = field("FAILOVER_CHECK"),
            FAILOVER_STATE = field("FAILOVER_STATE"),
            FAILOVER_PREVIOUS_STATE = field("FAILOVER_PREVIOUS_STATE"),
            FAILOVER_REASON = field("FAILOVER_REASON"),
            FAILOVER_PRIORITY = field("FAILOVER_PRIORITY"),
            FAILOVER_INTERFACE = field("FAILOVER_INTERFACE"),
            FAILOVER_VRID = field("FAILOVER_VRID"),
            FAILOVER_PEER = field("FAILOVER_PEER"),
            "{}",
            $record.entry.message()
        );
    }};
}

/// The journal's priorities 3 to 7 are tracing's five levels, in that order (tracing-journald's default).
fn send(record: &Record) {
    match record.entry.severity() {
        Severity::Error => record_at!(Level::ERROR, record),
        Severity::Warning => record_at!(Level::WARN, record),
        Severity::Notice => record_at!(Level::INFO, record),
        Severity::Info => record_at!(Level::DEBUG, record),
        Severity::Debug => record_at!(Level::TRACE, record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::FIELDS;

    #[test]
    fn journal_stream_is_compared_with_the_file() {
        assert!(names("8:1234", 8, 1234));
        for other in ["8:1235", "9:1234", "8", "", ":", "8:1234:1", "a:b"] {
            assert!(!names(other, 8, 1234), "{other:?}");
        }
    }

    #[test]
    fn every_field_of_a_report_is_written() {
        let source = include_str!("journal.rs");
        for name in FIELDS {
            assert!(source.contains(&format!("{name} = field(\"{name}\"),")), "{name}");
        }
    }
}
