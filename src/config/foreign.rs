//! What keepalived and others call things, and what to write here: only for hints beside unknown keys.

use super::keys::{
    ADDRESS, AGENT, AUTH, CHECK, FILE, FLAP, GARP, GROUP, HTTP, INSTANCE, NOTIFY, PING, PROCESS, RESTARTS,
    SCRIPT, SYSTEMD, TCP, TLS, UNITS,
};

/// `(table, the word of others, hint)`.
#[rustfmt::skip]
const KEYS: &[(&str, &str, &str)] = &[
    ("", "vrrp_instance", "write `[instance.NAME]`"),
    ("", "global_defs", "write `[agent]`"),
    ("", "vrrp_script", "write `[check.NAME]` with `script = { command = […] }`"),
    ("", "vrrp_track_process", "write `[check.NAME]` with `process = { name = … }`"),
    ("", "track_file", "write `[check.NAME]` with `file = { path = …, expect = \"weight\" }`"),
    ("", "vrrp_track_file", "write `[check.NAME]` with `file = { path = …, expect = \"weight\" }`"),
    ("", "vrrp_sync_group", "write `[group.NAME]`"),
    ("", "checks", "write `[check.NAME]`"),
    ("", "instances", "write `[instance.NAME]`"),
    ("", "groups", "write `[group.NAME]`"),
    (AGENT, "enable_script_security", "leave it out: the paths of scripts are always looked at"),
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
    (INSTANCE, "track_script", "write `track = { CHECK = \"fault\" }`, or a weight in place of \"fault\""),
    (INSTANCE, "track_process", "write `track = { CHECK = \"fault\" }`, or a weight in place of \"fault\""),
    (INSTANCE, "track_file", "write `track = { CHECK = \"weight\" }`"),
    (INSTANCE, "track_interface", "write `[check.NAME]` with `interface = { name = … }`, and `track` it"),
    (INSTANCE, "check", "write `[check.NAME]`, and here `track = { NAME = \"fault\" }`"),
    (INSTANCE, "notify_master", "write `notify = { master = […] }`"),
    (INSTANCE, "notify_backup", "write `notify = { backup = […] }`"),
    (INSTANCE, "notify_fault", "write `notify = { fault = […] }`"),
    (INSTANCE, "notify_stop", "write `notify = { stop = […] }`"),
    (ADDRESS, "dev", "write `interface`"),
    (ADDRESS, "ip", "write `address`"),
    (AUTH, "auth_type", "write `type`"),
    (AUTH, "auth_pass", "write `password`"),
    (GARP, "interval", "write `delay` for the second burst or `refresh` for later ones"),
    (NOTIFY, "all", "write `any`"),
    (NOTIFY, "init", "there is nothing to be told before BACKUP or FAULT is entered"),
    (UNITS, "any", "a unit that always runs is systemd's to start"),
    (UNITS, "stop", "every unit is stopped when the agent stops"),
    (GROUP, "group", "write `members`"),
    (GROUP, "instances", "write `members`"),
    (GROUP, "track", "write it in an instance: what a member tracks counts for the whole group"),
    (GROUP, "track_script", "write `track` in an instance: what a member tracks counts for the whole group"),
    (GROUP, "notify_master", "write `notify = { master = […] }`"),
    (GROUP, "notify_backup", "write `notify = { backup = […] }`"),
    (GROUP, "notify_fault", "write `notify = { fault = […] }`"),
    (CHECK, "weight", "write it where the check counts: `track = { CHECK = -20 }` in an instance"),
    (CHECK, "init_fail", "write `initial = \"failing\"`"),
    (CHECK, "unit", "it belongs to a probe: `systemd = { unit = … }`"),
    (CHECK, "url", "it belongs to a probe: `http = { url = … }`"),
    (CHECK, "https", "write `http = { url = \"https://…\" }`"),
    (CHECK, "command", "it belongs to a probe: `script = { command = […] }`"),
    (CHECK, "user", "it belongs to a probe: `script = { command = […], user = … }`"),
    (CHECK, "address", "it belongs to a probe: `tcp = { address = … }` or `ping = { address = … }`"),
    (CHECK, "path", "it belongs to a probe: `file = { path = … }`"),
    (CHECK, "name", "it belongs to a probe: `process = { name = … }` or `interface = { name = … }`"),
    (CHECK, "pid_file", "it belongs to a probe: `process = { pid_file = … }`"),
    (CHECK, "damping", "write `flap`"),
    (FLAP, "count", "write `changes`"),
    (SYSTEMD, "state", "write `states = [\"active\"]`"),
    (SYSTEMD, "name", "write `unit`"),
    (RESTARTS, "window", "write `within`"),
    (HTTP, "expect", "write `status`, `body_contains` or `body_regex`"),
    (HTTP, "status_code", "write `status`"),
    (HTTP, "expect_status", "write `status`"),
    (HTTP, "follow_redirects", "write `max_redirects`, the number of them"),
    (HTTP, "address", "write `connect_address`"),
    (HTTP, "verify", "it belongs into `tls = { verify = … }`"),
    (TLS, "insecure", "write `verify = false`"),
    (TLS, "sni", "write `server_name`"),
    (TLS, "cert_file", "write `client_cert`"),
    (TLS, "key_file", "write `client_key`"),
    (TCP, "host", "write `address = \"host:port\"`"),
    (TCP, "port", "write `address = \"host:port\"`"),
    (SCRIPT, "script", "write `command`"),
    (SCRIPT, "args", "the arguments follow the command: `command = [\"/path\", \"argument\"]`"),
    (SCRIPT, "environment", "write `env`"),
    (FILE, "file", "write `path`"),
    (FILE, "weight", "write `expect = \"weight\"`, and where the check counts `track = { CHECK = \"weight\" }`"),
    (PROCESS, "process", "write `name`"),
    (PROCESS, "pidfile", "write `pid_file`"),
    (PING, "host", "write `address`"),
];

/// Keys of a check that are often written into its probe.
const OF_THE_CHECK: [&str; 6] = ["interval", "timeout", "fall", "rise", "initial", "flap"];

/// What to write in place of `key` in `table`, if others call something so.
pub(super) fn hint(table: &str, key: &str) -> Option<String> {
    let known = KEYS.iter().find(|(of, word, _)| *of == table && *word == key);
    let probe = super::keys::PROBES.contains(&table);
    match known {
        Some((_, _, hint)) => Some((*hint).to_owned()),
        None if probe && OF_THE_CHECK.contains(&key) => {
            Some(format!("it belongs to the check, beside `{table}`"))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    #[test]
    fn no_hint_is_for_a_key_that_exists() {
        for (table, word, _) in KEYS {
            assert!(!keys::names(table).any(|name| name == *word), "{table}: {word}");
        }
    }
}
