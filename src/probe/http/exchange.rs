//! One request and its answer over one connection, and the steps that it took.
//!
//! The connection is driven only while somebody waits for the answer, so that to drop the wait ends everything. A server may
//! send whatever it likes: lines, headers and bodies without end are cut at limits, and slow ones end with the run. Never:
//! reads more of a body than is looked into. Fails: with what is wrong with the answer.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::probe::net::stream::{Stream, broken};
use crate::probe::net::{Needle, Trouble, is_of_tls, shown};
use crate::probe::trace::Trace;

/// Most bytes of the head of an answer. A head that comes byte by byte is parsed again and again, so this bounds work too.
const LARGEST_HEAD: usize = 32 << 10;
/// Most headers of an answer.
const MOST_HEADERS: usize = 200;

type Connection<'t> = http1::Connection<TokioIo<Watched<'t>>, Full<Bytes>>;

/// The head of an answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// As much of the body as was looked into.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Whether what was searched for is in it.
    pub(super) found: bool,
    /// Whether there is more.
    cut: bool,
}

impl Body {
    /// How a text calls it.
    pub(super) fn name(&self) -> String {
        let length = self.bytes.len();
        if self.cut {
            format!("the first {length} bytes of the body")
        } else {
            format!("the body of {length} bytes")
        }
    }
}

/// An answer whose body is still to be read, or is not looked into.
pub(super) struct Open<'t> {
    answer: Answer,
    body: Option<(Incoming, Driver<'t>)>,
    peer: Option<SocketAddr>,
}

/// Sends `request` and waits for the head of the answer. `wants_body` says, by the status and whether there is a
/// `Location`, whether the body is looked into.
pub(super) async fn ask(
    stream: Stream,
    request: Request<Full<Bytes>>,
    trace: &Trace,
    wants_body: impl Fn(StatusCode, bool) -> bool,
) -> Result<Open<'_>, Trouble> {
    let peer = stream.peer();
    trace.enter("send");
    let io = TokioIo::new(Watched { stream, trace, step: Step::Send });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
    let (mut sender, connection) = builder.handshake(io).await.map_err(|error| unanswered(peer, &error))?;
    let mut driver = Driver { connection: Box::pin(connection), ended: None };
    let response = driver.drive(sender.send_request(request)).await;
    let response = response.map_err(|error| unanswered(peer, driver.reason(&error)))?;
    let (head, body): (_, Incoming) = Response::into_parts(response);
    trace.close(&format!("status {}", head.status.as_u16()));
    let location = head.headers.contains_key(http::header::LOCATION);
    let body = wants_body(head.status, location).then_some((body, driver));
    Ok(Open { answer: Answer { status: head.status, headers: head.headers }, body, peer })
}

impl Open<'_> {
    /// Reads the body if it is looked into: until `needle` is found where that alone is wanted, else to its end or `most`.
    pub(super) async fn body(
        self,
        most: u64,
        needle: Option<&Needle>,
        only_needle: bool,
        trace: &Trace,
    ) -> Result<(Answer, Option<Body>), Trouble> {
        let Open { answer, body, peer } = self;
        let Some((mut incoming, mut driver)) = body else { return Ok((answer, None)) };
        trace.enter("body");
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut read = Body { bytes: Vec::new(), found: false, cut: false };
        while let Some(frame) = driver.drive(incoming.frame()).await {
            let frame = frame.map_err(|error| half_answered(peer, driver.reason(&error)))?;
            // Trailers are not part of the body.
            let Some(data) = frame.data_ref() else { continue };
            let before = read.bytes.len();
            let room = most.saturating_sub(before);
            read.cut = data.len() > room;
            read.bytes.extend(data.iter().take(room));
            trace.note(format!("{} bytes", read.bytes.len()));
            if let Some(needle) = needle.filter(|_| !read.found) {
                read.found = needle.is_in(&read.bytes, before);
            }
            if read.cut || (read.found && only_needle) {
                break;
            }
        }
        trace.close("");
        Ok((answer, Some(read)))
    }
}

/// A connection, driven along with what waits for it.
struct Driver<'t> {
    connection: Pin<Box<Connection<'t>>>,
    /// How it ended.
    ended: Option<Result<(), hyper::Error>>,
}

impl Driver<'_> {
    /// The result of `work`, which the connection is needed for.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if self.ended.is_none()
                && let Poll::Ready(result) = self.connection.as_mut().poll(context)
            {
                self.ended = Some(result);
            }
            work.as_mut().poll(context)
        })
        .await
    }

    /// Why a request failed: where it was only given up, what ended the connection.
    fn reason<'e>(&'e self, error: &'e hyper::Error) -> &'e hyper::Error {
        match &self.ended {
            Some(Err(ended)) if error.is_canceled() || error.is_closed() => ended,
            Some(_) | None => error,
        }
    }
}

/// Why there is no head.
fn unanswered(peer: Option<SocketAddr>, error: &hyper::Error) -> Trouble {
    // The library has a method for this only in its server.
    if error.is_parse() && error.to_string().contains("too large") {
        let text = format!(
            "the head of the answer has more than {} KiB or {MOST_HEADERS} headers",
            LARGEST_HEAD >> 10
        );
        return Trouble::failed(text);
    }
    if error.is_parse() {
        return Trouble::failed("the answer is not HTTP/1.1");
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return closed_before(peer, "the head of an answer was whole");
    }
    of_io(peer, error).unwrap_or_else(|| {
        Trouble::failed(format!("the answer cannot be read: {}", shown(&error.to_string())))
    })
}

fn closed_before(peer: Option<SocketAddr>, what: &str) -> Trouble {
    let peer = peer.map(|peer| format!(" by {peer}")).unwrap_or_default();
    Trouble::failed(format!("connection closed{peer} before {what}"))
}

/// Why the body is not whole.
fn half_answered(peer: Option<SocketAddr>, error: &hyper::Error) -> Trouble {
    let ended = io_of(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
    if error.is_incomplete_message() || ended {
        return closed_before(peer, "the end of the body");
    }
    of_io(peer, error).filter(|_| !is_nonsense(error)).unwrap_or_else(|| {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        Trouble::failed(format!("the body cannot be read{}", shown(&source)))
    })
}

/// Whether the body broke its own form.
fn is_nonsense(error: &hyper::Error) -> bool {
    io_of(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
        && io_of(error).is_some_and(|error| !is_of_tls(error))
}

fn of_io(peer: Option<SocketAddr>, error: &hyper::Error) -> Option<Trouble> {
    io_of(error).map(|error| broken(peer, error))
}

fn io_of(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

/// A stream that tells the trace how far the exchange is.
struct Watched<'t> {
    stream: Stream,
    trace: &'t Trace,
    step: Step,
}

/// How far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Send,
    FirstByte,
    Head,
}

impl AsyncRead for Watched<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, into);
        if self.step != Step::Head && into.filled().len() > before {
            self.step = Step::Head;
            self.trace.enter("head");
        }
        result
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        if self.step == Step::Send && matches!(result, Poll::Ready(Ok(()))) {
            self.step = Step::FirstByte;
            self.trace.enter("first byte");
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
