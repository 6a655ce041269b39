//! The process: receivers, phase store, configuration and wiring.

pub mod receivers;
