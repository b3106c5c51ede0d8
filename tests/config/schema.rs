//! The JSON Schema: that it is the one that is shipped, that it takes everything that the reader takes, and that it refuses
//! what can be seen in a value without the rest.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use failover::config::code::Code;
use failover::config::keys::{FILE_KEYS, Key, Kind, Preset};
use failover::config::{self, schema};
use serde_json::{Value, json};

use super::documents::{inner_table, whole_sample};
use super::{read, root, secret, toml_files, validator};

/// The value of TOML as one of JSON; a date becomes null, which no key takes.
fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(value) => json!(value),
        toml::Value::Datetime(_) => Value::Null,
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
    }
}

/// What the schema has against `document`.
fn fault(document: &toml::Table) -> Option<String> {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    let schema = SCHEMA.get_or_init(schema);
    validator::fault(schema, schema, &to_json(&toml::Value::Table(document.clone())))
}

/// What is wrong with `document` in the eyes of the reader.
fn codes(document: &toml::Table) -> Vec<Code> {
    let text = toml::to_string(document).unwrap();
    match config::parse_with(&text, "test.toml", &mut secret) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.list().iter().map(|diagnostic| diagnostic.code).collect(),
    }
}

fn sample() -> toml::Table {
    toml::from_str(&whole_sample()).unwrap()
}

