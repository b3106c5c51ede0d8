//! Configurations and what is said about them: each `tests/config/NAME.toml` is read, and what comes out is compared
//! with `tests/config/NAME.expected`. `UPDATE_EXPECTED=1` writes those files anew: read the difference before it is
//! committed.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use failover::config::code::Code;
use failover::config::{self, Config, Diagnostics, Loaded, Purpose, Secret, SecretProblem};

#[path = "config/documents.rs"]
mod documents;
#[path = "config/schema.rs"]
mod schema;
#[path = "config/validator.rs"]
mod validator;
#[path = "config/values.rs"]
mod values;

/// The password in every case that has one, whole or as the beginning: it must appear nowhere.
const PASSWORD: &str = "hunter2";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Password files that exist in these tests only.
fn secret(path: &str) -> Result<Secret, SecretProblem> {
    let (bytes, public) = match path {
        "/secret/good" => ("hunter2\n", false),
        "/secret/public" => ("hunter2\r\n", true),
        "/secret/long" => ("hunter2-hunter2\n", false),
        "/secret/empty" => ("\n", false),
        "credential" => {
            return Err(SecretProblem { why: "not here".to_owned(), elsewhere: true });
        }
        _ => return Err(SecretProblem::new("there is no such file")),
    };
    Ok(Secret { bytes: bytes.as_bytes().to_vec(), public })
}

fn read(path: &Path) -> Result<Loaded, Diagnostics> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    config::parse_with(&text, &name, &mut secret)
}

