//! `failover drain` and `failover undrain`: planned hand-over, remembered until it is undone.
//!
//! Fails: exit code 1 when the agent refuses, or when nobody took over; 3 when no agent runs.

use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::{Exit, Failure, RuntimeDir, ask, output};
use crate::agent::snapshot::{InstanceStatus, Snapshot, VrState};
use crate::daemon::{Answer, Request};
use crate::os::clock;

/// How often the agent is asked whether the successor is in place.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much longer than the agent's own limit the successor is waited for.
const MARGIN: Duration = Duration::from_secs(5);

/// Hand over instances and keep them from competing until they are undrained
#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    #[command(flatten)]
    which: Which,
    /// Also where no other router was ever heard of, or none takes over
    #[arg(long)]
    force: bool,
    /// Wait until the successor is in place
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
}

/// Let drained instances compete again
#[derive(Debug, Args)]
pub(super) struct UndrainArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
}

/// Which instances.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Names of instances; those that move with them in a group are included
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All instances
    #[arg(long)]
    all: bool,
}

pub(super) fn drain(args: &DrainArgs) -> Result<Exit, Failure> {
    let directory = args.runtime_dir.path();
    let request = Request::Drain { names: args.which.names.clone(), force: args.force };
    match ask::request(&directory, &request)? {
        Answer::Drained { instances, limit_ms, note } => {
            let limit = Duration::from_millis(limit_ms);
            let mut text = String::new();
            if args.wait {
                for instance in handed_over(&directory, &instances, limit)? {
                    text.push_str(&outcome(&instance)?);
                }
            } else {
                for name in &instances {
                    text.push_str(&drained(name, limit));
                }
            }
            tell(&text, note)
        }
        Answer::Refused { why } | Answer::Failed { why } => Err(Failure::new(why)),
        Answer::Applied { .. }
        | Answer::Planned { .. }
        | Answer::Invalid { .. }
        | Answer::Undrained { .. } => Err(ask::beside_the_point()),
    }
}

pub(super) fn undrain(args: &UndrainArgs) -> Result<Exit, Failure> {
    let request = Request::Undrain { names: args.which.names.clone() };
    match ask::request(&args.runtime_dir.path(), &request)? {
        Answer::Undrained { instances, note } if instances.is_empty() => {
            tell("nothing was drained: nothing changed\n", note)
        }
        Answer::Undrained { instances, note } => {
            let lines: Vec<String> =
                instances.iter().map(|name| format!("{name}: competes again\n")).collect();
            tell(&lines.concat(), note)
        }
        Answer::Refused { why } | Answer::Failed { why } => Err(Failure::new(why)),
        Answer::Applied { .. } | Answer::Planned { .. } | Answer::Invalid { .. } | Answer::Drained { .. } => {
            Err(ask::beside_the_point())
        }
    }
}

/// What was done; and what was not, which makes it a failure.
fn tell(text: &str, note: Option<String>) -> Result<Exit, Failure> {
    output::answer(text)?;
    note.map_or(Ok(Exit::Fine), |note| Err(Failure::new(note)))
}

fn drained(name: &str, limit: Duration) -> String {
    if limit.is_zero() {
        format!("{name}: drained\n")
    } else {
        format!("{name}: drained; if it is MASTER, it hands over within {:.1} s\n", limit.as_secs_f64())
    }
}

/// Waits until none of these holds its addresses any more.
#[expect(clippy::disallowed_methods, reason = "a person waits; the agent tells when it is asked")]
fn handed_over(directory: &Path, names: &[String], limit: Duration) -> Result<Vec<InstanceStatus>, Failure> {
    let until = clock::now().after(limit + MARGIN);
    loop {
        let text = ask::status(directory)?;
        let snapshot: Snapshot = serde_json::from_str(&text).map_err(|error| ask::unreadable(&error))?;
        let mut concerned = snapshot.instances;
        concerned.retain(|instance| names.contains(&instance.name));
        if !concerned.iter().any(|instance| instance.handing_over) {
            return Ok(concerned);
        }
        if clock::now() >= until {
            return Err(Failure::new("the agent has not handed over in time; see failover status"));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// What became of an instance that was to hand over.
fn outcome(instance: &InstanceStatus) -> Result<String, Failure> {
    let InstanceStatus { name, state, drained, master, .. } = instance;
    if !drained {
        return Err(Failure::new(format!(
            "nobody took over from {name}: it is {state} as before, and not drained\n  \
             look whether another router runs; `--force` drains it all the same"
        )));
    }
    Ok(match master {
        Some(master) if *state != VrState::Master => {
            format!("{name}: drained; {} is MASTER with priority {}\n", master.address, master.priority)
        }
        Some(_) | None => {
            // Said beside the answer, which is that it is drained.
            output::complain_plainly(&format!("{name}: nobody has taken over\n"));
            format!("{name}: drained\n")
        }
    })
}
