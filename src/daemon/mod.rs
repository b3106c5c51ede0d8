//! The running agent: joins the agent with the world. Decides nothing.
//!
//! Threads, and what each may wait for:
//!
//! | thread | work | waits for | priority |
//! |---|---|---|---|
//! | main (the engine) | adverts, timer, link and address events, the agent | its own descriptors, nothing else | `SCHED_FIFO` 50 |
//! | kernel | address changes, dumps | the kernel | `SCHED_FIFO` 49 |
//! | log | journal or standard error | whoever reads them | ordinary |
//! | status, control, and one per question | answers `failover status`, `plan`, `reload`, `drain`, `undrain`; reads configurations | files, the engine, whoever asks | ordinary |
//! | services | checks; commands and units of states | descriptors, an asynchronous runtime | ordinary |
//! | bus, and its helpers | objects on D-Bus | descriptors, an asynchronous runtime; helpers: the engine, files | ordinary |
//! | reload | reads the configuration after SIGHUP | files, the engine | ordinary |
//! | supervisor | tells systemd how the agent is, and whether the engine is alive | systemd, the engine | ordinary |
//! | drains | writes which instances are drained, when that changes | the disk | ordinary |
//!
//! Between them are bounded queues; the engine never waits for one.
//!
//! Fails at the start, with a [`RunError`] that says what to do; once it runs, what the kernel refuses is a fact for the
//! agent.

mod alone;
mod bus;
mod control;
mod convert;
mod drain;
mod effects;
mod engine;
mod log;
mod pace;
mod pulse;
mod records;
mod release;
mod reload;
mod services;
mod supervisor;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use alone::Alone;
use records::{Drains, Records};
use services::Services;
use supervisor::Supervisor;

use crate::agent::Agent;
use crate::agent::addresses::ADDRESS_PROTOCOL;
use crate::agent::message::{Drain, Input};
use crate::bus::Changes;
use crate::config::{Config, Loaded};
use crate::observe::notice::Notice;
use crate::os::OsError;
use crate::os::netlink::{Monitor, Worker};
use crate::os::poll::{Poll, Watch};
use crate::os::process::{self, Waker};
use crate::os::queue::Queue;
use crate::os::signal::Signals;
use crate::os::timer::Timer;

pub use control::{BUS_SOCKET, CONTROL_SOCKET, ControlError, Request, STATUS_SOCKET};
pub use release::{Release, ReleaseError, release};
pub use reload::Answer;

/// Real-time priority of the engine's thread, of 99.
const ENGINE_PRIORITY: i32 = 50;
/// Real-time priority of the thread that changes addresses: a takeover is not done before they are there.
const KERNEL_PRIORITY: i32 = 49;
/// Address changes that may wait for the kernel; more are refused.
const REQUEST_LIMIT: usize = 65_536;
/// Questions for the status that may wait; more are turned away.
const QUERY_LIMIT: usize = 8;
/// How long what is run for the last states may take at the end.
const HOOKS_LIMIT: Duration = Duration::from_secs(10);
/// How long leaving takes at most, but for the hand-over: for the kernel, for what is run, for the log, and as much again for a
/// host that is busy.
const LEAVE_LIMIT: Duration = Duration::from_secs(20);
/// How long the last log lines may take at the end.
const LOG_FLUSH: Duration = Duration::from_secs(1);

/// What `failover run` was told on its command line.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The file that the configuration was read from, and is read from again.
    pub config: PathBuf,
    /// Where the sockets and the lock go.
    pub runtime_dir: PathBuf,
    /// Where it is remembered what outlives a reboot.
    pub state_dir: PathBuf,
}

/// Why the agent does not run, or no longer does.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A capability is missing.
    #[error(
        "missing privilege: {0}\n  \
         run as root, or give the service both CAP_NET_ADMIN and CAP_NET_RAW (systemd: AmbientCapabilities=)"
    )]
    Privilege(&'static str),
    /// Another agent runs in this network namespace.
    #[error(
        "another agent is running in this network namespace{}: each would take the other's addresses away\n  \
         stop it, or put the instances of both into one configuration",
        if *.0 == 0 { String::new() } else { format!(" (process {})", .0) }
    )]
    NotAlone(i32),
    /// The runtime directory cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The kernel refused something that the agent cannot do without.
    #[error("{0}")]
    Os(#[from] OsError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A second signal came before the agent was done leaving.
    #[error("interrupted while leaving: addresses may be left; the next start takes them away")]
    Interrupted,
}

