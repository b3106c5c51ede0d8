//! The one place that reads files for the configuration.
//!
//! Fails: with a [`Diagnostics`] that says in words what is the matter with the file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::auth::Secret;
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::model::Config;
use super::parse::parse_with;

/// Longest configuration that is read, in bytes.
pub const LONGEST_FILE: u64 = 1 << 20;
/// Longest password file that is read, in bytes: a password has eight.
const LONGEST_SECRET: u64 = 4096;

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What somebody should look at; warnings only.
    pub warnings: Diagnostics,
}

/// Reads the configuration in the file at `path`, and the password files that it names.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let name = path.display().to_string();
    let text = read_text(path)?;
    parse_with(&text, &name, &mut |path| secret(Path::new(path)))
}

/// All of the file at `path`, which is text and not too large.
pub fn read_text(path: &Path) -> Result<String, Diagnostics> {
    text(path).map_err(|diagnostic| Diagnostics::unreadable(&path.display().to_string(), *diagnostic))
}

fn text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let name = path.display();
    let whole = |code, message: String| Box::new(Diagnostic::whole(code, Severity::Error, message));
    let read = read(path, LONGEST_FILE)
        .map_err(|error| whole(Code::Unreadable, format!("cannot read {name}: {}", words(&error))))?;
    let Some((bytes, _)) = read else {
        return Err(whole(Code::TooLarge, format!("{name} is larger than {} MiB", LONGEST_FILE >> 20)));
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        whole(Code::NotText, format!("{name} is not UTF-8 text: byte {at}, on line {line}"))
    })
}

fn secret(path: &Path) -> Result<Secret, String> {
    match read(path, LONGEST_SECRET) {
        Ok(Some((bytes, mode))) => Ok(Secret { bytes, public: mode & 0o004 != 0 }),
        Ok(None) => Err(format!("it is larger than {LONGEST_SECRET} bytes")),
        Err(error) => Err(words(&error)),
    }
}

/// The content of a regular file and its mode; `None` when there are more than `limit` bytes.
fn read(path: &Path, limit: u64) -> io::Result<Option<(Vec<u8>, u32)>> {
    // Asked before it is opened: to open a named pipe would wait for a writer.
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let handed_over = ["/dev/stdin", "/dev/null", "/dev/fd"].iter().any(|known| path.starts_with(known));
    if !kind.is_file() && !handed_over {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    let whole = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    Ok(whole.then_some((bytes, mode)))
}

fn words(error: &io::Error) -> String {
    let known = [
        (io::ErrorKind::NotFound, "there is no such file"),
        (io::ErrorKind::PermissionDenied, "this user may not read it"),
        (io::ErrorKind::IsADirectory, "it is a directory"),
    ];
    let known = known.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}
