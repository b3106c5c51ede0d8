//! Every key that a configuration may hold, in one table, with its type, range and default: the reader takes no other
//! key, range or word, the schema is made from it, the sample and the manual are tested against it.
//!
//! Never: reads a configuration, or knows what a value leads to.

use std::time::Duration;

use super::model::{Notify, UserName, Weight};
use super::texts;
use super::words;

pub use super::kind::{Key, Kind, Preset};

/// `[agent]`.
pub const AGENT: &str = "agent";
/// `[instance.NAME]`.
pub const INSTANCE: &str = "instance.NAME";
/// A table among `addresses` or `unadvertised_addresses`.
pub const ADDRESS: &str = "address";
/// `auth`.
pub const AUTH: &str = "auth";
/// `garp`.
pub const GARP: &str = "garp";
/// `notify`.
pub const NOTIFY: &str = "notify";
/// `units`.
pub const UNITS: &str = "units";
/// `[group.NAME]`.
pub const GROUP: &str = "group.NAME";
/// `[check.NAME]`.
pub const CHECK: &str = "check.NAME";
/// `flap` of a check.
pub const FLAP: &str = "flap";
/// `systemd`: a probe.
pub const SYSTEMD: &str = "systemd";
/// `max_restarts` of a unit.
pub const RESTARTS: &str = "max_restarts";
/// `http`: a probe.
pub const HTTP: &str = "http";
/// `tls` of a probe.
pub const TLS: &str = "tls";
/// `tcp`: a probe.
pub const TCP: &str = "tcp";
/// `script`: a probe.
pub const SCRIPT: &str = "script";
/// `interface`: a probe.
pub const LINK: &str = "interface";
/// `file`: a probe.
pub const FILE: &str = "file";
/// `process`: a probe.
pub const PROCESS: &str = "process";
/// `ping`: a probe.
pub const PING: &str = "ping";

/// Every probe; a check has exactly one.
pub const PROBES: &[&str] = &[SYSTEMD, HTTP, TCP, SCRIPT, LINK, FILE, PROCESS, PING];
/// The probes that hear of a change at once.
pub const DRIVEN: &[&str] = &[SYSTEMD, LINK, FILE];

/// Keys of a table of which exactly one must be there.
pub const ONE_OF: &[(&str, &[&str])] =
    &[(CHECK, PROBES), (AUTH, &["password", "password_file"]), (PROCESS, &["name", "pid_file"])];
/// Keys of a table that are there both or not at all.
pub const TOGETHER: &[(&str, [&str; 2])] = &[(TLS, ["client_cert", "client_key"])];

const fn key(table: &'static str, name: &'static str, kind: Kind, default: Preset, doc: &'static str) -> Key {
    Key { table, name, kind, default, doc }
}

