//! The `os` layer against the running kernel: sockets, filters, frames, netlink, timer. Needs root.
//!
//! Each test has a thread of its own in a network namespace of its own, which ends with the thread. Without root the
//! tests say so and pass, unless `CI` is set: there they fail.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod leases;
mod namespace;
mod netlink;
mod sockets;
mod time;
