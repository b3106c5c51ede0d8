//! Which instances are drained, in a file that outlives reboots.
//!
//! The newest set wins; a thread, started when there is first something to write, writes it in one step, so that the file
//! is whole at every moment. Fails: the reason is kept for whoever waits, and the old file stays. One that is damaged says
//! that something was drained once, and not what.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Name of the file in the state directory.
const NAME: &str = "drained.json";
/// Longest file that is read, in bytes.
const LONGEST: u64 = 4 << 20;
/// Stack of the thread.
const STACK: usize = 128 << 10;

/// The file's content. Keys are added, never renamed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    /// Names of drained instances.
    instances: BTreeSet<String>,
}

/// The way to the file.
#[derive(Clone)]
pub(in crate::daemon) struct Drains(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    state: Mutex<State>,
    written: Condvar,
}

#[derive(Default)]
struct State {
    wanted: Option<Arc<BTreeSet<String>>>,
    writing: bool,
    running: bool,
    outcome: Option<String>,
}

/// That the file is there, and of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Unreadable {
    /// Why, and what is done about it.
    pub(in crate::daemon) why: String,
    /// Everything is taken to be drained, and not nothing.
    pub(in crate::daemon) all: bool,
}

/// What is remembered in `directory`. A file that cannot even be opened is a matter of this system's set-up, which the other
/// host may well share, and both must not stay out for that; a damaged one is this host's own, and somebody may be at work
/// on that.
pub(in crate::daemon) fn read(directory: &Path) -> Result<BTreeSet<String>, Unreadable> {
    let path = directory.join(NAME);
    let path = path.display();
    let damaged = |error: &dyn std::fmt::Display| Unreadable {
        why: format!(
            "{path} is damaged ({error}): every instance is taken to be drained until `failover undrain \
             --all`, which writes it anew"
        ),
        all: true,
    };
    let file = match super::open_file(&directory.join(NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => {
            let why = format!(
                "{path} cannot be opened ({error}): no instance is taken to be drained; `failover drain` writes it anew"
            );
            return Err(Unreadable { why, all: false });
        }
    };
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, LONGEST), &mut text)
        .map_err(|error| damaged(&error))?;
    serde_json::from_str(&text).map(|document: Document| document.instances).map_err(|error| damaged(&error))
}

impl Drains {
    /// The file is in `directory`, which is made when there is something to write.
    pub(in crate::daemon) fn new(directory: PathBuf) -> Self {
        Drains(Arc::new(Shared { directory, state: Mutex::default(), written: Condvar::new() }))
    }

    /// These are drained now.
    pub(in crate::daemon) fn put(&self, names: &Arc<BTreeSet<String>>) {
        let mut state = self.lock();
        state.wanted = Some(Arc::clone(names));
        if state.running {
            return;
        }
        state.running = true;
        drop(state);
        let drains = self.clone();
        let thread = thread::Builder::new().name("drains".into()).stack_size(STACK);
        if let Err(error) = thread.spawn(move || drains.write_all()) {
            let mut state = self.lock();
            state.running = false;
            state.wanted = None;
            state.outcome = Some(error.to_string());
        }
    }

    /// Waits until the newest set is written; why it is not.
    pub(in crate::daemon) fn written(&self, limit: Duration) -> Result<(), String> {
        let pending = |state: &mut State| state.wanted.is_some() || state.writing;
        let waited = self.0.written.wait_timeout_while(self.lock(), limit, pending);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let path = self.0.directory.join(NAME);
        let path = path.display();
        match &state.outcome {
            _ if timeout.timed_out() => Err(format!("{path} is not written after {} s", limit.as_secs())),
            Some(why) => Err(format!("{path} cannot be written: {why}")),
            None => Ok(()),
        }
    }

    /// The thread: writes until there is nothing more.
    fn write_all(&self) {
        loop {
            let mut state = self.lock();
            let Some(names) = state.wanted.take() else {
                state.running = false;
                return;
            };
            state.writing = true;
            drop(state);
            let outcome = write(&self.0.directory, &names);
            let mut state = self.lock();
            state.writing = false;
            state.outcome = outcome.err().map(|error| error.to_string());
            drop(state);
            self.0.written.notify_all();
        }
    }

    /// What a thread that panicked left is whole: values are set, never half.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(directory: &Path, names: &BTreeSet<String>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let new = directory.join(".drained.json.new");
    let mut file = super::new_file(&new, 0o644)?;
    serde_json::to_writer(&mut file, &Document { instances: names.clone() })?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&new, directory.join(NAME))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn set(names: &[&str]) -> Arc<BTreeSet<String>> {
        Arc::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_newest_set_is_what_the_next_process_reads() {
        let at = std::env::temp_dir().join(format!("failover-drains-{}/deep", std::process::id()));
        assert_eq!(read(&at), Ok(BTreeSet::new()));
        let drains = Drains::new(at.clone());
        for names in [&["web"][..], &["web", "db"], &["db"]] {
            drains.put(&set(names));
        }
        drains.written(LIMIT).unwrap();
        assert_eq!(read(&at), Ok(BTreeSet::from(["db".to_owned()])));
        for text in ["", "{", "{\"instances\": 7}"] {
            fs::write(at.join(NAME), text).unwrap();
            let damaged = read(&at).unwrap_err();
            assert!(damaged.all && damaged.why.contains("until `failover undrain --all`"), "{damaged:?}");
        }
        fs::remove_file(at.join(NAME)).unwrap();
        fs::create_dir(at.join(NAME)).unwrap();
        let closed = read(&at).unwrap_err();
        assert!(!closed.all && closed.why.contains("no instance is taken to be drained"), "{closed:?}");
        fs::remove_dir_all(at.parent().unwrap()).unwrap();
    }

    #[test]
    fn who_waits_is_told_that_it_cannot_be_written() {
        let drains = Drains::new(PathBuf::from("/proc/none/here"));
        drains.put(&set(&["web"]));
        let why = drains.written(LIMIT).unwrap_err();
        assert!(why.contains("/proc/none/here/drained.json cannot be written"), "{why}");
    }
}
