//! Scripts, files, processes and interfaces as the probes see them: the real thing. Needs root.
//!
//! Every test has a runtime of its own like the agent's: one thread, tasks that stay on it.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

#[path = "probe_local/rig.rs"]
mod rig;
#[path = "probe_local/scripts.rs"]
mod scripts;

#[path = "probe_local/files.rs"]
mod files;

#[path = "probe_local/links.rs"]
mod links;

#[path = "probe_local/notify.rs"]
mod notify;

#[path = "probe_local/processes.rs"]
mod processes;
