//! `failover schema`: the JSON Schema of the configuration on standard output, for editors.

use clap::Args;

use super::{Exit, Failure, output};
use crate::config;

/// Print the JSON Schema of the configuration, for editors
///
/// Beside the configuration: failover schema > /etc/failover.schema.json
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

pub(super) fn run(SchemaArgs {}: &SchemaArgs) -> Result<Exit, Failure> {
    let mut text = serde_json::to_string_pretty(&config::schema())
        .map_err(|error| Failure::new(format!("cannot write the schema as JSON: {error}")))?;
    text.push('\n');
    output::answer(&text)?;
    Ok(Exit::Fine)
}
