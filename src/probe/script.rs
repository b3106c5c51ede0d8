//! The exit status of a command.
//!
//! Owns the run that is going on, and after its time limit what is left of it. Never two at once: a run that is asked for
//! while the one before is still dying is a failure that says so.

use std::rc::Rc;
use std::time::Duration;

use super::Shared;
use super::command::{Ended, Ending, Job, Run};
use super::trace::Trace;
use crate::config::model::ScriptProbe;
use crate::health::outcome::{Finding, Outcome};

/// How long what was told to end is waited for before that is a failure: most programs need no longer.
const MOMENT: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Script {
    job: Job,
    shared: Rc<Shared>,
    /// The run that went over its limit, until it is gone.
    dying: Option<Run>,
}

impl Script {
    pub(super) fn new(name: &str, probe: &ScriptProbe, limit: Duration, shared: &Rc<Shared>) -> Self {
        let variables = probe.env.iter().map(|(name, value)| (name.clone(), value.0.clone()));
        let environment = variables.chain([("FAILOVER_CHECK".to_owned(), name.to_owned())]).collect();
        let job = Job {
            command: probe.command.clone(),
            arguments: Vec::new(),
            environment,
            user: probe.user.clone(),
            limit,
            sweep: true,
        };
        Script { job, shared: Rc::clone(shared), dying: None }
    }

    /// Keeps its time limit itself. To drop it kills what was started.
    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        if let Some(run) = &mut self.dying {
            let _ = tokio::time::timeout(MOMENT, run.gone()).await;
        }
        if self.dying.take_if(|run| run.is_gone()).is_none() && self.dying.is_some() {
            let program = self.job.command.program.display();
            return Outcome::failed(format!("not run: {program} of the run before has not ended yet"));
        }
        trace.enter("run");
        let mut run = self.shared.launcher().begin(self.job.clone());
        let Some(ended) = run.ended().await else {
            return Outcome::unknown("the run was given up");
        };
        if ended.ending == Ending::Limit {
            self.dying = Some(run);
        }
        outcome(ended, self.job.limit)
    }
}

fn outcome(ended: Ended, limit: Duration) -> Outcome {
    let (finding, mut text) = match ended.ending {
        Ending::Exit(0) => (Finding::Passed, "exit status 0".to_owned()),
        Ending::Exit(code) => (Finding::Failed, format!("exit status {code}")),
        Ending::Otherwise(text) => (Finding::Failed, text),
        Ending::Limit => (Finding::Failed, format!("no answer within {}", super::span(limit))),
        Ending::Refused(text) => (Finding::Failed, text),
    };
    if let Some(line) = ended.output.first() {
        text = format!("{text}: {line}");
    }
    Outcome { output: ended.output, ..Outcome::new(finding, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_with_the_first_line() {
        let second = Duration::from_secs(1);
        for (ending, output, finding, text) in [
            (Ending::Exit(0), vec![], Finding::Passed, "exit status 0"),
            (Ending::Exit(0), vec!["fine"], Finding::Passed, "exit status 0: fine"),
            (Ending::Exit(2), vec!["bad", "worse"], Finding::Failed, "exit status 2: bad"),
            (Ending::Otherwise("killed by SIGSEGV".into()), vec![], Finding::Failed, "killed by SIGSEGV"),
            (Ending::Limit, vec!["at work"], Finding::Failed, "no answer within 1 s: at work"),
            (Ending::Refused("/x does not exist".into()), vec![], Finding::Failed, "/x does not exist"),
        ] {
            let output: Vec<String> = output.into_iter().map(str::to_owned).collect();
            let told = outcome(Ended { ending, output: output.clone(), took: second }, second);
            assert_eq!((told.finding, told.text.as_str(), told.output), (finding, text, output));
        }
    }
}
