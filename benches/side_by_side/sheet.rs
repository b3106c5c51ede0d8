//! What is measured, what the goal is, and the table of both programs' figures.

use std::collections::BTreeMap;

use super::program::Program;

/// What a figure may be at most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// So many times that of keepalived.
    Times(f64),
    /// So much, without its sign.
    AtMost(f64),
    /// Told for the record.
    None,
}

/// What becomes of the samples of all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Combine {
    Median,
    Worst,
}

/// One line of the table.
#[derive(Debug)]
struct Metric {
    key: &'static str,
    text: &'static str,
    unit: &'static str,
    goal: Goal,
    combine: Combine,
}

const fn median(key: &'static str, text: &'static str, unit: &'static str, goal: Goal) -> Metric {
    Metric { key, text, unit, goal, combine: Combine::Median }
}

const fn worst(key: &'static str, text: &'static str, unit: &'static str, goal: Goal) -> Metric {
    Metric { key, text, unit, goal, combine: Combine::Worst }
}

const METRICS: [Metric; 64] = [
    median(
        "takeover 1s",
        "last advert of the dead MASTER → first of the new, less master-down, 1 s",
        "ms",
        Goal::Times(1.0),
    ),
    median("takeover 100ms", "… 100 ms", "ms", Goal::Times(1.0)),
    median("takeover 10ms", "… 10 ms", "ms", Goal::Times(1.0)),
    median("kernel 1s", "that advert → address in the kernel, 1 s", "ms", Goal::Times(1.0)),
    median("kernel 100ms", "… 100 ms", "ms", Goal::Times(1.0)),
    median("kernel 10ms", "… 10 ms", "ms", Goal::Times(1.0)),
    median("garp 1s", "that advert → first gratuitous ARP, 1 s", "ms", Goal::Times(1.0)),
    median("garp 100ms", "… 100 ms", "ms", Goal::Times(1.0)),
    median("garp 10ms", "… 10 ms", "ms", Goal::Times(1.0)),
    median("addresses overhead", "1000 addresses: takeover, less master-down", "ms", Goal::None),
    median("addresses kernel", "1000 addresses: first advert → all in the kernel", "ms", Goal::Times(1.0)),
    median("addresses garp", "1000 addresses: first advert → all announced", "ms", Goal::Times(1.0)),
    median(
        "addresses gap",
        "1000 addresses: longest gap between adverts meanwhile (100 ms)",
        "ms",
        Goal::AtMost(110.0),
    ),
    median(
        "addresses later gap",
        "1000 addresses: longest gap within 6.5 s (the second burst too)",
        "ms",
        Goal::None,
    ),
    median("master 1s", "1000 instances, 1 s: CPU per advert, MASTER", "µs", Goal::Times(0.9)),
    median("backup 1s", "1000 instances, 1 s: CPU per advert, BACKUP", "µs", Goal::Times(0.9)),
    median("master 100ms", "1000 instances, 100 ms: CPU per advert, MASTER", "µs", Goal::Times(0.9)),
    median("backup 100ms", "1000 instances, 100 ms: CPU per advert, BACKUP", "µs", Goal::Times(0.9)),
    median("memory master", "1000 instances: PSS, all processes, MASTER", "MB", Goal::Times(1.0)),
    median("memory backup", "1000 instances: PSS, all processes, BACKUP", "MB", Goal::Times(1.0)),
    median(
        "crash median",
        "1000 instances, 100 ms, crash: overhead over master-down, median",
        "ms",
        Goal::Times(0.5),
    ),
    median(
        "crash max",
        "1000 instances, 100 ms, crash: overhead over master-down, maximum",
        "ms",
        Goal::Times(0.5),
    ),
    worst(
        "false",
        "1000 instances, 100 ms, two busy loops per core: false transitions",
        "",
        Goal::AtMost(0.0),
    ),
    worst("false late", "… longest gap between two adverts of one instance", "ms", Goal::None),
    median("pace idle", "inter-advert error at 100 ms, idle: median", "ms", Goal::Times(1.0)),
    median(
        "pace busy",
        "inter-advert error at 100 ms, two busy loops per core: median",
        "ms",
        Goal::Times(0.2),
    ),
    median(
        "drift idle",
        "inter-advert error at 100 ms, idle: mean with its sign (drift)",
        "ms",
        Goal::AtMost(0.02),
    ),
    median("drift busy", "… under busy loops", "ms", Goal::AtMost(0.02)),
    worst(
        "malformed transitions",
        "20,000 malformed packets: addresses added or removed",
        "",
        Goal::AtMost(0.0),
    ),
    worst(
        "malformed missed",
        "20,000 malformed packets: gaps of more than 1.5 intervals",
        "",
        Goal::AtMost(0.0),
    ),
    worst("malformed gap", "20,000 malformed packets: longest gap (100 ms)", "ms", Goal::AtMost(150.0)),
    median("malformed cpu", "20,000 malformed packets: CPU per packet, MASTER", "µs", Goal::Times(0.5)),
    worst("malformed lines", "20,000 malformed packets: log lines, MASTER", "", Goal::AtMost(20.0)),
    median(
        "low adverts",
        "20,000 adverts of priority 1: adverts in answer within 4 s",
        "",
        Goal::AtMost(41.0),
    ),
    median(
        "low garps",
        "20,000 adverts of priority 1: gratuitous ARP within 5 s, one address",
        "",
        Goal::AtMost(5.0),
    ),
    worst(
        "low transitions",
        "20,000 adverts of priority 1: addresses added or removed",
        "",
        Goal::AtMost(0.0),
    ),
    median("low cpu", "20,000 adverts of priority 1: CPU per packet, MASTER", "µs", Goal::None),
    worst("low lines", "20,000 adverts of priority 1: log lines, MASTER", "", Goal::None),
    median(
        "reload wire",
        "200 instances, reload: signal → new priority of one on the wire",
        "ms",
        Goal::Times(0.5),
    ),
    median(
        "reload gap",
        "200 instances, reload: longest gap of an unchanged one (100 ms)",
        "ms",
        Goal::AtMost(110.0),
    ),
    median("reload calm gap", "… the same without a reload", "ms", Goal::None),
    worst("reload false", "200 instances, reload: adverts of the BACKUP", "", Goal::AtMost(0.0)),
    median("validate", "1000 instances: the configuration is checked", "ms", Goal::AtMost(100.0)),
    median(
        "service resigned",
        "service stopped, `fault`: its end → resignation on the wire",
        "ms",
        Goal::None,
    ),
    median(
        "service moved",
        "… its end → announced by the other host, less skew, 1 s",
        "ms",
        Goal::AtMost(20.0),
    ),
    median("service outage", "… longest time without an answer to a client", "ms", Goal::None),
    median(
        "weight moved",
        "check of weight −20 fails: → announced by the other host, 1 s",
        "ms",
        Goal::AtMost(700.0),
    ),
    worst("weight lost", "… requests of a client, 1000 a second, without an answer", "", Goal::AtMost(0.0)),
    median(
        "planned lost",
        "planned hand-over at 1 s: requests of a client, 1000 a second, lost",
        "",
        Goal::AtMost(0.0),
    ),
    median("planned outage", "… longest time without an answer", "ms", Goal::None),
    worst(
        "killed lost",
        "killed for good at 1 s: requests of a client, 1000 a second, lost",
        "",
        Goal::AtMost(0.0),
    ),
    median("killed outage", "… longest time without an answer", "ms", Goal::None),
    worst("killed left", "… addresses on that host 10 s later", "", Goal::AtMost(0.0)),
    median("killed gone", "… its address is gone after", "ms", Goal::AtMost(6500.0)),
    worst("restarted lost", "killed and started again at 1 s: requests lost", "", Goal::AtMost(0.0)),
    median("restarted outage", "… longest time without an answer", "ms", Goal::None),
    worst("restarted moved", "… the other host took over, or the address was away", "", Goal::AtMost(0.0)),
    median("ready", "200 instances: start → ready", "ms", Goal::AtMost(100.0)),
    median("checks cpu", "200 TCP checks at 1 s: CPU per check", "µs", Goal::Times(0.3)),
    median("http calm pace", "inter-advert error at 10 ms, no checks: 99 of 100 within", "ms", Goal::None),
    median("http pace", "… beside 1000 HTTP checks at 1 s", "ms", Goal::None),
    median("http pace ratio", "… the second by the first", "×", Goal::AtMost(1.2)),
    median("http cpu", "1000 HTTP checks at 1 s: CPU per check, adverts at 10 ms included", "µs", Goal::None),
    median("http memory", "1000 HTTP checks at 1 s: PSS, all processes, MASTER", "MB", Goal::None),
];

