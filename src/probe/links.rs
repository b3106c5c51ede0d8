//! Hears of links for all interface checks: one socket, read by one task.
//!
//! Opened by the first check that needs it. Loses nothing in silence: where reports were lost, everybody is told to look.

use std::cell::RefCell;

use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::net::LinkIndex;
use crate::os::netlink::{Event, Link, Monitor};
use crate::os::{OsError, Readable};

/// Reports that a check may be behind; further ones make it look for itself.
const BEHIND: usize = 1024;

/// What happened to some link.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// It appeared or changed.
    Link(Link),
    /// It is gone.
    Gone(LinkIndex),
    /// Something was lost: look.
    Lost,
}

/// The socket, once somebody needs it.
#[derive(Debug, Default)]
pub(super) struct Links(RefCell<Option<Open>>);

#[derive(Debug)]
struct Open {
    news: broadcast::Sender<News>,
    task: JoinHandle<()>,
}

impl Links {
    /// From now on. Must be called on the thread of a [`tokio::task::LocalSet`].
    pub(super) fn subscribe(&self) -> Result<broadcast::Receiver<News>, OsError> {
        let mut open = self.0.borrow_mut();
        if let Some(open) = open.as_ref().filter(|open| !open.task.is_finished()) {
            return Ok(open.news.subscribe());
        }
        let monitor = Monitor::open()?;
        let readable = Readable::of(&monitor)?;
        let (news, receiver) = broadcast::channel(BEHIND);
        let task = tokio::task::spawn_local(listen(monitor, readable, news.clone()));
        *open = Some(Open { news, task });
        Ok(receiver)
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        if let Some(open) = self.0.get_mut() {
            open.task.abort();
        }
    }
}

async fn listen(mut monitor: Monitor, readable: Readable, news: broadcast::Sender<News>) {
    while let Ok(mut ready) = readable.ready().await {
        ready.clear_ready();
        loop {
            let mut some = false;
            let drained = monitor.drain(|event| {
                some = true;
                let of_link = match event {
                    Event::Link(link) => News::Link(link),
                    Event::LinkGone(index) => News::Gone(index),
                    Event::Address(_) | Event::AddressGone { .. } => return,
                };
                // Fails when nobody listens.
                let _ = news.send(of_link);
            });
            match drained {
                Ok(drained) if drained.overrun => {
                    let _ = news.send(News::Lost);
                }
                Ok(_) if !some => break,
                Ok(_) => {}
                Err(_) => {
                    let _ = news.send(News::Lost);
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}
