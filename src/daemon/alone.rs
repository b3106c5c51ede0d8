//! One agent in a network namespace.
//!
//! An agent takes away what carries its mark and what none of its instances wants, and takes that for the leavings of an
//! agent that died. So two that run side by side undo each other's work, whatever directories they have. Owns a name
//! among the namespace's abstract sockets, which ends with the process. Anybody may take such a name: who did so counts
//! only if it is the superuser, this agent's own user, or may change addresses, as an agent may that runs as a user of its
//! own; so no other user can keep an agent from starting.
//!
//! Fails when such an agent is there. What else goes wrong is for the log: the name guards from a mistake, and the agent
//! works without it.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{UnixCredentials, getsockopt};
use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::os::process;

/// The name, without the zero byte that begins it.
pub(super) const NAME: &str = "failover.agent";
/// Connections that may wait: each is closed as soon as somebody looks.
const BACKLOG: i32 = 16;
/// How long who holds the name may take to be asked who it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of asking for the name.
#[derive(Debug)]
pub(super) enum Alone {
    /// It is ours for as long as this socket lives.
    Yes(Socket),
    /// Another agent has it; its process, as far as that can be seen from here.
    No {
        /// 0 when it is in a PID namespace that this one does not see into.
        process: i32,
    },
    /// It cannot be told.
    Unknown(String),
}

/// Asks for the name.
pub(super) fn claim(name: &str) -> Alone {
    match take(name) {
        Ok(socket) => Alone::Yes(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder(name) {
            Ok(holder) if may_be_agent(&holder) => Alone::No { process: holder.pid() },
            Ok(holder) => Alone::Unknown(format!("the socket @{name} is held by user {}", holder.uid())),
            Err(error) => {
                Alone::Unknown(format!("who holds the socket @{name} does not say who it is: {error}"))
            }
        },
        Err(error) => Alone::Unknown(format!("cannot make the socket @{name}: {error}")),
    }
}

fn may_be_agent(holder: &UnixCredentials) -> bool {
    holder.uid() == 0
        || holder.uid() == geteuid().as_raw()
        || process::other_has_capability(holder.pid(), process::NET_ADMIN)
}

/// Lets go of those who asked who we are, so that others can. Answers whether to come back later: no descriptor is free.
pub(super) fn dismiss(socket: &Socket) -> bool {
    loop {
        match socket.accept() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

fn take(name: &str) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address(name)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn holder(name: &str) -> io::Result<UnixCredentials> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.connect_timeout(&address(name)?, PATIENCE)?;
    Ok(getsockopt(&socket, PeerCredentials)?)
}

/// A path that begins with a zero byte is a name that no file has.
fn address(name: &str) -> io::Result<SockAddr> {
    SockAddr::unix(Path::new(&format!("\0{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_one_agents_until_it_ends() {
        let name = format!("failover-test-{}", std::process::id());
        let Alone::Yes(first) = claim(&name) else { panic!("nobody has it") };
        let own = i32::try_from(std::process::id()).unwrap();
        // As often as anybody likes, if somebody looks now and then.
        for _ in 0..3 * BACKLOG {
            let second = claim(&name);
            assert!(matches!(second, Alone::No { process } if process == own), "{second:?}");
            assert!(!dismiss(&first));
        }
        drop(first);
        assert!(matches!(claim(&name), Alone::Yes(_)));
    }

    #[test]
    fn who_does_not_answer_is_no_agent() {
        let name = format!("failover-test-mute-{}", std::process::id());
        let mute = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        mute.bind(&address(&name).unwrap()).unwrap();
        let claimed = claim(&name);
        assert!(matches!(claimed, Alone::Unknown(_)), "{claimed:?}");
    }
}
