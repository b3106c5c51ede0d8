//! A server that checks ask, on a thread of its own inside a host's namespace. It counts those who came, so that what a
//! check costs is told per check that was done, not per check that was due.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::TimeVal;

use super::space::Space;

/// For one request; who is slower gets no answer.
const LIMIT: Duration = Duration::from_secs(1);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

/// What a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is accepted and closed.
    Tcp,
    /// Its request is read and answered with status 200.
    Http,
}

/// The server; ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    served: AtomicU32,
    stop: AtomicBool,
}

impl Server {
    /// Listens on a port of the loopback address in `space`.
    pub(crate) fn start(space: &Space, port: u16, kind: Kind) -> Self {
        let listener = space.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port"));
        setsockopt(&listener, ReceiveTimeout, &TimeVal::new(0, 50_000)).expect("a time limit");
        let seen = Arc::new(Seen::default());
        let thread = thread::spawn({
            let seen = Arc::clone(&seen);
            move || serve(&listener, kind, &seen)
        });
        Server { seen, thread: Some(thread) }
    }

    /// Connections so far.
    pub(crate) fn served(&self) -> f64 {
        f64::from(self.seen.served.load(Ordering::Relaxed))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, kind: Kind, seen: &Seen) {
    while !seen.stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else { continue };
        seen.served.fetch_add(1, Ordering::Relaxed);
        if kind == Kind::Http {
            answer(stream);
        }
    }
}

fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(LIMIT));
    let (mut bytes, mut length) = ([0; 1024], 0);
    while !bytes[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut bytes[length..]) {
            Ok(count @ 1..) => length += count,
            Ok(0) | Err(_) => return,
        }
    }
    let _ = stream.write_all(ANSWER);
    let _ = stream.shutdown(Shutdown::Write);
}
