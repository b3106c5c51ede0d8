//! A check in `failover status`. Keys of the JSON form are added, never renamed.

use serde::{Deserialize, Serialize};

use super::outcome::Finding;
use super::standing::Verdict;

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `systemd`, `http`, …
    pub kind: String,
    /// What it says.
    pub verdict: Verdict,
    /// Seconds since it says that.
    pub since_seconds: f64,
    /// The number in a file of weight.
    pub weight: Option<i16>,
    /// The latest outcome; none before the first.
    pub last: Option<LastRun>,
    /// How many outcomes of that kind in a row.
    pub in_a_row: u32,
    /// Failures in a row that make it failing.
    pub fall: u8,
    /// Successes in a row that make it passing.
    pub rise: u8,
    /// Held failing for so many seconds more, because its verdict changed too often.
    pub held_seconds: Option<f64>,
    /// Outcomes since the agent started.
    pub runs: u64,
    /// Failures among them.
    pub failures: u64,
    /// Times that the verdict changed.
    pub changes: u64,
}

/// The latest outcome of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// What it said.
    pub finding: Finding,
    /// Why, in one line.
    pub text: String,
    /// Seconds since it came.
    pub seconds_ago: f64,
    /// How long the run took, in milliseconds.
    pub took_ms: f64,
    /// The first lines that a script wrote.
    pub output: Vec<String>,
}
