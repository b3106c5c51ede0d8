//! The false network: segments between hosts that lose, delay, double, reorder and cut off what they carry.

use std::net::IpAddr;
use std::sync::Arc;

use failover::agent::message::{FilterRow, Listen};
use failover::net::Family;

use crate::random::Random;

/// A VRRP message under way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Where.
    pub(crate) segment: usize,
    /// Which host sent it.
    pub(crate) from: usize,
    /// IP source.
    pub(crate) source: IpAddr,
    /// IP destination.
    pub(crate) destination: IpAddr,
    /// The IP payload.
    pub(crate) payload: Arc<[u8]>,
}

impl Packet {
    /// TTL or hop limit of everything that is sent.
    pub(crate) const HOP_LIMIT: u8 = 255;

    /// Whether a socket's filter lets it through.
    pub(crate) fn passes(&self, listen: &Listen) -> bool {
        let vrid = self.payload.get(1).copied();
        let row = listen.filter.iter().find(|row| Some(row.vrid.number()) == vrid);
        row.is_some_and(|row| !listen.strict || self.keeps(*row))
    }

    fn keeps(&self, row: FilterRow) -> bool {
        let (Some(first), Some(count)) = (self.payload.first(), self.payload.get(3)) else { return false };
        let (each, tail) = match (Family::of(self.source), row.version.number()) {
            (Family::Ipv4, 2) => (4, 8),
            (Family::Ipv4, _) => (4, 0),
            (Family::Ipv6, _) => (16, 0),
        };
        *first == row.version.number() << 4 | 1
            && *count > 0
            && self.payload.len() == 8 + usize::from(*count) * each + tail
            && self.destination.is_multicast() == row.multicast
    }
}

/// How bad the network is; thousandths and nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Dials {
    /// Shortest and longest time on the way.
    pub(crate) latency: (u64, u64),
    /// Lost.
    pub(crate) loss: u64,
    /// Carried twice.
    pub(crate) duplicate: u64,
    /// Carried late by up to `straggle`, behind what was sent after it.
    pub(crate) stragglers: u64,
    /// See `stragglers`.
    pub(crate) straggle: u64,
    /// Comes back to its sender as well.
    pub(crate) echo: u64,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    /// How it is now.
    pub(crate) dials: Dials,
    /// By segment, sender and receiver: how many faults cut this way off.
    cut: Vec<Vec<Vec<u32>>>,
    random: Random,
}

impl Network {
    /// A whole network.
    pub(crate) fn new(segments: usize, hosts: usize, dials: Dials, random: Random) -> Self {
        Network { dials, cut: vec![vec![vec![0; hosts]; hosts]; segments], random }
    }

    /// Cuts one way off.
    pub(crate) fn cut(&mut self, segment: usize, from: usize, to: usize) {
        self.cut[segment][from][to] += 1;
    }

    /// Takes one such cut back.
    pub(crate) fn heal(&mut self, segment: usize, from: usize, to: usize) {
        let cuts = &mut self.cut[segment][from][to];
        *cuts = cuts.saturating_sub(1);
    }

    /// Takes all cuts back.
    pub(crate) fn heal_all(&mut self) {
        self.cut.iter_mut().flatten().flatten().for_each(|cuts| *cuts = 0);
    }

    /// Whether what `from` sends reaches `to`.
    pub(crate) fn reaches(&self, segment: usize, from: usize, to: usize) -> bool {
        self.cut[segment][from][to] == 0
    }

    /// Who gets a packet, and after what time.
    pub(crate) fn carry(&mut self, packet: &Packet) -> Vec<(usize, u64)> {
        let mut copies = Vec::new();
        for to in 0..self.cut[packet.segment].len() {
            if to == packet.from && !self.random.chance(self.dials.echo) {
                continue;
            }
            let count = 1 + u64::from(self.random.chance(self.dials.duplicate));
            for _ in 0..count {
                let mut delay = self.random.of(self.dials.latency);
                if self.random.chance(self.dials.stragglers) {
                    delay += self.random.between(0, self.dials.straggle);
                }
                let lost = self.random.chance(self.dials.loss);
                if !lost && self.reaches(packet.segment, packet.from, to) {
                    copies.push((to, delay));
                }
            }
        }
        copies
    }
}