const fn integer(low: i64, high: i64) -> Kind {
    Kind::Integer { low, high }
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

const fn duration(low: Duration, high: Duration) -> Kind {
    Kind::Duration { low, high, zero: low.is_zero() }
}

const fn duration_or_zero(low: Duration, high: Duration) -> Kind {
    Kind::Duration { low, high, zero: true }
}

const fn list(of: &'static Kind, items: &'static str, least: usize, most: usize) -> Kind {
    Kind::List { of, items, least, most }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Most units of one state, and most members of a group.
const MOST_UNITS: usize = 64;
/// Most words of a command.
const MOST_ARGUMENTS: usize = 1024;

const NONE: Preset = Preset::Nothing("none");
const ONE_ADDRESS: Kind = Kind::Either(&[Kind::Text(texts::PREFIX), Kind::Table(ADDRESS)]);
const ONE_STATUS: Kind = Kind::Either(&[integer(200, 599), Kind::Text(texts::STATUS)]);
const LEASE: Kind = Kind::Either(&[Kind::Word(words::LEASE_WORDS), duration(s(2), hours(24))]);
const EFFECT: Kind = Kind::Either(&[Kind::Word(words::TRACK_WORDS), Kind::Weight { most: Weight::MOST }]);
const COMMAND: Kind = list(&Kind::Text(texts::ARGUMENT), "strings", 1, MOST_ARGUMENTS);
const SOME_UNITS: Kind = list(&Kind::Text(texts::UNIT), "unit names", 0, MOST_UNITS);

/// Every key of this version, table by table, in the order of the manual.
#[rustfmt::skip]
pub const FILE_KEYS: &[Key] = &[
    key(AGENT, "router_id", Kind::Text(texts::ROUTER_ID), Preset::Nothing("the host name"), "What this host calls itself in logs and status."),
    key(AGENT, "script_user", Kind::Text(texts::USER), Preset::Word(UserName::SCRIPTS), "Who runs script checks and notify commands when the agent was started as root."),

    key(INSTANCE, "interface", Kind::Text(texts::LINK), Preset::Required, "Where adverts go, and addresses unless they say otherwise."),
    key(INSTANCE, "virtual_router_id", integer(1, 255), Preset::Required, "Which virtual router of the link this is."),
    key(INSTANCE, "priority", integer(1, 255), Preset::Integer(100), "The highest becomes MASTER; 255 owns the addresses."),
    key(INSTANCE, "addresses", list(&ONE_ADDRESS, "addresses", 1, 255), Preset::Required, "The addresses that move, all of one family."),
    key(INSTANCE, "unadvertised_addresses", list(&ONE_ADDRESS, "addresses", 0, usize::MAX), Preset::Words(&[]), "Addresses that move too but are not listed in adverts."),
    key(INSTANCE, "version", integer(2, 3), Preset::Integer(3), "Version of VRRP."),
    key(INSTANCE, "advert_interval", duration(ms(10), s(255)), Preset::Duration(s(1)), "Time between two adverts of the MASTER."),
    key(INSTANCE, "preempt", Kind::Boolean, Preset::Boolean(true), "Whether to take over from a MASTER of lower priority."),
    key(INSTANCE, "preempt_delay", duration(s(0), hours(24)), Preset::Duration(s(0)), "How long to let a MASTER of lower priority be before that."),
    key(INSTANCE, "accept", Kind::Boolean, Preset::Boolean(true), "Whether a MASTER accepts packets for its addresses."),
    key(INSTANCE, "peers", list(&Kind::Text(texts::IP), "IP addresses", 1, 255), Preset::Nothing("none: multicast"), "Send adverts to these routers alone, and take them from nobody else."),
    key(INSTANCE, "source_address", Kind::Text(texts::IP), Preset::Nothing("the interface's primary address"), "Source of the adverts."),
    key(INSTANCE, "auth", Kind::Table(AUTH), NONE, "Authentication of version 2."),
    key(INSTANCE, "checksum", Kind::Word(words::CHECKSUM_WORDS), Preset::Word("auto"), "Checksum of version 3 over IPv4."),
    key(INSTANCE, "garp", Kind::Table(GARP), Preset::Parts, "Gratuitous ARP and unsolicited neighbour advertisements."),
    key(INSTANCE, "address_lease", LEASE, Preset::Word("auto"), "How long the kernel keeps the addresses of a MASTER whose agent is gone."),
    key(INSTANCE, "track", Kind::Map { names: texts::NAME, of: &EFFECT }, Preset::Parts, "Which checks count here, and what each does."),
    key(INSTANCE, "notify", Kind::Table(NOTIFY), NONE, "Commands that are run on entering a state."),
    key(INSTANCE, "units", Kind::Table(UNITS), NONE, "Units that are started on entering a state and stopped on leaving it."),

    key(ADDRESS, "address", Kind::Text(texts::PREFIX), Preset::Required, "The address, with or without /PREFIX."),
    key(ADDRESS, "interface", Kind::Text(texts::LINK), Preset::Nothing("the instance's interface"), "Where the address goes."),
    key(ADDRESS, "label", Kind::Text(texts::LABEL), NONE, "Label of an IPv4 address, as ip-address(8) shows it."),
    key(ADDRESS, "scope", Kind::Word(words::SCOPE_WORDS), Preset::Word("global"), "How far an IPv4 address reaches."),

    key(AUTH, "type", Kind::Word(words::AUTH_WORDS), Preset::Required, "The kind of authentication."),
    key(AUTH, "password", Kind::Text(texts::PASSWORD), NONE, "The password."),
    key(AUTH, "password_file", Kind::Text(texts::SECRET_FILE), NONE, "File that holds the password, or the systemd credential that does."),

    key(GARP, "repeat", integer(1, 20), Preset::Integer(5), "Announcements per address and burst."),
    key(GARP, "delay", duration(s(0), hours(1)), Preset::Duration(s(5)), "Time to the second burst after a takeover; \"0s\" for no second one."),
    // Not below a second, so that a thousand addresses do not flood the link.
    key(GARP, "refresh", duration_or_zero(s(1), hours(24)), Preset::Duration(s(0)), "Time between announcements while MASTER; \"0s\" for none."),

    key(NOTIFY, "master", COMMAND, NONE, "Command to run on becoming MASTER."),
    key(NOTIFY, "backup", COMMAND, NONE, "Command to run on becoming BACKUP."),
    key(NOTIFY, "fault", COMMAND, NONE, "Command to run on entering FAULT."),
    key(NOTIFY, "stop", COMMAND, NONE, "Command to run when the agent stops."),
    key(NOTIFY, "any", COMMAND, NONE, "Command to run after that on each of these occasions."),
    key(NOTIFY, "timeout", duration(s(1), s(600)), Preset::Duration(Notify::DEFAULT_TIMEOUT), "How long a command may run before it is ended."),

    key(UNITS, "master", SOME_UNITS, Preset::Words(&[]), "Units that run while MASTER."),
    key(UNITS, "backup", SOME_UNITS, Preset::Words(&[]), "Units that run while BACKUP."),
    key(UNITS, "fault", SOME_UNITS, Preset::Words(&[]), "Units that run while in FAULT."),

    key(GROUP, "members", list(&Kind::Text(texts::NAME), "instance names", 1, usize::MAX), Preset::Required, "The instances that move together."),
    key(GROUP, "notify", Kind::Table(NOTIFY), NONE, "Commands that are run when the group enters a state."),
    key(GROUP, "units", Kind::Table(UNITS), NONE, "Units that are started when the group enters a state and stopped when it leaves it."),

    key(CHECK, "interval", duration(ms(50), hours(1)), Preset::Duration(s(1)), "Time between two runs of the probe."),
    key(CHECK, "timeout", duration(ms(10), hours(1)), Preset::AtMost { span: s(1), key: "interval" }, "How long a run may take; at most the interval."),
    key(CHECK, "fall", integer(1, 100), Preset::ByProbe { polled: 3, driven: 1 }, "Failures in a row that make the check failing."),
    key(CHECK, "rise", integer(1, 100), Preset::ByProbe { polled: 2, driven: 1 }, "Successes in a row that make it passing."),
    key(CHECK, "initial", Kind::Word(words::INITIAL_WORDS), Preset::Word("unknown"), "The verdict before there is one."),
    key(CHECK, "flap", Kind::Table(FLAP), Preset::Parts, "When a check that keeps changing is held failing."),
    key(CHECK, SYSTEMD, Kind::Table(SYSTEMD), NONE, "Probe: the state of a unit of systemd."),
    key(CHECK, HTTP, Kind::Table(HTTP), NONE, "Probe: the answer to an HTTP request."),
    key(CHECK, TCP, Kind::Table(TCP), NONE, "Probe: a TCP connection, and what comes over it."),
    key(CHECK, SCRIPT, Kind::Table(SCRIPT), NONE, "Probe: the exit status of a command."),
    key(CHECK, LINK, Kind::Table(LINK), NONE, "Probe: a network interface that is up and has a carrier."),
    key(CHECK, FILE, Kind::Table(FILE), NONE, "Probe: a file, or the weight that is written in it."),
    key(CHECK, PROCESS, Kind::Table(PROCESS), NONE, "Probe: a process that runs."),
    key(CHECK, PING, Kind::Table(PING), NONE, "Probe: ICMP echo."),

    key(FLAP, "changes", integer(0, 1000), Preset::Integer(6), "More changes of the verdict than this are too many; 0 for no bound."),
    key(FLAP, "within", duration(s(1), hours(24)), Preset::Duration(s(120)), "In what time they are counted."),
    key(FLAP, "hold", duration(s(1), hours(1)), Preset::Duration(s(10)), "How long it is held the first time; twice as long each time after."),
    key(FLAP, "max_hold", duration(s(1), hours(24)), Preset::Duration(s(300)), "How long it is held at most."),

    key(SYSTEMD, "unit", Kind::Text(texts::UNIT), Preset::Required, "The unit, with its suffix."),
    key(SYSTEMD, "states", list(&Kind::Word(words::STATE_WORDS), "states", 1, 8), Preset::Words(&["active", "reloading"]), "The states that pass."),
    key(SYSTEMD, "max_restarts", Kind::Table(RESTARTS), NONE, "How often a service may be restarted."),

    key(RESTARTS, "count", integer(0, 1000), Preset::Required, "More automatic restarts than this fail."),
    key(RESTARTS, "within", duration(s(1), hours(24)), Preset::Required, "In what time they are counted."),

    key(HTTP, "url", Kind::Text(texts::URL), Preset::Required, "What to ask for."),
    key(HTTP, "method", Kind::Word(words::METHOD_WORDS), Preset::Word("GET"), "Method of the request."),
    key(HTTP, "headers", Kind::Map { names: texts::HEADER, of: &Kind::Text(texts::HEADER_VALUE) }, Preset::Parts, "Headers of the request."),
    key(HTTP, "body", Kind::Text(texts::BODY), NONE, "Body of the request."),
    key(HTTP, "status", list(&ONE_STATUS, "status codes", 1, 64), Preset::Words(&["200-299"]), "The status codes that pass."),
    key(HTTP, "body_contains", Kind::Text(texts::SOME), NONE, "Text that must be in the body of the answer."),
    key(HTTP, "body_regex", Kind::Text(texts::REGEX), NONE, "Regular expression that must match in the body of the answer."),
    key(HTTP, "max_body", Kind::Size { low: KIB, high: 16 * MIB }, Preset::Size(MIB), "How much of the body is read; what comes after is not looked at."),
    key(HTTP, "max_redirects", integer(0, 10), Preset::Integer(0), "How many redirects are followed."),
    key(HTTP, "tls", Kind::Table(TLS), NONE, "How an https URL is asked."),
    key(HTTP, "connect_address", Kind::Text(texts::PERHAPS_PORT), Preset::Nothing("the URL's host and port"), "Where to connect instead."),

    key(TLS, "verify", Kind::Boolean, Preset::Boolean(true), "Whether the certificate must be valid."),
    key(TLS, "ca_file", Kind::Text(texts::PATH), Preset::Nothing("the system's certificates"), "PEM file of the authorities that are trusted, in place of the system's."),
    key(TLS, "server_name", Kind::Text(texts::HOST), Preset::Nothing("the host of the URL or address"), "The name to ask for and to find in the certificate."),
    key(TLS, "client_cert", Kind::Text(texts::PATH), NONE, "PEM file of the certificate to show."),
    key(TLS, "client_key", Kind::Text(texts::PATH), NONE, "PEM file of its key."),

    key(TCP, "address", Kind::Text(texts::ENDPOINT), Preset::Required, "Where to connect."),
    key(TCP, "send", Kind::Text(texts::SOME), NONE, "What to send once connected."),
    key(TCP, "expect", Kind::Text(texts::SOME), NONE, "Text that must come back."),
    key(TCP, "tls", Kind::Table(TLS), Preset::Nothing("none: no TLS"), "Speak TLS; {} with the defaults."),

    key(SCRIPT, "command", COMMAND, Preset::Required, "The command and its arguments; never through a shell."),
    key(SCRIPT, "user", Kind::Text(texts::USER), Preset::Nothing("the agent's script_user"), "Who runs it when the agent was started as root."),
    key(SCRIPT, "env", Kind::Map { names: texts::VARIABLE, of: &Kind::Text(texts::VARIABLE_VALUE) }, Preset::Parts, "Its environment, besides what is always set."),

    key(LINK, "name", Kind::Text(texts::LINK), Preset::Required, "The interface."),

    key(FILE, "path", Kind::Text(texts::PATH), Preset::Required, "The file."),
    key(FILE, "expect", Kind::Word(words::FILE_WANT_WORDS), Preset::Word("present"), "What passes: that the file is there, that it is not, or that it holds a weight."),

    key(PROCESS, "name", Kind::Text(texts::PROGRAM), NONE, "The program's file name; one process suffices."),
    key(PROCESS, "pid_file", Kind::Text(texts::PATH), NONE, "File that holds the process's number."),

    key(PING, "address", Kind::Text(texts::SCOPED_IP), Preset::Required, "Whom to ask."),
    key(PING, "count", integer(1, 10), Preset::Integer(1), "Echo requests in a run."),
    key(PING, "min_replies", integer(1, 10), Preset::Integer(1), "Replies that a run needs to pass."),
];

/// A key that a later version will have: `(table, key)`. The top level is the table "".
pub const LATER_KEYS: &[(&str, &str)] = &[(AGENT, "metrics_listen")];

/// The keys of `table`.
pub(super) fn of(table: &str) -> &'static [Key] {
    let first = FILE_KEYS.iter().position(|key| key.table == table).unwrap_or(FILE_KEYS.len());
    let rest = FILE_KEYS.get(first..).unwrap_or_default();
    let length = rest.iter().position(|key| key.table != table).unwrap_or(rest.len());
    rest.get(..length).unwrap_or_default()
}

/// The row of `key` in `table`.
pub(super) fn row(table: &str, key: &str) -> &'static Key {
    let row = of(table).iter().find(|row| row.name == key);
    debug_assert!(row.is_some(), "no row for `{key}` of {table}");
    row.unwrap_or(&Key::UNKNOWN)
}

/// The names of the keys of `table`.
pub(super) fn names(table: &str) -> impl Iterator<Item = &'static str> + use<'_> {
    of(table).iter().map(|key| key.name)
}
