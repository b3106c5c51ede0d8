//! The runtime directory: one agent at a time in it, and its sockets: one that tells everybody what the agent is doing, one
//! through which its owner and root ask it for something, and one for D-Bus.
//!
//! Owns the lock, the sockets and the threads behind the first two. Whoever connects to the first gets the agent's state as one JSON
//! document, and nothing is read from it; to the second one sends one line, a [`Request`], and gets one [`Answer`]. Each
//! connection has a time limit, and so has their number. Fails when another agent has the directory, or when it cannot
//! be written.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use socket2::Socket;

use super::alone;
use super::engine::Query;
use super::log::Log;
use super::reload::{Answer, Reloader};
use super::services::Services;
use crate::agent::snapshot::Snapshot;
use crate::observe::notice::Notice;
use crate::os::clock;
use crate::os::process::Waker;
use crate::os::queue::Queue;
use crate::time::Instant;

/// Name of the socket in the runtime directory that tells the state.
pub const STATUS_SOCKET: &str = "status.sock";
/// Name of the socket in the runtime directory that takes requests.
pub const CONTROL_SOCKET: &str = "control.sock";
/// Name of the socket in the runtime directory on which the agent's objects of D-Bus are, without a bus.
pub const BUS_SOCKET: &str = "bus";
/// Name of the lock in the runtime directory.
const LOCK: &str = "lock";
/// Connections served at once by each socket; more are closed unanswered.
const CONNECTIONS: usize = 4;
/// Time for one question, from the connection to the last byte; for a request from the connection to its last byte, and
/// from its answer to the last byte.
const LIMIT: Duration = Duration::from_secs(4);
/// Longest request, in bytes.
const LONGEST_REQUEST: u64 = 16 << 10;
/// Stack of the threads that answer questions.
const STACK: usize = 128 << 10;
/// Stack of the threads that read configurations.
const REQUEST_STACK: usize = 1 << 20;
/// Pause after an accept that failed: most likely for want of descriptors, and those come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Something that the agent's owner or root asks for: one line of JSON. Keys are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
pub enum Request {
    /// Read the configuration again and take it.
    Reload {
        /// Whether texts in the answer are for a terminal.
        color: bool,
    },
    /// Tell what a reload would do.
    Plan {
        /// Another file than the agent's own, as an absolute path.
        file: Option<PathBuf>,
        /// Whether texts in the answer are for a terminal.
        color: bool,
    },
    /// Have instances hand over and not compete.
    Drain {
        /// Which, by name; all when there are none.
        names: Vec<String>,
        /// Also where nobody takes over.
        force: bool,
    },
    /// Have instances compete again.
    Undrain {
        /// Which, by name; all when there are none.
        names: Vec<String>,
    },
}

/// Why the runtime directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It is taken.
    #[error(
        "another agent is running with the runtime directory {}\n  \
         stop it; only in a network namespace of its own can this one run too, with a --runtime-dir of its own",
        .0.display()
    )]
    AlreadyRunning(PathBuf),
    /// Something in it cannot be made.
    #[error("cannot use {}: {source}", .path.display())]
    Unusable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Those who know what the agent is doing.
#[derive(Clone)]
pub(super) struct Asked {
    /// To the engine.
    pub(super) queries: Arc<Queue<Query>>,
    /// Wakes the engine for that.
    pub(super) waker: Waker,
    /// Knows the checks.
    pub(super) services: Services,
}

impl Asked {
    /// What the agent is doing.
    pub(super) fn snapshot(&self, configuration: &Reloader) -> io::Result<Snapshot> {
        let (reply, answer) = sync_channel(1);
        self.queries.push(Query::Status(reply)).map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        self.waker.wake();
        let mut snapshot = answer.recv_timeout(LIMIT).map_err(io::Error::other)?;
        snapshot.configuration = Some(configuration.status());
        snapshot.checks = self.services.checks();
        Ok(snapshot)
    }
}

/// The runtime directory, ours for as long as this lives.
pub(super) struct Claim {
    status: Listener,
    control: Listener,
    bus: Listener,
    _lock: Flock<File>,
}

struct Listener {
    path: PathBuf,
    socket: UnixListener,
}

impl Listener {
    /// With the lock in hand, a socket that is there was left by an agent that died.
    fn open(path: PathBuf, mode: u32) -> Result<Self, ControlError> {
        let open = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let socket = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
            Ok(socket)
        };
        match open() {
            Ok(socket) => Ok(Listener { path, socket }),
            Err(source) => Err(ControlError::Unusable { path, source }),
        }
    }
}

