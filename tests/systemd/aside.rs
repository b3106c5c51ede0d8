//! The host goes to sleep: a logind of the test's own on a bus of its own says so.

#![expect(clippy::disallowed_methods, reason = "what must not come is waited for")]

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::pipe;
use zbus::{Connection, Fd, Message, MessageStream, Variant, connection};

use crate::lab::bus::Bus;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::{Lab, wait};

/// Longest wait for what must come.
const SOON: Duration = Duration::from_secs(30);

/// logind, as far as the agent needs it.
struct Logind {
    /// Locks that were taken: what for, and the end that reads nothing once they are given back.
    locks: Receiver<(String, File)>,
    /// What to do.
    tasks: tokio::sync::mpsc::UnboundedSender<Task>,
}

/// What it is to do.
enum Task {
    /// Say that this begins or is over.
    Say(&'static str, bool),
    /// Keep the next call for the lock on sleep waiting.
    Tarry,
    /// Answer that call and say in the same breath that the host goes to sleep.
    Sleep,
}

impl Logind {
    fn start(host: &Host) -> Self {
        let address = host.system_bus();
        let (taken, locks) = channel();
        let (tasks, mut asked) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let bus = connection::Builder::address(address.as_str()).build().await.expect("the bus");
                let mut stream = MessageStream::from(&bus);
                bus.request_name("org.freedesktop.login1").await.expect("the name");
                let (mut tarries, mut waiting) = (false, None);
                loop {
                    tokio::select! {
                        message = next(&mut stream) => match message {
                            Some(message) if tarries && is_for_sleep(&message) => {
                                (tarries, waiting) = (false, Some(message));
                            }
                            Some(message) => answer(&bus, &message, &taken).await,
                            None => return,
                        },
                        task = asked.recv() => match task {
                            Some(Task::Say(name, begins)) => say(&bus, name, begins).await,
                            Some(Task::Tarry) => tarries = true,
                            Some(Task::Sleep) => {
                                answer(&bus, &waiting.take().expect("a call"), &taken).await;
                                say(&bus, "PrepareForSleep", true).await;
                            }
                            None => return,
                        },
                    }
                }
            });
        });
        Logind { locks, tasks }
    }

    fn says(&self, signal: &'static str, begins: bool) {
        println!("{signal}({begins})");
        self.does(Task::Say(signal, begins));
    }

    fn does(&self, task: Task) {
        self.tasks.send(task).expect("logind runs");
    }

    /// Waits for both locks.
    fn locked(&self) -> Vec<File> {
        let mut locks: Vec<(String, File)> =
            (0..2).map(|_| self.locks.recv_timeout(SOON).expect("a lock")).collect();
        locks.sort_by(|a, b| a.0.cmp(&b.0));
        let what: Vec<&str> = locks.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(what, ["shutdown", "sleep"]);
        locks.into_iter().map(|(_, file)| file).collect()
    }
}

async fn next(stream: &mut MessageStream) -> Option<Message> {
    use zbus::export::futures_core::Stream;
    let message = std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await;
    message?.ok()
}

async fn say(bus: &Connection, signal: &str, begins: bool) {
    let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
    bus.emit_signal(None::<&str>, path, interface, signal, &begins).await.expect("a signal");
}

fn is_for_sleep(call: &Message) -> bool {
    let (header, body) = (call.header(), call.body());
    let inhibit = header.member().is_some_and(|member| member.as_str() == "Inhibit");
    inhibit && body.deserialize::<(&str, &str, &str, &str)>().is_ok_and(|(what, ..)| what == "sleep")
}

async fn answer(bus: &Connection, call: &Message, taken: &Sender<(String, File)>) {
    let header = call.header();
    match header.member().map(zbus::names::MemberName::as_str) {
        Some("Inhibit") => {
            let body = call.body();
            let (what, who, _, mode) = body.deserialize::<(&str, &str, &str, &str)>().expect("four texts");
            assert_eq!((who, mode), ("failover", "delay"));
            let (read, write) = pipe().expect("a pipe");
            fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("no waiting");
            bus.reply(&header, &Fd::from(write)).await.expect("an answer");
            taken.send((what.to_owned(), File::from(read))).expect("the test goes on");
        }
        Some("Get") => bus.reply(&header, &Variant::from(false)).await.expect("an answer"),
        _ => {}
    }
}

/// Whether a lock was given back.
fn is_back(lock: &File) -> bool {
    let mut lock = lock;
    match lock.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

fn config(priority: u8) -> String {
    format!(
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = {priority}\n\
         addresses = [\"192.0.2.50/24\"]\nadvert_interval = \"100ms\"\n\
         [instance.web.notify]\nmaster = [\"/bin/true\"]\n"
    )
}

fn start(host: &Host, priority: u8) -> Process {
    host.failover(&config(priority))
}

#[test]
fn a_host_that_goes_to_sleep_hands_over_first_and_competes_when_it_is_awake() {
    let lab = Lab::new();
    let address = "192.0.2.50".parse().expect("an address");
    let held_by = |host: &Host, other: &Host| {
        wait(&format!("{} serves alone", host.name), SOON, || {
            (host.serves(address) && !other.serves(address)).then_some(())
        });
    };
    // Without a bus and a logind all else works; both are found when they come.
    let agent = start(&lab.a, 150);
    let _other = start(&lab.b, 100);
    held_by(&lab.a, &lab.b);
    let bus = Bus::start(&lab.a);
    let logind = Logind::start(&lab.a);
    let locks = logind.locked();
    assert!(!locks.iter().any(is_back));

    logind.says("PrepareForSleep", true);
    wait("the locks are given back", SOON, || locks.iter().all(is_back).then_some(()));
    assert!(lab.b.serves(address) && !lab.a.serves(address), "the host may sleep before the other serves");
    // Several times as long as it would take to be MASTER again.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        assert!(lab.b.serves(address) && !lab.a.serves(address), "it competes while it is to go");
    }

    logind.says("PrepareForSleep", false);
    let locks = logind.locked();
    held_by(&lab.a, &lab.b);
    assert!(!locks.iter().any(is_back));

    // The host goes as soon as it has given the locks: that counts, too.
    for _ in 0..4 {
        logind.says("PrepareForSleep", true);
        held_by(&lab.b, &lab.a);
        logind.does(Task::Tarry);
        logind.says("PrepareForSleep", false);
        held_by(&lab.a, &lab.b);
        // An agent that is busy hears both at once.
        agent.signal(Signal::SIGSTOP);
        logind.does(Task::Sleep);
        let locks = logind.locked();
        std::thread::sleep(Duration::from_millis(20));
        agent.signal(Signal::SIGCONT);
        wait("the locks are given back", SOON, || locks.iter().all(is_back).then_some(()));
        assert!(
            lab.b.serves(address) && !lab.a.serves(address),
            "the host may sleep before the other serves"
        );
        logind.says("PrepareForSleep", false);
        drop(logind.locked());
        held_by(&lab.a, &lab.b);
    }

    // Both go and come back: found again, and no address has moved.
    drop((bus, logind));
    let bus = Bus::start(&lab.a);
    let logind = Logind::start(&lab.a);
    let locks = logind.locked();
    assert!(lab.a.serves(address) && !lab.b.serves(address));
    let log = agent.log();
    assert!(log.matches("does not hear of it ahead").count() <= 2, "{log}");
    logind.says("PrepareForShutdown", true);
    wait("the locks are given back", SOON, || locks.iter().all(is_back).then_some(()));
    assert!(lab.b.serves(address) && !lab.a.serves(address), "the host may go before the other serves");
    drop(bus);
}
