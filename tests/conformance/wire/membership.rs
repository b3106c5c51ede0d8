//! GRP, TAK-06: the groups that a host is a member of.

use super::super::lab::host::Host;
use super::super::lab::router::Program;
use super::super::lab::{Lab, wait};
use super::{LIMIT, router, serves, with_backup, with_master};

/// 224.0.0.18 as `/proc/net/igmp` writes it.
const GROUP: &str = "120000E0";
const GROUP6: &str = "ff020000000000000000000000000012";
/// The solicited-node group of `fe80::50` and `2001:db8::50`.
const SOLICITED_NODE: &str = "ff0200000000000000000001ff000050";

/// Whether `eth0` of the host is a member of the IPv4 group.
fn in_group(host: &Host) -> bool {
    let mut link = "";
    let text = host.space.sh("cat /proc/net/igmp");
    text.lines().any(|line| {
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            link = line.split_whitespace().nth(1).unwrap();
        }
        link == "eth0" && line.trim_start().starts_with(GROUP)
    })
}

/// Whether `eth0` of the host is a member of `group`.
fn in_group6(host: &Host, group: &str) -> bool {
    let text = host.space.sh("cat /proc/net/igmp6");
    text.lines().any(|line| line.split_whitespace().skip(1).take(2).eq(["eth0", group]))
}

#[test]
fn grp_01_the_link_is_a_member_of_the_ipv4_group() {
    let lab = Lab::new();
    assert!(!in_group(&lab.a));
    let mut program = router(false).start(Program::Ours, &lab.a, &lab.b, 100);
    assert!(in_group(&lab.a));
    program.terminate();
    assert!(!in_group(&lab.a));
}

#[test]
fn grp_02_the_link_is_a_member_of_the_ipv6_group() {
    let lab = Lab::new();
    assert!(!in_group6(&lab.a, GROUP6));
    let mut program = router(true).start(Program::Ours, &lab.a, &lab.b, 100);
    assert!(in_group6(&lab.a, GROUP6));
    program.terminate();
    assert!(!in_group6(&lab.a, GROUP6));
}

#[test]
fn grp_03_a_backup_hears_adverts_again_after_its_link_was_away() {
    let (lab, _master, _backup) = with_backup(false);
    let state = || lab.b.instance().map(|instance| instance.state.word());
    let back = |what: &str| {
        wait(what, LIMIT, || (state() == Some("BACKUP") && in_group(&lab.b)).then_some(()));
        let heard = lab.b.instance().unwrap().counters.adverts_received;
        wait("adverts are heard again", LIMIT, || {
            (lab.b.instance()?.counters.adverts_received > heard + 5).then_some(())
        });
        lab.calm(&router(false), &lab.a, &[&lab.b]);
    };
    lab.b.unplug();
    wait("b has no carrier", LIMIT, || (state() == Some("FAULT")).then_some(()));
    lab.b.replug();
    back("b is back after its cable was");
    lab.b.space.sh("ip link set eth0 down");
    wait("b is down", LIMIT, || (state() == Some("FAULT")).then_some(()));
    lab.b.space.sh("ip link set eth0 up");
    back("b is back after it was down");
    lab.b.space.sh("ip addr del 192.0.2.2/24 dev eth0");
    lab.b.space.sh("ip addr add 192.0.2.77/24 dev eth0");
    back("b has another address");
}

#[test]
fn tak_06_a_master_is_in_the_solicited_node_group_of_its_addresses() {
    let (lab, mut program) = with_master(true, 100);
    assert!(in_group6(&lab.a, SOLICITED_NODE));
    assert!(!in_group6(&lab.b, SOLICITED_NODE));
    program.terminate();
    assert!(!serves(&lab.a, true) && !in_group6(&lab.a, SOLICITED_NODE));
}
