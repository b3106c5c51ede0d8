//! `failover run`: the agent, in the foreground.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::{DEFAULT_CONFIG, Exit, Failure, RuntimeDir, output};
use crate::config;
use crate::daemon::{self, RunOptions};

/// Run the agent, in the foreground; this is what the systemd unit starts
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
}

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let color = output::wants_color(&io::stderr());
    match config::load(&args.config, config::Purpose::Run) {
        Err(diagnostics) => {
            output::complain_plainly(&diagnostics.render(color));
            Ok(Exit::InvalidConfig)
        }
        Ok(loaded) => {
            output::complain_plainly(&loaded.warnings.render(color));
            let options = RunOptions { config: args.config.clone(), runtime_dir: args.runtime_dir.path() };
            daemon::run(loaded, &options).map_err(|error| Failure::new(error.to_string()))?;
            Ok(Exit::Fine)
        }
    }
}