#[test]
fn the_shipped_schema_is_the_printed_one() {
    let path = root().join("config/failover.schema.json");
    let printed = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == printed, "{} is not what `failover schema` prints", path.display());
    let output = Command::new(env!("CARGO_BIN_EXE_failover")).arg("schema").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(output.stdout == shipped.as_bytes(), "`failover schema` prints something else");
    let sample = fs::read_to_string(root().join("config/failover.toml")).unwrap();
    let first = sample.lines().next().unwrap();
    let named =
        first.strip_prefix("#:schema ").expect("the sample's first line points editors to the schema");
    assert!(root().join("config").join(named).exists(), "{named}");
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    assert_eq!(fault(&sample()), None);
    let mut count = 0;
    for path in [toml_files("config"), toml_files("config/examples"), toml_files("tests/config")].concat() {
        let Ok(document) = toml::from_str(&fs::read_to_string(&path).unwrap()) else { continue };
        if read(&path).is_ok() {
            assert_eq!(fault(&document), None, "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 20, "{count} valid configurations");
}

#[test]
fn what_is_wrong_by_itself_the_schema_refuses() {
    let visible = [Code::UnknownKey, Code::MissingKey, Code::WrongType, Code::ProbeCount, Code::BadName];
    let mut count = 0;
    for path in toml_files("tests/config") {
        let Ok(document) = toml::from_str(&fs::read_to_string(&path).unwrap()) else { continue };
        let Err(diagnostics) = read(&path) else { continue };
        if diagnostics.list().iter().any(|diagnostic| visible.contains(&diagnostic.code)) {
            assert!(fault(&document).is_some(), "the schema takes {}", path.display());
            count += 1;
        }
    }
    assert!(count >= 30, "{count} configurations");
}

/// Calls `change` for the first place in `value`, which is a `table`, that `key` stands in.
fn change(
    table: &str,
    value: &mut toml::Value,
    key: &Key,
    change: &mut impl FnMut(&mut toml::Table),
) -> bool {
    match value {
        toml::Value::Table(entries) => {
            if table == key.table && entries.contains_key(key.name) {
                change(entries);
                return true;
            }
            entries
                .iter_mut()
                .any(|(name, value)| self::change(&inner_table(table, name), value, key, change))
        }
        toml::Value::Array(items) => items.iter_mut().any(|item| self::change(table, item, key, change)),
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => false,
    }
}

/// The sample with the table that `key` stands in changed.
fn changed(key: &Key, mut with: impl FnMut(&mut toml::Table)) -> toml::Table {
    let mut whole = toml::Value::Table(sample());
    let found = change("", &mut whole, key, &mut with);
    assert!(found, "the sample has no `{}` of {}", key.name, key.table);
    whole.try_into().unwrap()
}

/// Values that `kind` does not take and that are wrong whatever else is configured.
fn wrong(kind: &Kind) -> Vec<toml::Value> {
    use toml::Value::{Array, Boolean, Float, Integer, String};
    let text = |text: &str| String(text.to_owned());
    match kind {
        Kind::Boolean => vec![text("true"), Integer(1)],
        Kind::Integer { low, high } => vec![Integer(low - 1), Integer(high + 1), Float(1.5), text("1")],
        Kind::Weight { most } => {
            vec![Integer(0), Integer(i64::from(*most) + 1), Integer(-1 - i64::from(*most)), Float(1.5)]
        }
        Kind::Duration { .. } => vec![Integer(1), text(""), text("1"), text("soon"), text("-1s")],
        Kind::Size { .. } => vec![Integer(1), text("1"), text("1kB"), text("1.5MiB")],
        Kind::Word(_) => vec![text("no such word"), Integer(1), Boolean(true)],
        Kind::Text(rule) => {
            let mut wrong = vec![Integer(1), Boolean(true), Array(Vec::new())];
            if rule.least > 0 {
                wrong.push(text(""));
            }
            wrong.push(String("x".repeat(rule.most + 1)));
            wrong
        }
        Kind::List { of, least, .. } => {
            let mut lists: Vec<_> = wrong(of).into_iter().map(|item| Array(vec![item])).collect();
            lists.push(text("x"));
            if *least > 0 {
                lists.push(Array(Vec::new()));
            }
            lists
        }
        Kind::Table(_) => vec![Integer(1), Array(Vec::new())],
        Kind::Map { .. } => vec![Integer(1), Array(Vec::new()), text("x")],
        Kind::Either(kinds) => {
            let all = kinds.iter().flat_map(wrong);
            all.filter(|value| !kinds.iter().any(|kind| takes(kind, value))).collect()
        }
    }
}

/// Whether a value that is wrong for one of several kinds may be right for another.
fn takes(kind: &Kind, value: &toml::Value) -> bool {
    let text = value.as_str().is_some_and(|text| !text.is_empty() && text.len() < 100);
    (matches!(kind, Kind::Text(_)) && text) || (matches!(kind, Kind::Table(_)) && value.is_table())
}

#[test]
fn each_key_broken_in_turn_is_refused_by_the_reader_and_by_the_schema() {
    for key in FILE_KEYS {
        for value in wrong(&key.kind) {
            let document = changed(key, |table| {
                table.insert(key.name.to_owned(), value.clone());
            });
            let what = format!("`{}` of {} = {value:?}", key.name, key.table);
            assert!(!codes(&document).is_empty(), "the reader takes {what}");
            assert!(fault(&document).is_some(), "the schema takes {what}");
        }
        let document = changed(key, |table| {
            table.insert("no_such_key".to_owned(), 1.into());
        });
        assert!(codes(&document).contains(&Code::UnknownKey), "{}", key.table);
        assert!(fault(&document).is_some(), "{}", key.table);
        let document = changed(key, |table| {
            table.remove(key.name);
        });
        let required = key.default == Preset::Required;
        assert_eq!(codes(&document).contains(&Code::MissingKey) && required, required, "{}", key.name);
        if required {
            assert!(fault(&document).is_some(), "the schema does not require `{}`", key.name);
        }
    }
}

#[test]
fn what_an_instance_must_have_it_can_inherit() {
    let instance = ["interface = \"eth0\"", "virtual_router_id = 51", "addresses = [\"192.0.2.1\"]"];
    for missing in instance {
        let rest: Vec<&str> = instance.into_iter().filter(|line| *line != missing).collect();
        let without = format!("[instance.web]\n{}\n", rest.join("\n"));
        let document = toml::from_str(&without).unwrap();
        assert!(codes(&document).contains(&Code::MissingKey) && fault(&document).is_some(), "{without}");
        let document = toml::from_str(&format!("[defaults]\n{missing}\n{without}")).unwrap();
        assert_eq!((codes(&document), fault(&document)), (Vec::new(), None), "{missing}");
    }
}

/// A list of each kind of durations, as [jiff](https://docs.rs/jiff) reads them: the schema must not be narrower.
#[test]
fn every_duration_that_can_be_read_fits_the_schema() {
    let interval = FILE_KEYS.iter().find(|key| key.table == "check.NAME" && key.name == "interval").unwrap();
    let mut taken = 0;
    for text in [
        "1s",
        "1.5s",
        "1,5s",
        "1 s",
        " 1s ",
        "1m30s",
        "1m 30s",
        "1h",
        "1 hour",
        "1 hr",
        "1hours",
        "100ms",
        "100 millis",
        "100000us",
        "100000µs",
        "100000μs",
        "100000000ns",
        "1 minute, 30 seconds",
        "00:01:30",
        "0:1:30",
        "00:00:01.5",
        "+1s",
        "1s ago",
        "-1s",
        "1",
        "",
        "s",
        "soon",
        "PT1S",
        "1d",
        "1 week",
    ] {
        let document = changed(interval, |table| {
            table.insert("interval".to_owned(), text.into());
            table.remove("timeout");
        });
        if codes(&document).is_empty() {
            assert_eq!(fault(&document), None, "{text:?}");
            taken += 1;
        }
    }
    assert!(taken >= 15, "{taken} of them are durations");
}

#[test]
fn the_schema_says_every_type_range_and_default() {
    let schema = schema();
    for key in FILE_KEYS {
        let table = key.table.split('.').next().unwrap();
        let property = &schema["$defs"][table]["properties"][key.name];
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.contains(key.doc) && description.contains(&key.kind.words()), "{description}");
        let literal = key.literal().map(|literal| {
            to_json(&toml::from_str::<toml::Table>(&format!("key = {literal}")).unwrap()["key"])
        });
        assert_eq!(property.get("default"), literal.as_ref(), "`{}` of {table}", key.name);
        if let Kind::Integer { low, high } = key.kind {
            assert_eq!(
                (&property["minimum"], &property["maximum"]),
                (&json!(low), &json!(high)),
                "{}",
                key.name
            );
        }
    }
    let keys = |table: &str| schema["$defs"][table]["properties"].clone();
    assert_eq!(keys("instance"), keys("defaults"), "what an instance can say, all can inherit");
}
