//! The log's thread and the queue to it.
//!
//! Writing may block for as long as whoever reads likes: a stalled journal, a full pipe, a stopped terminal. So nobody
//! else writes. What is told again and again is bounded before it is queued (`observe::limit`). A full queue drops the newest
//! lines and says how many as soon as there is room again; so does a line that could not be written.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::agent::report::Report;
use crate::observe::limit::{Limiter, Told};
use crate::observe::notice::Notice;
use crate::observe::{Entry, Record, Sink};
use crate::os::clock;
use crate::os::queue::Queue;

/// Lines that may wait.
const LIMIT: usize = 4096;
/// Lines taken at once.
const MOST: usize = 64;
/// How soon it is told how many lines were dropped.
const TELL_DROPPED: Duration = Duration::from_secs(1);
/// Stack of the thread.
const STACK: usize = 256 << 10;

/// The way to the log.
#[derive(Clone)]
pub(super) struct Log(Arc<Shared>);

struct Shared {
    queue: Queue<Record>,
    /// Locked for moments only, never while something is written.
    limiter: Mutex<Limiter>,
    dropped: AtomicU64,
}

/// Starts the thread.
pub(super) fn start() -> io::Result<Log> {
    let log = Log::new();
    let writer = log.clone();
    thread::Builder::new().name("log".into()).stack_size(STACK).spawn(move || writer.write_all())?;
    Ok(log)
}

impl Log {
    fn new() -> Self {
        let (queue, limiter) = (Queue::new(LIMIT), Mutex::default());
        Log(Arc::new(Shared { queue, limiter, dropped: AtomicU64::new(0) }))
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
        self.put_due(true);
        self.0.queue.drained(limit);
    }

    /// The thread.
    fn write_all(&self) {
        let sink = Sink::choose();
        let mut taken = Vec::new();
        loop {
            let deadline = self.limiter().deadline();
            let left = deadline.map(|at| at.since(clock::now()));
            // What was dropped is to be told soon, even if nothing else happens.
            let left = if self.0.dropped.load(Ordering::Relaxed) > 0 {
                Some(left.map_or(TELL_DROPPED, |left| left.min(TELL_DROPPED)))
            } else {
                left
            };
            if !self.0.queue.wait_at_most(left, MOST, &mut taken) {
                return;
            }
            for record in taken.drain(..) {
                if sink.write(&record).is_err() {
                    self.0.dropped.fetch_add(stands_for(&record), Ordering::Relaxed);
                }
            }
            self.put_due(false);
        }
    }

    fn push(&self, entry: Entry) {
        let told = self.limiter().admit(clock::now(), entry);
        if let Some(told) = told {
            self.put(told);
        }
    }

    /// Queues what was held back and is due; all of it at the `end`.
    fn put_due(&self, end: bool) {
        let due = self.limiter().due(clock::now(), end);
        for told in due {
            self.put(told);
        }
        self.tell_dropped();
    }

    fn put(&self, told: Told) {
        self.tell_dropped();
        let at = clock::wall();
        let more = (told.more > 0).then_some((told.more, told.within));
        if self.0.queue.push(Record { at, entry: told.entry, more }).is_err() {
            // It stands for those, too.
            self.0.dropped.fetch_add(told.more + 1, Ordering::Relaxed);
        }
    }

    fn tell_dropped(&self) {
        let at = clock::wall();
        let dropped = self.0.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let entry = Entry::Process(Notice::LinesDropped { count: dropped });
            if self.0.queue.push(Record { at, entry, more: None }).is_err() {
                self.0.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
    }

    /// What a thread that panicked left is whole.
    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.0.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many lines a record stands for.
fn stands_for(record: &Record) -> u64 {
    match (&record.entry, &record.more) {
        (Entry::Process(Notice::LinesDropped { count }), _) => *count,
        (_, more) => more.map_or(1, |(more, _)| more + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::message::Whose;
    use crate::agent::report::{Around, Severity};

    /// Something about instance `number`.
    fn line(number: usize) -> Report {
        let name = number.to_string().into();
        let (severity, text) = (Severity::Info, "said".to_owned());
        Report::Around(Around::Hook { whose: Whose::Instance, name, state: None, severity, text })
    }

    fn taken(log: &Log) -> Vec<String> {
        let mut taken = Vec::new();
        log.0.queue.take(&mut taken);
        taken.iter().map(Record::message).collect()
    }

    #[test]
    fn a_log_that_nobody_reads_drops_and_then_says_how_many() {
        let log = Log::new();
        for number in 0..LIMIT + 10 {
            log.report(line(number));
        }
        assert_eq!(taken(&log).len(), LIMIT);
        log.tell(Notice::ReloadFailed { why: "after".into() });
        let dropped = "10 log lines were dropped: the log could not keep up";
        assert_eq!(taken(&log), [dropped, "reload failed: after"]);
    }

    #[test]
    fn what_was_dropped_is_told_without_anything_else_to_tell_and_counted_in_full() {
        let log = Log::new();
        log.0.dropped.store(7, Ordering::Relaxed);
        log.put_due(false);
        let mut queued = Vec::new();
        log.0.queue.take(&mut queued);
        let [record] = &queued[..] else { panic!("{queued:?}") };
        assert_eq!(record.message(), "7 log lines were dropped: the log could not keep up");
        assert_eq!(stands_for(record), 7);
        let entry = Entry::Agent(line(1));
        for (more, lines) in [(None, 1), (Some((3, Duration::ZERO)), 4)] {
            assert_eq!(stands_for(&Record { at: clock::wall(), entry: entry.clone(), more }), lines);
        }
    }

    #[test]
    fn what_is_told_again_and_again_is_told_with_a_count_at_the_latest_at_the_end() {
        let log = Log::new();
        for _ in 0..1000 {
            log.report(line(1));
        }
        let told = taken(&log);
        assert!(told.len() < 100 && told.iter().all(|text| text == "(1) said"), "{told:?}");
        log.flush(Duration::ZERO);
        let more = 1000 - told.len() - 1;
        assert_eq!(taken(&log), [format!("(1) said (the latest; {more} more of this kind within 10 s)")]);
    }
}
