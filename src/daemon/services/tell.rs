//! What became of commands and units of states, as reports for the log.

use std::fmt::Write;

use crate::agent::report::{Around, Report, Severity};
use crate::hook::notify::{Done, Outcome};
use crate::hook::units::{UnitDone, UnitOutcome};

/// A command of `notify`: quiet about those that went well, loud about the others, with what they wrote.
pub(super) fn command(done: Done) -> Report {
    let severity = match &done.outcome {
        Outcome::Exit(0) => Severity::Info,
        Outcome::Superseded => Severity::Notice,
        Outcome::Exit(_)
        | Outcome::Otherwise(_)
        | Outcome::Limit(_)
        | Outcome::Refused(_)
        | Outcome::Left => Severity::Warning,
    };
    let state = if done.leaving { "STOP" } else { done.state.word() };
    let mut text = format!("command {} for {state}: {}", done.command.display(), done.outcome);
    if matches!(done.outcome, Outcome::Exit(_) | Outcome::Otherwise(_)) {
        let _ = write!(text, " after {} ms", done.took.as_millis());
    }
    if done.skipped > 0 {
        let _ = write!(text, "; {} states before it came and went while another command ran", done.skipped);
    }
    for line in &done.output {
        text.push_str(" | ");
        text.push_str(line);
    }
    let (whose, name, state) = (done.whose, done.name, Some(done.state));
    Report::Around(Around::Hook { whose, name, state, severity, text })
}

/// A unit of `units`, or a role target.
pub(super) fn unit(done: &UnitDone) -> Report {
    let (doing, did) = if done.started { ("start", "started") } else { ("stop", "stopped") };
    let (severity, text) = match &done.outcome {
        UnitOutcome::Done => {
            (Severity::Info, format!("unit {} {did} within {} ms", done.unit, done.took.as_millis()))
        }
        UnitOutcome::NotInstalled => (
            Severity::Debug,
            format!(
                "no unit {}: nothing can follow the role until failover-master@.target is installed",
                done.unit
            ),
        ),
        UnitOutcome::Failed { why, hint, again } => (
            Severity::Warning,
            format!(
                "cannot {doing} unit {}: {why}; trying again in {} s{}{hint}",
                done.unit,
                again.as_secs(),
                if hint.is_empty() { "" } else { "; " }
            ),
        ),
    };
    let (whose, name) = (done.whose, done.name.clone());
    Report::Around(Around::Hook { whose, name, state: None, severity, text })
}
