//! Health, as values: a check's schedule and verdict, and what the verdicts of several make of a priority.
//!
//! Owns: when a probe is due, how its outcomes become a verdict, when a check that keeps changing is held failing, how
//! verdicts and a base priority become a standing. Never: runs a probe, reads a clock. Total: nothing here fails.
//!
//! | part | owns |
//! |---|---|
//! | [`outcome`] | what one run found out |
//! | [`check`] | one check: its schedule, and how outcomes become a verdict |
//! | [`damping`] | how long a check that keeps changing is held |
//! | [`checks`] | all checks of a node: who is due, which run belongs to whom |
//! | [`standing`] | verdicts and a base priority: the priority in force, fit or not |
//! | [`status`] | what people are told of a check |

pub mod check;
pub mod checks;
pub mod damping;
pub mod outcome;
pub mod standing;
pub mod status;
