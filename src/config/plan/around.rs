//! The difference between two configurations in checks and groups. Both change in place: a check goes on with its verdict,
//! the instances of a group with their states.

use std::collections::BTreeMap;

use super::{Change, Changes, KeyChange};
use crate::config::model::{CheckConfig, Flap, GroupConfig, Initial};
use crate::config::reader::say;

/// What becomes of each check of `old` and `new`, by name.
#[must_use]
pub fn checks<'a>(
    old: &'a BTreeMap<String, CheckConfig>,
    new: &'a BTreeMap<String, CheckConfig>,
) -> BTreeMap<&'a str, Change> {
    each(old, new, check)
}

/// What becomes of each group of `old` and `new`, by name.
#[must_use]
pub fn groups<'a>(
    old: &'a BTreeMap<String, GroupConfig>,
    new: &'a BTreeMap<String, GroupConfig>,
) -> BTreeMap<&'a str, Change> {
    each(old, new, group)
}

fn each<'a, T: PartialEq>(
    old: &'a BTreeMap<String, T>,
    new: &'a BTreeMap<String, T>,
    keys: fn(&T, &T) -> Vec<KeyChange>,
) -> BTreeMap<&'a str, Change> {
    let removed =
        old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.as_str(), Change::Removed));
    let others = new.iter().map(|(name, new)| {
        let change = match old.get(name) {
            None => Change::Added,
            Some(old) if old == new => Change::Kept,
            Some(old) => Change::Changed(keys(old, new)),
        };
        (name.as_str(), change)
    });
    removed.chain(others).collect()
}

/// Names every field, so that a new one cannot be forgotten here.
fn check(old: &CheckConfig, new: &CheckConfig) -> Vec<KeyChange> {
    let CheckConfig { probe, interval, timeout, fall, rise, initial, flap } = new;
    let mut changes = Changes::default();
    if old.probe != *probe {
        // What a probe sends and asks for may be secret.
        let words = if old.probe.word() == probe.word() {
            "looks at something else, or in another way".to_owned()
        } else {
            format!("{} → {}", old.probe.word(), probe.word())
        };
        changes.list.push(KeyChange::new(probe.word(), words));
    }
    changes.value("interval", &say(old.interval), &say(*interval));
    changes.value("timeout", &say(old.timeout), &say(*timeout));
    changes.value("fall", &old.fall, fall);
    changes.value("rise", &old.rise, rise);
    changes.value("initial", &first(old.initial), &first(*initial));
    changes.value("flap", &bounds(old.flap), &bounds(*flap));
    changes.list
}

fn first(initial: Initial) -> &'static str {
    match initial {
        Initial::Unknown => "unknown",
        Initial::Passing => "passing",
        Initial::Failing => "failing",
    }
}

fn bounds(flap: Option<Flap>) -> String {
    let Some(Flap { changes, within, hold, max_hold }) = flap else { return "never held".to_owned() };
    format!("{changes} changes in {}, held {} to {}", say(within), say(hold), say(max_hold))
}

fn group(old: &GroupConfig, new: &GroupConfig) -> Vec<KeyChange> {
    let GroupConfig { members, hooks } = new;
    let mut changes = Changes::default();
    changes.list("members", &old.members, members);
    changes.hooks(old.hooks.as_deref(), hooks.as_deref());
    changes.list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn parsed(rest: &str) -> config::Config {
        let text = format!(
            "[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = 1\naddresses = [\"192.0.2.1/24\"]\n\
             [instance.b]\ninterface = \"eth0\"\nvirtual_router_id = 2\naddresses = [\"192.0.2.2/24\"]\n{rest}"
        );
        config::parse(&text, "test").unwrap_or_else(|errors| panic!("{}", errors.render(false))).config
    }

    /// Changes in short: "name word key: change".
    fn short(changes: BTreeMap<&str, Change>) -> Vec<String> {
        let words = |(name, change): (&str, Change)| {
            let keys: Vec<String> =
                change.keys().iter().map(|k| format!(" {}: {}", k.key, k.change)).collect();
            format!("{name} {}{}", change.word(), keys.join(";"))
        };
        changes.into_iter().map(words).collect()
    }

    #[test]
    fn checks_are_compared_key_by_key_and_show_no_secret() {
        let old = parsed(
            "[check.same]\nfile = { path = \"/a\" }\n[check.gone]\nfile = { path = \"/b\" }\n\
             [check.kind]\nfile = { path = \"/c\" }\n[check.web]\nhttp = { url = \"http://h/\", headers = { X = \"old-secret\" } }\n",
        );
        let new = parsed(
            "[check.same]\nfile = { path = \"/a\" }\n[check.new]\nfile = { path = \"/b\" }\n\
             [check.kind]\ntcp = { address = \"h:1\" }\n\
             [check.web]\ninterval = \"2s\"\nfall = 1\nrise = 1\ninitial = \"failing\"\nflap = { changes = 0 }\nhttp = { url = \"http://h/\", headers = { X = \"new-secret\" } }\n",
        );
        let told = short(checks(&old.checks, &new.checks));
        assert_eq!(told.len(), 5, "{told:#?}");
        assert_eq!(told[0], "gone removed");
        assert!(told[1].starts_with("kind changed tcp: file → tcp; fall: 1 → 3; rise: 1 → 2"), "{}", told[1]);
        assert_eq!((told[2].as_str(), told[3].as_str()), ("new added", "same kept"));
        for word in [
            "http: looks at",
            "interval: 1s → 2s",
            "fall: 3 → 1",
            "rise: 2 → 1",
            "unknown → failing",
            "→ never held",
        ] {
            assert!(told[4].contains(word), "{word}: {}", told[4]);
        }
        assert!(!told[4].contains("secret"), "{}", told[4]);
    }

    #[test]
    fn groups_are_compared_by_members_and_hooks() {
        let old = parsed("[group.g]\nmembers = [\"a\", \"b\"]\n");
        let new = parsed("[group.g]\nmembers = [\"a\"]\nunits = { master = [\"x.service\"] }\n");
        assert_eq!(
            short(groups(&old.groups, &new.groups)),
            ["g changed members: -b; units: +master x.service"]
        );
        assert_eq!(short(groups(&old.groups, &old.groups)), ["g kept"]);
    }
}
