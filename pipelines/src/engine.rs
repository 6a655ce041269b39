//! From a configuration to running pipelines.
//!
//! Read in this order: [`graph`] (names become a checked order), [`edge`] (what is counted),
//! [`drain`] (how it stops).

pub mod drain;
pub mod edge;
pub mod graph;
