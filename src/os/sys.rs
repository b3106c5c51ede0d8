//! The only unsafe code of the program: the few system calls that no library wraps.
//!
//! Each function is safe to call with any argument; what the kernel refuses comes back as its `errno`.
#![expect(unsafe_code, reason = "the one place where it is allowed")]

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{io, mem, ptr};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, SockaddrLike};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::Trying;
use crate::net::{LinkIndex, MacAddr};

/// Sets a socket option whose value is an `int`.
pub(super) fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> nix::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the descriptor is open for as long as it is borrowed; the pointer and the length describe `value`, which
    // outlives the call, and the kernel only reads it.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), length) };
    Errno::result(result).map(drop)
}

/// The address of `destination` on `link` for a packet socket; `kind` is the `EtherType`. `None` for an index that no
/// interface can have.
pub(super) fn link_address(link: LinkIndex, destination: MacAddr, kind: u16) -> Option<LinkAddr> {
    // SAFETY: `sockaddr_ll` is plain numbers and an array of bytes, for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).ok()?;
    address.sll_protocol = kind.to_be();
    address.sll_ifindex = i32::try_from(link.0).ok()?;
    address.sll_halen = 6;
    for (to, from) in address.sll_addr.iter_mut().zip(destination.0) {
        *to = from;
    }
    // SAFETY: the pointer is to a whole `sockaddr_ll` whose family says so; it is copied before this function returns.
    unsafe { LinkAddr::from_raw(ptr::from_ref(&address).cast(), None) }
}

/// Puts the calling thread under `SCHED_FIFO` at `priority` (1–99). What it starts does not inherit that.
pub(super) fn set_fifo(priority: i32) -> nix::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: thread 0 is the caller; the pointer is to a value that outlives the call and is only read.
    let result = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, ptr::from_ref(&parameters))
    };
    Errno::result(result).map(drop)
}

/// Gives free memory of the allocator back to the kernel. Takes the locks of the allocator for as long as that takes.
pub(super) fn trim_memory() {
    // SAFETY: no argument but how much to keep at the top of the heap, and no memory in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A descriptor that can be read from once the process has ended; closed at exec.
pub(super) fn pidfd_open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: two numbers go in, and no memory is touched.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, libc::PIDFD_NONBLOCK) };
    let fd = i32::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor whose readiness a task can wait for.
#[derive(Debug)]
pub struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    /// Takes a descriptor that can be polled. Must be called inside of a runtime.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is open and owned, and nobody can exchange it: the field is private to this file, which
        // hands it out to nobody.
        Ok(Readable(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? }))
    }

    /// For what goes on using its descriptor itself.
    pub fn of(owner: &impl AsFd) -> Result<Self, super::OsError> {
        let copy = owner.as_fd().try_clone_to_owned().trying("copying a descriptor")?;
        Self::new(copy).trying("watching a descriptor")
    }

    /// Waits until something can be read, or until there never will be. Stays so until the guard is told to clear it.
    pub async fn ready(&self) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        self.0.readable().await
    }
}

/// A list of strings as the kernel takes it: their addresses, and a null at the end.
struct Strings {
    addresses: Vec<*const c_char>,
    /// What they point to. The bytes of a `CString` do not move with it.
    _owned: Vec<CString>,
}

// SAFETY: the addresses are of bytes that this value owns, which nothing changes.
unsafe impl Send for Strings {}
// SAFETY: as above.
unsafe impl Sync for Strings {}

impl Strings {
    fn new(owned: Vec<CString>) -> Self {
        let addresses = owned.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Strings { addresses, _owned: owned }
    }

    fn start(&self) -> *const *const c_char {
        self.addresses.as_ptr()
    }
}

/// The step at which a child could not become the program; in the error of [`launch`] above the twelve bits of `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To have a session of its own.
    Session,
    /// To take the groups of the user.
    Groups,
    /// To take the user.
    User,
    /// To give up the capabilities.
    Capabilities,
    /// To give up gaining any.
    NewPrivileges,
    /// To execute the program.
    Program,
}

impl Step {
    const ALL: [Step; 6] =
        [Step::Session, Step::Groups, Step::User, Step::Capabilities, Step::NewPrivileges, Step::Program];
    const SHIFT: u32 = 12;

    fn number(self) -> i32 {
        match self {
            Step::Session => 1,
            Step::Groups => 2,
            Step::User => 3,
            Step::Capabilities => 4,
            Step::NewPrivileges => 5,
            Step::Program => 6,
        }
    }

    fn failed(self) -> io::Error {
        io::Error::from_raw_os_error(self.number() << Self::SHIFT | Errno::last_raw())
    }

    /// The step and the `errno` of an error of starting; none for one of before the fork.
    pub(super) fn of(error: &io::Error) -> Option<(Self, Errno)> {
        let code = error.raw_os_error()?;
        let step = Self::ALL.into_iter().find(|step| step.number() == code >> Self::SHIFT)?;
        Some((step, Errno::from_raw(code & ((1 << Self::SHIFT) - 1))))
    }
}

