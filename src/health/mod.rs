//! Health, as values: a check's schedule and verdict, and what the verdicts of several make of a priority.
//!
//! Owns: when a probe is due, how its outcomes become a verdict, when a check that keeps changing is held failing, how
//! verdicts and a base priority become a standing. Never: runs a probe, reads a clock. Total: nothing here fails.

pub mod outcome;
