//! What news are in the words of `sd_notify(3)`. A value: takes news, answers with what is to be sent.

use std::time::Duration;

use super::{News, Reload};

/// One assignment of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `READY=1`.
    Ready,
    /// `RELOADING=1` with `MONOTONIC_USEC=`.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `EXTEND_TIMEOUT_USEC=`.
    Extend(Duration),
    /// `STATUS=`.
    Status(String),
    /// `WATCHDOG=1`.
    Alive,
}

/// What systemd knows.
#[derive(Debug, Default)]
pub(super) struct Voice {
    ready: bool,
    leaving: bool,
    reloading: bool,
    summary: String,
    /// Why the last reload was refused.
    refused: Option<String>,
    status: String,
}

impl Voice {
    /// Whether it has been said that the agent serves.
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// What is to be sent for the news, as one message; nothing when systemd knows it all.
    pub(super) fn speak(&mut self, news: News) -> Vec<Said> {
        let News { ready, summary, leaving, reload } = news;
        let mut said = Vec::new();
        if let Some(summary) = summary {
            self.summary = summary;
        }
        if ready && !self.ready {
            self.ready = true;
            said.push(Said::Ready);
        }
        match reload {
            // To systemd, one that does not serve yet, or leaves, is not reloading.
            Some(Reload::Begun) if self.ready && !self.leaving => {
                self.reloading = true;
                said.push(Said::Reloading);
            }
            Some(Reload::Ended(refused)) => {
                self.refused = refused;
                if std::mem::take(&mut self.reloading) && !self.leaving {
                    said.push(Said::Ready);
                }
            }
            Some(Reload::Begun) | None => {}
        }
        if let Some(limit) = leaving {
            self.leaving = true;
            said.extend([Said::Stopping, Said::Extend(limit)]);
        }
        let status = self.line();
        if status != self.status {
            self.status.clone_from(&status);
            said.push(Said::Status(status));
        }
        said
    }

    fn line(&self) -> String {
        let mut line = self.summary.clone();
        if self.reloading {
            line.push_str("; reloading");
        } else if let Some(why) = &self.refused {
            line.push_str("; THE LAST RELOAD WAS REFUSED: ");
            line.push_str(why);
        }
        // A message has a line for each assignment.
        line.replace(|c: char| c.is_control(), " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> News {
        News { summary: Some(text.to_owned()), ..News::default() }
    }

    fn reload(reload: Reload) -> News {
        News { reload: Some(reload), ..News::default() }
    }

    fn status(text: &str) -> Said {
        Said::Status(text.to_owned())
    }

    #[test]
    fn readiness_comes_once_and_the_status_when_it_is_another() {
        let mut voice = Voice::default();
        let ready = || News { ready: true, ..summary("web BACKUP") };
        assert_eq!(voice.speak(ready()), [Said::Ready, status("web BACKUP")]);
        assert_eq!(voice.speak(ready()), []);
        assert_eq!(voice.speak(summary("web\nMASTER")), [status("web MASTER")]);
        assert_eq!(voice.speak(News::default()), []);
    }

    #[test]
    fn a_reload_ends_in_ready_and_says_when_it_was_refused() {
        let mut voice = Voice::default();
        voice.speak(News { ready: true, ..summary("web MASTER") });
        assert_eq!(voice.speak(reload(Reload::Begun)), [Said::Reloading, status("web MASTER; reloading")]);
        let refused = Some("line 7: no".to_owned());
        let line = "web MASTER; THE LAST RELOAD WAS REFUSED: line 7: no";
        assert_eq!(voice.speak(reload(Reload::Ended(refused))), [Said::Ready, status(line)]);
        voice.speak(reload(Reload::Begun));
        assert_eq!(voice.speak(reload(Reload::Ended(None))), [Said::Ready, status("web MASTER")]);
        // Its beginning was not told.
        assert_eq!(voice.speak(reload(Reload::Ended(None))), []);
    }

    #[test]
    fn who_leaves_says_how_long_that_takes_and_is_ready_no_more() {
        let mut voice = Voice::default();
        voice.speak(News { ready: true, ..summary("web MASTER") });
        voice.speak(reload(Reload::Begun));
        let limit = Duration::from_secs(9);
        let leaving = News { leaving: Some(limit), ..summary("leaving: web MASTER") };
        let line = "leaving: web MASTER; reloading";
        assert_eq!(voice.speak(leaving), [Said::Stopping, Said::Extend(limit), status(line)]);
        assert_eq!(voice.speak(reload(Reload::Ended(None))), [status("leaving: web MASTER")]);
        assert_eq!(voice.speak(reload(Reload::Begun)), []);
    }
}
