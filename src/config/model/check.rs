//! `[check.NAME]` as the agent takes it: what is looked at, how often, and what becomes of the outcomes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};

use super::hooks::{Command, UnitName, UserName};
use crate::net::LinkName;

/// One check: a probe, its schedule, and the rules by which outcomes become a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// What is looked at.
    pub probe: Probe,
    /// Time between the beginnings of two runs, 50 ms to 1 h; for a probe that is [`Probe::driven`], the safety net.
    pub interval: Duration,
    /// How long a run may take before it counts as a failure, 10 ms to [`CheckConfig::interval`].
    pub timeout: Duration,
    /// Failures in a row that make it failing, 1–100.
    pub fall: u8,
    /// Successes in a row that make it passing, 1–100.
    pub rise: u8,
    /// The verdict before there is one.
    pub initial: Initial,
    /// When it is held failing; `None` for never.
    pub flap: Option<Flap>,
}

/// The verdict of a check before its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Initial {
    /// Keeps an instance from becoming MASTER, and lets a MASTER be.
    #[default]
    Unknown,
    /// As if it had passed.
    Passing,
    /// As if it had failed.
    Failing,
}

/// A check whose verdict changes more than `changes` times `within` is held failing: for `hold` the first time, twice as
/// long each time after, at most for `max_hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// Changes that are not yet too many, 1–1000.
    pub changes: u16,
    /// In what time they are counted, 1 s to 24 h.
    pub within: Duration,
    /// The first hold, 1 s to 1 h.
    pub hold: Duration,
    /// The longest hold, [`Flap::hold`] to 24 h.
    pub max_hold: Duration,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The state of a unit of systemd.
    Systemd(SystemdProbe),
    /// The answer to an HTTP request.
    Http(Box<HttpProbe>),
    /// A TCP connection, and what comes over it.
    Tcp(TcpProbe),
    /// The exit status of a command.
    Script(ScriptProbe),
    /// An interface that is up and has a carrier.
    Interface(LinkName),
    /// A file.
    File(FileProbe),
    /// A process.
    Process(ProcessProbe),
    /// ICMP echo.
    Ping(PingProbe),
}

impl Probe {
    /// The key of its table: `systemd`, `http`, …
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Probe::Systemd(_) => "systemd",
            Probe::Http(_) => "http",
            Probe::Tcp(_) => "tcp",
            Probe::Script(_) => "script",
            Probe::Interface(_) => "interface",
            Probe::File(_) => "file",
            Probe::Process(_) => "process",
            Probe::Ping(_) => "ping",
        }
    }

    /// Whether it hears of a change at once, so that its interval is only a safety net.
    #[must_use]
    pub fn driven(&self) -> bool {
        matches!(self, Probe::Systemd(_) | Probe::Interface(_) | Probe::File(_))
    }
}

/// `systemd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemdProbe {
    /// The unit; no template without an instance.
    pub unit: UnitName,
    /// The states that pass; not empty, each once.
    pub states: Vec<UnitState>,
    /// How often a service may be restarted.
    pub max_restarts: Option<Restarts>,
}

/// What systemd calls the `ActiveState` of a unit (`org.freedesktop.systemd1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitState {
    /// `active`.
    Active,
    /// `reloading`.
    Reloading,
    /// `inactive`.
    Inactive,
    /// `failed`.
    Failed,
    /// `activating`.
    Activating,
    /// `deactivating`.
    Deactivating,
    /// `maintenance`.
    Maintenance,
    /// `refreshing`.
    Refreshing,
}

impl UnitState {
    /// The word that systemd has for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            UnitState::Active => "active",
            UnitState::Reloading => "reloading",
            UnitState::Inactive => "inactive",
            UnitState::Failed => "failed",
            UnitState::Activating => "activating",
            UnitState::Deactivating => "deactivating",
            UnitState::Maintenance => "maintenance",
            UnitState::Refreshing => "refreshing",
        }
    }
}

/// More than `count` automatic restarts `within` are a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// 0–1000.
    pub count: u16,
    /// 1 s to 24 h.
    pub within: Duration,
}

