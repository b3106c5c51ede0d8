//! What must hold for a whole agent whatever happens around it. Driven by `cargo fuzz run agent` and, bounded, by
//! `tests/fuzz_smoke.rs`.
//!
//! The input is read as a list of happenings on a false host: packets, links and addresses that come and go, a kernel that
//! does what it is asked now, later or not at all, tells of it early or late, and loses what it tells; new
//! configurations; time. Then everything is mended, and in the calm that follows every instance must hold its addresses.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a promise that was broken is told by a panic"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use failover::agent::Agent;
use failover::agent::addresses::ADDRESS_PROTOCOL;
use failover::agent::message::{
    Change, Datagram, Input, Link, LinkAddress, Observed, Output, Refusal, RequestId, SocketId,
};
use failover::agent::snapshot::VrState;
use failover::config::Config;
use failover::config::model::{CheckConfig, GroupConfig, Initial, InstanceConfig, Probe, Track, Weight};
use failover::config::parse;
use failover::health::check::Fact;
use failover::health::standing::Verdict;
use failover::net::{Family, LinkIndex, LinkName, MacAddr, Prefix};
use failover::time::Instant;
use failover::vrrp::fields::{ChecksumForm, Claim, Interval, Version, Vrid};
use failover::vrrp::packet::{Advertisement, Auth};

/// More outputs than this in one turn are a flood.
const MOST_OUTPUTS: usize = 2_000;
/// Timeouts in a row at one instant: with more the agent does not come to rest.
const MOST_TIMEOUTS: usize = 100;
/// Happenings that are read.
const MOST_STEPS: usize = 400;
/// Longer than anything that an agent waits for.
const CALM: Duration = Duration::from_mins(12);
/// Longer than an agent takes to stop: it waits for a successor, for two of the longest intervals at most.
const STOP: Duration = Duration::from_secs(90);

const OWN: [&str; 2] = ["192.0.2.2", "fe80::2"];
const PEERS: [&str; 4] = ["192.0.2.1", "192.0.2.9", "192.0.2.2", "192.0.2.100"];
const PEERS6: [&str; 4] = ["fe80::1", "fe80::9", "fe80::2", "fe80::100"];
const VIRTUAL: [&str; 5] = ["192.0.2.100", "192.0.2.101", "fe80::100", "2001:db8::100", "2001:db8::101"];

const WEB: &str = r#"
[instance.web]
interface = "eth0"
virtual_router_id = 51
advert_interval = "10s"
addresses = ["192.0.2.100/24"]
"#;
const SIX: &str = r#"
[instance.six]
interface = "eth0"
virtual_router_id = 51
advert_interval = "10s"
preempt = false
addresses = ["fe80::100/64", "2001:db8::100/64"]
"#;
const OLD: &str = r#"
[instance.old]
interface = "eth0"
virtual_router_id = 52
version = 2
priority = 150
advert_interval = "10s"
addresses = ["192.0.2.101/24"]
unadvertised_addresses = ["2001:db8::101/64"]
auth = { type = "password", password = "secret" }
"#;
const UNICAST: &str = r#"
[instance.web]
interface = "eth0"
virtual_router_id = 51
priority = 255
advert_interval = "10s"
addresses = ["192.0.2.100/24", "192.0.2.101/24"]
peers = ["192.0.2.1", "192.0.2.9"]
garp = { repeat = 2, delay = "1s", refresh = "30s" }
"#;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("a legal address")
}

fn configuration(choice: u8) -> Config {
    let text = [[WEB, SIX].concat(), [WEB, OLD].concat(), UNICAST.to_owned(), [OLD, SIX].concat()];
    let plain = parse(&text[usize::from(choice) % text.len()], "fuzz").expect("a legal configuration");
    let mut config = plain.config;
    // The upper bits: which checks count and how, and whether the instances move together.
    let how = choice / 4;
    if how & 1 == 1 {
        let tracks = [Track::Fault, Track::FileWeight, Track::Weight(Weight::new(-100).expect("in range"))];
        for (name, track) in CHECKS.iter().zip(tracks.into_iter().cycle().skip(usize::from(how / 4 % 3))) {
            config.checks.insert((*name).to_owned(), check(how & 16 == 0));
            let last = config.instances.values_mut().next_back();
            last.expect("an instance").track.insert((*name).to_owned(), track);
        }
    }
    if how & 2 == 2 {
        let members = config.instances.keys().cloned().collect();
        config.groups.insert("all".to_owned(), GroupConfig { members, hooks: None });
    }
    config
}

