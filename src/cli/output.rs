//! Where words go: answers to standard output, complaints to standard error, colour only where a person sees it.
//!
//! Fails: a stream that cannot be written is an error for answers, and nothing for complaints, since nobody is left
//! to tell.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use super::Failure;

/// Writes an answer to standard output, all of it.
pub(super) fn answer(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes one complaint to standard error, after the program's name.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "failover: {text}");
}

/// Writes text that is laid out already, such as diagnostics, to standard error.
pub(super) fn complain_plainly(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// How many characters a line of `stream` has: what `COLUMNS` says, else what the terminal is; nothing for anything else.
pub(super) fn width(stream: &impl AsFd) -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|width| *width > 0);
    said.or_else(|| terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0)))
}

/// Whether `stream` is a terminal whose reader wants colour (<https://no-color.org>).
pub(super) fn wants_color(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    stream.is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
