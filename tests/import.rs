//! keepalived's configurations and what becomes of them: each `tests/import/NAME.conf` is translated, and what comes out
//! is compared with `tests/import/NAME.expected`. `UPDATE_EXPECTED=1` writes those files anew: read the difference before
//! it is committed.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use failover::config::code::Code;
use failover::config::diagnostic::Severity;
use failover::config::import::{Fate, Imported, Included, Options, glob, import};
use failover::config::{self, Diagnostics};

/// How every password in the cases begins.
const PASSWORD: &str = "hunter2";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// The cases, by name.
fn cases() -> BTreeMap<String, String> {
    let paths = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// Brings files of the folder; a pattern may have its stars in the last part.
fn bring(pattern: &str, directory: &str) -> Result<Vec<Included>, String> {
    let mut found = Vec::new();
    for pattern in glob::braces(pattern).ok_or("too many braces")? {
        let path = Path::new(directory).join(pattern);
        let (parent, last) = (path.parent().unwrap(), path.file_name().unwrap().to_string_lossy());
        let mut names: Vec<String> = fs::read_dir(folder().join(parent))
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()))
            .map_or_else(|_| Vec::new(), Iterator::collect);
        names.sort();
        for name in names.into_iter().filter(|name| glob::matches(&last, name)) {
            let path = parent.join(name);
            let text = fs::read_to_string(folder().join(&path)).map_err(|_| "it is a directory".to_owned());
            let directory = parent.to_str().unwrap().to_owned();
            found.push(Included { name: path.to_str().unwrap().to_owned(), directory, text });
        }
    }
    Ok(found)
}

fn translate(name: &str, text: &str) -> Result<Imported, Diagnostics> {
    let options = Options { config_id: "lb1".to_owned(), directory: String::new() };
    import(text, &format!("{name}.conf"), &options, &mut bring)
}

/// What `config::parse` says against a translation: nothing.
fn complaints(text: &str) -> Vec<String> {
    let Err(diagnostics) = config::parse(text, "failover.toml") else { return Vec::new() };
    let serious = |one: &&config::diagnostic::Diagnostic| one.severity == Severity::Error;
    diagnostics.list().iter().filter(serious).map(|one| format!("{}: {}", one.code, one.message)).collect()
}

#[test]
fn every_configuration_becomes_what_is_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let cases = cases();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let actual = match translate(&name, &text) {
            Ok(imported) => {
                format!("{}\n{}{}\n", imported.text, imported.warnings.render(false), imported.summary())
            }
            Err(diagnostics) => diagnostics.render(false),
        };
        let path = folder().join(format!("{name}.expected"));
        if update {
            fs::write(&path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != actual {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_expected_file_is_left_without_its_configuration() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "expected") {
            assert!(path.with_extension("conf").exists(), "{}", path.display());
        }
    }
}

#[test]
fn every_translation_is_a_legal_configuration() {
    for (name, text) in cases() {
        let Ok(imported) = translate(&name, &text) else { continue };
        assert_eq!(complaints(&imported.text), [""; 0], "{name}:\n{}", imported.text);
        // TOML comments may hold no control characters, and nobody wants trailing blanks.
        for line in imported.text.lines() {
            assert!(!line.contains(char::is_control) && line.trim_end() == line, "{name}: {line:?}");
        }
        assert!(imported.text.ends_with('\n'));
    }
}

/// Lines that say something: not only a comment, blanks, braces.
fn significant(text: &str) -> BTreeSet<usize> {
    let says = |line: &str| {
        let before = line.trim_start().split(['#', '!']).next().unwrap();
        before.contains(|c: char| !c.is_whitespace() && c != '{' && c != '}')
    };
    text.lines().zip(1..).filter(|(line, _)| says(line)).map(|(_, number)| number).collect()
}

#[test]
fn every_significant_line_ends_as_a_setting_or_in_a_remark() {
    for (name, text) in cases() {
        let Ok(imported) = translate(&name, &text) else { continue };
        let output: Vec<&str> = imported.text.lines().collect();
        let mut accounted: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for account in &imported.accounts {
            accounted.entry(&account.file).or_default().insert(account.line);
            assert!(!account.shown.is_empty(), "{name}: {account:?}");
            let shown: Vec<&str> = account.shown.iter().map(|line| output[line - 1]).collect();
            match account.fate {
                // As a comment: a remark, or a setting that is left to be decided.
                Fate::Without | Fate::Ignored => {
                    assert!(
                        shown.iter().any(|line| line.trim_start().starts_with('#')),
                        "{name}: {account:?}\n{shown:#?}"
                    );
                }
                Fate::Changed => {
                    assert!(shown.iter().any(|line| line.contains("# ")), "{name}: {account:?}\n{shown:#?}");
                }
                Fate::Translated => {
                    assert!(shown.iter().all(|line| !line.is_empty()), "{name}: {account:?}");
                }
            }
        }
        let file = format!("{name}.conf");
        let known = accounted.remove(file.as_str()).unwrap_or_default();
        let missing: Vec<_> = significant(&text).difference(&known).copied().collect();
        assert!(missing.is_empty(), "{name}: nothing is said of the lines {missing:?}\n{}", imported.text);
        for (file, known) in accounted {
            let text = fs::read_to_string(folder().join(file)).unwrap();
            let missing: Vec<_> = significant(&text).difference(&known).copied().collect();
            assert!(missing.is_empty(), "{name}: nothing is said of {file}, lines {missing:?}");
        }
    }
}

