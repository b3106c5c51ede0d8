//! What callers want: method calls made out, and those that only look answered. Never waits and never fails: what is not
//! understood is a [`Fault`] for the caller.

use std::collections::BTreeMap;
use std::path::PathBuf;

use zbus::wire::{DynamicDeserialize, DynamicType};
use zbus::{Message, ObjectPath, Variant};

use super::describe::{describe, has};
use super::news::properties;
use super::objects::{Kind, Object, Tree};
use super::path;
use super::standard::{INTROSPECTABLE, OBJECT_MANAGER, PEER, PROPERTIES};
use super::value::clean;
use super::{Action, Done, Refusal};

const MANAGER: &str = "org.failover1.Manager";
/// The bus itself, which clients who know only buses look for at the other end.
const BUS: &str = "org.freedesktop.DBus";
/// What such a client is told that it is called.
const CALLER: &str = ":1.1";

/// What a caller wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// An answer that needs nobody.
    Said(Said),
    /// To look: answered by [`look`].
    Look,
    /// To have something done.
    Act(Action),
}

/// Answers that need nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing.
    Empty,
    /// This host's number.
    MachineId,
    /// What the caller is called.
    Name,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The error's name on D-Bus.
    pub(super) name: String,
    /// In words.
    pub(super) text: String,
}

impl Fault {
    /// One of D-Bus's own.
    pub(super) fn new(name: &str, text: impl Into<String>) -> Self {
        Fault { name: format!("org.freedesktop.DBus.Error.{name}"), text: text.into() }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let (name, text) = match refusal {
            Refusal::Invalid(text) => ("Invalid", text),
            Refusal::Refused(text) => ("Refused", text),
            Refusal::Failed(text) => ("Failed", text),
        };
        Fault { name: format!("org.failover1.Error.{name}"), text }
    }
}

/// Makes a call out; `peer`: there is no bus between the caller and us.
pub(super) fn wish(call: &Message, peer: bool) -> Result<Wish, Fault> {
    let header = call.header();
    let path = header.path().map_or("", |path| path.as_str());
    let interface = header.interface().map(zbus::names::InterfaceName::as_str);
    let member = header.member().map_or("", |member| member.as_str());
    match (interface, member) {
        (Some(PEER) | None, "Ping") => Ok(Wish::Said(Said::Empty)),
        (Some(PEER) | None, "GetMachineId") => Ok(Wish::Said(Said::MachineId)),
        (Some(BUS), "Hello") if peer => Ok(Wish::Said(Said::Name)),
        (Some(BUS), "AddMatch" | "RemoveMatch") if peer => Ok(Wish::Said(Said::Empty)),
        (Some(INTROSPECTABLE) | None, "Introspect")
        | (Some(PROPERTIES) | None, "Get" | "GetAll")
        | (Some(OBJECT_MANAGER) | None, "GetManagedObjects") => Ok(Wish::Look),
        (Some(PROPERTIES) | None, "Set") => {
            Err(Fault::new("PropertyReadOnly", "properties can only be read"))
        }
        (Some(MANAGER) | None, _) if path == path::ROOT => action(call, member).map(Wish::Act),
        (interface, _) => Err(unknown_method(path, interface.unwrap_or_default(), member)),
    }
}

fn unknown_method(path: &str, interface: &str, member: &str) -> Fault {
    Fault::new("UnknownMethod", format!("{path} has no method {member} of the interface {interface:?}"))
}

fn action(call: &Message, member: &str) -> Result<Action, Fault> {
    match member {
        "Reload" => arguments::<()>(call).map(|()| Action::Reload),
        "Plan" => {
            let file: String = arguments(call)?;
            let file = (!file.is_empty()).then(|| PathBuf::from(file));
            if file.as_ref().is_some_and(|file| !file.is_absolute()) {
                return Err(Fault::new("InvalidArgs", "the file is wanted with its whole path"));
            }
            // There they are the agent's own, not the caller's.
            let own = ["/dev", "/proc"];
            if file.as_ref().is_some_and(|file| own.iter().any(|own| file.starts_with(own))) {
                return Err(Fault::new("InvalidArgs", "what is in /dev and /proc is no file to plan"));
            }
            Ok(Action::Plan { file })
        }
        "Drain" => {
            let (names, force) = arguments(call)?;
            Ok(Action::Drain { names, force })
        }
        "Undrain" => Ok(Action::Undrain { names: arguments(call)? }),
        _ => Err(unknown_method(path::ROOT, MANAGER, member)),
    }
}

