//! A client of the agent's objects.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;

use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::wire::DynamicType;
use zbus::{Connection, DBusError, Message, MessageStream, ObjectPath, OwnedVariant};

use crate::LIMIT;

pub(crate) const NAME: &str = "org.failover1";
pub(crate) const ROOT: &str = "/org/failover1";
pub(crate) const MANAGER: &str = "org.failover1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";
/// Signals that may wait while a call is answered: the library reads nothing more beyond that.
const QUEUE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

pub(crate) type Properties = BTreeMap<String, OwnedVariant>;
pub(crate) type Managed = BTreeMap<String, BTreeMap<String, Properties>>;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    stream: MessageStream,
}

impl Client {
    /// On the agent's own socket.
    pub(crate) async fn peer(address: &str) -> Self {
        let builder = Builder::address(address).p2p().max_queued(QUEUE);
        let stream = builder.build_message_stream().await.expect("a connection");
        Client { connection: Connection::from(&stream), stream }
    }

    /// On the bus, told of everything that the agent tells.
    pub(crate) async fn bus(address: &str) -> Self {
        let stream = Builder::address(address)
            .max_queued(QUEUE)
            .build_message_stream()
            .await
            .expect("a connection to the bus");
        let client = Client { connection: Connection::from(&stream), stream };
        let rule = format!("type='signal',sender='{NAME}'");
        let path = "/org/freedesktop/DBus";
        client.connection.call_method(Some(BUS), path, Some(BUS), "AddMatch", &rule).await.expect("a match");
        client
    }

    /// Calls a method; the error's name and text if it fails.
    pub(crate) async fn call(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl serde::Serialize + DynamicType),
    ) -> Result<Message, (String, String)> {
        let call = self.connection.call_method(Some(NAME), path, Some(interface), method, body);
        match timeout(LIMIT, call).await.expect("an answer in time") {
            Ok(answer) => Ok(answer),
            Err(zbus::Error::MethodError(name, text, _)) => Err((name.to_string(), text.unwrap_or_default())),
            Err(zbus::Error::FDO(error)) => {
                Err((error.name().to_string(), error.description().unwrap_or_default().to_owned()))
            }
            Err(error) => panic!("{method}: {error}"),
        }
    }

    /// The same with the agent's own interface.
    pub(crate) async fn manager(
        &self,
        method: &str,
        body: &(impl serde::Serialize + DynamicType),
    ) -> Result<Message, (String, String)> {
        self.call(ROOT, MANAGER, method, body).await
    }

    pub(crate) async fn get(&self, path: &str, interface: &str, name: &str) -> OwnedVariant {
        let answer = self.call(path, PROPERTIES, "Get", &(interface, name)).await;
        answer.expect("a property").body().deserialize().expect("a variant")
    }

    pub(crate) async fn managed(&self) -> Managed {
        let answer = self.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &()).await;
        let body = answer.expect("objects").body();
        let managed: BTreeMap<ObjectPath<'_>, BTreeMap<String, Properties>> =
            body.deserialize().expect("objects");
        managed.into_iter().map(|(path, object)| (path.to_string(), object)).collect()
    }

    pub(crate) async fn introspect(&self, path: &str) -> String {
        let answer = self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", &()).await;
        answer.expect("a description").body().deserialize().expect("a text")
    }

    /// Waits for a signal of which `look` makes something.
    pub(crate) async fn signal<T>(&mut self, text: &str, mut look: impl FnMut(&Message) -> Option<T>) -> T {
        let search = async {
            loop {
                let message = next(&mut self.stream).await;
                if message.message_type() == Type::Signal
                    && let Some(found) = look(&message)
                {
                    return found;
                }
            }
        };
        timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("no signal: {text}"))
    }

    /// Waits until a property of an object is told to have changed to what `wanted` takes.
    pub(crate) async fn changed(&mut self, path: &str, name: &str, wanted: impl Fn(&OwnedVariant) -> bool) {
        println!("waiting for {name} of {path}");
        self.signal(name, |message| {
            let header = message.header();
            if header.member()?.as_str() != "PropertiesChanged" || header.path()?.as_str() != path {
                return None;
            }
            let (_, changed, _): (String, Properties, Vec<String>) =
                message.body().deserialize().expect("changed properties");
            changed.get(name).is_some_and(&wanted).then_some(())
        })
        .await;
    }

    /// Waits until an object is told to have come, or to have gone.
    pub(crate) async fn object(&mut self, member: &str, path: &str) {
        self.signal(member, |message| {
            let header = message.header();
            if header.member()?.as_str() != member {
                return None;
            }
            let body = message.body();
            let body: zbus::Structure<'_> = body.deserialize().expect("an object");
            let told = body.fields()[0].downcast_ref::<ObjectPath<'_>>().expect("a path");
            (told.as_str() == path).then_some(())
        })
        .await;
    }
}

/// The next message.
pub(crate) async fn next(stream: &mut MessageStream) -> Message {
    let next = std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await;
    next.expect("the connection is open").expect("a message")
}

/// Whether a variant is this text.
pub(crate) fn is(text: &'static str) -> impl Fn(&OwnedVariant) -> bool {
    move |value| value.downcast_ref::<&str>().is_ok_and(|value| value == text)
}
