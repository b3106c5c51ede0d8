//! The sample, the examples and the manual page: each key with its type, range and default as the table of keys has
//! them, and nothing in them that is not valid.

use std::fs;

use failover::config::code::Code;
use failover::config::keys::{FILE_KEYS, Key, Kind, LATER_KEYS, Preset};
use failover::config::{self, Diagnostics, Loaded};

use super::{read, root, secret, toml_files};

/// The sample as it is shipped.
fn sample() -> String {
    fs::read_to_string(root().join("config/failover.toml")).unwrap()
}

/// Whether a line of the sample is a setting that is commented out.
fn is_setting(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace() && c != ':'))
}

/// The sample with every comment sign before a setting taken off.
pub(crate) fn whole_sample() -> String {
    let sample = sample();
    let lines: Vec<&str> =
        sample.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect();
    lines.join("\n").replace("/etc/failover.password", "/secret/good")
}

/// The manual page without its escapes.
fn manual() -> String {
    let manual = fs::read_to_string(root().join("man/failover.toml.5")).unwrap();
    manual.replace("\\-", "-").replace("\\(dq", "\"").replace("\\&", "").replace("\\e", "\\")
}

fn parse(text: &str) -> Result<Loaded, Diagnostics> {
    config::parse_with(text, "test.toml", &mut secret)
}

fn assert_fine(what: &str, text: &str) {
    match parse(text) {
        Ok(loaded) => assert_eq!(loaded.warnings.render(false), "", "{what}"),
        Err(diagnostics) => panic!("{what}:\n{}", diagnostics.render(false)),
    }
}

#[test]
fn the_sample_and_the_examples_are_valid_without_a_warning() {
    let mut files = toml_files("config/examples");
    files.push(root().join("config/failover.toml"));
    assert!(files.len() >= 4);
    for path in files {
        match read(&path) {
            Ok(loaded) => assert_eq!(loaded.warnings.render(false), "", "{}", path.display()),
            Err(diagnostics) => panic!("{}", diagnostics.render(false)),
        }
    }
    assert_fine("the sample with every comment sign taken off", &whole_sample());
}

/// Which table `key` of the table `at` is, as the table of keys calls it.
pub(crate) fn inner_table(at: &str, key: &str) -> String {
    match (at, key) {
        ("", "check" | "instance" | "group") => format!("{key}."),
        ("check." | "instance." | "group.", _) => format!("{at}NAME"),
        (_, "addresses" | "unadvertised_addresses") => "address".to_owned(),
        _ => key.to_owned(),
    }
}

/// Every value that a key of `table` has in the sample, as TOML.
fn values(table: &str, name: &str) -> Vec<toml::Value> {
    let sample: toml::Table = toml::from_str(&whole_sample()).unwrap();
    let mut found = Vec::new();
    let mut open = vec![(String::new(), toml::Value::Table(sample))];
    while let Some((at, value)) = open.pop() {
        let toml::Value::Table(entries) = value else { continue };
        for (key, value) in entries {
            if at == table && key == name {
                found.push(value.clone());
            }
            let inner = inner_table(&at, &key);
            if let toml::Value::Array(items) = value {
                open.extend(items.into_iter().map(|item| (inner.clone(), item)));
            } else {
                open.push((inner, value));
            }
        }
    }
    found
}

#[test]
fn the_sample_has_every_key_and_its_default() {
    for key in FILE_KEYS {
        let values = values(key.table, key.name);
        assert!(!values.is_empty(), "the sample has no `{}` of {}", key.name, key.table);
        let Some(default) = key.literal() else { continue };
        let default: toml::Table = toml::from_str(&format!("key = {default}")).unwrap();
        // A table of the administrator's own, or a list of his, is shown with something in it.
        let empty = matches!(key.default, Preset::Words(&[])) || matches!(key.kind, Kind::Map { .. });
        assert!(
            empty || values.contains(&default["key"]),
            "the sample has `{}` of {} as {values:?} only",
            key.name,
            key.table
        );
    }
}

/// The range of a key as prose says it.
fn range(key: &Key) -> Option<String> {
    let words = key.kind.words();
    let range =
        words.strip_prefix("integer ").or(words.strip_prefix("duration ")).or(words.strip_prefix("size "))?;
    Some(if range.contains(" or ") && !range.contains('-') {
        range.to_owned()
    } else {
        range.replace('-', " to ")
    })
}

#[test]
fn the_sample_says_every_range() {
    let sample = sample();
    let paragraphs: Vec<&str> = sample.split("\n\n").collect();
    for key in FILE_KEYS {
        let Some(range) = range(key) else { continue };
        let setting = |paragraph: &&&str| {
            let mut lines = paragraph.lines().filter(|line| is_setting(line) || !line.starts_with('#'));
            lines.any(|line| {
                let words =
                    line.trim_start_matches('#').split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                words.into_iter().any(|word| word == key.name)
            })
        };
        let says = |paragraph: &&str| paragraph.replace("\n# ", " ").replace('"', "").contains(&range);
        let around: Vec<&str> = paragraphs.iter().filter(setting).copied().collect();
        assert!(
            around.iter().any(says),
            "the sample does not say `{range}` beside `{}`: {around:#?}",
            key.name
        );
    }
}

#[test]
fn the_manual_has_every_key_with_its_type_and_default_and_every_code() {
    let manual = manual();
    for key in FILE_KEYS {
        let default = key.default_words();
        let default = if key.default == Preset::Required { default } else { format!("default {default}") };
        let head = format!(".IP \"\\fB{}\\fR\" 4\n{}; {default}\n", key.name, key.kind.words());
        assert!(manual.contains(&head), "the manual lacks:\n{head}");
    }
    for (_, key) in LATER_KEYS {
        assert!(manual.contains(key), "the manual does not say that `{key}` is not there yet");
    }
    for code in Code::ALL {
        assert!(
            manual.contains(&format!("{code}\n{}", code.meaning())),
            "the manual lacks {code}: {}",
            code.meaning()
        );
    }
}

/// Each example between `.nf` and `.fi`: a whole configuration, or lines of an instance.
#[test]
fn every_example_of_the_manual_is_valid() {
    let manual = manual();
    let mut count = 0;
    for after in manual.split("\n.nf\n").skip(1) {
        let example = after.split("\n.fi").next().unwrap();
        // Of systemd.
        if example.starts_with("[Unit]\n") {
            continue;
        }
        let text = if example.contains("[instance.") {
            example.to_owned()
        } else {
            let version = if example.contains("auth") { 2 } else { 3 };
            let addresses = if example.contains("addresses") { "" } else { "addresses = [\"192.0.2.100\"]" };
            format!(
                "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\nversion = {version}\n{addresses}\n{example}"
            )
        };
        assert_fine(&text, &text.replace("/etc/failover.password", "/secret/good"));
        count += 1;
    }
    assert!(count >= 10, "{count} examples");
}
