//! Histograms whose buckets grow by a factor.

use super::{exemplar::ExemplarView, last_enum, numbers::Numbers};
use crate::{
    schema::{buckets, exponential_histogram, exponential_point},
    view::common::{Attributes, Extent, Repeated, View},
    wire::{Fields, Payload, zigzag32},
};

/// Buckets that grow by a factor.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialHistogramView<'a> {
    bytes: &'a [u8],
    temporality: i32,
}

/// A point of an exponential histogram.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    positive: &'a [u8],
    negative: &'a [u8],
    start_ns: u64,
    time_ns: u64,
    count: u64,
    zero_count: u64,
    zero_threshold: f64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    scale: i32,
    flags: u32,
}

/// One half of an exponential histogram.
#[derive(Clone, Copy, Debug)]
pub struct BucketsView<'a> {
    bytes: &'a [u8],
    offset: i32,
}

// === impl ExponentialHistogramView ===

impl<'a> ExponentialHistogramView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, ExponentialPoint<'a>> {
        Repeated::new(self.bytes, exponential_histogram::POINTS)
    }

    /// `AggregationTemporality` as a number: 1 delta, 2 cumulative.
    #[inline]
    pub fn temporality(self) -> i32 {
        self.temporality
    }

    pub(super) fn read(bytes: &'a [u8]) -> Self {
        Self { bytes, temporality: last_enum(bytes, exponential_histogram::TEMPORALITY) }
    }
}

// === impl ExponentialPoint ===

impl<'a> ExponentialPoint<'a> {
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

    /// Buckets grow by the factor `2^(2^-scale)`.
    #[inline]
    pub fn scale(self) -> i32 {
        self.scale
    }

    /// Measurements around zero.
    #[inline]
    pub fn zero_count(self) -> u64 {
        self.zero_count
    }

    /// How far from zero the zero bucket reaches.
    #[inline]
    pub fn zero_threshold(self) -> f64 {
        self.zero_threshold
    }

    /// Buckets above zero.
    #[inline]
    pub fn positive(self) -> BucketsView<'a> {
        BucketsView::read(self.positive)
    }

    /// Buckets below zero.
    #[inline]
    pub fn negative(self) -> BucketsView<'a> {
        BucketsView::read(self.negative)
    }

    /// Measurements behind the buckets.
    #[inline]
    pub fn exemplars(self) -> Repeated<'a, ExemplarView<'a>> {
        Repeated::new(self.bytes, exponential_point::EXEMPLARS)
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

impl<'a> View<'a> for ExponentialPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            positive: &[],
            negative: &[],
            start_ns: 0,
            time_ns: 0,
            count: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            sum: None,
            min: None,
            max: None,
            scale: 0,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (exponential_point::ATTRIBUTES, _) => attributes.cover(&field),
                (exponential_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (exponential_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (exponential_point::COUNT, Payload::Fixed64(count)) => view.count = count,
                (exponential_point::SUM, Payload::Fixed64(bits)) => view.sum = Some(f64::from_bits(bits)),
                (exponential_point::SCALE, Payload::Varint(scale)) => view.scale = zigzag32(scale),
                (exponential_point::ZERO_COUNT, Payload::Fixed64(count)) => view.zero_count = count,
                (exponential_point::POSITIVE, Payload::Len(positive)) => view.positive = positive,
                (exponential_point::NEGATIVE, Payload::Len(negative)) => view.negative = negative,
                (exponential_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                (exponential_point::MIN, Payload::Fixed64(bits)) => view.min = Some(f64::from_bits(bits)),
                (exponential_point::MAX, Payload::Fixed64(bits)) => view.max = Some(f64::from_bits(bits)),
                (exponential_point::ZERO_THRESHOLD, Payload::Fixed64(bits)) => {
                    view.zero_threshold = f64::from_bits(bits);
                }
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, exponential_point::ATTRIBUTES);
        view
    }
}

// === impl BucketsView ===

impl<'a> BucketsView<'a> {
    /// The index of the first bucket.
    #[inline]
    pub fn offset(self) -> i32 {
        self.offset
    }

    /// Measurements in each bucket.
    #[inline]
    pub fn bucket_counts(self) -> Numbers<'a> {
        Numbers::varints(self.bytes, buckets::COUNTS)
    }

    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, offset: 0 };
        for field in Fields::new(bytes) {
            if let (buckets::OFFSET, Payload::Varint(offset)) = (field.number, field.payload) {
                view.offset = zigzag32(offset);
            }
        }
        view
    }
}
