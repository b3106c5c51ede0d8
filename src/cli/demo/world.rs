//! The demo's world: a switch, two hosts, a client, and everything that happens among them as one stream of events.
//!
//! Owns the namespaces, the processes and a temporary directory, and takes all of them away when dropped. What happens is
//! stamped where it is seen, by threads that do nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::mkdtemp;

use super::super::Failure;
use super::client::Sight;
use super::host;
use super::link::{FarEnd, LinkError, Links};
use super::netns::{self, Privilege};
use super::plan::{self, Host};
use crate::os::clock;
use crate::time::Instant;

/// Name of the bridge; each port is named after the host at its other end.
const SWITCH: &str = "switch";
/// Name of the client's port.
const CLIENT_PORT: &str = "client";
/// How long a host may take to end when asked to.
const FAREWELL: Duration = Duration::from_secs(2);

/// What happened, and when it was seen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A host answered an order.
    Answer { at: Instant, host: Host, text: String },
    /// A line of an agent's log, or a host's last words.
    Log { at: Instant, host: Host, text: String },
    /// All processes of a host are gone.
    Gone { at: Instant, host: Host },
    /// The client saw something change.
    Client { at: Instant, sight: Sight },
    /// Somebody asked the demo to stop.
    Interrupted,
}

/// Everything that the demo made.
pub(super) struct World {
    switch: Links,
    bridge: u32,
    socket: UdpSocket,
    machines: BTreeMap<Host, Machine>,
    directory: Directory,
    sender: Sender<Event>,
    events: Receiver<Event>,
    /// How the namespaces were made.
    pub(super) privilege: Privilege,
}

/// A host that is switched on.
struct Machine {
    process: Child,
    orders: ChildStdin,
}

