//! What is run for the states of instances and groups: commands and units. Decides nothing about them: it is told, and does.

mod desired;
pub mod notify;
pub mod queue;
pub mod units;
