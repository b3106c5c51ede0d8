//! What systemd has not been told yet, in the order in which it is to hear it. A value: what could not be sent stays, of
//! statuses the newest, of a reload that began and ended meanwhile nothing, so it never holds more than a few words.

use super::voice::Said;

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    states: Vec<Said>,
    status: Option<Said>,
}

impl Outbox {
    /// Takes what is new.
    pub(super) fn put(&mut self, said: Vec<Said>) {
        for said in said {
            let last = self.states.last();
            match said {
                Said::Status(_) => self.status = Some(said),
                // systemd did not hear that it began.
                Said::Ready if last == Some(&Said::Reloading) => drop(self.states.pop()),
                Said::Ready | Said::Reloading if last == Some(&said) => {}
                Said::Stopping => {
                    self.states.retain(|said| !matches!(said, Said::Stopping | Said::Extend(_)));
                    self.states.push(said);
                }
                Said::Ready | Said::Reloading | Said::Extend(_) => self.states.push(said),
                // Proof of life is not for later.
                Said::Alive => {}
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.status.is_none()
    }

    /// The next message. One has no more than one state, which systemd would not take for one after the other.
    pub(super) fn next(&self) -> Vec<Said> {
        let count = self.count();
        let status = self.status.iter().filter(|_| count == self.states.len());
        self.states.iter().take(count).chain(status).cloned().collect()
    }

    /// It was sent.
    pub(super) fn sent(&mut self) {
        let count = self.count();
        if count == self.states.len() {
            self.status = None;
        }
        self.states.drain(..count);
    }

    /// States of the next message: how long the end takes belongs to the end.
    fn count(&self) -> usize {
        match self.states.as_slice() {
            [Said::Stopping, Said::Extend(_), ..] => 2,
            states => states.len().min(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(text: &str) -> Said {
        Said::Status(text.to_owned())
    }

    /// All messages, as if each were sent.
    fn messages(outbox: &mut Outbox) -> Vec<Vec<Said>> {
        let mut messages = Vec::new();
        while !outbox.is_empty() {
            messages.push(outbox.next());
            outbox.sent();
        }
        messages
    }

    #[test]
    fn what_was_not_heard_is_said_again_with_the_newest_status() {
        let mut outbox = Outbox::default();
        outbox.put(vec![Said::Ready, status("web BACKUP")]);
        assert_eq!(outbox.next(), [Said::Ready, status("web BACKUP")]);
        outbox.put(vec![status("web MASTER"), Said::Alive]);
        assert_eq!(outbox.next(), [Said::Ready, status("web MASTER")], "it was not sent");
        outbox.sent();
        assert!(outbox.is_empty());
    }

    #[test]
    fn states_come_one_by_one_in_their_order() {
        let limit = Said::Extend(Duration::from_secs(9));
        let mut outbox = Outbox::default();
        outbox.put(vec![Said::Ready, status("web MASTER")]);
        outbox.put(vec![Said::Reloading, status("web MASTER; reloading")]);
        outbox.put(vec![Said::Stopping, Said::Extend(Duration::from_secs(1))]);
        outbox.put(vec![Said::Stopping, limit.clone(), status("leaving")]);
        let all = [vec![Said::Ready], vec![Said::Reloading], vec![Said::Stopping, limit, status("leaving")]];
        assert_eq!(messages(&mut outbox), all);
    }

    #[test]
    fn a_reload_of_which_nothing_was_heard_is_not_told_and_one_that_began_is_ended() {
        let mut outbox = Outbox::default();
        outbox.put(vec![Said::Ready, status("web BACKUP")]);
        for _ in 0..3 {
            outbox.put(vec![Said::Reloading, status("web BACKUP; reloading")]);
            outbox.put(vec![Said::Ready, status("web MASTER")]);
        }
        assert_eq!(messages(&mut outbox), [[Said::Ready, status("web MASTER")]]);
        outbox.put(vec![Said::Reloading]);
        outbox.sent();
        for said in [Said::Ready, Said::Reloading, Said::Ready] {
            outbox.put(vec![said]);
        }
        assert_eq!(messages(&mut outbox), [[Said::Ready]]);
    }
}
