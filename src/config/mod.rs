//! Text to legal configuration, or diagnostics that say what is wrong where and how to mend it.
//!
//! | step | in |
//! |---|---|
//! | the bytes of files and variables (the only place that reads them) | `load` |
//! | TOML with the place of every key and value, syntax errors, secrets | `tree` |
//! | file, drop-ins and environment laid over each other | `layers` |
//! | every key with its type, range and default, and the schema made from that | [`keys`], `kind`, `words`, `texts`, `schema` |
//! | each table: known keys, types, ranges | `reader`, `instance`, `address`, `auth`, `hooks`, `group`, `health`, `named` |
//! | strings with an inner form, mistakes at their very part | `formats`, `size` |
//! | what keys must be to each other, and instances, checks and groups to one another | `check` |
//! | the legal values | [`model`] |
//! | the effective configuration with its origins | `show` |
//! | what changes from one configuration to another | [`plan`] |
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
mod foreign;
mod formats;
mod group;
mod health;
mod hooks;
pub mod import;
mod instance;
pub mod keys;
mod kind;
mod layers;
mod load;
pub mod model;
mod named;
mod parse;
pub mod plan;
mod reader;
mod render;
mod schema;
mod show;
mod size;
mod texts;
mod tree;
mod words;

pub use auth::{ReadSecret, Secret, SecretProblem};
pub use diagnostic::Diagnostics;
pub use layers::Layer;
pub use load::{LONGEST_FILE, Purpose, Surroundings, load, load_in, read_text};
pub use model::Config;
pub use parse::{Loaded, parse, parse_layers, parse_with};
pub use reader::closest;
pub use schema::schema;
