//! Standing aside while the host goes: what logind tells, on its way to the engine, and the log's part of that.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::watch;

use super::board::Board;
use crate::bus::logind::{self, Told};
use crate::daemon::log::Log;
use crate::observe::notice::Notice;

/// Follows logind for ever; `done` changes when the agent has stood aside.
pub(super) async fn follow(board: Arc<Board>, done: watch::Receiver<u64>, log: Log) {
    let said = RefCell::new(Said::default());
    logind::follow(
        move |told| {
            if let Told::Going(going) = told {
                board.stand_aside(going);
            } else if let Some(notice) = said.borrow_mut().notice(told) {
                log.tell(notice);
            }
        },
        done,
    )
    .await;
}

/// What the log has of this: changes, and not each attempt.
#[derive(Debug, Default)]
struct Said {
    alone: bool,
}

impl Said {
    fn notice(&mut self, told: Told) -> Option<Notice> {
        match told {
            Told::Alone(why) if !self.alone => {
                self.alone = true;
                Some(Notice::NotHeardAhead { why })
            }
            Told::Waits if self.alone => {
                self.alone = false;
                Some(Notice::HeardAhead)
            }
            Told::Alone(_) | Told::Waits | Told::Going(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_changes_and_not_each_attempt() {
        let mut said = Said::default();
        let alone = || Told::Alone("no bus".to_owned());
        assert_eq!(said.notice(Told::Waits), None, "as it should be");
        assert_eq!(said.notice(alone()), Some(Notice::NotHeardAhead { why: "no bus".to_owned() }));
        assert_eq!(said.notice(alone()), None);
        assert_eq!(said.notice(Told::Waits), Some(Notice::HeardAhead));
        assert_eq!(said.notice(Told::Waits), None);
        assert!(said.notice(alone()).is_some());
    }
}
