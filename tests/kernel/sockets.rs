//! VRRP sockets, their filters, and frames.

use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use failover::net::{Family, LinkIndex, MacAddr};
use failover::os::clock;
use failover::os::filter::{Filter, Row};
use failover::os::frame::FrameSender;
use failover::os::poll::{Poll, Token, Watch};
use failover::os::socket::{BATCH, Batch, Outgoing, SendBuffers, VrrpSocket};
use failover::os::timer::Timer;
use failover::vrrp::announce;
use nix::libc;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::namespace::{address, in_namespace, ip, link, with_addresses};

const GROUP4: &str = "224.0.0.18";
const GROUP6: &str = "ff02::12";

fn rows(strict: bool) -> Filter {
    let row = |vrid, version, multicast| Row { vrid, version, multicast };
    Filter { rows: vec![row(51, 3, true), row(52, 2, true), row(53, 3, false)], strict }
}

fn open(name: &str, family: Family, strict: bool) -> VrrpSocket {
    VrrpSocket::open(link(name), family, true, &rows(strict)).unwrap()
}

/// A message of `version` with `count` addresses of the family.
fn message(family: Family, version: u8, vrid: u8, count: u8) -> Vec<u8> {
    let mut bytes = vec![version << 4 | 1, vrid, 100, count, 0, 100, 0, 0];
    let each = usize::from(family.bits()) / 8;
    let tail = if version == 2 { 8 } else { 0 };
    bytes.resize(8 + usize::from(count) * each + tail, 9);
    bytes
}

fn send(from: &VrrpSocket, source: &str, destination: &str, payload: &[u8]) {
    let outgoing = Outgoing { source: address(source), destination: address(destination), payload };
    from.send(&outgoing).unwrap();
}

/// How long nothing may come before nothing more is expected. A busy kernel delivers what was sent a little later, in a
/// thread of its own.
const QUIET: Duration = Duration::from_millis(20);

