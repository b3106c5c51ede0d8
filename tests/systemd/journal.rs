//! The journal of a host with a real journald: one instance's story, the catalogue, and a journald that stands still.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use crate::lab::machine::Machine;
use crate::lab::wait;

/// Longest time for anything to happen: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

const BECAME_MASTER: &str = "MESSAGE_ID=4f9d2c61b7e04a5f8d3b1c9ea2760e11";

const TWO: &str = r#"
[agent]
script_user = "nobody"

[defaults]
interface = "eth0"
advert_interval = "100ms"

[check.flag]
interval = "100ms"
timeout = "100ms"
file = { path = "/run/flag" }

[check.other]
file = { path = "/run/other" }

[instance.web]
virtual_router_id = 51
addresses = ["192.0.2.50/24"]
track = { flag = -20 }
units = { master = ["web-role.service"] }

[instance.web.notify]
master = ["/bin/echo", "hello"]

[instance.db]
virtual_router_id = 52
addresses = ["192.0.2.52/24"]
track = { other = -20 }

[instance.mail]
virtual_router_id = 53
addresses = ["192.0.2.53/24"]

[group.pair]
members = ["db", "mail"]
"#;

/// So many instances that what a drain of all says soon is more than anybody keeps.
const MANY: usize = 200;
/// Drains and undrains, each of which has five lines for each instance: more than wait for the journal and in the log.
const ROUNDS: usize = 7;

struct Host(Machine);

impl Host {
    fn boot() -> Self {
        let machine = Machine::boot_with_a_link();
        machine.install(env!("CARGO_BIN_EXE_failover"), "/usr/local/bin/failover");
        let catalog = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/failover.catalog");
        machine.install(catalog, "/usr/lib/systemd/catalog/failover.catalog");
        Host(machine)
    }

    /// Runs a line of shell on the host; what it writes.
    fn sh(&self, line: &str) -> String {
        let output = self.0.output(&["sh", "-c", line]);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let output = self.0.output(&["sh", "-c", "printf %s \"$1\" >\"$2\"", "sh", text, path]);
        assert!(output.status.success(), "{path}");
    }

    /// The records that match, oldest first.
    fn journal(&self, of: &str) -> Vec<Value> {
        let text = self.sh(&format!("journalctl --no-pager --output=json _COMM=failover {of}"));
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    fn has(&self, of: &str, text: &str) -> bool {
        self.journal(of).iter().any(|record| message(record).contains(text))
    }

    /// Waits until a record of `of` says `text`.
    fn says(&self, of: &str, text: &str) {
        wait(&format!("{of} says {text}"), LIMIT, || self.has(of, text).then_some(()));
    }

    /// How many instances are MASTER, and how many there are.
    fn masters(&self) -> (usize, usize) {
        let status: Value = serde_json::from_str(&self.sh("failover status --json")).expect("a document");
        let instances = status["instances"].as_array().expect("instances");
        (instances.iter().filter(|instance| instance["state"] == "MASTER").count(), instances.len())
    }
}

fn message(record: &Value) -> &str {
    record["MESSAGE"].as_str().unwrap_or_default()
}

/// The values of a field, of which there may be several.
fn field<'r>(record: &'r Value, name: &str) -> Vec<&'r str> {
    match &record[name] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[test]
