//! The answer to an HTTP request.

use std::rc::Rc;

use super::Shared;
use super::trace::Trace;
use crate::config::model::HttpProbe;
use crate::health::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Http;

impl Http {
    pub(super) fn new(_probe: &HttpProbe, _shared: &Rc<Shared>) -> Self {
        Http
    }

    #[expect(clippy::unused_async, reason = "not written yet")]
    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("nothing");
        Outcome::unknown("not written yet")
    }
}