/// The samples.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    samples: BTreeMap<(&'static str, bool), Vec<f64>>,
}

impl Sheet {
    /// Notes a sample of the metric with this key.
    pub(crate) fn add(&mut self, program: Program, key: &str, value: f64) {
        let metric = METRICS.iter().find(|metric| metric.key == key);
        let metric = metric.unwrap_or_else(|| panic!("no metric `{key}`"));
        println!("  {program}: {key}: {value:.3} {}", metric.unit);
        self.samples.entry((metric.key, program == Program::Failover)).or_default().push(value);
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!("\n| measure | n | keepalived | failover | ratio | goal | met |");
        println!("|---|---|---|---|---|---|---|");
        for metric in &METRICS {
            let theirs = self.samples.get(&(metric.key, false));
            let ours = self.samples.get(&(metric.key, true));
            let count = theirs.or(ours).map_or(0, Vec::len);
            if count == 0 {
                continue;
            }
            let [theirs, ours] =
                [theirs, ours].map(|samples| samples.map(|samples| metric.combine.of(samples)));
            let ratio =
                theirs.zip(ours).map(|(theirs, ours)| ours / theirs).filter(|ratio| ratio.is_finite());
            println!(
                "| {} | {count} | {} | {} | {} | {} | {} |",
                metric.text,
                show(theirs, metric.unit),
                show(ours, metric.unit),
                ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
                metric.goal.text(metric.unit),
                metric.goal.verdict(theirs, ours),
            );
        }
    }
}

impl Goal {
    fn text(self, unit: &str) -> String {
        match self {
            Goal::Times(times) => format!("≤ {times:.1} ×"),
            Goal::AtMost(value) => format!("≤ {value} {unit}").trim_end().to_owned(),
            Goal::None => "–".to_owned(),
        }
    }

    fn verdict(self, theirs: Option<f64>, ours: Option<f64>) -> &'static str {
        let met = match (self, theirs, ours) {
            (Goal::Times(times), Some(theirs), Some(ours)) => ours <= times * theirs,
            (Goal::AtMost(value), _, Some(ours)) => ours.abs() <= value,
            _ => return "–",
        };
        if met { "yes" } else { "NO" }
    }
}

impl Combine {
    fn of(self, samples: &[f64]) -> f64 {
        match self {
            Combine::Median => middle(samples),
            Combine::Worst => samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The median; of an even number, the mean of the two in the middle.
pub(crate) fn middle(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

fn show(value: Option<f64>, unit: &str) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if unit.is_empty() => format!("{value:.0}"),
        Some(value) if value.abs() < 10.0 => format!("{value:.3} {unit}"),
        Some(value) => format!("{value:.1} {unit}"),
    }
}
