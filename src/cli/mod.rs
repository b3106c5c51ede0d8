//! The command line: one file per command.
//!
//! Owns: arguments, exit codes, what goes to which stream. Answers go to standard output, errors to standard error.
//! Never: decides anything about VRRP or about what a configuration means.
//!
//! Fails: every command answers with an exit code or a failure, which is said once, here. A reader that closes
//! standard output early (`| head`) has had enough: that is no failure.

mod ask;
mod completions;
mod demo;
mod drain;
mod import;
mod output;
mod plan;
mod probe;
mod release;
mod run;
mod schema;
mod status;
mod validate;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Where the configuration is looked for.
const DEFAULT_CONFIG: &str = "/etc/failover.toml";

/// Where a running agent keeps its socket when neither `--runtime-dir` nor systemd says otherwise.
const DEFAULT_RUNTIME_DIR: &str = "/run/failover";

/// Where an agent remembers what outlives a reboot, when neither `--state-dir` nor systemd says otherwise.
const DEFAULT_STATE_DIR: &str = "/var/lib/failover";

/// Keeps a service's IP address alive: VRRP, and the address moves in well under a second.
#[derive(Debug, Parser)]
#[command(name = "failover", version, propagate_version = false, max_term_width = 100)]
#[command(after_help = "Manual: failover(8), failover.toml(5)")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Validate(validate::ValidateArgs),
    Plan(plan::PlanArgs),
    Reload(plan::ReloadArgs),
    Status(status::StatusArgs),
    Drain(drain::DrainArgs),
    Undrain(drain::UndrainArgs),
    Release(release::ReleaseArgs),
    Probe(probe::ProbeArgs),
    Import(import::ImportArgs),
    Demo(demo::DemoArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// `--runtime-dir`, the same for the agent and for every command that asks it.
#[derive(Debug, Args)]
struct RuntimeDir {
    /// Directory of the agent's sockets
    #[arg(
        long = "runtime-dir",
        value_name = "DIR",
        help = "Directory of the agent's sockets [default: $RUNTIME_DIRECTORY, else /run/failover]"
    )]
    given: Option<PathBuf>,
}

impl RuntimeDir {
    /// The directory to use.
    fn path(&self) -> PathBuf {
        let given = self.given.clone().or_else(|| first_directory("RUNTIME_DIRECTORY"));
        given.unwrap_or_else(|| PathBuf::from(DEFAULT_RUNTIME_DIR))
    }
}

/// What systemd says of a directory in this variable. It may name several, parted by colons: the first is ours.
fn first_directory(variable: &str) -> Option<PathBuf> {
    let value = std::env::var(variable).ok()?;
    value.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
}

/// How a command ended; the number is an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// 0.
    Fine,
    /// 1: it was tried and failed.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: no agent is running.
    NoAgent,
    /// 78: the configuration is invalid (`EX_CONFIG`).
    InvalidConfig,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NoAgent => 3,
            Exit::InvalidConfig => 78,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Something to tell the person who asked.
    #[error("{text}")]
    Said {
        /// What went wrong and what to do.
        text: String,
        /// How the program ends.
        exit: Exit,
    },
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

impl Failure {
    /// Exit code 1, with a text.
    fn new(text: impl Into<String>) -> Self {
        Failure::Said { text: text.into(), exit: Exit::Failed }
    }
}

/// The whole program: reads the command line, does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return usage(&answer).into(),
    };
    let outcome = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Validate(args) => validate::run(args),
        Command::Plan(args) => plan::plan(args),
        Command::Reload(args) => plan::reload(args),
        Command::Status(args) => status::run(args),
        Command::Drain(args) => drain::drain(args),
        Command::Undrain(args) => drain::undrain(args),
        Command::Release(args) => release::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Import(args) => import::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Fine.into(),
        Err(failure) => {
            output::complain(&failure.to_string());
            match failure {
                Failure::Said { exit, .. } => exit.into(),
                Failure::Output(_) => Exit::Failed.into(),
            }
        }
    }
}

/// `--help` and `--version` are answers, everything else that clap has to say is a complaint.
fn usage(answer: &clap::Error) -> Exit {
    // Nobody is left to tell when even this cannot be written.
    let _ = answer.print();
    if answer.use_stderr() { Exit::Usage } else { Exit::Fine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        for (exit, number) in [
            (Exit::Fine, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::NoAgent, 3),
            (Exit::InvalidConfig, 78),
        ] {
            assert_eq!(ExitCode::from(exit), ExitCode::from(number));
        }
    }
}