/// Whom a child becomes.
pub(super) struct Become {
    /// User.
    pub(super) uid: libc::uid_t,
    /// Group.
    pub(super) gid: libc::gid_t,
    /// Supplementary groups.
    pub(super) groups: Vec<libc::gid_t>,
}

/// Has `command` execute `program` with these arguments (its own name first) and this environment and nothing else, in a
/// session of its own, as somebody else if that is said, with every capability given up if that is said. The path,
/// arguments and environment of `command` itself do not count. Never runs a shell for a file that is no program.
pub(super) fn launch(
    command: &mut Command,
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    whom: Option<Become>,
    drop_capabilities: bool,
) {
    let (arguments, environment) = (Strings::new(arguments), Strings::new(environment));
    let work = move || {
        settle();
        if drop_capabilities {
            limit_capabilities();
        }
        // SAFETY: numbers only; the calls of the C library that follow are plain system calls where there is one thread,
        // as after a fork.
        if unsafe { libc::setsid() } < 0 {
            return Err(Step::Session.failed());
        }
        if let Some(whom) = &whom {
            change_user(whom)?;
        }
        if drop_capabilities {
            give_up_capabilities()?;
        }
        // SAFETY: numbers only.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } < 0 {
            return Err(Step::NewPrivileges.failed());
        }
        // SAFETY: three pointers to what this closure owns: a string and two lists of strings that end with a null.
        unsafe {
            libc::execve(program.as_ptr(), arguments.start(), environment.start());
        }
        Err(Step::Program.failed())
    };
    // SAFETY: between fork and exec the closure makes system calls alone: it allocates nothing, takes no lock, and its
    // errors are numbers.
    unsafe {
        command.pre_exec(work);
    }
}

/// After a fork: ordinary scheduling, signals, memory of last resort, file modes; no descriptor that is not its own. What
/// the kernel does not grant stays as it is inherited.
fn settle() {
    let ordinary = libc::sched_param { sched_priority: 0 };
    let path: &CStr = c"/proc/self/oom_score_adj";
    // SAFETY: numbers, and pointers to values that outlive the calls, which only read them.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::sched_setscheduler(0, libc::SCHED_OTHER, ptr::from_ref(&ordinary));
        libc::setpriority(libc::PRIO_PROCESS, 0, 0);
        libc::umask(0o022);
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, c"0".as_ptr().cast(), 1);
            libc::close(fd);
        }
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// After a fork: no capability can be had by executing anything. Without `CAP_SETPCAP` it is left to `no_new_privs`.
fn limit_capabilities() {
    for capability in 0..64 {
        // SAFETY: numbers only.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            break;
        }
    }
}

/// After a fork: becomes somebody else for good.
fn change_user(whom: &Become) -> io::Result<()> {
    // SAFETY: the pointer and the length describe a list that outlives the call; numbers otherwise.
    unsafe {
        if libc::setgroups(whom.groups.len(), whom.groups.as_ptr()) < 0 {
            return Err(Step::Groups.failed());
        }
        if libc::setresgid(whom.gid, whom.gid, whom.gid) < 0 {
            return Err(Step::Groups.failed());
        }
        if libc::setresuid(whom.uid, whom.uid, whom.uid) < 0 {
            return Err(Step::User.failed());
        }
    }
    Ok(())
}

/// After a fork: gives up every capability, those that exec would hand on too.
fn give_up_capabilities() -> io::Result<()> {
    /// `struct __user_cap_header_struct` of version 3, for the caller.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    /// Two of `struct __user_cap_data_struct`.
    const NONE: [u32; 6] = [0; 6];
    let header = HEADER;
    // SAFETY: numbers, and pointers to as many bytes as the kernel reads of a header and of a set of version 3.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if libc::syscall(libc::SYS_capset, header.as_ptr(), NONE.as_ptr()) < 0 {
            return Err(Step::Capabilities.failed());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_address_holds_what_it_was_given() {
        let address = link_address(LinkIndex(7), MacAddr([1, 2, 3, 4, 5, 6]), 0x0806).unwrap();
        assert_eq!(address.ifindex(), 7);
        assert_eq!(address.addr(), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(address.halen(), 6);
        assert_eq!(u16::from_be(address.protocol()), 0x0806);
        assert!(link_address(LinkIndex(u32::MAX), MacAddr([0; 6]), 0).is_none());
    }

    #[test]
    fn refusals_come_back_as_errno() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = AsFd::as_fd(&socket);
        assert_eq!(set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, 65_536), Ok(()));
        assert_eq!(set_option(fd, libc::SOL_SOCKET, 9999, 1), Err(Errno::ENOPROTOOPT));
        assert_eq!(set_fifo(1000), Err(Errno::EINVAL));
    }
}
