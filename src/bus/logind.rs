//! logind: to hear ahead when this host is about to shut down or to sleep, and to have it wait a moment.
//!
//! Owns a connection of its own, made again when it is lost, and the delay locks, which are given back as soon as the host
//! may go. Never: starts a logind that does not run, or decides what is done meanwhile. Fails softly: what cannot be had is
//! told with the reason, and asked for again.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{Message, MessageStream, OwnedFd, OwnedVariant};

use super::link::{DBUS, Link, PROPERTIES};
use super::{NOWHERE, Trouble, system_bus};
use crate::os::clock;

/// logind's name on the bus, its object and the interface of that.
const LOGIND: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";

/// The first delay before another connection, and the longest.
const DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// Time before locks that were refused are asked for again.
const AGAIN: Duration = Duration::from_mins(1);
/// A host that neither went nor said that it stays, and has been out of reach for so long, stays.
const LOST: Duration = Duration::from_mins(1);

/// What is to be told by the bus.
const RULES: [&str; 3] = [
    "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
     interface='org.freedesktop.login1.Manager',member='PrepareForShutdown'",
    "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
     interface='org.freedesktop.login1.Manager',member='PrepareForSleep'",
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',\
     arg0='org.freedesktop.login1'",
];

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The host is about to go (`true`), or goes on.
    Going(bool),
    /// logind waits for us when it goes.
    Waits,
    /// It does not; why.
    Alone(String),
}