fn the_journal_tells_an_instances_whole_story_and_waits_for_nobody() {
    let host = Host::boot();
    host.sh("touch /run/flag /run/other");
    host.write("/etc/failover.toml", TWO);
    host.write(
        "/etc/systemd/system/web-role.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    );
    host.sh("systemctl daemon-reload");
    host.sh("systemd-run --quiet --unit=failover /usr/local/bin/failover run");
    host.says("FAILOVER_INSTANCE=web", "(web) Entering MASTER state");

    // Everything that can happen to it.
    host.says("FAILOVER_INSTANCE=web", "unit web-role.service started");
    host.sh("rm /run/flag");
    host.says("FAILOVER_INSTANCE=web", "(web) priority 100 → 80");
    host.sh("touch /run/flag; ip address del 192.0.2.50/24 dev eth0");
    host.says("FAILOVER_INSTANCE=web", "192.0.2.50/24 was removed by somebody: putting it back");
    host.says("FAILOVER_INSTANCE=web", "(web) priority 80 → 100");
    host.sh("failover drain --force web");
    host.says("FAILOVER_INSTANCE=web", "(web) Entering BACKUP state: drained");
    host.sh("failover undrain web");
    host.says("FAILOVER_INSTANCE=web", "(web) competes again");
    host.write("/etc/failover.toml", &TWO.replace("flag = -20", "flag = -30"));
    host.sh("failover reload");
    host.says("FAILOVER_INSTANCE=web", "(web) goes on with another configuration: track");
    host.says("FAILOVER_GROUP=pair", "Group (pair) Entering MASTER state");

    the_story_is_whole_and_of_nobody_else(&host);
    the_catalogue_explains_it(&host);
    a_journald_that_stands_still_delays_nothing(&host);
}

fn the_story_is_whole_and_of_nobody_else(host: &Host) {
    // It goes on: what is in the one that is read first must be in the other.
    let all = host.journal("");
    let story = host.journal("FAILOVER_INSTANCE=web");
    for record in &story {
        println!("{} {}", record["PRIORITY"].as_str().unwrap_or("?"), message(record));
        assert_eq!(field(record, "FAILOVER_INSTANCE"), ["web"], "{record}");
        assert_eq!(field(record, "SYSLOG_IDENTIFIER"), ["failover"], "{record}");
        assert_eq!(field(record, "MESSAGE_ID").len(), 1, "{record}");
        let own = message(record).starts_with("(web) ") || message(record).starts_with("check flag ");
        assert!(own, "of somebody else: {record}");
    }
    for (text, priority) in [
        ("(web) Entering BACKUP state: ready", "5"),
        ("(web) Entering MASTER state: nothing heard", "5"),
        ("check flag is failing", "4"),
        ("check flag is passing", "5"),
        ("(web) 192.0.2.50/24 was removed", "3"),
        ("(web) command /bin/echo for MASTER: exit status 0", "6"),
        ("(web) unit web-role.service started", "6"),
        ("(web) drained", "4"),
        ("(web) resigned; holds its addresses", "5"),
    ] {
        let found = story.iter().find(|record| message(record).starts_with(text));
        let found = found.unwrap_or_else(|| panic!("the story lacks {text}"));
        assert_eq!(found["PRIORITY"], priority, "{text}");
    }
    // Whatever is about web by its text is in its story.
    for record in all.iter().filter(|record| message(record).starts_with("(web)")) {
        assert!(
            story.iter().any(|told| told["__CURSOR"] == record["__CURSOR"]),
            "not in its story: {record}"
        );
    }
    for (of, name, value) in [
        (format!("FAILOVER_INSTANCE=web {BECAME_MASTER}"), "FAILOVER_STATE", "MASTER"),
        (format!("FAILOVER_INSTANCE=web {BECAME_MASTER}"), "FAILOVER_PREVIOUS_STATE", "BACKUP"),
        (format!("FAILOVER_INSTANCE=web {BECAME_MASTER}"), "FAILOVER_PRIORITY", "100"),
        (format!("FAILOVER_INSTANCE=web {BECAME_MASTER}"), "FAILOVER_INTERFACE", "eth0"),
        (format!("FAILOVER_INSTANCE=web {BECAME_MASTER}"), "FAILOVER_VRID", "51"),
        ("FAILOVER_INSTANCE=web FAILOVER_CHECK=flag".to_owned(), "FAILOVER_CHECK", "flag"),
        (format!("FAILOVER_INSTANCE=db {BECAME_MASTER}"), "FAILOVER_GROUP", "pair"),
        // A check that one of a group tracks concerns them all.
        ("FAILOVER_CHECK=other FAILOVER_INSTANCE=mail".to_owned(), "FAILOVER_CHECK", "other"),
    ] {
        let records = host.journal(&of);
        assert!(!records.is_empty(), "no {of}");
        assert!(records.iter().any(|record| field(record, name) == [value]), "{of}: no {name}={value}");
    }
}

fn the_catalogue_explains_it(host: &Host) {
    host.sh("journalctl --update-catalog");
    let told =
        host.sh(&format!("journalctl --no-pager -x _COMM=failover FAILOVER_INSTANCE=web {BECAME_MASTER}"));
    for text in ["Subject: web is MASTER", "Defined-By: failover", "was\n", "BACKUP and is MASTER now"] {
        assert!(told.contains(text), "no `{text}` in {told}");
    }
    assert!(!told.contains("@FAILOVER"), "{told}");
    let listed = host.sh("journalctl --list-catalog");
    let ours = include_str!("../../systemd/failover.catalog").lines().filter(|line| line.starts_with("-- "));
    for line in ours {
        let id = line.trim_start_matches("-- ");
        assert!(listed.contains(id), "{id} is not in the catalogue of systemd");
    }
}

fn a_journald_that_stands_still_delays_nothing(host: &Host) {
    let mut many = "[defaults]\ninterface = \"eth0\"\nadvert_interval = \"100ms\"\n".to_owned();
    for number in 1..=MANY {
        let _ = write!(
            many,
            "[instance.i{number}]\nvirtual_router_id = {number}\naddresses = [\"198.51.100.{number}/24\"]\n"
        );
    }
    host.write("/etc/failover.toml", &many);
    host.sh("failover reload");
    wait("all are MASTER", LIMIT, || (host.masters() == (MANY, MANY)).then_some(()));
    let journald =
        host.sh("systemctl show --property=MainPID --value systemd-journald.service").trim().to_owned();
    host.sh(&format!("kill -STOP {journald}"));
    for _ in 0..ROUNDS {
        host.sh("failover drain --all --force");
        wait("none is MASTER", LIMIT, || (host.masters() == (0, MANY)).then_some(()));
        host.sh("failover undrain --all");
        wait("all are MASTER", LIMIT, || (host.masters() == (MANY, MANY)).then_some(()));
    }
    host.sh(&format!("kill -CONT {journald}"));
    // Something is told when there is room again, and before it what was lost.
    let dropped = wait("drops are told", LIMIT, || {
        host.sh("failover reload");
        let of = "MESSAGE_ID=c680ab063f5a4290800b0b4049d5ff4e";
        host.journal(of).first().map(|record| message(record).to_owned())
    });
    println!("{dropped}");
    assert!(dropped.contains("log lines were dropped"), "{dropped}");
    let lost: usize = dropped.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    assert!(lost > 0 && lost < ROUNDS * MANY * 6, "{dropped}");
    // What was taken before is all there.
    assert!(host.has("FAILOVER_INSTANCE=i1", "(i1) drained"), "the first drain is lost");
}
