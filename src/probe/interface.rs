//! An interface that is up and has a carrier.

use std::rc::Rc;

use super::Shared;
use super::trace::Trace;
use crate::health::outcome::Outcome;
use crate::net::LinkName;

#[derive(Debug)]
pub(super) struct Interface;

impl Interface {
    pub(super) fn new(_link: &LinkName, _shared: &Rc<Shared>) -> Self {
        Interface
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
