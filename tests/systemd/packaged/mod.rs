//! The packages as they are installed, run, upgraded and removed: on hosts with a real systemd, by the tools that an
//! administrator would use.
//!
//! Owns: the packages, which `systemd/build-packages` makes once of the program that is tested, and what is common to the
//! tests of them.

mod files;
mod life;
mod pair;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::lab::addresses::dump;
use crate::lab::machine::Machine;
use crate::lab::wait;

/// Longest time for anything to happen: an order of magnitude more than it takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The version that an upgrade brings.
const NEXT: &str = "99.0.0";

/// A build of both packages.
#[derive(Debug)]
struct Packages {
    deb: PathBuf,
    rpm: PathBuf,
}

/// The packages of this version, and those of a later one.
fn packages() -> &'static [Packages; 2] {
    static MADE: OnceLock<[Packages; 2]> = OnceLock::new();
    MADE.get_or_init(|| {
        thread::scope(|scope| {
            let later = scope.spawn(|| Packages::build("later", &["--version", NEXT]));
            [Packages::build("this", &[]), later.join().expect("the later packages")]
        })
    })
}

impl Packages {
    /// Packs the program that is tested, into a directory of this name.
    fn build(name: &str, options: &[&str]) -> Self {
        let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages").join(name);
        let _ = fs::remove_dir_all(&output);
        fs::create_dir_all(&output).expect("a directory for the packages");
        fs::write(output.join("failover_0.0.0-1_all.deb"), "of another day").expect("a file");
        // Of the tests' own toolchain, also where they run as another user than they were built by.
        let toolchain = Path::new(env!("CARGO")).parent().expect("a directory");
        let path = format!("{}:{}", text(toolchain), std::env::var("PATH").unwrap_or_default());
        let built = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/build-packages"))
            .args(["--quick", "--binary", env!("CARGO_BIN_EXE_failover"), "--output"])
            .arg(&output)
            .args(options)
            .env("PATH", path)
            .output()
            .expect("systemd/build-packages");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let said = String::from_utf8_lossy(&built.stdout).into_owned();
        let one = |kind: &str| {
            let mut paths = said.lines().filter(|line| line.ends_with(kind)).map(PathBuf::from);
            let path = paths.next().unwrap_or_else(|| panic!("no {kind} in {said}"));
            assert_eq!(paths.next(), None, "{said}");
            path
        };
        Packages { deb: one(".deb"), rpm: one(".rpm") }
    }
}

/// Runs a program of this machine to its end; what it said.
fn local(argv: &[&str]) -> String {
    let output = Command::new(argv[0]).args(&argv[1..]).output().unwrap_or_else(|e| panic!("{argv:?}: {e}"));
    assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// What the tests ask of a host.
trait Administered {
    /// Runs a line of shell, which must go well; what it said, without the last line feed.
    fn sh(&self, line: &str) -> String;
    /// How a line of shell ended, and what it said on both streams.
    fn try_sh(&self, line: &str) -> (Option<i32>, String);
    /// Writes a file.
    fn write(&self, path: &str, text: &str);
    /// Makes it a host on which packages start services and install manuals, which a container's image may forbid.
    fn is_a_usual_host(&self);
    /// Puts the package there and has `apt-get` install it.
    fn apt_install(&self, deb: &Path, options: &str);
    /// Whether an agent's address is there.
    fn holds(&self) -> bool;
    /// Waits until an agent's address is there.
    fn becomes_master(&self);
    /// Kills the agent with nobody to start it again or to take away what it leaves.
    fn is_left_dead(&self);
    /// The process of the service, 0 without one.
    fn pid(&self) -> u32;
}

impl Administered for Machine {
    fn sh(&self, line: &str) -> String {
        let (code, said) = self.try_sh(line);
        assert_eq!(code, Some(0), "`{line}`: {said}");
        said
    }

    fn try_sh(&self, line: &str) -> (Option<i32>, String) {
        let output = self.output(&["sh", "-c", &format!("exec 2>&1; {line}")]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    fn write(&self, path: &str, text: &str) {
        let output = self.output(&["sh", "-c", "printf %s \"$1\" >\"$2\"", "sh", text, path]);
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn is_a_usual_host(&self) {
        self.sh("rm -f /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/*");
        // Nobody reads manuals there, and its disk is memory.
        self.sh("rm -f /var/lib/man-db/auto-update; echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/test");
    }

    fn apt_install(&self, deb: &Path, options: &str) {
        self.install(text(deb), "/opt/failover.deb");
        let said = self
            .sh(&format!("DEBIAN_FRONTEND=noninteractive apt-get install -y {options} /opt/failover.deb"));
        println!("{said}");
    }

    fn holds(&self) -> bool {
        dump(&self.space).iter().any(|held| held.protocol == 112)
    }

    fn becomes_master(&self) {
        wait("it holds the address", LIMIT, || self.holds().then_some(()));
    }

    fn is_left_dead(&self) {
        self.sh("mkdir -p /run/systemd/system/failover.service.d");
        self.write(
            "/run/systemd/system/failover.service.d/left.conf",
            "[Service]\nRestart=no\nExecStopPost=\n",
        );
        self.sh("systemctl daemon-reload; systemctl kill --signal=KILL failover");
        wait("it is dead", LIMIT, || (self.pid() == 0).then_some(()));
        assert!(self.holds());
        self.sh("rm -r /run/systemd/system/failover.service.d; systemctl daemon-reload");
    }

    fn pid(&self) -> u32 {
        self.sh("systemctl show --property=MainPID --value failover.service").parse().expect("a process id")
    }
}
