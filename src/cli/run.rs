//! `failover run`: the agent, in the foreground.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{DEFAULT_CONFIG, DEFAULT_STATE_DIR, Exit, Failure, RuntimeDir, first_directory, output};
use crate::config;
use crate::daemon::{self, RunError, RunOptions};

/// Run the agent, in the foreground; this is what the systemd unit starts
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    #[command(flatten)]
    runtime_dir: RuntimeDir,
    /// Directory of what is remembered across restarts
    #[arg(
        long,
        value_name = "DIR",
        help = "Directory of what outlives a restart [default: $STATE_DIRECTORY, else --runtime-dir if given, else \
                /var/lib/failover]"
    )]
    state_dir: Option<PathBuf>,
}

impl RunArgs {
    /// Agents that have a runtime directory of their own remember for themselves, too.
    fn state_dir(&self) -> PathBuf {
        let given = || self.state_dir.clone();
        let systemd = || first_directory("STATE_DIRECTORY");
        given()
            .or_else(systemd)
            .or_else(|| self.runtime_dir.given.clone())
            .unwrap_or_else(|| PathBuf::from(DEFAULT_STATE_DIR))
    }
}

/// systemd starts an agent that ended at once, so that one that was killed is back in time. One that cannot start waits
/// before it ends: it would fail ten times a second.
#[expect(clippy::disallowed_methods, reason = "nothing else goes on in this process any more")]
fn rest() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        std::thread::sleep(Duration::from_secs(1));
    }
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
            let options = RunOptions {
                config: args.config.clone(),
                runtime_dir: args.runtime_dir.path(),
                state_dir: args.state_dir(),
            };
            match daemon::run(loaded, &options) {
                Ok(()) => Ok(Exit::Fine),
                Err(error) => {
                    let failure = Failure::new(error.to_string());
                    if !matches!(error, RunError::Interrupted) {
                        rest();
                    }
                    Err(failure)
                }
            }
        }
    }
}
