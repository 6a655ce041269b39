//! Histograms with bounds of their own.

use super::{exemplar::ExemplarView, last_enum, numbers::Numbers};
use crate::{
    schema::{histogram, histogram_point},
    view::common::{Attributes, Extent, Repeated, View},
    wire::{Fields, Payload},
};

/// Buckets with bounds of their own.
#[derive(Clone, Copy, Debug)]
pub struct HistogramView<'a> {
    bytes: &'a [u8],
    temporality: i32,
}

/// A point of a histogram.
#[derive(Clone, Copy, Debug)]
pub struct HistogramPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    start_ns: u64,
    time_ns: u64,
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    flags: u32,
}

// === impl HistogramView ===

impl<'a> HistogramView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, HistogramPoint<'a>> {
        Repeated::new(self.bytes, histogram::POINTS)
    }

    /// `AggregationTemporality` as a number: 1 delta, 2 cumulative.
    #[inline]
    pub fn temporality(self) -> i32 {
        self.temporality
    }

    pub(super) fn read(bytes: &'a [u8]) -> Self {
        Self { bytes, temporality: last_enum(bytes, histogram::TEMPORALITY) }
    }
}

// === impl HistogramPoint ===

impl<'a> HistogramPoint<'a> {
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

    /// Their sum, if known.
    #[inline]
    pub fn sum(self) -> Option<f64> {
        self.sum
    }

    /// Measurements in each bucket; one more than there are bounds, or none at all.
    #[inline]
    pub fn bucket_counts(self) -> Numbers<'a> {
        Numbers::fixed(self.bytes, histogram_point::BUCKET_COUNTS)
    }

    /// Upper bounds of the buckets but the last, ascending as the sender promises.
    #[inline]
    pub fn explicit_bounds(self) -> impl Iterator<Item = f64> + Clone + use<'a> {
        Numbers::fixed(self.bytes, histogram_point::BOUNDS).map(f64::from_bits)
    }

    /// Measurements behind the buckets.
    #[inline]
    pub fn exemplars(self) -> Repeated<'a, ExemplarView<'a>> {
        Repeated::new(self.bytes, histogram_point::EXEMPLARS)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }

    /// The least measurement, if known.
    #[inline]
    pub fn min(self) -> Option<f64> {
        self.min
    }

    /// The greatest measurement, if known.
    #[inline]
    pub fn max(self) -> Option<f64> {
        self.max
    }
}

impl<'a> View<'a> for HistogramPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            start_ns: 0,
            time_ns: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (histogram_point::ATTRIBUTES, _) => attributes.cover(&field),
                (histogram_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (histogram_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (histogram_point::COUNT, Payload::Fixed64(count)) => view.count = count,
                (histogram_point::SUM, Payload::Fixed64(bits)) => view.sum = Some(f64::from_bits(bits)),
                (histogram_point::MIN, Payload::Fixed64(bits)) => view.min = Some(f64::from_bits(bits)),
                (histogram_point::MAX, Payload::Fixed64(bits)) => view.max = Some(f64::from_bits(bits)),
                (histogram_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, histogram_point::ATTRIBUTES);
        view
    }
}
