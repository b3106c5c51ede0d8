//! `failover demo`, as people run it: as root, without root, where namespaces are forbidden, interrupted and killed.
//!
//! Each run has a temporary directory of its own, whose name is on the command line of everything that the demo starts:
//! so what is left can be told from what others run. Needs root, like all network tests.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "a test of the real thing reads the clock and polls")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest that a demo may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Longest that anything of it may be there after its end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Somebody without any rights.
const NOBODY: [&str; 6] =
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"];

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A place for one run of the demo: a temporary directory, and the program where anybody may run it.
struct Stage {
    directory: PathBuf,
    temporary: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("failover-test-demo-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let temporary = directory.join("tmp");
        fs::create_dir_all(&temporary).unwrap();
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(&directory, 0o755);
        open(&temporary, 0o1777);
        install(Path::new(env!("CARGO_BIN_EXE_failover")), &directory.join("failover"));
        Stage { directory, temporary }
    }

    /// The demo, behind the words of `prefix`.
    fn command(&self, prefix: &[&str]) -> Command {
        let mut words: Vec<String> = prefix.iter().map(|word| (*word).to_owned()).collect();
        words.push(self.directory.join("failover").to_str().unwrap().to_owned());
        words.push("demo".to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("TMPDIR", &self.temporary).env("TERM", "xterm").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Processes of the demo's hosts and agents.
    fn processes(&self) -> Vec<String> {
        let marker = self.temporary.to_str().unwrap().to_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&marker) {
                found.push(format!("{}: {line}", entry.file_name().display()));
            }
        }
        found
    }

    fn assert_no_process(&self) {
        let end = Instant::now() + FAREWELL;
        while !self.processes().is_empty() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(self.processes(), Vec::<String>::new(), "left over");
    }

    /// Nothing is left right at the end, as [`Stage::assert_no_process`] would wait for: neither process nor file.
    fn assert_clean(&self) {
        assert_eq!(self.processes(), Vec::<String>::new(), "left over");
        let files: Vec<_> =
            fs::read_dir(&self.temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, Vec::<PathBuf>::new(), "left over");
        for name in ["switch", "alpha", "beta", "client"] {
            assert!(
                !Path::new("/sys/class/net").join(name).exists(),
                "{name} is in the machine's own network"
            );
        }
    }
}

