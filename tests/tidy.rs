//! The repository's rules, as a test: who may use whom, how long a file may be, where `unsafe` may stand, that every
//! dependency says why it is there.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

/// Longest source file, in lines.
const LONGEST_FILE: usize = 500;

/// Layer, the layers of this crate that it may use besides itself, and whether it is pure: touches no system.
const LAYERS: [(&str, &[&str], bool); 15] = [
    ("time", &[], true),
    ("net", &[], true),
    ("vrrp", &["time", "net"], true),
    ("config", &["time", "net", "vrrp"], true),
    ("health", &["time", "net", "vrrp", "config"], true),
    ("agent", &["time", "net", "vrrp", "config", "health"], true),
    ("os", &["time", "net"], false),
    ("observe", &["time", "net", "agent", "os"], false),
    ("bus", &["time", "net", "config", "health", "agent", "os"], false),
    ("probe", &["time", "net", "config", "health", "os", "bus"], false),
    ("hook", &["time", "net", "config", "agent", "os", "bus", "probe"], false),
    (
        "daemon",
        &["time", "net", "vrrp", "config", "health", "agent", "os", "observe", "bus", "probe", "hook"],
        false,
    ),
    (
        "cli",
        &[
            "time", "net", "vrrp", "config", "health", "agent", "os", "observe", "bus", "probe", "hook",
            "daemon",
        ],
        false,
    ),
    ("main", &["cli", "failover"], false),
    ("lib", &[], false),
];

/// What a pure layer does not name.
const IMPURE: [&str; 12] = [
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "std::os",
    "std::io",
    "std::time::Instant",
    "SystemTime",
    "println!",
    "eprintln!",
    "tracing::",
    "nix::",
];

/// The one place of a pure layer that reads files.
const READS_FILES: &str = "src/config/load.rs";

struct Source {
    path: String,
    layer: String,
    text: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let layer = relative.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        Source { path: relative, layer, text: fs::read_to_string(path).unwrap() }
    }

    /// The part before the tests, without comments.
    fn code(&self) -> String {
        let before = self.text.split("#[cfg(test)]").next().unwrap();
        before.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source::read(root, &path));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The sources without the files that hold only tests.
fn shipped() -> Vec<Source> {
    let tests = |source: &Source| source.path.ends_with("tests.rs") || source.path.contains("/tests/");
    sources().into_iter().filter(|source| !tests(source)).collect()
}

fn complain(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

#[test]
fn a_layer_uses_only_the_layers_below_it() {
    let mut faults = Vec::new();
    for source in shipped() {
        let Some((_, may, _)) = LAYERS.iter().find(|(name, _, _)| *name == source.layer) else {
            faults.push(format!("{}: layer {} is not in the table", source.path, source.layer));
            continue;
        };
        for rest in source.code().split("crate::").skip(1) {
            let used: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !used.is_empty() && used != source.layer && !may.contains(&used.as_str()) {
                faults.push(format!("{}: uses {used}", source.path));
            }
        }
    }
    complain("an arrow that the table of layers does not allow", &faults);
}

#[test]
fn the_pure_layers_touch_no_system() {
    let mut faults = Vec::new();
    for source in shipped().iter().filter(|source| source.path != READS_FILES) {
        let pure = LAYERS.iter().any(|(name, _, pure)| *name == source.layer && *pure);
        let code = source.code();
        for word in IMPURE.iter().filter(|word| pure && code.contains(**word)) {
            faults.push(format!("{}: {word}", source.path));
        }
    }
    complain("a pure layer names the system", &faults);
}

#[test]
fn unsafe_stands_in_one_file() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.path != "src/os/sys.rs") {
        for line in source.code().lines().filter(|line| line.contains("unsafe {")) {
            faults.push(format!("{}: {}", source.path, line.trim()));
        }
    }
    complain("unsafe outside src/os/sys.rs", &faults);
}

#[test]
fn files_are_short_and_open_by_saying_what_they_are() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines, {LONGEST_FILE} are allowed", source.path));
        }
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: does not open with //!", source.path));
        }
    }
    complain("files", &faults);
}

#[test]
fn every_dependency_says_why() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let mut faults = Vec::new();
    let mut listing = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            listing = line.contains("dependencies]");
        } else if listing && line.contains('=') && !line.contains(" # ") {
            faults.push(line.to_owned());
        }
    }
    complain("a dependency without a reason beside it", &faults);
}
