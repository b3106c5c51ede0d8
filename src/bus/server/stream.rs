//! The socket of a client as the library reads and writes it, with a limit for each message that comes in: the library
//! makes room for what a message says of its own length, and ours are short. No file descriptors are passed.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::connection::Socket;
use zbus::connection::socket::{ReadHalf, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// Longest message, in bytes. The longest with a sense names a thousand instances.
pub(super) const LONGEST: u64 = 128 << 10;
/// What every message begins with: it says how long the message is.
const HEAD: usize = 16;

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientSocket {
    stream: UnixStream,
    ahead: Vec<u8>,
}

impl ClientSocket {
    /// `ahead` was read already.
    pub(super) fn new(stream: UnixStream, ahead: Vec<u8>) -> Self {
        ClientSocket { stream, ahead }
    }
}

impl Socket for ClientSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.stream.into_split();
        Split::new(Reader { read, ahead: self.ahead, frame: Frame::default() }, Writer(write))
    }
}

/// What comes in.
#[derive(Debug)]
pub(super) struct Reader {
    read: OwnedReadHalf,
    ahead: Vec<u8>,
    frame: Frame,
}

/// Where in a message the reader is.
#[derive(Debug, Default)]
struct Frame {
    head: Vec<u8>,
    left: u64,
}

impl Frame {
    /// Follows what was read; an error when a message is too long.
    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(count..).unwrap_or_default();
                self.left -= u64::try_from(count).unwrap_or(self.left);
                continue;
            }
            let count = (HEAD - self.head.len()).min(bytes.len());
            let (more, rest) = bytes.split_at_checked(count).unwrap_or_default();
            self.head.extend_from_slice(more);
            bytes = rest;
            if let Some(length) = length(&self.head) {
                if length > LONGEST {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
                }
                self.head.clear();
                self.left = length;
            }
        }
        Ok(())
    }
}

/// How much follows a whole head: the fields, the gap after them, and the body.
fn length(head: &[u8]) -> Option<u64> {
    let head: &[u8; HEAD] = head.try_into().ok()?;
    let number = |at: usize| {
        let bytes: [u8; 4] = head.get(at..)?.first_chunk().copied()?;
        Some(u64::from(match head.first() {
            Some(b'B') => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        }))
    };
    let (body, fields) = (number(4)?, number(12)?);
    Some(fields.next_multiple_of(8) + body)
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let count = if self.ahead.is_empty() {
            self.read.read(buffer).await?
        } else {
            let count = self.ahead.len().min(buffer.len());
            let rest = self.ahead.split_off(count);
            let first = std::mem::replace(&mut self.ahead, rest);
            buffer.iter_mut().zip(first).for_each(|(place, byte)| *place = byte);
            count
        };
        self.frame.follow(buffer.get(..count).unwrap_or_default())?;
        Ok((count, Vec::new()))
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Writer(OwnedWriteHalf);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write(buffer).await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::Message;

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let one = Message::method_call("/a", "B").build(&("text", 7_u32)).unwrap();
        let two = Message::method_call("/a/b", "C").interface("x.y").build(&()).unwrap();
        let bytes = [one.data().bytes(), two.data().bytes()].concat();
        for size in [1, 3, 16, 17, 1_000] {
            let mut frame = Frame::default();
            bytes.chunks(size).for_each(|piece| frame.follow(piece).unwrap());
            assert_eq!((frame.head.len(), frame.left), (0, 0), "pieces of {size}");
        }
    }

    #[test]
    fn a_message_that_says_it_is_long_is_not_waited_for() {
        for (order, body) in [(b'l', 0x0010_0000_u32.to_le_bytes()), (b'B', 0x0010_0000_u32.to_be_bytes())] {
            let head = [&[order, 1, 0, 1][..], &body, &[0; 8]].concat();
            assert!(Frame::default().follow(&head).is_err());
        }
        let mut most = Frame::default();
        assert!(most.follow(&[0xff; HEAD]).is_err());
    }
}
