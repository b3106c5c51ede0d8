//! What must hold for any text that is imported as a configuration of keepalived. Driven by `cargo fuzz run import` and,
//! bounded, by `tests/fuzz_smoke.rs`.

use failover::config::diagnostic::Severity;
use failover::config::import::{Included, Options, import};
use failover::config::parse;

/// Longest text that an include brings, in bytes: a text may include itself.
const LONGEST: usize = 2000;

/// Imports `data`, in which every include brings a part of it again. Answers whether it could be read.
///
/// # Panics
///
/// When the import breaks a promise.
pub(crate) fn import_text(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let options = Options { config_id: "lb1".to_owned(), directory: "/etc/keepalived".to_owned() };
    let mut bring = |pattern: &str, directory: &str| {
        let part: String = text.chars().rev().take(pattern.len() % LONGEST).collect();
        let part = part.chars().rev().collect();
        let (name, directory) = ("/etc/keepalived/part.conf".to_owned(), directory.to_owned());
        Ok(vec![Included { name, directory, text: Ok(part) }])
    };
    let imported = match import(&text, "/etc/keepalived/keepalived.conf", &options, &mut bring) {
        Ok(imported) => imported,
        Err(diagnostics) => {
            assert!(diagnostics.errors() > 0 && !diagnostics.render(false).is_empty());
            return false;
        }
    };
    assert_eq!(imported.warnings.errors(), 0);
    let lines = imported.text.lines().count();
    for account in &imported.accounts {
        assert!(!account.shown.is_empty(), "{account:?} is shown nowhere in\n{}", imported.text);
        assert!(account.shown.iter().all(|line| (1..=lines).contains(line)), "{account:?}");
    }
    if let Err(diagnostics) = parse(&imported.text, "failover.toml") {
        let refused = diagnostics.list().iter().find(|one| one.severity == Severity::Error);
        assert!(refused.is_none(), "{}\n{}", diagnostics.render(false), imported.text);
    }
    true
}
