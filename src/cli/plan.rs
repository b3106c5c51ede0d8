//! `failover plan` and `failover reload`: what another configuration would do to the running agent, and having it done.
//!
//! The agent itself reads the file, with its own eyes and environment, so that the plan is what a reload does. Fails: exit
//! code 3 when no agent runs, 78 when the configuration is not valid, which then changes nothing.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::status::layout::Paint;
use super::{Exit, Failure, RuntimeDir, ask, output};
use crate::daemon::{Answer, Request};

/// What each process has of its own.
const OUR_OWN: [&str; 4] = ["/dev/stdin", "/dev/fd", "/proc/self", "/proc/thread-self"];

/// Show what a reload would change, instance by instance; changes nothing
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Another file than the running agent's own
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
}

/// Have the running agent read its configuration again; an invalid one changes nothing
#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Print what changed as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
}

pub(super) fn plan(args: &PlanArgs) -> Result<Exit, Failure> {
    let file = args.file.as_deref().map(for_the_agent).transpose()?;
    let request = Request::Plan { file, color: output::wants_color(&io::stderr()) };
    let answer = ask::request(&args.runtime_dir.path(), &request)?;
    tell(answer, "a reload would change nothing", args.json)
}

/// The path by which the agent finds the same file: not what is this process's own.
fn for_the_agent(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path);
    let absolute = absolute.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    if OUR_OWN.iter().any(|own| absolute.starts_with(own)) {
        return Err(Failure::new(format!(
            "{} is another file for the agent, which reads it itself: write it to a file with a name",
            path.display()
        )));
    }
    Ok(absolute)
}

pub(super) fn reload(args: &ReloadArgs) -> Result<Exit, Failure> {
    let request = Request::Reload { color: output::wants_color(&io::stderr()) };
    let answer = ask::request(&args.runtime_dir.path(), &request)?;
    tell(answer, "reloaded: nothing changed", args.json)
}

fn tell(answer: Answer, nothing: &str, json: bool) -> Result<Exit, Failure> {
    match answer {
        Answer::Applied { plan, warnings } | Answer::Planned { plan, warnings } => {
            output::complain_plainly(&warnings);
            output::answer(&if json {
                let text =
                    serde_json::to_string_pretty(&plan).map_err(|error| Failure::new(error.to_string()))?;
                text + "\n"
            } else {
                plan.in_words(nothing, &Paint::new(output::wants_color(&io::stdout())))
            })?;
            Ok(Exit::Fine)
        }
        Answer::Invalid { diagnostics } => {
            output::complain_plainly(&diagnostics);
            output::complain("the configuration is not valid: the running agent goes on as before");
            Ok(Exit::InvalidConfig)
        }
        Answer::Refused { why } | Answer::Failed { why } => Err(Failure::new(why)),
        Answer::Drained { .. } | Answer::Undrained { .. } => Err(ask::beside_the_point()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_this_process_has_is_not_asked_for() {
        for own in ["/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"] {
            let Err(Failure::Said { text, .. }) = for_the_agent(Path::new(own)) else { panic!("{own}") };
            assert!(text.starts_with(own) && text.contains("another file for the agent"), "{text}");
        }
        assert!(for_the_agent(Path::new("a.toml")).is_ok_and(|path| path.is_absolute()));
    }
}
