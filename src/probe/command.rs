//! Runs commands: who runs one, with what around it, for how long, and what became of it.
//!
//! Owns a run from before the process is there until its group is gone: a task of its own, so that whoever waits for the
//! outcome hears of the time limit at the limit, and not when the process has given in. To drop a [`Run`] kills the group
//! at once. What can block (the user database, the path of the program, starting it) is done on the runtime's threads for
//! that, so many at once as [`STARTING`]. Never a shell. Cannot fail: a command that cannot be run is an outcome with its
//! reason.
//!
//! Limits: a process that begins a session or a process group of its own leaves the group and is not ended with it. Only
//! a control group holds such a one, and a service has one: systemd ends everything in it when the service stops.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::lines::Lines;
use crate::config::model::{Command, UserName};
use crate::os::child::{self, Child, Program, Started};
use crate::os::user::{self, Account};
use crate::os::{Readable, clock, trust};

/// Commands that are being started at once; others wait.
pub const STARTING: usize = 16;
/// How long what was told to end has for that before it is killed.
pub const GRACE: Duration = Duration::from_secs(1);
/// How long the rest of the output is waited for when the process has ended, while somebody still holds the pipe.
const REST: Duration = Duration::from_millis(20);
/// Bytes of output read at once.
const PIECE: usize = 16 << 10;
/// Where programs that a command starts are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// What.
    pub command: Command,
    /// Arguments after its own.
    pub arguments: Vec<String>,
    /// Its environment, besides what is always set; what comes later replaces what was before.
    pub environment: Vec<(String, String)>,
    /// Who is to run it, if that was said.
    pub user: Option<UserName>,
    /// How long it may take.
    pub limit: Duration,
    /// Whether what it left running is ended with it.
    pub sweep: bool,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exit(i32),
    /// It ended otherwise, in words: "killed by SIGSEGV".
    Otherwise(String),
    /// It was still running at the time limit; it is being ended.
    Limit,
    /// It was not run, and why.
    Refused(String),
}

/// A run as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// The first lines that it wrote.
    pub output: Vec<String>,
    /// How long it took, up to the limit.
    pub took: Duration,
}

/// Starts runs.
#[derive(Clone, Debug)]
pub struct Launcher {
    starting: Arc<Semaphore>,
    script_user: UserName,
}

/// A run that was begun. To drop it kills what it started.
#[derive(Debug)]
pub struct Run {
    ended: Option<oneshot::Receiver<Ended>>,
    task: JoinHandle<()>,
    _keep: oneshot::Sender<()>,
}

impl Launcher {
    /// `script_user` runs what names nobody, where the process may become somebody else.
    #[must_use]
    pub fn new(script_user: UserName) -> Self {
        Launcher { starting: Arc::new(Semaphore::new(STARTING)), script_user }
    }

    /// Begins a run. Must be called inside of a runtime.
    #[must_use]
    pub fn begin(&self, job: Job) -> Run {
        let (tell, ended) = oneshot::channel();
        let (keep, kept) = oneshot::channel();
        let supervised = supervise(self.clone(), job, tell, kept);
        Run { ended: Some(ended), task: tokio::spawn(supervised), _keep: keep }
    }
}

impl Run {
    /// What became of it: at its end, or at the time limit while it is still being ended. Asked again, it says nothing.
    pub async fn ended(&mut self) -> Option<Ended> {
        let ended = self.ended.as_mut()?.await.ok();
        self.ended = None;
        ended
    }

    /// Waits until everything that it started is gone, as far as it is ended with the command.
    pub async fn gone(&mut self) {
        if !self.task.is_finished() {
            // Fails only if the task panicked, and then it is gone, too.
            let _ = (&mut self.task).await;
        }
    }

    /// Whether everything that it started is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.task.is_finished()
    }
}

/// Tells what became of a run, once.
struct Told {
    tell: Option<oneshot::Sender<Ended>>,
    began: crate::time::Instant,
}

impl Told {
    fn tell(&mut self, ending: Ending, output: Vec<String>) {
        if let Some(tell) = self.tell.take() {
            // Fails when nobody wants to know any more.
            let _ = tell.send(Ended { ending, output, took: clock::now().since(self.began) });
        }
    }
}

