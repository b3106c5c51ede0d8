//! A file: that it is there, that it is not, or the number in it.
//!
//! Looks each interval, and at once when something happens to the file or to a directory or symbolic link on the way to
//! it. Every look is on a thread where it may block. Reads nothing but ordinary files, and of them no more than a number
//! needs. Where changes cannot be heard of, the text says so, and the interval finds them.

use std::fs::{self, File as Handle, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::inotify::{AddWatchFlags, Inotify};

use super::Shared;
use super::blocking::Blocking;
use super::trace::Trace;
use super::watch::{Place, Subscription};
use crate::config::model::{FileProbe, FileWant, Weight};
use crate::health::outcome::Outcome;
use crate::os::trust::{self, Step};

/// Bytes of a file with a weight.
const ROOM: usize = 64;
/// How long an empty file may stay empty: who writes a number into a file empties it first.
const REWRITE: Duration = Duration::from_millis(50);
/// Times that the way to a file may change while watches are placed on it.
const TRIES: usize = 5;

#[derive(Debug)]
pub(super) struct File {
    probe: FileProbe,
    shared: Rc<Shared>,
    subscription: Option<Subscription>,
    /// Something happened that has not been told.
    owed: bool,
    looking: Blocking<Look>,
}

/// What one look found.
#[derive(Debug)]
struct Look {
    outcome: Outcome,
    /// A file with a weight that is empty.
    empty: bool,
    places: Vec<Place>,
    /// Why changes cannot be heard of.
    deaf: Option<String>,
    /// Keeps watches that are not placed yet from being taken for idle ones.
    hold: Option<Arc<Inotify>>,
}

impl File {
    pub(super) fn new(probe: &FileProbe, shared: &Rc<Shared>) -> Self {
        File {
            probe: probe.clone(),
            shared: Rc::clone(shared),
            subscription: None,
            owed: false,
            looking: Blocking::new(),
        }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("look");
        self.look().await
    }

    pub(super) async fn changed(&mut self) -> Outcome {
        if !self.owed {
            let Some(subscription) = &self.subscription else { return std::future::pending().await };
            subscription.happened.notified().await;
            self.owed = true;
        }
        let outcome = self.look().await;
        self.owed = false;
        outcome
    }

    /// Looks, and again where somebody may be writing a number just now.
    async fn look(&mut self) -> Outcome {
        let first = self.look_once().await;
        if !first.empty {
            return first.outcome;
        }
        tokio::time::sleep(REWRITE).await;
        self.look_once().await.outcome
    }

    async fn look_once(&mut self) -> Look {
        let mut why = None;
        if self.subscription.is_none() {
            match self.shared.files.subscribe() {
                Ok(subscription) => self.subscription = Some(subscription),
                Err(error) => why = Some(error),
            }
        }
        let inotify = self.subscription.as_ref().map(|subscription| subscription.inotify.clone());
        let probe = self.probe.clone();
        let Some(mut look) = self.looking.run(move || look(&probe, inotify)).await else {
            let outcome = Outcome::unknown("the thread that looks at files ended");
            return Look { outcome, empty: false, places: Vec::new(), deaf: None, hold: None };
        };
        look.hold = None;
        if let Some(subscription) = &self.subscription {
            subscription.place(std::mem::take(&mut look.places));
        }
        if let Some(why) = look.deaf.take().or(why) {
            let text = &mut look.outcome.text;
            *text = format!("{text} (changes are seen at each interval only: {why})");
        }
        look
    }
}

/// Places watches along the way, then looks. Blocks.
fn look(probe: &FileProbe, inotify: Option<Arc<Inotify>>) -> Look {
    let (mut places, mut deaf) = (Vec::new(), None);
    if let Some(inotify) = &inotify {
        let mut before = trust::steps(&probe.path);
        for _ in 0..TRIES {
            match &before {
                Ok(steps) => {
                    deaf = None;
                    for number in 0..steps.len() {
                        match place(inotify, steps, number) {
                            Ok(one) => places.push(one),
                            Err(why) => deaf = Some(why),
                        }
                    }
                }
                Err(error) => deaf = Some(error.to_string()),
            }
            // What was exchanged before its watch was there has told nobody.
            let after = trust::steps(&probe.path);
            if identities(&before) == identities(&after) {
                break;
            }
            before = after;
        }
    }
    let (outcome, empty) = see(probe);
    Look { outcome, empty, places, deaf, hold: inotify }
}

/// What tells one way from another.
fn identities(steps: &std::io::Result<Vec<Step>>) -> Option<Vec<Option<(u64, u64)>>> {
    let identity = |step: &Step| step.found.as_ref().map(|found| (found.dev(), found.ino()));
    Some(steps.as_ref().ok()?.iter().map(identity).collect())
}

/// A watch on the directory of a step. Only where something may appear, or be exchanged without its own directory's
/// watch telling so, every event counts; else only that the directory itself is moved or removed.
fn place(inotify: &Inotify, steps: &[Step], number: usize) -> Result<Place, String> {
    let Some(step) = steps.get(number) else { return Err("no such step".to_owned()) };
    let mut flags = AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
        // Another check may watch the same directory for something else.
        | AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
    let last = number + 1 == steps.len();
    if last || step.is_link() {
        flags |= AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVE;
    }
    if last {
        flags |= AddWatchFlags::IN_CLOSE_WRITE;
    }
    match inotify.add_watch(&step.directory, flags) {
        Ok(watch) => Ok((watch, step.name.clone())),
        Err(Errno::ENOSPC) => Err("no inotify watch is left: raise fs.inotify.max_user_watches".to_owned()),
        Err(errno) => Err(format!("{} cannot be watched: {}", step.directory.display(), errno.desc())),
    }
}

/// Looks at the file. Whether it is empty and should not be.
fn see(probe: &FileProbe) -> (Outcome, bool) {
    let shown = probe.path.display();
    let there = match fs::metadata(&probe.path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(format!("{shown} cannot be looked at: {error}")),
    };
    let outcome = match (probe.expect, there) {
        (FileWant::Weight, Ok(true)) => match weight(&probe.path) {
            Ok(number) => {
                Outcome { weight: Some(number), ..Outcome::passed(format!("{shown} holds {number}")) }
            }
            Err(why) => {
                return (Outcome::failed(format!("{shown} {}", why.text())), why == NoWeight::Empty);
            }
        },
        (FileWant::Present, Ok(true)) => Outcome::passed(format!("{shown} exists")),
        (FileWant::Present | FileWant::Weight, Ok(false)) => {
            Outcome::failed(format!("{shown} does not exist"))
        }
        (FileWant::Absent, Ok(true)) => Outcome::failed(format!("{shown} exists")),
        (FileWant::Absent, Ok(false)) => Outcome::passed(format!("{shown} does not exist")),
        (FileWant::Present | FileWant::Weight, Err(why)) => Outcome::failed(why),
        // Whether it is there is not known, and neither is the opposite.
        (FileWant::Absent, Err(why)) => Outcome::unknown(why),
    };
    (outcome, false)
}

/// Opens an ordinary file to read it, without ever waiting for somebody at the other end.
pub(super) fn open(path: &Path) -> Result<Handle, String> {
    let told = |error: std::io::Error| {
        let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if missing { "does not exist".to_owned() } else { format!("cannot be read: {error}") }
    };
    // Looked at first: to open a device may do something.
    if !fs::metadata(path).map_err(told)?.is_file() {
        return Err("is not an ordinary file".to_owned());
    }
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(told)?;
    if file.metadata().map_err(told)?.is_file() {
        Ok(file)
    } else {
        Err("is not an ordinary file".to_owned())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum NoWeight {
    Empty,
    Other(String),
}

impl NoWeight {
    fn text(&self) -> &str {
        match self {
            NoWeight::Empty => "is empty, and should hold a whole number from -253 to 253",
            NoWeight::Other(text) => text,
        }
    }
}

fn weight(path: &Path) -> Result<i16, NoWeight> {
    let mut bytes = Vec::new();
    let room = u64::try_from(ROOM + 1).unwrap_or(u64::MAX);
    let file = open(path).map_err(NoWeight::Other)?;
    file.take(room)
        .read_to_end(&mut bytes)
        .map_err(|error| NoWeight::Other(format!("cannot be read: {error}")))?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<i16, NoWeight> {
    let other = |text: &str| NoWeight::Other(text.to_owned());
    if bytes.len() > ROOM {
        return Err(other("has more than 64 bytes, and should hold a whole number from -253 to 253"));
    }
    let text = std::str::from_utf8(bytes).unwrap_or("?").trim();
    if text.is_empty() {
        return Err(NoWeight::Empty);
    }
    match text.parse::<i16>() {
        Ok(number) if (-Weight::MOST..=Weight::MOST).contains(&number) => Ok(number),
        Ok(number) => Err(NoWeight::Other(format!("holds {number}, and should hold -253 to 253"))),
        Err(_) => Err(other("does not hold a whole number from -253 to 253 and nothing else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_files() {
        for (bytes, expected) in [
            (&b"0"[..], Some(0)),
            (b"253", Some(253)),
            (b"-253\n", Some(-253)),
            (b" \t+7\r\n", Some(7)),
            (b"254", None),
            (b"-254", None),
            (b"99999", None),
            (b"1 2", None),
            (b"1.0", None),
            (b"one", None),
            (b"\xff", None),
            (&[b' '; 65], None),
        ] {
            assert_eq!(parse(bytes).ok(), expected, "{bytes:?}");
        }
        assert_eq!(parse(b""), Err(NoWeight::Empty));
        assert_eq!(parse(b" \n"), Err(NoWeight::Empty));
    }
}
