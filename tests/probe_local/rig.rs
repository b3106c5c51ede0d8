//! What the tests have in common: a runtime, checks made by hand, directories that go away.

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use failover::config::model::{CheckConfig, Command, Initial, Probe, ScriptProbe, UserName};
use failover::health::outcome::Outcome;
use failover::probe::{Runner, Shared};

/// Tests that count the descriptors, children and memory of this process run alone.
static COUNTED: RwLock<()> = RwLock::new(());

/// Runs `work` as the services' thread would.
pub(crate) fn on_services<T>(work: impl Future<Output = T>) -> T {
    let _together = COUNTED.read().unwrap_or_else(PoisonError::into_inner);
    run(work)
}

/// The same, while no other test runs.
pub(crate) fn alone<T>(work: impl Future<Output = T>) -> T {
    let _alone = COUNTED.write().unwrap_or_else(PoisonError::into_inner);
    run(async {
        // What a test before has killed at its end takes a moment to die.
        eventually("the children of other tests are dead", || children(|state| state != "Z") == 0).await;
        work.await
    })
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_mins(1), work).await.expect("a test takes no minute")
    })
}

/// What probes share, with `nobody` to run scripts.
pub(crate) fn shared() -> Rc<Shared> {
    Rc::new(Shared::new(UserName("nobody".to_owned())))
}

/// A check of this probe.
pub(crate) fn check(probe: Probe, limit: Duration) -> CheckConfig {
    CheckConfig {
        probe,
        interval: Duration::from_secs(1).max(limit),
        timeout: limit,
        fall: 1,
        rise: 1,
        initial: Initial::Unknown,
        flap: None,
    }
}

/// A script check.
pub(crate) fn script(argv: &[&str], user: Option<&str>) -> ScriptProbe {
    ScriptProbe {
        command: Command {
            program: PathBuf::from(argv[0]),
            arguments: argv[1..].iter().map(|argument| (*argument).to_owned()).collect(),
        },
        user: user.map(|name| UserName(name.to_owned())),
        env: std::collections::BTreeMap::new(),
    }
}

/// The runner of a script check.
pub(crate) fn script_runner(argv: &[&str], limit: Duration, shared: &Rc<Shared>) -> Runner {
    Runner::new("check", &check(Probe::Script(script(argv, None)), limit), shared)
}

/// Runs a command once, as `nobody`, for at most five seconds.
pub(crate) async fn once(argv: &[&str]) -> Outcome {
    script_runner(argv, Duration::from_secs(5), &shared()).run().await
}

/// A directory that everybody may enter, and that goes away.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("failover-probe-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory for the test");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Directory(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file with this mode; its path as text.
    pub(crate) fn file(&self, name: &str, content: &str, mode: u32) -> String {
        let path = self.0.join(name);
        let draft = self.0.join(format!("{name}.draft"));
        fs::write(&draft, content).unwrap();
        copy(&draft, &path);
        fs::remove_file(draft).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a program, in a process of its own: a child that another test forks just now would keep a file of ours open for
/// writing, and such a file cannot be executed.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

/// Whether a process with this word among its arguments runs (is there, and no zombie).
pub(crate) fn runs(word: &str) -> usize {
    let mut found = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if cmdline.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()) {
            found += 1;
        }
    }
    found
}

/// Waits until `fact` holds; fails the test after ten seconds.
pub(crate) async fn eventually(what: &str, mut fact: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if fact() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within ten seconds");
}

/// Children of this process that have ended and that nobody waited for.
pub(crate) fn zombies() -> usize {
    children(|state| state == "Z")
}

/// Children of this process in such a state.
fn children(right: impl Fn(&str) -> bool) -> usize {
    let own = std::process::id().to_string();
    let mut found = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, parent) = (fields.next(), fields.next());
        if parent == Some(&own) && state.is_some_and(&right) {
            found += 1;
        }
    }
    found
}

/// Descriptors of this process.
pub(crate) fn descriptors() -> usize {
    fs::read_dir(Path::new("/proc/self/fd")).unwrap().count()
}