/// The lines that remarks show as parts of a block: `FILE:FIRST-LAST: …`.
fn in_blocks(name: &str, result: &str) -> BTreeSet<usize> {
    let range = |rest: &str| {
        let (first, rest) = rest.split_once('-')?;
        let (last, _) = rest.split_once(": ")?;
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    let marker = format!("{name}.conf:");
    result
        .lines()
        .filter_map(|line| line.split_once(&marker))
        .filter_map(|(_, rest)| range(rest))
        .flatten()
        .collect()
}

/// The account itself could be wrong: so each line with one word or more is blanked, and the result must not be the same.
#[test]
fn every_significant_line_matters_to_the_result() {
    for (name, text) in cases() {
        let Ok(whole) = translate(&name, &text) else { continue };
        for number in significant(&text).difference(&in_blocks(&name, &whole.text)).copied() {
            let blanked: String = text
                .lines()
                .zip(1..)
                .map(|(line, at)| if at == number { "!\n".to_owned() } else { format!("{line}\n") })
                .collect();
            if let Ok(without) = translate(&name, &blanked) {
                let line = text.lines().nth(number - 1).unwrap();
                assert!(without.text != whole.text, "{name}:{number}: `{line}` left no trace");
            }
        }
    }
}

#[test]
fn the_result_is_the_same_every_time() {
    for (name, text) in cases() {
        assert!(translate(&name, &text) == translate(&name, &text), "{name}");
    }
}

#[test]
fn passwords_are_in_settings_and_nowhere_else() {
    let mut settings = 0;
    for (name, text) in cases() {
        let diagnostics = match translate(&name, &text) {
            Ok(imported) => {
                for line in imported.text.lines().filter(|line| line.contains(PASSWORD)) {
                    let setting = line.trim_start_matches('#').starts_with("auth = { type = \"password\", ");
                    assert!(setting, "{name}: {line}");
                    settings += 1;
                }
                assert!(!imported.summary().contains(PASSWORD));
                imported.warnings
            }
            Err(diagnostics) => diagnostics,
        };
        let json = serde_json::to_string(&diagnostics.to_document(false)).unwrap();
        for text in [diagnostics.render(false), diagnostics.render(true), json] {
            assert!(!text.contains(PASSWORD), "{name}:\n{text}");
        }
    }
    assert!(settings >= 5, "{settings} passwords arrived");
}

#[test]
fn every_code_of_the_import_occurs_in_a_case() {
    let mut seen = BTreeSet::new();
    for (name, text) in cases() {
        let diagnostics = match translate(&name, &text) {
            Ok(imported) => imported.warnings,
            Err(diagnostics) => diagnostics,
        };
        seen.extend(diagnostics.list().iter().map(|diagnostic| diagnostic.code));
    }
    let ours = |code: &&Code| code.number().starts_with("F03");
    let missing: Vec<_> = Code::ALL.iter().filter(ours).filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// The reader tells the first five hundred mistakes to a person; here every one counts.
#[test]
fn more_mistakes_than_anybody_reads_become_comments_all_the_same() {
    let instance = |number: usize| {
        format!(
            "vrrp_instance i{number} {{\n  interface eth0\n  virtual_router_id 1\n  track_interface {{ eth1 }}\n  \
             virtual_ipaddress {{ 10.0.{}.{} }}\n}}\n",
            number / 250,
            number % 250 + 1
        )
    };
    let text: String = (0..1200).map(instance).collect();
    let imported = translate("many", &text).unwrap();
    assert_eq!(complaints(&imported.text), [""; 0]);
    assert!(imported.text.contains("\n[instance.i0]\n") && imported.text.contains("\n#[instance.i1199]\n"));
    assert_eq!(imported.text.matches("\n[instance.i").count(), 2, "the first one and what it tracks");
}
