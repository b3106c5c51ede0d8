//! The question to the running agent: connect to its socket, read one document to the end.
//!
//! Fails: nobody there is exit code 3; an agent that does not answer within [`PATIENCE`] or answers without end is a
//! failure with a text.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::super::{Exit, Failure};

/// Name of the agent's socket in its runtime directory.
const SOCKET: &str = "status.sock";

/// How long to wait for the agent to say something.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes: 4096 instances with 255 addresses each stay below.
const LONGEST: u64 = 256 << 20;

/// The document of the agent that keeps its socket in `runtime_dir`.
pub(super) fn ask(runtime_dir: &Path) -> Result<String, Failure> {
    let path = runtime_dir.join(SOCKET);
    let socket = connect(&path).map_err(|error| refused(&path, &error))?;
    let mut answer = String::new();
    let length = socket.take(LONGEST).read_to_string(&mut answer).map_err(|error| silent(&path, &error))?;
    if length == 0 {
        return Err(Failure::new(format!("the agent behind {} hung up without a word", path.display())));
    }
    Ok(answer)
}

fn connect(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Not `connect` alone: that waits without end behind an agent that accepts nobody.
    socket.connect_timeout(&SockAddr::unix(path)?, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let kind = error.kind();
    let path = path.display();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        return Failure::Said {
            text: format!(
                "no agent is running: nobody answers at {path}\n  \
                 is it started (systemctl status failover), or does it use another --runtime-dir?"
            ),
            exit: Exit::NoAgent,
        };
    }
    if kind == io::ErrorKind::PermissionDenied {
        let text =
            format!("no permission to ask the agent at {path}: run this as root or as the agent's user");
        return Failure::new(text);
    }
    if is_slow(error) {
        return silent_text(&path.to_string());
    }
    Failure::new(format!("cannot ask the agent at {path}: {error}"))
}

fn silent(path: &Path, error: &io::Error) -> Failure {
    if is_slow(error) {
        silent_text(&path.display().to_string())
    } else {
        Failure::new(format!("the agent's answer at {} broke off: {error}", path.display()))
    }
}

fn is_slow(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn silent_text(path: &str) -> Failure {
    Failure::new(format!("the agent at {path} does not answer (waited {} s)", PATIENCE.as_secs()))
}
