//! One test for each numbered item of what the RFCs and the field demand, named by its number.
//!
//! `items.txt` lists the numbers, grouped as in the modules here; `left-out.md` says which have no test, and why. A
//! test of this crate fails when an item is in neither place or in both. Sources: RFC 9568 with its errata, RFC 5798,
//! RFC 3768, RFC 2338, RFC 5227, RFC 4861, and what keepalived and FRR do.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod active;
mod announcements;
mod authentication;
mod backup;
mod bytes;
mod checksum;
mod configuration;
mod format;
mod inventory;
mod receive;
mod rig;
mod segment;
mod sent;
mod start;
mod ties;
mod timers;
mod wire;
