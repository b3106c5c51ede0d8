//! Probes: each looks at one thing once, within a time limit, and says what it saw.
//!
//! Owns: connections, processes and files for as long as a run takes; what must be told of changes between runs. Runs on
//! the services' thread, where nothing may block: what can block has a thread of its own. Never: counts outcomes or
//! decides anything; that is `health`. Cannot fail: whatever goes wrong is an outcome, with the reason in its text.

mod blocking;
pub mod command;
mod file;
mod http;
mod interface;
mod lines;
mod links;
mod net;
mod ping;
mod process;
mod processes;
mod script;
mod systemd;
mod tcp;
mod trace;
mod watch;

use std::rc::Rc;
use std::time::Duration;

use crate::bus::Bus;
use crate::config::model::{CheckConfig, Probe, UserName};
use crate::health::outcome::Outcome;
use crate::os::clock;
use trace::Trace;

pub use net::Net;

/// What all probes share.
#[derive(Debug)]
pub struct Shared {
    /// Who runs scripts that name nobody (`script_user`).
    pub script_user: UserName,
    /// Lookups under way and the system's certificate authorities.
    pub net: Net,
    /// The way to systemd.
    pub bus: Bus,
    launcher: command::Launcher,
    links: links::Links,
    files: watch::Files,
    processes: processes::Processes,
}

impl Shared {
    /// Nothing is opened before the first probe that needs it. `script_user` runs scripts that name nobody.
    #[must_use]
    pub fn new(script_user: UserName) -> Self {
        Self::with_bus(script_user, Bus::default())
    }

    /// The same, with a way to systemd that others use, too.
    #[must_use]
    pub fn with_bus(script_user: UserName, bus: Bus) -> Self {
        Shared {
            launcher: command::Launcher::new(script_user.clone()),
            script_user,
            net: Net::default(),
            bus,
            links: links::Links::default(),
            files: watch::Files::default(),
            processes: processes::Processes::default(),
        }
    }

    fn launcher(&self) -> &command::Launcher {
        &self.launcher
    }
}

/// One check's probe: what it keeps from run to run.
#[derive(Debug)]
pub struct Runner {
    kind: Kind,
    limit: Duration,
}

#[derive(Debug)]
enum Kind {
    Systemd(Box<systemd::Systemd>),
    Http(Box<http::Http>),
    Tcp(Box<tcp::Tcp>),
    Script(script::Script),
    Interface(interface::Interface),
    File(file::File),
    Process(process::Process),
    Ping(ping::Ping),
}

impl Runner {
    /// The probe of the check `name`. Touches nothing yet.
    #[must_use]
    pub fn new(name: &str, check: &CheckConfig, shared: &Rc<Shared>) -> Self {
        let kind = match &check.probe {
            Probe::Systemd(probe) => {
                Kind::Systemd(Box::new(systemd::Systemd::new(probe, check.timeout, shared)))
            }
            Probe::Http(probe) => Kind::Http(Box::new(http::Http::new(probe, check.timeout, shared))),
            Probe::Tcp(probe) => Kind::Tcp(Box::new(tcp::Tcp::new(probe, check.timeout, shared))),
            Probe::Script(probe) => Kind::Script(script::Script::new(name, probe, check.timeout, shared)),
            Probe::Interface(link) => Kind::Interface(interface::Interface::new(link, shared)),
            Probe::File(probe) => Kind::File(file::File::new(probe, shared)),
            Probe::Process(probe) => Kind::Process(process::Process::new(probe, check.interval, shared)),
            Probe::Ping(probe) => Kind::Ping(ping::Ping::new(probe, check.timeout)),
        };
        Runner { kind, limit: check.timeout }
    }

    /// Looks once. Ends within the check's time limit and a little; to drop it ends what was begun.
    pub async fn run(&mut self) -> Outcome {
        let trace = Trace::new();
        let began = clock::now();
        // A script that goes over its limit has to be ended, and keeps the limit itself.
        let limit = if matches!(self.kind, Kind::Script(_)) { Duration::MAX } else { self.limit };
        let looked = tokio::time::timeout(limit, self.kind.run(&trace)).await;
        let took = clock::now().since(began);
        let outcome = looked.unwrap_or_else(|_| {
            let doing = trace.open().map(|step| format!(" ({step})")).unwrap_or_default();
            Outcome::failed(format!("no answer within {}{doing}", span(self.limit)))
        });
        Outcome { took, phases: trace.finish(), ..outcome }
    }

    /// Waits until something changed, and says what it is now; for ever where nobody tells of changes. To drop the wait
    /// loses nothing.
    pub async fn changed(&mut self) -> Outcome {
        match &mut self.kind {
            Kind::Systemd(probe) => probe.changed().await,
            Kind::Interface(probe) => probe.changed().await,
            Kind::File(probe) => probe.changed().await,
            Kind::Process(probe) => probe.changed().await,
            Kind::Http(_) | Kind::Tcp(_) | Kind::Script(_) | Kind::Ping(_) => std::future::pending().await,
        }
    }
}

/// A time limit as people write it: whole seconds or milliseconds, else seconds with a fraction.
fn span(limit: Duration) -> String {
    let milliseconds = limit.as_millis();
    if milliseconds.is_multiple_of(1000) {
        format!("{} s", limit.as_secs())
    } else if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else {
        format!("{} s", f64::from(u32::try_from(milliseconds).unwrap_or(u32::MAX)) / 1000.0)
    }
}

impl Kind {
    async fn run(&mut self, trace: &Trace) -> Outcome {
        match self {
            Kind::Systemd(probe) => probe.run(trace).await,
            Kind::Http(probe) => probe.run(trace).await,
            Kind::Tcp(probe) => probe.run(trace).await,
            Kind::Script(probe) => probe.run(trace).await,
            Kind::Interface(probe) => probe.run(trace).await,
            Kind::File(probe) => probe.run(trace).await,
            Kind::Process(probe) => probe.run(trace).await,
            Kind::Ping(probe) => probe.run(trace).await,
        }
    }
}

#[cfg(test)]
mod tests;
