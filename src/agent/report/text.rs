//! The texts of reports: what happened, why, and where it helps what to do.

use super::Report;

impl Report {
    /// The text of the log line, without the name of the instance.
    pub(super) fn text(&self) -> String {
        match self {
            Report::Transition { state, reason, .. } => format!("Entering {state} state: {reason}"),
            Report::NewMaster { peer, priority, before: 0, .. } => {
                format!("{peer} is MASTER with priority {priority}")
            }
            Report::NewMaster { peer, priority, before, .. } => format!(
                "{peer} is MASTER with priority {priority}; {before} changes of the master before that are not told: \
                 several routers take turns"
            ),
            Report::Contested { peer, priority, count, .. } => format!(
                "{peer} claims the addresses too, with priority {priority} (advert {count} of this kind): keeping and \
                 announcing them; if this goes on, {peer} does not hear our adverts"
            ),
            Report::Trouble { peer, trouble, count, .. } => format!("{peer}: {trouble} (seen {count}×)"),
            Report::ChecksumForm { peer, form, .. } => {
                format!("sending checksums of form {form} from now on, as {peer} does")
            }
            Report::AddressRestored { address, .. } => {
                format!("{address} was removed by somebody: putting it back")
            }
            Report::SourceGone { subject, address, patience } => format!(
                "{address}, which its adverts come from, is not on {} any more: waiting {} s for it before that is a fault",
                subject.interface,
                patience.as_secs_f64()
            ),
            Report::AddressRefused { address, text, attempts, again, .. } => {
                let next = if *again { "trying again" } else { "giving up" };
                format!("the kernel refused to add {address} (attempt {attempts}): {text}; {next}")
            }
            Report::LeaseNotRenewed { address, text, left, again, .. } => {
                let left = left.map_or_else(String::new, |left| {
                    format!("; the kernel takes it away in {:.1} s", left.as_secs_f64())
                });
                let so_far = if *again { "still cannot be renewed" } else { "could not be renewed" };
                format!("the lease of {address} {so_far}: {text}{left} unless that succeeds; trying again")
            }
            Report::AddressStuck { address, interface, text, .. } => {
                format!("the kernel refused to remove {address} from {interface}: {text}")
            }
            Report::LeftoverRemoved { address, interface, .. } => {
                format!("{address} on {interface} was left behind by an agent that died: removing it")
            }
            Report::ForeignAddress { address, .. } => format!(
                "{address} is on the interface, but failover did not put it there: it will not be removed, and two hosts \
                 may answer for it"
            ),
            Report::NotOwner { address, .. } => format!(
                "priority 255 is for the router whose own addresses these are, but {address} is not on the interface: adding \
                 it; unless that is meant, set a priority of 254 at most"
            ),
            Report::SocketRefused { interface, family, text, .. } => {
                format!("no {family} VRRP socket on {interface}: {text}; trying again every 5 s")
            }
            Report::SendFailed { interface, family, text, count, .. } => {
                format!("{family} adverts cannot be sent on {interface}: {text} (seen {count}×)")
            }
            Report::EventsMissed { count } => {
                format!("events of the kernel were lost: reading links and addresses afresh (seen {count}×)")
            }
            Report::Configured { instances: 1 } => "configured with 1 instance".to_owned(),
            Report::Configured { instances } => format!("configured with {instances} instances"),
            Report::Reconfigured(counts) => format!("took another configuration: {counts}"),
            Report::Around(around) => around.text(),
            Report::Planned(planned) => planned.text(),
            Report::Stopping => "stopping: handing over and taking the addresses away".to_owned(),
            Report::Stopped { left: 0 } => "stopped, no address left behind".to_owned(),
            Report::Stopped { left } => format!(
                "stopped, but {left} addresses could not be taken away in time: see `ip address`, they carry protocol 112"
            ),
        }
    }
}
