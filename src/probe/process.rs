//! A process: by the file name of its program, or by the number in a file.
//!
//! Looks each interval, and hears at once when the process that it found ends. Of several that run one program it watches
//! the one with the lowest number; when that ends, another one passes. A zombie does not run.

use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::Shared;
use super::blocking::Blocking;
use super::trace::Trace;
use crate::config::model::ProcessProbe;
use crate::health::outcome::Outcome;
use crate::os::Readable;
use crate::os::procfs::{self, Entry};

/// Bytes of a pid file that are read; a number has ten at most.
const ROOM: u64 = 64;

#[derive(Debug)]
pub(super) struct Process {
    probe: ProcessProbe,
    shared: Rc<Shared>,
    /// How old the table may be that a run looks at.
    age: Duration,
    watched: Option<Watched>,
    /// The one that was watched has ended, and that has not been told.
    owed: bool,
    looking: Blocking<Result<Watched, Outcome>>,
}

#[derive(Debug)]
struct Watched {
    pid: i32,
    /// None where it cannot be watched; then it is looked at each interval.
    ended: Option<Readable>,
}

impl Process {
    pub(super) fn new(probe: &ProcessProbe, interval: Duration, shared: &Rc<Shared>) -> Self {
        Process {
            probe: probe.clone(),
            shared: Rc::clone(shared),
            age: interval / 2,
            watched: None,
            owed: false,
            looking: Blocking::new(),
        }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("look");
        self.look(self.age).await
    }

    pub(super) async fn changed(&mut self) -> Outcome {
        if !self.owed {
            match &self.watched {
                Some(Watched { ended: Some(ended), .. }) => {
                    // An error of waiting is reason enough to look.
                    let _ = ended.ready().await;
                }
                Some(_) | None => return std::future::pending().await,
            }
            (self.watched, self.owed) = (None, true);
        }
        let outcome = self.look(Duration::ZERO).await;
        self.owed = false;
        outcome
    }

    async fn look(&mut self, age: Duration) -> Outcome {
        let (pids, text) = match &self.probe {
            ProcessProbe::Name(name) => match self.shared.processes.table(age).await {
                Ok(table) => (Some(table), name.clone()),
                Err(error) => return Outcome::unknown(error),
            },
            ProcessProbe::PidFile(path) => (None, path.display().to_string()),
        };
        let known =
            self.watched.as_ref().filter(|watched| watched.ended.is_some()).map(|watched| watched.pid);
        let found = match (pids, &self.probe) {
            (Some(table), _) => {
                let candidates = likely(&table, &text);
                self.looking.run(move || first(&candidates, &text, known)).await
            }
            (None, ProcessProbe::PidFile(path)) => {
                let path = path.clone();
                self.looking.run(move || numbered(&path, known)).await
            }
            (None, ProcessProbe::Name(_)) => None,
        };
        match found {
            Some(Ok(found)) => {
                let text = format!("process {} runs", found.pid);
                // The one that is watched already stays so.
                if known != Some(found.pid) || found.ended.is_some() {
                    self.watched = Some(found);
                }
                Outcome::passed(text)
            }
            Some(Err(outcome)) => {
                self.watched = None;
                outcome
            }
            None => Outcome::unknown("the thread that looks at processes ended"),
        }
    }
}

/// Those whose names allow that they run `name`, without this process itself.
fn likely(table: &[Entry], name: &str) -> Vec<Entry> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let begins = |comm: &str| name.starts_with(comm);
    let fits = |entry: &&Entry| entry.exe.as_deref() == Some(name) || begins(&entry.comm);
    table.iter().filter(|entry| entry.pid != own).filter(fits).cloned().collect()
}

/// The first that runs the program still. Blocks.
fn first(candidates: &[Entry], name: &str, known: Option<i32>) -> Result<Watched, Outcome> {
    for candidate in candidates.iter().filter(|candidate| candidate.is(name)) {
        if let Some(watched) = hold(candidate.pid, known, |now| now.is(name)) {
            return Ok(watched);
        }
    }
    Err(absent(format!("no process runs {name}")))
}

/// The process whose number is in the file. Blocks.
fn numbered(path: &Path, known: Option<i32>) -> Result<Watched, Outcome> {
    let shown = path.display();
    let pid = number(path).map_err(|why| Outcome::failed(format!("{shown} {why}")))?;
    hold(pid, known, |_| true).ok_or_else(|| {
        absent(format!("process {pid}, whose number is in {shown}, does not run: the file is stale"))
    })
}

/// What was not found does not run, unless it may be one of those that cannot be seen.
fn absent(text: String) -> Outcome {
    if procfs::hides_others() {
        let why = "processes of other users cannot be seen from here: ProtectProc=default in a drop-in of the service shows them";
        return Outcome::unknown(why);
    }
    Outcome::failed(text)
}

fn number(path: &Path) -> Result<i32, String> {
    let mut bytes = Vec::new();
    let file = super::file::open(path)?;
    file.take(ROOM).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(pid),
        Ok(_) | Err(_) if text.is_empty() => {
            Err("is empty, and should hold the number of a process".to_owned())
        }
        Ok(_) | Err(_) => Err("does not hold the number of a process".to_owned()),
    }
}

/// Watches a process that runs and is the right one. Looks after it is held: what has been another process before cannot
/// become one any more.
fn hold(pid: i32, known: Option<i32>, right: impl Fn(&Entry) -> bool) -> Option<Watched> {
    let ended = if known == Some(pid) { None } else { procfs::watch(pid).ok() };
    let now = procfs::entry(pid)?;
    right(&now).then_some(())?;
    // A thread for blocking work knows the runtime that it belongs to.
    Some(Watched { pid, ended: ended.and_then(|ended| Readable::new(ended).ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_files() {
        let path = std::env::temp_dir().join(format!("failover-pid-{}", std::process::id()));
        for (content, expected) in [
            ("17\n", Ok(17)),
            ("  17", Ok(17)),
            ("", Err("is empty, and should hold the number of a process")),
            ("0", Err("does not hold the number of a process")),
            ("-1", Err("does not hold the number of a process")),
            ("17 18", Err("does not hold the number of a process")),
            ("99999999999", Err("does not hold the number of a process")),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(number(&path), expected.map_err(str::to_owned), "{content}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(number(&path).unwrap_err(), "does not exist");
    }
}
