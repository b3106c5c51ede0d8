//! `failover completions SHELL`: a completion script on standard output.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, Failure, output};

/// Print a shell completion script
///
/// For bash: failover completions bash > /usr/share/bash-completion/completions/failover
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "failover", &mut script);
    output::answer(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
