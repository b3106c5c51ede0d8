//! One virtual router as a test describes it, and how each program wants to be told of it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::host::Host;
use super::process::Process;
use super::{peers, wait};

/// What all routers of one virtual router agree on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Router {
    /// 2 or 3.
    pub(crate) version: u8,
    pub(crate) v6: bool,
    /// Milliseconds.
    pub(crate) interval: u32,
    pub(crate) password: Option<&'static str>,
    pub(crate) unicast: bool,
    pub(crate) preempt: bool,
}

/// The virtual router identifier of every test.
pub(crate) const VRID: u8 = 51;

/// Version 3 over IPv4 with an interval of 200 ms: a master-down interval is longer than a busy machine's hiccups.
pub(crate) const V3: Router =
    Router { version: 3, v6: false, interval: 200, password: None, unicast: false, preempt: true };

/// Who runs a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Ours,
    Keepalived,
    /// Of its two daemons this is vrrpd; zebra must run.
    Frr,
}

impl Router {
    /// The virtual addresses; IPv6 demands a link-local one first.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let texts: &[&str] =
            if self.v6 { &["fe80::50", "2001:db8::50"] } else { &["192.0.2.50", "192.0.2.51"] };
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    /// The address that the client asks.
    pub(crate) fn address(&self) -> IpAddr {
        *self.addresses().last().expect("at least one address")
    }

    /// How long a backup of `priority` waits for an advert: RFC 9568, section 6.1; RFC 3768, section 6.1.
    pub(crate) fn master_down(&self, priority: u8) -> Duration {
        let interval = Duration::from_millis(u64::from(self.interval));
        let base = if self.version == 2 { Duration::from_secs(1) } else { interval };
        interval * 3 + base * (256 - u32::from(priority)) / 256
    }

    /// A time limit for a transition: an order of magnitude above what it takes.
    pub(crate) fn limit(&self) -> Duration {
        (self.master_down(1) * 10).max(Duration::from_secs(10))
    }

    /// How long to look on while nothing must happen: several times a master-down interval.
    pub(crate) fn calm(&self) -> Duration {
        (self.master_down(1) * 3).clamp(Duration::from_millis(1500), Duration::from_secs(5))
    }

    /// Starts `program` on `host` and waits until it takes part; `peer` is the other host.
    pub(crate) fn start(&self, program: Program, host: &Host, peer: &Host, priority: u8) -> Process {
        let process = match program {
            Program::Ours => host.failover(&self.ours(host, peer, priority)),
            Program::Keepalived => peers::keepalived(host, &self.keepalived(host, peer, priority)),
            Program::Frr => peers::vrrpd(host, self, priority),
        };
        wait(&format!("{program:?} on {} has started", host.name), self.limit(), || {
            let log = process.log().to_ascii_lowercase();
            ["entering backup state", "entering master state", "initialize -> backup"]
                .iter()
                .any(|sign| log.contains(sign))
                .then_some(())
        });
        process
    }

    /// The configuration for `failover`.
    pub(crate) fn ours(&self, host: &Host, peer: &Host, priority: u8) -> String {
        let mut text = format!("[agent]\nrouter_id = \"{}\"\n\n[instance.web]\n", host.name);
        let length = if self.v6 { 64 } else { 24 };
        let addresses: Vec<String> = self.addresses().iter().map(|a| format!("\"{a}/{length}\"")).collect();
        let _ = writeln!(text, "interface = \"eth0\"\nvirtual_router_id = {VRID}\npriority = {priority}");
        let unit = if self.interval.is_multiple_of(1000) {
            (self.interval / 1000, "s")
        } else {
            (self.interval, "ms")
        };
        let _ = writeln!(text, "version = {}\nadvert_interval = \"{}{}\"", self.version, unit.0, unit.1);
        let _ = writeln!(text, "preempt = {}\naddresses = [{}]", self.preempt, addresses.join(", "));
        if self.unicast {
            let _ = writeln!(text, "source_address = \"{}\"", host.address(self.v6));
            let _ = writeln!(text, "peers = [\"{}\"]", peer.address(self.v6));
        }
        if let Some(password) = self.password {
            let _ = writeln!(text, "auth = {{ type = \"password\", password = \"{password}\" }}");
        }
        text
    }

    /// The configuration for keepalived.
    pub(crate) fn keepalived(&self, host: &Host, peer: &Host, priority: u8) -> String {
        let mut text = format!("global_defs {{\n  router_id {}\n  vrrp_version 3\n}}\n", host.name);
        let _ = writeln!(
            text,
            "vrrp_instance web {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {VRID}"
        );
        let _ = writeln!(text, "  priority {priority}\n  version {}", self.version);
        let _ = writeln!(text, "  advert_int {}.{:03}", self.interval / 1000, self.interval % 1000);
        if !self.preempt {
            text.push_str("  nopreempt\n");
        }
        if self.unicast {
            let _ = writeln!(text, "  unicast_src_ip {}", host.address(self.v6));
            let _ = writeln!(text, "  unicast_peer {{\n    {}\n  }}", peer.address(self.v6));
        }
        if let Some(password) = self.password {
            let _ = writeln!(text, "  authentication {{\n    auth_type PASS\n    auth_pass {password}\n  }}");
        }
        let length = if self.v6 { 64 } else { 24 };
        text.push_str("  virtual_ipaddress {\n");
        for address in self.addresses() {
            let _ = writeln!(text, "    {address}/{length}");
        }
        text.push_str("  }\n}\n");
        text
    }
}
