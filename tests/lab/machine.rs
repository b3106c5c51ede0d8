//! A host with a systemd of its own: `systemd-nspawn` over an overlay of this machine's files, in a network namespace.
//!
//! Owns everything that it makes: the mounts are in a mount namespace of the host's own, the files on a file system in
//! memory, so that all is gone with the last process, and those die with this value. Needs root.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::space::Space;
use super::{Directory, wait};

/// How long a boot may take on a machine that is busy with other tests.
const BOOT: Duration = Duration::from_mins(1);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Makes the overlay and runs the host. $1 is an empty directory, $2 a name, $3 a network namespace; then the control
/// groups to be in.
const START: &str = r#"
set -e
host=$1 name=$2 network=$3
shift 3
for group; do echo $$ >"$group/cgroup.procs"; done
mount -t tmpfs tmpfs "$host"
mkdir "$host/upper" "$host/work" "$host/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$host/upper,workdir=$host/work" "$host/root"
rm -f "$host/root/etc/machine-id"
: >"$host/root/etc/machine-id"
status=133
# What it says of a reboot.
while [ "$status" = 133 ]; do
  status=0
  setpriv --pdeathsig KILL -- setsid systemd-nspawn -q -D "$host/root" --register=no --keep-unit --link-journal=no \
    --machine="$name" --hostname=host --network-namespace-path="$network" \
    --capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE,CAP_IPC_LOCK \
    -b systemd.unit=basic.target systemd.mask=networking.service || status=$?
done
exit "$status"
"#;

/// The host.
#[derive(Debug)]
pub(crate) struct Machine {
    outer: Child,
    /// Its process 1, as this machine numbers it.
    init: Pid,
    log: PathBuf,
    pub(crate) space: Space,
    _groups: Groups,
    _directory: Directory,
}

/// Control groups of this host's own, where systemd looks for its own: hosts would share them otherwise.
#[derive(Debug)]
struct Groups(Vec<PathBuf>);

impl Groups {
    fn new(name: &str) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").expect("procfs");
        let mut made = Vec::new();
        for line in own.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(kind), Some(path)) = (parts.next(), parts.next()) else { continue };
            let mounts: &[&str] = match kind {
                "" => &["/sys/fs/cgroup/unified", "/sys/fs/cgroup"],
                "name=systemd" => &["/sys/fs/cgroup/systemd"],
                _ => continue,
            };
            let parent = mounts.iter().map(|mount| PathBuf::from(format!("{mount}{path}")));
            let Some(parent) = parent.into_iter().find(|parent| parent.join("cgroup.procs").exists()) else {
                continue;
            };
            let group = parent.join(format!("failover-{name}"));
            fs::create_dir(&group).expect("a control group: these tests need root");
            made.push(group);
        }
        Groups(made)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            // The last processes leave a moment after they were reaped.
            for _ in 0..200 {
                remove_group(group);
                if !group.exists() {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

impl Machine {
    /// Boots one, alone in a network namespace.
    pub(crate) fn boot() -> Self {
        let space = Space::new();
        space.sh("ip link set lo up");
        Self::boot_in(space)
    }

    /// Boots one with a link, `eth0`, that has 192.0.2.1/24 and leads nowhere.
    pub(crate) fn boot_with_a_link() -> Self {
        let space = Space::new();
        for line in [
            "ip link set lo up",
            "ip link add eth0 type veth peer name eth1",
            "ip link set eth0 up",
            "ip link set eth1 up",
            "ip addr add 192.0.2.1/24 dev eth0",
        ] {
            space.sh(line);
        }
        Self::boot_in(space)
    }

    /// Boots one in this network namespace. It ends with the thread that boots it.
    pub(crate) fn boot_in(space: Space) -> Self {
        let directory = Directory::new();
        let root = directory.0.join("host");
        fs::create_dir(&root).expect("a directory for the host");
        let log = directory.0.join("console.log");
        let out = File::create(&log).expect("a log");
        let err = out.try_clone().expect("a log");
        let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = root.to_str().expect("a path in UTF-8");
        let network = space.path();
        let groups = Groups::new(&name);
        // The path of the namespace is that of an open file of this process.
        let outer = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private", "--"])
            .args(["sh", "-c", START, "sh", root, &name, &network])
            .args(&groups.0)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("setpriv");
        let mut machine =
            Machine { outer, init: Pid::from_raw(0), log, space, _groups: groups, _directory: directory };
        machine.await_boot();
        machine
    }

    fn await_boot(&mut self) {
        let before = self.init;
        self.init = wait("the host has a process 1", BOOT, || {
            let ended = self.outer.try_wait().expect("wait for a child");
            assert!(ended.is_none(), "the host did not start: {}", self.console());
            self.first_child().filter(|init| *init != before)
        });
        wait("the host is up", BOOT, || {
            let state = self.output(&["systemctl", "is-system-running"]);
            matches!(String::from_utf8_lossy(&state.stdout).trim(), "running" | "degraded").then_some(())
        });
    }

    /// Has the host shut down in order and boot again. Its network namespace stays, with what nobody took away.
    pub(crate) fn reboot(&mut self) {
        let output = self.output(&["systemctl", "reboot"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.await_boot();
    }

    /// `argv` as a command on the host.
    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init.to_string(), "-m", "-u", "-i", "-n", "-p", "-r", "--"]).args(argv);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `argv` on the host to its end.
    pub(crate) fn output(&self, argv: &[&str]) -> Output {
        self.command(argv).output().expect("nsenter")
    }

    /// Puts a file of this machine onto the host.
    pub(crate) fn install(&self, from: &str, to: &str) {
        let path = format!("/proc/{}/root{to}", self.init);
        fs::copy(from, &path).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn console(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The child of systemd-nspawn, which is that of the shell.
    fn first_child(&self) -> Option<Pid> {
        let child = only_child(i32::try_from(self.outer.id()).ok()?).and_then(only_child)?;
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == "systemd").then(|| Pid::from_raw(child))
    }
}

fn only_child(id: i32) -> Option<i32> {
    let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    list.split_whitespace().next()?.parse().ok()
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("--- console of the host\n{}", self.console());
        }
        // With process 1 all others end, and systemd-nspawn behind them.
        if self.init.as_raw() > 0 {
            let _ = kill(self.init, Signal::SIGKILL);
        } else {
            let _ = self.outer.kill();
        }
        let _ = self.outer.wait();
    }
}
