//! What is to be told about the process around the agent: its files, sockets, threads, requests. Like a report of the agent,
//! a value with its text, severity, message id and fields; nobody else writes texts about the process.

use crate::agent::report::Severity;

/// A fact about the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An instance was drained before this process, and still is.
    StillDrained {
        /// Which.
        instance: String,
    },
    /// What is drained is not configured.
    DrainedUnknown {
        /// The name that is remembered.
        instance: String,
    },
    /// Which instances are drained cannot be read.
    DrainsUnreadable {
        /// Which file, why, and what that means.
        why: String,
    },
    /// Which instances are drained cannot be written.
    DrainsUnwritten {
        /// Which file, and why.
        why: String,
    },
    /// No record of what the agent is MASTER of can be kept.
    NoRecord {
        /// Where it was to be.
        directory: String,
        /// Why not.
        why: String,
    },
    /// That record cannot be written any more.
    RecordLost {
        /// Why.
        why: String,
    },
    /// Whether another agent runs cannot be told.
    AloneUnknown {
        /// Why.
        why: String,
    },
    /// A thread has no real-time priority.
    NoRealTime {
        /// Why.
        why: String,
    },
    /// Checks, commands and units have no thread.
    NoServices {
        /// Why, and when that is tried again.
        why: String,
    },
    /// Something that was run for the last states was not waited for.
    MayStillRun {
        /// What.
        unit: String,
    },
    /// Links and addresses cannot be read.
    DumpFailed {
        /// Why.
        why: String,
    },
    /// A VRRP socket cannot be read.
    ReceiveFailed {
        /// Which socket, and why.
        why: String,
        /// How often since the start.
        count: u64,
    },
    /// Announcements were not sent.
    AnnouncementsRefused {
        /// How many since the start.
        count: u64,
    },
    /// Whoever asked the agent something gets no answer.
    Unanswered {
        /// Why.
        why: String,
    },
    /// A reload came to nothing.
    ReloadFailed {
        /// Why.
        why: String,
    },
    /// A configuration was not taken: it is not legal.
    ConfigurationRefused {
        /// How many errors and warnings.
        summary: String,
        /// The first of them.
        first: Option<String>,
    },
    /// A configuration was taken that has warnings.
    ConfigurationWarns {
        /// How many.
        summary: String,
    },
    /// The engine takes no turns: the watchdog is not fed.
    EngineStands,
    /// The engine's timers are late: the watchdog is not fed.
    EngineLate,
    /// The engine turns again, and is on time.
    EngineOnTime,
    /// systemd is not told how the agent is.
    NotifyFailed {
        /// Why.
        why: String,
    },
    /// A shutdown or sleep of this host comes unannounced.
    NotHeardAhead {
        /// Why.
        why: String,
    },
    /// It is announced again.
    HeardAhead,
    /// There is no system bus to be on.
    BusAway {
        /// Why.
        why: String,
    },
    /// The agent's objects are on the system bus.
    BusJoined {
        /// They were before, or could not be.
        again: bool,
    },
    /// The system bus was lost.
    BusLost {
        /// Why.
        why: String,
    },
    /// Another program has the agent's name on the system bus.
    BusNameTaken,
    /// The agent's objects, or some of those who ask for them, are not served.
    BusUnserved {
        /// Who, and why.
        why: String,
    },
    /// Lines of the log were lost.
    LinesDropped {
        /// How many.
        count: u64,
    },
}

