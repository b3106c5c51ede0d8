//! A TCP connection: connect, TLS where it is spoken, send, and wait for what is expected.
//!
//! Never: shows what was sent or expected, nor an answer to what was sent, which may repeat it. Fails: with an outcome.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Shared;
use super::net::connect::connect;
use super::net::stream::{Stream, broken};
use super::net::tls::TlsClient;
use super::net::{Needle, Trouble, shown};
use super::trace::Trace;
use crate::config::model::TcpProbe;
use crate::health::outcome::Outcome;

/// How much is looked at, in bytes.
const MOST: usize = 64 << 10;
/// How much is read at once, in bytes.
const PIECE: usize = 4 << 10;
/// How long the farewell of TLS may take.
const FAREWELL: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Tcp {
    probe: TcpProbe,
    expect: Option<Needle>,
    tls: Option<TlsClient>,
    limit: Duration,
    shared: Rc<Shared>,
}

impl Tcp {
    pub(super) fn new(probe: &TcpProbe, limit: Duration, shared: &Rc<Shared>) -> Self {
        Tcp {
            expect: probe.expect.as_ref().map(Needle::new),
            tls: probe.tls.clone().map(|tls| TlsClient::new(tls, None)),
            probe: probe.clone(),
            limit,
            shared: Rc::clone(shared),
        }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        match self.look(trace).await {
            Ok(text) => Outcome::passed(text),
            Err(trouble) => trouble.into(),
        }
    }

    async fn look(&mut self, trace: &Trace) -> Result<String, Trouble> {
        let net = &self.shared.net;
        let stream = connect(&self.probe.address, self.limit, net, trace).await?;
        let mut stream = match &mut self.tls {
            Some(tls) => {
                trace.enter("tls");
                Stream::Tls(Box::new(tls.handshake(stream, net).await?))
            }
            None => Stream::Plain(stream),
        };
        let peer = stream.peer();
        // A reset would take from the server what was sent and not awaited, and look like an error of TLS to it.
        if self.tls.is_none() && (self.probe.send.is_none() || self.expect.is_some()) {
            stream.end_by_reset();
        }
        if let Some(send) = &self.probe.send {
            trace.enter("send");
            let sent = async {
                stream.write_all(send.0.as_bytes()).await?;
                stream.flush().await
            };
            sent.await.map_err(|error| broken(peer, &error))?;
        }
        let text = match &self.expect {
            Some(expect) => {
                let may_show = self.probe.send.is_none();
                wait_for(expect, &mut stream, may_show, trace).await?
            }
            None => "connected".to_owned(),
        };
        if self.tls.is_some() {
            trace.enter("close");
            // The verdict does not depend on it.
            let _ = tokio::time::timeout(FAREWELL, stream.shutdown()).await;
        }
        Ok(text)
    }
}

/// Reads until `expect` has come.
async fn wait_for(
    expect: &Needle,
    stream: &mut Stream,
    may_show: bool,
    trace: &Trace,
) -> Result<String, Trouble> {
    let peer = stream.peer();
    trace.enter("first byte");
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let room = PIECE.min(MOST.saturating_sub(bytes.len()));
        if room == 0 {
            return Err(Trouble::failed(format!(
                "the first {} KiB do not contain what is expected",
                MOST >> 10
            )));
        }
        let before = bytes.len();
        bytes.reserve(room);
        let read = (&mut *stream).take(u64::try_from(room).unwrap_or_default()).read_buf(&mut bytes).await;
        let read = read.map_err(|error| broken(peer, &error))?;
        if read == 0 {
            let what = if before == 0 { "without a byte".to_owned() } else { came(&bytes, may_show) };
            return Err(Trouble::failed(format!("the connection was closed {what}")));
        }
        if before == 0 {
            trace.enter("match");
        }
        if expect.is_in(&bytes, before) {
            trace.close(&format!("after {} bytes", bytes.len()));
            return Ok("the expected answer".to_owned());
        }
        trace.note(came(&bytes, may_show));
    }
}

/// What came in place of what was expected.
fn came(bytes: &[u8], may_show: bool) -> String {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let shown = shown(first.trim_end_matches('\r'));
    let shown = if may_show { format!(", beginning \"{shown}\"") } else { String::new() };
    format!("after {} bytes without what is expected{shown}", bytes.len())
}
