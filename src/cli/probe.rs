//! `failover probe`: runs one check once, here and as whoever asks, and shows what it saw.
//!
//! Never: asks a running agent or changes anything. What a script or a server wrote is shown without control characters:
//! probes take them out.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::{DEFAULT_CONFIG, Exit, Failure, output};
use crate::config::model::Config;
use crate::config::{self, Purpose};
use crate::health::outcome::{Finding, Outcome};
use crate::probe::{Runner, Shared};

/// Most names of checks in a complaint.
const MOST_NAMES: usize = 20;
/// Threads for what may block, beside the lookups: one run needs few.
const THREADS: usize = 4;

/// Run one check once and show what it saw and how long it took
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Name of the check
    #[arg(value_name = "CHECK")]
    check: String,
    /// Configuration file
    #[arg(value_name = "FILE", default_value = DEFAULT_CONFIG)]
    file: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The result as JSON. Keys are added, never renamed.
#[derive(Debug, Serialize)]
struct Document<'a> {
    check: &'a str,
    probe: &'a str,
    result: Finding,
    text: &'a str,
    weight: Option<i16>,
    took_seconds: f64,
    phases: Vec<PhaseDocument<'a>>,
    output: &'a [String],
}

#[derive(Debug, Serialize)]
struct PhaseDocument<'a> {
    name: &'a str,
    text: &'a str,
    took_seconds: f64,
}

pub(super) fn run(args: &ProbeArgs) -> Result<Exit, Failure> {
    let config = match config::load(&args.file, Purpose::Validate) {
        Ok(loaded) => loaded.config,
        Err(diagnostics) => {
            output::complain_plainly(&diagnostics.render(output::wants_color(&io::stderr())));
            return Ok(Exit::InvalidConfig);
        }
    };
    let Some(check) = config.checks.get(&args.check) else {
        return Err(Failure::Said { text: no_such_check(args, &config), exit: Exit::Usage });
    };
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    let outcome = LocalSet::new().block_on(&runtime, async {
        let shared = Shared::new(config.agent.script_user.clone());
        Runner::new(&args.check, check, &Rc::new(shared)).run().await
    });
    // What is stuck, such as the reading of a file, is not waited for.
    runtime.shutdown_background();
    if args.json {
        output::answer(&json(args, check.probe.word(), &outcome)?)?;
    } else {
        output::answer(&text(&outcome))?;
    }
    Ok(match outcome.finding {
        Finding::Passed => Exit::Fine,
        Finding::Failed | Finding::Unknown => Exit::Failed,
    })
}

fn no_such_check(args: &ProbeArgs, config: &Config) -> String {
    let file = args.file.display();
    let name = args.check.escape_debug();
    let names = || config.checks.keys().map(String::as_str);
    if config.checks.is_empty() {
        return format!("there is no check `{name}`: {file} has no [check.NAME] at all");
    }
    let mut text = format!("there is no check `{name}` in {file}");
    if let Some(close) = config::closest(&args.check, names()) {
        let _ = write!(text, "; did you mean `{close}`?");
    }
    let listed: Vec<&str> = names().take(MOST_NAMES).collect();
    let _ = write!(text, "\nchecks: {}", listed.join(", "));
    if let Some(more) = config.checks.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}

fn text(outcome: &Outcome) -> String {
    let width = outcome.phases.iter().map(|phase| phase.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for phase in &outcome.phases {
        let line = format!("{:width$}  {:>10}  {}", phase.name, milliseconds(phase.took), phase.text);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for line in &outcome.output {
        let _ = writeln!(text, "| {line}");
    }
    let word = match outcome.finding {
        Finding::Passed => "passed",
        Finding::Failed => "failed",
        Finding::Unknown => "unknown",
    };
    let weight = outcome.weight.map(|weight| format!(" (weight {weight})")).unwrap_or_default();
    let _ = writeln!(text, "{word} in {}: {}{weight}", milliseconds(outcome.took), outcome.text);
    text
}

fn milliseconds(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
}

fn json(args: &ProbeArgs, probe: &str, outcome: &Outcome) -> Result<String, Failure> {
    let phases = outcome.phases.iter().map(|phase| PhaseDocument {
        name: &phase.name,
        text: &phase.text,
        took_seconds: phase.took.as_secs_f64(),
    });
    let document = Document {
        check: &args.check,
        probe,
        result: outcome.finding,
        text: &outcome.text,
        weight: outcome.weight,
        took_seconds: outcome.took.as_secs_f64(),
        phases: phases.collect(),
        output: &outcome.output,
    };
    let mut text = serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::outcome::Phase;

    #[test]
    fn a_run_is_shown_step_by_step_with_its_verdict_last() {
        let phase = |name: &str, text: &str, micros| Phase {
            name: name.to_owned(),
            text: text.to_owned(),
            took: Duration::from_micros(micros),
        };
        let outcome = Outcome {
            took: Duration::from_micros(12_345),
            phases: vec![phase("connect", "127.0.0.1:80", 120), phase("first byte", "", 12_000)],
            output: vec!["disk full".to_owned()],
            weight: Some(-20),
            ..Outcome::failed("status 503, wanted 200-299")
        };
        let expected = "\
connect        0.12 ms  127.0.0.1:80
first byte    12.00 ms
| disk full
failed in 12.35 ms: status 503, wanted 200-299 (weight -20)
";
        assert_eq!(text(&outcome), expected);
    }
}
