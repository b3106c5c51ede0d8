//! `failover` keeps a service's IP address alive: when the host that holds it dies, another takes it over in well
//! under a second, by VRRP.
//!
//! # One idea
//!
//! The node is a value. It takes the time and a fact, and answers with actions; everything that touches the world is
//! outside, in a layer that turns the world into facts and actions into the world:
//!
//! ```text
//!   sockets, netlink, timer, signals          (os)
//!        │ facts            ▲ actions
//!        ▼                  │
//!   loop { agent.handle(now, fact, &mut actions); … agent.deadline() }      (daemon)
//!                           │
//!                    instances, addresses      (agent)
//!                           │
//!                    state machine, packets    (vrrp)
//! ```
//!
//! So the same agent runs in production, in a simulator with a false network and a false clock, in an exhaustive
//! model and under a fuzzer.
//!
//! # Layers
//!
//! | layer | what | may use | pure |
//! |---|---|---|---|
//! | [`time`], [`net`] | points in time; links, addresses, families | – | yes |
//! | [`vrrp`] | fields and arithmetic, packets, announcements, the state machine | `time`, `net` | yes |
//! | [`config`] | text to legal configuration, or diagnostics | the above | but for one file |
//! | [`health`] | a check's schedule and verdict; what verdicts make of a priority | the above | yes |
//! | [`agent`] | the whole node: instances, addresses, reports, snapshot | the above | yes |
//! | [`os`] | sockets, frames, netlink, timer, signals; the only `unsafe` | `time`, `net` | no |
//! | [`observe`] | the agent's reports as log lines and journal records | `agent`, `os` | no |
//! | [`bus`] | D-Bus: units of systemd | `config`, `os` | no |
//! | [`probe`] | runs one probe, says what it saw | `config`, `health`, `os`, `bus` | no |
//! | [`hook`] | commands and units of the states of instances | `config`, `agent`, `os`, `bus`, `probe` | no |
//! | [`daemon`] | joins the agent with the world; no decisions | all above | no |
//! | [`cli`] | one file per command | `config`, `agent`, `daemon` | no |
//!
//! Pure: no clock, socket, file, thread, random number, hash order or log.

pub mod agent;
pub mod bus;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod health;
pub mod hook;
pub mod net;
pub mod observe;
pub mod os;
pub mod probe;
pub mod time;
pub mod vrrp;