/// `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Absolute, `http` or `https`, with a host, without credentials and fragment.
    pub url: Uri,
    /// Where to connect: `connect_address`, and what it leaves open from the URL.
    pub endpoint: Endpoint,
    /// Of an `https` URL, and only of one.
    pub tls: Option<Tls>,
    /// Of the request.
    pub method: Method,
    /// Each name once, none of those that belong to the connection.
    pub headers: Vec<Header>,
    /// Of the request; 1 to 65,536 bytes.
    pub body: Option<Text>,
    /// The status codes that pass; not empty.
    pub status: Vec<StatusRange>,
    /// Must be in the body of the answer.
    pub body_contains: Option<Text>,
    /// Must match in the body of the answer.
    pub body_regex: Option<Pattern>,
    /// Bytes of the body that are read, 1 KiB to 16 MiB.
    pub max_body: u64,
    /// Redirects that are followed, 0–10.
    pub max_redirects: u8,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value, marked as sensitive: it may be a credential.
    pub value: HeaderValue,
}

/// Status codes `low` to `high`, both included; 200–599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub low: u16,
    /// The last, not below the first.
    pub high: u16,
}

impl StatusRange {
    /// Whether `status` is among them.
    #[must_use]
    pub fn contains(self, status: u16) -> bool {
        (self.low..=self.high).contains(&status)
    }
}

/// A regular expression over bytes that compiles, within 1 MiB.
#[derive(Clone, Debug)]
pub struct Pattern(pub(in crate::config) regex::bytes::Regex);

impl Pattern {
    /// Whether it matches anywhere in `bytes`; in time linear to their number.
    #[must_use]
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// A text that is sent or searched for. Not printed: it may hold a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

/// A host and a port, 1–65535.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// Which port.
    pub port: u16,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// By its link-local address, behind this interface.
    LinkLocal(Ipv6Addr, LinkName),
    /// By a name that is looked up within the time limit of a run; 1–253 bytes of labels, no address.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(address) => write!(f, "{address}"),
            Host::LinkLocal(address, link) => write!(f, "{address}%{link}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// `tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether the certificate must be valid.
    pub verify: bool,
    /// Authorities in place of the system's; absolute.
    pub ca_file: Option<PathBuf>,
    /// The name to ask for and to find in the certificate; the host of the URL or address when it is not set.
    pub server_name: Host,
    /// What to show.
    pub client: Option<ClientCertificate>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file of the certificate; absolute.
    pub cert: PathBuf,
    /// PEM file of the key; absolute.
    pub key: PathBuf,
}

/// `tcp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpProbe {
    /// Where to connect.
    pub address: Endpoint,
    /// What to send once connected; 1 to 4096 bytes.
    pub send: Option<Text>,
    /// What must come back, anywhere in it; 1 to 4096 bytes.
    pub expect: Option<Text>,
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
}

/// `script`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptProbe {
    /// What is run, never through a shell.
    pub command: Command,
    /// Who runs it; the agent's `script_user` when not set.
    pub user: Option<UserName>,
    /// Added to the environment; none of the names begins with `FAILOVER_`.
    pub env: BTreeMap<String, Text>,
}

/// `file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProbe {
    /// Absolute.
    pub path: PathBuf,
    /// What passes.
    pub expect: FileWant,
}

/// What passes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FileWant {
    /// That it exists.
    #[default]
    Present,
    /// That it does not.
    Absent,
    /// That it holds a whole number from -253 to 253, which counts as a weight where it is tracked so.
    Weight,
}

/// `process`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessProbe {
    /// A process whose program has this file name.
    Name(String),
    /// The process whose number is in this file; absolute.
    PidFile(PathBuf),
}

/// `ping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingProbe {
    /// Whom to ask; never [`Host::Name`].
    pub address: Host,
    /// Echo requests in a run, 1–10.
    pub count: u8,
    /// Replies that a run needs, 1 to [`PingProbe::count`].
    pub min_replies: u8,
}