/// Those that are configured, and one that is not.
const CHECKS: [&str; 2] = ["a", "b"];
const SAID: [&str; 3] = ["a", "b", "nobody"];

fn check(known: bool) -> CheckConfig {
    CheckConfig {
        probe: Probe::Interface(LinkName::new("lo").expect("a legal name")),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: 1,
        rise: 1,
        initial: if known { Initial::Passing } else { Initial::Unknown },
        flap: None,
    }
}

/// The input, byte by byte; zeros after its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.next()) % choices.len()]
    }
}

/// What the agent hears of the kernel, in its order.
#[derive(Clone)]
enum News {
    Link(Link),
    LinkGone(LinkIndex),
    Address(LinkAddress),
    AddressGone(LinkIndex, Prefix),
}

/// What the agent waits for.
enum Answer {
    Listening(SocketId, Result<(), Refusal>),
    Applied(RequestId, Result<(), Refusal>),
    Observed(Observed),
}

/// What the agent asked the kernel for.
enum Wish {
    Apply(RequestId, LinkIndex, Change),
    Dump,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Finished,
}

struct Host {
    agent: Agent,
    now: Instant,
    link: Option<Link>,
    addresses: Vec<LinkAddress>,
    /// When the lease of an address ends that has one.
    leases: BTreeMap<Prefix, Instant>,
    wishes: VecDeque<Wish>,
    news: VecDeque<News>,
    answers: VecDeque<Answer>,
    last_request: u64,
    next_link: u32,
    owner: bool,
    virtual_addresses: BTreeSet<IpAddr>,
    phase: Phase,
    trace: bool,
}

/// Drives an agent by `data`. Answers whether some instance was MASTER before the calm. `trace` prints what happens.
///
/// # Panics
///
/// When the agent breaks a promise.
pub(crate) fn agent(data: &[u8], trace: bool) -> bool {
    let mut bytes = Bytes(data);
    let mut host = Host::new(trace);
    host.configure(bytes.next());
    let mut held = false;
    for _ in 0..MOST_STEPS {
        if bytes.0.is_empty() || host.phase == Phase::Finished {
            break;
        }
        host.step(&mut bytes);
        held |= !host.masters().is_empty();
    }
    if host.phase == Phase::Running {
        host.mend();
    } else {
        host.run_and_settle(STOP);
        assert!(host.phase == Phase::Finished, "told to stop, and not finished");
    }
    held
}

impl Host {
    fn new(trace: bool) -> Self {
        let mut host = Host {
            agent: Agent::new("a".to_owned()),
            now: Instant::from_nanos(1_000_000_000_000),
            link: None,
            addresses: Vec::new(),
            leases: BTreeMap::new(),
            wishes: VecDeque::new(),
            news: VecDeque::new(),
            answers: VecDeque::new(),
            last_request: 0,
            next_link: 2,
            owner: false,
            virtual_addresses: BTreeSet::new(),
            phase: Phase::Running,
            trace,
        };
        host.make_link();
        host.news.clear();
        host
    }

