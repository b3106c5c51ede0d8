//! What is run for the states of instances and groups. Decides nothing about them: it is told, and does.

pub mod notify;
pub mod queue;
