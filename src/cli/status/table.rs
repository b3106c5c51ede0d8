//! A snapshot laid out for people: one line per instance, trouble below it; or all about one instance.
//!
//! Pure text: nothing is written or asked here.

use std::fmt::Write;

use super::checks;
use super::layout::{Page, Paint, Table, span};
use crate::agent::snapshot::{
    AddressStatus, ConfigurationStatus, InstanceStatus, Snapshot, TroubleStatus, VrState,
};

/// Digits of the configuration's digest that are shown.
const DIGEST_SHOWN: usize = 12;

/// Names that a line lists.
const NAMED: usize = 8;
/// So many instances are seen at a glance.
const GLANCE: usize = 16;

const HEADINGS: [&str; 8] = ["INSTANCE", "STATE", "SINCE", "PRIORITY", "ADDRESSES", "MASTER", "HEARD", "WHY"];

/// Every instance on a line of its own.
pub(super) fn overview(snapshot: &Snapshot, page: Page) -> String {
    let paint = page.paint;
    let mut text = format!("failover {} on {}\n", snapshot.version, snapshot.router_id);
    if let Some(configuration) = &snapshot.configuration {
        text.push_str(&self::configuration(configuration, page));
    }
    text.push_str(&summary(snapshot, page));
    if snapshot.instances.is_empty() {
        text.push_str("no instances are configured\n");
        return text;
    }
    let rows: Vec<[String; 8]> = snapshot.instances.iter().map(row).collect();
    text.push('\n');
    let cell = |row: usize, column, padded: String| match (column, snapshot.instances.get(row)) {
        (1, Some(instance)) if instance.drained || instance.handing_over => paint.loud(&padded),
        (1, Some(instance)) => paint.state(instance.state, &padded),
        (4, Some(instance)) if is_off(instance) => paint.bad(&padded),
        _ => padded,
    };
    let below = |row: usize| {
        let trouble = snapshot.instances.get(row).map_or(&[][..], |instance| &instance.trouble);
        trouble.iter().map(|trouble| paint.trouble(&trouble_line(trouble))).collect()
    };
    let mut table = Table { headings: HEADINGS, rows, finish: &cell, below: &below };
    if !table.fits(page) {
        table.rows = snapshot.instances.iter().map(narrow).collect();
    }
    text.push_str(&table.render(page));
    text.push_str(&checks::overview(snapshot, page));
    text
}

/// How many instances are in which state, and what is not to be overlooked among them.
fn summary(snapshot: &Snapshot, page: Page) -> String {
    let all = &snapshot.instances;
    let mut text = String::new();
    if all.len() > 1 {
        let states = [VrState::Master, VrState::Backup, VrState::Fault, VrState::Init];
        let counted = states.map(|state| (state, all.iter().filter(|i| i.state == state).count()));
        let words = counted.iter().filter(|(_, count)| *count > 0);
        let words: Vec<String> = words
            .map(|(state, count)| format!("{count} {}", page.paint.state(*state, state.word())))
            .collect();
        text.push_str(&page.paragraph(&format!("{} instances: {}", all.len(), words.join(", ")), 0));
    }
    let mut loud = |what: &str, names: &[&str], then: &str| {
        if !names.is_empty() {
            let line = page.paint.loud(&format!("! {what}: {}{then}", list(names)));
            text.push_str(&page.paragraph(&line, 0));
        }
    };
    let those = |is: fn(&InstanceStatus) -> bool| -> Vec<&str> {
        all.iter().filter(|instance| is(instance)).map(|instance| instance.name.as_str()).collect()
    };
    loud("hands over", &those(|instance| instance.handing_over), "");
    let drained: Vec<&str> = snapshot.drained.iter().map(String::as_str).collect();
    let drained = if drained.is_empty() { those(|instance| instance.drained) } else { drained };
    loud("drained", &drained, "; does not compete until `failover undrain`");
    if all.len() > GLANCE {
        loud("in FAULT", &those(|instance| instance.state == VrState::Fault), "");
        loud("addresses are not as they should be", &those(is_off), "");
    }
    text
}

/// The first few names, and how many more there are.
fn list(names: &[&str]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).copied().collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Which configuration runs; that the last reload was refused is the first thing to know.
fn configuration(status: &ConfigurationStatus, page: Page) -> String {
    let digest = status.sha256.get(..DIGEST_SHOWN).unwrap_or(&status.sha256);
    let line = format!("{}, sha256 {digest}…, since {}", status.file, status.loaded_at);
    let mut text = page.paragraph(&line, 0);
    if let Some(reload) = status.last_reload.as_ref().filter(|reload| !reload.applied) {
        let line = format!("! the reload at {} was refused: {}", reload.at, reload.text);
        text.push_str(&page.paragraph(&page.paint.bad(&line), 0));
    }
    text
}

fn row(instance: &InstanceStatus) -> [String; 8] {
    [
        instance.name.clone(),
        state(instance),
        span(instance.since_seconds),
        checks::arithmetic(instance),
        format!("{}/{}", present(instance), shown_wanted(instance)),
        master(instance),
        heard(instance),
        why(instance),
    ]
}

