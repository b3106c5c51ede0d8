//! What the demo is about: two hosts, one address, a configuration, and what the protocol's timers promise. Pure.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::vrrp::fields::{Interval, Priority, Version, master_down_interval, skew_time};

/// The address that moves. All addresses here are of 192.0.2.0/24, which is set aside for examples (RFC 5737).
pub(super) const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
/// Where the client lives.
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
/// Length of the network's prefix.
pub(super) const PREFIX_LENGTH: u8 = 24;
/// Port of the service: UDP echo.
const PORT: u16 = 7;
/// The interface of each host and of the client.
pub(super) const INTERFACE: &str = "eth0";
/// Advert interval in centiseconds.
const INTERVAL: u16 = 10;

/// What the client asks.
pub(super) const SERVICE: SocketAddrV4 = SocketAddrV4::new(VIRTUAL, PORT);

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Host {
    /// The one with the higher priority.
    Alpha,
    /// The other one.
    Beta,
}

impl Host {
    pub(super) const ALL: [Host; 2] = [Host::Alpha, Host::Beta];

    pub(super) fn name(self) -> &'static str {
        match self {
            Host::Alpha => "alpha",
            Host::Beta => "beta",
        }
    }

    pub(super) fn named(name: &str) -> Option<Host> {
        Host::ALL.into_iter().find(|host| host.name() == name)
    }

    pub(super) fn address(self) -> Ipv4Addr {
        match self {
            Host::Alpha => Ipv4Addr::new(192, 0, 2, 1),
            Host::Beta => Ipv4Addr::new(192, 0, 2, 2),
        }
    }

    fn priority(self) -> u8 {
        match self {
            Host::Alpha => 150,
            Host::Beta => 100,
        }
    }
}

/// The configuration of `host`.
pub(super) fn configuration(host: Host) -> String {
    format!(
        "[instance.web]\n\
         interface = \"{INTERFACE}\"\n\
         virtual_router_id = 51\n\
         priority = {}\n\
         advert_interval = \"{}ms\"\n\
         addresses = [\"{VIRTUAL}/{PREFIX_LENGTH}\"]\n",
        host.priority(),
        u32::from(INTERVAL) * 10,
    )
}

/// What the protocol says about the time without a master (RFC 9568, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// The crash of a MASTER is noticed that long after its last advert, by the host that takes over.
    pub(super) master_down: Duration,
    /// Time between two adverts: a crash happens at any point of it.
    pub(super) interval: Duration,
    /// The successor of a MASTER that resigned waits that long.
    pub(super) skew: Duration,
}

impl Promise {
    /// The promise when `host` takes over.
    pub(super) fn of(host: Host) -> Self {
        let priority = Priority::new(host.priority()).unwrap_or(Priority::DEFAULT);
        let interval = Interval::from_centiseconds(INTERVAL).unwrap_or(Interval::DEFAULT);
        Promise {
            master_down: master_down_interval(Version::V3, priority, interval),
            interval: interval.duration(),
            skew: skew_time(Version::V3, priority, interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_about_the_configuration_that_is_shown() {
        for host in Host::ALL {
            let text = configuration(host);
            let path =
                std::env::temp_dir().join(format!("failover-demo-{}-{}", host.name(), std::process::id()));
            std::fs::write(&path, text).unwrap();
            let loaded = crate::config::load(&path, crate::config::Purpose::Run);
            std::fs::remove_file(&path).unwrap();
            let config = loaded.unwrap().config;
            let web = &config.instances["web"];
            let promise = Promise::of(host);
            assert_eq!(promise.interval, web.interval.duration());
            assert_eq!(promise.skew, skew_time(web.version, web.priority, web.interval));
            assert_eq!(promise.master_down, master_down_interval(web.version, web.priority, web.interval));
        }
        assert_eq!(Promise::of(Host::Beta).skew, Duration::from_nanos(60_937_500));
    }
}
