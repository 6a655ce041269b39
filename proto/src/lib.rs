//! What the bytes mean: OTLP read in place, checked once, and written anew only where it changes.
//!
//! Read in this order: [`wire`] (protobuf's framing), [`schema`] (OTLP's messages as one table),
//! [`validate`] (the gate), [`batch`] (what the gate hands out), [`view`] (reading without a copy),
//! [`rewrite`] (changing, joining, cutting), [`encode`] (what we emit ourselves), [`response`] (what
//! we answer), [`phases`] (the phase store's own protocol, generated).
//!
//! **Not here:** sockets, async, clocks. Outside `generated/` no prost and no tonic.

pub mod batch;
pub mod encode;
pub mod response;
pub mod rewrite;
pub mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod validate;
pub mod view;
pub mod wire;

pub use batch::{AnyBatch, Batch, Logs, Metrics, Signal, SignalKind, Traces};
pub use validate::{Malformed, Rejected, Validated, validate};
