//! Text to legal configuration, or diagnostics that say what is wrong where and how to mend it.
//!
//! | step | in |
//! |---|---|
//! | a file's bytes (the only place that reads files) | `load` |
//! | TOML with the place of every key and value, syntax errors, secrets | `tree` |
//! | every key with its type, range and default, and the schema made from that | [`keys`], `kind`, `words`, `texts`, `schema` |
//! | each table: known keys, types, ranges | `reader`, `instance`, `address`, `auth`, `hooks`, `group`, `health` |
//! | strings with an inner form, mistakes at their very part | `formats`, `size` |
//! | what keys must be to each other, and instances, checks and groups to one another | `check` |
//! | what is read and not done yet: an error | `not_yet` |
//! | the legal values | [`model`] |
//! | diagnostics as values, as text, as JSON | [`diagnostic`], `render` |
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
mod instance;
pub mod keys;
mod kind;
mod load;
pub mod model;
mod not_yet;
mod parse;
mod reader;
mod render;
mod schema;
mod size;
mod texts;
mod tree;
mod words;

pub use auth::{ReadSecret, Secret};
pub use diagnostic::Diagnostics;
pub use load::{LONGEST_FILE, Loaded, load};
pub use model::Config;
pub use parse::{parse, parse_all, parse_with};
pub use schema::schema;
