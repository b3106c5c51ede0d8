//! The configuration's JSON Schema (draft 2020-12), made from the table of keys, for editors and for whoever writes
//! configurations by program.
//!
//! It takes every whole configuration that the reader takes, and refuses what can be refused by looking at one value: unknown keys, wrong
//! types, missing keys, words and numbers out of range. The reader is stricter. A drop-in by itself may lack what the file
//! below it has.

use serde_json::{Map, Value, json};

use super::keys::{
    self, ADDRESS, AGENT, AUTH, CHECK, FILE, FLAP, GARP, GROUP, HTTP, INSTANCE, LINK, NOTIFY, ONE_OF, PING,
    PROCESS, RESTARTS, SCRIPT, SYSTEMD, TCP, TLS, TOGETHER, UNITS,
};
use super::kind::{Key, Kind, Preset};
use super::texts::{self, Text};

/// What every duration that the reader takes begins and ends with.
const DURATION: &str = "^\\s*\\+?\\s*[0-9].*([A-Za-zµμ]|:[0-9]{2}([.,][0-9]+)?)\\s*$";
/// What a size is.
const SIZE: &str = "^[0-9]+ *(B|KiB|MiB)$";

/// Every table that keys stand in, and what it is.
const TABLES: &[(&str, &str)] = &[
    (AGENT, "The agent itself."),
    (INSTANCE, "One virtual router."),
    (ADDRESS, "An address that moves."),
    (AUTH, "Authentication of version 2."),
    (GARP, "How addresses are announced after a takeover."),
    (NOTIFY, "Commands that are run on entering a state."),
    (UNITS, "Units that run while in a state."),
    (GROUP, "Instances that move together."),
    (CHECK, "A health check."),
    (FLAP, "When a check that keeps changing is held failing."),
    (SYSTEMD, "The state of a unit of systemd."),
    (RESTARTS, "How often a service may be restarted."),
    (HTTP, "The answer to an HTTP request."),
    (TLS, "How TLS is spoken."),
    (TCP, "A TCP connection, and what comes over it."),
    (SCRIPT, "The exit status of a command."),
    (LINK, "A network interface that is up and has a carrier."),
    (FILE, "A file, or the weight that is written in it."),
    (PROCESS, "A process that runs."),
    (PING, "ICMP echo."),
];

/// The whole schema.
#[must_use]
pub fn schema() -> Value {
    let mut tables: Map<String, Value> =
        TABLES.iter().map(|(table, doc)| (title(table).to_owned(), object(table, doc))).collect();
    tables.insert("defaults".to_owned(), defaults());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "failover.toml",
        "description": "Configuration of failover; failover.toml(5) describes it.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "agent": reference(AGENT),
            "defaults": { "$ref": "#/$defs/defaults" },
            "check": names(texts::NAME, &reference(CHECK)),
            "instance": names(texts::NAME, &reference(INSTANCE)),
            "group": names(texts::NAME, &reference(GROUP)),
        },
        "allOf": keys::of(INSTANCE).iter().filter(|row| is_required(row)).map(instances_have).collect::<Vec<_>>(),
        "$defs": tables,
    })
}

fn is_required(row: &Key) -> bool {
    row.default == Preset::Required
}

/// That every instance has a key, itself or from `[defaults]`.
fn instances_have(row: &Key) -> Value {
    let has = json!({ "required": [row.name] });
    json!({ "anyOf": [
        { "required": ["defaults"], "properties": { "defaults": has } },
        { "properties": { "instance": { "additionalProperties": has } } },
    ] })
}

