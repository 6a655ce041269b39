//! The process: receivers, phase store, configuration and wiring.

pub mod cli;
pub mod config;
pub mod phase_store;
pub mod receivers;
pub mod smoke;
