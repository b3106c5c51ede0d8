//! Waiting for any of many descriptors (`epoll`).

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::{OsError, Trying};

/// Names a descriptor in [`Poll::wait`]'s answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// How a descriptor is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Reported as long as there is something to read.
    Level,
    /// Reported once per arrival; need not be read at all.
    Edge,
}

/// A set of watched descriptors.
pub struct Poll {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl Poll {
    /// An empty set.
    pub fn new() -> Result<Self, OsError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).trying("making an epoll descriptor")?;
        Ok(Poll { epoll, events: vec![EpollEvent::empty(); 8] })
    }

    /// Watches `descriptor` for something to read, under the name `token`.
    pub fn add(&mut self, descriptor: impl AsFd, token: Token, watch: Watch) -> Result<(), OsError> {
        let flags = match watch {
            Watch::Level => EpollFlags::EPOLLIN,
            Watch::Edge => EpollFlags::EPOLLIN | EpollFlags::EPOLLET,
        };
        self.epoll.add(descriptor, EpollEvent::new(flags, token.0)).trying("watching a descriptor")?;
        // One wait must be able to report all of them: what is not reported looks as if nothing had arrived.
        self.events.push(EpollEvent::empty());
        Ok(())
    }

    /// Watches `descriptor` no longer.
    pub fn remove(&mut self, descriptor: impl AsFd) {
        // Fails only for a descriptor that is not in the set.
        if self.epoll.delete(descriptor).is_ok() {
            self.events.pop();
        }
    }

    /// Waits until something can be read, for ever if `block`, else not at all; adds the names to `ready`. A signal
    /// ends the wait with nothing.
    pub fn wait(&mut self, block: bool, ready: &mut Vec<Token>) -> Result<(), OsError> {
        let timeout = if block { EpollTimeout::NONE } else { EpollTimeout::ZERO };
        let count = self.wait_until(timeout)?;
        ready.extend(self.events.iter().take(count).map(|event| Token(event.data())));
        Ok(())
    }

    /// Waits until something can be read, at most so many milliseconds.
    pub fn pause(&mut self, milliseconds: u8) -> Result<(), OsError> {
        self.wait_until(EpollTimeout::from(milliseconds)).map(drop)
    }

    fn wait_until(&mut self, timeout: EpollTimeout) -> Result<usize, OsError> {
        match self.epoll.wait(&mut self.events, timeout) {
            Err(Errno::EINTR) => Ok(0),
            other => other.trying("waiting for events"),
        }
    }
}
