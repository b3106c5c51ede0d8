//! A thousand checks over the network in one process, again and again: nothing is left behind, whatever became of them.
//!
//! Alone in its process, because it counts descriptors and threads.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use failover::config;
use failover::health::outcome::Finding;
use failover::probe::{Runner, Shared};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Checks of each kind.
const EACH: usize = 170;
/// Runs that are measured.
const RUNS: u32 = 2000;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Memory of this process in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Answers HTTP on the first port, and is silent on the second; on a thread of its own.
fn serve() -> (u16, u16) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let talks = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send((talks.local_addr().unwrap().port(), silent.local_addr().unwrap().port())).unwrap();
            loop {
                let (mut stream, talks) = tokio::select! {
                    accepted = talks.accept() => (accepted.unwrap().0, true),
                    accepted = silent.accept() => (accepted.unwrap().0, false),
                };
                tokio::spawn(async move {
                    let mut asked = [0; 1024];
                    while stream.read(&mut asked).await.is_ok_and(|length| length > 0) {
                        if talks && stream.write_all(ANSWER).await.is_ok() {
                            break;
                        }
                    }
                });
            }
        });
    });
    receiver.recv().unwrap()
}

/// The checks, by name, that the tables in `text` describe.
fn runners(text: &str) -> BTreeMap<String, Runner> {
    let mut none = |_: &str| Err(config::SecretProblem::new("none"));
    let instance =
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.100/24\"]\n";
    let checks = config::parse_with(&format!("{text}\n{instance}"), "test", &mut none).unwrap().config.checks;
    let before = memory();
    let shared = Rc::new(Shared::new(config::model::UserName::default()));
    let runners: BTreeMap<_, _> =
        checks.iter().map(|(name, check)| (name.clone(), Runner::new(name, check, &shared))).collect();
    println!("{} runners: {} KiB", runners.len(), memory().saturating_sub(before));
    runners
}

/// Runs all at once, and counts the outcomes by kind of check and finding.
async fn round(runners: BTreeMap<String, Runner>) -> (BTreeMap<String, Runner>, BTreeMap<String, usize>) {
    let mut running = Vec::new();
    for (name, mut runner) in runners {
        running.push(tokio::task::spawn_local(async move {
            let outcome = runner.run().await;
            (name, runner, outcome)
        }));
    }
    let (mut runners, mut counts) = (BTreeMap::new(), BTreeMap::new());
    for run in running {
        let (name, runner, outcome) = run.await.unwrap();
        let kind = name.split('-').next().unwrap();
        *counts.entry(format!("{kind} {:?}", outcome.finding)).or_default() += 1;
        runners.insert(name, runner);
    }
    (runners, counts)
}

/// What `RUNS` runs of the one check in `table` cost this thread, in µs each.
async fn cost(table: &str) -> f64 {
    let (_, mut runner) = runners(&format!("[check.x]\ninterval = \"10s\"\n{table}")).pop_first().unwrap();
    let thread_time = || {
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
        f64::from(u32::try_from(time.tv_sec()).unwrap()) * 1e6
            + f64::from(u32::try_from(time.tv_nsec()).unwrap()) / 1e3
    };
    let before = thread_time();
    for number in 0..RUNS {
        if number.is_multiple_of(100) {
            // Lets the server take what waits in its queue.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let outcome = runner.run().await;
        assert_eq!(outcome.finding, Finding::Passed, "{}", outcome.text);
    }
    (thread_time() - before) / f64::from(RUNS)
}

#[test]
fn a_thousand_checks_leave_nothing_behind() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let (talks, silent) = serve();
    let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut text = String::new();
    for number in 0..EACH {
        let mut add = |kind: &str, table: String| {
            let _ = write!(text, "[check.{kind}-{number}]\ninterval = \"10s\"\ntimeout = \"2s\"\n{table}\n");
        };
        let http = |port: u16, scheme: &str| {
            format!("http = {{ url = \"{scheme}://127.0.0.1:{port}/\", body_contains = \"ok\" }}")
        };
        add("http", http(talks, "http"));
        add("silent", http(silent, "http"));
        add("tls", http(talks, "https").replace(" }", ", tls = { verify = false } }"));
        add("tcp", format!("tcp = {{ address = \"127.0.0.1:{talks}\" }}"));
        add("refused", format!("tcp = {{ address = \"127.0.0.1:{refuses}\" }}"));
        add("named", format!("tcp = {{ address = \"localhost:{talks}\" }}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let empty = memory();
        let mut all = runners(&text);
        let expected: BTreeMap<String, usize> =
            ["http Passed", "named Passed", "refused Failed", "silent Failed", "tcp Passed", "tls Failed"]
                .map(|key| (key.to_owned(), EACH))
                .into();
        let mut files = Vec::new();
        for _ in 0..3 {
            let counts;
            (all, counts) = round(all).await;
            assert_eq!(counts, expected);
            // The server hears of the last ends a little later.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            files.push(open_files());
            assert!(threads() < 80, "{} threads", threads());
        }
        println!(
            "after three rounds: {} KiB, open files {files:?}, {} threads",
            memory().saturating_sub(empty),
            threads()
        );
        assert!(files.iter().all(|count| *count == files[0]) && files[0] < 40, "{files:?}");
        let http = cost(&format!("http = {{ url = \"http://127.0.0.1:{talks}/\" }}")).await;
        let tcp = cost(&format!("tcp = {{ address = \"127.0.0.1:{talks}\" }}")).await;
        println!("processor time of a run: HTTP {http:.0} µs, TCP {tcp:.0} µs");
    });
}
