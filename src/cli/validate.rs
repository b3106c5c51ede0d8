//! `failover validate`: reads a configuration as `run` would and says everything that is wrong with it.
//!
//! Never: needs root, the interfaces that the configuration names, or a running agent.

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{DEFAULT_CONFIG, Exit, Failure, output};
use crate::config::{self, Diagnostics, Purpose};

/// Check a configuration and say everything that is wrong with it; touches nothing
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Configuration file
    #[arg(value_name = "FILE", default_value = DEFAULT_CONFIG)]
    file: PathBuf,
    /// Form of the diagnostics: for people, on standard error, or for programs, on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Treat warnings as errors
    #[arg(long)]
    deny_warnings: bool,
    /// Print the effective configuration, each setting with its origin: file and line, variable, or default
    #[arg(long, conflicts_with = "format")]
    show: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(args: &ValidateArgs) -> Result<Exit, Failure> {
    let (diagnostics, instances, shown) = match config::load(&args.file, Purpose::Validate) {
        Ok(loaded) => {
            let shown = args.show.then(|| loaded.show());
            (loaded.warnings, Some(loaded.config.instances.len()), shown)
        }
        Err(diagnostics) => (diagnostics, None, None),
    };
    let valid = instances.is_some() && !(args.deny_warnings && diagnostics.warnings() > 0);
    match args.format {
        Format::Json => output::answer(&json(&diagnostics, valid)?)?,
        Format::Text => {
            output::complain_plainly(&diagnostics.render(output::wants_color(&io::stderr())));
            match instances {
                Some(count) if valid => output::answer(&shown.unwrap_or_else(|| verdict(args, count)))?,
                Some(_) => output::complain("the configuration is valid, but warnings are denied"),
                None => {}
            }
        }
    }
    Ok(if valid { Exit::Fine } else { Exit::InvalidConfig })
}

fn verdict(args: &ValidateArgs, instances: usize) -> String {
    let plural = if instances == 1 { "" } else { "s" };
    format!("{}: valid, {instances} instance{plural}\n", args.file.display())
}

fn json(diagnostics: &Diagnostics, valid: bool) -> Result<String, Failure> {
    let document = diagnostics.to_document(valid);
    let mut text = serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::new(format!("cannot write the diagnostics as JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}
