//! Records for systemd's journal, with fields to search by, in the journal's own protocol
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
//!
//! Never: keeps anything. Waits for as long as the journal does not read; fails where it is not there.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::stat::fstat;

use super::Record;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// Under what name `journalctl -t` finds the records.
const IDENTIFIER: &str = "failover";
/// Instances in one record: the journal takes 1,024 fields. One that concerns more is written several times.
const INSTANCES: usize = 512;
/// The field that may be there more than once.
const INSTANCE: &str = "FAILOVER_INSTANCE";

/// The way to the journal.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// The journal, if standard error is connected to it and its socket is there.
    pub(super) fn open() -> Option<Self> {
        let stat = fstat(io::stderr()).ok()?;
        let stream = std::env::var("JOURNAL_STREAM").ok()?;
        if !names(&stream, stat.st_dev, stat.st_ino) || !Path::new(SOCKET).exists() {
            return None;
        }
        UnixDatagram::unbound().ok().map(Journal)
    }

    /// Writes one record. The journal may be another process than the last time.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        for message in messages(record) {
            self.0.send_to(&message, SOCKET)?;
        }
        Ok(())
    }
}

/// Whether `JOURNAL_STREAM` is about the file of this device and inode (systemd.exec(5)). A service's standard error may
/// have been redirected since.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// The record as the journal takes it; more than one only for what concerns very many instances.
fn messages(record: &Record) -> Vec<Vec<u8>> {
    let mut common = Vec::new();
    field(&mut common, "MESSAGE", &record.message());
    field(&mut common, "PRIORITY", &record.entry.severity().number().to_string());
    field(&mut common, "SYSLOG_IDENTIFIER", IDENTIFIER);
    let fields = record.fields();
    let (instances, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| *name == INSTANCE);
    for (name, value) in others {
        field(&mut common, name, value);
    }
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for some in instances.chunks(INSTANCES) {
        let mut message = common.clone();
        for (name, value) in some {
            field(&mut message, name, value);
        }
        messages.push(message);
    }
    if messages.is_empty() {
        messages.push(common);
    }
    messages
}

/// A field: on a line, or with its length before it where it has several lines.
fn field(message: &mut Vec<u8>, name: &str, value: &str) {
    message.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        message.push(b'\n');
        message.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    } else {
        message.push(b'=');
    }
    message.extend_from_slice(value.as_bytes());
    message.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::{Around, Report};
    use crate::health::standing::Verdict;
    use crate::observe::Entry;
    use crate::observe::notice::Notice;
    use std::time::SystemTime;

    fn written(entry: Entry) -> Vec<String> {
        let record = Record { at: SystemTime::UNIX_EPOCH, entry, more: None };
        messages(&record).into_iter().map(|message| String::from_utf8(message).unwrap()).collect()
    }

    #[test]
    fn journal_stream_is_compared_with_the_file() {
        assert!(names("8:1234", 8, 1234));
        for other in ["8:1235", "9:1234", "8", "", ":", "8:1234:1", "a:b"] {
            assert!(!names(other, 8, 1234), "{other:?}");
        }
    }

    #[test]
    fn a_record_is_a_line_for_each_field_and_lengths_where_there_are_lines_in_it() {
        let written = written(Entry::Process(Notice::ReloadFailed { why: "one\ntwo".to_owned() }));
        assert_eq!(
            written,
            ["MESSAGE\n\x16\0\0\0\0\0\0\0reload failed: one\ntwo\nPRIORITY=3\nSYSLOG_IDENTIFIER=failover\n\
              MESSAGE_ID=4ec5a719aa1c4a8080406961c85e2a41\nFAILOVER_REASON\n\x07\0\0\0\0\0\0\0one\ntwo\n"]
        );
    }

    #[test]
    fn what_concerns_many_instances_is_found_with_each() {
        let check = Around::Verdict {
            check: "db".into(),
            verdict: Verdict::Failing,
            text: "no answer".to_owned(),
            held: None,
            instances: (0..1000).map(|number| format!("i{number}").into()).collect(),
        };
        let written = written(Entry::Agent(Report::Around(check)));
        assert_eq!(written.len(), 2);
        for number in 0..1000 {
            let line = format!("\nFAILOVER_INSTANCE=i{number}\n");
            assert_eq!(written.iter().filter(|message| message.contains(&line)).count(), 1, "{line}");
        }
        for message in &written {
            assert!(message.starts_with("MESSAGE=check db is failing: no answer\nPRIORITY=4\n"), "{message}");
            assert!(message.lines().count() < 1024);
        }
    }
}
