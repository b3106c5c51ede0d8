//! The log's thread and the queue to it.
//!
//! Writing may block for as long as whoever reads likes: a stalled journal, a full pipe, a stopped terminal. So nobody
//! else writes. A full queue drops the newest lines and says how many as soon as there is room again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::agent::report::Report;
use crate::observe::notice::Notice;
use crate::observe::{Entry, Record, Sink};
use crate::os::clock;
use crate::os::queue::Queue;

/// Lines that may wait.
const LIMIT: usize = 4096;
/// Lines taken at once.
const MOST: usize = 64;
/// Stack of the thread.
const STACK: usize = 256 << 10;

/// The way to the log.
#[derive(Clone)]
pub(super) struct Log(Arc<Shared>);

struct Shared {
    queue: Queue<Record>,
    dropped: AtomicU64,
}

/// Starts the thread.
pub(super) fn start() -> io::Result<Log> {
    let log = Log::new();
    let shared = Arc::clone(&log.0);
    thread::Builder::new().name("log".into()).stack_size(STACK).spawn(move || {
        let sink = Sink::choose();
        let mut taken = Vec::new();
        while shared.queue.wait(MOST, &mut taken) {
            for record in taken.drain(..) {
                sink.write(&record);
            }
        }
    })?;
    Ok(log)
}

impl Log {
    fn new() -> Self {
        Log(Arc::new(Shared { queue: Queue::new(LIMIT), dropped: AtomicU64::new(0) }))
    }

    /// Logs what the agent reports.
    pub(super) fn report(&self, report: Report) {
        self.push(Entry::Agent(report));
    }

    /// Logs something about the process itself.
    pub(super) fn tell(&self, notice: Notice) {
        self.push(Entry::Process(notice));
    }

    /// Waits until everything is written, at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        self.0.queue.drained(limit);
    }

    fn push(&self, entry: Entry) {
        let at = clock::wall();
        let dropped = self.0.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let entry = Entry::Process(Notice::LinesDropped { count: dropped });
            if self.0.queue.push(Record { at, entry }).is_err() {
                self.0.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
        if self.0.queue.push(Record { at, entry }).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_nobody_reads_drops_and_then_says_how_many() {
        let log = Log::new();
        for number in 0..LIMIT + 10 {
            log.tell(Notice::MayStillRun { unit: number.to_string() });
        }
        let mut taken = Vec::new();
        log.0.queue.take(&mut taken);
        assert_eq!(taken.len(), LIMIT);
        log.tell(Notice::ReloadFailed { why: "after".into() });
        taken.clear();
        log.0.queue.take(&mut taken);
        let texts: Vec<String> = taken.iter().map(|record| record.entry.message()).collect();
        assert_eq!(texts, ["10 log lines were dropped: the log could not keep up", "reload failed: after"]);
    }
}
