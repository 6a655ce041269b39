//! What the collector says about itself: log lines, health, own metrics and traces, and the banner at start.
//!
//! **Not here:** anything on the way of a batch. Everything is read from atomics that the data plane keeps.

pub mod banner;
pub mod health;
pub mod logs;
pub mod overview;
pub mod own;
pub mod probe;
pub mod traces;
pub mod watchdog;
