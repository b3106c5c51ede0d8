//! What a seed means: hosts, virtual routers, the network's dials, and the faults with their times.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use failover::config::Config;
use failover::config::model::{
    AddressLease, Checksum, Garp, InstanceConfig, Password, Transport, VirtualAddress,
};
use failover::net::{Family, Prefix, Scope};
use failover::vrrp::fields::{
    ChecksumForm, Interval, Priority, Version, Vrid, master_down_interval, skew_time,
};

use crate::faults::{self, Strike};
use crate::health;
use crate::host::Clock;
use crate::kernel::link_name;
use crate::leave;
use crate::network::Dials;
use crate::random::Random;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// A run, before it is run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) segments: usize,
    pub(crate) groups: Vec<Group>,
    /// The shortest interval: what times of faults are counted in.
    pub(crate) beat: u64,
    /// The network until the calm, and in it.
    pub(crate) rough: Dials,
    pub(crate) smooth: Dials,
    /// In order of time.
    pub(crate) strikes: Vec<Strike>,
    /// When faults end.
    pub(crate) calm_at: u64,
    /// What stays broken in the calm.
    pub(crate) residue: Vec<faults::Fault>,
    /// How long after the faults verdicts of checks may change.
    pub(crate) health_settles: u64,
    /// How long the calm is watched.
    pub(crate) watch: u64,
}

/// One host.
#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    pub(crate) clock: Clock,
    pub(crate) boots_at: u64,
    pub(crate) tags: bool,
    pub(crate) promotes: bool,
    pub(crate) config: Config,
}

/// One virtual router, on all the hosts that take part in it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) segment: usize,
    pub(crate) addresses: Vec<IpAddr>,
    /// The longest master-down interval that any member may count by.
    pub(crate) down: u64,
    pub(crate) preempt_delay: u64,
    /// The longest skew that any member may count by.
    pub(crate) skew: u64,
}

/// The name of virtual router `number` in every configuration.
pub(crate) fn group_name(number: usize) -> String {
    format!("vr{number}")
}

/// The address of a host on a segment: the global and the link-local one.
pub(crate) fn own_addresses(host: usize, segment: usize) -> [Prefix; 3] {
    let (h, s) = (u8::try_from(host + 1).unwrap(), u8::try_from(segment).unwrap());
    let (h6, s6) = (u16::from(h), u16::from(s));
    let prefix = |address: IpAddr, length| Prefix::new(address, length).unwrap();
    [
        prefix(IpAddr::V4(Ipv4Addr::new(10, s, 0, h)), 24),
        prefix(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, s6, h6)), 64),
        prefix(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, s6, 0, 0, 0, 0, h6)), 64),
    ]
}

impl Scenario {
    /// What `seed` means.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let count = random.pick(&[2, 2, 2, 3, 3, 4, 5]);
        let segments = random.pick(&[1, 1, 2]);
        let beat_cs = random.pick(&[1, 2, 5, 10, 10, 20, 50, 100, 100, 200]);
        let beat = u64::from(beat_cs) * 10 * MS;
        let mut hosts: Vec<HostPlan> = (0..count).map(|_| host(&mut random, beat)).collect();
        let wanted = random.pick(&[1, 1, 2, 3]);
        let mut groups = Vec::new();
        for number in 0..wanted {
            groups.push(group(&mut random, number, segments, beat_cs, &mut hosts));
        }
        let smooth = Dials {
            latency: (30_000, random.between(50_000, beat / 20)),
            loss: 0,
            duplicate: random.pick(&[0, 0, 20]),
            stragglers: 0,
            straggle: 0,
            echo: random.pick(&[0, 0, 0, 50]),
        };
        let rough = Dials {
            latency: (30_000, random.between(100_000, beat / 4)),
            loss: random.pick(&[0, 5, 20, 100, 300]),
            duplicate: random.pick(&[0, 10, 100]),
            stragglers: random.pick(&[0, 10, 100]),
            straggle: random.between(beat / 10, beat * 3),
            ..smooth
        };
        let calm_at = beat * random.between(20, 100);
        let strikes = faults::draw(&mut random, count, segments, &groups, beat, calm_at);
        let residue = faults::residue(&mut random, count, segments);
        let watch = if random.chance(60) { 12 * SECOND } else { beat * 8 };
        let health_settles = 0;
        let mut scenario = Scenario {
            seed,
            hosts,
            segments,
            groups,
            beat,
            rough,
            smooth,
            strikes,
            calm_at,
            residue,
            health_settles,
            watch,
        };
        health::draw(&mut scenario);
        leave::draw(&mut scenario);
        leases(&mut scenario);
        scenario
    }
}

