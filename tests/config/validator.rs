//! Enough of JSON Schema (draft 2020-12) to hold a document against our schema. A keyword that it does not know is a
//! failure, so that the schema cannot say more than is tested.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

thread_local! {
    /// Patterns that were met before: to compile one takes longer than all the rest.
    static PATTERNS: RefCell<BTreeMap<String, Regex>> = const { RefCell::new(BTreeMap::new()) };
}

fn matches(pattern: &str, text: &str) -> bool {
    PATTERNS.with_borrow_mut(|known| {
        let regex = known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap());
        regex.is_match(text)
    })
}

/// Where `value` breaks `schema`, whose references are to the definitions of `root`; `None` when it does not.
pub(crate) fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let broken = |(keyword, rule): (&String, &Value)| keyword_fault(root, schema, keyword, rule, value);
    schema.as_object().expect("a schema is an object").iter().find_map(broken)
}

fn keyword_fault(root: &Value, schema: &Value, keyword: &str, rule: &Value, value: &Value) -> Option<String> {
    let fits = |schema: &Value| fault(root, schema, value).is_none();
    let holds = match keyword {
        "$schema" | "$defs" | "title" | "description" | "default" => true,
        "$ref" => {
            let path = rule.as_str().unwrap().strip_prefix('#').expect("a reference into the schema itself");
            let inner = root.pointer(path).unwrap_or_else(|| panic!("no {path}"));
            return fault(root, inner, value);
        }
        "type" => is_of_type(rule.as_str().unwrap(), value),
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "not" => !fits(rule),
        "allOf" => return rule.as_array().unwrap().iter().find_map(|schema| fault(root, schema, value)),
        "anyOf" => rule.as_array().unwrap().iter().any(fits),
        "oneOf" => rule.as_array().unwrap().iter().filter(|schema| fits(schema)).count() == 1,
        "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
        "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= size(rule)),
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= size(rule)),
        "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
        "minItems" => value.as_array().is_none_or(|items| items.len() >= size(rule)),
        "maxItems" => value.as_array().is_none_or(|items| items.len() <= size(rule)),
        "items" => return value.as_array()?.iter().find_map(|item| fault(root, rule, item)),
        "required" => {
            value.as_object().is_none_or(|members| names(rule).iter().all(|name| members.contains_key(*name)))
        }
        "dependentRequired" => value.as_object().is_none_or(|members| {
            let rules = rule.as_object().unwrap().iter().filter(|(name, _)| members.contains_key(*name));
            rules.flat_map(|(_, needs)| names(needs)).all(|name| members.contains_key(name))
        }),
        "propertyNames" => {
            let named = |name: &String| fault(root, rule, &Value::String(name.clone()));
            return value.as_object()?.keys().find_map(named);
        }
        "properties" => {
            let known = |(name, value): (&String, &Value)| {
                fault(root, rule.get(name)?, value).map(|fault| format!("{name}: {fault}"))
            };
            return value.as_object()?.iter().find_map(known);
        }
        "additionalProperties" => {
            let known = |name: &str| schema.get("properties").is_some_and(|known| known.get(name).is_some());
            let mut others = value.as_object()?.iter().filter(|(name, _)| !known(name));
            if *rule == Value::Bool(false) {
                return others.next().map(|(name, _)| format!("there is no {name}"));
            }
            return others.find_map(|(name, value)| Some(format!("{name}: {}", fault(root, rule, value)?)));
        }
        _ => panic!("the schema says {keyword}, which is not tested"),
    };
    (!holds).then(|| format!("{value} breaks {keyword}: {rule}"))
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => panic!("no type {name}"),
    }
}

fn size(rule: &Value) -> usize {
    usize::try_from(rule.as_u64().unwrap()).unwrap()
}

fn names(rule: &Value) -> Vec<&str> {
    rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}
