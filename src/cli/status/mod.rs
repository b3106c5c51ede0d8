//! `failover status`: what each instance of the running agent does, and why.
//!
//! Asks the agent each time: what is shown is never older than the answer. Fails with exit code 3 when no agent runs.

mod checks;
pub(super) mod layout;
mod table;

use std::io;

use clap::Args;
use serde_json::Value;

use super::ask::{self, unreadable};
use super::{Exit, Failure, RuntimeDir, output};
use crate::agent::snapshot::Snapshot;

/// Show what each instance is doing and why
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only this instance or check, with all its details
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
        && !snapshot.checks.iter().any(|check| &check.name == name)
    {
        let others = others(&snapshot);
        return Err(Failure::new(format!("the running agent has no instance or check `{name}`{others}")));
    }
    if args.json {
        output::answer(&document(&text, args.name.as_deref())?)?;
        return Ok(Exit::Fine);
    }
    let paint = layout::Paint::new(output::wants_color(&io::stdout()));
    let page = layout::Page { paint, width: output::width(&io::stdout()) };
    let named = args.name.as_ref().and_then(|name| snapshot.instances.iter().find(|i| &i.name == name));
    let check = args.name.as_ref().and_then(|name| snapshot.checks.iter().find(|c| &c.name == name));
    let mut text = named.map_or_else(String::new, |instance| table::details(instance, page));
    if let Some(check) = check {
        // An instance and a check may have one name.
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(&checks::details(check, &snapshot, page));
    }
    if args.name.is_none() {
        text = table::overview(&snapshot, page);
    }
    output::answer(&text)?;
    Ok(Exit::Fine)
}

/// The agent's own document, so that keys which only a newer agent knows are kept; one instance or check only when asked so.
fn document(text: &str, name: Option<&str>) -> Result<String, Failure> {
    let mut document: Value = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    if let Some(name) = name {
        for list in ["instances", "checks"] {
            if let Some(entries) = document.get_mut(list).and_then(Value::as_array_mut) {
                entries.retain(|entry| entry.get("name").and_then(Value::as_str) == Some(name));
            }
        }
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
