//! The process: receivers, phase store, configuration and wiring.

pub mod phase_store;
pub mod receivers;
