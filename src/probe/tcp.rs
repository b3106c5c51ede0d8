//! A TCP connection.

use std::rc::Rc;

use super::Shared;
use super::trace::Trace;
use crate::config::model::TcpProbe;
use crate::health::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Tcp;

impl Tcp {
    pub(super) fn new(_probe: &TcpProbe, _shared: &Rc<Shared>) -> Self {
        Tcp
    }

    #[expect(clippy::unused_async, reason = "not written yet")]
    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("nothing");
        Outcome::unknown("not written yet")
    }
}
