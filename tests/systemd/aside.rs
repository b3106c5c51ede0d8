//! The host goes to sleep: a logind of the test's own on a bus of its own says so.

#![expect(clippy::disallowed_methods, reason = "what must not come is waited for")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe;
use zbus::{Connection, Fd, Message, MessageStream, Variant, connection};

use crate::lab::agent::FAILOVER;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::{Lab, wait};

/// Longest wait for what must come.
const SOON: Duration = Duration::from_secs(30);

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path=@</listen><policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>"#;

/// A message bus, which ends with the value.
struct Bus(Child);

impl Bus {
    fn start(host: &Host) -> Self {
        let _ = fs::remove_file(host.path("bus"));
        let file = host.write("bus.conf", &BUS.replace('@', &host.path("bus")));
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog"])
            .arg(format!("--config-file={file}"))
            .stdin(Stdio::null())
            .spawn()
            .expect("dbus-daemon: tests/run installs it");
        wait("a bus", SOON, || fs::metadata(host.path("bus")).ok());
        Bus(child)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// logind, as far as the agent needs it.
struct Logind {
    /// Locks that were taken: what for, and the end that reads nothing once they are given back.
    locks: Receiver<(String, File)>,
    /// Signals to send.
    signals: tokio::sync::mpsc::UnboundedSender<(&'static str, bool)>,
}

impl Logind {
    fn start(host: &Host) -> Self {
        let address = format!("unix:path={}", host.path("bus"));
        let (taken, locks) = channel();
        let (signals, mut asked) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let bus = connection::Builder::address(address.as_str()).build().await.expect("the bus");
                let mut stream = MessageStream::from(&bus);
                bus.request_name("org.freedesktop.login1").await.expect("the name");
                loop {
                    tokio::select! {
                        message = next(&mut stream) => match message {
                            Some(message) => answer(&bus, &message, &taken).await,
                            None => return,
                        },
                        signal = asked.recv() => match signal {
                            Some((name, begins)) => {
                                bus.emit_signal(
                                    None::<&str>,
                                    "/org/freedesktop/login1",
                                    "org.freedesktop.login1.Manager",
                                    name,
                                    &begins,
                                ).await.expect("a signal");
                            }
                            None => return,
                        },
                    }
                }
            });
        });
        Logind { locks, signals }
    }

    fn says(&self, signal: &'static str, begins: bool) {
        println!("{signal}({begins})");
        self.signals.send((signal, begins)).expect("logind runs");
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
    let file = host.write("failover.toml", &config(priority));
    let bus = format!("DBUS_SYSTEM_BUS_ADDRESS=unix:path={}", host.path("bus"));
    let run = host.path("run");
    host.start("failover", &["env", &bus, FAILOVER, "run", "--config", &file, "--runtime-dir", &run])
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