async fn supervise(
    launcher: Launcher,
    job: Job,
    tell: oneshot::Sender<Ended>,
    mut kept: oneshot::Receiver<()>,
) {
    let mut told = Told { tell: Some(tell), began: clock::now() };
    let limit = tokio::time::sleep(job.limit);
    tokio::pin!(limit);
    let permit = tokio::select! {
        permit = launcher.starting.acquire() => permit,
        () = &mut limit => {
            let busy = "not started within the time limit: other commands are still being started, which means that \
                        their programs or the user database do not answer";
            return told.tell(Ending::Refused(busy.to_owned()), Vec::new());
        }
        _ = &mut kept => return,
    };
    let (sweep, script_user) = (job.sweep, launcher.script_user.clone());
    let mut starting = tokio::task::spawn_blocking(move || start(&job, &script_user));
    let started = tokio::select! {
        started = &mut starting => started,
        () = &mut limit => {
            told.tell(Ending::Limit, Vec::new());
            starting.await
        }
        _ = &mut kept => {
            told.tell = None;
            starting.await
        }
    };
    drop(permit);
    match started {
        Ok(Ok(started)) => match Process::watch(started) {
            Ok(mut process) => {
                if told.tell.is_some() {
                    process.attend(&mut told, sweep, limit, kept).await;
                }
                process.end().await;
            }
            Err(error) => {
                told.tell(Ending::Refused(format!("cannot watch the command: {error}")), Vec::new());
            }
        },
        Ok(Err(reason)) => told.tell(Ending::Refused(reason), Vec::new()),
        Err(_) => told.tell(Ending::Refused("the thread that starts commands ended".to_owned()), Vec::new()),
    }
}

impl Process {
    fn watch(started: Started) -> std::io::Result<Self> {
        let ended = Readable::new(started.ended)?;
        let output = Some(Receiver::from_owned_fd(started.output)?);
        Ok(Process { child: started.child, ended, output, lines: Lines::default() })
    }
}

struct Process {
    child: Child,
    ended: Readable,
    /// None once everybody has closed it.
    output: Option<Receiver>,
    lines: Lines,
}

impl Process {
    /// Waits for the end, of the process or of the time, and tells it.
    async fn attend(
        &mut self,
        told: &mut Told,
        sweep: bool,
        mut limit: std::pin::Pin<&mut tokio::time::Sleep>,
        mut kept: oneshot::Receiver<()>,
    ) {
        tokio::select! {
            () = self.exited() => {
                if sweep {
                    self.child.signal(Signal::SIGKILL);
                }
                let _ = tokio::time::timeout(REST, self.read_all()).await;
                let output = std::mem::take(&mut self.lines).finish();
                match self.child.reap() {
                    Some(status) => match status.code() {
                        Some(code) => told.tell(Ending::Exit(code), output),
                        None => told.tell(Ending::Otherwise(child::ending(status)), output),
                    },
                    None => told.tell(Ending::Otherwise("ended, and nobody knows how".to_owned()), output),
                }
            }
            () = &mut limit => {
                told.tell(Ending::Limit, std::mem::take(&mut self.lines).finish());
                self.child.signal(Signal::SIGTERM);
                tokio::select! {
                    _ = tokio::time::timeout(GRACE, self.all_gone()) => {}
                    _ = &mut kept => {}
                }
            }
            _ = &mut kept => {}
        }
    }

    /// Kills what is left, and waits until the process is gone.
    async fn end(mut self) {
        self.child.signal(Signal::SIGKILL);
        while self.child.reap().is_none() {
            if let Ok(mut ready) = self.ended.ready().await {
                ready.clear_ready();
            }
        }
    }

    /// Waits until the process has ended; reads its output meanwhile.
    async fn exited(&mut self) {
        loop {
            let Some(output) = &mut self.output else {
                let _ = self.ended.ready().await;
                return;
            };
            tokio::select! {
                biased;
                _ = self.ended.ready() => return,
                _ = output.readable() => self.read(),
            }
            // Who writes without end must not keep the thread.
            tokio::task::yield_now().await;
        }
    }

    /// Reads until everybody has closed the pipe.
    async fn read_all(&mut self) {
        while let Some(output) = &mut self.output {
            let _ = output.readable().await;
            self.read();
            tokio::task::yield_now().await;
        }
    }

