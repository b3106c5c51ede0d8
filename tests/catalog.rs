//! Everything that is told has a message id, an explanation in the journal's catalogue and a line in the manual; and a
//! priority that means something.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use failover::agent::message::Whose;
use failover::agent::report::{
    Around, FIELDS, Planned, Reconfigured, Report,
    Severity::{self, Debug, Error, Info, Notice as Note, Warning},
    Subject,
};
use failover::agent::snapshot::VrState::{self, Backup, Fault, Init, Master};
use failover::agent::trouble::Trouble;
use failover::config::plan::KeyChange;
use failover::health::standing::Verdict;
use failover::net::{Family, LinkName, Prefix};
use failover::observe::Entry;
use failover::observe::notice::Notice;
use failover::vrrp::fields::{ChecksumForm, Priority, Vrid};

/// Where the texts with the ids are.
const SOURCES: [&str; 5] = [
    "src/agent/report/around.rs",
    "src/agent/report/journal.rs",
    "src/agent/report/planned.rs",
    "src/observe/limit.rs",
    "src/observe/notice.rs",
];

fn repository(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn subject() -> Subject {
    Subject {
        name: "web".into(),
        interface: LinkName::new("eth0").unwrap(),
        vrid: Vrid::new(51).unwrap(),
        group: Some("pair".into()),
    }
}

fn transition(state: VrState) -> Report {
    let (previous, reason) = (Backup, "because".to_owned());
    Report::Transition { subject: subject(), previous, state, priority: Priority::DEFAULT, reason }
}

/// What is told of an instance.
fn instances() -> Vec<(Severity, Report)> {
    let peer = IpAddr::from([192, 0, 2, 2]);
    let address = Prefix::new(IpAddr::from([192, 0, 2, 50]), 24).unwrap();
    let (subject, text, priority) = (subject(), "refused".to_owned(), Priority::DEFAULT);
    let refused = |again| Report::AddressRefused {
        subject: subject.clone(),
        address,
        text: text.clone(),
        attempts: 1,
        again,
    };
    let lease = |again| Report::LeaseNotRenewed {
        subject: subject.clone(),
        address,
        text: text.clone(),
        left: None,
        again,
    };
    vec![
        (Note, transition(Master)),
        (Note, transition(Backup)),
        (Note, transition(Init)),
        (Error, transition(Fault)),
        (Info, Report::NewMaster { subject: subject.clone(), peer, priority, before: 0 }),
        (Info, Report::NewMaster { subject: subject.clone(), peer, priority, before: 3 }),
        (Warning, Report::Contested { subject: subject.clone(), peer, priority, count: 1 }),
        (Warning, Report::Trouble { subject: subject.clone(), peer, trouble: Trouble::Password, count: 1 }),
        (Note, Report::ChecksumForm { subject: subject.clone(), peer, form: ChecksumForm::Rfc9568 }),
        (Error, Report::AddressRestored { subject: subject.clone(), address }),
        (
            Warning,
            Report::SourceGone { subject: subject.clone(), address: peer, patience: Duration::from_secs(2) },
        ),
        (Error, refused(true)),
        (Error, refused(false)),
        (Warning, lease(false)),
        (Error, lease(true)),
        (Warning, Report::ForeignAddress { subject: subject.clone(), address }),
        (Warning, Report::NotOwner { subject: subject.clone(), address }),
    ]
}

/// What is told of the host and of the agent.
fn host() -> Vec<(Severity, Report)> {
    let address = Prefix::new(IpAddr::from([192, 0, 2, 50]), 24).unwrap();
    let (interface, text, family) = ("eth0".to_owned(), "refused".to_owned(), Family::Ipv4);
    let instances = vec!["web".into(), "db".into()];
    vec![
        (
            Error,
            Report::AddressStuck {
                instances: instances.clone(),
                address,
                interface: interface.clone(),
                text: text.clone(),
            },
        ),
        (
            Warning,
            Report::LeftoverRemoved { instances: instances.clone(), address, interface: interface.clone() },
        ),
        (
            Error,
            Report::SocketRefused {
                instances: instances.clone(),
                interface: interface.clone(),
                family,
                text: text.clone(),
            },
        ),
        (Warning, Report::SendFailed { instances, interface, family, text, count: 1 }),
        (Warning, Report::EventsMissed { count: 1 }),
        (Info, Report::Configured { instances: 1 }),
        (Note, Report::Reconfigured(Reconfigured::default())),
        (Info, Report::Stopping),
        (Info, Report::Stopped { left: 0 }),
        (Error, Report::Stopped { left: 1 }),
    ]
}

fn around() -> Vec<(Severity, Around)> {
    let verdict = |verdict, held| Around::Verdict {
        check: "db".into(),
        verdict,
        text: "no answer".to_owned(),
        held,
        instances: vec!["web".into()],
    };
    let group =
        |state| Around::Group { name: "pair".into(), previous: Backup, state, reason: "because".to_owned() };
    let hook = |whose, severity| Around::Hook {
        whose,
        name: "web".into(),
        state: Some(Master),
        severity,
        text: "done".to_owned(),
    };
    let (from, to) = (Priority::DEFAULT, Priority::new(80).unwrap());
    vec![
        (Warning, verdict(Verdict::Failing, None)),
        (Warning, verdict(Verdict::Unknown, None)),
        (Note, verdict(Verdict::Passing, None)),
        (Warning, verdict(Verdict::Failing, Some(Duration::from_secs(30)))),
        (Note, Around::Priority { subject: subject(), from, to, because: "base 100, db -20".to_owned() }),
        (Warning, Around::Waiting { subject: subject(), check: "db".to_owned() }),
        (Note, group(Master)),
        (Error, group(Fault)),
        (Info, hook(Whose::Instance, Info)),
        (Warning, hook(Whose::Group, Warning)),
    ]
}

fn planned() -> Vec<(Severity, Planned)> {
    let (subject, limit) = (subject(), Duration::from_secs(1));
    let keys = vec![KeyChange { key: "priority".to_owned(), change: "100 to 150".to_owned() }];
    vec![
        (Note, Planned::HandingOver { subject: subject.clone(), limit }),
        (Warning, Planned::Drained { subject: subject.clone() }),
        (Warning, Planned::NotTaken { subject: subject.clone() }),
        (Note, Planned::Undrained { subject: subject.clone() }),
        (Info, Planned::Changed { subject, keys }),
        (Note, Planned::Aside(true)),
        (Note, Planned::Aside(false)),
    ]
}

fn notices() -> Vec<(Severity, Notice)> {
    let (instance, why, count) = ("web".to_owned(), "because".to_owned(), 7);
    let (directory, summary) = ("/run/failover".to_owned(), "1 error".to_owned());
    vec![
        (Warning, Notice::StillDrained { instance: instance.clone() }),
        (Warning, Notice::DrainedUnknown { instance }),
        (Error, Notice::DrainsUnreadable { why: why.clone() }),
        (Error, Notice::DrainsUnwritten { why: why.clone() }),
        (Warning, Notice::NoRecord { directory, why: why.clone() }),
        (Warning, Notice::RecordLost { why: why.clone() }),
        (Warning, Notice::AloneUnknown { why: why.clone() }),
        (Debug, Notice::NoRealTime { why: why.clone() }),
        (Error, Notice::NoServices { why: why.clone() }),
        (Warning, Notice::MayStillRun { unit: "web.service".to_owned() }),
        (Warning, Notice::DumpFailed { why: why.clone() }),
        (Warning, Notice::ReceiveFailed { why: why.clone(), count }),
        (Warning, Notice::AnnouncementsRefused { count }),
        (Warning, Notice::Unanswered { why: why.clone() }),
        (Info, Notice::BusAway { why: why.clone() }),
        (Info, Notice::BusJoined { again: true }),
        (Warning, Notice::BusLost { why: why.clone() }),
        (Warning, Notice::BusNameTaken),
        (Error, Notice::BusUnserved { why: why.clone() }),
        (Error, Notice::ReloadFailed { why: why.clone() }),
        (Error, Notice::ConfigurationRefused { summary: summary.clone(), first: None }),
        (Warning, Notice::ConfigurationWarns { summary }),
        (Error, Notice::EngineStands),
        (Error, Notice::EngineLate),
        (Note, Notice::EngineOnTime),
        (Warning, Notice::NotifyFailed { why: why.clone() }),
        (Info, Notice::NotHeardAhead { why }),
        (Info, Notice::HeardAhead),
        (Warning, Notice::LinesDropped { count }),
    ]
}

/// One of everything that can be told, with its priority. A new kind that is missing here is found by its id.
fn everything() -> Vec<(Severity, Entry)> {
    let around = around().into_iter().map(|(severity, around)| (severity, Report::Around(around)));
    let planned = planned().into_iter().map(|(severity, planned)| (severity, Report::Planned(planned)));
    let reports = instances().into_iter().chain(host()).chain(around).chain(planned);
    let notices = notices().into_iter().map(|(severity, notice)| (severity, Entry::Process(notice)));
    reports.map(|(severity, report)| (severity, Entry::Agent(report))).chain(notices).collect()
}

fn told_ids() -> BTreeSet<String> {
    everything().iter().map(|(_, entry)| entry.message_id().to_owned()).collect()
}

fn is_id(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The catalogue's entries: the lines of each by its id.
fn catalogue() -> BTreeMap<String, Vec<String>> {
    let text = repository("systemd/failover.catalog");
    let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut at = None;
    for line in text.lines() {
        if let Some(id) = line.strip_prefix("-- ") {
            assert!(is_id(id), "{line}");
            assert!(entries.insert(id.to_owned(), Vec::new()).is_none(), "{id} has two entries");
            at = Some(id.to_owned());
        } else if let Some(id) = &at {
            entries.get_mut(id).unwrap().push(line.to_owned());
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    entries
}

#[test]
fn every_id_of_the_program_is_once_in_it_and_told_here() {
    let mut seen = BTreeSet::new();
    for path in SOURCES {
        let source = repository(path);
        for id in source.split('"').filter(|word| is_id(word)) {
            // A test may name one again.
            if !source.split("#[cfg(test)]").next().unwrap().contains(id) {
                continue;
            }
            assert!(seen.insert(id.to_owned()), "{id} in {path} has two meanings");
        }
    }
    assert_eq!(seen, told_ids(), "ids in the sources and those of `everything`");
}

#[test]
fn priorities_mean_something() {
    for (severity, entry) in everything() {
        assert_eq!(entry.severity(), severity, "{}", entry.message());
    }
}

#[test]
fn every_record_has_fields_of_the_list_and_says_whom_it_is_about() {
    for (_, entry) in everything() {
        let (fields, message) = (entry.fields(), entry.message());
        for (name, value) in &fields {
            assert!(FIELDS.contains(name) && !value.is_empty(), "{message}: {name}={value}");
        }
        let has = |name: &str| fields.iter().any(|(key, _)| *key == name);
        assert!(has("MESSAGE_ID"), "{message}");
        assert!(!message.starts_with("(web)") || has("FAILOVER_INSTANCE"), "{message}: no instance");
        if let Entry::Agent(report) = &entry
            && report.subject().is_some()
        {
            for name in ["FAILOVER_INSTANCE", "FAILOVER_INTERFACE", "FAILOVER_VRID", "FAILOVER_GROUP"] {
                assert!(has(name), "{message}: no {name}");
            }
        }
    }
}

#[test]
fn the_catalogue_explains_each_message_with_fields_that_it_has() {
    let catalogue = catalogue();
    assert_eq!(catalogue.keys().cloned().collect::<BTreeSet<_>>(), told_ids());
    for (id, lines) in &catalogue {
        let (head, body) = lines.split_at(lines.iter().position(String::is_empty).unwrap());
        let heads: Vec<&str> = head.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(heads, ["Subject", "Defined-By", "Support", "Documentation"], "{id}");
        assert!(body.iter().map(String::len).sum::<usize>() > 60, "{id} is hardly explained");
        for line in lines {
            assert!(line.len() <= 104, "{id}: {line}");
            for field in line.split('@').skip(1).step_by(2) {
                let lacks = |(_, entry): &&(Severity, Entry)| {
                    entry.message_id() == id && !entry.fields().iter().any(|(name, _)| *name == field)
                };
                if let Some((_, entry)) = everything().iter().find(lacks) {
                    panic!("{id} names {field}, which `{}` has not", entry.message());
                }
            }
        }
    }
}

#[test]
fn the_manual_lists_each_message_with_a_name_of_its_own() {
    let manual = repository("man/failover.8");
    let section = manual.split(".SH MESSAGES").nth(1).unwrap().split(".SH ").next().unwrap();
    let lines: Vec<&str> = section.lines().collect();
    let listed = lines.windows(2).filter_map(|pair| match pair {
        [id, name] => id.strip_prefix(".B ").filter(|id| is_id(id)).map(|id| (id.to_owned(), *name)),
        _ => None,
    });
    let entries: Vec<(String, &str)> = listed.collect();
    let ids: BTreeSet<String> = entries.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, told_ids());
    assert_eq!(ids.len(), entries.len(), "an id is listed twice");
    let names: BTreeSet<&str> = entries.iter().map(|(_, name)| *name).collect();
    assert_eq!(names.len(), entries.len(), "two messages have one name");
    assert!(names.iter().all(|name| name.len() > 10 && !name.starts_with('.')), "{names:?}");
}
