//! `failover release`: takes away the addresses that an agent left on this host, known by their mark, and nothing else.
//!
//! Owns: whether that is to be done after a service, which depends on how it ended. Fails when an agent runs, without the
//! privilege, and where the kernel keeps an address.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use tokio::runtime::Builder;

use super::{Exit, Failure, output};
use crate::bus::job_of_caller;
use crate::daemon::{self, Release, ReleaseError};
use crate::os::process;

/// How long systemd may take to say what it is about to do.
const PATIENCE: Duration = Duration::from_secs(2);
/// Exit status of an agent that is not started again: its configuration is invalid.
const NO_RESTART: &str = "78";

/// Take away the addresses that an agent left on this host, known by their mark
///
/// Refused while an agent runs: stop that, and it takes its addresses away itself.
#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// Leave the addresses where systemd starts the agent again; for `ExecStopPost=` of its service
    #[arg(long)]
    after_service: bool,
}

pub(super) fn run(args: &ReleaseArgs) -> Result<Exit, Failure> {
    if args.after_service {
        let ended = Ended::of_environment().ok_or_else(|| {
            let text = "--after-service is for ExecStopPost= of a systemd service: $SERVICE_RESULT is not set\n  \
                        leave it out to take the addresses away in any case";
            Failure::new(text)
        })?;
        let next = decide(&ended, ask_systemd);
        if let Next::Leave(because) = next {
            output::complain(&format!("leaving the addresses: {because}"));
            return Ok(Exit::Fine);
        }
    }
    if !process::has_capability(process::NET_ADMIN) {
        let text = "missing privilege: CAP_NET_ADMIN\n  run it as root, or as the agent's service does";
        return Err(Failure::new(text));
    }
    match daemon::release() {
        Ok(release) => tell(&release),
        // Nothing that a service's end can mend: the next start does what can be done.
        Err(error @ ReleaseError::NoMarks(_)) if args.after_service => {
            output::complain(&error.to_string());
            Ok(Exit::Fine)
        }
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

fn tell(release: &Release) -> Result<Exit, Failure> {
    if let Some(why) = &release.unsure {
        output::complain(&format!("cannot tell whether an agent runs in this network namespace: {why}"));
    }
    let mut gone = String::new();
    let mut stuck = 0;
    for removed in &release.addresses {
        match &removed.outcome {
            Ok(()) => {
                let _ = writeln!(gone, "{} on {}", removed.prefix, removed.interface);
            }
            Err(failure) => {
                stuck += 1;
                let (prefix, interface, text) = (removed.prefix, &removed.interface, &failure.text);
                output::complain(&format!("the kernel refused to remove {prefix} from {interface}: {text}"));
            }
        }
    }
    output::answer(&gone)?;
    if stuck == 0 { Ok(Exit::Fine) } else { Ok(Exit::Failed) }
}

/// How a service ended, as systemd tells its `ExecStopPost=` (systemd.exec(5)).
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    /// `$SERVICE_RESULT`: `success`, `exit-code`, `signal`, `watchdog`, …
    result: String,
    /// `$EXIT_CODE`: `exited`, `killed` or `dumped`.
    code: String,
    /// `$EXIT_STATUS`: a number, or the name of a signal.
    status: String,
}

impl Ended {
    fn of_environment() -> Option<Self> {
        let read = |name| std::env::var(name).unwrap_or_default();
        let ended =
            Ended { result: read("SERVICE_RESULT"), code: read("EXIT_CODE"), status: read("EXIT_STATUS") };
        (!ended.result.is_empty()).then_some(ended)
    }
}

/// What to do after the end of a service.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The agent is not coming back.
    Take,
    /// It is, or it may be.
    Leave(String),
}

/// With `Restart=on-failure` and `RestartPreventExitStatus=78`, as the unit has them, systemd starts a service that
/// failed again, unless it was told to stop it: `job` says what it is told. Who comes back finds its addresses; if it
/// does not, their lease ends.
fn decide(ended: &Ended, job: impl FnOnce() -> Result<Option<String>, String>) -> Next {
    if ended.result == "success" || (ended.code == "exited" && ended.status == NO_RESTART) {
        return Next::Take;
    }
    match job() {
        Ok(Some(kind)) if kind == "stop" => Next::Take,
        Ok(_) => Next::Leave(format!("systemd starts the agent again after this end ({})", ended.result)),
        Err(why) => Next::Leave(format!("systemd may start the agent again ({}), but {why}", ended.result)),
    }
}

/// What systemd is told to do with the service that this runs for.
fn ask_systemd() -> Result<Option<String>, String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let answer = runtime.block_on(job_of_caller(PATIENCE));
    runtime.shutdown_background();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(result: &str, code: &str, status: &str, job: Result<Option<&str>, &str>) -> Next {
        let ended = Ended { result: result.to_owned(), code: code.to_owned(), status: status.to_owned() };
        decide(&ended, || job.map(|job| job.map(str::to_owned)).map_err(str::to_owned))
    }

    fn leaves(next: &Next) -> bool {
        matches!(next, Next::Leave(_))
    }

    #[test]
    fn what_is_not_started_again_leaves_nothing() {
        let unasked = Err("nobody is to be asked");
        assert_eq!(next("success", "exited", "0", unasked), Next::Take);
        assert_eq!(next("success", "killed", "TERM", unasked), Next::Take);
        assert_eq!(next("exit-code", "exited", "78", unasked), Next::Take, "the configuration is invalid");
    }

    #[test]
    fn what_is_started_again_finds_its_addresses() {
        for (result, code, status) in [
            ("signal", "killed", "KILL"),
            ("core-dump", "dumped", "SEGV"),
            ("watchdog", "dumped", "ABRT"),
            ("watchdog", "killed", "KILL"),
            ("exit-code", "exited", "1"),
            ("oom-kill", "killed", "KILL"),
            ("timeout", "killed", "KILL"),
            // No exit status, though it looks like one.
            ("signal", "killed", "78"),
        ] {
            for job in [Ok(None), Ok(Some("restart")), Ok(Some("start")), Err("no bus")] {
                assert!(leaves(&next(result, code, status, job)), "{result} {job:?}");
            }
            assert_eq!(next(result, code, status, Ok(Some("stop"))), Next::Take, "{result}");
        }
    }

    #[test]
    fn who_leaves_them_says_why() {
        let Next::Leave(why) = next("signal", "killed", "KILL", Err("no bus")) else { panic!("took them") };
        assert_eq!(why, "systemd may start the agent again (signal), but no bus");
    }
}