/// Most addresses have a lease. Nothing is drawn for it, and the runs that found something once are without, as they were
/// then.
fn leases(scenario: &mut Scenario) {
    let found = crate::FOUND.iter().any(|(seed, _)| *seed == scenario.seed);
    let lease = match scenario.seed % 8 {
        _ if found => AddressLease::Off,
        6 => AddressLease::Seconds(30),
        7 => AddressLease::Off,
        _ => AddressLease::Auto,
    };
    for host in &mut scenario.hosts {
        host.config.instances.values_mut().for_each(|instance| instance.address_lease = lease);
    }
}

fn host(random: &mut Random, beat: u64) -> HostPlan {
    let ppm = i64::try_from(random.between(0, 400)).unwrap() - 200;
    HostPlan {
        clock: Clock { offset: random.between(10, 1_000_000) * SECOND, ppm },
        boots_at: random.between(0, beat * 5),
        tags: random.chance(750),
        promotes: random.chance(500),
        config: Config::default(),
    }
}

/// Draws a virtual router and writes it into the configurations of the hosts that take part.
fn group(random: &mut Random, number: usize, segments: usize, beat: u16, hosts: &mut [HostPlan]) -> Group {
    let segment = random.index(segments);
    let version = if beat >= 100 && random.chance(300) { Version::V2 } else { Version::V3 };
    let family = if version == Version::V3 && random.chance(400) { Family::Ipv6 } else { Family::Ipv4 };
    let mut members: Vec<usize> = (0..hosts.len()).filter(|_| random.chance(850)).collect();
    if members.len() < 2 {
        members = vec![0, 1];
    }
    let addresses = virtual_addresses(random, number, segment, family);
    let all: Vec<IpAddr> = addresses.iter().map(|address| address.prefix.address()).collect();
    let priorities = priorities(random, members.len());
    let alike = random.chance(750) || version == Version::V2;
    let shared = interval(random, version, beat);
    let preempt = random.pick(&[0, 1000, 1000, 1000, 500]);
    let delay = random.pick(&[0, 0, 0, 1, 3, 8]);
    let unicast = random.chance(300);
    let global = family == Family::Ipv6 && random.chance(500);
    let checksum = random.pick(&[
        Checksum::Auto,
        Checksum::Auto,
        Checksum::Only(ChecksumForm::Rfc9568),
        Checksum::Only(ChecksumForm::Rfc5798),
    ]);
    let password = (version == Version::V2 && random.chance(300)).then_some(Password(*b"sesame\0\0"));
    let refresh = if random.chance(100) { u64::from(beat) * 70 } else { 0 };
    let peer = |host: usize| {
        let [v4, local, global6] = own_addresses(host, segment).map(Prefix::address);
        match family {
            Family::Ipv4 => v4,
            Family::Ipv6 if global => global6,
            Family::Ipv6 => local,
        }
    };
    let (mut down, mut skew) = (0, 0);
    for (member, priority) in members.iter().zip(&priorities) {
        let own = if alike { shared } else { interval(random, version, beat) };
        let peers = members.iter().filter(|other| *other != member).map(|other| peer(*other)).collect();
        let instance = InstanceConfig {
            interface: link_name(segment),
            family,
            vrid: Vrid::new(51 + u8::try_from(number).unwrap()).unwrap(),
            version,
            priority: *priority,
            interval: own,
            preempt: random.chance(preempt),
            preempt_delay: shared.duration() * delay,
            addresses: addresses.clone(),
            unadvertised: Vec::new(),
            transport: if unicast { Transport::Unicast(peers) } else { Transport::Multicast },
            source_address: random.chance(200).then(|| peer(*member)),
            password,
            checksum,
            garp: Garp { refresh: Duration::from_millis(refresh), ..Garp::default() },
            address_lease: AddressLease::Off,
            track: std::collections::BTreeMap::new(),
            hooks: None,
        };
        let lowest = Priority::new(1).unwrap();
        let longest = master_down_interval(version, lowest, own);
        down = down.max(u64::try_from(longest.as_nanos()).unwrap());
        let longest = skew_time(version, lowest, own);
        skew = skew.max(u64::try_from(longest.as_nanos()).unwrap());
        hosts[*member].config.instances.insert(group_name(number), instance);
    }
    let preempt_delay = u64::try_from((shared.duration() * delay).as_nanos()).unwrap();
    Group { segment, addresses: all, down, preempt_delay, skew }
}

