//! Who may have something done. On the socket everybody who could connect: its permissions have decided. On the system bus
//! root, and whom polkit allows it; where polkit is not, root alone.

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use zbus::export::futures_core::Stream;
use zbus::wire::{DynamicDeserialize, DynamicType};
use zbus::{Connection, Error, Message, MessageStream, Variant};

use super::calls::Fault;
use super::places::ROOT;
use super::{Action, NAME};

/// How long the bus and polkit may take to answer.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a person may take to say who they are.
const PATIENCE: Duration = Duration::from_mins(2);
/// The bus, as a name and as an interface.
const BUS: &str = "org.freedesktop.DBus";
const BUS_ITSELF: (&str, &str, &str) = (BUS, "/org/freedesktop/DBus", BUS);
/// polkit.
const POLKIT: (&str, &str, &str) = (
    "org.freedesktop.PolicyKit1",
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority",
);
/// polkit may ask the person who wants something.
const MAY_ASK: u32 = 1;

/// How it is decided.
#[derive(Clone, Debug)]
pub(super) enum Permission {
    /// It was, when they connected.
    Peer,
    /// By polkit; with whether somebody else has our name on this bus.
    Polkit(Arc<AtomicBool>),
}

impl Permission {
    pub(super) fn is_peer(&self) -> bool {
        matches!(self, Permission::Peer)
    }

    /// Takes a signal; whether it says that a name which somebody else had is ours now.
    pub(super) fn heard(&self, signal: &Message) -> bool {
        let Permission::Polkit(waiting) = self else { return false };
        let header = signal.header();
        let acquired = header.sender().is_some_and(|sender| sender.as_str() == BUS)
            && header.member().is_some_and(|member| member.as_str() == "NameAcquired");
        let body = signal.body();
        acquired
            && body.deserialize::<&str>().is_ok_and(|name| name == NAME)
            && waiting.swap(false, Ordering::Relaxed)
    }

    /// The user id of `caller`; root for all on the socket, where all are equal.
    pub(super) async fn user(&self, connection: &Connection, caller: &str) -> Result<u32, Fault> {
        if self.is_peer() {
            return Ok(ROOT);
        }
        call(connection, BUS_ITSELF, "GetConnectionUnixUser", &caller, LIMIT)
            .await
            .map_err(|why| Fault::new("AccessDenied", format!("it cannot be found out who asks: {why}")))
    }

    /// Whether a caller with this user id may have `action` done; `interactive`: they may be asked who they are. Ends
    /// soon after they left the bus.
    pub(super) async fn ask(
        &self,
        connection: &Connection,
        (caller, user): (String, u32),
        action: &Action,
        interactive: bool,
    ) -> Result<(), Fault> {
        if self.is_peer() || user == ROOT {
            return Ok(());
        }
        // Not given up half done: the bus would keep the rule.
        let news = departure(connection, &caller).await;
        tokio::select! {
            said = by_polkit(connection, &caller, id(action), interactive) => said,
            () = gone(connection, &caller, news) => Err(Fault::new("AccessDenied", "who asked has left the bus")),
        }
    }
}

/// What polkit calls it. A plan tells what is in files, which is no more for everybody than a reload.
fn id(action: &Action) -> &'static str {
    match action {
        Action::Reload | Action::Plan { .. } => "org.failover1.reload",
        Action::Drain { .. } => "org.failover1.drain",
        Action::Undrain { .. } => "org.failover1.undrain",
    }
}

/// What the bus tells when `caller` leaves it; none where that cannot be heard of.
async fn departure(connection: &Connection, caller: &str) -> Option<MessageStream> {
    let rule = format!(
        "type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{caller}',arg2=''"
    );
    timeout(LIMIT, MessageStream::for_match_rule(rule.as_str(), connection, None)).await.ok()?.ok()
}

/// Waits until `caller` is not on the bus. For good where that cannot be heard of: then the time limits count.
async fn gone(connection: &Connection, caller: &str, news: Option<MessageStream>) {
    let Some(mut news) = news else {
        return pending().await;
    };
    // They may have gone before.
    if let Ok(false) = call(connection, BUS_ITSELF, "NameHasOwner", &caller, LIMIT).await {
        return;
    }
    poll_fn(|context| Pin::new(&mut news).poll_next(context)).await;
}

async fn by_polkit(connection: &Connection, caller: &str, id: &str, interactive: bool) -> Result<(), Fault> {
    let subject = ("system-bus-name", BTreeMap::from([("name", Variant::new(caller))]));
    let details = BTreeMap::<&str, &str>::new();
    let (flags, limit) = if interactive { (MAY_ASK, PATIENCE) } else { (0, LIMIT) };
    let question = (subject, id, details, flags, "");
    let answer = call(connection, POLKIT, "CheckAuthorization", &question, limit).await;
    let (allowed, challenge, _): (bool, bool, BTreeMap<String, String>) = answer.map_err(|why| {
        Fault::new(
            "AccessDenied",
            format!("only root may do this here: polkit does not say who else may ({why})"),
        )
    })?;
    match (allowed, challenge) {
        (true, _) => Ok(()),
        (false, true) if !interactive => Err(Fault::new(
            "InteractiveAuthorizationRequired",
            format!("polkit wants to ask who you are before it allows {id}, and the call does not let it"),
        )),
        (false, _) => Err(Fault::new("AccessDenied", format!("polkit does not allow {id} for you"))),
    }
}

/// Calls a method at `(destination, path, interface)`; why there is no answer, in words.
async fn call<B, R>(
    connection: &Connection,
    (destination, path, interface): (&str, &str, &str),
    method: &str,
    body: &B,
    limit: Duration,
) -> Result<R, String>
where
    B: serde::Serialize + DynamicType,
    R: for<'d> DynamicDeserialize<'d>,
{
    let call = connection.call_method(Some(destination), path, Some(interface), method, body);
    let answer = match timeout(limit, call).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(Error::MethodError(_, Some(text), _))) => return Err(text),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("no answer within {limit:?}")),
    };
    answer.body().deserialize().map_err(|error| error.to_string())
}
