//! Runs the commands of states (`notify`), and tells what became of each.
//!
//! The order is [`queue`](super::queue)'s, the running [`command`](crate::probe::command)'s. Owns a task per command that runs; to
//! drop it kills them all. Lives on the services' thread. Cannot fail: a command that cannot be run is told like any other.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify as Signal;
use tokio::task::JoinSet;

use super::queue::{Queue, Task, commands};
use crate::agent::message::{Entered, Whose};
use crate::agent::snapshot::VrState;
use crate::config::model::UserName;
use crate::probe::command::{Ending, Job, Launcher};

/// Commands that run at once, over all instances and groups.
pub const MOST: usize = 64;

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whose it was.
    pub whose: Whose,
    /// The name of the instance or group.
    pub name: Arc<str>,
    /// The state that it was told of.
    pub state: VrState,
    /// The agent leaves.
    pub leaving: bool,
    /// The program.
    pub command: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, up to its limit.
    pub took: Duration,
    /// The first lines that it wrote.
    pub output: Vec<String>,
    /// States of the same subject that were not told since the last command, because a newer one came.
    pub skipped: u32,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exit(i32),
    /// It ended otherwise, in words: "killed by SIGSEGV".
    Otherwise(String),
    /// It ran longer than this and was ended.
    Limit(Duration),
    /// It was not run, and why.
    Refused(String),
    /// It was not run: a newer state came while an earlier command still ran.
    Superseded,
    /// It was ended or not run: the agent left.
    Left,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Exit(status) => write!(f, "exit status {status}"),
            Outcome::Otherwise(text) | Outcome::Refused(text) => f.write_str(text),
            Outcome::Limit(limit) => write!(f, "ended after {limit:?}, its time limit"),
            Outcome::Superseded => f.write_str("not run: a newer state came first"),
            Outcome::Left => f.write_str("not run to its end: the agent left"),
        }
    }
}

/// Runs commands as states are entered.
pub struct Notifier(Rc<Inner>);

struct Inner {
    state: RefCell<State>,
    /// Told when nothing runs and nothing waits any more.
    idle: Signal,
    launcher: Launcher,
    tell: Box<dyn Fn(Done)>,
}

struct State {
    queue: Queue,
    tasks: JoinSet<()>,
}

impl Notifier {
    /// `script_user` runs the commands where the process may become somebody else; `tell` hears what became of each.
    pub fn new(script_user: UserName, tell: impl Fn(Done) + 'static) -> Self {
        let state = RefCell::new(State { queue: Queue::new(MOST), tasks: JoinSet::new() });
        let (idle, launcher) = (Signal::new(), Launcher::new(script_user));
        Notifier(Rc::new(Inner { state, idle, launcher, tell: Box::new(tell) }))
    }

    /// A state was entered: runs what is to be run for it, now or when its turn comes. Must be called on the thread of a
    /// [`tokio::task::LocalSet`].
    pub fn enter(&self, entered: Entered) {
        let skipped = self.0.state.borrow_mut().queue.push(entered);
        if let Some(skipped) = skipped {
            self.0.not_run(&skipped, &Outcome::Superseded);
        }
        pump(&self.0);
    }

    /// Waits until everything has been told, `limit` at most; then ends what still runs.
    pub async fn finish(&self, limit: Duration) {
        let all = async {
            while !self.0.state.borrow().queue.is_idle() {
                self.0.idle.notified().await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_ok() {
            return;
        }
        let given_up = {
            let mut state = self.0.state.borrow_mut();
            // Ends them: to drop a run kills it.
            state.tasks.abort_all();
            state.queue.give_up()
        };
        for entered in given_up {
            self.0.not_run(&entered, &Outcome::Left);
        }
        // A moment for them to be gone.
        let mut tasks = std::mem::take(&mut self.0.state.borrow_mut().tasks);
        while tasks.join_next().await.is_some() {}
        tokio::task::yield_now().await;
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        // The tasks hold what holds them.
        self.0.state.borrow_mut().tasks.abort_all();
    }
}

/// Starts what is to be started.
fn pump(inner: &Rc<Inner>) {
    loop {
        let Some(task) = inner.state.borrow_mut().queue.take() else { break };
        let running = run(Rc::clone(inner), task);
        inner.state.borrow_mut().tasks.spawn_local(running);
    }
    let mut state = inner.state.borrow_mut();
    while state.tasks.try_join_next().is_some() {}
    if state.queue.is_idle() {
        inner.idle.notify_one();
    }
}

/// Tells that the agent left, unless it was told something better.
struct Promise {
    inner: Rc<Inner>,
    done: Option<Done>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            (self.inner.tell)(done);
        }
    }
}

async fn run(inner: Rc<Inner>, task: Task) {
    let limit = task.entered.hooks.as_ref().map_or(Duration::ZERO, |hooks| hooks.notify.timeout);
    let done =
        Done { skipped: task.skipped, ..told(&task.entered, task.command.program.clone(), Outcome::Left) };
    let mut promise = Promise { inner: Rc::clone(&inner), done: Some(done) };
    let mut run = inner.launcher.begin(job(&task, limit));
    let ended = run.ended().await;
    if let (Some(done), Some(ended)) = (&mut promise.done, ended) {
        done.outcome = match ended.ending {
            Ending::Exit(status) => Outcome::Exit(status),
            Ending::Otherwise(text) => Outcome::Otherwise(text),
            Ending::Limit => Outcome::Limit(limit),
            Ending::Refused(text) => Outcome::Refused(text),
        };
        done.output = ended.output;
        done.took = ended.took;
    }
    drop(promise);
    // The next command of this subject does not begin before this one is gone.
    run.gone().await;
    inner.state.borrow_mut().queue.done(&task.subject());
    pump(&inner);
}

impl Inner {
    fn not_run(&self, entered: &Entered, outcome: &Outcome) {
        for command in commands(entered) {
            (self.tell)(told(entered, command.program, outcome.clone()));
        }
    }
}

fn told(entered: &Entered, command: PathBuf, outcome: Outcome) -> Done {
    Done {
        whose: entered.whose,
        name: Arc::clone(&entered.name),
        state: entered.state,
        leaving: entered.leaving,
        command,
        outcome,
        took: Duration::ZERO,
        output: Vec::new(),
        skipped: 0,
    }
}

/// The command with what it is told: see NOTIFY TABLE in failover.toml(5).
fn job(task: &Task, limit: Duration) -> Job {
    let entered = &task.entered;
    let state = if entered.leaving { "STOP".to_owned() } else { entered.state.to_string() };
    let priority = entered.priority.to_string();
    let name = entered.name.to_string();
    let variable = |name: &str, value: &str| (format!("FAILOVER_{name}"), value.to_owned());
    Job {
        command: task.command.clone(),
        arguments: vec![entered.whose.word().to_owned(), name.clone(), state.clone(), priority.clone()],
        environment: vec![
            variable(entered.whose.word(), &name),
            variable("STATE", &state),
            variable("PREVIOUS_STATE", &entered.previous.to_string()),
            variable("PRIORITY", &priority),
            variable("REASON", &entered.reason.replace('\0', " ")),
        ],
        user: None,
        limit,
        sweep: false,
    }
}
