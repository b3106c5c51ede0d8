//! One host of the demo, as a process of its own: a network namespace, the service, and an agent that is told to start
//! and to stop.
//!
//! Orders come in on standard input, one word a line; answers go out on standard output; standard error is the
//! agent's log. Never outlives the demo: it ends with its standard input, and is killed with its parent, and so is its
//! agent. Fails with a text on standard error.

use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use clap::Args;
use nix::net::if_::if_nametoindex;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getppid};
use socket2::{Domain, Socket, Type};

use super::super::{Exit, Failure};
use super::link::Links;
use super::{client, netns, plan};
use crate::os::process;

/// The running program, whatever became of its file since.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// What `host` is told.
pub(super) mod order {
    /// The cable is there: take an address, offer the service.
    pub(in super::super) const CONNECT: &str = "connect";
    /// Start the agent.
    pub(in super::super) const START: &str = "start";
    /// Send SIGTERM to the agent and wait for it.
    pub(in super::super) const STOP: &str = "stop";
}

/// What `host` says.
pub(super) mod answer {
    /// It is in its namespace and waits for its cable.
    pub(in super::super) const APART: &str = "apart";
    /// It is in the network and serves.
    pub(in super::super) const CONNECTED: &str = "connected";
    /// The agent ended; how follows.
    pub(in super::super) const STOPPED: &str = "stopped:";
}

#[derive(Debug, Args)]
pub(super) struct HostArgs {
    /// Which of the two
    host: plan::Host,
    #[command(flatten)]
    agent: AgentArgs,
}

#[derive(Clone, Debug, Args)]
pub(super) struct AgentArgs {
    /// Process to die with
    #[arg(long)]
    parent: i32,
    /// Configuration of the agent
    #[arg(long)]
    config: PathBuf,
    /// Runtime directory of the agent
    #[arg(long)]
    runtime_dir: PathBuf,
}

/// The command that becomes `host`, a child of this process.
pub(super) fn command(host: plan::Host, config: PathBuf, runtime_dir: PathBuf) -> Command {
    let agent = AgentArgs { parent: own_pid(), config, runtime_dir };
    let mut command = stage("host", &agent);
    // A group of its own, so that Ctrl-C reaches the demo alone.
    command.arg(host.name()).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `failover demo host`: the host.
pub(super) fn host(args: &HostArgs) -> Result<Exit, Failure> {
    die_with(args.agent.parent)?;
    netns::another()?;
    say(answer::APART)?;
    let mut agent = None;
    for order in io::stdin().lock().lines() {
        match order.map_err(|error| failed("reading orders", &error))?.as_str() {
            order::CONNECT => {
                connect(args.host)?;
                say(answer::CONNECTED)?;
            }
            order::START => agent = Some(start(&args.agent)?),
            order::STOP => {
                if let Some(child) = agent.take() {
                    say(&format!("{} {}", answer::STOPPED, stop(child)?))?;
                }
            }
            other => return Err(Failure::new(format!("no such order: {other}"))),
        }
    }
    if let Some(mut child) = agent {
        // The demo is over. One that is dead already is fine.
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(Exit::Fine)
}

/// `failover demo agent`: becomes `failover run`, tied to the life of its host.
pub(super) fn agent(args: &AgentArgs) -> Result<Exit, Failure> {
    die_with(args.parent)?;
    let mut command = Command::new(PROGRAM);
    command.arg0("failover").arg("run").arg("--config").arg(&args.config);
    Err(failed("starting the agent", &command.arg("--runtime-dir").arg(&args.runtime_dir).exec()))
}

fn stage(name: &str, agent: &AgentArgs) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg0("failover").args(["demo", name]).arg("--parent").arg(agent.parent.to_string());
    command.arg("--config").arg(&agent.config).arg("--runtime-dir").arg(&agent.runtime_dir);
    // What the caller's environment says to an agent (journal, configuration) is not meant for these.
    command.env_clear();
    // On the bus are this host's own agent, and its systemd.
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "");
    command
}

/// Has the kernel kill this process when its parent dies, and undoes what the parent did to its signals.
fn die_with(parent: i32) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| failed("asking to die with the parent", &errno.into()))?;
    if getppid().as_raw() != parent {
        return Err(Failure::new("this is a part of `failover demo`, not a command"));
    }
    SigSet::all().thread_unblock().map_err(|errno| failed("unblocking signals", &errno.into()))
}

fn connect(host: plan::Host) -> Result<(), Failure> {
    let mut links = Links::open().map_err(|error| Failure::new(error.to_string()))?;
    let index =
        if_nametoindex(plan::INTERFACE).map_err(|errno| failed("finding the cable", &errno.into()))?;
    links
        .configure(plan::INTERFACE, index, host.address(), plan::PREFIX_LENGTH)
        .map_err(|error| Failure::new(error.to_string()))?;
    let service = service().map_err(|error| failed("offering the service", &error))?;
    thread::Builder::new()
        .name("service".to_owned())
        .spawn(move || serve(&service, host.name()))
        .map_err(|error| failed("starting the service", &error))?;
    Ok(())
}

/// A socket at the virtual address, whether this host has it or not: so the answers come from where the questions went.
fn service() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_freebind_v4(true)?;
    socket.bind(&SocketAddr::V4(plan::SERVICE).into())?;
    Ok(socket.into())
}

/// Answers each question with the question and the host's name, until the host ends.
fn serve(socket: &UdpSocket, name: &str) {
    // Refused without root: then the priority is an ordinary one.
    let _ = process::real_time(client::PRIORITY);
    let mut buffer = [0; 64];
    loop {
        // Neither can fail for good: what does not arrive is what the client measures.
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let mut answer = buffer.get(..length).unwrap_or_default().to_vec();
        answer.extend_from_slice(name.as_bytes());
        let _ = socket.send_to(&answer, client);
    }
}

fn start(agent: &AgentArgs) -> Result<Child, Failure> {
    let agent = AgentArgs { parent: own_pid(), ..agent.clone() };
    let mut command = stage("agent", &agent);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().map_err(|error| failed("starting the agent", &error))
}

fn stop(mut agent: Child) -> Result<String, Failure> {
    if let Ok(pid) = i32::try_from(agent.id()) {
        // Fails for one that is dead already: how it ended is said below.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let status = agent.wait().map_err(|error| failed("waiting for the agent", &error))?;
    Ok(status.to_string())
}

fn own_pid() -> i32 {
    Pid::this().as_raw()
}

fn say(word: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{word}").and_then(|()| out.flush()).map_err(Failure::Output)
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("{what}: {error}"))
}
