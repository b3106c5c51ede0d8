//! One connection, from its first message to its last.
//!
//! Nothing piles up: looks and actions that wait have limits, and what is to be sent is sent at once or the connection
//! ends. What changed while the other end was busy reading is told as it is by then.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use zbus::export::futures_core::Stream;
use zbus::message::{Flags, Type};
use zbus::{Connection, Message, MessageStream};

use super::calls::{self, Fault, Wish};
use super::objects::Tree;
use super::permission::Permission;
use super::places::Places;
use super::stream::LONGEST;
use super::view::Seen;
use super::{Action, Done, Hub, Word, news};

/// Looks of a client that wait for the next sight of the agent, and of all clients of a bus; no more is read until they are
/// answered.
const LOOKS: usize = 32;
const LOOKS_ON_BUS: usize = 256;
/// Of one client among the others of a bus; more are refused.
const LOOKS_OF_ONE: usize = 8;
/// How long the other end may take to read one answer, or what changed. Who takes longer is let go of.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// An action that has a place.
struct Wanted {
    place: u64,
    call: Message,
}

/// How far an action has come.
enum Step {
    /// Whose it is.
    Known(Wanted, Action, Result<u32, Fault>),
    /// It is done, or not.
    Ended(Wanted, Result<Done, Fault>),
}

struct Served {
    hub: Arc<Hub>,
    connection: Connection,
    permission: Permission,
    /// What the other end was told, and the number of that look.
    told: Arc<Tree>,
    number: u64,
    /// Looks, and the number of the sight that each waits for.
    looks: VecDeque<(u64, Message)>,
    actions: JoinSet<Step>,
    places: Places,
}

/// Serves until the connection ends; why it did. The other end is told of what changes from what is `seen` now on.
pub(super) async fn serve(
    hub: &Arc<Hub>,
    connection: Connection,
    mut stream: MessageStream,
    permission: Permission,
    mut seen: Receiver<Seen>,
) -> String {
    let (told, number) = {
        let now = seen.borrow_and_update();
        (Arc::clone(&now.tree), now.number)
    };
    let mut served = Served {
        hub: Arc::clone(hub),
        connection,
        permission,
        told,
        number,
        looks: VecDeque::new(),
        actions: JoinSet::new(),
        places: Places::default(),
    };
    loop {
        let next = poll_fn(|context| Pin::new(&mut stream).poll_next(context));
        let went = tokio::select! {
            message = next, if served.has_room() => match message {
                Some(Ok(message)) => served.take(message).await,
                Some(Err(error)) => Err(format!("the connection was lost: {error}")),
                None => Err("the connection was closed".to_owned()),
            },
            changed = seen.changed() => {
                let now = seen.borrow_and_update().clone();
                match changed {
                    Ok(()) => served.tell(&now).await,
                    Err(_) => Err("the agent ends".to_owned()),
                }
            }
            Some(step) = served.actions.join_next() => served.step(step).await,
        };
        if let Err(why) = went {
            return why;
        }
    }
}

/// Who sent a message by a bus.
fn caller(call: &Message) -> String {
    call.header().sender().map_or_else(String::new, ToString::to_string)
}

fn too_many() -> Fault {
    Fault::new("LimitsExceeded", "too many requests at once; nothing changed")
}

impl Served {
    fn has_room(&self) -> bool {
        self.looks.len() < if self.permission.is_peer() { LOOKS } else { LOOKS_ON_BUS }
    }

