//! The JSON Schema of `failover status --json`, made from the types that the document is written from: their fields, types
//! and documentation, read from the sources.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{expected, repository};

/// The sources, and the types of each that are part of the document.
const SOURCES: [(&str, &[&str]); 5] = [
    (
        "src/agent/snapshot.rs",
        &[
            "Snapshot",
            "GroupStatus",
            "TrackStatus",
            "ConfigurationStatus",
            "ReloadStatus",
            "InstanceStatus",
            "VrState",
            "AddressStatus",
            "MasterStatus",
            "TroubleStatus",
            "InstanceCounters",
            "AgentCounters",
        ],
    ),
    ("src/health/status.rs", &["CheckStatus", "LastRun"]),
    ("src/health/standing.rs", &["Verdict"]),
    ("src/health/outcome.rs", &["Finding"]),
    ("src/net.rs", &["Family"]),
];

/// The file that is shipped.
const FILE: &str = "config/status.schema.json";

/// A type as its source has it.
struct Type {
    doc: String,
    /// Names with documentation, and the type of each field; none for a word of an enumeration.
    parts: Vec<(String, String, Option<String>)>,
    upper: bool,
}

/// Reads one type. The sources are laid out by rustfmt, one field a line.
fn read(source: &str, name: &str) -> Type {
    let (mut doc, mut upper) = (Vec::new(), false);
    let mut lines = source.lines();
    for line in lines.by_ref() {
        if line == format!("pub struct {name} {{") || line == format!("pub enum {name} {{") {
            break;
        }
        match line.strip_prefix("/// ") {
            Some(text) => doc.push(text.to_owned()),
            None if line.starts_with("#[") => upper |= line.contains("UPPERCASE"),
            None => {
                doc.clear();
                upper = false;
            }
        }
    }
    let (mut parts, mut said) = (Vec::new(), Vec::new());
    for line in lines.map(str::trim).take_while(|line| *line != "}") {
        if let Some(text) = line.strip_prefix("/// ") {
            said.push(text.to_owned());
        } else if !line.starts_with("#[") {
            let part = line.trim_end_matches(',').trim_start_matches("pub ");
            let (part, kind) = part.split_once(": ").map_or((part, None), |(p, k)| (p, Some(k.to_owned())));
            parts.push((part.to_owned(), std::mem::take(&mut said).join(" "), kind));
        }
    }
    assert!(!parts.is_empty(), "{name} was not found");
    Type { doc: doc.join(" "), parts, upper }
}

/// The schema of a Rust type by its name.
fn kind(name: &str) -> Value {
    let inner = |wrapper: &str| name.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return json!({ "anyOf": [kind(inner), { "type": "null" }] });
    }
    if let Some(inner) = inner("Vec<") {
        return json!({ "type": "array", "items": kind(inner) });
    }
    match name {
        "String" => json!({ "type": "string" }),
        "bool" => json!({ "type": "boolean" }),
        "f64" => json!({ "type": "number", "minimum": 0 }),
        "u8" => json!({ "type": "integer", "minimum": 0, "maximum": 255 }),
        "i16" => json!({ "type": "integer", "minimum": i16::MIN, "maximum": i16::MAX }),
        "u32" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        "u64" => json!({ "type": "integer", "minimum": 0 }),
        other => json!({ "$ref": format!("#/$defs/{other}") }),
    }
}

fn definition(of: &Type) -> Value {
    if of.parts.iter().all(|(_, _, kind)| kind.is_none()) {
        let word = |word: &str| if of.upper { word.to_uppercase() } else { word.to_lowercase() };
        let words: Vec<Value> = of
            .parts
            .iter()
            .map(|(name, doc, _)| json!({ "const": word(name), "description": doc }))
            .collect();
        return json!({ "description": of.doc, "oneOf": words });
    }
    let mut properties = Map::new();
    for (name, doc, field) in &of.parts {
        let mut schema = kind(field.as_deref().unwrap_or_default());
        schema["description"] = json!(doc);
        properties.insert(name.clone(), schema);
    }
    let required: Vec<&str> = of.parts.iter().map(|(name, _, _)| name.as_str()).collect();
    json!({ "description": of.doc, "type": "object", "properties": properties, "required": required })
}

/// The whole schema.
pub(crate) fn schema() -> Value {
    let mut definitions: BTreeMap<&str, Value> = BTreeMap::new();
    for (path, names) in SOURCES {
        let source = repository(path);
        for name in names {
            definitions.insert(name, definition(&read(&source, name)));
        }
    }
    let mut schema = definitions.remove("Snapshot").unwrap();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("failover status --json");
    schema["$defs"] = json!(definitions);
    schema
}

/// What is wrong with `value`, where `schema` is of the whole document's. A property that the schema does not name is
/// wrong, too: here the program and the schema are of one version.
pub(crate) fn faults(value: &Value, schema: &Value, whole: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        return faults(value, &whole["$defs"][name], whole, at, found);
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let fits = |choice: &&Value| {
            let mut found = Vec::new();
            faults(value, choice, whole, at, &mut found);
            found.is_empty()
        };
        match choices.iter().filter(fits).count() {
            0 => found.push(format!("{at}: {value} fits none of {choices:?}")),
            _ => return,
        }
    }
    if let Some(word) = schema.get("const")
        && value != word
    {
        found.push(format!("{at}: {value} is not {word}"));
    }
    let right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.as_f64().is_some_and(|number| number >= 0.0),
        Some("integer") => {
            let bound = |name: &str, open: i64| schema[name].as_i64().unwrap_or(open);
            value.as_i64().is_some_and(|n| n >= bound("minimum", i64::MIN) && n <= bound("maximum", i64::MAX))
        }
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !right {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        faults(item, &schema["items"], whole, &format!("{at}[{index}]"), found);
    }
    let Some(object) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            found.push(format!("{at}: no {name}"));
        }
    }
    for (name, value) in object {
        match schema["properties"].get(name) {
            Some(schema) => faults(value, schema, whole, &format!("{at}.{name}"), found),
            None => found.push(format!("{at}: {name} is not in the schema")),
        }
    }
}

#[test]
fn the_schema_is_that_of_the_types_and_describes_every_field() {
    let schema = schema();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    expected(FILE, &text);
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions.iter().chain([(&"the document".to_owned(), &schema)]) {
        assert!(definition["description"].as_str().is_some_and(|doc| doc.len() > 3), "{name}");
        for (field, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|doc| doc.len() > 3), "{name}.{field}");
        }
        for reference in definition.to_string().split("#/$defs/").skip(1) {
            let to = reference.split('"').next().unwrap();
            assert!(definitions.contains_key(to), "{name} refers to {to}");
        }
    }
}
