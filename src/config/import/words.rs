//! keepalived's words that have no key here, and why.
//!
//! A row may name the value that means what holds here anyway; with that the word is translated, by leaving it out.

use super::document::{Fate, Note};
use super::secret;
use super::tree::Node;

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Outside of any block.
    Root,
    /// `global_defs`.
    Global,
    /// `vrrp_instance`.
    Instance,
    /// `vrrp_sync_group`.
    Group,
}

/// Words, the value with which they say what holds here anyway ("" for any), their fate, why.
type Row = (Block, &'static [&'static str], Option<&'static str>, Fate, &'static str);

use Block::{Global, Group, Instance, Root};
use Fate::{Ignored, Translated, Without};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Root, &["virtual_server", "virtual_server_group", "SSL"], None, Without, "load balancing (LVS) is no part of failover; keepalived can go on doing that alone: keepalived --check"),
    (Root, &["bfd_instance"], None, Without, "BFD is not available; an advert interval of 10ms to 100ms notices a dead host as fast"),
    (Root, &["static_ipaddress", "static_routes", "static_rules"], None, Without, "what does not move belongs into the host's network configuration"),
    (Root, &["track_group"], None, Without, "it ties static addresses and routes to instances, and those belong into the host's network configuration"),
    (Root, &["garp_group"], None, Without, "announcements have no spacing to set; at most 64 leave at once, between the adverts"),
    (Root, &["linkbeat_interfaces", "linkbeat_use_polling"], None, Without, "the state of links comes from the kernel's messages alone"),
    (Root, &["interface_up_down_delays"], None, Without, "links have no delays to set; a check of the link has `rise` and `fall`"),
    (Root, &["net_namespace", "net_namespace_ipvs", "namespace_with_ipsets"], None, Without, "start failover in the namespace instead: ip netns exec, or NetworkNamespacePath= of systemd"),
    (Root, &["instance", "use_pid_dir"], None, Without, "several agents on one host have a --runtime-dir each"),
    (Root, &["child_wait_time"], None, Without, "commands have a time limit each, `timeout` of `notify` and of a check; a stop waits ten seconds for them at most"),

    (Global, &["notification_email", "notification_email_from", "smtp_server", "smtp_helo_name", "smtp_connect_timeout", "smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker", "no_email_faults", "no_checker_emails"], None, Without, "failover sends no mail; a notify command can, and monitoring can read the journal"),
    (Global, &["checker_log_all_failures", "rs_init_notifies", "lvs_sync_daemon", "lvs_timeouts", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop", "lvs_notify_fifo", "lvs_notify_fifo_script", "lvs_process_name", "checker_process_name", "nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark", "checker_priority", "checker_no_swap", "checker_rt_priority", "checker_cpu_affinity", "checker_rlimit_rttime", "checker_rlimit_rtime", "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force", "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force"], None, Without, "load balancing (LVS) is no part of failover"),
    (Global, &["snmp_socket", "enable_traps", "enable_snmp_vrrp", "enable_snmp_keepalived", "enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3", "enable_snmp_checker", "snmp_vs_stats_update_interval", "snmp_rs_stats_update_interval"], None, Without, "SNMP is not available; `failover status --json` has the same facts"),
    (Global, &["enable_dbus", "dbus_service_name", "dbus_no_interface_name"], None, Without, "keepalived's D-Bus names are not offered"),
    (Global, &["notify_fifo", "notify_fifo_script", "vrrp_notify_fifo", "vrrp_notify_fifo_script", "fifo_write_vrrp_states_on_reload", "vrrp_notify_priority_changes"], None, Without, "there is no FIFO; notify commands run one at a time and in order, and the journal has every change"),
    (Global, &["startup_script", "startup_script_timeout", "shutdown_script", "shutdown_script_timeout"], None, Without, "ExecStartPre= and ExecStopPost= of the systemd unit do that"),
    (Global, &["process_names", "process_name", "vrrp_process_name", "bfd_process_name"], None, Without, "there is one process, and it has one name"),
    (Global, &["vrrp_priority", "vrrp_no_swap", "vrrp_rt_priority", "vrrp_cpu_affinity", "vrrp_rlimit_rttime", "vrrp_rlimit_rtime", "max_auto_priority", "min_auto_priority_delay"], None, Without, "the agent asks for real-time priority itself; Nice=, CPUAffinity= and the like of the systemd unit set the rest"),
    (Global, &["bfd_priority", "bfd_no_swap", "bfd_rt_priority", "bfd_cpu_affinity", "bfd_rlimit_rttime", "bfd_rlimit_rtime"], None, Without, "BFD is not available"),
    (Global, &["vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force", "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force", "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force", "vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier"], None, Without, "buffers have no size to set; what gets lost is read again"),
    (Global, &["dynamic_interfaces"], None, Translated, "always so here: interfaces may come and go"),
    (Global, &["enable_script_security"], None, Translated, "always so here: nothing runs as root that somebody else can write to"),
    (Global, &["use_symlink_paths", "set_supplementary_groups"], None, Without, "how scripts are started has nothing more to set"),
    (Global, &["reload_check_config"], None, Translated, "always so here: an invalid file leaves everything as it was"),
    (Global, &["reload_time_file", "reload_repeat", "reload_file"], None, Without, "a timer of systemd can reload at a certain time"),
    (Global, &["include_check"], None, Translated, "it has done its work: what was included stands here"),
    (Global, &["tmp_config_directory", "config_save_dir", "umask", "random_seed", "data_use_instance", "state_dump_file", "stats_dump_file", "json_dump_file", "json_version", "iproute_usr_dir", "iproute_etc_dir"], None, Without, "failover writes no such files; `failover status --json` tells its state"),
    (Global, &["vrrp_mcast_group4"], Some("224.0.0.18"), Without, "adverts go to 224.0.0.18 and nowhere else: routers that use another group do not hear this one"),
    (Global, &["vrrp_mcast_group6"], Some("ff02::12"), Without, "adverts go to ff02::12 and nowhere else: routers that use another group do not hear this one"),
    (Global, &["vrrp_garp_master_refresh_repeat"], Some("1"), Without, "each time there is one announcement per address"),
    (Global, &["vrrp_garp_lower_prio_delay", "vrrp_garp_lower_prio_repeat"], None, Without, "after a contest the addresses are announced once, at most every ten seconds"),
    (Global, &["vrrp_garp_interval", "vrrp_gna_interval"], None, Without, "announcements have no spacing to set; at most 64 leave at once, between the adverts"),
    (Global, &["vrrp_garp_extra_if", "vrrp_vmac_garp_intvl"], None, Without, "`refresh` of `garp` announces the addresses of every interface again and again"),
    (Global, &["vrrp_down_timer_adverts"], Some("3"), Without, "a backup always waits for three intervals and its skew, as the RFCs have it"),
    (Global, &["vrrp_lower_prio_no_advert"], None, Without, "a losing advert is answered at once under version 3 and not under version 2, as the RFCs have it"),
    (Global, &["vrrp_higher_prio_send_advert"], None, Without, "a master that has to yield says so once where it may have been alone behind a partition, else it is silent"),
    (Global, &["vrrp_owner_ignore_adverts"], None, Without, "of two owners the one with the greater address stays"),
    (Global, &["vrrp_check_unicast_src"], None, Translated, "always so here: with `peers`, adverts of anybody else are ignored"),
    (Global, &["vrrp_skip_check_adv_addr"], None, Translated, "always so here: another list of addresses is noted and never a reason to drop an advert"),
    (Global, &["vrrp_startup_delay", "vrrp_delay_after_boot"], None, Without, "there is no delay at the start; ExecStartPre=/bin/sleep of the systemd unit is one"),
    (Global, &["log_unknown_vrids"], None, Without, "packet filters in the kernel keep other virtual router IDs away from the agent"),
    (Global, &["disable_local_igmp"], None, Without, "the groups are always joined"),
    (Global, &["vmac_prefix", "vmac_addr_prefix"], None, Without, "virtual MAC addresses are not available in this version"),
    (Global, &["vrrp_iptables", "vrrp_ipsets", "nftables", "nftables_priority", "nftables_counters", "nftables_ifindex"], None, Without, "failover makes no firewall rules"),
    (Global, &["default_interface"], None, Without, "each instance names its interface"),

    (Instance, &["virtual_routes", "virtual_rules"], None, Without, "routes and rules are not available in this version; a notify command can set them"),
    (Instance, &["use_vmac", "use_vmac_addr", "vmac_xmit_base"], None, Without, "virtual MAC addresses are not available in this version; hosts learn the new one from the announcements at a takeover"),
    (Instance, &["use_ipvlan"], None, Without, "the addresses go to the interface itself"),
    (Instance, &["vrf"], None, Without, "name the interface in the VRF instead"),
    (Instance, &["dont_track_primary"], None, Without, "an instance is in FAULT while its interface is down or without carrier"),
    (Instance, &["track_bfd"], None, Without, "BFD is not available; an advert interval of 10ms to 100ms notices a dead host as fast"),
    (Instance, &["track_src_ip"], None, Translated, "always so here: without its source address an instance is in FAULT"),
    (Instance, &["mcast_dst_ip"], Some("224.0.0.18"), Without, "adverts go to the group of the RFC and nowhere else: routers that use another one do not hear this one"),
    (Instance, &["promote_secondaries"], None, Without, "set net.ipv4.conf.INTERFACE.promote_secondaries in sysctl.d"),
    (Instance, &["accept"], None, Translated, "always so here: the MASTER answers to its addresses"),
    (Instance, &["no_accept"], None, Without, "not available in this version: the MASTER answers to its addresses"),
    (Instance, &["check_unicast_src"], None, Translated, "always so here: with `peers`, adverts of anybody else are ignored"),
    (Instance, &["unicast_fault_no_peer"], None, Without, "an empty list of peers is an error here"),
    (Instance, &["unicast_ttl"], Some("255"), Without, "unicast adverts have a hop limit of 255"),
    (Instance, &["old_unicast_checksum"], None, Without, "only the checksums of RFC 5798 and RFC 9568 are sent"),
    (Instance, &["skip_check_adv_addr"], None, Translated, "always so here: another list of addresses is noted and never a reason to drop an advert"),
    (Instance, &["garp_master_refresh_repeat"], Some("1"), Without, "each time there is one announcement per address"),
    (Instance, &["garp_lower_prio_delay", "garp_lower_prio_repeat"], None, Without, "after a contest the addresses are announced once, at most every ten seconds"),
    (Instance, &["garp_extra_if", "vmac_garp_intvl"], None, Without, "`refresh` of `garp` announces the addresses of every interface again and again"),
    (Instance, &["down_timer_adverts"], Some("3"), Without, "a backup always waits for three intervals and its skew, as the RFCs have it"),
    (Instance, &["lower_prio_no_advert"], None, Without, "a losing advert is answered at once under version 3 and not under version 2, as the RFCs have it"),
    (Instance, &["higher_prio_send_advert"], None, Without, "a master that has to yield says so once where it may have been alone behind a partition, else it is silent"),
    (Instance, &["owner_ignore_adverts"], None, Without, "of two owners the one with the greater address stays"),
    (Instance, &["timer_expired_backup", "thread_timer_expired"], None, Translated, "always so here: who was asleep for longer than the others wait goes to BACKUP first"),
    (Instance, &["kernel_rx_buf_size"], None, Without, "buffers have no size to set"),
    (Instance, &["no_virtual_ipaddress"], None, Without, "an instance has at least one address here"),
    (Instance, &["linkbeat_use_polling"], None, Without, "the state of links comes from the kernel's messages alone"),
    (Instance, &["lvs_sync_daemon_interface"], None, Without, "load balancing (LVS) is no part of failover"),
    (Instance, &["auth_hmac"], None, Without, "not available: other routers that insist on it do not hear this one"),
    (Instance, &["native_ipv6"], None, Translated, "the addresses say so"),
    (Instance, &["debug"], None, Ignored, "it does nothing"),
    (Instance, &["smtp_alert"], Some("off"), Without, "failover sends no mail; a notify command can, and monitoring can read the journal"),
    (Instance, &["notify_deleted"], None, Without, "an instance that a reload removes is stopped: `stop` runs"),
    (Instance, &["notify_master_rx_lower_pri"], None, Without, "there is no such command; after a contest the `master` command runs again"),
    (Instance, &["notify_priority_changes"], None, Without, "the journal and `failover status` tell the priority"),

    (Group, &["smtp_alert"], Some("off"), Without, "failover sends no mail; a notify command can, and monitoring can read the journal"),
    (Group, &["notify_priority_changes"], None, Without, "the journal and `failover status` tell the priority"),
    (Group, &["global_tracking", "sync_group_tracking_weight"], None, Translated, "always so here: the weights of the members' checks count"),
    (Group, &["track_bfd"], None, Without, "BFD is not available; an advert interval of 10ms to 100ms notices a dead host as fast"),
    (Group, &["notify_deleted"], None, Ignored, "keepalived has that for instances only"),
];

/// What to say of `node`; `None` when its keyword is in no row.
pub(super) fn without(block: Block, node: &Node) -> Option<Note> {
    let row = ROWS.iter().find(|(at, words, ..)| *at == block && words.contains(&node.keyword()));
    let (_, _, same, fate, reason) = row?;
    if node.word(1).is_some() && node.word(1) == *same {
        return Some(Note::whole(node, Translated, "that is so here too"));
    }
    Some(Note::whole(node, *fate, *reason))
}

/// How many words after the keyword count, of statements that become settings by themselves.
const COUNT: &[(usize, &[&str])] = &[
    (0, &["nopreempt", "preempt", "init_fail"]),
    (1, &["router_id", "vrrp_version", "vrrp_strict", "vrrp_min_garp", "v3_checksum_as_v2"]),
    (1, &["vrrp_garp_master_delay", "vrrp_garp_master_repeat", "vrrp_garp_master_refresh"]),
    (1, &["interface", "virtual_router_id", "priority", "state", "version", "advert_int", "preempt_delay"]),
    (
        1,
        &["mcast_src_ip", "unicast_src_ip", "garp_master_delay", "garp_master_repeat", "garp_master_refresh"],
    ),
    (1, &["auth_type", "auth_pass", "strict_mode", "interval", "timeout", "rise", "fall", "file"]),
    (2, &["script_user", "user", "weight"]),
];

/// Says of words that do not count that they do not.
pub(super) fn beyond(node: &Node) -> Option<Note> {
    let (count, _) = COUNT.iter().find(|(_, words)| words.contains(&node.keyword()))?;
    let rest = node.words.get(count + 1..).filter(|rest| !rest.is_empty())?;
    let reason = match rest {
        [only] if only == "\\" => {
            "keepalived joins no lines but those of definitions, and neither does this".to_owned()
        }
        _ if node.keyword() == "auth_pass" => {
            "the password ends at the first blank outside of quotes".to_owned()
        }
        // A password on the line of its type is among them.
        rest => format!("`{}`: words that keepalived does not look at", secret::masked(&rest.join(" "))),
    };
    Some(Note::of(node, Ignored, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_stands_once_in_a_block_and_has_a_reason() {
        let mut seen = BTreeSet::new();
        for (block, words, _, _, reason) in ROWS {
            assert!(!reason.is_empty() && !reason.ends_with('.'), "{words:?}");
            for word in *words {
                assert!(seen.insert((format!("{block:?}"), word)), "{block:?} {word}");
            }
        }
    }
}
