//! Leaving the machine's network: namespaces of our own, with root's rights or through a user namespace.
//!
//! Fails where the system forbids namespaces, with what forbids them and what to do.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::super::Failure;

/// How the demo came by its namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privilege {
    /// The caller may make them.
    Own,
    /// In a user namespace, where the caller is root.
    UserNamespace,
}

/// Puts the calling thread, which must be the only one of its process, into a new network namespace.
pub(super) fn leave() -> Result<Privilege, Failure> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => return Ok(Privilege::Own),
        Err(Errno::EPERM) => {}
        Err(errno) => return Err(forbidden("making a network namespace", errno)),
    }
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|errno| forbidden("making a user namespace", errno))?;
    // Without this an unprivileged process may not map its group (user_namespaces(7)).
    become_root("setgroups", "deny")?;
    become_root("uid_map", &format!("0 {user} 1"))?;
    become_root("gid_map", &format!("0 {group} 1"))?;
    Ok(Privilege::UserNamespace)
}

/// Another network namespace for the calling thread.
pub(super) fn another() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| forbidden("making a network namespace", errno))
}

fn become_root(file: &str, content: &str) -> Result<(), Failure> {
    fs::write(format!("/proc/self/{file}"), content).map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
        forbidden("becoming root in a user namespace", errno)
    })
}

fn forbidden(what: &str, errno: Errno) -> Failure {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    Failure::new(format!(
        "the demo lives in network namespaces of its own, and this system forbids them: {what}: {}\n  {}",
        io::Error::from(errno),
        advice(geteuid().is_root(), &read)
    ))
}

/// What to do, by the switches that are known to forbid namespaces; `read` reads one of them.
fn advice(root: bool, read: &dyn Fn(&str) -> Option<String>) -> String {
    const SWITCHES: [(&str, &str, &str); 4] = [
        ("user.max_user_namespaces", "0", "15000"),
        ("user.max_net_namespaces", "0", "15000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    let off = SWITCHES.into_iter().find(|(name, forbids, _)| {
        read(&format!("/proc/sys/{}", name.replace('.', "/"))).as_deref() == Some(*forbids)
    });
    match off {
        Some((name, forbids, allows)) => {
            let otherwise = if root { "" } else { "run the demo as root, or " };
            format!("{name} is {forbids}: {otherwise}allow them with: sysctl {name}={allows}")
        }
        None if root => "in a container: give it the capabilities SYS_ADMIN, NET_ADMIN and NET_RAW \
                         (docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined \
                         --security-opt apparmor=unconfined …), or run the demo outside of it"
            .to_owned(),
        None => "run the demo as root (in a chroot nobody may make a user namespace)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_switch_that_is_off() {
        let apparmor = |path: &str| match path {
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns" => Some("1".to_owned()),
            "/proc/sys/user/max_user_namespaces" => Some("15000".to_owned()),
            _ => None,
        };
        let text = advice(false, &apparmor);
        assert!(text.contains("as root"), "{text}");
        assert!(text.contains("sysctl kernel.apparmor_restrict_unprivileged_userns=0"), "{text}");
        let text =
            advice(true, &|path| (path == "/proc/sys/user/max_net_namespaces").then(|| "0".to_owned()));
        assert!(text.contains("sysctl user.max_net_namespaces=15000"), "{text}");
        assert!(!text.contains("as root"), "{text}");
        assert!(advice(false, &|_| None).starts_with("run the demo as root"));
        assert!(advice(true, &|_| None).contains("container"));
    }
}
