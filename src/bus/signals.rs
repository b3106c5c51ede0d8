//! What systemd and the bus tell of their own accord: taken from the connection as it comes, in order, without waiting for
//! anything. What has to be asked for is noted down for [`super::keeper`].

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;

use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{Message, MessageStream, OwnedObjectPath, Variant};

use super::Inner;
use super::link::{DBUS, Link, MANAGER, PROPERTIES, SERVICE, SYSTEMD};

/// The interface of every unit.
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// Takes every message until the connection ends; why it did.
pub(super) async fn take(inner: &Inner, link: &Link, mut stream: MessageStream) -> String {
    loop {
        let next = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await;
        match next {
            Some(Ok(message)) if message.message_type() == Type::Signal => {
                if let Some(end) = signal(inner, link, &message) {
                    return end;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return format!("the connection was lost: {error}"),
            None => return "the connection was closed".to_owned(),
        }
    }
}

/// One signal; a reason to give the connection up. A body that is not what it should be is passed over: the slow poll
/// finds what it would have told.
fn signal(inner: &Inner, link: &Link, message: &Message) -> Option<String> {
    let header = message.header();
    let interface = header.interface()?.as_str();
    let member = header.member()?.as_str();
    let sender = header.sender().map(ToString::to_string);
    if interface == DBUS && member == "NameOwnerChanged" && sender.as_deref() == Some(DBUS) {
        return owner_changed(message);
    }
    if sender.as_ref() != Some(&*link.owner.borrow()) {
        return None;
    }
    match (interface, member) {
        (PROPERTIES, "PropertiesChanged") => properties(inner, header.path()?.as_str(), message),
        (MANAGER, "Reloading") => reloading(inner, message),
        (MANAGER, "UnitNew") => unit_is_new(inner, message),
        (MANAGER, "UnitRemoved") => unit_is_gone(inner, message),
        (MANAGER, "JobRemoved") => {
            let body = message.body();
            if let Ok((_, job, _, result)) = body.deserialize::<(u32, OwnedObjectPath, &str, &str)>() {
                inner.job_ended(job.as_str(), result);
            }
        }
        _ => {}
    }
    None
}

/// systemd left the bus or came to it: executed afresh, it knows nothing of who listened. All begins anew.
fn owner_changed(message: &Message) -> Option<String> {
    let body = message.body();
    let (name, _, now) = body.deserialize::<(&str, &str, &str)>().ok()?;
    let whose = name == SYSTEMD;
    whose.then(|| if now.is_empty() { "systemd left the bus" } else { "systemd came back" }.to_owned())
}

fn properties(inner: &Inner, path: &str, message: &Message) {
    let slots = inner.at(path);
    if slots.is_empty() {
        return;
    }
    let body = message.body();
    let Ok((interface, changed, _)) = body.deserialize::<(&str, BTreeMap<&str, Variant<'_>>, Vec<&str>)>()
    else {
        return;
    };
    let text = |name: &str| changed.get(name).and_then(|value| value.downcast_ref::<&str>().ok());
    let position = message.recv_position();
    for slot in slots {
        if interface == SERVICE {
            let restarts = changed.get("NRestarts").and_then(|value| value.downcast_ref::<u32>().ok());
            slot.service(position, text("Result").map(str::to_owned), restarts);
            slot.tell();
        } else if interface == UNIT {
            slot.state(position, text("LoadState"), text("ActiveState"), text("SubState"));
            if slot.lacks_reason() {
                inner.todo.borrow_mut().names.insert(slot.name.clone());
                inner.work.notify_one();
            }
        }
    }
}

/// While systemd reads its files it makes units anew; what came of that is read when it is done.
fn reloading(inner: &Inner, message: &Message) {
    let body = message.body();
    let begins = body.deserialize::<bool>().unwrap_or(false);
    let mut todo = inner.todo.borrow_mut();
    todo.reloading = begins;
    todo.loaded.clear();
    if !begins {
        todo.all = true;
        inner.work.notify_one();
    }
}

/// A unit was loaded. Its state is told with the signal of its own only when that changes later.
fn unit_is_new(inner: &Inner, message: &Message) {
    let body = message.body();
    let Ok((_, path)) = body.deserialize::<(&str, OwnedObjectPath)>() else { return };
    let slots = inner.at(path.as_str());
    let mut todo = inner.todo.borrow_mut();
    if slots.is_empty() || todo.reloading {
        return;
    }
    todo.loaded.extend(slots.iter().map(|slot| slot.name.clone()));
    inner.work.notify_one();
}

/// A unit was unloaded: it does nothing any more, or has ceased to exist. To ask loads it again, and then it is unloaded
/// again: so only who was thought to be doing something is asked for.
fn unit_is_gone(inner: &Inner, message: &Message) {
    let body = message.body();
    let Ok((_, path)) = body.deserialize::<(&str, OwnedObjectPath)>() else { return };
    let mut todo = inner.todo.borrow_mut();
    for slot in inner.at(path.as_str()) {
        let at_rest = slot.seen().is_none_or(|seen| seen.active == "inactive");
        if !at_rest && !todo.reloading {
            todo.names.insert(slot.name.clone());
            inner.work.notify_one();
        }
    }
}