fn interval(random: &mut Random, version: Version, beat: u16) -> Interval {
    match version {
        Version::V2 => Interval::from_seconds(random.pick(&[1, 1, 2])).unwrap(),
        Version::V3 => Interval::from_centiseconds(beat * random.pick(&[1, 1, 1, 2, 4])).unwrap(),
    }
}

fn virtual_addresses(
    random: &mut Random,
    number: usize,
    segment: usize,
    family: Family,
) -> Vec<VirtualAddress> {
    let count = random.pick(&[1, 1, 1, 2, 3, 20]);
    let alone = random.chance(400);
    let address = |at: u8| {
        let (s, n) = (u8::try_from(segment).unwrap(), u8::try_from(number).unwrap());
        let (s6, last) = (u16::from(s), u16::from(at));
        let (address, wide): (IpAddr, u8) = match (family, at) {
            (Family::Ipv4, _) => (Ipv4Addr::new(10, s, 0, 100 + n * 20 + at).into(), 24),
            (Family::Ipv6, 0) => (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x100, n.into(), 1).into(), 64),
            (Family::Ipv6, _) => (Ipv6Addr::new(0x2001, 0xdb8, s6, 0, 0, 0x100, n.into(), last).into(), 64),
        };
        let length = if alone { family.bits() } else { wide };
        let prefix = Prefix::new(address, length).unwrap();
        VirtualAddress { prefix, interface: None, label: None, scope: Scope::Global }
    };
    (0..count).map(address).collect()
}

fn priorities(random: &mut Random, count: usize) -> Vec<Priority> {
    let way = random.between(0, 9);
    let base = u8::try_from(random.between(1, 240)).unwrap();
    let mut numbers: Vec<u8> = (0..count)
        .map(|at| match way {
            0..=2 => base,
            3..=4 => base + u8::try_from(at).unwrap(),
            _ => u8::try_from(random.between(1, 254)).unwrap(),
        })
        .collect();
    if random.chance(150) {
        let owner = random.index(count);
        numbers[owner] = 255;
    }
    numbers.into_iter().map(|number| Priority::new(number).unwrap()).collect()
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, segments) = (self.hosts.len(), self.segments);
        writeln!(f, "seed {}: {hosts} hosts, {segments} segments, beat {} ms", self.seed, self.beat / MS)?;
        writeln!(f, "rough until {} ms: {:?}", self.calm_at / MS, self.rough)?;
        writeln!(f, "smooth: {:?}; stays broken: {:?}", self.smooth, self.residue)?;
        for (number, host) in self.hosts.iter().enumerate() {
            let boots = host.boots_at / MS;
            writeln!(f, "h{number}: boots at {boots} ms, {:?}, tags {}", host.clock, host.tags)?;
            for (name, own) in &host.config.instances {
                let centiseconds = own.interval.centiseconds();
                let (preempt, delay) = (own.preempt, own.preempt_delay);
                writeln!(
                    f,
                    "  {name} {}: v{} {}, priority {}, every {centiseconds} cs, preempt {preempt} after {delay:?}, {:?}, \
                     {} addresses from {}, {:?}",
                    own.interface,
                    own.version,
                    own.family,
                    own.priority,
                    own.transport,
                    own.addresses.len(),
                    own.addresses.first().map_or(String::new(), |first| first.prefix.to_string()),
                    own.checksum,
                )?;
            }
        }
        for (name, check) in &self.hosts[0].config.checks {
            let tracks = |instance: &InstanceConfig| instance.track.get(name).copied();
            let tracks: Vec<_> = self.hosts[0].config.instances.values().map(tracks).collect();
            writeln!(f, "check {name}: {check:?}, tracked {tracks:?}")?;
        }
        writeln!(f, "groups {:?}", self.hosts[0].config.groups.keys())?;
        for strike in &self.strikes {
            let (at, end) = (strike.at / MS, (strike.at + strike.lasts) / MS);
            writeln!(f, "fault {at}–{end} ms: {:?}", strike.fault)?;
        }
        Ok(())
    }
}
