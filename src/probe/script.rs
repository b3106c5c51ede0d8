//! The exit status of a command.

use std::rc::Rc;

use super::Shared;
use super::trace::Trace;
use crate::config::model::ScriptProbe;
use crate::health::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Script;

impl Script {
    pub(super) fn new(
        _name: &str,
        _probe: &ScriptProbe,
        _limit: std::time::Duration,
        _shared: &Rc<Shared>,
    ) -> Self {
        Script
    }

    #[expect(clippy::unused_async, reason = "not written yet")]
    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("nothing");
        Outcome::unknown("not written yet")
    }
}