fn arguments<T>(call: &Message) -> Result<T, Fault>
where
    T: for<'d> DynamicDeserialize<'d>,
{
    let body = call.body();
    body.deserialize().map_err(|_| {
        Fault::new(
            "InvalidArgs",
            format!("arguments of the type {:?} are not what is wanted", body.signature().to_string()),
        )
    })
}

/// Answers a look at `tree`.
pub(super) fn look(tree: &Tree, call: &Message) -> Result<Message, zbus::Error> {
    let header = call.header();
    let path = header.path().map_or("", |path| path.as_str());
    let member = header.member().map_or("", |member| member.as_str());
    let answer = match member {
        "Introspect" => {
            let text = describe(tree, path).ok_or_else(|| unknown_object(path));
            text.map(|text| reply(call, &text))
        }
        "Get" => get(tree, path, call).map(|value| reply(call, &value)),
        "GetAll" => get_all(tree, path, call).map(|all| reply(call, &all)),
        _ if path == path::ROOT => Ok(managed(tree).and_then(|objects| reply(call, &objects))),
        _ => Err(unknown_method(path, OBJECT_MANAGER, member)),
    };
    answer.unwrap_or_else(|fault| refuse(call, &fault))
}

fn unknown_object(path: &str) -> Fault {
    Fault::new("UnknownObject", format!("there is no object {path}"))
}

fn object<'t>(tree: &'t Tree, path: &str) -> Result<&'t Object, Fault> {
    tree.0.get(path).ok_or_else(|| unknown_object(path))
}

fn get<'t>(tree: &'t Tree, path: &str, call: &Message) -> Result<Variant<'t>, Fault> {
    let (interface, name): (String, String) = arguments(call)?;
    let object = object(tree, path)?;
    known(object.kind, path, &interface)?;
    let ours = interface.is_empty() || interface == object.kind.interface();
    let value = object.get(&name).filter(|_| ours);
    let value = value.ok_or_else(|| {
        Fault::new("UnknownProperty", format!("{path} has no property {name} of the interface {interface:?}"))
    })?;
    Ok(value.variant())
}

fn get_all<'t>(tree: &'t Tree, path: &str, call: &Message) -> Result<BTreeMap<&'t str, Variant<'t>>, Fault> {
    let interface: String = arguments(call)?;
    let object = object(tree, path)?;
    known(object.kind, path, &interface)?;
    let ours = interface.is_empty() || interface == object.kind.interface();
    Ok(if ours { properties(object) } else { BTreeMap::new() })
}

fn known(kind: Kind, path: &str, interface: &str) -> Result<(), Fault> {
    if interface.is_empty() || has(kind, path, interface) {
        return Ok(());
    }
    Err(Fault::new("UnknownInterface", format!("{path} has no interface {interface:?}")))
}

type Managed<'t> = BTreeMap<ObjectPath<'t>, BTreeMap<&'t str, BTreeMap<&'t str, Variant<'t>>>>;

fn managed(tree: &Tree) -> Result<Managed<'_>, zbus::Error> {
    let mut objects = BTreeMap::new();
    for (path, object) in tree.0.iter().filter(|(path, _)| path.as_str() != path::ROOT) {
        let interfaces = BTreeMap::from([(object.kind.interface(), properties(object))]);
        objects.insert(ObjectPath::try_from(path.as_str())?, interfaces);
    }
    Ok(objects)
}

/// An answer that needs nobody.
pub(super) fn say(call: &Message, said: Said, machine: &str) -> Result<Message, zbus::Error> {
    match said {
        Said::Empty => reply(call, &()),
        Said::MachineId => reply(call, &machine),
        Said::Name => Message::method_return(&call.header()).sender(CALLER).build(&CALLER),
    }
}

/// The answer to what was done.
pub(super) fn done(call: &Message, done: Done) -> Result<Message, zbus::Error> {
    match done {
        Done::Said { text, warnings } => reply(call, &(clean(&text), clean(&warnings))),
        Done::Drained { names, limit } => {
            reply(call, &(names, u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)))
        }
        Done::Undrained { names } => reply(call, &names),
    }
}

/// The answer to a call that has none.
pub(super) fn refuse(call: &Message, fault: &Fault) -> Result<Message, zbus::Error> {
    Message::error(&call.header(), fault.name.as_str()).build(&clean(&fault.text))
}

fn reply<B>(call: &Message, body: &B) -> Result<Message, zbus::Error>
where
    B: serde::Serialize + DynamicType,
{
    Message::method_return(&call.header()).build(body)
}

#[cfg(test)]
mod tests;
