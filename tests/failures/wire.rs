//! The wire is cut, or brings what it should not.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use failover::agent::snapshot::VrState;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::lab::frame::What;
use crate::lab::host::Host;
use crate::lab::peers::keepalived;
use crate::lab::router::{Program, Router, V3, VRID};
use crate::lab::wire::now;
use crate::lab::{Lab, at_once, wait};
use crate::{Two, V6};

/// Both hold the addresses while they cannot hear each other; afterwards one gives up and the other says once more
/// where the addresses are, because switches and neighbours have learned otherwise.
#[test]
fn partition_and_heal() {
    at_once([V3, V6], |router| {
        let two = Two::new(router);
        two.lab.a.cut();
        wait("both hold the addresses", router.limit(), || {
            router.addresses().iter().all(|&address| two.lab.b.serves(address)).then_some(())
        });
        assert!(two.lab.a.serves(router.address()), "a cannot know and goes on");
        two.lab.reaches(router.address(), &two.lab.b, router.limit());
        let healed = now();
        two.lab.a.heal();
        two.held_by_a();
        for address in router.addresses() {
            let text = format!("a announces {address}");
            two.lab.wire.await_frame(&text, healed, router.limit(), |frame| {
                let What::Announce { address: said, mac } = frame.what else { return false };
                frame.from == two.lab.a.name && said == address && mac == frame.mac
            });
        }
        two.stop();
    });
}

#[test]
fn partition_of_the_backup_and_heal() {
    let two = Two::new(V3);
    two.lab.b.cut();
    wait("both hold the addresses", V3.limit(), || two.lab.b.serves(V3.address()).then_some(()));
    two.lab.reaches(V3.address(), &two.lab.a, V3.limit());
    two.lab.b.heal();
    two.held_by_a();
    two.stop();
}

/// keepalived's default is version 2: the classic mistake, after which both are master. `status` must say so.
#[test]
fn a_peer_of_another_version_is_named() {
    let lab = Lab::new();
    let _ours = V3.start(Program::Ours, &lab.a, &lab.b, 200);
    let other = Router { version: 2, interval: 1000, ..V3 };
    let _theirs = keepalived(&lab.b, &other.keepalived(&lab.b, &lab.a, 100));
    let peer = lab.b.address(false).to_string();
    let trouble = wait("trouble that names the version and the peer", Duration::from_secs(30), || {
        let trouble = lab.a.instance()?.trouble;
        trouble.into_iter().find(|one| one.text.contains("version 2") && one.text.contains(&peer))
    });
    println!("trouble: {}", trouble.text);
    let counted = lab.a.instance().expect("a status").counters.version_errors;
    assert!(counted > 0, "counted {counted}");
}

/// A peer that takes only adverts with the checksum of RFC 9568 hears nothing from us at first and claims the
/// addresses too; we follow it, and it gives way.
#[test]
fn a_peer_that_takes_only_the_other_checksum() {
    let lab = Lab::new();
    let _on_a = V3.start(Program::Ours, &lab.a, &lab.b, 200);
    lab.held_by(&V3, &lab.a, &[&lab.b]);
    assert_eq!(lab.a.instance().expect("a status").checksum.as_deref(), Some("rfc5798"));
    let _on_b = lab.b.failover(&format!("{}checksum = \"rfc9568\"\n", V3.ours(&lab.b, &lab.a, 100)));
    wait("a follows", V3.limit(), || {
        (lab.a.instance()?.checksum.as_deref() == Some("rfc9568")).then_some(())
    });
    lab.held_by(&V3, &lab.a, &[&lab.b]);
}

/// Rubbish of every kind on our own VRID and others: the MASTER's adverts keep their pace and nobody changes state.
#[test]
fn a_flood_of_malformed_packets_disturbs_nobody() {
    const PACKETS: u32 = 5000;
    let two = Two::new(V3);
    let flooder = two.lab.add("c", 3);
    let start = now();
    flood(&flooder, PACKETS);
    two.held_by_a();
    let adverts = two.lab.wire.adverts(start, VRID);
    let times: Vec<Duration> =
        adverts.iter().filter(|(_, host, _)| *host == "a").map(|(at, _, _)| *at).collect();
    let gaps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next.saturating_sub(*one));
    let longest = gaps.max().expect("more than one advert");
    println!("{} adverts of a, longest gap {longest:?}", times.len());
    assert!(longest < Duration::from_millis(400), "an advert is missing: a gap of {longest:?}");
    let claimants: BTreeSet<&str> =
        adverts.iter().filter(|(_, host, _)| *host != "c").map(|(_, host, _)| host.as_str()).collect();
    assert_eq!(claimants, BTreeSet::from(["a"]));
    for (host, state, masters) in [(&two.lab.a, VrState::Master, 1), (&two.lab.b, VrState::Backup, 0)] {
        let instance = host.instance().expect("a status");
        assert_eq!((instance.state, instance.counters.master_transitions), (state, masters), "{}", host.name);
    }
    two.stop();
}

/// Sends `count` malformed VRRP messages from `host` at about 5,000 a second.
#[expect(clippy::disallowed_methods, reason = "a pause sets the pace")]
fn flood(host: &Host, count: u32) {
    let source = host.address(false);
    host.space.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).expect("raw socket");
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0))).expect("own address");
        let group = SockAddr::from(SocketAddr::from(([224, 0, 0, 18], 0)));
        // Numerical Recipes' generator: enough to be different each time and the same in each run.
        let mut random: u32 = 51;
        for number in 0..count {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (ttl, bytes) = malformed(number, random);
            socket.set_multicast_ttl_v4(ttl).expect("TTL");
            socket.send_to(&bytes, &group).expect("send");
            if number % 10 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
        }
    });
}

/// One malformed message and the TTL that it is sent with.
fn malformed(number: u32, random: u32) -> (u32, Vec<u8>) {
    let sum = |mut bytes: Vec<u8>| {
        let words =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0)));
        let total: u32 = words.sum();
        let folded = u16::try_from((total & 0xffff) + (total >> 16)).unwrap_or(u16::MAX);
        bytes[6..8].copy_from_slice(&(!folded).to_be_bytes());
        bytes
    };
    let good = sum(vec![0x31, VRID, 250, 1, 0, 20, 0, 0, 192, 0, 2, 50]);
    let edited = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes[6..8].fill(0);
        sum(bytes)
    };
    let [r0, r1, r2, r3] = random.to_be_bytes();
    match number % 9 {
        0 => (255, good[..usize::from(r0 % 12)].to_vec()),
        1 => (255, [&good[..6], &[r0 | 1, r1], &good[8..]].concat()),
        2 => (64, good),
        3 => (255, edited(0, 0x51)),
        4 => (255, edited(0, 0x32)),
        5 => (255, edited(3, r0.max(2))),
        6 => (255, edited(3, 0)),
        7 => (255, edited(1, r0 % 50)),
        _ => (255, vec![r0, VRID, r1, r2, r3, r0, r1, r2, r3, r0, r1]),
    }
}
