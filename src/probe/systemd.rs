//! The state of a unit of systemd.

use std::rc::Rc;

use super::Shared;
use super::trace::Trace;
use crate::config::model::SystemdProbe;
use crate::health::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Systemd;

impl Systemd {
    pub(super) fn new(_probe: &SystemdProbe, _shared: &Rc<Shared>) -> Self {
        Systemd
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
