//! One connection to the bus, and the calls to systemd by it. Every call has a time limit.
//!
//! systemd's private socket would do without the bus, but it puts a well-known name where the sender's unique one belongs,
//! which the library refuses as the protocol has it.
//!
//! Never: connects again or keeps anything of units. A call fails with a [`Trouble`].

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use zbus::message::Sequence;
use zbus::wire::{DynamicDeserialize, DynamicType};
use zbus::{Connection, DBusError, Error, OwnedObjectPath, OwnedVariant, connection};

use super::NOWHERE;

/// systemd's name on the bus.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
/// The path of its manager.
pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
/// The interface of its manager.
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The bus itself, name and interface.
pub(super) const DBUS: &str = "org.freedesktop.DBus";
/// The interface of properties.
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Properties of services alone.
pub(super) const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// How long connecting and each call may take. systemd reads its files within one turn and answers nobody meanwhile.
const LIMIT: Duration = Duration::from_secs(20);
/// Messages that wait to be read; the reader never stops reading, so this is a burst.
const QUEUE: usize = 1024;

/// What a row of `ListUnits…` says.
pub(super) type Row =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// Why a call had no answer of use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody is there to answer.
    #[error("{0}")]
    Away(String),
    /// No answer within the time limit.
    #[error("systemd did not answer {call} within {limit:?}")]
    Late {
        /// The method.
        call: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// systemd said no.
    #[error("{text}")]
    Refused {
        /// The error's name on D-Bus.
        name: String,
        /// In words.
        text: String,
    },
    /// An answer that is none.
    #[error("an answer of systemd cannot be read: {0}")]
    Strange(String),
}

/// A connection; clones are the same.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// Who on the bus is systemd: signals of others do not count.
    pub(super) owner: Rc<RefCell<String>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Connects to the bus at `address`.
    pub(super) async fn connect(address: &str) -> Result<Self, String> {
        if address.is_empty() {
            return Err(NOWHERE.to_owned());
        }
        let build = connection::Builder::address(address).max_queued(queue()).build();
        let why = match tokio::time::timeout(LIMIT, build).await {
            Ok(Ok(connection)) => return Ok(Link { connection, owner: Rc::default() }),
            Ok(Err(Error::Connection(error, _))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {LIMIT:?}"),
        };
        Err(format!("the system bus cannot be reached: {why}"))
    }

    /// Calls a method of an object of systemd; also where the answer stands among everything that came in.
    pub(super) async fn call<B, R>(
        &self,
        path: &str,
        interface: &str,
        method: &'static str,
        body: &B,
    ) -> Result<(R, Sequence), Trouble>
    where
        B: Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        self.call_at(SYSTEMD, path, interface, method, body).await
    }

    /// Calls a method of the bus.
    pub(super) async fn call_bus<B, R>(&self, method: &'static str, body: &B) -> Result<R, Trouble>
    where
        B: Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        let (answer, _) = self.call_at(DBUS, "/org/freedesktop/DBus", DBUS, method, body).await?;
        Ok(answer)
    }

    /// Calls a method of anybody; also where the answer stands among everything that came in.
    pub(super) async fn call_at<B, R>(
        &self,
        destination: &str,
        path: &str,
        interface: &str,
        method: &'static str,
        body: &B,
    ) -> Result<(R, Sequence), Trouble>
    where
        B: Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        let call = self.connection.call_method(Some(destination), path, Some(interface), method, body);
        let answer = tokio::time::timeout(LIMIT, call)
            .await
            .map_err(|_| Trouble::Late { call: method, limit: LIMIT })?
            .map_err(trouble)?;
        let body = answer.body();
        let read = body.deserialize().map_err(|error| Trouble::Strange(error.to_string()))?;
        Ok((read, answer.recv_position()))
    }

    /// What systemd says of `names`, a row for each in their order; loads those that are not loaded.
    pub(super) async fn list(&self, names: &[&str]) -> Result<(Vec<Row>, Sequence), Trouble> {
        let (rows, position): (Vec<Row>, Sequence) =
            self.call(MANAGER_PATH, MANAGER, "ListUnitsByNames", &names).await?;
        if rows.len() == names.len() {
            Ok((rows, position))
        } else {
            Err(Trouble::Strange(format!("{} rows for {} units", rows.len(), names.len())))
        }
    }

    /// What systemd says of all units that are loaded.
    pub(super) async fn list_loaded(&self) -> Result<(Vec<Row>, Sequence), Trouble> {
        self.call(MANAGER_PATH, MANAGER, "ListUnits", &()).await
    }

    /// Whether `name` is loaded.
    pub(super) async fn is_loaded(&self, name: &str) -> Result<bool, Trouble> {
        let answer: Result<(OwnedObjectPath, Sequence), Trouble> =
            self.call(MANAGER_PATH, MANAGER, "GetUnit", &name).await;
        match answer {
            Ok(_) => Ok(true),
            Err(Trouble::Refused { .. }) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Why a service ended, and how often it was restarted.
    pub(super) async fn service(&self, path: &str) -> Result<(String, u32, Sequence), Trouble> {
        let (result, _): (OwnedVariant, _) = self.call(path, PROPERTIES, "Get", &(SERVICE, "Result")).await?;
        let (restarts, position): (OwnedVariant, _) =
            self.call(path, PROPERTIES, "Get", &(SERVICE, "NRestarts")).await?;
        let result = String::try_from(result).map_err(|error| Trouble::Strange(error.to_string()))?;
        let restarts = u32::try_from(restarts).map_err(|error| Trouble::Strange(error.to_string()))?;
        Ok((result, restarts, position))
    }

    /// Queues a job; its path.
    pub(super) async fn queue_job(&self, unit: &str, start: bool) -> Result<String, Trouble> {
        let method = if start { "StartUnit" } else { "StopUnit" };
        let (job, _): (OwnedObjectPath, _) =
            self.call(MANAGER_PATH, MANAGER, method, &(unit, "replace")).await?;
        Ok(job.to_string())
    }
}

fn queue() -> std::num::NonZeroUsize {
    std::num::NonZeroUsize::new(QUEUE).unwrap_or(std::num::NonZeroUsize::MIN)
}

/// Names of errors that the bus gives when nobody answers to systemd's name.
const ABSENT: [&str; 5] = [
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.TimedOut",
];

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are troubles of the connection")]
fn trouble(error: Error) -> Trouble {
    let (name, text) = match error {
        Error::MethodError(name, text, _) => (name.to_string(), text),
        Error::FDO(error) => (error.name().to_string(), error.description().map(str::to_owned)),
        other => return Trouble::Away(other.to_string()),
    };
    let text = text.unwrap_or_else(|| name.clone());
    if ABSENT.contains(&name.as_str()) || name.starts_with("org.freedesktop.DBus.Error.Spawn.") {
        return Trouble::Away(format!("systemd is not on the bus: {text}"));
    }
    Trouble::Refused { name, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_no_bus() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(Link::connect("")).unwrap_err(), NOWHERE);
    }
}
