//! The one place that reads files and variables for the configuration.
//!
//! Owns: which files are read, in which order, and how long they may be. Fails: with a [`Diagnostics`] that says in words
//! what is the matter with which file.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::auth::{Secret, SecretProblem};
use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity, Source};
use super::layers::{ENVIRONMENT_PREFIX, Layer};
use super::parse::{Loaded, parse_layers};

/// Longest configuration file that is read, in bytes.
pub const LONGEST_FILE: u64 = 1 << 20;
/// Most drop-ins that are read.
const MOST_DROP_INS: usize = 256;
/// Longest password file that is read, in bytes: a password has eight.
const LONGEST_SECRET: u64 = 4096;
/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// What is never looked for drop-ins of: handed over, or nothing.
const HANDED_OVER: [&str; 3] = ["/dev/stdin", "/dev/null", "/dev/fd"];

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To run by it: everything it needs must be there.
    Run,
    /// To say what is wrong with it: what only the service can see is no error.
    Validate,
}

/// What a configuration is read from, besides its files.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Variables of the environment.
    pub variables: Vec<(OsString, OsString)>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

impl Surroundings {
    /// This process's own.
    #[must_use]
    pub fn here() -> Self {
        let ours = |name: &OsString| name.as_encoded_bytes().starts_with(ENVIRONMENT_PREFIX.as_bytes());
        Surroundings {
            variables: std::env::vars_os().filter(|(name, _)| ours(name)).collect(),
            credentials: std::env::var_os(CREDENTIALS).map(PathBuf::from),
        }
    }
}

/// Reads the configuration in the file at `path`, its drop-ins, the environment of this process, and the password files
/// that they name.
pub fn load(path: &Path, purpose: Purpose) -> Result<Loaded, Diagnostics> {
    load_in(path, purpose, &Surroundings::here())
}

/// The same in other surroundings.
pub fn load_in(path: &Path, purpose: Purpose, surroundings: &Surroundings) -> Result<Loaded, Diagnostics> {
    let mut layers = Vec::new();
    let mut errors = Vec::new();
    let mut take = |name: String, read: Result<String, Unread>| {
        let text = read.unwrap_or_else(|(code, message)| {
            let place = Place { source: layers.len(), span: 0..0 };
            errors.push(Diagnostic::error(code, &place, message));
            String::new()
        });
        layers.push(Layer::file(name, text));
    };
    take(path.display().to_string(), text(path));
    match drop_ins(path) {
        Ok(files) => files.iter().for_each(|file| take(file.display().to_string(), text(file))),
        Err((directory, unread)) => take(directory.display().to_string(), Err(unread)),
    }
    match environment(&surroundings.variables) {
        Ok(layer) => layers.extend(layer),
        Err(message) => errors.push(Diagnostic::whole(Code::NotText, Severity::Error, message)),
    }
    if !errors.is_empty() {
        let sources = layers.iter().map(|layer| Source::new(layer.name.as_str(), "")).collect();
        let mut problems = Diagnostics::new(sources);
        for error in errors {
            problems.push(error);
        }
        return Err(problems);
    }
    let credentials = surroundings.credentials.as_deref();
    parse_layers(&layers, &mut |named| secret(named, credentials, purpose))
}

impl Loaded {
    /// The SHA-256 of the layers' texts, one after the other, in hexadecimal: of a file without drop-ins and without
    /// variables what `sha256sum` says.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for source in self.warnings.sources() {
            digest.update(source.text.as_bytes());
        }
        digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Why a file is not read: the kind of thing, in words.
type Unread = (Code, String);

/// All of the file at `path`, which is text and not too large.
pub fn read_text(path: &Path) -> Result<String, Diagnostics> {
    text(path).map_err(|(code, message)| {
        let name = path.display().to_string();
        Diagnostics::unreadable(&name, Diagnostic::whole(code, Severity::Error, message))
    })
}

fn text(path: &Path) -> Result<String, Unread> {
    let name = path.display();
    let read = read(path, LONGEST_FILE)
        .map_err(|error| (Code::Unreadable, format!("cannot read {name}: {}", words(&error))))?;
    let Some((bytes, _)) = read else {
        return Err((Code::TooLarge, format!("{name} is larger than {} MiB", LONGEST_FILE >> 20)));
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        (Code::NotText, format!("{name} is not UTF-8 text: byte {at}, on line {line}"))
    })
}

/// The drop-ins of the file at `path`, `*.toml` in `path.d` in the order of their names; none where there is no such
/// directory.
fn drop_ins(path: &Path) -> Result<Vec<PathBuf>, (PathBuf, Unread)> {
    if HANDED_OVER.iter().any(|known| path.starts_with(known)) {
        return Ok(Vec::new());
    }
    let directory = PathBuf::from({
        let mut name = path.as_os_str().to_owned();
        name.push(".d");
        name
    });
    let unread = |error: &io::Error| {
        let message = format!("cannot read the directory {}: {}", directory.display(), words(error));
        (directory.clone(), (Code::Unreadable, message))
    };
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unread(&error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unread(&error))?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    if files.len() > MOST_DROP_INS {
        let message = format!("{} holds more than {MOST_DROP_INS} files", directory.display());
        return Err((directory, (Code::TooLarge, message)));
    }
    files.sort();
    Ok(files)
}

fn environment(variables: &[(OsString, OsString)]) -> Result<Option<Layer>, String> {
    let text = |text: &OsString| text.to_str().map(str::to_owned);
    let mut legible = Vec::new();
    for (name, value) in variables {
        match (text(name), text(value)) {
            (Some(name), Some(value)) => legible.push((name, value)),
            (_, _) => return Err(format!("the variable {} is not UTF-8 text", name.display())),
        }
    }
    Ok(Layer::environment(legible))
}

/// What `password_file` names: a file, or a credential of the service.
fn secret(named: &str, credentials: Option<&Path>, purpose: Purpose) -> Result<Secret, SecretProblem> {
    let path = if named.contains('/') {
        PathBuf::from(named)
    } else if let Some(directory) = credentials {
        directory.join(named)
    } else {
        let why = "only the service sees its credentials ($CREDENTIALS_DIRECTORY is not set); \
                   does the unit have LoadCredential= for it?";
        return Err(SecretProblem { why: why.to_owned(), elsewhere: purpose == Purpose::Validate });
    };
    match read(&path, LONGEST_SECRET) {
        Ok(Some((bytes, mode))) => Ok(Secret { bytes, public: mode & 0o004 != 0 }),
        Ok(None) => Err(SecretProblem::new(format!("it is larger than {LONGEST_SECRET} bytes"))),
        Err(error) => Err(SecretProblem::new(words(&error))),
    }
}

/// The content of a regular file and its mode; `None` when there are more than `limit` bytes.
fn read(path: &Path, limit: u64) -> io::Result<Option<(Vec<u8>, u32)>> {
    // Asked before it is opened: to open a named pipe would wait for a writer.
    let kind = fs::metadata(path)?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // By way of one of them leads elsewhere.
    let direct = !path.components().any(|part| part == Component::ParentDir);
    let handed_over = direct && HANDED_OVER.iter().any(|known| path.starts_with(known));
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
        (io::ErrorKind::NotADirectory, "it is no directory"),
    ];
    let known = known.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}
