//! From a configuration to running pipelines.

pub mod drain;
pub mod edge;
