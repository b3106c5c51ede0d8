//! A process.

use super::trace::Trace;
use crate::config::model::ProcessProbe;
use crate::health::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Process;

impl Process {
    pub(super) fn new(_probe: &ProcessProbe) -> Self {
        Process
    }

    #[expect(clippy::unused_async, reason = "not written yet")]
    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("nothing");
        Outcome::unknown("not written yet")
    }

    pub(super) async fn changed(&mut self) -> Outcome {
        std::future::pending().await
    }
}