    /// Notes that somebody wants to look. Who waits for no answer need not.
    fn note(&mut self, look: Message) -> Result<(), Fault> {
        if look.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return Ok(());
        }
        if !self.permission.is_peer() {
            let by = caller(&look);
            let of_one = self.looks.iter().filter(|(_, other)| caller(other) == by).count();
            if of_one >= LOOKS_OF_ONE {
                return Err(Fault::new("LimitsExceeded", "too many questions at once"));
            }
        }
        self.looks.push_back((self.hub.view.want(), look));
        Ok(())
    }

    async fn take(&mut self, message: Message) -> Result<(), String> {
        match message.message_type() {
            Type::MethodCall => {}
            Type::Signal => {
                if self.permission.heard(&message) {
                    self.hub.agent.tell(Word::Joined { again: false });
                }
                return Ok(());
            }
            // Answers to our own questions go to who asked them.
            Type::MethodReturn | Type::Error => return Ok(()),
        }
        // A bus passes on a thousand times that.
        if u64::try_from(message.data().len()).unwrap_or(u64::MAX) > LONGEST {
            let fault = Fault::new("LimitsExceeded", "the message is too long");
            return self.answer(&message, calls::refuse(&message, &fault)).await;
        }
        match calls::wish(&message, self.permission.is_peer()) {
            Ok(Wish::Said(said)) => {
                let answer = calls::say(&message, said, &self.hub.machine);
                self.answer(&message, answer).await
            }
            Ok(Wish::Look) => match self.note(message.clone()) {
                Ok(()) => Ok(()),
                Err(fault) => self.answer(&message, calls::refuse(&message, &fault)).await,
            },
            Ok(Wish::Act(action)) => match self.begin(&message, action) {
                Ok(()) => Ok(()),
                Err(fault) => self.answer(&message, calls::refuse(&message, &fault)).await,
            },
            Err(fault) => self.answer(&message, calls::refuse(&message, &fault)).await,
        }
    }

    /// Begins an action beside everything else: finds out whose it is.
    fn begin(&mut self, call: &Message, action: Action) -> Result<(), Fault> {
        let caller = caller(call);
        let place = self.places.enter(&caller, call.data().len()).ok_or_else(too_many)?;
        let (connection, permission) = (self.connection.clone(), self.permission.clone());
        let wanted = Wanted { place, call: call.clone() };
        self.actions.spawn(async move {
            let user = permission.user(&connection, &caller).await;
            Step::Known(wanted, action, user)
        });
        Ok(())
    }

    /// Goes on with it: asks whether they may, and does it.
    fn go_on(&mut self, wanted: Wanted, action: Action, user: u32) {
        let (hub, permission) = (Arc::clone(&self.hub), self.permission.clone());
        let connection = self.connection.clone();
        self.actions.spawn(async move {
            let interactive = wanted.call.primary_header().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH);
            let caller = (caller(&wanted.call), user);
            let outcome = match permission.ask(&connection, caller, &action, interactive).await {
                Ok(()) => act(&hub, action).await,
                Err(fault) => Err(fault),
            };
            Step::Ended(wanted, outcome)
        });
    }

    async fn step(&mut self, step: Result<Step, JoinError>) -> Result<(), String> {
        let (wanted, outcome) = match step.map_err(|error| error.to_string())? {
            Step::Known(wanted, action, Ok(user)) if self.places.keep(wanted.place, user) => {
                self.go_on(wanted, action, user);
                return Ok(());
            }
            Step::Known(wanted, _, Ok(_)) => (wanted, Err(too_many())),
            Step::Known(wanted, _, Err(fault)) => (wanted, Err(fault)),
            Step::Ended(wanted, outcome) => (wanted, outcome),
        };
        self.places.leave(wanted.place);
        let answer = match outcome {
            Ok(done) => calls::done(&wanted.call, done),
            Err(fault) => calls::refuse(&wanted.call, &fault),
        };
        self.answer(&wanted.call, answer).await
    }

    /// Tells what changed, then answers those who waited for this sight.
    async fn tell(&mut self, seen: &Seen) -> Result<(), String> {
        if self.number == seen.before {
            self.send(&seen.news).await?;
        } else {
            let missed = news::between(&self.told, &seen.tree).map_err(|error| error.to_string())?;
            self.send(&missed).await?;
        }
        (self.told, self.number) = (Arc::clone(&seen.tree), seen.number);
        while self.looks.front().is_some_and(|(wanted, _)| *wanted <= seen.number) {
            let Some((_, call)) = self.looks.pop_front() else { break };
            let answer = if seen.answered {
                calls::look(&seen.tree, &call)
            } else {
                let text = "the agent does not answer: it is busy, or leaving".to_owned();
                calls::refuse(&call, &super::Refusal::Failed(text).into())
            };
            self.answer(&call, answer).await?;
        }
        Ok(())
    }

    async fn answer(&self, call: &Message, answer: Result<Message, zbus::Error>) -> Result<(), String> {
        if call.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return Ok(());
        }
        // One that is too long to be built, say: that is no reason to leave all the others.
        let answer = answer.or_else(|error| {
            let fault = Fault::new("LimitsExceeded", format!("the answer cannot be written: {error}"));
            calls::refuse(call, &fault)
        });
        let answer = answer.map_err(|error| format!("an answer cannot be written: {error}"))?;
        self.send(&[answer]).await
    }

    async fn send(&self, messages: &[Message]) -> Result<(), String> {
        match timeout(SEND_LIMIT, self.connection.send_all(messages)).await {
            Ok(sent) => sent.map_err(|error| format!("the connection was lost: {error}")),
            Err(_) => Err(format!("the other end does not read for {SEND_LIMIT:?}")),
        }
    }
}

/// Has something done when it is its turn.
async fn act(hub: &Arc<Hub>, action: Action) -> Result<Done, Fault> {
    let gone = |why: String| Fault::from(super::Refusal::Failed(why));
    let turn = Arc::clone(&hub.turns).acquire_owned().await.map_err(|error| gone(error.to_string()))?;
    let agent = Arc::clone(&hub.agent);
    let work = tokio::task::spawn_blocking(move || {
        // Kept until it is done, even when nobody waits for that any more.
        let _turn = turn;
        agent.act(action)
    });
    let outcome = work.await.map_err(|error| gone(error.to_string()))?;
    hub.view.mark();
    outcome.map_err(Fault::from)
}
