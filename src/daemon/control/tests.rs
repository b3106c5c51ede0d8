//! The runtime directory and its socket, for real, in a directory of the test's own.

use std::io::Read;

use super::*;
use crate::agent::outlook::Outlook;
use crate::agent::snapshot::{AgentCounters, Snapshot};
use crate::daemon::records::Drains;
use crate::daemon::supervisor::Supervisor;

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Directory(std::env::temp_dir().join(format!("failover-test-{}-{name}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: "1".into(),
        router_id: "lb1".into(),
        configuration: None,
        instances: Vec::new(),
        groups: Vec::new(),
        checks: Vec::new(),
        drained: Vec::new(),
        counters: AgentCounters::default(),
    }
}

#[test]
fn the_directory_is_made_and_taken_by_one_agent_only() {
    let directory = Directory::new("lock");
    let inner = directory.0.join("deeper");
    let claim = Claim::take(&inner).unwrap();
    let second = Claim::take(&inner).err().unwrap();
    assert!(matches!(second, ControlError::AlreadyRunning(_)), "{second}");
    assert!(second.to_string().contains("--runtime-dir"));
    assert!(inner.join(STATUS_SOCKET).exists(), "the one that was refused left the socket alone");
    drop(claim);
    // Dropped without release, as if killed: the socket is stale and is replaced.
    assert!(inner.join(STATUS_SOCKET).exists());
    let claim = Claim::take(&inner).unwrap();
    claim.release();
    assert!(!inner.join(STATUS_SOCKET).exists());
}

#[test]
fn a_pipe_in_place_of_the_lock_is_an_error_and_not_waited_for() {
    let directory = Directory::new("pipe");
    fs::create_dir(&directory.0).unwrap();
    let lock = directory.0.join(LOCK);
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let refused = || Claim::take(&directory.0).err().unwrap().to_string();
    let alone = refused();
    assert!(alone.contains(&format!("{}: it is no file", lock.display())), "{alone}");
    let _reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&lock).unwrap();
    assert_eq!(refused(), alone, "also with somebody at the other end");
}

const WEB: &str =
    "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.1/24\"]\n";

/// A claim that answers, an engine that only does what it must, and the configuration's path.
fn served(directory: &Directory) -> (Claim, Arc<Queue<Query>>, thread::JoinHandle<usize>, PathBuf) {
    let claim = Claim::take(&directory.0).unwrap();
    let path = directory.0.join("failover.toml");
    fs::write(&path, WEB).unwrap();
    let loaded = crate::config::load(&path, crate::config::Purpose::Run).unwrap();
    let queries = Arc::new(Queue::new(8));
    let (waker, log) = (Waker::new().unwrap(), crate::daemon::log::start().unwrap());
    let drains = Drains::new(directory.0.clone());
    let reloader = Reloader::new(
        path.clone(),
        &loaded,
        "lb1".into(),
        Arc::clone(&queries),
        waker.clone(),
        (log.clone(), drains, Supervisor::default(), Arc::default()),
    );
    let services = Services::new(waker.clone(), log.clone());
    let asked = Asked { queries: Arc::clone(&queries), waker, services };
    claim.serve(None, &Arc::new(reloader), asked, &log).unwrap();
    let engine = {
        let queries = Arc::clone(&queries);
        thread::spawn(move || {
            let (mut taken, mut reloads) = (Vec::new(), 0);
            while queries.wait(1, &mut taken) {
                for query in taken.drain(..) {
                    match query {
                        Query::Status(reply) => reply.try_send(snapshot()).unwrap(),
                        Query::Outlook(_, reply) => reply.try_send(Outlook::default()).unwrap(),
                        Query::Reload(config, reply, ticket) => {
                            assert!(ticket.use_up());
                            assert_eq!(config.agent.router_id.as_deref(), Some("lb1"));
                            reloads += 1;
                            reply.try_send(Outlook::default()).unwrap();
                        }
                        Query::Drain { names, force: false, reply, .. } => {
                            assert_eq!(names, ["web"]);
                            reply.try_send(Err("nobody was heard".to_owned())).unwrap();
                        }
                        Query::Drain { names, reply, .. } | Query::Undrain { names, reply, .. } => {
                            let names = names.into_iter().collect();
                            reply.try_send(Ok((names, Duration::from_millis(1609)))).unwrap();
                        }
                    }
                }
            }
            reloads
        })
    };
    (claim, queries, engine, path)
}

