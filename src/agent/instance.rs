//! One instance: its state machine joined with what the agent must know to serve it.
//!
//! Owns: the router, the reason for its state in words, what was heard, the counters. Never: touches other instances or
//! the host's addresses; that is the agent's part ([`super::Agent`]).

use std::sync::Arc;
use std::time::Duration;

use std::net::IpAddr;

use super::announcer::Key;
use super::message::SocketId;
use super::report::{Report, Subject};
use super::snapshot::{AddressStatus, InstanceCounters, InstanceStatus, MasterStatus, VrState};
use super::transmit::Transmit;
use super::trouble::TroubleLog;
use crate::config::model::InstanceConfig;
use crate::health::standing::Standing;
use crate::net::Family;
use crate::time::Instant;
use crate::vrrp::fields::{ChecksumForm, Claim, Interval, Priority, Version, master_down_interval};
use crate::vrrp::router::{Cause, Heard, Promotion, Router, Settings, State};

/// How long an instance stays out after the kernel refused an address, the first time; doubles each time.
pub(crate) const HOLD_OFF_FIRST: Duration = Duration::from_secs(10);
/// Longest that an instance stays out for that.
pub(crate) const HOLD_OFF_LONGEST: Duration = Duration::from_mins(5);
/// At most one burst of announcements in this time in answer to a contest (RFC 5227, section 2.4: `DEFEND_INTERVAL`).
pub(crate) const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// A contest is reported again no sooner than this.
const CONTEST_REPORT_AFTER: Duration = Duration::from_mins(1);
/// Masters told of within [`REPORT_WINDOW`]: a thousand peers must not fill the log.
const REPORTS: u8 = 8;
const REPORT_WINDOW: Duration = Duration::from_mins(1);

/// One instance.
#[expect(clippy::struct_excessive_bools, reason = "what is so about an instance, each by itself")]
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) subject: Subject,
    pub(crate) config: InstanceConfig,
    pub(crate) router: Router,
    pub(crate) transmit: Transmit,
    /// Where it takes part; `None` in INIT and FAULT.
    pub(crate) place: Option<Place>,
    pub(crate) state: VrState,
    pub(crate) since: Instant,
    pub(crate) reason: String,
    /// Why it is about to be shut down, for the report of that.
    pub(crate) leaving_because: Option<(VrState, String)>,
    pub(crate) troubles: TroubleLog,
    pub(crate) counters: InstanceCounters,
    pub(crate) heard: Option<(Instant, Heard)>,
    /// Wanted addresses that are not there yet.
    pub(crate) missing: usize,
    /// Stays out until then, because of that.
    pub(crate) hold_off: Option<(Instant, String)>,
    pub(crate) next_hold_off: Duration,
    /// Whether the address that its adverts come from is there.
    pub(crate) source: Source,
    pub(crate) announced_at: Option<Instant>,
    pub(crate) reannounce_at: Option<Instant>,
    /// No longer configured; the number is not used again.
    pub(crate) retired: bool,
    /// It stops for good: that is told once, and no state after it.
    pub(crate) leaving: bool,
    /// The group that it moves with, by number.
    pub(crate) group: Option<usize>,
    /// What its checks make of it.
    pub(crate) standing: Standing,
    /// An administrator wants it to hold nothing.
    pub(crate) drained: bool,
    /// So does the host, for now.
    pub(crate) aside: bool,
    /// The process after this one can know what it holds.
    pub(crate) recorded: bool,
    /// That it would take over, but for a check of which nothing is known, was told.
    pub(crate) told_waiting: bool,
    contest_reported: Option<Instant>,
    peer_reports: Budget,
    /// The master that was last heard, and how many changes before that were not told.
    last_master: Option<IpAddr>,
    untold_masters: u64,
    /// The form of checksum that was last told.
    told_form: ChecksumForm,
}

/// How many reports of a kind were made lately.
#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    window: Instant,
    made: u8,
}

