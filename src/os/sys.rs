//! The only unsafe code of the program: the few system calls that no library wraps.
//!
//! Each function is safe to call with any argument; what the kernel refuses comes back as its `errno`.
#![expect(unsafe_code, reason = "the one place where it is allowed")]

use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, SockaddrLike};

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
        let fd = std::os::fd::AsFd::as_fd(&socket);
        assert_eq!(set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, 65_536), Ok(()));
        assert_eq!(set_option(fd, libc::SOL_SOCKET, 9999, 1), Err(Errno::ENOPROTOOPT));
        assert_eq!(set_fifo(1000), Err(Errno::EINVAL));
    }
}
