//! What the bytes mean: OTLP read in place, checked once, and written anew only where it changes.
//!
//! Read in this order: [`wire`] (protobuf's framing), [`schema`] (OTLP's messages as one table),
//! [`mod@validate`] (the gate), [`batch`] (what the gate hands out), [`view`] (reading without a copy),
//! [`rewrite`] (changing, joining, cutting), [`encode`] (what we emit ourselves), [`response`] (what
//! we answer), [`json`] (the same as text), [`phases`] (the phase store's own protocol, generated).
//!
//! **Not here:** sockets, async, clocks. Outside `generated/` no prost and no tonic.

// In reading order; the empty lines keep rustfmt from sorting them.
pub mod wire;

pub mod schema;

pub mod validate;

pub mod batch;

pub mod view;

pub mod rewrite;

pub mod encode;

pub mod response;

pub mod json;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use batch::{AnyBatch, Batch, Logs, Metrics, Signal, SignalKind, Traces};
pub use validate::{Malformed, Rejected, Validated, validate};

/// The phase store's own protocol, `phasor.phases.v1`, as tonic and prost write it. Generated from
/// `phasor/phases/v1/phases.proto` and committed; the test `generated` compares.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all, reason = "generated")]
pub mod phases {
    include!("generated/phasor.phases.v1.rs");

    /// The compiled `.proto` files with all they import, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/phases.bin");
}
