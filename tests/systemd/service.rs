//! The units, users and rules that are shipped.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Keys that are newer than the oldest systemd which the tests run on; it ignores them, with a warning.
const NEWER: [&str; 2] = ["'RestartSteps'", "'RestartMaxDelaySec'"];

/// The units in a directory, with a program that exists.
fn units() -> tempdir::Folder {
    let folder = tempdir::Folder::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let service = fs::read_to_string(from.join("failover.service")).expect("the unit");
    fs::write(folder.0.join("failover.service"), service.replace("/usr/bin/failover", "/bin/true"))
        .expect("a copy");
    fs::copy(from.join("failover-master@.target"), folder.0.join("failover-master@web.target"))
        .expect("a copy");
    folder
}

mod tempdir {
    use std::path::PathBuf;

    /// A directory that goes with the value.
    pub(super) struct Folder(pub(super) PathBuf);

    impl Folder {
        pub(super) fn new() -> Self {
            let path = std::env::temp_dir().join(format!("failover-units-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a directory");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[test]
fn systemd_finds_no_fault_with_the_units_and_the_sandbox_is_tight() {
    let folder = units();
    for name in ["failover.service", "failover-master@web.target"] {
        let path = folder.0.join(name);
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&path)
            .output()
            .expect("systemd");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours = said.lines().filter(|line| line.contains("failover"));
        let faults: Vec<&str> = ours.filter(|line| !NEWER.iter().any(|key| line.contains(key))).collect();
        assert!(output.status.success() && faults.is_empty(), "{name}: {said}");
    }
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(folder.0.join("failover.service"))
        .output()
        .expect("systemd");
    assert!(security.status.success(), "{}", String::from_utf8_lossy(&security.stdout));
}
