//! Reads `auth`: the password of version 2, from the file itself or from one of its own.
//!
//! Never: shows a password, or says more of one than that it is too long or empty.

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::keys;
use super::model::Password;
use super::reader::{self, Table};
use super::tree::Entry;
use super::words;

/// Brings the content of a password file: the only thing that reading a configuration needs besides its text.
///
/// It is given what `password_file` says: an absolute path, or a name without a slash, which is that of a credential
/// (systemd.exec(5), `LoadCredential=`).
pub type ReadSecret<'a> = &'a mut dyn FnMut(&str) -> Result<Secret, SecretProblem>;

/// Why there is no content of a password file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretProblem {
    /// In words.
    pub why: String,
    /// Whether the configuration may be good all the same: credentials are there for the service alone, and who only
    /// validates a file is not the service.
    pub elsewhere: bool,
}

impl SecretProblem {
    /// A file that cannot be read.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        SecretProblem { why: why.into(), elsewhere: false }
    }
}

/// The content of a password file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Whether every user of the host can read it.
    pub public: bool,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The password that `auth` of `instance` sets.
pub(super) fn read(
    instance: &str,
    entry: &Entry,
    read_secret: ReadSecret<'_>,
    problems: &mut Diagnostics,
) -> Option<Password> {
    let hint = "such as auth = { type = \"password\", password_file = \"/etc/failover.password\" }";
    let entries = reader::table("auth", &entry.node, hint, problems)?;
    let mut table =
        Table::new(keys::AUTH, format!("`auth` of instance `{instance}`"), entry.key.clone(), entries);
    let kind = table.require("type", problems);
    let inline = table.take("password");
    let file = table.take("password_file");
    let place = table.place().clone();
    table.finish(problems);
    if let Some(kind) = kind {
        kind_of(kind, problems)?;
    }
    match (inline, file) {
        (Some(inline), None) => from_text(inline, problems),
        (None, Some(file)) => from_file(file, read_secret, problems),
        (Some(inline), Some(file)) => {
            let message = "`password` and `password_file` exclude each other";
            let diagnostic = Diagnostic::error(Code::BadPassword, &file.key, message)
                .label("the password shall come from here")
                .related(&inline.key, "and from here");
            problems.push(diagnostic);
            None
        }
        (None, None) => {
            let message = format!("`auth` of instance `{instance}` lacks `password` or `password_file`");
            problems
                .push(Diagnostic::error(Code::MissingKey, &place, message).label("one of them is required"));
            None
        }
    }
}

fn kind_of(entry: &Entry, problems: &mut Diagnostics) -> Option<()> {
    let text = reader::string("type", &entry.node, problems)?;
    if !["ah", "md5", "hmac"].contains(&text.value.to_ascii_lowercase().as_str()) {
        return reader::word("type", &entry.node, &words::AUTHS, problems);
    }
    let message = "only passwords are available";
    let diagnostic = Diagnostic::error(Code::NotYet, &text.place, message)
        .label("this kind of authentication is not available")
        .hint("type = \"password\" is what other routers call PASS or simple text");
    problems.push(diagnostic);
    None
}

fn from_text(entry: &Entry, problems: &mut Diagnostics) -> Option<Password> {
    let text = reader::string("password", &entry.node, problems)?;
    password(text.value.as_bytes(), &text.place, "`password`", problems)
}

fn from_file(entry: &Entry, read_secret: ReadSecret<'_>, problems: &mut Diagnostics) -> Option<Password> {
    let path = reader::string("password_file", &entry.node, problems)?;
    let is_credential = !path.value.contains('/');
    if !path.value.starts_with('/') && (!is_credential || path.value.is_empty()) {
        let message = "`password_file` must be an absolute path, or the name of a systemd credential";
        problems.push(
            Diagnostic::error(Code::BadValue, &path.place, message).label(if path.value.is_empty() {
                "empty"
            } else {
                "does not begin with a slash"
            }),
        );
        return None;
    }
    let what = if is_credential { "credential" } else { "password file" };
    let secret = match read_secret(path.value) {
        Ok(secret) => secret,
        Err(SecretProblem { why, elsewhere: true }) => {
            let message = format!("the {what} cannot be checked here: {why}");
            let label = format!("this {what}");
            problems.push(Diagnostic::warning(Code::SecretUnseen, &path.place, message).label(label));
            return Some(Password([0; 8]));
        }
        Err(SecretProblem { why, elsewhere: false }) => {
            let message = format!("the {what} cannot be used: {why}");
            let label = format!("this {}", if is_credential { "credential" } else { "file" });
            problems.push(Diagnostic::error(Code::BadPassword, &path.place, message).label(label));
            return None;
        }
    };
    if secret.public {
        let message = "every user of this host can read the password file";
        let diagnostic = Diagnostic::warning(Code::SecretReadable, &path.place, message)
            .label("this file")
            .hint("chmod o-rwx takes that away");
        problems.push(diagnostic);
    }
    let line = secret.bytes.strip_suffix(b"\n").unwrap_or(&secret.bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    password(line, &path.place, "the password in the file", problems)
}

/// Eight bytes of the password, zero-filled (RFC 2338, section 5.3.10). A longer one is refused, although others cut it:
/// whoever writes it believes that all of it counts.
fn password(bytes: &[u8], place: &Place, what: &str, problems: &mut Diagnostics) -> Option<Password> {
    let mut field = [0; 8];
    let (message, label, hint) = if bytes.is_empty() {
        (format!("{what} is empty"), "nothing to compare", None)
    } else if bytes.contains(&0) {
        (format!("{what} holds a zero byte"), "zero bytes mark its end in an advert", None)
    } else if let Some(start) = field.get_mut(..bytes.len()) {
        start.copy_from_slice(bytes);
        return Some(Password(field));
    } else {
        (
            format!("{what} is longer than 8 bytes"),
            "an advert carries 8 bytes",
            Some("both ends use the first 8 bytes only: write those, here and on the other routers"),
        )
    };
    let diagnostic = Diagnostic::error(Code::BadPassword, place, message).label(label);
    problems.push(match hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    });
    None
}