    /// Reads once, if there is something. The buffer is not kept: many runs wait for long.
    fn read(&mut self) {
        let Some(output) = &self.output else { return };
        let mut piece = [0; PIECE];
        match output.try_read(&mut piece) {
            Ok(0) => self.output = None,
            Ok(length) => self.lines.push(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.output = None,
        }
    }

    /// Waits until the process has ended and nobody writes any more: those that it started have ended too, as far as
    /// that can be seen.
    async fn all_gone(&mut self) {
        self.exited().await;
        self.read_all().await;
    }
}

/// Finds out who runs it, and starts it. Blocks.
fn start(job: &Job, script_user: &UserName) -> Result<Started, String> {
    let path = &job.command.program;
    let user = if user::is_root() {
        let account = other(job.user.as_ref(), script_user)?;
        if account.uid.is_root() {
            trust::only_root_can_change(path).map_err(|why| {
                format!("{} is not run as root: {why}, so that others decide what it does", path.display())
            })?;
        }
        Some(account)
    } else {
        if let Some(wanted) = &job.user {
            is_own(wanted)?;
        }
        None
    };
    let unprivileged = user.as_ref().is_none_or(|account| !account.uid.is_root());
    let around = surroundings(&user.clone().unwrap_or_else(user::own), &job.environment);
    let arguments = job.command.arguments.iter().chain(&job.arguments).cloned().collect();
    child::start(&Program { path: path.clone(), arguments, environment: around, user, unprivileged })
}

/// Who runs it where the process may become anybody.
fn other(wanted: Option<&UserName>, script_user: &UserName) -> Result<Account, String> {
    let name = wanted.unwrap_or(script_user).as_str();
    let said = if wanted.is_some() { "set another user in the check" } else { "set agent.script_user" };
    match user::named(name)? {
        None => Err(format!(
            "user {name} does not exist: create it (useradd --system --shell /usr/sbin/nologin {name}) or {said}"
        )),
        Some(account) if account.uid.is_root() && wanted.is_none() => {
            Err(format!("user {name} is root by its number, and agent.script_user cannot be root"))
        }
        Some(account) => Ok(account),
    }
}

/// Whether it is the process's own user, where it cannot become another.
fn is_own(wanted: &UserName) -> Result<(), String> {
    let own = user::own();
    let name = wanted.as_str();
    if own.name == name || user::named(name)?.is_some_and(|account| account.uid == own.uid) {
        return Ok(());
    }
    let whom = if own.name.is_empty() { own.uid.to_string() } else { own.name };
    Err(format!(
        "cannot run it as user {name}: the agent is user {whom} and may not change that; leave user out, or let systemd \
         run it as whom it likes (units)"
    ))
}

/// The whole environment.
fn surroundings(account: &Account, more: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = std::collections::BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("LANG".to_owned(), "C".to_owned()),
        ("HOME".to_owned(), account.home.clone()),
    ]);
    if !account.name.is_empty() {
        all.insert("USER".to_owned(), account.name.clone());
        all.insert("LOGNAME".to_owned(), account.name.clone());
    }
    all.extend(more.iter().cloned());
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName(name.to_owned())
    }

    #[test]
    fn who_runs_it_must_exist_and_is_never_root_by_default() {
        let missing = other(None, &UserName::default()).unwrap_err();
        assert_eq!(
            missing,
            "user failover-script does not exist: create it (useradd --system --shell /usr/sbin/nologin \
             failover-script) or set agent.script_user"
        );
        assert!(other(Some(&user("no-such-user")), &user("nobody")).unwrap_err().contains("in the check"));
        assert_eq!(other(None, &user("nobody")).unwrap().name, "nobody");
        assert!(other(Some(&user("root")), &user("nobody")).unwrap().uid.is_root());
        assert!(other(None, &user("root")).unwrap_err().contains("cannot be root"));
    }

    #[test]
    fn the_own_user_may_be_named_and_no_other() {
        let own = user::own();
        assert_eq!(is_own(&user(&own.name)), Ok(()));
        let error = is_own(&user("no-such-user")).unwrap_err();
        assert!(error.contains("may not change that") && error.contains("units"), "{error}");
    }

    #[test]
    fn the_environment_is_ours_and_the_checks() {
        let account = Account { name: "web".into(), home: "/srv".into(), ..user::own() };
        let more = [("LANG".to_owned(), "de_DE.UTF-8".to_owned()), ("X".to_owned(), "1".to_owned())];
        let names: Vec<String> = surroundings(&account, &more)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            names,
            ["HOME=/srv", "LANG=de_DE.UTF-8", "LOGNAME=web", &format!("PATH={PATH}"), "USER=web", "X=1"]
        );
        let nameless = Account { name: String::new(), ..account };
        assert_eq!(surroundings(&nameless, &[]).len(), 3);
    }
}