impl Claim {
    /// Makes `directory` if it is missing, locks it and opens the sockets in it.
    pub(super) fn take(directory: &Path) -> Result<Self, ControlError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            |source| ControlError::Unusable { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(unusable(directory))?;
        let lock = directory.join(LOCK);
        let file = lock_file(&lock).map_err(unusable(&lock))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| ControlError::AlreadyRunning(directory.to_owned()))?;
        // Anybody may look: that socket only tells.
        let status = Listener::open(directory.join(STATUS_SOCKET), 0o666)?;
        let control = Listener::open(directory.join(CONTROL_SOCKET), 0o600)?;
        let bus = Listener::open(directory.join(BUS_SOCKET), 0o600)?;
        Ok(Claim { status, control, bus, _lock: lock })
    }

    /// Starts to answer who connects, and to let go of who asks `alone` whose it is.
    pub(super) fn serve(
        &self,
        alone: Option<Socket>,
        reloader: &Arc<Reloader>,
        asked: Asked,
        log: &Log,
    ) -> io::Result<()> {
        let configuration = Arc::clone(reloader);
        let status = move |stream| answer_question(stream, &asked, &configuration);
        serve("status", STACK, &self.status, alone, log, status)?;
        let reloader = Arc::clone(reloader);
        let control = move |stream| answer_request(&stream, &reloader);
        serve("control", REQUEST_STACK, &self.control, None, log, control)
    }

    /// The socket for D-Bus.
    pub(super) fn bus(&self) -> io::Result<UnixListener> {
        self.bus.socket.try_clone()
    }

    /// Takes the sockets away.
    pub(super) fn release(&self) {
        for listener in [&self.status, &self.control, &self.bus] {
            // It may be gone by another hand; then there is nothing to do.
            let _ = fs::remove_file(&listener.path);
        }
    }
}

/// Opens what is to be locked: one that waits for the other end of a pipe would not start.
fn lock_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().create(true).truncate(false).write(true).custom_flags(flags).open(path);
    match file {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if error.raw_os_error() != Some(nix::libc::ENXIO) => Err(error),
        Ok(_) | Err(_) => Err(io::Error::other("it is no file")),
    }
}

/// Has a thread wait for connections, and one for each of them call `answer`.
fn serve(
    name: &str,
    stack: usize,
    listener: &Listener,
    alone: Option<Socket>,
    log: &Log,
    answer: impl Fn(UnixStream) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    let (socket, log, answer) = (listener.socket.try_clone()?, log.clone(), Arc::new(answer));
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || {
        accept(&socket, stack, alone.as_ref(), &log, &answer);
    })?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when a descriptor is free again")]
fn accept(
    listener: &UnixListener,
    stack: usize,
    alone: Option<&Socket>,
    log: &Log,
    answer: &Arc<impl Fn(UnixStream) -> io::Result<()> + Send + Sync + 'static>,
) {
    let serving = Arc::new(AtomicUsize::new(0));
    let mut failing = false;
    loop {
        if !wait(listener, alone) {
            continue;
        }
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !failing {
                    log.tell(Notice::Unanswered { why: error.to_string() });
                }
                failing = true;
                thread::sleep(PAUSE);
                continue;
            }
        };
        failing = false;
        if serving.load(Ordering::Acquire) >= CONNECTIONS {
            continue;
        }
        serving.fetch_add(1, Ordering::AcqRel);
        let (answer, count) = (Arc::clone(answer), Arc::clone(&serving));
        let started = thread::Builder::new().name("answer".into()).stack_size(stack).spawn(move || {
            // Whoever asked may hang up; nobody else is to be told.
            let _ = answer(stream);
            count.fetch_sub(1, Ordering::AcqRel);
        });
        if started.is_err() {
            serving.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Waits for somebody; whether it is with a question.
#[expect(clippy::disallowed_methods, reason = "nothing tells when a descriptor is free again")]
fn wait(listener: &UnixListener, alone: Option<&Socket>) -> bool {
    let descriptors = [Some(listener.as_fd()), alone.map(AsFd::as_fd)];
    let mut watched = descriptors.map(|fd| PollFd::new(fd.unwrap_or(listener.as_fd()), PollFlags::POLLIN));
    // A signal, which this thread does not get, would end it early.
    let _ = poll(&mut watched, PollTimeout::NONE);
    let [question, visitor] = watched.map(|fd| fd.any().unwrap_or(false));
    if let Some(alone) = alone.filter(|_| visitor)
        && alone::dismiss(alone)
    {
        thread::sleep(PAUSE);
    }
    question
}

fn answer_question(stream: UnixStream, asked: &Asked, configuration: &Reloader) -> io::Result<()> {
    let until = clock::now().after(LIMIT);
    write(stream, until, &asked.snapshot(configuration)?)
}

fn answer_request(stream: &UnixStream, reloader: &Reloader) -> io::Result<()> {
    let asking = Hurried { stream: stream.try_clone()?, until: clock::now().after(LIMIT) };
    let mut line = String::new();
    BufReader::new(asking.take(LONGEST_REQUEST)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Reload { color }) => reloader.reload(color),
        Ok(Request::Plan { file, color }) => reloader.plan(file.as_deref(), color),
        Ok(Request::Drain { names, force }) => reloader.drain(&names, force),
        Ok(Request::Undrain { names }) => reloader.undrain(&names),
        Err(error) => Answer::Failed { why: format!("the agent does not understand the request: {error}") },
    };
    write(stream.try_clone()?, clock::now().after(LIMIT), &answer)
}

fn write(stream: UnixStream, until: Instant, document: &impl Serialize) -> io::Result<()> {
    let mut writer = BufWriter::new(Hurried { stream, until });
    serde_json::to_writer(&mut writer, document)?;
    writer.write_all(b"\n")?;
    writer.flush()
}

/// A stream that gives up at a point in time, however slowly it is read or written at the other end.
struct Hurried {
    stream: UnixStream,
    until: Instant,
}

impl Hurried {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.since(clock::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Hurried {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(bytes)
    }
}

impl Write for Hurried {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests;
