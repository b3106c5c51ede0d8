//! `failover status`: the table as people see it on pages of several widths, and the document that programs read.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![expect(clippy::panic, clippy::expect_used, reason = "a test may fail loudly")]

#[path = "lab/mod.rs"]
mod lab;
#[path = "status/schema.rs"]
mod schema;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use failover::agent::snapshot::{
    AddressStatus, AgentCounters, ConfigurationStatus, GroupStatus, InstanceCounters, InstanceStatus,
    MasterStatus, ReloadStatus, Snapshot, TrackStatus, TroubleStatus, VrState,
};
use failover::health::outcome::Finding;
use failover::health::standing::Verdict;
use failover::health::status::{CheckStatus, LastRun};
use failover::net::Family;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn repository(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares `text` with the file, or writes the file when `UPDATE_EXPECTED=1` says so.
fn expected(path: &str, text: &str) {
    if std::env::var("UPDATE_EXPECTED").is_ok_and(|value| value == "1") {
        fs::write(root().join(path), text).unwrap();
    }
    let there = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert_eq!(text, there, "{path}; UPDATE_EXPECTED=1 writes it, then read the difference");
}

/// A runtime directory in which an agent answers.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("failover-status-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// What `failover status` makes of `snapshot` on a page of `width`.
    fn show(&self, snapshot: &Snapshot, width: Option<usize>, args: &[&str]) -> String {
        let path = self.0.join("status.sock");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let answer = serde_json::to_vec(snapshot).unwrap();
        let agent = thread::spawn(move || listener.accept().unwrap().0.write_all(&answer).unwrap());
        let output = self.ask(width, args);
        agent.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn ask(&self, width: Option<usize>, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover"));
        command.arg("status").args(args).arg("--runtime-dir").arg(&self.0).env_remove("COLUMNS");
        if let Some(width) = width {
            command.env("COLUMNS", width.to_string());
        }
        command.output().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn instance(name: &str, state: VrState, reason: &str) -> InstanceStatus {
    let master = (state == VrState::Backup).then(|| MasterStatus {
        address: "192.0.2.3".to_owned(),
        priority: 150,
        advert_interval_ms: 1000,
        heard_seconds_ago: 0.4,
    });
    InstanceStatus {
        name: name.to_owned(),
        state,
        since_seconds: 75.0,
        reason: reason.to_owned(),
        interface: "eth0".to_owned(),
        virtual_router_id: 51,
        family: Family::Ipv4,
        version: 3,
        base_priority: 100,
        effective_priority: 100,
        tracks: Vec::new(),
        waiting_for: None,
        drained: false,
        handing_over: false,
        group: None,
        advert_interval_ms: 1000,
        primary_address: Some("192.0.2.2".to_owned()),
        addresses: vec![AddressStatus {
            address: "192.0.2.1/24".to_owned(),
            interface: "eth0".to_owned(),
            present: state == VrState::Master,
            advertised: true,
        }],
        address_lease_seconds: Some(6),
        master,
        checksum: Some("rfc9568".to_owned()),
        trouble: Vec::new(),
        counters: InstanceCounters { adverts_sent: 7, ..InstanceCounters::default() },
    }
}

fn check(name: &str, verdict: Verdict, finding: Finding, text: &str) -> CheckStatus {
    CheckStatus {
        name: name.to_owned(),
        kind: "http".to_owned(),
        verdict,
        since_seconds: 12.0,
        weight: None,
        last: Some(LastRun {
            finding,
            text: text.to_owned(),
            seconds_ago: 0.3,
            took_ms: 1.5,
            output: Vec::new(),
        }),
        in_a_row: 2,
        fall: 3,
        rise: 2,
        held_seconds: None,
        runs: 40,
        failures: 3,
        changes: 2,
    }
}

/// A bit of everything.
fn everything() -> Snapshot {
    let mut web = instance("web", VrState::Master, "nothing heard of 192.0.2.3 for 3.609 s");
    web.base_priority = 120;
    web.group = Some("pair".to_owned());
    web.tracks = vec![TrackStatus {
        check: "haproxy".to_owned(),
        verdict: Verdict::Passing,
        effect: "fault".to_owned(),
        adds: 0,
        through: None,
    }];
    web.effective_priority = 120;
    let mut db = instance("db", VrState::Backup, "192.0.2.3 has a higher priority (150, ours is 80)");
    db.tracks = vec![TrackStatus {
        check: "postgres".to_owned(),
        verdict: Verdict::Failing,
        effect: "-20".to_owned(),
        adds: -20,
        through: None,
    }];
    db.effective_priority = 80;
    db.trouble = vec![TroubleStatus {
        text:
            "192.0.2.9: dropped: speaks VRRP version 2, this instance version 3: set `version` alike on both"
                .to_owned(),
        count: 3,
        seen_seconds_ago: 2.0,
    }];
    let mut mail = instance("mail-relay", VrState::Master, "nothing heard of any master");
    (mail.drained, mail.handing_over) = (true, true);
    mail.addresses[0].present = false;
    let mut cache = instance("cache", VrState::Backup, "drained; 192.0.2.3 has taken over");
    cache.drained = true;
    let mut dns = instance("dns", VrState::Fault, "check resolver is failing: no answer within 1 s");
    (dns.waiting_for, dns.master) = (Some("resolver".to_owned()), None);
    let mut script = check("postgres", Verdict::Failing, Finding::Failed, "exit status 2");
    script.last.as_mut().unwrap().output = vec!["psql: no such host".to_owned()];
    script.held_seconds = Some(31.0);
    Snapshot {
        version: "0.1.0".to_owned(),
        router_id: "lb1".to_owned(),
        configuration: Some(ConfigurationStatus {
            file: "/etc/failover.toml".to_owned(),
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            loaded_at: "2026-11-22T13:40:01Z".to_owned(),
            last_reload: Some(ReloadStatus {
                at: "2026-11-22T14:00:00Z".to_owned(),
                applied: false,
                text: "the configuration is not valid".to_owned(),
            }),
        }),
        instances: vec![cache, db, dns, mail, web],
        groups: vec![GroupStatus {
            name: "pair".to_owned(),
            state: VrState::Master,
            since_seconds: 75.0,
            reason: "web: nothing heard of 192.0.2.3 for 3.609 s".to_owned(),
            members: vec!["web".to_owned(), "mail-relay".to_owned()],
        }],
        checks: vec![
            check("haproxy", Verdict::Passing, Finding::Passed, "200 OK"),
            script,
            check("resolver", Verdict::Unknown, Finding::Unknown, "the bus is away"),
        ],
        drained: vec!["cache".to_owned(), "mail-relay".to_owned(), "old".to_owned()],
        counters: AgentCounters::default(),
    }
}

/// Two hundred instances, of which one is in trouble.
fn many() -> Snapshot {
    let state = |number: usize| match number {
        77 => VrState::Fault,
        _ if number.is_multiple_of(2) => VrState::Master,
        _ => VrState::Backup,
    };
    let one =
        |number| instance(&format!("customer-{number:03}"), state(number), "nothing heard of any master");
    Snapshot {
        instances: (0..200).map(one).collect(),
        groups: Vec::new(),
        checks: Vec::new(),
        ..everything()
    }
}

#[test]
fn the_table_is_as_it_was_on_every_page() {
    let folder = Folder::new("pages");
    for width in [None, Some(140), Some(80), Some(50)] {
        let name = width.map_or_else(|| "piped".to_owned(), |width| width.to_string());
        let text = folder.show(&everything(), width, &[]);
        expected(&format!("tests/status/overview-{name}.expected"), &text);
    }
    for name in ["db", "mail-relay", "postgres"] {
        let text = folder.show(&everything(), Some(80), &[name]);
        expected(&format!("tests/status/{name}.expected"), &text);
    }
}

#[test]
fn no_line_is_longer_than_the_page() {
    let folder = Folder::new("width");
    for (what, snapshot) in [("everything", everything()), ("many", many())] {
        for width in [40, 60, 80, 100, 140, 200] {
            for line in folder.show(&snapshot, Some(width), &[]).lines() {
                assert!(line.chars().count() <= width, "{what} on {width}: {line}");
            }
        }
    }
}

#[test]
fn two_hundred_instances_are_a_line_each_and_what_is_wrong_stands_above_them() {
    let folder = Folder::new("many");
    for width in [None, Some(140)] {
        let text = folder.show(&many(), width, &[]);
        let rows = text.lines().filter(|line| line.starts_with("customer-")).count();
        assert_eq!(rows, 200);
        assert!(text.lines().count() < 215, "{text}");
        let head: Vec<&str> = text.lines().take(8).collect();
        assert!(head.contains(&"200 instances: 100 MASTER, 99 BACKUP, 1 FAULT"), "{head:?}");
        assert!(head.contains(&"! in FAULT: customer-077"), "{head:?}");
    }
}

#[test]
fn without_an_agent_there_is_no_answer_and_the_exit_status_is_3() {
    let folder = Folder::new("nobody");
    for args in [&[][..], &["--json"], &["web"]] {
        let output = folder.ask(None, args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0));
    }
}

#[test]
fn what_an_agent_says_fits_the_schema() {
    let schema = schema::schema();
    let check = |document: &Value| {
        let mut found = Vec::new();
        schema::faults(document, &schema, &schema, "", &mut found);
        assert!(found.is_empty(), "{found:#?}\n{document:#}");
    };
    check(&serde_json::to_value(everything()).unwrap());
    let mut wrong = serde_json::to_value(everything()).unwrap();
    wrong["instances"][0]["state"] = "ASLEEP".into();
    wrong["instances"][1]["version"] = 300.into();
    wrong["instances"][2].as_object_mut().unwrap().remove("reason");
    let mut found = Vec::new();
    schema::faults(&wrong, &schema, &schema, "", &mut found);
    assert_eq!(found.len(), 3, "{found:#?}");

    let lab = lab::Lab::new();
    let config = |priority: u8| {
        format!(
            "[agent]\nrouter_id = \"x\"\n[check.file]\nfile = {{ path = \"/nowhere\" }}\n\
             [check.script]\ninterval = \"100ms\"\ntimeout = \"100ms\"\nscript = {{ command = [\"/bin/echo\", \"hm\"], \
             user = \"nobody\" }}\n\
             [defaults]\ninterface = \"eth0\"\npriority = {priority}\nadvert_interval = \"100ms\"\n\
             [instance.web]\nvirtual_router_id = 51\naddresses = [\"192.0.2.50\"]\ntrack = {{ file = -10 }}\n\
             [instance.six]\nvirtual_router_id = 51\naddresses = [\"fe80::50\"]\ntrack = {{ script = \"fault\" }}\n\
             [group.both]\nmembers = [\"web\", \"six\"]\n\
             [instance.gone]\ninterface = \"eth9\"\nvirtual_router_id = 9\naddresses = [\"192.0.2.59\"]\n"
        )
    };
    let agents = [lab.a.failover(&config(200)), lab.b.failover(&config(100))];
    let document = |host: &lab::host::Host| -> Value {
        let output = host.space.output(&format!(
            "{} status --json --runtime-dir {}",
            env!("CARGO_BIN_EXE_failover"),
            host.path("run")
        ));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    };
    let state = |document: &Value, name: &str| {
        let instances = document["instances"].as_array().cloned().unwrap_or_default();
        let found = instances.into_iter().find(|instance| instance["name"] == name);
        found.map_or_else(String::new, |instance| instance["state"].as_str().unwrap().to_owned())
    };
    lab::wait("one is MASTER, the other BACKUP", LIMIT, || {
        let (a, b) = (document(&lab.a), document(&lab.b));
        let states = [state(&a, "web"), state(&a, "six"), state(&b, "web"), state(&b, "gone")];
        (states == ["MASTER", "MASTER", "BACKUP", "FAULT"]).then(|| [a, b].iter().for_each(check))
    });
    drop(agents);
}
