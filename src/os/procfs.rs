//! Processes as `/proc` shows them: which run, and what program each is.
//!
//! Reads alone. Can block: a process that is stuck in the kernel can hold up who reads its arguments, so these are read of
//! as few as possible. A process that ends meanwhile is left out. Other PID namespaces' processes are left out, too.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{OsError, Trying, sys};

/// Bytes of a name of a process that the kernel keeps.
const COMM: usize = 15;

/// A process that runs: no zombie, no thread of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number here.
    pub pid: i32,
    /// Its name, cut to fifteen bytes by the kernel.
    pub comm: String,
    /// The file name of its program; none where that may not be read.
    pub exe: Option<String>,
}

/// All processes of this PID namespace, by number.
pub fn scan() -> io::Result<Vec<Entry>> {
    let mut found: Vec<Entry> = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(entry)
        .collect();
    found.sort_by_key(|entry| entry.pid);
    Ok(found)
}

/// The process with this number, if it runs.
#[must_use]
pub fn entry(pid: i32) -> Option<Entry> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read(folder.join("status")).ok()?;
    let comm = runs(&String::from_utf8_lossy(&status))?;
    let exe = fs::read_link(folder.join("exe")).ok().and_then(|path| file_name(&path));
    Some(Entry { pid, comm, exe })
}

/// The name in a `/proc/PID/status` of a process that runs, in this namespace.
fn runs(status: &str) -> Option<String> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    let ended = field("State").is_none_or(|state| state.starts_with(['Z', 'X']));
    // A number for each namespace that it is in, from the one of this /proc inwards.
    let elsewhere = field("NSpid").is_some_and(|numbers| numbers.split_whitespace().count() > 1);
    // What has no memory of its own is the kernel's.
    if ended || elsewhere || field("VmSize").is_none() { None } else { field("Name").map(str::to_owned) }
}

/// The last part of the path of a program; the kernel marks one that was removed, as in an update.
fn file_name(path: &Path) -> Option<String> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
}

impl Entry {
    /// Whether it runs the program with the file name `name`: itself, or as a script by an interpreter, or as one of the
    /// names of a program that has many.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        if self.exe.as_deref() == Some(name) {
            return true;
        }
        if self.comm.as_bytes() != name.as_bytes().get(..COMM).unwrap_or(name.as_bytes()) {
            return false;
        }
        // Where the program may not be read, a name that fits is all there is; a program may write over its arguments.
        self.exe.is_none() && name.len() <= COMM || self.names().iter().any(|own| own == name)
    }

    /// The file names of its first two arguments: of the program, and of the script where that is an interpreter.
    fn names(&self) -> Vec<String> {
        let arguments = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let last = |argument: &[u8]| {
            let text = String::from_utf8_lossy(argument);
            text.rsplit('/').next().unwrap_or_default().to_owned()
        };
        arguments.split(|byte| *byte == 0).take(2).map(last).collect()
    }
}

/// Whether processes of other users are hidden from this one (`hidepid`, `ProtectProc=`): then process 1 seems not to be.
#[must_use]
pub fn hides_others() -> bool {
    !Path::new("/proc/1").exists()
}

/// A descriptor that can be read from once the process has ended, as a zombie or wholly.
pub fn watch(pid: i32) -> Result<OwnedFd, OsError> {
    sys::pidfd_open(pid).trying("watching a process")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_is_read_from_its_status() {
        let status = |state: &str, numbers: &str, memory: &str| {
            format!("Name:\tnginx\nState:\t{state}\nNSpid:\t{numbers}\n{memory}")
        };
        let memory = "VmSize:\t  100 kB\n";
        assert_eq!(runs(&status("S (sleeping)", "7", memory)).as_deref(), Some("nginx"));
        assert_eq!(runs(&status("Z (zombie)", "7", "")), None);
        assert_eq!(runs(&status("X (dead)", "7", memory)), None);
        assert_eq!(runs(&status("S (sleeping)", "7", "")), None, "the kernel's");
        assert_eq!(runs(&status("S (sleeping)", "7\t1", memory)), None, "a container's");
        assert_eq!(runs(""), None);
    }

    #[test]
    fn names_of_programs() {
        assert_eq!(file_name(Path::new("/usr/sbin/nginx")).as_deref(), Some("nginx"));
        assert_eq!(file_name(Path::new("/usr/sbin/nginx (deleted)")).as_deref(), Some("nginx"));
        let entry = |comm: &str, exe: Option<&str>| Entry {
            pid: i32::MAX,
            comm: comm.to_owned(),
            exe: exe.map(str::to_owned),
        };
        for (comm, exe, name, expected) in [
            ("nginx", Some("nginx"), "nginx", true),
            ("renamed", Some("nginx"), "nginx", true),
            ("nginx", None, "nginx", true),
            ("nginx", Some("vim"), "nginx", false),
            ("a-very-long-pro", None, "a-very-long-program", false),
            ("a-very-long-pro", Some("a-very-long-program"), "a-very-long-program", true),
            ("a-very-long-pro", None, "a-very-long-pro", true),
            ("ngin", None, "nginx", false),
        ] {
            assert_eq!(entry(comm, exe).is(name), expected, "{comm} {exe:?} {name}");
        }
    }

    #[test]
    fn this_process_is_found() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(scan().unwrap().iter().any(|entry| entry.pid == pid && entry.exe.is_some()));
    }
}
