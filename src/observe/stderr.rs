//! Lines on standard error, for people at a terminal and for what collects a program's output.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;

use super::Record;
use crate::agent::report::Severity;

/// Standard error.
pub(super) struct Stderr {
    color: bool,
}

impl Stderr {
    /// Colour only on a terminal, and never with `NO_COLOR`.
    pub(super) fn open() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Stderr { color: !refused && io::stderr().is_terminal() }
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        match line(record, self.color) {
            Some(line) => io::stderr().lock().write_all(line.as_bytes()),
            None => Ok(()),
        }
    }
}

/// The line; `None` for what only helps to debug the agent: that goes to the journal alone.
fn line(record: &Record, color: bool) -> Option<String> {
    let (word, code) = match record.entry.severity() {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
        Severity::Notice => ("notice", "1"),
        Severity::Info => ("info", "0"),
        Severity::Debug => return None,
    };
    let at =
        Timestamp::try_from(record.at).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
    let message = record.message();
    Some(if color {
        format!("{at} \x1b[{code}m{word}\x1b[0m {message}\n")
    } else {
        format!("{at} {word} {message}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Entry;
    use crate::observe::notice::Notice;
    use std::time::{Duration, SystemTime};

    #[test]
    fn lines_have_time_severity_and_text() {
        let mut record = Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_354_801_123_456),
            entry: Entry::Process(Notice::MayStillRun { unit: "look at this".into() }),
            more: None,
        };
        assert_eq!(
            line(&record, false).unwrap(),
            "2026-11-22T13:40:01.123456Z warning may still run: look at this\n"
        );
        assert!(line(&record, true).unwrap().contains("\x1b[1;33mwarning\x1b[0m"));
        record.entry = Entry::Process(Notice::NoRealTime { why: "hm".into() });
        assert_eq!(line(&record, false), None);
    }
}
