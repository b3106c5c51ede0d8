//! ICMP echo.

use super::trace::Trace;
use crate::config::model::PingProbe;
use crate::health::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Ping;

impl Ping {
    pub(super) fn new(_probe: &PingProbe) -> Self {
        Ping
    }

    #[expect(clippy::unused_async, reason = "not written yet")]
    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("nothing");
        Outcome::unknown("not written yet")
    }
}
