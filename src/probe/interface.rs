//! An interface that is up and has a carrier.
//!
//! Reads all links each interval, and hears of changes at once. Where changes cannot be heard of, the text says so.

use std::rc::Rc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Shared;
use super::blocking::Blocking;
use super::links::News;
use super::trace::Trace;
use crate::health::outcome::Outcome;
use crate::net::{LinkIndex, LinkName};
use crate::os::netlink::{self, Failure, Link};

#[derive(Debug)]
pub(super) struct Interface {
    name: LinkName,
    shared: Rc<Shared>,
    news: Option<Receiver<News>>,
    /// Why there is no news, if there is none.
    deaf: Option<String>,
    /// The number of the link with our name, as far as it is known.
    index: Option<LinkIndex>,
    /// Something happened that has not been told.
    owed: bool,
    reading: Blocking<Result<Vec<Link>, Failure>>,
}

impl Interface {
    pub(super) fn new(name: &LinkName, shared: &Rc<Shared>) -> Self {
        Interface {
            name: name.clone(),
            shared: Rc::clone(shared),
            news: None,
            deaf: None,
            index: None,
            owed: false,
            reading: Blocking::new(),
        }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        trace.enter("read");
        self.look().await
    }

    pub(super) async fn changed(&mut self) -> Outcome {
        loop {
            if self.owed {
                let outcome = self.look().await;
                self.owed = false;
                return outcome;
            }
            let Some(news) = &mut self.news else { return std::future::pending().await };
            match news.recv().await {
                Ok(News::Link(link)) if link.name == self.name => {
                    self.index = Some(link.index);
                    return self.verdict(Some(&link));
                }
                // Another name.
                Ok(News::Link(link)) if self.index == Some(link.index) => self.owed = true,
                Ok(News::Gone(index)) if self.index == Some(index) => self.owed = true,
                Ok(News::Link(_) | News::Gone(_)) => {}
                Ok(News::Lost) | Err(RecvError::Lagged(_)) => self.owed = true,
                Err(RecvError::Closed) => self.news = None,
            }
        }
    }

    async fn look(&mut self) -> Outcome {
        if self.news.is_none() {
            match self.shared.links.subscribe() {
                Ok(news) => (self.news, self.deaf) = (Some(news), None),
                Err(error) => self.deaf = Some(error.to_string()),
            }
        }
        match self.reading.run(netlink::read_links).await {
            Some(Ok(links)) => {
                let link = links.iter().find(|link| link.name == self.name);
                self.index = link.map(|link| link.index);
                self.verdict(link)
            }
            Some(Err(failure)) => {
                Outcome::unknown(format!("the kernel did not list its interfaces: {}", failure.text))
            }
            None => Outcome::unknown("the thread that reads interfaces ended"),
        }
    }

    fn verdict(&self, link: Option<&Link>) -> Outcome {
        let outcome = verdict(&self.name, link);
        match &self.deaf {
            Some(why) => {
                let text = format!("{} (changes are seen at each interval only: {why})", outcome.text);
                Outcome { text, ..outcome }
            }
            None => outcome,
        }
    }
}

fn verdict(name: &LinkName, link: Option<&Link>) -> Outcome {
    match link.map(|link| (link.up, link.carrier)) {
        None => Outcome::failed(format!("interface {name} does not exist")),
        Some((false, _)) => Outcome::failed(format!("interface {name} is down")),
        Some((true, false)) => {
            Outcome::failed(format!("interface {name} has no carrier: cable, switch port or peer is down"))
        }
        Some((true, true)) => Outcome::passed(format!("interface {name} is up and has a carrier")),
    }
}
