//! A connection, with TLS or without.
//!
//! Decides how it ends: a connection that is closed by a reset leaves nothing behind on either side, where a close in the
//! usual form has the kernel keep it for a minute (TIME-WAIT), once for each run.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::connect::refusal;
use super::{Trouble, refusal as tls};

/// A connection.
#[derive(Debug)]
pub(in crate::probe) enum Stream {
    /// Plain.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Has it end by a reset when it is dropped.
    pub(in crate::probe) fn end_by_reset(&self) {
        // Where the kernel refuses, it ends in the usual form.
        let _ = self.tcp().set_zero_linger();
    }

    /// Who is at the other end.
    pub(in crate::probe) fn peer(&self) -> Option<SocketAddr> {
        self.tcp().peer_addr().ok()
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Why a connection to `peer` that was there broke.
pub(in crate::probe) fn broken(peer: Option<SocketAddr>, error: &io::Error) -> Trouble {
    if let Some(text) = tls::of_io(error) {
        return Trouble::failed(text);
    }
    match (error.kind(), peer) {
        (io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof, Some(peer)) => {
            Trouble::failed(format!("connection closed by {peer}"))
        }
        (_, Some(peer)) => Trouble::kernel(refusal(peer, error), error),
        (_, None) => Trouble::kernel(format!("the connection broke: {}", super::words(error)), error),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
