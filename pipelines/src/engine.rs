//! From a configuration to running pipelines.
//!
//! Read in this order: [`graph`] (names become a checked order), [`inlet`] (the way of a batch into the
//! journal), [`edge`] and [`sizes`] (what is counted), `fold` (what drives an aggregator) with `saved` (what its snapshot
//! holds), [`run`] (start and stop), [`drain`] (the signal to stop).

pub mod drain;
pub mod edge;
mod fold;
pub mod graph;
pub mod inlet;
pub mod run;
mod saved;
pub mod sizes;
