//! Every key that a configuration may hold, in one table: the reader takes no other, the sample and the manual are
//! tested against it.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table that it stands in, as the manual heads it.
    pub table: &'static str,
    /// The key.
    pub name: &'static str,
    /// Its type, in words.
    pub kind: &'static str,
    /// What holds when it is not there, as it would be written; "required" or "none" where there is no such value.
    pub default: &'static str,
    /// What it is for, in one line.
    pub doc: &'static str,
}

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

const fn key(
    table: &'static str,
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { table, name, kind, default, doc }
}

/// Every key of this version, table by table, in the order of the manual.
#[rustfmt::skip]
pub const FILE_KEYS: &[Key] = &[
    key(AGENT, "router_id", "string", "the host name", "What this host calls itself in logs and status."),

    key(INSTANCE, "interface", "string", "required", "Where adverts go, and addresses unless they say otherwise."),
    key(INSTANCE, "virtual_router_id", "integer 1-255", "required", "Which virtual router of the link this is."),
    key(INSTANCE, "priority", "integer 1-255", "100", "The highest becomes MASTER; 255 owns the addresses."),
    key(INSTANCE, "addresses", "array of addresses", "required", "The addresses that move, all of one family."),
    key(INSTANCE, "unadvertised_addresses", "array of addresses", "[]", "Addresses that move too but are not listed in adverts."),
    key(INSTANCE, "version", "integer 2 or 3", "3", "Version of VRRP."),
    key(INSTANCE, "advert_interval", "duration", "\"1s\"", "Time between two adverts of the MASTER."),
    key(INSTANCE, "preempt", "boolean", "true", "Whether to take over from a MASTER of lower priority."),
    key(INSTANCE, "preempt_delay", "duration", "\"0s\"", "How long to let a MASTER of lower priority be before that."),
    key(INSTANCE, "accept", "boolean", "true", "Whether a MASTER accepts packets for its addresses."),
    key(INSTANCE, "peers", "array of IP addresses", "none: multicast", "Send adverts to these routers alone, and take them from nobody else."),
    key(INSTANCE, "source_address", "IP address", "the interface's primary address", "Source of the adverts."),
    key(INSTANCE, "auth", "table", "none", "Authentication of version 2."),
    key(INSTANCE, "checksum", "\"auto\", \"rfc9568\" or \"rfc5798\"", "\"auto\"", "Checksum of version 3 over IPv4."),
    key(INSTANCE, "garp", "table", "{ repeat = 5, delay = \"5s\", refresh = \"0s\" }", "Gratuitous ARP and unsolicited neighbour advertisements."),

    key(ADDRESS, "address", "string", "required", "The address, with or without /PREFIX."),
    key(ADDRESS, "interface", "string", "the instance's interface", "Where the address goes."),
    key(ADDRESS, "label", "string", "none", "Label of an IPv4 address, as ip-address(8) shows it."),
    key(ADDRESS, "scope", "\"global\", \"site\", \"link\" or \"host\"", "\"global\"", "How far an IPv4 address reaches."),

    key(AUTH, "type", "\"password\"", "required", "The kind of authentication."),
    key(AUTH, "password", "string of 1-8 bytes", "none", "The password."),
    key(AUTH, "password_file", "string", "none", "Absolute path of a file that holds the password, or the name of a systemd credential."),

    key(GARP, "repeat", "integer 1-20", "5", "Announcements per address and burst."),
    key(GARP, "delay", "duration", "\"5s\"", "Time to the second burst after a takeover; \"0s\" for no second one."),
    key(GARP, "refresh", "duration", "\"0s\"", "Time between announcements while MASTER; \"0s\" for none."),
];

/// A key that a later version will have: `(table, key)`. The top level is the table "".
pub const LATER_KEYS: &[(&str, &str)] = &[
    ("", "check"),
    ("", "group"),
    (AGENT, "metrics_listen"),
    (AGENT, "script_user"),
    (INSTANCE, "track"),
    (INSTANCE, "notify"),
    (INSTANCE, "units"),
];

/// What keepalived calls things, and what to write here: `(table, its word, hint)`.
#[rustfmt::skip]
pub(super) const FOREIGN_KEYS: &[(&str, &str, &str)] = &[
    ("", "vrrp_instance", "write `[instance.NAME]`"),
    ("", "global_defs", "write `[agent]`"),
    ("", "vrrp_script", "health checks are not available in this version"),
    ("", "vrrp_sync_group", "groups are not available in this version"),
    (INSTANCE, "vrid", "write `virtual_router_id`"),
    (INSTANCE, "state", "leave it out: the highest priority becomes MASTER"),
    (INSTANCE, "advert_int", "write `advert_interval`, with a unit: \"1s\""),
    (INSTANCE, "nopreempt", "write `preempt = false`"),
    (INSTANCE, "virtual_ipaddress", "write `addresses`"),
    (INSTANCE, "virtual_addresses", "write `addresses`"),
    (INSTANCE, "virtual_ipaddress_excluded", "write `unadvertised_addresses`"),
    (INSTANCE, "unicast_peer", "write `peers`"),
    (INSTANCE, "unicast_src_ip", "write `source_address`"),
    (INSTANCE, "mcast_src_ip", "write `source_address`"),
    (INSTANCE, "authentication", "write `auth`"),
    (INSTANCE, "auth_type", "write `auth = { type = \"password\", … }`"),
    (INSTANCE, "auth_pass", "write `auth = { type = \"password\", password = … }`"),
    (INSTANCE, "password", "write `auth = { type = \"password\", password = … }`"),
    (INSTANCE, "vrrp_version", "write `version`"),
    (INSTANCE, "garp_master_delay", "write `garp = { delay = … }`"),
    (INSTANCE, "garp_master_repeat", "write `garp = { repeat = … }`"),
    (INSTANCE, "garp_master_refresh", "write `garp = { refresh = … }`"),
    (INSTANCE, "v3_checksum_as_v2", "write `checksum = \"rfc9568\"`, or leave it out: \"auto\" finds out"),
    (INSTANCE, "use_vmac", "virtual MAC addresses are not available in this version"),
    (INSTANCE, "track_script", "health checks are not available in this version"),
    (INSTANCE, "track_interface", "health checks are not available in this version"),
    (ADDRESS, "dev", "write `interface`"),
    (ADDRESS, "ip", "write `address`"),
    (AUTH, "auth_type", "write `type`"),
    (AUTH, "auth_pass", "write `password`"),
    (GARP, "interval", "write `delay` for the second burst or `refresh` for later ones"),
];

/// The names of the keys of `table`.
pub(super) fn names(table: &str) -> impl Iterator<Item = &'static str> + use<'_> {
    FILE_KEYS.iter().filter(move |key| key.table == table).map(|key| key.name)
}
