//! Units of systemd, on hosts with a real one.
//!
//! A test runs twice: started here it boots a host, copies this program into it and starts the same test there; there
//! it is what it says. Needs root and the packages that `tests/run` installs.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "tests print what they do")]

#[path = "../lab/mod.rs"]
mod lab;

mod aside;
mod bus;
mod examples;
mod inside;
mod journal;
mod notify;
mod packaged;
mod probe;
mod release;
mod service;
mod units;
mod watches;
