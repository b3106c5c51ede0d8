//! Text to legal configuration, or diagnostics that say what is wrong where and how to mend it.
//!
//! | step | in |
//! |---|---|
//! | a file's bytes (the only place that reads files) | `load` |
//! | TOML with the place of every key and value, syntax errors, secrets | `tree` |
//! | each table: known keys, types, ranges | `reader`, `instance`, `address`, `auth` |
//! | what keys must be to each other, and instances to one another | `check` |
//! | the legal values | [`model`] |
//! | diagnostics as values, as text, as JSON | [`diagnostic`], `render` |
//! | keepalived's configuration to ours | [`import`] |
//!
//! Every error is collected, not the first only. Nothing is both wrong and silently corrected: what cannot be done as
//! written is an error, what does nothing is a warning. Passwords appear in no diagnostic.

mod address;
mod auth;
mod check;
pub mod code;
pub mod diagnostic;
pub mod import;
mod instance;
pub mod keys;
mod load;
pub mod model;
mod parse;
mod reader;
mod render;
mod tree;

pub use auth::{ReadSecret, Secret};
pub use diagnostic::Diagnostics;
pub use load::{LONGEST_FILE, Loaded, load, read_text};
pub use model::Config;
pub use parse::{parse, parse_with};
