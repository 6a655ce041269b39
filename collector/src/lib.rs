//! The process: receivers, phase store, configuration and wiring.
//!
//! Read in this order: [`service`] (the wiring, in the order a batch travels), [`receivers`] and [`phase_store`] (how
//! data comes in; both stand on `listener`, which accepts connections), [`telemetry`] (what the process says about itself), [`config`] (YAML to checked values), [`cli`]
//! (what may be typed), [`smoke`] (the reference scenario, played from outside).

pub mod cli;
pub mod config;
mod listener;
pub mod phase_store;
pub mod receivers;
pub mod service;
pub mod smoke;
pub mod telemetry;
