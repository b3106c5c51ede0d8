//! Taking away what an agent left behind, without an agent.
//!
//! Owns: that no agent runs in this network namespace meanwhile, and that nothing goes but what carries the agents' mark.
//! Fails when an agent runs, when the kernel has no marks, or when it cannot be asked; a single address that the kernel
//! keeps is told with its reason.

use std::fs;

use super::alone::{self, Alone};
use crate::agent::addresses::ADDRESS_PROTOCOL;
use crate::os::netlink::{self, Failure, Removed};

/// The first Linux that knows who put an address where it is.
const FIRST_WITH_MARKS: (u32, u32) = (5, 18);

/// Why nothing was taken away.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// An agent runs.
    #[error(
        "an agent is running in this network namespace{}: its addresses are its own\n  \
         stop it, and it takes them away itself (systemctl stop failover)",
        if *.0 == 0 { String::new() } else { format!(" (process {})", .0) }
    )]
    Running(i32),
    /// The kernel does not say who added an address.
    #[error(
        "cannot know which addresses are an agent's: Linux {0} does not mark them (5.18 and later do)\n  \
         see ip address, and take them away by hand; or start the agent, which uses those that it still wants"
    )]
    NoMarks(String),
    /// The kernel cannot be asked.
    #[error("cannot read the addresses of this host: {}", .0.text)]
    Kernel(Failure),
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Release {
    /// The addresses that carry the mark.
    pub addresses: Vec<Removed>,
    /// That it could not be told whether an agent runs, and why.
    pub unsure: Option<String>,
}

/// Takes away every address in this network namespace that an agent put there.
pub fn release() -> Result<Release, ReleaseError> {
    // Held to the end, so that no agent starts meanwhile.
    let (_held, unsure) = match alone::claim(alone::NAME) {
        Alone::Yes(socket) => (Some(socket), None),
        Alone::No { process } => return Err(ReleaseError::Running(process)),
        Alone::Unknown(why) => (None, Some(why)),
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let observed = netlink::read_addresses().map_err(ReleaseError::Kernel)?;
    // A kernel may have learned it before its number says so: then addresses of its own carry marks.
    if !marks(kernel.trim()) && observed.addresses.iter().all(|address| address.protocol == 0) {
        return Err(ReleaseError::NoMarks(kernel.trim().to_owned()));
    }
    Ok(Release { addresses: netlink::remove_marked(&observed, ADDRESS_PROTOCOL), unsure })
}

/// Whether the kernel of this release marks addresses. One whose number cannot be read is a new one.
fn marks(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= FIRST_WITH_MARKS,
        (_, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_from_5_18_on_mark_addresses() {
        for release in ["5.18.0", "5.18-rc1", "6.1.0-44-cloud-amd64", "10.0", "", "?"] {
            assert!(marks(release), "{release}");
        }
        for release in ["5.17.15", "4.18.0-553.el8.x86_64", "5.4", "3.10.0"] {
            assert!(!marks(release), "{release}");
        }
    }
}
