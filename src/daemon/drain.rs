//! Requests to drain instances and to let them compete again: asked of the engine, and answered when that is remembered.

use std::collections::BTreeSet;
use std::time::Duration;

use super::engine::Query;
use super::reload::{Answer, Reloader, Ticket};
use crate::observe::notice::Notice;

/// How long remembering may take.
const WRITTEN_LIMIT: Duration = Duration::from_secs(5);

/// Instances that were asked about, and how long what was asked takes at most.
pub(super) type Concerned = Result<(BTreeSet<String>, Duration), String>;

impl Reloader {
    /// Has these instances hand over and not compete, until they are told otherwise; all for no names. Unless `force`,
    /// that is refused where nobody was ever heard who could take over, and taken back where nobody does.
    pub(super) fn drain(&self, names: &[String], force: bool) -> Answer {
        let names = names.to_vec();
        match self.ask(&Ticket::default(), |reply, ticket| Query::Drain { names, force, reply, ticket }) {
            Ok(Ok((instances, limit))) => Answer::Drained {
                instances: instances.into_iter().collect(),
                limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                note: self.remembered(),
            },
            Ok(Err(why)) => Answer::Refused { why },
            Err(why) => Answer::Failed { why },
        }
    }

    /// Has these instances compete again; all for no names.
    pub(super) fn undrain(&self, names: &[String]) -> Answer {
        let names = names.to_vec();
        match self.ask(&Ticket::default(), |reply, ticket| Query::Undrain { names, reply, ticket }) {
            Ok(Ok((instances, _))) => {
                Answer::Undrained { instances: instances.into_iter().collect(), note: self.remembered() }
            }
            Ok(Err(why)) => Answer::Refused { why },
            Err(why) => Answer::Failed { why },
        }
    }

    /// Waits until it is remembered; what is to be said if it is not.
    fn remembered(&self) -> Option<String> {
        let why = self.drains.written(WRITTEN_LIMIT).err()?;
        let notice = Notice::DrainsUnwritten { why };
        let note = notice.message();
        self.log.tell(notice);
        Some(note)
    }
}
