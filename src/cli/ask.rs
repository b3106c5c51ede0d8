//! Questions and requests to the running agent: connect to a socket of its, perhaps send a line, read one document to the
//! end.
//!
//! Fails: nobody there is exit code 3; an agent that does not answer in time or answers without end is a failure with a
//! text.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::{Exit, Failure};
use crate::daemon::{Answer, CONTROL_SOCKET, Request, STATUS_SOCKET};

/// How long to wait for the agent to say what it is doing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for it to do something: it may have to wait for others who asked before.
const REQUEST_PATIENCE: Duration = Duration::from_secs(45);

/// Longest answer that is read, in bytes: 4096 instances with 255 addresses each stay below.
const LONGEST: u64 = 256 << 20;

/// What the agent that keeps its sockets in `runtime_dir` is doing, as a JSON document.
pub(super) fn status(runtime_dir: &Path) -> Result<String, Failure> {
    exchange(&runtime_dir.join(STATUS_SOCKET), None, PATIENCE)
}

/// What comes of a request to the agent that keeps its sockets in `runtime_dir`.
pub(super) fn request(runtime_dir: &Path, request: &Request) -> Result<Answer, Failure> {
    let line = serde_json::to_string(request).map_err(|error| Failure::new(error.to_string()))?;
    let answer = exchange(&runtime_dir.join(CONTROL_SOCKET), Some(&line), REQUEST_PATIENCE)?;
    serde_json::from_str(&answer).map_err(|error| unreadable(&error))
}

/// The agent says something that this program does not understand.
pub(super) fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::new(format!(
        "the agent's answer makes no sense to this program ({error}); is it of another version? See failover --version"
    ))
}

/// The agent answers something else than it was asked.
pub(super) fn beside_the_point() -> Failure {
    Failure::new("the agent answers something else than it was asked; is it of another version?")
}

fn exchange(path: &Path, line: Option<&str>, patience: Duration) -> Result<String, Failure> {
    let mut socket = connect(path, patience).map_err(|error| refused(path, &error, patience))?;
    if let Some(line) = line {
        let sent = socket.write_all(format!("{line}\n").as_bytes());
        sent.map_err(|error| silent(path, &error, patience))?;
    }
    let mut answer = String::new();
    let read = socket.take(LONGEST).read_to_string(&mut answer);
    if read.map_err(|error| silent(path, &error, patience))? == 0 {
        return Err(wordless(path));
    }
    Ok(answer)
}

fn connect(path: &Path, patience: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Not `connect` alone: that waits without end behind an agent that accepts nobody.
    socket.connect_timeout(&SockAddr::unix(path)?, PATIENCE)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn refused(path: &Path, error: &io::Error, patience: Duration) -> Failure {
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
        return silent_text(&path.to_string(), patience);
    }
    Failure::new(format!("cannot ask the agent at {path}: {error}"))
}

fn wordless(path: &Path) -> Failure {
    let path = path.display();
    Failure::new(format!(
        "the agent behind {path} hung up without a word: it may be stopping, or too many ask it at once"
    ))
}

fn silent(path: &Path, error: &io::Error, patience: Duration) -> Failure {
    if is_slow(error) {
        silent_text(&path.display().to_string(), patience)
    } else if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        // Before the question was sent, or before it was read.
        wordless(path)
    } else {
        Failure::new(format!("the agent's answer at {} broke off: {error}", path.display()))
    }
}

fn is_slow(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn silent_text(path: &str, patience: Duration) -> Failure {
    Failure::new(format!("the agent at {path} does not answer (waited {} s)", patience.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_told_why_also_when_that_is_before_the_question() {
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset] {
            let Failure::Said { text, .. } = silent(Path::new("/run/s"), &kind.into(), PATIENCE) else {
                panic!("no text")
            };
            assert!(text.contains("too many ask it at once"), "{text}");
        }
    }
}
