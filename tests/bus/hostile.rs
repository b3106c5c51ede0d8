//! Clients that are slow, many, or talk rubbish: the engine does not notice, and the others are served.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use failover::os::clock;

use crate::client::Client;
use crate::lab::host::Host;
use crate::lab::wire::now;
use crate::lab::{Lab, wait};
use crate::{LIMIT, instance, run};

/// Instances that change together.
const INSTANCES: usize = 200;
/// Their interval, and the longest silence that is none: a master-down interval.
const INTERVAL: Duration = Duration::from_millis(100);
/// Clients that the agent serves at once.
const SERVED: usize = 32;

impl Host {
    fn socket(&self) -> UnixStream {
        UnixStream::connect(format!("{}/bus", self.path("run"))).expect("a connection")
    }

    /// Pages of memory that a process has, in KiB.
    fn agent_memory(&self) -> u64 {
        let line = self.space.output(&format!("pgrep -f {}", self.path("failover.toml")));
        let ids = String::from_utf8_lossy(&line.stdout).into_owned();
        let memory = |id: &str| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        ids.split_whitespace().filter_map(memory).max().expect("the agent's memory")
    }
}

/// A connection that may send messages. The places of clients that have just gone become free within a moment.
fn known(host: &Host) -> UnixStream {
    wait("the agent knows who is there", LIMIT, || {
        let mut socket = host.socket();
        socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
        // One that is turned away may be gone already.
        socket.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n").ok()?;
        let mut answer = [0; 6 + 3 + 32 + 2];
        socket.read_exact(&mut answer).ok()?;
        assert!(answer.starts_with(b"DATA\r\nOK "), "{}", String::from_utf8_lossy(&answer));
        Some(socket)
    })
}

/// Waits until the agent has let go of a connection; what it said before that is thrown away.
fn let_go(mut socket: UnixStream, what: &str) {
    let mut rest = vec![0; 1 << 16];
    socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
    loop {
        match socket.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// The longest time without an advert of the router `vrid` since `start`.
fn longest_silence(lab: &Lab, start: Duration, vrid: u8) -> Duration {
    let mut last = start;
    let mut longest = Duration::ZERO;
    for (at, _, _) in lab.wire.adverts(start, vrid) {
        longest = longest.max(at.saturating_sub(last));
        last = at;
    }
    longest.max(now().saturating_sub(last))
}

fn config(priority: u8) -> String {
    let mut text = format!("[defaults]\npriority = {priority}\n");
    for vrid in 1..=INSTANCES {
        text.push_str(&instance(&format!("i{vrid}"), vrid));
    }
    text
}

#[test]
fn bad_clients_are_let_go_of_and_the_engine_does_not_notice() {
    let lab = Lab::new();
    let agent = lab.a.failover(&config(100));
    let masters = || agent.log().matches("Entering MASTER").count();
    wait("all are MASTER", LIMIT, || (masters() == INSTANCES).then_some(()));
    let (start, before) = (now(), lab.a.agent_memory());

    // Rubbish, before and after the words, and messages that say they are long.
    let long: &[u8] = &[b'l', 1, 0, 1, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0];
    for words in [&b"\n"[..], b"\0\n", b"\0\r\n\r\nBEGIN\r\n", &[0xff; 4096]] {
        let mut socket = lab.a.socket();
        // It may be gone before all is written.
        let _ = socket.write_all(words);
        let_go(socket, "rubbish instead of words");
    }
    for message in [long, &[0; 64], &[0xff; 64], &[b'l'; 4096]] {
        let mut socket = known(&lab.a);
        let _ = socket.write_all(message);
        let_go(socket, "rubbish instead of messages");
    }
    // Who says nothing is waited for a while only.
    let silent = lab.a.socket();

    // Many: those beyond the limit are closed, and there is room again when they have gone.
    let many: Vec<UnixStream> = (1..SERVED).map(|_| lab.a.socket()).collect();
    (SERVED..1_000).for_each(|_| let_go(lab.a.socket(), "one too many"));
    drop(many);

    // One that never reads, while there is always something to tell.
    let slow = known(&lab.a);
    run(async {
        let mut reader = Client::peer(&lab.a.peer()).await;
        let end = clock::now().after(Duration::from_millis(6_500));
        let mut times = 0;
        while clock::now() < end {
            times += 1;
            let priority = 100 + times % 2;
            lab.a.write("failover.toml", &config(priority));
            reader.manager("Reload", &()).await.expect("a reload");
            let path = format!("/org/failover1/instance/i{INSTANCES}");
            reader.changed(&path, "Priority", |value| value.downcast_ref::<u8>() == Ok(priority)).await;
        }
        println!("{times} times {INSTANCES} changes");
        // Who reads was told of all that; and to ask as fast as one can is to wait for one's turn.
        for _ in 0..30 {
            assert_eq!(reader.managed().await.len(), INSTANCES);
        }
    });
    let_go(slow, "a client that does not read");
    let_go(silent, "a client that does not say who it is");

    let silence = longest_silence(&lab, start, 1);
    let grown = lab.a.agent_memory().saturating_sub(before);
    println!("longest silence {silence:?}, {grown} KiB more memory");
    assert!(silence < INTERVAL * 3, "no advert for {silence:?}");
    assert_eq!(masters(), INSTANCES, "nothing moved");
    assert!(grown < 24 << 10, "{grown} KiB more memory");
}
