//! Health checks as both programs are told of them: a probe of `failover`, and the script by which keepalived finds out the
//! same. Each is run every second, and one outcome is enough for a verdict.

use std::fmt::Write;

/// A check of one host.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// The line in its table that says what `failover` looks at.
    pub(crate) probe: String,
    /// The path of keepalived's script; what has none is for `failover` alone.
    pub(crate) script: String,
    pub(crate) effect: Effect,
}

/// What a check that fails does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The instance gives up.
    Fault,
    /// Its priority changes by this.
    Weight(i16),
}

/// keepalived's scripts.
pub(crate) fn keepalived(checks: &[Check]) -> String {
    let mut text = String::new();
    for Check { name, script, .. } in checks {
        let _ = writeln!(text, "vrrp_script {name} {{\n  script \"{script}\"\n  interval 1");
        text += "  timeout 1\n  fall 1\n  rise 1\n}\n";
    }
    text
}

/// What keepalived's instances track.
pub(crate) fn keepalived_tracks(checks: &[Check]) -> String {
    let track = |check: &Check| match check.effect {
        Effect::Fault => format!("    {}\n", check.name),
        Effect::Weight(weight) => format!("    {} weight {weight}\n", check.name),
    };
    let lines: String = checks.iter().map(track).collect();
    if lines.is_empty() { lines } else { format!("  track_script {{\n{lines}  }}\n") }
}

/// `failover`'s checks.
pub(crate) fn failover(checks: &[Check]) -> String {
    let table = |Check { name, probe, .. }: &Check| {
        format!("[check.{name}]\ninterval = \"1s\"\nfall = 1\nrise = 1\n{probe}\n")
    };
    checks.iter().map(table).collect()
}

/// What `failover`'s instances track.
pub(crate) fn failover_tracks(checks: &[Check]) -> String {
    let track = |check: &Check| match check.effect {
        Effect::Fault => format!("{} = \"fault\"", check.name),
        Effect::Weight(weight) => format!("{} = {weight}", check.name),
    };
    let tracks: Vec<String> = checks.iter().map(track).collect();
    if tracks.is_empty() { String::new() } else { format!("track = {{ {} }}\n", tracks.join(", ")) }
}

/// Whether a priority can change, so that the better host must be able to take over.
pub(crate) fn weighted(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.effect != Effect::Fault)
}