    fn configure(&mut self, choice: u8) {
        let config = configuration(choice);
        let owner = config.instances.values().any(|instance| instance.priority.is_owner());
        let addresses =
            |instance: &InstanceConfig| [&instance.addresses[..], &instance.unadvertised].concat();
        let all = config.instances.values().flat_map(addresses);
        let new: BTreeSet<IpAddr> = all.map(|address| address.prefix.address()).collect();
        // While the configuration changes, the old one may have a last word.
        self.owner |= owner;
        self.virtual_addresses = self.virtual_addresses.intersection(&new).copied().collect();
        self.turn(Input::Configure(config));
        (self.owner, self.virtual_addresses) = (owner, new);
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.next() % 16 {
            0..=2 => {
                let span = u64::from(bytes.next()) << (bytes.next() % 9);
                self.run(Duration::from_millis(span));
            }
            3..=5 => self.packet(bytes),
            6 => self.rubbish(bytes),
            7 => self.grant(bytes.next()),
            8 => self.tell(),
            9 => self.answer(),
            10 => self.settle(),
            11 => self.change_link(bytes.next()),
            12 => self.change_address(bytes),
            13 => {
                self.news.clear();
                self.turn(Input::Missed);
            }
            14 => self.configure(bytes.next()),
            _ => match bytes.next() {
                0..=7 => self.stop(),
                8..=127 => {
                    let link = LinkIndex(self.next_link - 1);
                    let socket = SocketId { link, family: bytes.one_of(&[Family::Ipv4, Family::Ipv6]) };
                    self.turn(Input::SendFailed { socket, refusal: refusal(101) });
                }
                128..=159 => self.turn(Input::Timeout),
                _ => {
                    let check = bytes.one_of(&SAID);
                    let verdict = bytes.one_of(&[Verdict::Passing, Verdict::Failing, Verdict::Unknown]);
                    let weight = match bytes.next() {
                        0..=99 => None,
                        number => Some((i16::from(number) - 180) * 400),
                    };
                    self.judged(check, verdict, weight, bytes.next().is_multiple_of(8));
                }
            },
        }
    }

    /// A check says something.
    fn judged(&mut self, check: &str, verdict: Verdict, weight: Option<i16>, held: bool) {
        let held = held.then_some(Duration::from_secs(9));
        let (check, text) = (check.into(), "so".to_owned());
        self.turn(Input::Judged(Fact { check, verdict, weight, text, held }));
    }

    /// An advert, legal but for what the configuration says of it.
    fn packet(&mut self, bytes: &mut Bytes<'_>) {
        let six = bytes.next().is_multiple_of(3);
        let version = if six { Version::V3 } else { bytes.one_of(&[Version::V3, Version::V3, Version::V2]) };
        let priority = bytes.one_of(&[0, 1, 99, 100, 101, 150, 200, 254, 255]);
        let advertisement = Advertisement {
            version,
            vrid: Vrid::new(bytes.one_of(&[51, 51, 52, 53])).expect("not zero"),
            claim: Claim::from_number(priority),
            interval: Interval::from_seconds(bytes.one_of(&[10, 10, 1, 40])).expect("not zero"),
            addresses: (if six { &VIRTUAL[2..4] } else { &VIRTUAL[..1] })
                .iter()
                .map(|text| ip(text))
                .collect(),
            auth: bytes.one_of(&[Auth::Password(*b"secret\0\0"), Auth::None, Auth::Other(7)]),
        };
        let source = ip(bytes.one_of(if six { &PEERS6 } else { &PEERS }));
        let family = Family::of(source);
        let destination =
            bytes.one_of(&[family.vrrp_group(), family.vrrp_group(), ip(OWN[usize::from(six)])]);
        let form = bytes.one_of(&[ChecksumForm::Rfc9568, ChecksumForm::Rfc5798]);
        let hop_limit = bytes.one_of(&[255, 255, 255, 254]);
        let payload = advertisement.emit(source, destination, form);
        let socket = SocketId { link: LinkIndex(self.next_link - 1), family };
        self.turn(Input::Datagram(Datagram { socket, source, destination, hop_limit, payload: &payload }));
    }

    /// Any bytes.
    fn rubbish(&mut self, bytes: &mut Bytes<'_>) {
        let length = usize::from(bytes.next() % 64).min(bytes.0.len());
        let (payload, rest) = bytes.0.split_at(length);
        bytes.0 = rest;
        let socket = SocketId { link: LinkIndex(self.next_link - 1), family: Family::Ipv4 };
        let (source, destination) = (ip(PEERS[1]), Family::Ipv4.vrrp_group());
        self.turn(Input::Datagram(Datagram { socket, source, destination, hop_limit: 255, payload }));
    }

