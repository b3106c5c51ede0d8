//! What the probes over the network share: lookups, connections, TLS, and the words for what goes wrong.
//!
//! Owns: the lookups under way and the system's certificate authorities, for all checks together. Never: shows what a
//! server sent with its control characters, or anything that the configuration does not print. Fails: with a [`Trouble`].

pub(super) mod connect;
pub(super) mod lookup;
mod own;
mod refusal;
pub(super) mod stream;
pub(super) mod tls;

use std::fmt;
use std::io;

use nix::errno::Errno;
use regex::bytes::Regex;
use tokio::task::JoinHandle;

use crate::config::model::Text;
use crate::health::outcome::{Finding, Outcome};

/// Longest text of somebody else that is shown, in characters.
const LONGEST_SHOWN: usize = 120;

/// What all checks share.
#[derive(Debug, Default)]
pub struct Net {
    pub(in crate::probe) lookups: lookup::Lookups,
    pub(in crate::probe) authorities: tls::Authorities,
}

/// Why a run does not pass.
#[derive(Debug)]
pub(super) struct Trouble {
    finding: Finding,
    text: String,
}

impl Trouble {
    /// The thing that is looked at is not as it should be.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Trouble { finding: Finding::Failed, text: text.into() }
    }

    /// This host could not look, which says nothing about the thing.
    pub(super) fn unknown(text: impl Into<String>) -> Self {
        Trouble { finding: Finding::Unknown, text: text.into() }
    }

    /// What the kernel refused; where this host has run out of something, the outcome is unknown.
    pub(super) fn kernel(text: impl Into<String>, error: &io::Error) -> Self {
        let finding = if is_shortage(error) { Finding::Unknown } else { Finding::Failed };
        Trouble { finding, text: text.into() }
    }
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        Outcome::new(trouble.finding, trouble.text)
    }
}

/// Whether this host has no more descriptors or memory.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|number| shortages.contains(&Errno::from_raw(number)))
}

/// Whether an error of a connection is one of TLS.
pub(super) fn is_of_tls(error: &io::Error) -> bool {
    refusal::of_io(error).is_some()
}

/// What the kernel says, without its number.
pub(super) fn words(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| shown(&error.to_string()), |number| Errno::from_raw(number).desc().to_owned())
}

/// A text of somebody else as it may be shown: one line, control characters escaped, not too long.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST_SHOWN {
            shown.push('…');
            break;
        }
        // What only changes how the rest is displayed, such as the direction of writing, is as bad as a control character.
        let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || invisible {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A text that is searched for, in time linear to what is searched through.
pub(super) struct Needle {
    /// Of the text as it stands; none only if it could not be compiled, and then nothing matches.
    regex: Option<Regex>,
    length: usize,
}

impl Needle {
    pub(super) fn new(text: &Text) -> Self {
        Needle { regex: Regex::new(&regex::escape(&text.0)).ok(), length: text.0.len() }
    }

    /// Whether it is in `bytes`, of which all before `searched` was searched through before.
    pub(super) fn is_in(&self, bytes: &[u8], searched: usize) -> bool {
        let from = searched.saturating_sub(self.length.saturating_sub(1));
        let rest = bytes.get(from..).unwrap_or_default();
        self.regex.as_ref().is_some_and(|regex| regex.is_match(rest))
    }
}

/// Not printed: it may hold a credential.
impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Needle(…)")
    }
}

/// Work that may block, on a thread of its own; one at a time. Who waits for it may give up: the next one waits for the
/// same work rather than begin it once more.
#[derive(Debug)]
struct Job<T>(Option<JoinHandle<T>>);

impl<T> Default for Job<T> {
    fn default() -> Self {
        Job(None)
    }
}

impl<T: Send + 'static> Job<T> {
    /// The result of the work that is under way, else of `work`.
    async fn result(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
        let handle = self.0.get_or_insert_with(|| tokio::task::spawn_blocking(work));
        let result = handle.await;
        self.0 = None;
        result.map_err(|_| Trouble::unknown("the program is stopping"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_one_line_without_control_characters() {
        assert_eq!(shown("a\r\n\u{1b}[31mb\0\u{202e}c"), "a\\r\\n\\u{1b}[31mb\\u{0}\\u{202e}c");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), LONGEST_SHOWN + 1);
        assert_eq!(shown("grün"), "grün");
    }

    #[test]
    fn a_text_is_found_across_pieces_and_letter_for_letter() {
        let needle = Needle::new(&Text("a.*b\n".to_owned()));
        assert!(needle.is_in(b"xxa.*b\n", 0) && needle.is_in(b"xxa.*b\n", 6));
        assert!(!needle.is_in(b"axxb\n", 0));
        assert!(!needle.is_in(b"", 0));
        assert!(Needle::new(&Text("\u{e9}".repeat(2048))).is_in("\u{e9}".repeat(2050).as_bytes(), 0));
        assert_eq!(format!("{needle:?}"), "Needle(…)");
    }

    #[test]
    fn a_shortage_of_this_host_says_nothing_about_the_other() {
        let trouble = |errno: Errno| {
            let error = io::Error::from(errno);
            Outcome::from(Trouble::kernel(words(&error), &error))
        };
        assert_eq!(trouble(Errno::EMFILE).finding, Finding::Unknown);
        assert_eq!(trouble(Errno::ECONNREFUSED).finding, Finding::Failed);
        assert_eq!(trouble(Errno::ECONNREFUSED).text, "Connection refused");
    }
}
