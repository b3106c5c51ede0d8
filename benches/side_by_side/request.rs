//! A service that answers requests, as a process that can be stopped, and a client that sends it a request each
//! millisecond and notes which were answered. A request is one UDP datagram with its number, and so is the answer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::network::{CLIENT, Network, name};
use super::wire::{now, wait};

/// The argument that makes this program the service.
pub(crate) const SERVE: &str = "serve-requests";
/// Time between two requests.
const TICK: Duration = Duration::from_millis(1);
/// How long an answer is waited for after the last request.
const PATIENCE: Duration = Duration::from_millis(200);

/// Answers what comes to this port of any address, until it is ended.
pub(crate) fn serve(port: &str) -> ! {
    let port: u16 = port.parse().expect("a port");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("a port of our own");
    let mut bytes = [0; 64];
    loop {
        if let Ok((length, client)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(&bytes[..length], client);
        }
    }
}

/// The service on a host; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Service(Child);

impl Service {
    /// Starts it, and writes its process number into [`pid_file`] once it answers.
    pub(crate) fn start(network: &Network, host: usize, port: u16) -> Self {
        let own = std::env::current_exe().expect("the path of this program").display().to_string();
        let mut command = network.hosts[host].command(&[&own, SERVE, &port.to_string()]);
        let child = command.stdin(Stdio::null()).spawn().expect("this program once more");
        let socket = network.hosts[host].run(|| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time limit");
        wait("the service answers", Duration::from_secs(10), || {
            let _ = socket.send_to(&[0; 8], (Ipv4Addr::LOCALHOST, port));
            socket.recv(&mut [0; 8]).ok()
        });
        fs::write(pid_file(network, host, port), format!("{}\n", child.id())).expect("write a file");
        Service(child)
    }

    /// Ends it; when that began. It leaves no zombie, which keepalived's script would take for a process that runs.
    pub(crate) fn stop(mut self) -> Duration {
        let mark = now();
        self.end();
        mark
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the number of the service's process stands.
pub(crate) fn pid_file(network: &Network, host: usize, port: u16) -> String {
    network.path(&format!("{}.service.{port}.pid", name(host)))
}

/// The client; sends requests until it is asked for what it saw.
#[derive(Debug)]
pub(crate) struct Client {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<Vec<Request>>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Since the Unix epoch.
    pub(crate) sent: Duration,
    pub(crate) answered: bool,
}

impl Client {
    /// The third party sends requests to `target` from now on.
    pub(crate) fn start(network: &Network, target: SocketAddrV4) -> Self {
        let socket = network.hosts[CLIENT].run(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
        socket.set_nonblocking(true).expect("a socket that does not wait");
        let stop = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let stop = Arc::clone(&stop);
            move || ask(&socket, target, &stop)
        });
        Client { stop, sender }
    }

    /// All requests, in order.
    pub(crate) fn finish(self) -> Vec<Request> {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn ask(socket: &UdpSocket, target: SocketAddrV4, stop: &AtomicBool) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let number = u32::try_from(requests.len()).expect("a short run");
        thread::sleep((start + TICK * number).saturating_duration_since(Instant::now()));
        hear(socket, &mut requests);
        requests.push(Request { sent: now(), answered: false });
        // One that nobody can be asked for is one without an answer.
        let _ = socket.send_to(&number.to_be_bytes(), target);
    }
    thread::sleep(PATIENCE);
    hear(socket, &mut requests);
    requests
}

/// Notes the answers that are there.
fn hear(socket: &UdpSocket, requests: &mut [Request]) {
    let mut bytes = [0; 4];
    while let Ok(4) = socket.recv(&mut bytes) {
        let number = usize::try_from(u32::from_be_bytes(bytes)).expect("a small number");
        if let Some(request) = requests.get_mut(number) {
            request.answered = true;
        }
    }
}
