//! The words before the messages, at the side that is connected to: who is there, as the kernel has it, and nothing else.
//!
//! An own one, because the other end is anybody: a few lines of text, each of them short, are all that is read; no file
//! descriptors are passed. Whatever is out of order ends the connection.

use std::fmt::Write;
use std::io::{self, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes before the first message.
const LONGEST: usize = 2 << 10;
/// Bytes that are read at once.
const PIECE: usize = 512;
const LINE_END: &[u8] = b"\r\n";

/// What is to be said to a line.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Say(String),
    /// Messages follow.
    Begin,
    /// That makes no sense here.
    End,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Asked,
    Data,
    Known,
}

struct Handshake<'g> {
    step: Step,
    /// The user at the other end, as the kernel says, in the form of the protocol.
    user: String,
    guid: &'g str,
}

/// Goes through it with the `user` at the other end; what was read of the messages after it.
pub(super) async fn authenticate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: u32,
    guid: &str,
) -> io::Result<Vec<u8>> {
    if stream.read_u8().await? != 0 {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut handshake = Handshake { step: Step::Asked, user: hexadecimal(&user.to_string()), guid };
    let mut ahead = Vec::new();
    let mut left = LONGEST;
    loop {
        while let Some(end) = ahead.windows(LINE_END.len()).position(|pair| pair == LINE_END) {
            let rest = ahead.split_off(end + LINE_END.len());
            let line = std::mem::replace(&mut ahead, rest);
            let line = line.strip_suffix(LINE_END).unwrap_or_default();
            match handshake.line(std::str::from_utf8(line).unwrap_or_default()) {
                Reply::Say(text) => stream.write_all(format!("{text}\r\n").as_bytes()).await?,
                Reply::Begin => return Ok(ahead),
                Reply::End => return Err(ErrorKind::InvalidData.into()),
            }
        }
        let mut piece = [0; PIECE];
        let count = stream.read(&mut piece).await?;
        left = left.checked_sub(count).filter(|_| count > 0).ok_or(ErrorKind::InvalidData)?;
        ahead.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}

impl Handshake<'_> {
    fn line(&mut self, line: &str) -> Reply {
        let mut words = line.split(' ');
        let (command, first, second) = (words.next().unwrap_or_default(), words.next(), words.next());
        match (self.step, command, first, second) {
            (Step::Asked, "AUTH", Some("EXTERNAL"), None) => {
                self.step = Step::Data;
                Reply::Say("DATA".to_owned())
            }
            (Step::Asked, "AUTH", Some("EXTERNAL"), claim) => self.known(claim),
            (Step::Data, "DATA", claim, None) => self.known(claim),
            (Step::Asked, "AUTH", ..) | (_, "CANCEL" | "ERROR", ..) => self.rejected(),
            (Step::Known, "NEGOTIATE_UNIX_FD", ..) => {
                Reply::Say("ERROR \"no file descriptors here\"".to_owned())
            }
            (Step::Known, "BEGIN", None, None) => Reply::Begin,
            (_, "BEGIN", ..) => Reply::End,
            _ => Reply::Say("ERROR \"not a word of this place\"".to_owned()),
        }
    }

    /// Whoever says nothing is who the kernel says.
    fn known(&mut self, claim: Option<&str>) -> Reply {
        if claim.is_none_or(|claim| claim.is_empty() || claim == self.user) {
            self.step = Step::Known;
            return Reply::Say(format!("OK {}", self.guid));
        }
        self.rejected()
    }

    fn rejected(&mut self) -> Reply {
        self.step = Step::Asked;
        Reply::Say("REJECTED EXTERNAL".to_owned())
    }
}

fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(lines: &[&str]) -> Vec<Reply> {
        let mut handshake = Handshake { step: Step::Asked, user: hexadecimal("1000"), guid: "77" };
        lines.iter().map(|line| handshake.line(line)).collect()
    }

    #[test]
    fn who_is_who_the_kernel_says_may_begin() {
        let ok = || Reply::Say("OK 77".to_owned());
        assert_eq!(say(&["AUTH EXTERNAL 31303030", "BEGIN"]), [ok(), Reply::Begin]);
        let data = || Reply::Say("DATA".to_owned());
        assert_eq!(say(&["AUTH EXTERNAL", "DATA", "BEGIN"]), [data(), ok(), Reply::Begin]);
        assert_eq!(say(&["AUTH EXTERNAL", "DATA 31303030"]), [data(), ok()]);
    }

    #[test]
    fn others_may_not() {
        let rejected = || Reply::Say("REJECTED EXTERNAL".to_owned());
        assert_eq!(say(&["AUTH EXTERNAL 30", "BEGIN"]), [rejected(), Reply::End]);
        assert_eq!(say(&["AUTH ANONYMOUS", "AUTH", "BEGIN"]), [rejected(), rejected(), Reply::End]);
        assert_eq!(say(&["BEGIN"]), [Reply::End]);
        assert_eq!(say(&["AUTH EXTERNAL 31303030", "CANCEL", "BEGIN"])[1..], [rejected(), Reply::End]);
    }

    async fn with(sent: &[u8]) -> io::Result<Vec<u8>> {
        let (mut here, mut there) = tokio::io::duplex(1 << 16);
        there.write_all(sent).await.unwrap();
        there.shutdown().await.unwrap();
        authenticate(&mut here, 1000, "77").await
    }

    #[test]
    fn only_so_much_is_read_and_rubbish_ends_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert_eq!(with(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\nl\x01").await.unwrap(), b"l\x01");
            assert!(with(b"AUTH EXTERNAL\r\n").await.is_err());
            assert!(with(b"\n").await.is_err());
            assert!(with(b"\0\n\r\n\xff\r\nBEGIN\r\n").await.is_err());
            assert!(with(&[0; LONGEST + 2]).await.is_err());
            assert!(
                with(&b"\0".iter().copied().chain(b"A\r\n".repeat(LONGEST)).collect::<Vec<_>>())
                    .await
                    .is_err()
            );
            assert!(with(b"").await.is_err());
        });
    }
}
