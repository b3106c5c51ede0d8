//! What is in the packages.

use std::collections::BTreeSet;
use std::fs;

use super::{Packages, local, packages, text};

/// What differs between the two worlds.
const DEBIAN_ONLY: [&str; 2] =
    ["/usr/share/doc/failover/copyright", "/usr/share/zsh/vendor-completions/_failover"];
const RPM_ONLY: [&str; 4] = [
    "/usr/share/licenses/failover/LICENSE",
    "/usr/share/licenses/failover/LICENSE-APACHE",
    "/usr/share/licenses/failover/LICENSE-MIT",
    "/usr/share/zsh/site-functions/_failover",
];

#[test]
fn the_same_program_gives_the_same_packages() {
    let again = Packages::build("again", &[]);
    let [this, later] = packages();
    for (one, other) in [(&this.deb, &again.deb), (&this.rpm, &again.rpm)] {
        assert_eq!(one.file_name(), other.file_name());
        let (one, other) = (fs::read(one).expect("a package"), fs::read(other).expect("a package"));
        assert!(one == other, "of {} and {} bytes", one.len(), other.len());
    }
    assert_ne!(this.deb.file_name(), later.deb.file_name());
}

/// Whatever is added to one is added to the other.
#[test]
fn both_packages_hold_the_same_files() {
    let [this, _] = packages();
    let listing = local(&["dpkg-deb", "--contents", text(&this.deb)]);
    let files = listing.lines().filter(|line| line.starts_with('-'));
    let mut debian: BTreeSet<String> = files
        .map(|line| line.split_whitespace().last().expect("a path").trim_start_matches('.').to_owned())
        .collect();
    let listing = local(&["rpm", "--query", "--list", "--package", text(&this.rpm)]);
    let mut rpm: BTreeSet<String> = listing.lines().map(str::to_owned).collect();
    for path in DEBIAN_ONLY {
        assert!(debian.remove(path), "{path}");
    }
    for path in RPM_ONLY {
        assert!(rpm.remove(path), "{path}");
    }
    assert_eq!(debian, rpm);
    for path in ["/usr/bin/failover", "/etc/failover.toml", "/usr/lib/systemd/system/failover.service"] {
        assert!(rpm.contains(path), "{path}");
    }
    // Nothing of `systemd/` was forgotten.
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd")).expect("the repository") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.file_type().expect("a type").is_file() && name != "build-packages" {
            let name = name.replace(".sysusers", ".conf");
            assert!(rpm.iter().any(|path| path.ends_with(&name)), "{name} is in no package");
        }
    }
    let settings = local(&["rpm", "--query", "--configfiles", "--package", text(&this.rpm)]);
    assert_eq!(settings.trim(), "/etc/failover.toml");
    let settings = local(&["dpkg-deb", "--info", text(&this.deb), "conffiles"]);
    assert_eq!(settings.trim(), "/etc/failover.toml");
}