    /// One turn of the agent, its outputs judged. An agent that is finished is given nothing more.
    fn turn(&mut self, input: Input<'_>) {
        if self.phase == Phase::Finished {
            return;
        }
        if self.trace {
            println!("{:>12.3} {input:?}", self.now.since(Instant::ZERO).as_secs_f64());
        }
        let before = self.masters();
        let mut outputs = Vec::new();
        self.agent.handle(self.now, input, &mut outputs);
        assert!(outputs.len() <= MOST_OUTPUTS, "{} outputs in a turn", outputs.len());
        let masters: BTreeSet<(Family, u8)> = before.union(&self.masters()).copied().collect();
        for output in outputs {
            assert!(
                self.phase != Phase::Finished || matches!(output, Output::Report(_)),
                "after the end: {output:?}"
            );
            if self.trace {
                println!("             → {output:?}");
            }
            self.judge(&masters, &output);
            match output {
                Output::Listen(listen) => self.answers.push_back(Answer::Listening(listen.socket, Ok(()))),
                Output::Apply { request, link, change } => {
                    self.wishes.push_back(Wish::Apply(request, link, change));
                }
                Output::Dump => self.wishes.push_back(Wish::Dump),
                Output::Finished => self.phase = Phase::Finished,
                Output::Unlisten(_)
                | Output::Send { .. }
                | Output::Frame { .. }
                | Output::Watch(_)
                | Output::Entered(_)
                | Output::Rehooked(_)
                | Output::Drained(_)
                | Output::Holds { .. }
                | Output::StoodAside
                | Output::Report(_) => {}
            }
        }
    }

    /// What a single output may say. `masters` are those who are MASTER before or after the turn.
    fn judge(&mut self, masters: &BTreeSet<(Family, u8)>, output: &Output) {
        match output {
            Output::Send { source, destination, payload, socket } => {
                let read = Advertisement::parse(payload, *source, *destination).expect("a legal message");
                let who = (socket.family, read.advertisement.vrid.number());
                let may = masters.contains(&who) || read.advertisement.claim == Claim::Resign;
                assert!(may, "{who:?} is not MASTER and advertises");
                let own = !self.virtual_addresses.contains(source);
                assert!(own || self.owner, "sent from the virtual address {source}");
            }
            Output::Apply { request, .. } => {
                assert!(request.0 > self.last_request, "a request's number is used twice");
                self.last_request = request.0;
            }
            Output::Frame { bytes, .. } => assert!(bytes.len() >= 42, "a frame of {} bytes", bytes.len()),
            Output::Listen(_)
            | Output::Unlisten(_)
            | Output::Dump
            | Output::Report(_)
            | Output::Watch(_)
            | Output::Entered(_)
            | Output::Rehooked(_)
            | Output::Drained(_)
            | Output::Holds { .. }
            | Output::StoodAside
            | Output::Finished => {}
        }
    }

    fn masters(&self) -> BTreeSet<(Family, u8)> {
        let instances = self.agent.snapshot(self.now).instances;
        let masters = instances.into_iter().filter(|instance| instance.state == VrState::Master);
        masters.map(|instance| (instance.family, instance.virtual_router_id)).collect()
    }