impl Budget {
    /// Whether one more may be made, which is then counted.
    fn spend(&mut self, now: Instant) -> bool {
        if now.since(self.window) >= REPORT_WINDOW {
            *self = Budget { window: now, made: 0 };
        }
        let may = self.made < REPORTS;
        self.made += u8::from(may);
        may
    }
}

/// Where an instance takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) socket: SocketId,
    pub(crate) primary: IpAddr,
    /// The place of each address: advertised ones first, in configured order.
    pub(crate) keys: Vec<Key>,
}

/// The address that the adverts of an instance come from: see [`super::source`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is there, or the instance takes no part.
    #[default]
    There,
    /// It went while the instance was MASTER, which goes on without until then.
    AwayUntil(Instant),
    /// It did not come back in time.
    Gone,
}

impl Instance {
    pub(crate) fn new(now: Instant, name: &str, config: InstanceConfig) -> Self {
        let transmit = Transmit::new(config.checksum);
        Instance {
            subject: Subject {
                name: Arc::from(name),
                interface: config.interface.clone(),
                vrid: config.vrid,
                group: None,
            },
            router: Router::new(settings(&config, config.priority, Promotion::Alone)),
            standing: Standing { effective: config.priority, unknown: None },
            config,
            place: None,
            state: VrState::Init,
            since: now,
            reason: "starting".to_owned(),
            leaving_because: None,
            troubles: TroubleLog::default(),
            counters: InstanceCounters::default(),
            heard: None,
            missing: 0,
            hold_off: None,
            next_hold_off: HOLD_OFF_FIRST,
            source: Source::There,
            announced_at: None,
            reannounce_at: None,
            retired: false,
            leaving: false,
            group: None,
            drained: false,
            aside: false,
            recorded: false,
            told_waiting: false,
            contest_reported: None,
            peer_reports: Budget::default(),
            last_master: None,
            untold_masters: 0,
            told_form: transmit.form(),
            transmit,
        }
    }

    /// What the state machine goes by.
    pub(crate) fn settings(&self) -> Settings {
        let blocked = self.standing.unknown.is_some() || self.drained || self.aside;
        let promotion = match self.group {
            _ if blocked => Promotion::Blocked,
            Some(_) => Promotion::Together,
            None => Promotion::Alone,
        };
        settings(&self.config, self.standing.effective, promotion)
    }

    /// Its effective priority.
    pub(crate) fn priority(&self) -> Priority {
        self.router.settings().priority
    }

    pub(crate) fn is_master(&self) -> bool {
        self.router.is_master()
    }