#[test]
fn every_configuration_gets_the_expected_diagnostics() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let cases = toml_files("tests/config");
    let mut wrong = Vec::new();
    let mut invalid = 0;
    for path in cases {
        let (verdict, diagnostics) = match read(&path) {
            Ok(loaded) => ("valid\n", loaded.warnings),
            Err(diagnostics) => {
                invalid += 1;
                ("invalid\n", diagnostics)
            }
        };
        let actual = diagnostics.render(false) + verdict;
        let expected_path = path.with_extension("expected");
        if update {
            fs::write(&expected_path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if expected != actual {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(invalid >= 100, "{invalid} of the configurations are invalid");
}

#[test]
fn no_expected_file_is_left_without_its_configuration() {
    for entry in fs::read_dir(root().join("tests/config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "expected") {
            assert!(path.with_extension("toml").exists(), "{}", path.display());
        }
    }
}

#[test]
fn no_diagnostic_shows_a_password() {
    for path in toml_files("tests/config") {
        let diagnostics = match read(&path) {
            Ok(loaded) => loaded.warnings,
            Err(diagnostics) => diagnostics,
        };
        let json = serde_json::to_string(&diagnostics.to_document(false)).unwrap();
        for text in [diagnostics.render(false), diagnostics.render(true), json] {
            assert!(!text.contains(PASSWORD), "{}:\n{text}", path.display());
            assert!(!text.contains("271828"), "{}:\n{text}", path.display());
            let control = |c: char| c.is_control() && c != '\n' && c != '\u{1b}';
            assert!(!text.contains(control), "{}: a control character reached the terminal", path.display());
        }
    }
}

#[test]
fn every_code_occurs_in_a_case_or_is_about_files() {
    let about_files = [Code::Unreadable, Code::NotText, Code::TooLarge];
    let mut seen: BTreeSet<Code> = about_files.into();
    for path in toml_files("tests/config") {
        let diagnostics = match read(&path) {
            Ok(loaded) => loaded.warnings,
            Err(diagnostics) => diagnostics,
        };
        seen.extend(diagnostics.list().iter().map(|diagnostic| diagnostic.code));
    }
    // Those of the import have their cases in tests/import.
    let ours = |code: &&Code| !code.number().starts_with("F03");
    let missing: Vec<_> = Code::ALL.iter().filter(ours).filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

fn whole(text: &str) -> Config {
    config::parse_with(text, "test.toml", &mut secret)
        .unwrap_or_else(|e| panic!("{}", e.render(false)))
        .config
}

#[test]
fn defaults_are_the_documented_ones() {
    let config =
        whole("[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = 1\naddresses = [\"192.0.2.1\"]\n");
    let text = "[agent]\n[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = 1\naddresses = [\"192.0.2.1/32\"]\n\
        unadvertised_addresses = []\npriority = 100\nversion = 3\nadvert_interval = \"1s\"\npreempt = true\n\
        preempt_delay = \"0s\"\naccept = true\nchecksum = \"auto\"\n\
        garp = { repeat = 5, delay = \"5s\", refresh = \"0s\" }\naddress_lease = \"auto\"\n";
    assert_eq!(config, whole(text));
}

#[test]
fn a_file_that_cannot_be_read_gets_a_clear_answer() {
    let folder = std::env::temp_dir().join(format!("failover-config-test-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("test.toml");
    let said = |path: &Path| config::load(path, Purpose::Validate).map(|_| ()).unwrap_err().render(false);

    assert!(said(&path).contains("error[F0001]: cannot read"), "{}", said(&path));
    assert!(said(&path).contains("there is no such file"));
    assert!(said(&folder).contains("it is a directory"));

    fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert!(said(&path).contains("not UTF-8 text: byte 11, on line 2"), "{}", said(&path));

    fs::write(&path, vec![b'#'; 10 << 20]).unwrap();
    assert!(said(&path).contains("is larger than 1 MiB"), "{}", said(&path));

    fs::write(&path, "").unwrap();
    let loaded = config::load(&path, Purpose::Run).unwrap();
    assert_eq!((loaded.config, loaded.warnings.warnings()), (Config::default(), 1));
    fs::remove_dir_all(&folder).unwrap();
}

/// The answer to a file that is wrong everywhere is bounded: the work grows with its length, the words do not.
#[test]
fn a_large_file_full_of_errors_gets_a_bounded_answer() {
    for line in ["= \n", "x\n", "[[a]]\n", "a.b.c = 1\n", "[instance.\"\u{1b}\"]\n"] {
        let text = line.repeat((256 << 10) / line.len());
        let diagnostics = config::parse(&text, "test.toml").unwrap_err();
        let rendered = diagnostics.render(true);
        assert!(rendered.len() < 1 << 20, "{line:?}: {} bytes", rendered.len());
        assert!(diagnostics.errors() > 0);
    }
    let long_line = format!("[instance.web]\nx = \"{}\"\n", "x".repeat(3 << 20));
    let rendered = config::parse(&long_line, "test.toml").unwrap_err().render(false);
    assert!(rendered.len() < 10_000, "{} bytes", rendered.len());
    assert!(rendered.contains("test.toml:2"), "{rendered}");
}

/// Cut off anywhere, or with a character gone or doubled, a configuration gets an answer, and no place in it lies outside
/// of the text or within a character.
#[test]
fn a_damaged_configuration_gets_an_answer() {
    for path in toml_files("tests/config") {
        let text = fs::read_to_string(&path).unwrap();
        let places: Vec<(usize, char)> = text.char_indices().collect();
        // Every place of the short ones, every so many of the long ones.
        for (at, c) in places.into_iter().step_by(1 + text.len() / 60) {
            let after = &text[at + c.len_utf8()..];
            let doubled = format!("{}{c}{c}{after}", &text[..at]);
            for damaged in [text[..at].to_owned(), format!("{}{after}", &text[..at]), doubled] {
                let diagnostics = match config::parse_with(&damaged, "test.toml", &mut secret) {
                    Ok(loaded) => loaded.warnings,
                    Err(diagnostics) => diagnostics,
                };
                let _ = diagnostics.render(true);
                for diagnostic in diagnostics.list() {
                    let places =
                        diagnostic.place.iter().chain(diagnostic.related.iter().map(|(place, _)| place));
                    for place in places {
                        assert!(damaged.get(place.span.clone()).is_some(), "{diagnostic:?} in\n{damaged}");
                    }
                }
            }
        }
    }
}

/// What reading `text` in place of `key = …` in a whole instance complains about.
fn codes(replaced: &str, by: &str) -> Vec<&'static str> {
    const WHOLE: &str = "[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = 1\npriority = 100\n\
        addresses = [\"192.0.2.1\"]\nversion = 3\nadvert_interval = \"1s\"\n";
    let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let lines = WHOLE.lines().map(|line| if key(line) == replaced { by } else { line });
    match config::parse(&lines.collect::<Vec<_>>().join("\n"), "test.toml") {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.list().iter().map(|diagnostic| diagnostic.code.number()).collect(),
    }
}

#[test]
fn fmt_03_virtual_router_id_is_1_to_255() {
    for (number, expected) in [("0", vec!["F0015"]), ("1", vec![]), ("255", vec![]), ("256", vec!["F0015"])] {
        assert_eq!(
            codes("virtual_router_id", &format!("virtual_router_id = {number}")),
            expected,
            "{number}"
        );
    }
}

#[test]
fn fmt_04_priority_is_1_to_255() {
    for (number, expected) in [("0", vec!["F0015"]), ("1", vec![]), ("255", vec![]), ("256", vec!["F0015"])] {
        assert_eq!(codes("priority", &format!("priority = {number}")), expected, "{number}");
    }
    assert_eq!(codes("priority", ""), [""; 0]);
}

#[test]
fn fmt_05_there_is_at_least_one_address() {
    assert_eq!(codes("addresses", "addresses = []"), ["F0104"]);
    assert_eq!(codes("addresses", ""), ["F0013"]);
}

#[test]
fn fmt_08_interval_of_version_3_is_1_to_4095_centiseconds() {
    for (interval, expected) in [
        ("0s", vec!["F0015"]),
        ("9ms", vec!["F0015"]),
        ("10ms", vec![]),
        ("15ms", vec!["F0110"]),
        ("40950ms", vec![]),
        ("40960ms", vec!["F0110"]),
    ] {
        assert_eq!(
            codes("advert_interval", &format!("advert_interval = \"{interval}\"")),
            expected,
            "{interval}"
        );
    }
}

#[test]
fn fmt_10_the_addresses_of_an_advert_are_of_one_family() {
    assert_eq!(codes("addresses", "addresses = [\"192.0.2.1\", \"fe80::1\"]"), ["F0101"]);
    assert_eq!(codes("addresses", "addresses = [\"fe80::1\", \"192.0.2.1\"]"), ["F0101"]);
}

#[test]
fn f2_04_interval_of_version_2_is_whole_seconds() {
    for (interval, expected) in [
        ("500ms", vec!["F0110"]),
        ("1s", vec![]),
        ("1500ms", vec!["F0110"]),
        ("255s", vec![]),
        ("256s", vec!["F0015"]),
    ] {
        let both = format!("version = 2\nadvert_interval = \"{interval}\"");
        let text = "[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = 1\naddresses = [\"192.0.2.1\"]\n";
        let found: Vec<_> = match config::parse(&format!("{text}{both}"), "test.toml") {
            Ok(_) => Vec::new(),
            Err(diagnostics) => {
                diagnostics.list().iter().map(|diagnostic| diagnostic.code.number()).collect()
            }
        };
        assert_eq!(found, expected, "{interval}");
    }
}

#[test]
fn f6_06_the_first_ipv6_address_is_link_local() {
    assert_eq!(codes("addresses", "addresses = [\"2001:db8::1\"]"), ["F0103"]);
    assert_eq!(codes("addresses", "addresses = [\"2001:db8::1\", \"fe80::1\"]"), ["F0103"]);
    assert_eq!(codes("addresses", "addresses = [\"fe80::1\", \"2001:db8::1\"]"), [""; 0]);
    assert_eq!(codes("addresses", "addresses = [\"febf::1\"]"), [""; 0]);
    assert_eq!(codes("addresses", "addresses = [\"fec0::1\"]"), ["F0103"]);
}

#[test]
fn f6_09_ipv6_is_version_3_only() {
    assert_eq!(codes("version", "version = 2\nunadvertised_addresses = [\"2001:db8::1\"]"), [""; 0]);
    assert_eq!(codes("addresses", "addresses = [\"fe80::1\"]"), [""; 0]);
    let text =
        "[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = 1\naddresses = [\"fe80::1\"]\nversion = 2\n";
    assert_eq!(config::parse(text, "test.toml").unwrap_err().list()[0].code, Code::Version2Ipv6);
}

#[test]
fn aut_06_version_3_with_authentication_is_refused() {
    let auth = "auth = { type = \"password\", password = \"hunter2\" }";
    assert_eq!(codes("version", &format!("version = 3\n{auth}")), ["F0108"]);
    assert_eq!(codes("version", &format!("version = 2\n{auth}")), [""; 0]);
}

#[test]
fn the_password_of_a_file_loses_its_line_end_only() {
    let text = fs::read_to_string(root().join("tests/config/auth-file.toml")).unwrap();
    let config = whole(&text);
    assert_eq!(config.instances["web"].password.unwrap().0, *b"hunter2\0");
    assert!(!format!("{config:?}").contains(PASSWORD));
}

#[test]
fn positions_in_json_count_bytes_and_characters() {
    let text = "# äö\n[instance.a]\n\u{e4} = 1\n";
    let diagnostics = config::parse(text, "test.toml").unwrap_err();
    let document = serde_json::to_value(diagnostics.to_document(false)).unwrap();
    assert_eq!(document["valid"], false);
    assert_eq!(document["errors"], diagnostics.errors());
    let first = &document["diagnostics"][0];
    assert_eq!(first["code"], "F0010");
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(3), Some(1)));
    let span = usize::try_from(first["start"].as_u64().unwrap()).unwrap()
        ..usize::try_from(first["end"].as_u64().unwrap()).unwrap();
    assert!(text[span].starts_with('\u{e4}'), "{first}");
}
