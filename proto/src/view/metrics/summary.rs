//! Summaries.

use crate::{
    schema::{quantile, summary, summary_point},
    view::common::{Attributes, Extent, Repeated, View},
    wire::{Fields, Payload},
};

/// Quantiles.
#[derive(Clone, Copy, Debug)]
pub struct SummaryView<'a> {
    pub(super) bytes: &'a [u8],
}

/// A point of a summary.
#[derive(Clone, Copy, Debug)]
pub struct SummaryPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    start_ns: u64,
    time_ns: u64,
    count: u64,
    sum: f64,
    flags: u32,
}

/// One quantile of a summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileView {
    quantile: f64,
    value: f64,
}

// === impl SummaryView ===

impl<'a> SummaryView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, SummaryPoint<'a>> {
        Repeated::new(self.bytes, summary::POINTS)
    }
}

// === impl SummaryPoint ===

impl<'a> SummaryPoint<'a> {
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

    /// Measurements.
    #[inline]
    pub fn count(self) -> u64 {
        self.count
    }

    /// Their sum.
    #[inline]
    pub fn sum(self) -> f64 {
        self.sum
    }

    /// The quantiles, in order.
    #[inline]
    pub fn quantiles(self) -> Repeated<'a, QuantileView> {
        Repeated::new(self.bytes, summary_point::QUANTILES)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }
}

impl<'a> View<'a> for SummaryPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            start_ns: 0,
            time_ns: 0,
            count: 0,
            sum: 0.0,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (summary_point::ATTRIBUTES, _) => attributes.cover(&field),
                (summary_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (summary_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (summary_point::COUNT, Payload::Fixed64(count)) => view.count = count,
                (summary_point::SUM, Payload::Fixed64(bits)) => view.sum = f64::from_bits(bits),
                (summary_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, summary_point::ATTRIBUTES);
        view
    }
}

// === impl QuantileView ===

impl QuantileView {
    /// Between 0 and 1.
    #[inline]
    pub fn quantile(self) -> f64 {
        self.quantile
    }

    /// The value at the quantile.
    #[inline]
    pub fn value(self) -> f64 {
        self.value
    }
}

impl<'a> View<'a> for QuantileView {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { quantile: 0.0, value: 0.0 };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (quantile::QUANTILE, Payload::Fixed64(bits)) => view.quantile = f64::from_bits(bits),
                (quantile::VALUE, Payload::Fixed64(bits)) => view.value = f64::from_bits(bits),
                _ => {}
            }
        }
        view
    }
}
