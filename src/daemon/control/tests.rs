//! The runtime directory and its socket, for real, in a directory of the test's own.

use std::io::Read;

use super::*;
use crate::agent::snapshot::{AgentCounters, Snapshot};

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
        instances: Vec::new(),
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
    assert!(inner.join(SOCKET).exists(), "the one that was refused left the socket alone");
    drop(claim);
    // Dropped without release, as if killed: the socket is stale and is replaced.
    assert!(inner.join(SOCKET).exists());
    let claim = Claim::take(&inner).unwrap();
    claim.release();
    assert!(!inner.join(SOCKET).exists());
}

#[test]
fn whoever_connects_gets_the_state_and_nothing_else() {
    let directory = Directory::new("serve");
    let claim = Claim::take(&directory.0).unwrap();
    let queries = Arc::new(Queue::new(8));
    let waker = Waker::new().unwrap();
    let log = crate::daemon::log::start().unwrap();
    claim.serve(None, Arc::clone(&queries), waker, log).unwrap();
    let engine = {
        let queries = Arc::clone(&queries);
        thread::spawn(move || {
            let mut taken: Vec<Query> = Vec::new();
            while queries.wait(1, &mut taken) {
                for Query(reply) in taken.drain(..) {
                    reply.try_send(snapshot()).unwrap();
                }
            }
        })
    };
    for _ in 0..20 {
        let mut text = String::new();
        let mut stream = UnixStream::connect(directory.0.join(SOCKET)).unwrap();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot());
        assert!(text.ends_with('\n'));
    }
    queries.close();
    engine.join().unwrap();
}
