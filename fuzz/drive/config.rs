//! What must hold for any text that is given as a configuration. Driven by `cargo fuzz run config` and, bounded, by
//! `tests/fuzz_smoke.rs`.
#![expect(clippy::expect_used, clippy::panic, reason = "a promise that was broken is told by a panic")]

use std::collections::BTreeMap;

use failover::config::plan::{self, Change};
use failover::config::{self, Diagnostics, Layer, Secret};

/// What parts the file, the drop-in and the environment in an input.
const NEXT_LAYER: u8 = 0;
/// No answer is longer, whatever the text: it is for a person.
const LONGEST_ANSWER: usize = 4 << 20;

/// Reads `data` as up to three layers; answers whether they are a legal configuration.
///
/// # Panics
///
/// When a promise is broken.
pub(crate) fn config(data: &[u8]) -> bool {
    let texts: Vec<String> = data
        .splitn(3, |byte| *byte == NEXT_LAYER)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    let mut layers: Vec<Layer> = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        if number < 2 {
            layers.push(Layer::file(format!("{number}.toml"), text.as_str()));
        } else {
            let variables = text.lines().filter_map(|line| line.split_once('='));
            let named = variables.map(|(name, value)| (format!("FAILOVER_CONFIG__{name}"), value.to_owned()));
            layers.extend(Layer::environment(named));
        }
    }
    everything(texts.first().map(String::as_str).unwrap_or_default());
    match config::parse_layers(&layers, &mut secret) {
        Err(diagnostics) => {
            assert!(diagnostics.errors() > 0, "refused, and nobody says why");
            told(&diagnostics, &layers);
            false
        }
        Ok(loaded) => {
            assert_eq!(loaded.warnings.errors(), 0);
            told(&loaded.warnings, &layers);
            assert_eq!(loaded.digest().len(), 64);
            let instances = &loaded.config.instances;
            let same: BTreeMap<_, _> = instances.iter().map(|(name, own)| (name.as_str(), own)).collect();
            assert!(plan::instances(&same, instances).values().all(|change| *change == Change::Kept));
            // Passwords are masked there, and the mask is a password of eight bytes.
            let again =
                config::parse_with(&loaded.show(), "shown", &mut secret).expect("what is shown is legal");
            assert_eq!(again.config.instances.len(), instances.len());
            true
        }
    }
}

/// Also what this version only reads: what is legal is shown, and what is shown is as legal.
fn everything(text: &str) {
    let layers = [Layer::file("all.toml", text)];
    match config::parse_with(text, "all.toml", &mut secret) {
        Err(diagnostics) => told(&diagnostics, &layers),
        Ok(loaded) => {
            told(&loaded.warnings, &layers);
            let again = config::parse_with(&loaded.show(), "shown", &mut secret);
            let again =
                again.unwrap_or_else(|e| panic!("what is shown is legal: {}", e.render(false))).config;
            assert_eq!(again.checks.len(), loaded.config.checks.len());
            assert_eq!(again.groups.len(), loaded.config.groups.len());
        }
    }
}

fn secret(path: &str) -> Result<Secret, config::SecretProblem> {
    if path.ends_with("missing") {
        return Err(config::SecretProblem::new("there is no such file"));
    }
    Ok(Secret { bytes: b"sesame".to_vec(), public: path.ends_with("public") })
}

/// Every place is in its text, and what is said is bounded and harmless to a terminal.
fn told(diagnostics: &Diagnostics, layers: &[Layer]) {
    for diagnostic in diagnostics.list() {
        let related = diagnostic.related.iter().map(|(place, _)| place);
        for place in diagnostic.place.iter().chain(related) {
            let layer = layers.get(place.source).expect("a place in a layer");
            assert!(layer.text.get(place.span.clone()).is_some(), "{diagnostic:?}");
        }
    }
    let text = diagnostics.render(false);
    assert!(text.len() < LONGEST_ANSWER, "{} bytes", text.len());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "a control character in {text:?}");
}
