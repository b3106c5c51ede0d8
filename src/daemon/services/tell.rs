//! What became of commands and units of states, as reports for the log.

use std::fmt::Write;

use crate::agent::report::{Around, Report, Severity};
use crate::hook::notify::{Done, Outcome};

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
    Report::Around(Around::Hook { whose: done.whose, name: done.name, severity, text })
}