    /// When the agent must look at it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let hold_off = self.hold_off.as_ref().map(|(until, _)| *until);
        [self.router.deadline(), hold_off, self.reannounce_at, self.source_due()].into_iter().flatten().min()
    }

    /// Takes on a state for a reason; the report if that is news: another state, or another reason for FAULT.
    pub(crate) fn enter(&mut self, now: Instant, state: VrState, reason: String) -> Option<Report> {
        if self.state == state && (self.reason == reason || state == VrState::Init) {
            self.reason = reason;
            return None;
        }
        let previous = std::mem::replace(&mut self.state, state);
        if previous != state {
            self.since = now;
            self.counters.master_transitions += u64::from(state == VrState::Master);
        }
        self.reason.clone_from(&reason);
        let priority = self.priority();
        Some(Report::Transition { subject: self.subject.clone(), previous, state, priority, reason })
    }

    /// The state and the reason in words that a cause of the state machine stands for.
    /// One that hands over does so because it `leaves`.
    pub(crate) fn explain(&mut self, now: Instant, cause: Cause, leaves: &str) -> (VrState, String) {
        let own = self.priority();
        let peer = self.heard.map(|(_, heard)| heard.source.to_string());
        let master = peer.as_deref().unwrap_or("the master");
        match cause {
            Cause::OwnerStarted => {
                (VrState::Master, "this router owns the addresses (priority 255)".to_owned())
            }
            Cause::Started => {
                let wait = master_down_interval(self.config.version, own, self.config.interval);
                (VrState::Backup, format!("ready; takes over if no master is heard for {}", span(wait)))
            }
            Cause::MasterSilent => {
                let reason = match self.heard {
                    Some((at, _)) => format!("nothing heard of {master} for {}", span(now.since(at))),
                    None => "nothing heard of any master".to_owned(),
                };
                (VrState::Master, reason)
            }
            Cause::MasterResigned => (VrState::Master, format!("{master} resigned")),
            Cause::Preempted => {
                let theirs = self.heard.map_or(0, |(_, heard)| heard.claim.number());
                (VrState::Master, format!("{master} has a lower priority ({theirs}, ours is {own})"))
            }
            Cause::Outranked { priority, by } if priority == own => {
                (VrState::Backup, format!("{by} has the same priority ({own}) and a greater address"))
            }
            Cause::Outranked { priority, by } => {
                (VrState::Backup, format!("{by} has a higher priority ({priority}, ours is {own})"))
            }
            Cause::Overslept { silent } => (
                VrState::Backup,
                // At least: what it heard first when it ran again may have come long before.
                format!("this host did not run for {} or longer: others have counted it out", span(silent)),
            ),
            Cause::Resumed => {
                (VrState::Master, "goes on from where the agent before this one ended".to_owned())
            }
            Cause::HandedOver { to } => {
                let stays = matches!(self.router.state(), State::Backup(_));
                let state = if stays { VrState::Backup } else { VrState::Init };
                let reason = match to {
                    Some(to) => format!("{leaves}; {to} has taken over"),
                    None => format!("{leaves}; nobody has taken over"),
                };
                if to.is_none() {
                    // Who was heard before that is no master now.
                    self.forget_peers();
                }
                (state, reason)
            }
            Cause::NotTaken => (
                VrState::Master,
                "resigned to be drained, but nobody took over: goes on as before".to_owned(),
            ),
            Cause::Yielded => {
                (VrState::Backup, "another instance of its group is no longer MASTER".to_owned())
            }
            Cause::ShutDown => self.leaving_because.take().unwrap_or((VrState::Init, "stopped".to_owned())),
        }
    }

    /// A contest while MASTER: counted always, reported now and then.
    pub(crate) fn contested(&mut self, now: Instant, heard: Heard) -> Option<Report> {
        self.counters.contested += 1;
        if self.contest_reported.is_some_and(|at| now.since(at) < CONTEST_REPORT_AFTER) {
            return None;
        }
        self.contest_reported = Some(now);
        Some(Report::Contested {
            subject: self.subject.clone(),
            peer: heard.source,
            priority: Priority::new(heard.claim.number())?,
            count: self.counters.contested,
        })
    }

    /// It starts anew: whoever is MASTER is news again.
    pub(crate) fn forget_peers(&mut self) {
        self.heard = None;
        (self.last_master, self.untold_masters) = (None, 0);
    }

    /// An advert came in, and nothing was done about it yet: the report if a BACKUP hears a master that was not told of.
    /// Of several that take turns only some are told, the others counted; when one is left, that one is told.
    pub(crate) fn hears(&mut self, now: Instant, heard: Heard) -> Option<Report> {
        self.heard = Some((now, heard));
        let another = self.last_master.replace(heard.source) != Some(heard.source);
        let (State::Backup(_), Claim::Hold(priority)) = (self.router.state(), heard.claim) else {
            self.untold_masters = 0;
            return None;
        };
        self.untold_masters += u64::from(another);
        if self.untold_masters == 0 || !self.peer_reports.spend(now) {
            return None;
        }
        let before = std::mem::take(&mut self.untold_masters) - 1;
        Some(Report::NewMaster { subject: self.subject.clone(), peer: heard.source, priority, before })
    }

    /// A peer sent a checksum of `form`: the report if that is what is sent from now on.
    pub(crate) fn follows(&mut self, now: Instant, peer: IpAddr, form: ChecksumForm) -> Option<Report> {
        let as_master = self.is_master();
        self.transmit.heard(self.config.checksum, form, as_master);
        let news = self.transmit.form() == form && self.told_form != form;
        if !news || !self.peer_reports.spend(now) {
            return None;
        }
        self.told_form = form;
        Some(Report::ChecksumForm { subject: self.subject.clone(), peer, form })
    }

    /// Stays out for a while, longer each time.
    pub(crate) fn hold_off(&mut self, now: Instant, because: &str) -> String {
        let wait = self.next_hold_off;
        self.next_hold_off = (wait * 2).min(HOLD_OFF_LONGEST);
        let reason = format!("{because}; trying again in {}", span(wait));
        self.hold_off = Some((now.after(wait), reason.clone()));
        reason
    }

    /// For `status`.
    pub(crate) fn status(&self, now: Instant, present: impl Fn(Key) -> bool) -> InstanceStatus {
        let config = &self.config;
        let version3_ipv4 = config.version == Version::V3 && config.family == Family::Ipv4;
        InstanceStatus {
            name: self.subject.name.to_string(),
            state: self.state,
            since_seconds: now.since(self.since).as_secs_f64(),
            reason: self.reason.clone(),
            interface: config.interface.to_string(),
            virtual_router_id: config.vrid.number(),
            family: config.family,
            version: config.version.number(),
            base_priority: config.priority.number(),
            effective_priority: self.priority().number(),
            tracks: Vec::new(),
            waiting_for: self.standing.unknown.clone(),
            drained: self.drained,
            handing_over: self.router.is_leaving(),
            group: None,
            advert_interval_ms: milliseconds(config.interval),
            primary_address: self.source().map(|source| source.to_string()),
            addresses: self.address_status(present),
            address_lease_seconds: config.lease().map(|lease| u64::from(lease.seconds)),
            master: self.master_status(now),
            checksum: version3_ipv4.then(|| self.transmit.form().to_string()),
            trouble: self.troubles.status(now),
            counters: self.counters.clone(),
        }
    }

    fn address_status(&self, present: impl Fn(Key) -> bool) -> Vec<AddressStatus> {
        let config = &self.config;
        let keys = self.place.as_ref().map_or(&[][..], |place| &place.keys[..]);
        let all = config.all_addresses().enumerate();
        let status = |(number, address): (usize, &crate::config::model::VirtualAddress)| AddressStatus {
            address: address.prefix.to_string(),
            interface: address.interface.as_ref().unwrap_or(&config.interface).to_string(),
            present: keys.get(number).is_some_and(|key| present(*key)),
            advertised: number < config.addresses.len(),
        };
        all.map(status).collect()
    }

    fn master_status(&self, now: Instant) -> Option<MasterStatus> {
        match (self.state, &self.place, self.heard) {
            (VrState::Master, Some(place), _) => Some(MasterStatus {
                address: place.primary.to_string(),
                priority: self.priority().number(),
                advert_interval_ms: milliseconds(self.config.interval),
                heard_seconds_ago: 0.0,
            }),
            (VrState::Backup, _, Some((at, heard))) => Some(MasterStatus {
                address: heard.source.to_string(),
                priority: heard.claim.number(),
                advert_interval_ms: milliseconds(heard.interval),
                heard_seconds_ago: now.since(at).as_secs_f64(),
            }),
            (VrState::Init | VrState::Backup | VrState::Master | VrState::Fault, _, _) => None,
        }
    }
}

fn settings(config: &InstanceConfig, priority: Priority, promotion: Promotion) -> Settings {
    Settings {
        version: config.version,
        priority,
        interval: config.interval,
        preempt: config.preempt,
        preempt_delay: config.preempt_delay,
        promotion,
    }
}

fn milliseconds(interval: Interval) -> u64 {
    u64::from(interval.centiseconds()) * 10
}

/// A span of time in words, rounded to milliseconds: "3.609 s", "12 s".
fn span(span: Duration) -> String {
    let milliseconds = (span.as_micros() + 500) / 1000;
    if milliseconds.is_multiple_of(1000) {
        format!("{} s", milliseconds / 1000)
    } else {
        format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
    }
}
