//! What one run of a probe found out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a run says of the thing that it looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// As it should be.
    Passed,
    /// Not as it should be, or no answer within the time limit.
    Failed,
    /// Nothing could be found out, and that says nothing about the thing, such as while the bus to ask is away.
    Unknown,
}

/// The outcome of one run, or of an event that a probe heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it says.
    pub finding: Finding,
    /// Why, in one line: "connection refused", "status 503, wanted 200-299", "active". No secret is in it.
    pub text: String,
    /// The number in a file of weight, -253 to 253; none of other probes.
    pub weight: Option<i16>,
    /// How long the run took; zero for an event.
    pub took: Duration,
    /// What it did, in order, for `failover probe`.
    pub phases: Vec<Phase>,
    /// The first lines that a script wrote, control characters taken out; empty for other probes.
    pub output: Vec<String>,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Which: `lookup`, `connect`, `tls`, `send`, `first byte`, `body`, `match`, …
    pub name: String,
    /// What came of it, in a few words; empty where there is nothing to say.
    pub text: String,
    /// How long it took, whether it ended well or not.
    pub took: Duration,
}

impl Outcome {
    /// An outcome without weight, phases and output, that took no time.
    #[must_use]
    pub fn new(finding: Finding, text: impl Into<String>) -> Self {
        Outcome {
            finding,
            text: text.into(),
            weight: None,
            took: Duration::ZERO,
            phases: Vec::new(),
            output: Vec::new(),
        }
    }

    /// [`Finding::Passed`].
    #[must_use]
    pub fn passed(text: impl Into<String>) -> Self {
        Self::new(Finding::Passed, text)
    }

    /// [`Finding::Failed`].
    #[must_use]
    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(Finding::Failed, text)
    }

    /// [`Finding::Unknown`].
    #[must_use]
    pub fn unknown(text: impl Into<String>) -> Self {
        Self::new(Finding::Unknown, text)
    }
}
