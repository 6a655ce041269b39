//! The gate: bytes in, a [`Batch`] or a [`Malformed`] out, in one pass.
//!
//! - **In:** bytes from anybody.
//! - **Out:** the same bytes, as a batch with its items counted. Items that no strict backend would
//!   take are cut out and counted as [`Rejected`], their neighbours stay.
//! - **Guaranteed:** what passes decodes with any conforming protobuf library: framing, wire types of
//!   all known fields, UTF-8 of all strings, nesting. Unknown fields pass and are kept.
//! - **Canonical where a view needs it:** protobuf lets a singular message be sent in parts that
//!   merge. Such a request, and only such a one, is written anew with the parts joined.
//! - **Not here:** policy. Ids are the only content that is judged:
//!   - a span needs a trace id of 16 bytes and a span id of 8, neither all zero; a parent id is
//!     empty or 8 bytes (all zero stands for a root);
//!   - ids of links, log records and exemplars may be empty or all zero (OTLP: such a record "is not
//!     associated with a trace"), but if they have another length the span, record or point that
//!     holds them is rejected, because the Go Collector would refuse the whole request for it.

mod canonical;
mod walk;

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    batch::{AnyBatch, Batch, Logs, Metrics, Signal, SignalKind, Traces},
    rewrite,
    schema::{FieldName, Message},
    validate::walk::Walk,
};

/// What the gate let through.
#[derive(Clone, Debug)]
pub struct Validated<S: Signal> {
    /// The accepted items.
    pub batch: Batch<S>,
    /// The items that were cut out, if any.
    pub rejected: Option<Rejected>,
}

/// Items that were cut out, and what was wrong with the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What is counted.
    pub kind: SignalKind,
    /// How many.
    pub items: usize,
    /// The first of them, counted from 1 among all items of the request.
    pub first_at: usize,
    /// What is wrong with it.
    pub first: ItemFault,
}

/// Why an item was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemFault {
    /// The id that is wrong.
    pub field: FieldName,
    /// What is wrong with it.
    pub fault: IdFault,
}

/// What can be wrong with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdFault {
    /// It has `found` bytes instead of `required`.
    Length {
        /// Bytes it has.
        found: usize,
        /// Bytes it needs.
        required: usize,
    },
    /// All its bytes are zero.
    Zero,
}

/// Bytes that are not an export request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}, {field}: {fault}")]
pub struct Malformed {
    /// Where, in bytes from the start of the request.
    pub offset: usize,
    /// In which field.
    pub field: FieldName,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The message ends inside the field.
    #[error("the message ends inside the field")]
    Truncated,
    /// A variable-length integer of more than 64 bits, or cut off.
    #[error("a varint is cut off or longer than 64 bits")]
    Varint,
    /// A tag of more than 32 bits.
    #[error("a tag is larger than 32 bits")]
    Tag,
    /// Field number 0.
    #[error("field number 0 is not allowed")]
    NumberZero,
    /// Wire types 3, 4, 6, 7.
    #[error("wire type {0} is not allowed (groups are not supported)")]
    Group(u8),
    /// A known field with another wire type than its own.
    #[error("wire type {0} does not fit the field's type")]
    WireType(u8),
    /// A string that is not UTF-8.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// A packed list that does not end with a whole number.
    #[error("the packed list ends inside a number")]
    Packed,
    /// Deeper than [`VALUE_DEPTH_MAX`] or [`MESSAGE_DEPTH_MAX`].
    #[error("values are nested more than {VALUE_DEPTH_MAX} deep")]
    Depth,
}

/// Checks an export request of the signal `S`.
///
/// # Errors
/// [`Malformed`] if the bytes are not such a request.
pub fn validate<S: Signal>(bytes: Bytes) -> Result<Validated<S>, Malformed> {
    let root = Message::request(S::KIND);
    let mut walk = Walk::over(root, &bytes)?;
    let mut bytes = bytes;
    if walk.repeats {
        bytes = canonical::canonical(root, &bytes).into();
        walk = Walk::over(root, &bytes)?;
    }
    let batch = Batch::trusted(bytes, walk.items);
    let Some(first) = walk.first else { return Ok(Validated { batch, rejected: None }) };
    let first_at = walk.rejected.first().map_or(0, |place| place + 1);
    let rejected = Rejected { kind: S::KIND, items: walk.rejected.len(), first_at, first };
    let batch = rewrite::without(&batch, &walk.rejected);
    Ok(Validated { batch, rejected: Some(rejected) })
}

// === impl AnyBatch ===

impl AnyBatch {
    /// Checks an export request of a signal that is known at run time only.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not such a request.
    pub fn validate(kind: SignalKind, bytes: Bytes) -> Result<(Self, Option<Rejected>), Malformed> {
        Ok(match kind {
            SignalKind::Traces => validate::<Traces>(bytes)?.into_any(),
            SignalKind::Metrics => validate::<Metrics>(bytes)?.into_any(),
            SignalKind::Logs => validate::<Logs>(bytes)?.into_any(),
        })
    }
}

// === impl Validated ===

impl<S: Signal> Validated<S>
where
    Batch<S>: Into<AnyBatch>,
{
    fn into_any(self) -> (AnyBatch, Option<Rejected>) {
        (self.batch.into(), self.rejected)
    }
}

// === impl Rejected ===

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = match (self.kind, self.items) {
            (SignalKind::Traces, 1) => "span",
            (SignalKind::Traces, _) => "spans",
            (SignalKind::Metrics, 1) => "data point",
            (SignalKind::Metrics, _) => "data points",
            (SignalKind::Logs, 1) => "log record",
            (SignalKind::Logs, _) => "log records",
        };
        let first = if self.items == 1 { "" } else { "the first is " };
        let Self { items, first_at, first: fault, .. } = self;
        write!(f, "{items} {noun} rejected: {first}number {first_at} of the request, {fault}")
    }
}

// === impl ItemFault ===

impl fmt::Display for ItemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.fault {
            IdFault::Length { found, required } => {
                let bytes = if found == 1 { "byte" } else { "bytes" };
                write!(f, "{field} has {found} {bytes}, {required} are required")
            }
            IdFault::Zero => write!(f, "{field} is all zero, at least one byte must not be"),
        }
    }
}

/// Deepest nesting of attribute values; a plain value is 1 deep.
pub const VALUE_DEPTH_MAX: u32 = 32;

/// Deepest nesting of messages below the request: the limit of prost and of Google's libraries.
pub const MESSAGE_DEPTH_MAX: u32 = 100;

#[cfg(test)]
mod tests;
