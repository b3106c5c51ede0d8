//! The table of processes, read once for all checks that ask at about the same time.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::blocking::Blocking;
use crate::os::clock;
use crate::os::procfs::{self, Entry};
use crate::time::Instant;

/// The table, as it was read last.
#[derive(Debug)]
pub(super) struct Processes(Mutex<State>);

#[derive(Debug)]
struct State {
    reading: Blocking<std::io::Result<Vec<Entry>>>,
    last: Option<(Instant, Rc<Vec<Entry>>)>,
}

impl Default for Processes {
    fn default() -> Self {
        Processes(Mutex::new(State { reading: Blocking::new(), last: None }))
    }
}

impl Processes {
    /// The processes, not longer ago than `age`.
    pub(super) async fn table(&self, age: Duration) -> Result<Rc<Vec<Entry>>, String> {
        let asked = clock::now();
        let mut state = self.0.lock().await;
        if let Some((read, table)) = &state.last
            && read.after(age) > asked
        {
            return Ok(Rc::clone(table));
        }
        let began = clock::now();
        match state.reading.run(procfs::scan).await {
            Some(Ok(table)) => {
                let table = Rc::new(table);
                state.last = Some((began, Rc::clone(&table)));
                Ok(table)
            }
            Some(Err(error)) => Err(format!("/proc cannot be read: {error}")),
            None => Err("the thread that reads /proc ended".to_owned()),
        }
    }
}
