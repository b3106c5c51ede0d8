//! What strings may be: nouns, lengths and patterns, as data. The pattern is what an editor can check and takes everything
//! that the reader takes; the reader looks closer and says more.

/// A kind of string.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// What one is called in the manual.
    pub one: &'static str,
    /// What several are called.
    pub many: &'static str,
    /// Shortest, in bytes.
    pub least: usize,
    /// Longest, in bytes.
    pub most: usize,
    /// A regular expression (ECMA-262) that all of them match; "" for any text.
    pub pattern: &'static str,
}

/// Longest text that is compared, sent or searched for, in bytes.
const LONGEST_TEXT: usize = 4096;
/// Longest path in bytes (`PATH_MAX` less the terminating zero).
const LONGEST_PATH: usize = 4095;

const fn text(one: &'static str, many: &'static str, bytes: (usize, usize), pattern: &'static str) -> Text {
    Text { one, many, least: bytes.0, most: bytes.1, pattern }
}

/// Any text.
pub(super) const SOME: &Text = &text("string", "strings", (1, LONGEST_TEXT), "");
/// The name of an instance, a check or a group.
pub(super) const NAME: &Text = &text("name", "names", (1, 64), "^[A-Za-z0-9_][A-Za-z0-9_.-]*$");
/// A host's name for itself.
pub(super) const ROUTER_ID: &Text = &text("string", "strings", (1, 255), "");
/// An interface's name: see [`crate::net::LinkName`].
pub(super) const LINK: &Text = &text("interface name", "interface names", (1, 15), "^[^/: \\t\\n]+$");
/// An address with or without a prefix length.
pub(super) const PREFIX: &Text = &text("address", "addresses", (2, 64), "^[0-9A-Fa-f:.]+(/[0-9]+)?$");
/// An address alone.
pub(super) const IP: &Text = &text("IP address", "IP addresses", (2, 45), "^[0-9A-Fa-f:.]+$");
/// An address alone, or a link-local one with the interface behind it.
pub(super) const SCOPED_IP: &Text =
    &text("IP address", "IP addresses", (2, 61), "^[0-9A-Fa-f:.]+(%[^/: \\t\\n]+)?$");
/// A label of an IPv4 address (`IFNAMSIZ` less the terminating zero).
pub(super) const LABEL: &Text = &text("string", "strings", (1, 15), "^[^ \\t\\n]+$");
/// A password of version 2 (RFC 2338, section 5.3.10).
pub(super) const PASSWORD: &Text = &text("string", "strings", (1, 8), "");
/// The path of a file from the root.
pub(super) const PATH: &Text = &text("absolute path", "absolute paths", (1, LONGEST_PATH), "^/");
/// The path of a file that holds a secret, or the name of a credential (systemd.exec(5), `LoadCredential=`).
pub(super) const SECRET_FILE: &Text = &text(
    "absolute path or credential name",
    "absolute paths or credential names",
    (1, LONGEST_PATH),
    "^(/|[^/]+$)",
);
/// A user of the host, as useradd(8) would name one.
pub(super) const USER: &Text = &text("user name", "user names", (1, 32), "^[A-Za-z_][A-Za-z0-9_.-]*\\$?$");
/// A unit of systemd; the longest name is its `UNIT_NAME_MAX` less the terminating zero.
pub(super) const UNIT: &Text = &text(
    "unit name",
    "unit names",
    (3, 255),
    "^[A-Za-z0-9:_.\\\\@-]+\\.(automount|device|mount|path|scope|service|slice|socket|swap|target|timer)$",
);
/// Where an HTTP request goes.
pub(super) const URL: &Text =
    &text("URL", "URLs", (8, LONGEST_TEXT), "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\s]+([/?][^#\\s]*)?$");
/// Where a connection goes.
pub(super) const ENDPOINT: &Text = &text("host:port", "host:port", (3, 320), "^[^/\\s]+:[0-9]+$");
/// Where a connection goes, the port perhaps from somewhere else.
pub(super) const PERHAPS_PORT: &Text =
    &text("host or host:port", "host or host:port", (1, 320), "^[^/\\s]+$");
/// A name to look up (RFC 1035, section 2.3.4), or an address.
pub(super) const HOST: &Text =
    &text("host name or IP address", "host names or IP addresses", (1, 253), "^[^/\\s]+$");
/// The name of a header of HTTP: a token (RFC 9110, section 5.6.2).
pub(super) const HEADER: &Text =
    &text("header name", "header names", (1, 255), "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$");
/// The value of a header.
pub(super) const HEADER_VALUE: &Text = &text("string", "strings", (0, LONGEST_TEXT), "");
/// What a request brings along.
pub(super) const BODY: &Text = &text("string", "strings", (1, 65_536), "");
/// A status or a range of them.
pub(super) const STATUS: &Text = &text("range", "ranges", (3, 7), "^[2-5][0-9]{2}(-[2-5][0-9]{2})?$");
/// A regular expression.
pub(super) const REGEX: &Text = &text("regular expression", "regular expressions", (1, LONGEST_TEXT), "");
/// A word of a command line.
pub(super) const ARGUMENT: &Text = &text("string", "strings", (0, 65_536), "");
/// The name of an environment variable.
pub(super) const VARIABLE: &Text =
    &text("variable name", "variable names", (1, 255), "^[A-Za-z_][A-Za-z0-9_]*$");
/// The value of an environment variable.
pub(super) const VARIABLE_VALUE: &Text = &text("string", "strings", (0, 65_536), "");
/// The file name of a program.
pub(super) const PROGRAM: &Text = &text("program name", "program names", (1, 255), "^[^/]+$");
