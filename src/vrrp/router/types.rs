//! The words of the state machine: its parameters, states, events, actions and causes.

use std::net::IpAddr;
use std::time::Duration;

use crate::time::Instant;
use crate::vrrp::fields::{Claim, Interval, Priority, Version, master_down_interval, skew_time};

/// The parameters of a virtual router that the protocol knows (RFC 9568, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// Protocol version.
    pub version: Version,
    /// Priority; 255 owns the addresses and starts as MASTER.
    pub priority: Priority,
    /// `Advertisement_Interval`.
    pub interval: Interval,
    /// `Preempt_Mode`.
    pub preempt: bool,
    /// How long a MASTER of lower priority is let be before it is preempted, from its first advert on (RFC 8347,
    /// `hold-time`); zero for no time.
    pub preempt_delay: Duration,
    /// What a BACKUP does when its time to take over has come.
    pub promotion: Promotion,
}

/// What a BACKUP does when its time to take over has come. Not of the RFC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promotion {
    /// Becomes MASTER.
    #[default]
    Alone,
    /// Is [due](super::Router::is_due) and waits for [`Event::Promote`]: others must become MASTER with it.
    Together,
    /// Is due and waits until it may: nothing is known of a service that it stands for.
    Blocked,
}

impl Settings {
    pub(super) fn master_down_interval(&self, interval: Interval) -> Duration {
        master_down_interval(self.version, self.priority, interval)
    }

    pub(super) fn skew_time(&self, interval: Interval) -> Duration {
        skew_time(self.version, self.priority, interval)
    }

    /// The interval to count by after an advert of a master: version 3 learns, version 2 does not.
    pub(super) fn learn(&self, heard: Interval) -> Interval {
        match self.version {
            Version::V2 => self.interval,
            Version::V3 => heard,
        }
    }
}

/// Where a virtual router stands. INIT is also what FAULT is to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// RFC 9568 `Initialize`: takes no part.
    Init,
    /// RFC 9568 `Backup`: watches the master.
    Backup(Backup),
    /// RFC 9568 `Active`: holds the addresses.
    Master(Master),
    /// Not of the RFC: has resigned, and holds the addresses until somebody else has them.
    Leaving(Leaving),
}

/// What a BACKUP remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backup {
    /// `Active_Down_Timer`: the master is gone at this time.
    pub down_at: Instant,
    /// `Active_Adver_Interval`: the master's interval, our own until one was heard.
    pub interval: Interval,
    /// Until when a master of lower priority is let be; `None` while none was heard.
    pub hold_until: Option<Instant>,
}

/// What a MASTER remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Master {
    /// `Adver_Timer`: the next advert is due.
    pub advertise_at: Instant,
    /// No answer to anybody before this time.
    pub answer_after: Instant,
}

/// What a router remembers that has resigned and still holds the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaving {
    /// It waits no longer than until then: the limit after the resignation, or the time to settle after its successor's
    /// first advert.
    pub until: Instant,
    /// Who has taken over.
    pub successor: Option<IpAddr>,
    /// What was asked for.
    pub plan: HandOver,
}

/// How a MASTER is to hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandOver {
    /// What it is afterwards.
    pub then: Afterwards,
    /// How long it waits for a successor: [`Router::hand_over_limit`](super::Router::hand_over_limit), or the longest of
    /// those that move together.
    pub limit: Duration,
    /// How long it goes on to hold the addresses after its successor's first advert, which leaves before the successor
    /// has them and has announced them.
    pub settle: Duration,
    /// Whether it lets go also when nobody takes over; otherwise it is MASTER again then, and has lost nothing.
    pub insist: bool,
}

/// What a router is that has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Afterwards {
    /// INIT: it takes no part any more.
    Init,
    /// BACKUP: it hears its successor. Whether it competes is a matter of [`Settings::promotion`].
    Backup,
}

/// Something that happened to the virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// It can take part, with this primary address as the source of its adverts.
    Startup {
        /// The address that ties are broken by.
        primary: IpAddr,
    },
    /// The same, where the process before this one was MASTER so lately that nobody has counted it out: it goes on.
    Resume {
        /// The address that ties are broken by.
        primary: IpAddr,
    },
    /// It can or shall no longer take part.
    Shutdown,
    /// A MASTER resigns, and holds the addresses until it hears its successor.
    HandOver(HandOver),
    /// Whoever wanted it to hand over does not any more: where nobody takes over, it is MASTER again.
    Relent,
    /// An advert that passed every check of section 7.1 and is not our own.
    Heard(Heard),
    /// Time passed; nothing happens before [`Router::deadline`](super::Router::deadline).
    Timeout,
    /// Its primary address is another one now.
    Primary(IpAddr),
    /// Its parameters, or what its adverts say, are others now. A running timer that another priority would have made
    /// longer or shorter goes on, the next one is counted by the new one; a MASTER says at once what is new. One whose
    /// priority falls resigns first and goes on to hold the addresses: a better BACKUP takes over after its skew. That
    /// [`Settings::promotion`] alone is another is not news to others.
    Configure(Settings),
    /// Whoever must become MASTER together is due: a BACKUP that is due takes over.
    Promote,
    /// One that moves together with this one is no longer MASTER: a MASTER resigns and lets go.
    Yield {
        /// Listens an interval less before it would take over again. Two hosts that outrank each other in different
        /// networks both yield, and would again and again at the same time if they waited for the same.
        sooner: bool,
    },
    /// The master of one that moves together with this one has resigned: ours most likely has, too, so it is waited for
    /// one interval and not three.
    Hasten,
}

/// What counts of an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heard {
    /// Priority or resignation.
    pub claim: Claim,
    /// The sender's primary address: the IP source.
    pub source: IpAddr,
    /// The sender's interval.
    pub interval: Interval,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Send an advert now.
    Advertise(Claim),
    /// Hold the addresses and announce them.
    Acquire,
    /// Somebody else claimed the addresses while we held them: announce them again.
    Contested,
    /// Let go of the addresses, announce nothing.
    Release,
    /// The state is another one now.
    Entered(Cause),
}

/// Why the state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// INIT → MASTER: the owner of the addresses started.
    OwnerStarted,
    /// INIT → BACKUP.
    Started,
    /// BACKUP → MASTER: nothing was heard of a master for the master-down interval.
    MasterSilent,
    /// BACKUP → MASTER: the master resigned and nobody better took over within our skew.
    MasterResigned,
    /// BACKUP → MASTER: the master there is has a lower priority.
    Preempted,
    /// INIT → MASTER: a process before this one was, and nobody has counted it out.
    Resumed,
    /// MASTER → BACKUP or INIT, as was asked for.
    HandedOver {
        /// The one that has taken over, if anybody has.
        to: Option<IpAddr>,
    },
    /// MASTER → MASTER: it resigned and nobody took over.
    NotTaken,
    /// MASTER → BACKUP: this router has a better claim.
    Outranked {
        /// Its priority.
        priority: Priority,
        /// Its address.
        by: IpAddr,
    },
    /// MASTER → BACKUP: this host did not run for so long that the others have counted it out.
    Overslept {
        /// How long no advert left.
        silent: Duration,
    },
    /// MASTER → BACKUP: one that it moves together with is no longer MASTER.
    Yielded,
    /// → INIT.
    ShutDown,
}
