//! `failover probe` and the probes over the network, against nginx and haproxy and in networks that are broken.
//!
//! A server and a client, each in a network namespace, joined by one link. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod certificates;
mod dark;
mod http;
mod ping;
mod renewed;
mod stage;
mod tcp;