/// Runs the agent with what was `loaded` from the file of the options until it is told to stop.
pub fn run(mut loaded: Loaded, options: &RunOptions) -> Result<(), RunError> {
    check_privileges()?;
    // Before any thread is started: threads inherit the signal mask.
    let signals = Signals::take()?;
    let claim = control::Claim::take(&options.runtime_dir)?;
    let log = log::start().map_err(RunError::Thread)?;
    let alone = alone(&log)?;
    let waker = Waker::new()?;
    let queries = Arc::new(Queue::new(QUERY_LIMIT));
    let worker = {
        let log = log.clone();
        let at_start = move || ask_for_priority(KERNEL_PRIORITY, &log);
        Worker::start(REQUEST_LIMIT, ADDRESS_PROTOCOL, waker.clone(), at_start).map_err(RunError::Thread)?
    };
    let router_id = host_name();
    let supervisor = Supervisor::start(waker.clone(), log.clone()).map_err(RunError::Thread)?;
    let drains = Drains::new(options.state_dir.clone());
    let (records, remembered) = Records::open(&options.runtime_dir, drains.clone(), log.clone());
    let changes = Arc::<Changes>::default();
    let reloader = Arc::new(reload::Reloader::new(
        options.config.clone(),
        &loaded,
        router_id.clone(),
        Arc::clone(&queries),
        waker.clone(),
        (log.clone(), drains, supervisor.clone(), Arc::clone(&changes)),
    ));
    let hang_ups = Arc::new(Queue::new(reload::HANG_UPS));
    reloader.follow(Arc::clone(&hang_ups)).map_err(RunError::Thread)?;
    let services = Services::new(waker.clone(), log.clone());
    let asked =
        control::Asked { queries: Arc::clone(&queries), waker: waker.clone(), services: services.clone() };
    let knows = bus::Knows { asked: asked.clone(), reloader: Arc::clone(&reloader), log: log.clone() };
    bus::start(knows, &changes, &claim).map_err(RunError::Thread)?;
    claim.serve(alone, &reloader, asked, &log).map_err(RunError::Thread)?;

    let monitor = Monitor::open()?;
    let timer = Timer::new()?;
    let [poll, urgent] = polls(&timer, &waker, &signals, &monitor)?;
    ask_for_priority(ENGINE_PRIORITY, &log);
    let effects = effects::Effects::new(poll, worker, services.clone(), records, (changes, log.clone()))?;
    let sources = engine::Sources {
        timer,
        monitor,
        signals,
        queries,
        hang_ups,
        board: services.board(),
        urgent,
        supervisor,
    };
    let mut engine = engine::Engine::new(Agent::new(router_id), effects, sources);
    let config = std::mem::take(&mut loaded.config);
    // Its text and trees are not needed any more: most of the memory that there is by now.
    drop(loaded);
    if let Some(remembered) = remembered {
        engine.feed(Input::Remembered(remembered));
    }
    engine.feed(Input::Drain(Drain { names: drained(options, &config, &log), insist: true }));
    engine.feed(Input::Configure(config));
    process::trim_memory();
    warm_up();
    let ended = engine.run();
    if ended.is_ok() {
        engine.close();
    }
    services.finish(HOOKS_LIMIT);
    claim.release();
    log.flush(LOG_FLUSH);
    ended
}

/// Two sets that watch everything but the sockets.
fn polls(timer: &Timer, waker: &Waker, signals: &Signals, monitor: &Monitor) -> Result<[Poll; 2], OsError> {
    let mut both = [Poll::new()?, Poll::new()?];
    for poll in &mut both {
        poll.add(timer, engine::TIMER, Watch::Edge)?;
        poll.add(waker, engine::WAKE, Watch::Edge)?;
        poll.add(signals, engine::SIGNALS, Watch::Level)?;
        poll.add(monitor, engine::MONITOR, Watch::Level)?;
    }
    Ok(both)
}

/// Which instances were drained before this process, whether they are configured or not.
fn drained(options: &RunOptions, config: &Config, log: &log::Log) -> BTreeSet<String> {
    let names = records::read_drains(&options.state_dir).unwrap_or_else(|unreadable| {
        log.tell(Notice::DrainsUnreadable { why: unreadable.why });
        if unreadable.all { config.instances.keys().cloned().collect() } else { BTreeSet::new() }
    });
    for name in &names {
        let (known, instance) = (config.instances.contains_key(name), name.clone());
        log.tell(if known { Notice::StillDrained { instance } } else { Notice::DrainedUnknown { instance } });
    }
    names
}

/// Holds the name that only one agent of a network namespace has.
fn alone(log: &log::Log) -> Result<Option<socket2::Socket>, RunError> {
    match alone::claim(alone::NAME) {
        Alone::Yes(socket) => Ok(Some(socket)),
        Alone::No { process } => Err(RunError::NotAlone(process)),
        Alone::Unknown(why) => {
            log.tell(Notice::AloneUnknown { why });
            Ok(None)
        }
    }
}

/// Better said at once than by whatever fails first.
fn check_privileges() -> Result<(), RunError> {
    for (bit, name) in [(process::NET_ADMIN, "CAP_NET_ADMIN"), (process::NET_RAW, "CAP_NET_RAW")] {
        if !process::has_capability(bit) {
            return Err(RunError::Privilege(name));
        }
    }
    Ok(())
}

/// Real-time priority keeps the timers exact on a busy host; without it the agent works too.
fn ask_for_priority(priority: i32, log: &log::Log) {
    if let Err(error) = process::real_time(priority) {
        log.tell(Notice::NoRealTime { why: error.to_string() });
    }
}

/// Touches memory that later work will get, so that the first takeover waits for no page.
fn warm_up() {
    // Below the size that the allocator gives back to the kernel.
    drop(std::hint::black_box(vec![1_u8; 64 << 10]));
}

/// What this host is called; empty when that cannot be had.
pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}
