//! The connection to the system bus: made, given our name, served, and made again when it is lost.
//!
//! Says in the log that there is none, that it was lost, and that it is there again: each once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use zbus::connection::Builder;
use zbus::{Connection, Error};

use super::permission::Permission;
use super::serve::serve;
use super::{Hub, NAME, Word};
use crate::os::clock;

/// The first delay before another attempt.
const FIRST_DELAY: Duration = Duration::from_millis(20);
/// The longest.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// How long connecting, and getting the name, may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Messages that wait to be read.
const QUEUE: usize = 64;
/// What the bus answers to who wants a name: it is ours, or it is when who has it lets go of it.
const OURS: u32 = 1;
const OURS_LATER: u32 = 2;

/// What the log was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Away,
    Joined,
}

/// Keeps to the bus at `address` for good; does nothing when that is empty.
pub(super) async fn keep(hub: &Arc<Hub>, address: &str) {
    if address.is_empty() {
        return;
    }
    let mut told = Told::Nothing;
    let mut delay = FIRST_DELAY;
    loop {
        let began = clock::now();
        let why = once(hub, address, &mut told).await;
        match told {
            Told::Nothing => hub.agent.tell(Word::Away { why }),
            Told::Joined => hub.agent.tell(Word::Lost { why }),
            Told::Away => {}
        }
        told = Told::Away;
        if clock::now().since(began) > GOOD {
            delay = FIRST_DELAY;
        }
        sleep(delay).await;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

/// One connection from beginning to end; why it ended.
async fn once(hub: &Arc<Hub>, address: &str, told: &mut Told) -> String {
    let queue = NonZeroUsize::new(QUEUE).unwrap_or(NonZeroUsize::MIN);
    let build = Builder::address(address).max_queued(queue).build_message_stream();
    let stream = match timeout(LIMIT, build).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(Error::Connection(error, _))) => return error.to_string(),
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return format!("no answer within {LIMIT:?}"),
    };
    let connection = Connection::from(&stream);
    // A name without objects behind it would be asked for them.
    let mut seen = hub.view.watch().await;
    let _ = seen.wait_for(|seen| seen.answered).await;
    let waiting = match claim(&connection).await {
        Ok(OURS) => false,
        Ok(OURS_LATER) => {
            hub.agent.tell(Word::NameTaken);
            true
        }
        Ok(other) => return format!("the bus answers {other} to who wants the name {NAME}"),
        Err(why) => return format!("it does not give the name {NAME}: {why}"),
    };
    if !waiting {
        hub.agent.tell(Word::Joined { again: *told == Told::Away });
    }
    *told = Told::Joined;
    let permission = Permission::Polkit(Arc::new(AtomicBool::new(waiting)));
    serve(hub, connection, stream, permission, seen).await
}

async fn claim(connection: &Connection) -> Result<u32, String> {
    let bus = "org.freedesktop.DBus";
    let call =
        connection.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "RequestName", &(NAME, 0_u32));
    match timeout(LIMIT, call).await {
        Ok(Ok(answer)) => answer.body().deserialize().map_err(|error| error.to_string()),
        Ok(Err(Error::MethodError(_, Some(text), _))) => Err(text),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    }
}