/// The same with a short priority: the sum stands before the reason.
fn narrow(instance: &InstanceStatus) -> [String; 8] {
    let [name, state, since, sum, addresses, master, heard, why] = row(instance);
    let priority = instance.effective_priority.to_string();
    let why = if sum == priority { why } else { format!("{sum}; {why}") };
    [name, state, since, priority, addresses, master, heard, why]
}

/// The state, and that somebody wants it so: that is not to be overlooked.
fn state(instance: &InstanceStatus) -> String {
    let word = instance.state.word();
    match (instance.drained, instance.handing_over) {
        (true, true) => format!("{word}, DRAINED, hands over"),
        (true, false) => format!("{word}, DRAINED"),
        (false, true) => format!("{word}, hands over"),
        (false, false) => word.to_owned(),
    }
}

/// The reason of its state, and what it waits for where it does.
fn why(instance: &InstanceStatus) -> String {
    match &instance.waiting_for {
        Some(check) if instance.state == VrState::Backup => {
            format!("{}; does not take over before check {check} is known", instance.reason)
        }
        Some(_) | None => instance.reason.clone(),
    }
}

/// All about one instance.
pub(super) fn details(instance: &InstanceStatus, page: Page) -> String {
    let paint = page.paint;
    let mut text = String::new();
    let mut say = |key: &str, value: &str| {
        let _ = writeln!(text, "{key:<11} {}", page.wrap(value, 12));
    };
    say("instance", &paint.heading(&instance.name));
    say(
        "state",
        &format!(
            "{} for {}: {}",
            if instance.drained || instance.handing_over {
                paint.loud(&state(instance))
            } else {
                paint.state(instance.state, &state(instance))
            },
            span(instance.since_seconds),
            instance.reason
        ),
    );
    say(
        "protocol",
        &format!(
            "VRRP version {} over {}, virtual router ID {} on {}, an advert every {}",
            instance.version,
            instance.family,
            instance.virtual_router_id,
            instance.interface,
            milliseconds(instance.advert_interval_ms)
        ),
    );
    if let Some(form) = &instance.checksum {
        say("checksum", form);
    }
    if let Some(group) = &instance.group {
        say("group", group);
    }
    say("priority", &checks::arithmetic(instance));
    for (index, track) in checks::tracks(instance, paint).iter().enumerate() {
        say(if index == 0 { "checks" } else { "" }, track);
    }
    say("source", instance.primary_address.as_deref().unwrap_or("none usable"));
    say("master", &master_details(instance));
    for (index, address) in instance.addresses.iter().enumerate() {
        say(if index == 0 { "addresses" } else { "" }, &address_line(instance.state, address, paint));
    }
    let lease = instance.address_lease_seconds.map_or(
        "none: they stay until they are taken away".to_owned(),
        |seconds| {
            format!("{seconds} s: the kernel takes them away that long after the agent renewed them last")
        },
    );
    say("lease", &lease);
    for (index, trouble) in instance.trouble.iter().enumerate() {
        say(if index == 0 { "trouble" } else { "" }, &paint.trouble(&trouble_line(trouble)));
    }
    for (index, counter) in counters(instance).iter().enumerate() {
        say(if index == 0 { "counters" } else { "" }, counter);
    }
    text
}

/// How many addresses are here, and how many should be: all of a MASTER's, none of the others'.
fn present(instance: &InstanceStatus) -> usize {
    instance.addresses.iter().filter(|address| address.present).count()
}

fn wanted(instance: &InstanceStatus) -> usize {
    if instance.state == VrState::Master { instance.addresses.len() } else { 0 }
}

/// In FAULT all are missed, unless some are here that should not be.
fn shown_wanted(instance: &InstanceStatus) -> usize {
    let missed = instance.state == VrState::Fault && present(instance) == 0;
    if missed { instance.addresses.len() } else { wanted(instance) }
}

fn is_off(instance: &InstanceStatus) -> bool {
    present(instance) != wanted(instance)
}

fn master(instance: &InstanceStatus) -> String {
    if instance.state == VrState::Master {
        return "this host".to_owned();
    }
    match &instance.master {
        Some(master) => format!("{} ({})", master.address, master.priority),
        None => "-".to_owned(),
    }
}

/// How long ago the master's last advert came.
fn heard(instance: &InstanceStatus) -> String {
    match &instance.master {
        Some(master) if instance.state != VrState::Master => {
            format!("{} ago", span(master.heard_seconds_ago))
        }
        Some(_) | None => "-".to_owned(),
    }
}

fn master_details(instance: &InstanceStatus) -> String {
    if instance.state == VrState::Master {
        return "this host".to_owned();
    }
    match &instance.master {
        Some(master) => format!(
            "{}, priority {}, an advert every {}, the last one {} ago",
            master.address,
            master.priority,
            milliseconds(master.advert_interval_ms),
            span(master.heard_seconds_ago)
        ),
        None => "none known".to_owned(),
    }
}

