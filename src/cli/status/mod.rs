//! `failover status`: what each instance of the running agent does, and why.
//!
//! Asks the agent each time: what is shown is never older than the answer. Fails with exit code 3 when no agent runs.

pub(super) mod table;

use std::io;

use clap::Args;
use serde_json::Value;

use super::ask::{self, unreadable};
use super::{Exit, Failure, RuntimeDir, output};
use crate::agent::snapshot::Snapshot;

/// Show what each instance is doing and why
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only this instance, with all its details
    name: Option<String>,
    /// Print the whole document as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
}

pub(super) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let text = ask::status(&args.runtime_dir.path())?;
    let snapshot: Snapshot = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
    if let Some(name) = &args.name
        && !snapshot.instances.iter().any(|instance| &instance.name == name)
    {
        return Err(Failure::new(format!("the running agent has no instance `{name}`{}", others(&snapshot))));
    }
    if args.json {
        output::answer(&document(&text, args.name.as_deref())?)?;
        return Ok(Exit::Fine);
    }
    let paint = table::Paint::new(output::wants_color(&io::stdout()));
    let named = args.name.as_ref().and_then(|name| snapshot.instances.iter().find(|i| &i.name == name));
    output::answer(&match named {
        Some(instance) => table::details(instance, paint),
        None => table::overview(&snapshot, paint),
    })?;
    Ok(Exit::Fine)
}

/// The agent's own document, so that keys which only a newer agent knows are kept; one instance only when asked so.
fn document(text: &str, name: Option<&str>) -> Result<String, Failure> {
    let mut document: Value = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    if let Some(name) = name
        && let Some(instances) = document.get_mut("instances").and_then(Value::as_array_mut)
    {
        instances.retain(|instance| instance.get("name").and_then(Value::as_str) == Some(name));
    }
    let mut text = serde_json::to_string_pretty(&document).map_err(|error| unreadable(&error))?;
    text.push('\n');
    Ok(text)
}

/// Names to choose from, for somebody who asked for one that is not there.
fn others(snapshot: &Snapshot) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = snapshot.instances.iter().map(|i| format!("`{}`", i.name)).collect();
    match names.len() {
        0 => "; it has none at all".to_owned(),
        count if count > SHOWN => format!("; it has {count} others"),
        _ => format!("; it has {}", names.join(", ")),
    }
}
