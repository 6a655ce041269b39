//! Gauges, sums and their points.

use super::exemplar::ExemplarView;
use crate::{
    schema::{gauge, number_point, sum},
    view::common::{Attributes, Extent, Repeated, View},
    wire::{Fields, Payload},
};

/// Values of the moment.
#[derive(Clone, Copy, Debug)]
pub struct GaugeView<'a> {
    pub(super) bytes: &'a [u8],
}

/// A total.
#[derive(Clone, Copy, Debug)]
pub struct SumView<'a> {
    bytes: &'a [u8],
    temporality: i32,
    monotonic: bool,
}

/// A number, as points and exemplars carry it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Not set.
    None,
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
}

/// A point of a gauge or a sum.
#[derive(Clone, Copy, Debug)]
pub struct NumberPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    start_ns: u64,
    time_ns: u64,
    value: Number,
    flags: u32,
}

// === impl GaugeView ===

impl<'a> GaugeView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, NumberPoint<'a>> {
        Repeated::new(self.bytes, gauge::POINTS)
    }
}

// === impl SumView ===

impl<'a> SumView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, NumberPoint<'a>> {
        Repeated::new(self.bytes, sum::POINTS)
    }

    /// `AggregationTemporality` as a number: 1 delta, 2 cumulative.
    #[inline]
    pub fn temporality(self) -> i32 {
        self.temporality
    }

    /// Whether it never falls.
    #[inline]
    pub fn monotonic(self) -> bool {
        self.monotonic
    }

    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, temporality: 0, monotonic: false };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (sum::TEMPORALITY, Payload::Varint(temporality)) => view.temporality = temporality as i32,
                (sum::MONOTONIC, Payload::Varint(monotonic)) => view.monotonic = monotonic != 0,
                _ => {}
            }
        }
        view
    }
}

// === impl Number ===

impl Number {
    /// The number as a double; none if not set.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Int(number) => Some(number as f64),
            Self::Double(number) => Some(number),
        }
    }
}

// === impl NumberPoint ===

impl<'a> NumberPoint<'a> {
    /// What the point is about.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// Since when it counts, nanoseconds since 1970; 0 if unknown.
    #[inline]
    pub fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// When it was taken, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// The value.
    #[inline]
    pub fn value(self) -> Number {
        self.value
    }

    /// Measurements behind the value.
    #[inline]
    pub fn exemplars(self) -> Repeated<'a, ExemplarView<'a>> {
        Repeated::new(self.bytes, number_point::EXEMPLARS)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }
}

impl<'a> View<'a> for NumberPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            start_ns: 0,
            time_ns: 0,
            value: Number::None,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (number_point::ATTRIBUTES, _) => attributes.cover(&field),
                (number_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (number_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (number_point::DOUBLE, Payload::Fixed64(bits)) => {
                    view.value = Number::Double(f64::from_bits(bits));
                }
                (number_point::INT, Payload::Fixed64(bits)) => view.value = Number::Int(bits as i64),
                (number_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, number_point::ATTRIBUTES);
        view
    }
}