impl World {
    /// Makes the switch and the client's end of the network. The process must have one thread only.
    pub(super) fn new() -> Result<Self, Failure> {
        let (sender, events) = channel();
        // Before any thread is started, since threads inherit what is blocked; awaited only when namespaces are made,
        // since those need a single thread.
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            signals.add(signal);
        }
        signals.thread_block().map_err(|errno| failed("blocking signals", &errno.into()))?;
        let privilege = netns::leave()?;
        let client =
            File::open("/proc/self/ns/net").map_err(|error| failed("opening a namespace", &error))?;
        netns::another()?;
        let mut switch = Links::open().map_err(refused)?;
        switch.add_bridge(SWITCH).map_err(refused)?;
        let bridge = if_nametoindex(SWITCH).map_err(|errno| failed("finding the bridge", &errno.into()))?;
        switch
            .add_cable(CLIENT_PORT, bridge, plan::INTERFACE, FarEnd::Namespace(client.as_fd()))
            .map_err(refused)?;
        // From here on the switch is reached through its netlink socket alone.
        setns(&client, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| failed("entering the client's namespace", &errno.into()))?;
        let index = if_nametoindex(plan::INTERFACE)
            .map_err(|errno| failed("finding the client's interface", &errno.into()))?;
        Links::open()
            .and_then(|mut links| links.configure(plan::INTERFACE, index, plan::CLIENT, plan::PREFIX_LENGTH))
            .map_err(refused)?;
        let socket = UdpSocket::bind(SocketAddrV4::new(plan::CLIENT, 0))
            .map_err(|error| failed("opening the client's socket", &error))?;
        let directory = Directory::new().map_err(|error| failed("making a temporary directory", &error))?;
        watch(
            sender.clone(),
            move |sender| {
                while signals.wait().is_ok() && sender.send(Event::Interrupted).is_ok() {}
            },
        )?;
        Ok(World { switch, bridge, socket, machines: BTreeMap::new(), directory, sender, events, privilege })
    }

    /// The client's socket, and where its observations go.
    pub(super) fn client(&self) -> Result<(UdpSocket, Sender<Event>), Failure> {
        let socket =
            self.socket.try_clone().map_err(|error| failed("sharing the client's socket", &error))?;
        Ok((socket, self.sender.clone()))
    }

    /// Starts the processes of `host`, which then says that it is [`host::answer::APART`].
    pub(super) fn switch_on(&mut self, host: Host) -> Result<(), Failure> {
        let config = self.directory.0.join(format!("{}.toml", host.name()));
        fs::write(&config, plan::configuration(host))
            .map_err(|error| failed("writing a configuration", &error))?;
        let runtime_dir = self.directory.0.join(host.name());
        if !runtime_dir.is_dir() {
            fs::create_dir(&runtime_dir).map_err(|error| failed("making a directory", &error))?;
        }
        let mut process = host::command(host, config, runtime_dir)
            .spawn()
            .map_err(|error| failed("starting a host", &error))?;
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(orders), Some(answers), Some(log)) = pipes else {
            return Err(Failure::new("a host has no pipes"));
        };
        self.machines.insert(host, Machine { process, orders });
        watch(self.sender.clone(), move |sender| {
            lines(answers, |at, text| sender.send(Event::Answer { at, host, text }).is_ok());
        })?;
        watch(self.sender.clone(), move |sender| {
            lines(log, |at, text| sender.send(Event::Log { at, host, text }).is_ok());
            let _ = sender.send(Event::Gone { at: clock::now(), host });
        })
    }

    /// Connects `host` with the switch and tells it so.
    pub(super) fn connect(&mut self, host: Host) -> Result<(), Failure> {
        let Some(machine) = self.machines.get(&host) else { return Err(off(host)) };
        let far_end = FarEnd::Process(machine.process.id());
        self.switch.add_cable(host.name(), self.bridge, plan::INTERFACE, far_end).map_err(refused)?;
        self.order(host, host::order::CONNECT)
    }

    /// Tells `host` to do something.
    pub(super) fn order(&mut self, host: Host, order: &str) -> Result<(), Failure> {
        let Some(machine) = self.machines.get_mut(&host) else { return Err(off(host)) };
        writeln!(machine.orders, "{order}").map_err(|error| failed("ordering a host", &error))
    }

    /// Takes the power of `host` away: kills all its processes, removes its cable. Its namespace goes with them.
    pub(super) fn cut_power(&mut self, host: Host) -> Result<(), Failure> {
        let Some(mut machine) = self.machines.remove(&host) else { return Err(off(host)) };
        machine.process.kill().map_err(|error| failed("killing a host", &error))?;
        // The kernel kills the agent together with its parent.
        machine.process.wait().map_err(|error| failed("waiting for a host", &error))?;
        self.switch.remove(host.name()).map_err(refused)
    }

    /// The next thing that happens within `limit`.
    pub(super) fn next(&self, limit: Duration) -> Option<Event> {
        self.events.recv_timeout(limit).ok()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let mut waiting: Vec<(Host, Child)> = std::mem::take(&mut self.machines)
            .into_iter()
            .map(|(host, machine)| (host, machine.process))
            .collect();
        // Their orders ended just now: they kill their agents and leave.
        let end = clock::now().after(FAREWELL);
        let mut left: BTreeSet<Host> = waiting.iter().map(|(host, _)| *host).collect();
        while !left.is_empty() {
            let Some(event) = self.next(end.since(clock::now())) else { break };
            if let Event::Gone { host, .. } = event {
                left.remove(&host);
            }
        }
        for (_, process) in &mut waiting {
            // Fails for one that is dead, as all should be.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A directory that is removed with all it holds.
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Self> {
        Ok(Directory(mkdtemp(&std::env::temp_dir().join("failover-demo-XXXXXX"))?))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(directory: &Path) {
    // What cannot be removed is a small file that whoever cleans the temporary directory will find.
    let _ = fs::remove_dir_all(directory);
}

/// Runs `work` in a thread of its own.
fn watch(sender: Sender<Event>, work: impl FnOnce(&Sender<Event>) + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name("watch".to_owned());
    thread.spawn(move || work(&sender)).map(drop).map_err(|error| failed("starting a thread", &error))
}

/// Hands every line to `tell` with the time it was read, until the end or until nobody listens.
fn lines(source: impl Read, tell: impl Fn(Instant, String) -> bool) {
    for line in BufReader::new(source).split(b'\n') {
        let Ok(line) = line else { return };
        if !tell(clock::now(), String::from_utf8_lossy(&line).trim_end().to_owned()) {
            return;
        }
    }
}

fn off(host: Host) -> Failure {
    Failure::new(format!("{} is switched off", host.name()))
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn refused(error: LinkError) -> Failure {
    Failure::new(format!(
        "the demo's network cannot be made: {error}\n  \
         it needs the kernel's bridge and veth drivers (as root: modprobe -a bridge veth)"
    ))
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("{what}: {error}"))
}
