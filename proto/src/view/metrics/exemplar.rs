//! Exemplars.

use super::number::Number;
use crate::{
    schema::exemplar,
    view::common::{Attributes, Extent, View, id},
    wire::{Fields, Payload},
};

/// One measurement with the span it was made in.
#[derive(Clone, Copy, Debug)]
pub struct ExemplarView<'a> {
    filtered_attributes: Attributes<'a>,
    trace_id: Option<&'a [u8; 16]>,
    span_id: Option<&'a [u8; 8]>,
    time_ns: u64,
    value: Number,
}

// === impl ExemplarView ===

impl<'a> ExemplarView<'a> {
    /// Attributes of the measurement that the point does not have.
    #[inline]
    pub fn filtered_attributes(self) -> Attributes<'a> {
        self.filtered_attributes
    }

    /// When it was measured, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// What was measured.
    #[inline]
    pub fn value(self) -> Number {
        self.value
    }

    /// The trace it was measured in; none if empty or all zero.
    #[inline]
    pub fn trace_id(self) -> Option<&'a [u8; 16]> {
        self.trace_id
    }

    /// The span it was measured in; none if empty or all zero.
    #[inline]
    pub fn span_id(self) -> Option<&'a [u8; 8]> {
        self.span_id
    }
}

impl<'a> View<'a> for ExemplarView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            filtered_attributes: Attributes::EMPTY,
            trace_id: None,
            span_id: None,
            time_ns: 0,
            value: Number::None,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (exemplar::ATTRIBUTES, _) => attributes.cover(&field),
                (exemplar::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (exemplar::DOUBLE, Payload::Fixed64(bits)) => {
                    view.value = Number::Double(f64::from_bits(bits))
                }
                (exemplar::INT, Payload::Fixed64(bits)) => view.value = Number::Int(bits as i64),
                (exemplar::SPAN_ID, Payload::Len(span)) => view.span_id = id(span),
                (exemplar::TRACE_ID, Payload::Len(trace)) => view.trace_id = id(trace),
                _ => {}
            }
        }
        view.filtered_attributes = Attributes::new(bytes, attributes, exemplar::ATTRIBUTES);
        view
    }
}
