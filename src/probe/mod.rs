//! Probes: each looks at one thing once, within a time limit, and says what it saw.
//!
//! Owns: connections, processes and files for as long as a run takes; what must be told of changes between runs. Runs on
//! the services' thread, where nothing may block: what can block has a thread of its own. Never: counts outcomes or
//! decides anything; that is `health`. Cannot fail: whatever goes wrong is an outcome, with the reason in its text.

mod file;
mod http;
mod interface;
mod ping;
mod process;
mod script;
mod systemd;
mod tcp;
mod trace;

use std::rc::Rc;
use std::time::Duration;

use crate::bus::Bus;
use crate::config::model::{CheckConfig, Probe, UserName};
use crate::health::outcome::Outcome;
use crate::os::clock;
use trace::Trace;

/// What all probes share.
#[derive(Debug)]
pub struct Shared {
    /// Who runs scripts that name nobody (`script_user`).
    pub script_user: UserName,
    /// The way to systemd.
    pub bus: Bus,
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
    Http(http::Http),
    Tcp(tcp::Tcp),
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
            Probe::Http(probe) => Kind::Http(http::Http::new(probe, shared)),
            Probe::Tcp(probe) => Kind::Tcp(tcp::Tcp::new(probe, shared)),
            Probe::Script(probe) => Kind::Script(script::Script::new(name, probe, check.timeout, shared)),
            Probe::Interface(link) => Kind::Interface(interface::Interface::new(link, shared)),
            Probe::File(probe) => Kind::File(file::File::new(probe)),
            Probe::Process(probe) => Kind::Process(process::Process::new(probe)),
            Probe::Ping(probe) => Kind::Ping(ping::Ping::new(probe)),
        };
        Runner { kind, limit: check.timeout }
    }

    /// Looks once. Ends within the check's time limit and a little; to drop it ends what was begun.
    pub async fn run(&mut self) -> Outcome {
        let trace = Trace::new();
        let began = clock::now();
        let looked = tokio::time::timeout(self.limit, self.kind.run(&trace)).await;
        let took = clock::now().since(began);
        let outcome = looked.unwrap_or_else(|_| {
            let doing = trace.open().map(|step| format!(" ({step})")).unwrap_or_default();
            Outcome::failed(format!("no answer within {:?}{doing}", self.limit))
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
