//! The runtime directory: one agent at a time in it, and a socket that tells what the agent is doing.
//!
//! Owns the lock, the socket and the threads behind it. Whoever connects gets the agent's state as one JSON document,
//! and the connection ends; nothing is read from it. Each connection has a time limit, and so has their number.
//! Fails when another agent has the directory, or when it cannot be written.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::alone;
use super::engine::Query;
use super::log::Log;
use crate::agent::report::Severity;
use crate::os::clock;
use crate::os::process::Waker;
use crate::os::queue::Queue;
use crate::time::Instant;

/// Name of the socket in the runtime directory.
const SOCKET: &str = "status.sock";
/// Name of the lock in the runtime directory.
const LOCK: &str = "lock";
/// Connections served at once; more are closed unanswered.
const CONNECTIONS: usize = 4;
/// Time for one connection, from the question to the last byte.
const LIMIT: Duration = Duration::from_secs(4);
/// Stack of the threads.
const STACK: usize = 128 << 10;
/// Pause after an accept that failed: most likely for want of descriptors, and those come back.
const PAUSE: Duration = Duration::from_millis(100);

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

/// The runtime directory, ours for as long as this lives.
pub(super) struct Claim {
    socket: PathBuf,
    listener: UnixListener,
    _lock: Flock<File>,
}

impl Claim {
    /// Makes `directory` if it is missing, locks it and opens the socket in it.
    pub(super) fn take(directory: &Path) -> Result<Self, ControlError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            |source| ControlError::Unusable { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(unusable(directory))?;
        let lock = directory.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(unusable(&lock))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| ControlError::AlreadyRunning(directory.to_owned()))?;
        let socket = directory.join(SOCKET);
        // With the lock in hand, a socket that is there was left by an agent that died.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&socket)(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&socket).map_err(unusable(&socket))?;
        // Anybody may look: it only tells.
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).map_err(unusable(&socket))?;
        Ok(Claim { socket, listener, _lock: lock })
    }

    /// Starts to answer who connects, and to let go of who asks `alone` whose it is.
    pub(super) fn serve(
        &self,
        alone: Option<Socket>,
        queries: Arc<Queue<Query>>,
        waker: Waker,
        log: Log,
    ) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        thread::Builder::new().name("status".into()).stack_size(STACK).spawn(move || {
            accept(&listener, alone.as_ref(), &queries, &waker, &log);
        })?;
        Ok(())
    }

    /// Takes the socket away.
    pub(super) fn release(&self) {
        // It may be gone by another hand; then there is nothing to do.
        let _ = fs::remove_file(&self.socket);
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when a descriptor is free again")]
fn accept(
    listener: &UnixListener,
    alone: Option<&Socket>,
    queries: &Arc<Queue<Query>>,
    waker: &Waker,
    log: &Log,
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
                    log.note(Severity::Warning, format!("a status question cannot be answered: {error}"));
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
        let (queries, waker, count) = (Arc::clone(queries), waker.clone(), Arc::clone(&serving));
        let started = thread::Builder::new().name("answer".into()).stack_size(STACK).spawn(move || {
            // Whoever asked may hang up; nobody else is to be told.
            let _ = answer(stream, &queries, &waker);
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

fn answer(stream: UnixStream, queries: &Queue<Query>, waker: &Waker) -> io::Result<()> {
    let until = clock::now().after(LIMIT);
    let (reply, answer) = sync_channel(1);
    queries.push(Query(reply)).map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
    waker.wake();
    let snapshot = answer.recv_timeout(LIMIT).map_err(io::Error::other)?;
    let mut writer = BufWriter::new(Hurried { stream, until });
    serde_json::to_writer(&mut writer, &snapshot)?;
    writer.write_all(b"\n")?;
    writer.flush()
}

/// A stream that gives up at a point in time, however slowly it is read.
struct Hurried {
    stream: UnixStream,
    until: Instant,
}

impl Write for Hurried {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.until.since(clock::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_write_timeout(Some(left))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests;
