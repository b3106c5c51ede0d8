//! Starts a program for somebody, in a session of its own, and ends it with everything that is in that session's group.
//!
//! Owns the process until it has been waited for: to drop a [`Child`] kills its group. Everything after the fork is in
//! `sys`. [`start`] can block: the program may lie on a file system that does not answer. Fails with a text that says
//! what is wrong with the program, for the log; it never runs a shell.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::sys;
use super::user::Account;

/// Bytes of a file in which its interpreter is looked for, as many as the kernel reads.
const HEAD: usize = 256;

/// A program to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// Absolute.
    pub path: PathBuf,
    /// What follows its name; no zero bytes.
    pub arguments: Vec<String>,
    /// The whole environment; no zero bytes, no `=` in the names.
    pub environment: Vec<(String, String)>,
    /// Whom to become; `None` stays who the process is.
    pub user: Option<Account>,
    /// Whether to give up all capabilities.
    pub unprivileged: bool,
}

/// A program that was started. Its number and its group's are nobody else's until [`Child::reap`] has answered.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    group: Pid,
    reaped: bool,
}

/// What [`start`] started.
#[derive(Debug)]
pub struct Started {
    /// The process.
    pub child: Child,
    /// Can be read from once the process has ended.
    pub ended: OwnedFd,
    /// What it writes, to standard output and to standard error.
    pub output: OwnedFd,
}

/// Starts it, with an empty standard input.
pub fn start(program: &Program) -> Result<Started, String> {
    let shown = program.path.display();
    let (reader, writer) = pipe().map_err(|error| format!("no pipe for the output of {shown}: {error}"))?;
    let errors = writer.try_clone().map_err(|error| format!("no pipe for the errors of {shown}: {error}"))?;
    let mut command = Command::new(&program.path);
    command.current_dir("/").stdin(Stdio::null()).stdout(writer).stderr(errors);
    prepare(&mut command, program).map_err(|error| format!("{shown}: {error}"))?;
    let process = command.spawn().map_err(|error| why_not(program, &error))?;
    // It would hold the pipe open.
    drop(command);
    let number = i32::try_from(process.id()).unwrap_or(i32::MAX);
    let ended = match sys::pidfd_open(number) {
        Ok(ended) => ended,
        Err(errno) => {
            let _ = killpg(Pid::from_raw(number), Signal::SIGKILL);
            let mut process = process;
            let _ = process.wait();
            return Err(format!("cannot watch {shown} (Linux 5.3 or later is needed): {errno}"));
        }
    };
    let child = Child { process, group: Pid::from_raw(number), reaped: false };
    Ok(Started { child, ended, output: OwnedFd::from(reader) })
}

fn prepare(command: &mut Command, program: &Program) -> Result<(), std::ffi::NulError> {
    let path = CString::new(program.path.as_os_str().as_encoded_bytes())?;
    let arguments = program.arguments.iter().map(|argument| CString::new(argument.as_str()));
    let arguments = [Ok(path.clone())].into_iter().chain(arguments).collect::<Result<Vec<_>, _>>()?;
    let variables = program.environment.iter().map(|(name, value)| CString::new(format!("{name}={value}")));
    let environment = variables.collect::<Result<Vec<_>, _>>()?;
    let whom = program.user.as_ref().map(|user| sys::Become {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: user.groups.iter().map(|group| group.as_raw()).collect(),
    });
    sys::launch(command, path, arguments, environment, whom, program.unprivileged);
    Ok(())
}

impl Child {
    /// Its number, which is also its group's.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.group.as_raw()
    }

    /// Sends a signal to every process of the group.
    pub fn signal(&self, signal: Signal) {
        if !self.reaped {
            // Fails only when nobody is left.
            let _ = killpg(self.group, signal);
        }
    }

    /// How it ended, if it has; from then on the number may be anybody's.
    pub fn reap(&mut self) -> Option<ExitStatus> {
        let status = self.process.try_wait().ok()??;
        self.reaped = true;
        Some(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if !self.reaped {
            // A killed process needs a moment: who wants no zombie waits for it before.
            let _ = self.process.try_wait();
        }
    }
}

/// How a program ended, in words: "exit status 2", "killed by SIGSEGV".
#[must_use]
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("killed by {}", signal.as_str()),
            Err(_) => format!("killed by signal {number}"),
        },
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// What was wrong, in words.
fn why_not(program: &Program, error: &io::Error) -> String {
    let path = program.path.display();
    let who = program.user.as_ref().map_or("the agent's user", |user| user.name.as_str());
    let Some((step, errno)) = sys::Step::of(error) else {
        return format!("cannot start {path}: {error}");
    };
    match step {
        sys::Step::Session => format!("no session of its own for {path}: {errno}"),
        sys::Step::Groups | sys::Step::User => format!(
            "cannot run {path} as user {who}: {}; the agent needs CAP_SETUID and CAP_SETGID for that",
            errno.desc()
        ),
        sys::Step::Capabilities | sys::Step::NewPrivileges => {
            format!("cannot take the capabilities from {path}: {}", errno.desc())
        }
        sys::Step::Program => refused(&program.path, who, errno),
    }
}

/// Why the kernel does not execute it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest of the kernel's reasons is told in its own words"
)]
fn refused(path: &Path, who: &str, errno: Errno) -> String {
    let shown = path.display();
    match errno {
        Errno::ENOENT | Errno::ENOTDIR if fs::metadata(path).is_err() => format!("{shown} does not exist"),
        Errno::ENOENT => match interpreter(path) {
            Some(name) => {
                format!("{shown} names the interpreter {name} in its first line, which does not exist")
            }
            None => format!("{shown} needs a loader or an interpreter that does not exist"),
        },
        Errno::EACCES => match fs::metadata(path) {
            Ok(found) if found.is_dir() => format!("{shown} is a directory"),
            Ok(found) if !found.is_file() => format!("{shown} is not a file"),
            Ok(found) if found.mode() & 0o111 == 0 => format!("{shown} is not executable: chmod +x {shown}"),
            Ok(_) | Err(_) => format!(
                "{who} may not execute {shown}: look at the modes of the file, of its directories and of its \
                 interpreter, and for a file system mounted noexec"
            ),
        },
        Errno::ENOEXEC => format!(
            "{shown} is no program for this machine; a script needs its interpreter in the first line, such as #!/bin/sh"
        ),
        Errno::ETXTBSY => format!("{shown} is being written by somebody"),
        other => format!("cannot execute {shown}: {}", other.desc()),
    }
}

/// The interpreter that a script names in its first line.
fn interpreter(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD).ok()?;
    fs::File::open(path).ok()?.take(limit).read_to_end(&mut head).ok()?;
    let text = String::from_utf8_lossy(head.strip_prefix(b"#!")?).into_owned();
    let name = text.lines().next()?.split_whitespace().next()?;
    Some(name.chars().filter(|c| !c.is_control()).collect())
}
