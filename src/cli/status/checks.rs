//! Checks and groups laid out for people. Pure text, like `table`.

use std::fmt::Write;

use super::layout::{Page, Paint, Table, span};
use crate::agent::snapshot::{GroupStatus, InstanceStatus, Snapshot, TrackStatus, VrState};
use crate::health::outcome::Finding;
use crate::health::standing::Verdict;
use crate::health::status::{CheckStatus, LastRun};

const HEADINGS: [&str; 5] = ["CHECK", "KIND", "VERDICT", "SINCE", "LAST RUN"];

/// Every check on a line of its own; nothing when there are none.
pub(super) fn overview(snapshot: &Snapshot, page: Page) -> String {
    let paint = page.paint;
    let mut text = String::new();
    if !snapshot.groups.is_empty() {
        text.push('\n');
    }
    for group in &snapshot.groups {
        text.push_str(&page.paragraph(&group_line(group, paint), 0));
    }
    if snapshot.checks.is_empty() {
        return text;
    }
    let rows: Vec<[String; 5]> = snapshot.checks.iter().map(row).collect();
    text.push('\n');
    let cell = |row: usize, column, padded: String| match (column, snapshot.checks.get(row)) {
        (2, Some(check)) => painted(check.verdict, &padded, paint),
        _ => padded,
    };
    let below = |row: usize| {
        let output =
            snapshot.checks.get(row).and_then(|check| check.last.as_ref()).map(|last| &last.output[..]);
        output.unwrap_or_default().iter().map(|line| format!("> {line}")).collect()
    };
    text.push_str(&Table { headings: HEADINGS, rows, finish: &cell, below: &below }.render(page));
    text
}

fn group_line(group: &GroupStatus, paint: Paint) -> String {
    format!(
        "group {} ({}): {} for {}: {}",
        group.name,
        group.members.join(", "),
        paint.state(group.state, group.state.word()),
        span(group.since_seconds),
        group.reason
    )
}

fn row(check: &CheckStatus) -> [String; 5] {
    [
        check.name.clone(),
        check.kind.clone(),
        check.verdict.word().to_owned(),
        span(check.since_seconds),
        check.last.as_ref().map_or_else(|| "none yet".to_owned(), |last| last_run(check, last)),
    ]
}

/// "failed 2 of 3: connection refused, 0.4 s ago".
fn last_run(check: &CheckStatus, last: &LastRun) -> String {
    let how = match (last.finding, check.verdict) {
        (Finding::Failed, Verdict::Passing | Verdict::Unknown) => {
            format!("failed {} of {}", check.in_a_row, check.fall)
        }
        (Finding::Passed, Verdict::Failing | Verdict::Unknown) => {
            format!("passed {} of {}", check.in_a_row, check.rise)
        }
        (Finding::Failed, Verdict::Failing) => format!("failed {} in a row", check.in_a_row),
        (Finding::Passed, Verdict::Passing) => "passed".to_owned(),
        (Finding::Unknown, _) => "found out nothing".to_owned(),
    };
    let held = check.held_seconds.map_or_else(String::new, |left| {
        format!("; held failing for {} more: it changed too often", span(left))
    });
    format!("{how}: {}, {} ago{held}", last.text, span(last.seconds_ago))
}

fn painted(verdict: Verdict, text: &str, paint: Paint) -> String {
    match verdict {
        Verdict::Passing => paint.state(VrState::Master, text),
        Verdict::Failing => paint.state(VrState::Fault, text),
        Verdict::Unknown => paint.state(VrState::Init, text),
    }
}

/// All about one check.
pub(super) fn details(check: &CheckStatus, snapshot: &Snapshot, page: Page) -> String {
    let paint = page.paint;
    let mut text = String::new();
    let mut say = |key: &str, value: &str| {
        let _ = writeln!(text, "{key:<11} {}", page.wrap(value, 12));
    };
    say("check", &format!("{} ({})", paint.heading(&check.name), check.kind));
    let verdict = painted(check.verdict, check.verdict.word(), paint);
    say("verdict", &format!("{verdict} for {}", span(check.since_seconds)));
    match &check.last {
        None => say("last run", "none yet"),
        Some(last) => {
            say("last run", &last_run(check, last));
            say("took", &format!("{:.1} ms", last.took_ms));
            for (index, line) in last.output.iter().enumerate() {
                say(if index == 0 { "output" } else { "" }, line);
            }
        }
    }
    if let Some(weight) = check.weight {
        say("weight", &format!("{weight:+}"));
    }
    let many = |count, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let (fall, rise) = (many(check.fall, "failure", "failures"), many(check.rise, "success", "successes"));
    say("rules", &format!("failing after {fall} in a row, passing after {rise}"));
    let counts =
        format!("{} runs, {} of them failed; {} verdicts", check.runs, check.failures, check.changes);
    say("so far", &counts);
    let listeners = snapshot.instances.iter().filter_map(|instance| {
        let track = instance.tracks.iter().find(|track| track.check == check.name)?;
        Some(format!("{} ({})", instance.name, track.effect))
    });
    let listeners: Vec<String> = listeners.collect();
    say("tracked by", &if listeners.is_empty() { "nobody".to_owned() } else { listeners.join(", ") });
    text
}

/// The priority in force as the sum that it is: "100 − 20 (db failing) = 80", or "100" where nothing is added.
pub(super) fn arithmetic(instance: &InstanceStatus) -> String {
    let mut text = format!("{}", instance.base_priority);
    for track in instance.tracks.iter().filter(|track| track.adds != 0) {
        let sign = if track.adds < 0 { '−' } else { '+' };
        let _ = write!(text, " {sign} {} ({} {})", track.adds.unsigned_abs(), track.check, track.verdict);
    }
    let adds = instance.tracks.iter().any(|track| track.adds != 0);
    if adds || instance.effective_priority != instance.base_priority {
        let _ = write!(text, " = {}", instance.effective_priority);
    }
    text
}

/// What an instance listens to, a line each.
pub(super) fn tracks(instance: &InstanceStatus, paint: Paint) -> Vec<String> {
    let words = |track: &TrackStatus| {
        let through = track.through.as_ref().map_or_else(String::new, |other| format!(", by way of {other}"));
        let effect = match (track.effect.as_str(), track.verdict) {
            ("fault", Verdict::Failing) => "keeps it in FAULT".to_owned(),
            ("fault", _) => "FAULT while it fails".to_owned(),
            (effect, _) => format!("weight {effect}, adds {:+} now", track.adds),
        };
        let waits = if track.verdict == Verdict::Unknown {
            "; it does not become MASTER before it is known"
        } else {
            ""
        };
        format!(
            "{} {}: {effect}{through}{waits}",
            track.check,
            painted(track.verdict, track.verdict.word(), paint)
        )
    };
    instance.tracks.iter().map(words).collect()
}
