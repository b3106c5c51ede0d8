//! Ethernet frames as the tests see them: a decoder of its own, which believes anything that is long enough, so that
//! what goes over the wire is judged by other code than that which made it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A frame that came out of a host.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The kernel's time stamp on the switch port, since the Unix epoch.
    pub(crate) at: Duration,
    /// The host behind the port.
    pub(crate) from: String,
    /// Ethernet source.
    pub(crate) mac: [u8; 6],
    /// What it says.
    pub(crate) what: What,
}

impl Frame {
    /// The VRRP message in it, if it is one of the virtual router `vrid`.
    pub(crate) fn vrrp(&self, vrid: u8) -> Option<&Vrrp> {
        match &self.what {
            What::Vrrp(vrrp) if vrrp.vrid == vrid => Some(vrrp),
            What::Vrrp(_) | What::Announce { .. } | What::Echo { .. } => None,
        }
    }

    /// Whether it has IP protocol 112.
    pub(crate) fn is_vrrp(&self) -> bool {
        matches!(self.what, What::Vrrp(_))
    }
}

/// The kinds of frames that the tests look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// IP protocol 112.
    Vrrp(Vrrp),
    /// Gratuitous ARP or unsolicited neighbour advertisement: "this address is at this hardware address".
    Announce { address: IpAddr, mac: [u8; 6] },
    /// ICMP or `ICMPv6` echo reply.
    Echo { source: IpAddr, id: u16, sequence: u16 },
}

/// The fields of a VRRP message as sent, legal or not. A CARP message looks like version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vrrp {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) version: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// Milliseconds.
    pub(crate) interval: u64,
    pub(crate) checksum: u16,
}

/// What `bytes`, a whole Ethernet frame, says; `None` for frames of no interest.
pub(crate) fn decode(bytes: &[u8]) -> Option<([u8; 6], What)> {
    let mac: [u8; 6] = bytes.get(6..12)?.try_into().ok()?;
    let body = bytes.get(14..)?;
    let what = match word(bytes, 12)? {
        0x0800 => ipv4(body)?,
        0x0806 => arp(body)?,
        0x86dd => ipv6(body)?,
        _ => return None,
    };
    Some((mac, what))
}

fn arp(body: &[u8]) -> Option<What> {
    let mac = body.get(8..14)?.try_into().ok()?;
    let sender: [u8; 4] = body.get(14..18)?.try_into().ok()?;
    let target: [u8; 4] = body.get(24..28)?.try_into().ok()?;
    (sender == target).then(|| What::Announce { address: IpAddr::from(sender), mac })
}

fn ipv4(packet: &[u8]) -> Option<What> {
    let header = usize::from(*packet.first()? & 0x0f) * 4;
    let source = IpAddr::from(<[u8; 4]>::try_from(packet.get(12..16)?).ok()?);
    let destination = IpAddr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?);
    let payload = packet.get(header..usize::from(word(packet, 2)?))?;
    match *packet.get(9)? {
        112 => vrrp(payload, source, destination, *packet.get(8)?),
        1 if payload.first() == Some(&0) => echo(payload, source),
        _ => None,
    }
}

fn ipv6(packet: &[u8]) -> Option<What> {
    let source = IpAddr::from(<[u8; 16]>::try_from(packet.get(8..24)?).ok()?);
    let destination = IpAddr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?);
    let payload = packet.get(40..40 + usize::from(word(packet, 4)?))?;
    match (*packet.get(6)?, payload.first()?) {
        (112, _) => vrrp(payload, source, destination, *packet.get(7)?),
        (58, 129) => echo(payload, source),
        (58, 136) if destination.is_multicast() => {
            let address = IpAddr::from(<[u8; 16]>::try_from(payload.get(8..24)?).ok()?);
            // The option that carries the target's hardware address.
            let mac = payload.get(26..32)?.try_into().ok()?;
            Some(What::Announce { address, mac })
        }
        _ => None,
    }
}

fn echo(payload: &[u8], source: IpAddr) -> Option<What> {
    Some(What::Echo { source, id: word(payload, 4)?, sequence: word(payload, 6)? })
}

fn vrrp(payload: &[u8], source: IpAddr, destination: IpAddr, hop_limit: u8) -> Option<What> {
    let version = *payload.first()? >> 4;
    let interval = if version == 3 {
        u64::from(word(payload, 4)? & 0x0fff) * 10
    } else {
        u64::from(*payload.get(5)?) * 1000
    };
    Some(What::Vrrp(Vrrp {
        source,
        destination,
        hop_limit,
        version,
        vrid: *payload.get(1)?,
        priority: *payload.get(2)?,
        interval,
        checksum: word(payload, 6)?,
    }))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The test addresses of both families, for readers of a failure: hosts are .1, .2, …, the client is .9.
pub(crate) fn host_address(number: u8, v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)))
    } else {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
    }
}
