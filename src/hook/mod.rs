//! Hooks: what is run when an instance or a group enters a state: commands and units.

mod desired;
pub mod units;