    /// Lets time pass.
    fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        let mut at_once = 0;
        while let Some(due) = self.agent.deadline().filter(|due| *due <= end) {
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once < MOST_TIMEOUTS, "the agent does not come to rest");
            self.now = self.now.max(due);
            self.turn(Input::Timeout);
        }
        self.now = end;
        self.expire();
    }

    /// The kernel does the next thing that it was asked for, or refuses.
    fn grant(&mut self, how: u8) {
        let Some(wish) = self.wishes.pop_front() else { return };
        let answer = match (wish, how % 4) {
            (Wish::Dump, _) => {
                let links = self.link.iter().cloned().collect();
                Answer::Observed(Observed { links, addresses: self.addresses.clone() })
            }
            (Wish::Apply(request, ..), 2) => Answer::Applied(request, Err(refusal(1))),
            // Done, but the answer is lost; or not done, and the answer is lost.
            (Wish::Apply(request, link, change), 3) => {
                if how & 4 != 0 {
                    let _ = self.apply(link, &change);
                }
                Answer::Applied(request, Err(refusal(0)))
            }
            (Wish::Apply(request, link, change), _) => Answer::Applied(request, self.apply(link, &change)),
        };
        self.answers.push_back(answer);
    }

    fn apply(&mut self, link: LinkIndex, change: &Change) -> Result<(), Refusal> {
        if self.link.as_ref().is_none_or(|there| there.index != link) {
            return Err(refusal(19));
        }
        match change {
            Change::Add { prefix, lease, .. } => {
                if !self.add_address(*prefix, ADDRESS_PROTOCOL) {
                    return Err(refusal(17));
                }
                self.lease(*prefix, *lease);
            }
            Change::Renew { prefix, lease, .. } => {
                // Adds what is not there.
                if !self.add_address(*prefix, ADDRESS_PROTOCOL)
                    && let Some(there) = self.addresses.iter_mut().find(|there| there.prefix == *prefix)
                {
                    there.protocol = ADDRESS_PROTOCOL;
                    self.news.push_back(News::Address(there.clone()));
                }
                self.lease(*prefix, *lease);
            }
            Change::Remove { prefix } => {
                if !self.remove_address(*prefix) {
                    return Err(refusal(99));
                }
            }
        }
        Ok(())
    }

    fn lease(&mut self, prefix: Prefix, seconds: Option<u32>) {
        match seconds {
            Some(seconds) => {
                self.leases.insert(prefix, self.now.after(Duration::from_secs(u64::from(seconds))));
            }
            None => drop(self.leases.remove(&prefix)),
        }
    }

    /// The kernel takes away what was not renewed.
    fn expire(&mut self) {
        let now = self.now;
        let over: Vec<Prefix> =
            self.leases.iter().filter(|(_, end)| **end <= now).map(|(prefix, _)| *prefix).collect();
        for prefix in over {
            self.remove_address(prefix);
        }
    }

    /// Whether it was not there yet. IPv4 can have an address twice, with networks of different lengths; IPv6 cannot.
    fn add_address(&mut self, prefix: Prefix, protocol: u8) -> bool {
        let Some(link) = self.link.as_ref().map(|link| link.index) else { return false };
        let six = prefix.address().is_ipv6();
        let same = |there: &LinkAddress| {
            there.prefix == prefix || (six && there.prefix.address() == prefix.address())
        };
        if self.addresses.iter().any(same) {
            return false;
        }
        let secondary = !self.addresses.is_empty();
        let address = LinkAddress { link, prefix, protocol, tentative: false, secondary };
        self.addresses.push(address.clone());
        self.news.push_back(News::Address(address));
        true
    }

    fn remove_address(&mut self, prefix: Prefix) -> bool {
        let Some(at) = self.addresses.iter().position(|there| there.prefix == prefix) else {
            return false;
        };
        let gone = self.addresses.remove(at);
        self.leases.remove(&prefix);
        self.news.push_back(News::AddressGone(gone.link, prefix));
        true
    }

    fn make_link(&mut self) {
        let index = LinkIndex(self.next_link);
        self.next_link += 1;
        let name = LinkName::new("eth0").expect("a legal name");
        let mac = Some(MacAddr([2, 0, 0, 0, 0, 2]));
        let link = Link { index, name, mac, up: true, carrier: true, mtu: 1500 };
        self.news.push_back(News::Link(link.clone()));
        self.link = Some(link);
        for own in OWN {
            self.add_address(own_prefix(own), 0);
        }
    }

    fn change_link(&mut self, how: u8) {
        let Some(mut link) = self.link.take() else { return self.make_link() };
        match how % 4 {
            0 => {
                for there in self.addresses.clone() {
                    self.remove_address(there.prefix);
                }
                self.news.push_back(News::LinkGone(link.index));
                return;
            }
            1 => link.carrier = !link.carrier,
            _ => link.up = !link.up,
        }
        link.carrier &= link.up;
        self.news.push_back(News::Link(link.clone()));
        self.link = Some(link);
    }

    /// Somebody adds or removes an address.
    fn change_address(&mut self, bytes: &mut Bytes<'_>) {
        let address = bytes.one_of(&[OWN[0], OWN[1], VIRTUAL[0], VIRTUAL[1], VIRTUAL[2], VIRTUAL[3]]);
        let how = bytes.next();
        // Now and then with a network of another length, beside the usual one.
        let prefix = if how & 4 == 0 { own_prefix(address) } else { Prefix::host(ip(address)) };
        match how % 4 {
            // With our tag it is what a dead agent left behind; that is never the host's own.
            0 => {
                let mine = OWN.contains(&address) || how & 4 != 0;
                let tags = if mine { &[0, 3][..] } else { &[0, 3, ADDRESS_PROTOCOL] };
                self.add_address(prefix, bytes.one_of(tags));
            }
            _ => drop(self.remove_address(prefix)),
        }
    }

    /// The agent hears the next news.
    fn tell(&mut self) {
        match self.news.pop_front() {
            Some(News::Link(link)) => self.turn(Input::Link(link)),
            Some(News::LinkGone(link)) => self.turn(Input::LinkGone(link)),
            Some(News::Address(address)) => self.turn(Input::Address(address)),
            Some(News::AddressGone(link, prefix)) => self.turn(Input::AddressGone { link, prefix }),
            None => {}
        }
    }

    /// The agent hears the next answer.
    fn answer(&mut self) {
        match self.answers.pop_front() {
            Some(Answer::Listening(socket, outcome)) => self.turn(Input::Listening { socket, outcome }),
            Some(Answer::Applied(request, outcome)) => self.turn(Input::Applied { request, outcome }),
            Some(Answer::Observed(observed)) => self.turn(Input::Observed(observed)),
            None => {}
        }
    }

    /// Everything that waits is done and told.
    fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            self.grant(0);
            self.tell();
            self.answer();
            if self.wishes.is_empty() && self.news.is_empty() && self.answers.is_empty() {
                return;
            }
        }
        panic!("the agent and the kernel do not come to an end");
    }

    /// Nothing fails any more: all instances hold their addresses; and when told to stop, none does.
    fn mend(&mut self) {
        if self.link.as_ref().is_none_or(|link| !link.up || !link.carrier) {
            if self.link.is_some() {
                self.change_link(0);
            }
            self.make_link();
        }
        for own in OWN {
            self.add_address(own_prefix(own), 0);
        }
        for check in CHECKS {
            self.judged(check, Verdict::Passing, None, false);
        }
        self.settle();
        self.run_and_settle(CALM);
        self.all_is_well();
        self.stop();
        self.run_and_settle(STOP);
        assert!(self.phase == Phase::Finished, "told to stop, and not finished");
        assert_eq!(self.agent.deadline(), None);
        let left = self.addresses.iter().filter(|there| there.protocol == ADDRESS_PROTOCOL);
        assert_eq!(left.count(), 0, "{:?}", self.addresses);
    }

    /// Who must stop while the kernel refuses or does not answer leaves behind what it must; but it ends.
    fn stop(&mut self) {
        self.phase = Phase::Stopping;
        self.turn(Input::Stop);
    }

    fn run_and_settle(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.agent.deadline().filter(|due| *due <= end) {
            self.run(due.since(self.now));
            self.settle();
        }
        self.run(end.since(self.now));
        self.settle();
    }

    fn all_is_well(&self) {
        let mut wanted = BTreeSet::new();
        for instance in self.agent.snapshot(self.now).instances {
            assert_eq!(instance.state, VrState::Master, "{}: {}", instance.name, instance.reason);
            for address in instance.addresses {
                assert!(address.present, "{}: {} is said to be missing", instance.name, address.address);
                // Perhaps put there by somebody else, with a network of another length.
                let plain = address.address.split('/').next().map(ip);
                let there = |there: &LinkAddress| Some(there.prefix.address()) == plain;
                assert!(self.addresses.iter().any(there), "{} is missing", address.address);
                wanted.insert(address.address);
            }
        }
        for there in self.addresses.iter().filter(|there| there.protocol == ADDRESS_PROTOCOL) {
            assert!(wanted.contains(&there.prefix.to_string()), "nobody wants {}", there.prefix);
        }
    }
}

fn own_prefix(text: &str) -> Prefix {
    let address = ip(text);
    Prefix::new(address, if address.is_ipv4() { 24 } else { 64 }).expect("a legal length")
}

fn refusal(errno: i32) -> Refusal {
    Refusal { errno, text: format!("errno {errno}") }
}
