//! The real programs from Debian on one host, ours on the other: keepalived, FRR's vrrpd, UCARP.
//!
//! Each case: one holder while nothing happens, takeover both ways, the client reaches the address where it should be,
//! nothing is left over. Needs root and the packages that `tests/run` installs; a program that is missing fails the
//! test.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../lab/mod.rs"]
mod lab;

mod by_the_second;
mod exercise;
mod frr;
mod import;
mod keepalived;
mod ucarp;