/// The name of a table's definition: `instance` for `instance.NAME`.
fn title(table: &'static str) -> &'static str {
    table.split('.').next().unwrap_or(table)
}

fn reference(table: &'static str) -> Value {
    json!({ "$ref": format!("#/$defs/{}", title(table)) })
}

/// What holds for instances that do not say otherwise.
fn defaults() -> Value {
    object(INSTANCE, "Keys of an instance that all instances inherit.")
}

fn object(table: &'static str, doc: &str) -> Value {
    let rows = keys::of(table);
    let properties: Map<String, Value> =
        rows.iter().map(|row| (row.name.to_owned(), property(row))).collect();
    // What an instance must have it can inherit: the whole schema sees to that.
    let must_have = |row: &&Key| is_required(row) && row.table != INSTANCE;
    let required: Vec<&str> = rows.iter().filter(must_have).map(|row| row.name).collect();
    let mut object = json!({
        "description": doc,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    let mut add = |key: &str, value: Value| {
        if let Value::Object(members) = &mut object {
            members.insert(key.to_owned(), value);
        }
    };
    if !required.is_empty() {
        add("required", json!(required));
    }
    if let Some((_, choice)) = ONE_OF.iter().find(|(of, _)| *of == table) {
        let one = |key: &&str| json!({ "required": [key] });
        add("oneOf", choice.iter().map(one).collect());
    }
    if let Some((_, [one, other])) = TOGETHER.iter().find(|(of, _)| *of == table) {
        add("dependentRequired", json!({ *one: [other], *other: [one] }));
    }
    object
}

/// A key: its type, with what it is for, its range in words where the schema has none, and its default.
fn property(row: &Key) -> Value {
    let mut schema = value(&row.kind);
    let Value::Object(members) = &mut schema else { return schema };
    let mut description = format!("{} ({}", row.doc, row.kind.words());
    if row.default == Preset::Required {
        description.push_str("; required)");
    } else {
        description.push_str("; default ");
        description.push_str(&row.default_words());
        description.push(')');
    }
    members.insert("description".to_owned(), description.into());
    if let Some(default) = default(row) {
        members.insert("default".to_owned(), default);
    }
    schema
}

fn default(row: &Key) -> Option<Value> {
    match row.default {
        Preset::Required | Preset::Nothing(_) | Preset::ByProbe { .. } | Preset::AtMost { .. } => None,
        Preset::Boolean(value) => Some(json!(value)),
        Preset::Integer(number) => Some(json!(number)),
        Preset::Word(word) => Some(json!(word)),
        Preset::Words(words) => Some(json!(words)),
        Preset::Duration(_) | Preset::Size(_) => {
            row.literal().map(|literal| json!(literal.trim_matches('"')))
        }
        Preset::Parts => {
            let Kind::Table(table) = row.kind else { return Some(json!({})) };
            let part = |row: &Key| Some((row.name.to_owned(), default(row)?));
            Some(Value::Object(keys::of(table).iter().filter_map(part).collect()))
        }
    }
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer { low, high } => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Weight { most } => {
            json!({ "type": "integer", "minimum": -most, "maximum": most, "not": { "const": 0 } })
        }
        Kind::Duration { .. } => json!({ "type": "string", "pattern": DURATION }),
        Kind::Size { .. } => json!({ "type": "string", "pattern": SIZE }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Text(text) => string(text),
        Kind::List { of, least, most, .. } => {
            let mut list = json!({ "type": "array", "items": value(of) });
            if let Value::Object(members) = &mut list {
                if *least > 0 {
                    members.insert("minItems".to_owned(), json!(least));
                }
                if *most < usize::MAX {
                    members.insert("maxItems".to_owned(), json!(most));
                }
            }
            list
        }
        Kind::Table(table) => reference(table),
        Kind::Map { names: text, of } => names(text, &value(of)),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(value).collect::<Vec<_>>() }),
    }
}

/// A table whose keys are names.
fn names(text: &Text, of: &Value) -> Value {
    json!({ "type": "object", "propertyNames": string(text), "additionalProperties": of })
}

fn string(text: &Text) -> Value {
    let mut string = Map::new();
    string.insert("type".to_owned(), "string".into());
    if text.least > 0 {
        string.insert("minLength".to_owned(), 1.into());
    }
    // In characters, of which there are no more than bytes.
    if text.most < usize::MAX {
        string.insert("maxLength".to_owned(), text.most.into());
    }
    if !text.pattern.is_empty() {
        string.insert("pattern".to_owned(), text.pattern.into());
    }
    Value::Object(string)
}