/// What `read` brings, again and again until it brought nothing for [`QUIET`].
fn until_quiet<T>(mut read: impl FnMut() -> Vec<T>) -> Vec<T> {
    let mut all = read();
    loop {
        pause(QUIET);
        let more = read();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn pause(span: Duration) {
    let mut timer = Timer::new().unwrap();
    let mut poll = Poll::new().unwrap();
    poll.add(&timer, Token(1), Watch::Edge).unwrap();
    timer.arm(clock::now().after(span)).unwrap();
    poll.wait(true, &mut Vec::new()).unwrap();
}

/// Everything that arrives: (source, destination, hop limit, payload).
fn received(socket: &VrrpSocket) -> Vec<(IpAddr, IpAddr, u8, Vec<u8>)> {
    until_quiet(|| waiting(socket))
}

/// Everything that waits.
fn waiting(socket: &VrrpSocket) -> Vec<(IpAddr, IpAddr, u8, Vec<u8>)> {
    let mut batch = Batch::default();
    let mut all = Vec::new();
    loop {
        let count = socket.receive(&mut batch).unwrap();
        for place in 0..batch.len() {
            let message = batch.get(place).unwrap();
            all.push((message.source, message.destination, message.hop_limit, message.payload.to_vec()));
        }
        if count < BATCH {
            return all;
        }
    }
}

fn vrids(socket: &VrrpSocket) -> Vec<u8> {
    received(socket).iter().map(|(.., payload)| payload[1]).collect()
}

#[test]
fn adverts_cross_the_link_with_source_destination_and_hop_limit() {
    in_namespace(|| {
        with_addresses();
        for (family, source, group) in
            [(Family::Ipv4, "192.0.2.1", GROUP4), (Family::Ipv6, "fe80::a", GROUP6)]
        {
            let (a, b) = (open("va", family, true), open("vb", family, true));
            let payload = message(family, 3, 51, 1);
            send(&a, source, group, &payload);
            assert_eq!(received(&b), [(address(source), address(group), 255, payload.clone())], "{family}");
            assert_eq!(received(&a), [], "{family}: nothing comes back to the sender");
            let largest = message(family, 3, 51, 255);
            send(&a, source, group, &largest);
            assert_eq!(
                received(&b),
                [(address(source), address(group), 255, largest)],
                "{family}: the longest"
            );
        }
    });
}

/// Waits until the kernel stamps what arrives: it begins to a moment after the first socket has asked for it, and a
/// message without a stamp gets that of its reading.
fn await_stamps(from: &VrrpSocket, to: &VrrpSocket, source: &str, group: &str) {
    let mut batch = Batch::default();
    for _ in 0..100 {
        send(from, source, group, &message(Family::of(address(source)), 3, 51, 1));
        let sent = clock::now();
        pause(Duration::from_millis(10));
        assert_eq!(to.receive(&mut batch).unwrap(), 1);
        if batch.get(0).unwrap().at <= sent.after(Duration::from_millis(2)) {
            return;
        }
    }
    panic!("the kernel stamps nothing");
}

#[test]
fn messages_tell_when_they_arrived_however_late_they_are_read() {
    in_namespace(|| {
        with_addresses();
        for (family, source, group) in
            [(Family::Ipv4, "192.0.2.1", GROUP4), (Family::Ipv6, "fe80::a", GROUP6)]
        {
            let (a, b) = (open("va", family, true), open("vb", family, true));
            await_stamps(&a, &b, source, group);
            let mut moments = vec![clock::now()];
            for _ in 0..3 {
                send(&a, source, group, &message(family, 3, 51, 1));
                moments.push(clock::now());
            }
            pause(Duration::from_millis(50));
            let mut batch = Batch::default();
            assert_eq!(b.receive(&mut batch).unwrap(), 3);
            // The two clocks are read one after the other: a hundredth of the wait is allowed for that.
            let slack = Duration::from_micros(500);
            for (place, pair) in moments.windows(2).enumerate() {
                let at = batch.get(place).unwrap().at;
                assert!(
                    at >= pair[0].before(slack) && at <= pair[1].after(slack),
                    "{family} {pair:?} {at:?}"
                );
            }
        }
    });
}

#[test]
fn unicast_has_hop_limit_255_and_reaches_the_peer() {
    in_namespace(|| {
        with_addresses();
        // Within one namespace unicast never leaves it: it arrives on the loopback interface.
        for (family, source) in [(Family::Ipv4, "127.0.0.1"), (Family::Ipv6, "::1")] {
            let filter = rows(true);
            let a = VrrpSocket::open(link("lo"), family, false, &filter).unwrap();
            send(&a, source, source, &message(family, 3, 53, 1));
            send(&a, source, source, &message(family, 3, 51, 1));
            let heard = received(&a);
            assert_eq!(heard.len(), 1, "{family}: the multicast row takes no unicast");
            assert_eq!((heard[0].2, heard[0].3[1]), (255, 53), "{family}");
        }
    });
}

#[test]
fn the_kernel_runs_the_filters_as_the_interpreter_does() {
    in_namespace(|| {
        with_addresses();
        for (family, source, group) in
            [(Family::Ipv4, "192.0.2.1", GROUP4), (Family::Ipv6, "fe80::a", GROUP6)]
        {
            let a = open("va", family, true);
            let strict = open("vb", family, true);
            let lax = open("vb", family, false);
            let good = message(family, 3, 51, 2);
            let mut wrong_type = good.clone();
            wrong_type[0] = 0x32;
            let mut cases = vec![
                (good.clone(), true, true),
                (message(family, 3, 50, 2), false, false),
                (wrong_type, false, true),
                (message(family, 3, 51, 0), false, true),
                (good[..good.len() - 1].to_vec(), false, true),
                ([&good[..], &[0]].concat(), false, true),
                (good[..2].to_vec(), false, true),
                (good[..1].to_vec(), false, false),
                (message(family, 2, 51, 1), false, true),
                (message(family, 3, 53, 1), false, true),
            ];
            if family == Family::Ipv4 {
                cases.push((message(family, 2, 52, 3), true, true));
                cases.push((message(family, 3, 52, 3), false, true));
            }
            for (payload, passes_strict, passes_open) in cases {
                send(&a, source, group, &payload);
                let heard = (received(&strict).len() == 1, received(&lax).len() == 1);
                assert_eq!(heard, (passes_strict, passes_open), "{family} {payload:?}");
            }
        }
    });
}

/// A plain socket that sends as somebody else would.
fn stranger(family: Family, hops: u32) -> Socket {
    let domain = if family == Family::Ipv4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new_raw(domain, Type::RAW, Some(Protocol::from(112))).unwrap();
    socket.bind_device(Some(b"va")).unwrap();
    match family {
        Family::Ipv4 => socket.set_multicast_ttl_v4(hops).unwrap(),
        Family::Ipv6 => socket.set_multicast_hops_v6(hops).unwrap(),
    }
    socket
}

#[test]
fn a_wrong_hop_limit_is_dropped_when_strict_and_told_when_open() {
    in_namespace(|| {
        with_addresses();
        for (family, group) in [(Family::Ipv4, GROUP4), (Family::Ipv6, GROUP6)] {
            let (strict, lax) = (open("vb", family, true), open("vb", family, false));
            let to = SockAddr::from(std::net::SocketAddr::new(address(group), 0));
            for (hops, passes) in [(255, 1), (254, 0), (1, 0)] {
                stranger(family, hops).send_to(&message(family, 3, 51, 1), &to).unwrap();
                assert_eq!(received(&strict).len(), passes, "{family} {hops}");
                let heard = received(&lax);
                assert_eq!(heard.len(), 1, "{family} {hops}");
                assert_eq!(u32::from(heard[0].2), hops);
            }
        }
    });
}

#[test]
fn other_groups_and_other_links_are_not_heard() {
    in_namespace(|| {
        with_addresses();
        for (family, source, group, other) in
            [(Family::Ipv4, "192.0.2.1", GROUP4, "224.0.0.5"), (Family::Ipv6, "fe80::a", GROUP6, "ff02::5")]
        {
            let (a, b, lo) =
                (open("va", family, false), open("vb", family, false), open("lo", family, false));
            send(&a, source, other, &message(family, 3, 51, 1));
            assert_eq!(received(&b), [], "{family}: another group");
            send(&a, source, group, &message(family, 3, 51, 1));
            assert_eq!(received(&b).len(), 1);
            assert_eq!(received(&lo), [], "{family}: another link");
            let outsider = VrrpSocket::open(link("vb"), family, false, &rows(false)).unwrap();
            let mut joiner = VrrpSocket::open(link("vb"), family, false, &rows(false)).unwrap();
            joiner.set_group(true).unwrap();
            send(&a, source, group, &message(family, 3, 51, 1));
            // A raw IPv6 socket hears every group that anybody on this host is a member of.
            let overheard = usize::from(family == Family::Ipv6);
            assert_eq!(received(&outsider).len(), overheard, "{family}: no member");
            assert_eq!(received(&joiner).len(), 1, "{family}: a member by now");
            joiner.set_group(false).unwrap();
            drop(b);
            send(&a, source, group, &message(family, 3, 51, 1));
            assert_eq!(received(&joiner), [], "{family}: no member any more");
        }
    });
}

#[test]
fn a_filter_is_replaced_on_an_open_socket() {
    in_namespace(|| {
        with_addresses();
        let (a, b) = (open("va", Family::Ipv4, true), open("vb", Family::Ipv4, true));
        let row = Row { vrid: 200, version: 3, multicast: true };
        b.set_filter(&Filter { rows: vec![row], strict: true }).unwrap();
        for vrid in [51, 200] {
            send(&a, "192.0.2.1", GROUP4, &message(Family::Ipv4, 3, vrid, 1));
        }
        assert_eq!(vrids(&b), [200]);
    });
}

#[test]
fn many_sends_go_out_in_order_and_failures_are_named() {
    in_namespace(|| {
        with_addresses();
        ip("addr add 192.0.2.11/24 dev va");
        for (family, first, second, foreign, group) in [
            (Family::Ipv4, "192.0.2.1", "192.0.2.11", "198.51.100.1", GROUP4),
            (Family::Ipv6, "fe80::a", "fe80::a", "fe80::dead", GROUP6),
        ] {
            let (a, b) = (open("va", family, true), open("vb", family, true));
            let payloads: Vec<Vec<u8>> = (1..=200).map(|count| message(family, 3, 51, count)).collect();
            let outgoing: Vec<Outgoing<'_>> = (0..)
                .zip(&payloads)
                .map(|(place, payload)| {
                    let source = match place {
                        70 => foreign,
                        100..150 => second,
                        _ => first,
                    };
                    Outgoing { source: address(source), destination: address(group), payload }
                })
                .collect();
            let mut failed = Vec::new();
            a.send_all(&outgoing, &mut SendBuffers::default(), |place, error| {
                assert!(error.errno() != 0, "{error}");
                failed.push(place);
            });
            assert_eq!(failed, [70], "{family}: a source that is not ours");
            let heard = received(&b);
            assert_eq!(heard.len(), 199, "{family}");
            let expected: Vec<&Vec<u8>> =
                payloads.iter().enumerate().filter(|(place, _)| *place != 70).map(|(_, p)| p).collect();
            assert!(heard.iter().map(|(.., payload)| payload).eq(expected), "{family}: in order");
            assert_eq!(heard[120].0, address(second));
        }
    });
}

#[test]
fn a_socket_on_a_link_that_is_not_there_is_refused() {
    in_namespace(|| {
        for family in [Family::Ipv4, Family::Ipv6] {
            let error = VrrpSocket::open(LinkIndex(9999), family, true, &rows(true)).unwrap_err();
            assert_eq!(error.errno(), libc::ENODEV, "{error}");
        }
    });
}

#[test]
fn dscp_is_cs6_on_the_wire() {
    in_namespace(|| {
        with_addresses();
        let wire = wire();
        for (family, source, group) in
            [(Family::Ipv4, "192.0.2.1", GROUP4), (Family::Ipv6, "fe80::a", GROUP6)]
        {
            let a = open("va", family, true);
            send(&a, source, group, &message(family, 3, 51, 1));
            let frame =
                frames(&wire).into_iter().find(|frame| is_vrrp(frame)).expect("an advert on the wire");
            let traffic_class = match family {
                Family::Ipv4 => frame[15],
                Family::Ipv6 => frame[14] << 4 | frame[15] >> 4,
            };
            assert_eq!(traffic_class, 0xc0, "{family}");
        }
    });
}

fn is_vrrp(frame: &[u8]) -> bool {
    match (frame[12], frame[13]) {
        (0x08, 0x00) => frame[23] == 112,
        (0x86, 0xdd) => frame[20] == 112,
        _ => false,
    }
}

/// A packet socket that sees every frame of the namespace, as it leaves one end and as it arrives at the other.
fn wire() -> Socket {
    let all = i32::from(0x0003_u16.to_be());
    let socket = Socket::new_raw(Domain::PACKET, Type::RAW, Some(Protocol::from(all))).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn frames(wire: &Socket) -> Vec<Vec<u8>> {
    until_quiet(|| {
        let mut all = Vec::new();
        let mut buffer = [0; 2048];
        // `Read` fills plain bytes, `recv` would want uninitialised ones.
        while let Ok(length) = (&mut &*wire).read(&mut buffer) {
            all.push(buffer[..length].to_vec());
        }
        all
    })
}

#[test]
fn frames_arrive_as_they_are_and_refusals_are_counted() {
    in_namespace(|| {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let frames: Vec<Vec<u8>> =
            (1..=100).map(|n| announce::frame(address(&format!("192.0.2.{n}")), mac, false)).collect();
        let mut sender = FrameSender::open().unwrap();
        let wire = wire();
        let a = link("va");
        let mut batch: Vec<(LinkIndex, &[u8])> = frames.iter().map(|frame| (a, frame.as_slice())).collect();
        batch.insert(10, (LinkIndex(9999), &frames[0]));
        batch.insert(80, (a, &[1, 2, 3]));
        assert_eq!(sender.send_all(&batch), 2);
        let heard: Vec<Vec<u8>> =
            self::frames(&wire).into_iter().filter(|frame| frame[12..14] == [8, 6]).collect();
        // Each is seen leaving one end and arriving at the other, at once or a little later.
        let (mut leaving, mut arriving) = (frames.iter().peekable(), frames.iter().peekable());
        for frame in &heard {
            let next = if leaving.peek() == Some(&frame) { &mut leaving } else { &mut arriving };
            assert!(next.next() == Some(frame), "as they were and in order");
        }
        assert_eq!((leaving.next(), arriving.next(), heard.len()), (None, None, 2 * frames.len()));
    });
}

#[test]
fn a_poll_reports_a_socket_until_it_is_read() {
    in_namespace(|| {
        with_addresses();
        let (a, b) = (open("va", Family::Ipv4, true), open("vb", Family::Ipv4, true));
        let mut poll = Poll::new().unwrap();
        poll.add(&b, Token(7), Watch::Level).unwrap();
        let mut ready = Vec::new();
        poll.wait(false, &mut ready).unwrap();
        assert_eq!(ready, []);
        send(&a, "192.0.2.1", GROUP4, &message(Family::Ipv4, 3, 51, 1));
        let start = clock::now();
        poll.wait(true, &mut ready).unwrap();
        poll.wait(false, &mut ready).unwrap();
        assert_eq!(ready, [Token(7), Token(7)]);
        assert!(clock::now().since(start) < Duration::from_secs(1));
        assert_eq!(received(&b).len(), 1);
        ready.clear();
        poll.wait(false, &mut ready).unwrap();
        assert_eq!(ready, []);
        poll.remove(&b);
    });
}