impl Notice {
    /// How much a person should care.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Notice::DrainsUnreadable { .. }
            | Notice::DrainsUnwritten { .. }
            | Notice::NoServices { .. }
            | Notice::ReloadFailed { .. }
            | Notice::ConfigurationRefused { .. }
            | Notice::EngineStands
            | Notice::EngineLate
            | Notice::BusUnserved { .. } => Severity::Error,
            Notice::StillDrained { .. }
            | Notice::DrainedUnknown { .. }
            | Notice::NoRecord { .. }
            | Notice::RecordLost { .. }
            | Notice::AloneUnknown { .. }
            | Notice::MayStillRun { .. }
            | Notice::DumpFailed { .. }
            | Notice::ReceiveFailed { .. }
            | Notice::AnnouncementsRefused { .. }
            | Notice::Unanswered { .. }
            | Notice::ConfigurationWarns { .. }
            | Notice::NotifyFailed { .. }
            | Notice::BusLost { .. }
            | Notice::BusNameTaken
            | Notice::LinesDropped { .. } => Severity::Warning,
            Notice::EngineOnTime => Severity::Notice,
            Notice::NotHeardAhead { .. }
            | Notice::HeardAhead
            | Notice::BusAway { .. }
            | Notice::BusJoined { .. } => Severity::Info,
            Notice::NoRealTime { .. } => Severity::Debug,
        }
    }

    /// The text, `(NAME)` first where it is about an instance.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Notice::StillDrained { instance } => {
                format!("({instance}) still drained: does not compete until `failover undrain {instance}`")
            }
            Notice::DrainedUnknown { instance } => {
                format!("({instance}) drained, and not configured: `failover undrain {instance}` forgets it")
            }
            Notice::DrainsUnreadable { why } => why.clone(),
            Notice::DrainsUnwritten { why } => format!("this will not outlive the agent: {why}"),
            Notice::NoRecord { directory, why } => format!(
                "no record of what this agent is MASTER of can be kept in {directory} ({why}): one that is killed and \
                 started again begins as BACKUP"
            ),
            Notice::RecordLost { why } => {
                format!("the record of what this agent is MASTER of cannot be written: {why}")
            }
            Notice::AloneUnknown { why } => {
                format!("cannot tell whether another agent runs in this network namespace: {why}")
            }
            Notice::NoRealTime { why } => format!("no real-time priority for a thread: {why}"),
            Notice::NoServices { why } => format!("no thread for checks and hooks: {why}"),
            Notice::MayStillRun { unit } => format!("may still run: {unit}"),
            Notice::DumpFailed { why } => format!("cannot read links and addresses: {why}; trying again"),
            Notice::ReceiveFailed { why, count } => format!("{why} (seen {count}×)"),
            Notice::AnnouncementsRefused { count } => {
                format!("announcements refused by the kernel (seen {count}×)")
            }
            Notice::Unanswered { why } => format!("a question cannot be answered: {why}"),
            Notice::ReloadFailed { why } => format!("reload failed: {why}"),
            Notice::ConfigurationRefused { summary, first } => {
                let first = first.as_ref().map(|line| format!("; first {line}")).unwrap_or_default();
                format!(
                    "configuration refused, the one before goes on: {summary}{first}; `failover validate` shows all"
                )
            }
            Notice::ConfigurationWarns { summary } => format!("{summary}; `failover validate` shows all"),
            Notice::EngineStands => unfed("the engine stands still"),
            Notice::EngineLate => unfed("the engine's timers are late"),
            Notice::EngineOnTime => "the engine is on time again".to_owned(),
            Notice::NotifyFailed { why } => format!("systemd cannot be told how the agent is: {why}"),
            Notice::NotHeardAhead { why } => format!(
                "when this host shuts down or sleeps, the agent does not hear of it ahead: {why}; it hands over when it is \
                 stopped"
            ),
            Notice::HeardAhead => {
                "the agent hears ahead when this host shuts down or sleeps, and hands over first".to_owned()
            }
            Notice::BusAway { why } => {
                format!("not on the system bus: {why}; joining it when that is possible")
            }
            Notice::BusJoined { again } => {
                format!("on the system bus{} as org.failover1", if *again { " again" } else { "" })
            }
            Notice::BusLost { why } => format!("the system bus was lost: {why}; joining it again"),
            Notice::BusNameTaken => {
                "another program has the name org.failover1 on the system bus: is another agent \
                 running? Waiting for it to let go of the name"
                    .to_owned()
            }
            Notice::BusUnserved { why } => format!("D-Bus: {why}"),
            Notice::LinesDropped { count } => {
                format!("{count} log lines were dropped: the log could not keep up")
            }
        }
    }

    /// Identifies the kind of message in the journal; listed in failover(8).
    #[must_use]
    pub fn message_id(&self) -> &'static str {
        match self {
            Notice::StillDrained { .. } => "9d2d3f513a87464eb990a385c99b92a2",
            Notice::DrainedUnknown { .. } => "4eecc030bc794eb08521ae9f1a5ac740",
            Notice::DrainsUnreadable { .. } => "06dd2cf2d3df4464a2f1639100d32fc0",
            Notice::DrainsUnwritten { .. } => "edf005b3a6724efaafb8c1ccefd6ee0e",
            Notice::NoRecord { .. } => "929693e2e1e84b23ab7be4ec3c53ff16",
            Notice::RecordLost { .. } => "9f290eb2b2ec46a4b4ced49d547e3d89",
            Notice::AloneUnknown { .. } => "ff29a2b0922a4b929e12b7067691f4cc",
            Notice::NoRealTime { .. } => "67ae7b61f8e2484685a90d2a51fedd1f",
            Notice::NoServices { .. } => "950599baa6ac4108a5dca633f79b911f",
            Notice::MayStillRun { .. } => "90b7e87be7fc486a8e4ba481e7b2cc1c",
            Notice::DumpFailed { .. } => "6fe97a177d6443d9ab131ddb443d0c1f",
            Notice::ReceiveFailed { .. } => "f474277a46d94982b594aec96bc5258b",
            Notice::AnnouncementsRefused { .. } => "c353105ed84345b99f52e593182715f5",
            Notice::Unanswered { .. } => "f573155c80ca44d1a2e9771f9634c4c0",
            Notice::ReloadFailed { .. } => "4ec5a719aa1c4a8080406961c85e2a41",
            Notice::ConfigurationRefused { .. } => "7089304500a94df9820223bb3296ea9d",
            Notice::ConfigurationWarns { .. } => "6515faec3d2041be904a12648090ac50",
            Notice::EngineStands => "b170e7e5d8c64661b6e192e89ca192d3",
            Notice::EngineLate => "9a7da0b95b5e4b5287cb4338c1f5ebf3",
            Notice::EngineOnTime => "004669f6142849c0a43a63e692b2240d",
            Notice::NotifyFailed { .. } => "023420d25e234c7ba34bc29b16ca26b3",
            Notice::NotHeardAhead { .. } => "5cc8ca0f49bb459296dd2e8220030283",
            Notice::HeardAhead => "a3d50dc02af54584914908e708a25d18",
            Notice::BusAway { .. } => "874306a1778f4bbab07a59781b0bf8d3",
            Notice::BusJoined { .. } => "58442b3cfc4f40bba39959a0aac2d461",
            Notice::BusLost { .. } => "91f98da4496f4ca48782884913a9ec75",
            Notice::BusNameTaken => "33dae8618243456a8740712708df3629",
            Notice::BusUnserved { .. } => "ea879f78a34a4f23a50beb45f38cca72",
            Notice::LinesDropped { .. } => "c680ab063f5a4290800b0b4049d5ff4e",
        }
    }

    /// The instance that it is about.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        let (Notice::StillDrained { instance } | Notice::DrainedUnknown { instance }) = self else {
            return None;
        };
        Some(instance)
    }

    /// Journal fields; names are of [`crate::agent::report::FIELDS`].
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("MESSAGE_ID", self.message_id().to_owned())];
        fields.extend(self.instance().map(|instance| ("FAILOVER_INSTANCE", instance.to_owned())));
        match self {
            Notice::DrainsUnreadable { why }
            | Notice::DrainsUnwritten { why }
            | Notice::NoRecord { why, .. }
            | Notice::RecordLost { why }
            | Notice::AloneUnknown { why }
            | Notice::NoRealTime { why }
            | Notice::NoServices { why }
            | Notice::DumpFailed { why }
            | Notice::ReceiveFailed { why, .. }
            | Notice::Unanswered { why }
            | Notice::NotifyFailed { why }
            | Notice::NotHeardAhead { why }
            | Notice::ReloadFailed { why }
            | Notice::BusAway { why }
            | Notice::BusLost { why }
            | Notice::BusUnserved { why } => fields.push(("FAILOVER_REASON", why.clone())),
            Notice::StillDrained { .. }
            | Notice::DrainedUnknown { .. }
            | Notice::MayStillRun { .. }
            | Notice::AnnouncementsRefused { .. }
            | Notice::ConfigurationRefused { .. }
            | Notice::ConfigurationWarns { .. }
            | Notice::EngineStands
            | Notice::EngineLate
            | Notice::EngineOnTime
            | Notice::HeardAhead
            | Notice::BusJoined { .. }
            | Notice::BusNameTaken
            | Notice::LinesDropped { .. } => {}
        }
        fields
    }
}

/// What becomes of an agent whose watchdog is not fed because of `this`.
fn unfed(this: &str) -> String {
    format!("{this}: the watchdog is not fed, and systemd will start the agent anew unless that ends soon")
}