fn ask(directory: &Directory, socket: &str, line: &str) -> String {
    let mut text = String::new();
    let mut stream = UnixStream::connect(directory.0.join(socket)).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn whoever_connects_gets_the_state_and_nothing_else() {
    let directory = Directory::new("serve");
    let (_claim, queries, engine, path) = served(&directory);
    for _ in 0..20 {
        let text = ask(&directory, STATUS_SOCKET, "");
        let told: Snapshot = serde_json::from_str(&text).unwrap();
        let configuration = told.configuration.clone().unwrap();
        assert_eq!(configuration.file, path.display().to_string());
        assert_eq!((configuration.sha256.len(), configuration.last_reload), (64, None));
        assert_eq!(Snapshot { configuration: None, ..told }, snapshot());
        assert!(text.ends_with('\n'));
    }
    queries.close();
    assert_eq!(engine.join().unwrap(), 0);
}

#[test]
fn requests_are_answered_and_only_a_valid_configuration_reaches_the_engine() {
    let directory = Directory::new("request");
    let (_claim, queries, engine, path) = served(&directory);
    let request = |request: &Request| -> Answer {
        let line = serde_json::to_string(request).unwrap() + "\n";
        serde_json::from_str(&ask(&directory, CONTROL_SOCKET, &line)).unwrap()
    };
    let reload = Request::Reload { color: false };
    let status = || -> Snapshot { serde_json::from_str(&ask(&directory, STATUS_SOCKET, "")).unwrap() };
    assert!(matches!(request(&reload), Answer::Applied { .. }));
    let before = status().configuration.unwrap();
    assert!(before.last_reload.unwrap().applied);

    fs::write(&path, format!("{WEB}prioritty = 1\n")).unwrap();
    for asked in [reload.clone(), Request::Plan { file: None, color: false }] {
        let Answer::Invalid { diagnostics } = request(&asked) else { panic!("it is not valid") };
        assert!(diagnostics.contains("did you mean `priority`?"), "{diagnostics}");
    }
    let after = status().configuration.unwrap();
    assert_eq!((after.sha256, after.loaded_at), (before.sha256, before.loaded_at));
    assert!(!after.last_reload.unwrap().applied);

    // As a writer leaves it for a moment.
    fs::write(&path, "").unwrap();
    let Answer::Failed { why } = request(&reload) else { panic!("it has no instance") };
    assert!(why.contains("has no instance any more") && why.ends_with("nothing changed"), "{why}");

    let other = directory.0.join("other.toml");
    fs::write(&other, WEB).unwrap();
    assert!(matches!(request(&Request::Plan { file: Some(other), color: false }), Answer::Planned { .. }));
    let nonsense: Answer = serde_json::from_str(&ask(&directory, CONTROL_SOCKET, "{}\n")).unwrap();
    assert!(matches!(nonsense, Answer::Failed { .. }));
    let mode = |name: &str| fs::metadata(directory.0.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(STATUS_SOCKET), mode(CONTROL_SOCKET)), (0o666, 0o600));
    queries.close();
    assert_eq!(engine.join().unwrap(), 1);
}

#[test]
fn a_request_that_comes_byte_by_byte_has_the_same_time_limit() {
    let directory = Directory::new("drip");
    let (_claim, queries, engine, _path) = served(&directory);
    let mut stream = UnixStream::connect(directory.0.join(CONTROL_SOCKET)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let begun = clock::now();
    while clock::now().since(begun) < 2 * LIMIT {
        let sent = stream.write_all(b" ");
        // Half a second at most, in which nothing is to be read.
        if sent.is_err() || stream.read(&mut [0]).is_ok_and(|count| count == 0) {
            break;
        }
    }
    assert!(clock::now().since(begun) < LIMIT + Duration::from_secs(2));
    queries.close();
    assert_eq!(engine.join().unwrap(), 0);
}

#[test]
fn drains_are_asked_for_refused_and_undone() {
    let directory = Directory::new("drain");
    let (_claim, queries, engine, _) = served(&directory);
    let request = |asked: &Request| -> Answer {
        let line = serde_json::to_string(asked).unwrap() + "\n";
        serde_json::from_str(&ask(&directory, CONTROL_SOCKET, &line)).unwrap()
    };
    let names = vec!["web".to_owned()];
    let refused = request(&Request::Drain { names: names.clone(), force: false });
    assert_eq!(refused, Answer::Refused { why: "nobody was heard".to_owned() });
    let drained = Answer::Drained { instances: names.clone(), limit_ms: 1609, note: None };
    assert_eq!(request(&Request::Drain { names: names.clone(), force: true }), drained);
    let undrained = Answer::Undrained { instances: names.clone(), note: None };
    assert_eq!(request(&Request::Undrain { names }), undrained);
    queries.close();
    engine.join().unwrap();
}