/// Copies a program by a process of its own: a file that this one has open for writing is open in every child that another
/// test starts at that moment, too, and cannot be run meanwhile.
fn install(program: &Path, to: &Path) {
    let done = Command::new("install").args(["-m", "755"]).args([program, to]).status().unwrap();
    assert!(done.success(), "cannot copy the program");
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Runs it to its end: exit code, standard output, standard error, time.
fn run(mut command: Command) -> (Option<i32>, String, String, Duration) {
    let start = Instant::now();
    let output = command.output().unwrap();
    let taken = start.elapsed();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (answer, complaint) = (text(output.stdout), text(output.stderr));
    print_both(&answer, &complaint);
    (output.status.code(), answer, complaint, taken)
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn print_both(answer: &str, complaint: &str) {
    println!("{answer}\n{complaint}");
}

/// The measured outage in milliseconds, and the lost requests, of the summary's line that begins with `what`.
fn measured(answer: &str, what: &str) -> (f64, u64) {
    let line = answer.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("no {what}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words[1], words[3]), ("ms", "of"), "{line}");
    (words[0].parse().unwrap(), words[2].parse().unwrap())
}

/// What every demo that works says. The bounds leave room for a busy machine, not for a move that did not happen.
fn assert_both_moves(answer: &str) {
    for line in ["MASTER: ", "gets no answer any more", "is answered by beta", "is answered by alpha"] {
        assert!(answer.contains(line), "{line}");
    }
    assert!(answer.contains("addresses = [\"192.0.2.100/24\"]"), "the configuration is not shown");
    assert!(!answer.contains('\x1b'), "colour, and no terminal");
    let (crash, lost) = measured(answer, "crash of the holder");
    assert!((250.0..2000.0).contains(&crash), "{crash}");
    assert!(lost >= 50, "{lost}");
    let (handover, lost) = measured(answer, "graceful hand-over");
    assert!((0.1..crash).contains(&handover), "{handover}");
    assert!(lost < 1000, "{lost}");
}

#[test]
fn as_root_it_shows_both_moves_and_leaves_nothing() {
    let stage = Stage::new();
    let (code, answer, complaint, taken) = run(stage.command(&[]));
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(taken < LIMIT, "{taken:?}");
    assert_both_moves(&answer);
    stage.assert_clean();
}

/// Whether who runs behind the words of `prefix` may make user namespaces: nobody may in a chroot.
fn may_make_user_namespaces(prefix: &[&str]) -> bool {
    let words = [prefix, &["unshare", "--user", "--map-root-user", "--net", "true"]].concat();
    Command::new(words[0]).args(&words[1..]).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn without_root_it_shows_both_moves_or_says_what_forbids_them() {
    let allowed = may_make_user_namespaces(&NOBODY);
    let stage = Stage::new();
    let (code, answer, complaint, taken) = run(stage.command(&NOBODY));
    assert!(taken < LIMIT, "{taken:?}");
    if allowed {
        assert_eq!((code, complaint.as_str()), (Some(0), ""));
        assert_both_moves(&answer);
    } else {
        assert_eq!(code, Some(1));
        assert!(complaint.contains("namespace") && complaint.contains("as root"), "{complaint}");
    }
    stage.assert_clean();
}

#[test]
fn where_namespaces_are_forbidden_it_says_so_and_what_to_do() {
    const POWERLESS: &str = "setpriv --bounding-set=-all --";
    let forbidden = |script: &str, prefix: &[&str], advice: &str| {
        let stage = Stage::new();
        let (code, answer, complaint, _) =
            run(stage.command(&[prefix, &["sh", "-c", script, "sh"]].concat()));
        assert_eq!((code, answer.as_str()), (Some(1), ""));
        assert!(complaint.contains("this system forbids them"), "{complaint}");
        assert!(complaint.contains(advice), "{complaint}");
        stage.assert_clean();
    };
    if !may_make_user_namespaces(&[]) {
        return forbidden(&format!("exec {POWERLESS} \"$@\""), &[], "--cap-add");
    }
    // The limits are those of a user namespace that the test makes: the machine's own stay as they are.
    for (limit, drop) in [("max_net_namespaces", ""), ("max_user_namespaces", POWERLESS)] {
        let script = format!("echo 0 > /proc/sys/user/{limit} && exec {drop} \"$@\"");
        let advice = format!("user.{limit} is 0");
        forbidden(&script, &["unshare", "--user", "--map-root-user"], &advice);
    }
}

/// A demo that has come as far as a line that contains `sign`.
fn running(stage: &Stage, sign: &str) -> (Child, BufReader<impl Read + use<>>) {
    let mut demo = stage.command(&[]).spawn().unwrap();
    let mut answer = BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(sign) {
        line.clear();
        assert!(answer.read_line(&mut line).unwrap() > 0, "it ended before {sign}");
    }
    assert!(stage.processes().len() >= 2, "{:?}", stage.processes());
    (demo, answer)
}

fn send(demo: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(demo.id()).unwrap()), signal).unwrap();
}

#[test]
fn interrupted_it_takes_everything_away() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let stage = Stage::new();
        let (mut demo, mut answer) = running(&stage, "is answered by alpha");
        let start = Instant::now();
        send(&demo, signal);
        assert_eq!(demo.wait().unwrap().code(), Some(1));
        assert!(start.elapsed() < FAREWELL, "{:?}", start.elapsed());
        stage.assert_clean();
        let mut rest = String::new();
        demo.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        assert!(rest.contains("interrupted"), "{rest}");
        answer.read_to_string(&mut rest).unwrap();
    }
}

#[test]
fn killed_it_takes_all_its_processes_along() {
    let stage = Stage::new();
    let (mut demo, _answer) = running(&stage, "is answered by beta");
    send(&demo, Signal::SIGKILL);
    demo.wait().unwrap();
    stage.assert_no_process();
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let stage = Stage::new();
    let (mut demo, answer) = running(&stage, "is answered by alpha");
    drop(answer);
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    stage.assert_clean();
}
