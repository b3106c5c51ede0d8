//! What changed between two looks at the agent, as signals. Pure but for the numbers that the library gives messages.

use std::collections::BTreeMap;

use zbus::{Message, ObjectPath, Variant};

use super::objects::{Object, QUIET, Tree};
use super::path;
use super::standard::{OBJECT_MANAGER, PROPERTIES};

/// The properties of an object as a message has them.
pub(super) type Properties<'v> = BTreeMap<&'v str, Variant<'v>>;

/// All properties of an object.
pub(super) fn properties(object: &Object) -> Properties<'_> {
    object.properties.iter().map(|(name, value)| (*name, value.variant())).collect()
}

/// The signals that lead from `old` to `new`: first what goes, then what comes and what changed.
pub(super) fn between(old: &Tree, new: &Tree) -> Result<Vec<Message>, zbus::Error> {
    let mut signals = Vec::new();
    for (path, object) in &old.0 {
        if new.0.get(path).is_none_or(|now| now.kind != object.kind) {
            let gone = [object.kind.interface()];
            let body = (ObjectPath::try_from(path.as_str())?, gone.as_slice());
            signals.push(Message::signal(path::ROOT, OBJECT_MANAGER, "InterfacesRemoved").build(&body)?);
        }
    }
    for (path, object) in &new.0 {
        match old.0.get(path) {
            Some(before) if before.kind == object.kind => signals.extend(changed(path, before, object)?),
            // The agent's own object is always there.
            None if path == path::ROOT => {}
            Some(_) | None => {
                let interfaces = BTreeMap::from([(object.kind.interface(), properties(object))]);
                let body = (ObjectPath::try_from(path.as_str())?, interfaces);
                signals.push(Message::signal(path::ROOT, OBJECT_MANAGER, "InterfacesAdded").build(&body)?);
            }
        }
    }
    Ok(signals)
}

fn changed(path: &str, before: &Object, now: &Object) -> Result<Option<Message>, zbus::Error> {
    let changed: Properties<'_> = now
        .properties
        .iter()
        .filter(|(name, value)| !QUIET.contains(name) && before.get(name) != Some(value))
        .map(|(name, value)| (*name, value.variant()))
        .collect();
    if changed.is_empty() {
        return Ok(None);
    }
    let invalidated: [&str; 0] = [];
    let body = (now.kind.interface(), changed, invalidated.as_slice());
    Ok(Some(Message::signal(path, PROPERTIES, "PropertiesChanged").build(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::server::objects::Kind;
    use crate::bus::server::value::Value;

    fn tree(objects: &[(&str, &str, u64)]) -> Tree {
        let object = |state: &str, runs| Object {
            kind: Kind::Instance,
            properties: vec![("State", Value::text(state)), ("Runs", Value::Number(runs))],
        };
        Tree(objects.iter().map(|(path, state, runs)| ((*path).to_owned(), object(state, *runs))).collect())
    }

    fn told(old: &Tree, new: &Tree) -> Vec<String> {
        let signals = between(old, new).unwrap();
        let line = |signal: &Message| {
            let header = signal.header();
            let (path, member) = (header.path().unwrap().to_string(), header.member().unwrap().to_string());
            let body = signal.body();
            format!("{path} {member} {:?}", body.deserialize::<zbus::Structure<'_>>().unwrap().fields())
        };
        signals.iter().map(line).collect()
    }

    #[test]
    fn what_goes_comes_and_changes_is_told_in_this_order() {
        let old = tree(&[("/a", "BACKUP", 1), ("/b", "BACKUP", 1), ("/c", "BACKUP", 1)]);
        let new = tree(&[("/b", "MASTER", 2), ("/c", "BACKUP", 2), ("/d", "INIT", 0)]);
        let told = told(&old, &new);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].starts_with("/org/failover1 InterfacesRemoved") && told[0].contains("/a"),
            "{}",
            told[0]
        );
        assert!(told[1].starts_with("/b PropertiesChanged") && told[1].contains("MASTER"), "{}", told[1]);
        assert!(!told[1].contains("Runs"), "a counter is no news: {}", told[1]);
        assert!(
            told[2].starts_with("/org/failover1 InterfacesAdded") && told[2].contains("/d"),
            "{}",
            told[2]
        );
    }

    #[test]
    fn nothing_new_is_no_news() {
        let (old, new) = (tree(&[("/a", "BACKUP", 1)]), tree(&[("/a", "BACKUP", 9)]));
        assert!(told(&old, &new).is_empty());
    }
}