/// Follows logind for ever, if there is a bus to do so by. `done` changes when everything is done for a host that is going:
/// then it may go. To be called within a `LocalSet`.
pub async fn follow(tell: impl Fn(Told), done: watch::Receiver<u64>) {
    let address = system_bus();
    if address.is_empty() {
        return tell(Told::Alone(NOWHERE.to_owned()));
    }
    let mut going = Going { tell, done, shutdown: false, sleep: false };
    let mut delay = DELAYS.0;
    let mut lost = clock::now();
    loop {
        let began = clock::now();
        let (why, connected) = match Link::connect(&address).await {
            Ok(link) => (attend(&link, &mut going).await, true),
            Err(why) => (why, false),
        };
        (going.tell)(Told::Alone(why));
        let now = clock::now();
        if connected {
            lost = now;
        }
        if now.since(began) > GOOD {
            delay = DELAYS.0;
        }
        if now.since(lost) > LOST {
            going.set(false, false);
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(DELAYS.1);
    }
}

/// Whether the host is going, and who is to know.
struct Going<T> {
    tell: T,
    done: watch::Receiver<u64>,
    shutdown: bool,
    sleep: bool,
}

impl<T: Fn(Told)> Going<T> {
    fn is(&self) -> bool {
        self.shutdown || self.sleep
    }

    fn set(&mut self, shutdown: bool, sleep: bool) {
        let before = self.is();
        (self.shutdown, self.sleep) = (shutdown, sleep);
        if self.is() != before {
            // What was done before this is for another time.
            self.done.mark_unchanged();
            (self.tell)(Told::Going(self.is()));
        }
    }
}

/// What came of one message.
enum News {
    /// logind came, went, or is another one.
    Owner(Option<String>),
    Shutdown(bool),
    Sleep(bool),
}

/// Serves until the connection ends; why it did.
async fn attend<T: Fn(Told)>(link: &Link, going: &mut Going<T>) -> String {
    match serve(link, going).await {
        Ok(why) => why,
        Err(trouble) => trouble.to_string(),
    }
}

async fn serve<T: Fn(Told)>(link: &Link, going: &mut Going<T>) -> Result<String, Trouble> {
    let mut stream = MessageStream::from(&link.connection);
    for rule in RULES {
        link.call_bus::<_, ()>("AddMatch", &rule).await?;
    }
    let there: bool = link.call_bus("NameHasOwner", &LOGIND).await?;
    let mut owner: Option<String> =
        if there { Some(link.call_bus("GetNameOwner", &LOGIND).await?) } else { None };
    let mut locks = Vec::new();
    let mut taking: Option<Taking<'_>> = None;
    let (mut joined, mut refused) = (false, false);
    loop {
        if owner.is_some() && !joined {
            joined = true;
            going.set(asked(link, "PreparingForShutdown").await?, asked(link, "PreparingForSleep").await?);
        } else if owner.is_none() {
            (going.tell)(Told::Alone("logind does not run".to_owned()));
        }
        let lacking = owner.is_some() && locks.is_empty() && !going.is();
        if lacking && !refused && taking.is_none() {
            taking = Some(Box::pin(take(link)));
        }
        tokio::select! {
            news = heard(&mut stream, owner.as_deref()) => match news? {
                News::Owner(now) => {
                    (owner, joined, refused) = (now, false, false);
                    locks.clear();
                    taking = None;
                }
                News::Shutdown(begins) => going.set(begins, going.sleep),
                News::Sleep(begins) => going.set(going.shutdown, begins),
            },
            // The host may go. The sender lives as long as this.
            _ = going.done.changed(), if going.is() && !locks.is_empty() => locks.clear(),
            // Also while the host is going by now: logind waits for a lock that it gave just before it said so.
            taken = answered(&mut taking), if taking.is_some() => {
                taking = None;
                match taken {
                    Ok(taken) => {
                        locks = taken;
                        (going.tell)(Told::Waits);
                    }
                    // It gives none any more while the host goes, and is asked again when that is over.
                    Err(_) if going.is() => {}
                    Err(trouble) => {
                        refused = true;
                        (going.tell)(Told::Alone(trouble.to_string()));
                    }
                }
            },
            () = tokio::time::sleep(AGAIN), if lacking && refused => refused = false,
        }
    }
}

/// Locks that are asked for.
type Taking<'l> = Pin<Box<dyn Future<Output = Result<Vec<OwnedFd>, Trouble>> + 'l>>;

/// What comes of that; never, where none are asked for.
async fn answered(taking: &mut Option<Taking<'_>>) -> Result<Vec<OwnedFd>, Trouble> {
    match taking {
        Some(taking) => taking.await,
        None => pending().await,
    }
}

async fn next(stream: &mut MessageStream) -> Result<Message, Trouble> {
    match poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await {
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(Trouble::Away(format!("the connection was lost: {error}"))),
        None => Err(Trouble::Away("the connection was closed".to_owned())),
    }
}

/// The next news. Answers to calls come by the same stream, and are none.
async fn heard(stream: &mut MessageStream, owner: Option<&str>) -> Result<News, Trouble> {
    loop {
        if let Some(news) = news(&next(stream).await?, owner) {
            return Ok(news);
        }
    }
}

/// What a message says. One that is not what it should be says nothing.
fn news(message: &Message, owner: Option<&str>) -> Option<News> {
    if message.message_type() != Type::Signal {
        return None;
    }
    let header = message.header();
    let sender = header.sender().map(ToString::to_string);
    let interface = header.interface().map_or("", |name| name.as_str());
    let member = header.member().map_or("", |name| name.as_str());
    let body = message.body();
    if interface == DBUS && member == "NameOwnerChanged" && sender.as_deref() == Some(DBUS) {
        return match body.deserialize::<(&str, &str, &str)>() {
            Ok((LOGIND, _, now)) => Some(News::Owner(Some(now.to_owned()).filter(|now| !now.is_empty()))),
            Ok(_) | Err(_) => None,
        };
    }
    if interface != MANAGER || sender.as_deref() != owner {
        return None;
    }
    match (member, body.deserialize::<bool>()) {
        ("PrepareForShutdown", Ok(begins)) => Some(News::Shutdown(begins)),
        ("PrepareForSleep", Ok(begins)) => Some(News::Sleep(begins)),
        (_, _) => None,
    }
}

/// Whether the host is going by now. A logind that does not know says no.
async fn asked(link: &Link, property: &'static str) -> Result<bool, Trouble> {
    let answer: Result<(OwnedVariant, _), Trouble> =
        link.call_at(LOGIND, PATH, PROPERTIES, "Get", &(MANAGER, property)).await;
    match answer {
        Ok((value, _)) => Ok(bool::try_from(value).unwrap_or(false)),
        Err(Trouble::Refused { .. } | Trouble::Strange(_)) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// Takes both locks. For both in one, logind asks for a right that a service has not.
async fn take(link: &Link) -> Result<Vec<OwnedFd>, Trouble> {
    let mut locks = Vec::new();
    for what in ["shutdown", "sleep"] {
        let body = (what, "failover", "Handing over the addresses that this host holds", "delay");
        let (lock, _): (OwnedFd, _) = link.call_at(LOGIND, PATH, MANAGER, "Inhibit", &body).await?;
        locks.push(lock);
    }
    Ok(locks)
}