fn address_line(state: VrState, address: &AddressStatus, paint: Paint) -> String {
    let should = state == VrState::Master;
    let there = match (address.present, should) {
        (true, true) => "here".to_owned(),
        (false, false) => "not here".to_owned(),
        (true, false) => paint.bad("here, and should not be"),
        (false, true) => paint.bad("missing"),
    };
    let quiet = if address.advertised { "" } else { ", not in adverts" };
    format!("{} on {}: {there}{quiet}", address.address, address.interface)
}

fn trouble_line(trouble: &TroubleStatus) -> String {
    let times = if trouble.count == 1 { String::new() } else { format!(" ({} times)", trouble.count) };
    format!("! {}{times}, {} ago", trouble.text, span(trouble.seen_seconds_ago))
}

/// The counters that have counted something, by the names of the JSON document.
fn counters(instance: &InstanceStatus) -> Vec<String> {
    let Ok(serde_json::Value::Object(all)) = serde_json::to_value(&instance.counters) else {
        return Vec::new();
    };
    let counted = all.iter().filter_map(|(name, value)| value.as_u64().map(|count| (name, count)));
    counted.filter(|(_, count)| *count != 0).map(|(name, count)| format!("{count:>10} {name}")).collect()
}

fn milliseconds(count: u64) -> String {
    if count.is_multiple_of(1000) { format!("{} s", count / 1000) } else { format!("{count} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::snapshot::{AgentCounters, InstanceCounters, MasterStatus, TrackStatus};
    use crate::health::standing::Verdict;
    use crate::net::Family;

    const PLAIN: Page = Page { paint: Paint::PLAIN, width: None };

    fn instance(name: &str, state: VrState) -> InstanceStatus {
        InstanceStatus {
            name: name.to_owned(),
            state,
            since_seconds: 75.0,
            reason: "no advert for 3.6 s".to_owned(),
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
            master: None,
            checksum: Some("rfc9568".to_owned()),
            trouble: Vec::new(),
            counters: InstanceCounters { adverts_sent: 7, ..InstanceCounters::default() },
        }
    }

    fn track(check: &str, verdict: Verdict, effect: &str, adds: i16) -> TrackStatus {
        TrackStatus { check: check.to_owned(), verdict, effect: effect.to_owned(), adds, through: None }
    }

    #[test]
    fn an_overview_lines_up_and_says_what_is_wrong_below_its_instance() {
        let mut backup = instance("mail-relay", VrState::Backup);
        backup.master = Some(MasterStatus {
            address: "192.0.2.3".to_owned(),
            priority: 150,
            advert_interval_ms: 100,
            heard_seconds_ago: 0.04,
        });
        backup.trouble = vec![TroubleStatus {
            text: "192.0.2.9 speaks version 2".to_owned(),
            count: 3,
            seen_seconds_ago: 2.0,
        }];
        let snapshot = Snapshot {
            version: "0.1.0".to_owned(),
            router_id: "lb1".to_owned(),
            configuration: None,
            instances: vec![backup, instance("web", VrState::Master)],
            groups: Vec::new(),
            checks: Vec::new(),
            drained: Vec::new(),
            counters: AgentCounters::default(),
        };
        let expected = "\
failover 0.1.0 on lb1
2 instances: 1 MASTER, 1 BACKUP

INSTANCE    STATE   SINCE       PRIORITY  ADDRESSES  MASTER           HEARD      WHY
mail-relay  BACKUP  1 min 15 s  100       0/0        192.0.2.3 (150)  0.0 s ago  no advert for 3.6 s
  ! 192.0.2.9 speaks version 2 (3 times), 2.0 s ago
web         MASTER  1 min 15 s  100       1/1        this host        -          no advert for 3.6 s
";
        assert_eq!(overview(&snapshot, PLAIN), expected);
        let mut drained = snapshot.clone();
        drained.instances[0].drained = true;
        let told = overview(&drained, PLAIN);
        assert!(told.contains("mail-relay  BACKUP, DRAINED  1 min 15 s"), "{told}");
        let colored = overview(&snapshot, Page { paint: Paint::new(true), ..PLAIN });
        assert!(colored.contains("\x1b[1;32mMASTER\x1b[0m"), "{colored}");
    }

    #[test]
    fn details_name_every_address_and_what_was_counted() {
        let mut fault = instance("web", VrState::Fault);
        fault.effective_priority = 80;
        fault.tracks =
            vec![track("haproxy", Verdict::Failing, "-20", -20), track("api", Verdict::Passing, "fault", 0)];
        fault.addresses[0].present = true;
        let text = details(&fault, PLAIN);
        assert!(text.contains("192.0.2.1/24 on eth0: here, and should not be"), "{text}");
        assert!(text.contains("priority    100 − 20 (haproxy failing) = 80"), "{text}");
        assert!(text.contains("haproxy failing: weight -20, adds -20 now"), "{text}");
        assert!(text.contains("api passing: FAULT while it fails"), "{text}");
        assert!(text.contains("7 adverts_sent"), "{text}");
        assert!(!text.contains("adverts_received"), "{text}");
        assert_eq!(row(&fault)[4], "1/0", "in FAULT, and here");
        fault.addresses[0].present = false;
        assert_eq!(row(&fault)[4], "0/1");
    }
}
