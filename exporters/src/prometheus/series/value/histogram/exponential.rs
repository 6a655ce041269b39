//! Exponential histograms: kept as they are, shown as explicit buckets, or as native ones in protobuf.
//!
//! - **In:** scale, zero bucket, positive and negative buckets.
//! - **Out:** at most [`SHOWN_MAX`] upper bounds with cumulative counts. The bounds of a lower scale are
//!   a subset of those of a higher one, so a histogram that widens loses lines but moves none.
//! - **Guaranteed:** two of them can always be added: the finer is brought to the scale of the coarser.
//!
//! A native bucket is named by its upper bound, ours by its lower one: its index is larger by one. Empty buckets are
//! left out between spans; each count is written as the difference to the one before (Prometheus, *Native Histograms*).

use std::ops::Range;

use proto::wire::Writer as Wire;

use crate::prometheus::{
    protobuf::{histogram, zigzag},
    series::Dropped,
    state::{Reader, put_double, put_varint},
};

/// Buckets whose bounds grow by the factor 2^(2^-scale).
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
}

/// The buckets of one sign. Bucket `i` reaches from factor^i to factor^(i+1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Index of the first count.
    offset: i32,
    /// At most [`SIDE_MAX`]; first and last are not zero.
    counts: Vec<u64>,
}

// === impl Exponential ===

impl Exponential {
    /// Takes what a point says; more buckets than [`SIDE_MAX`] are joined by lowering the scale.
    ///
    /// # Errors
    /// The scale or the threshold is impossible.
    pub fn new(scale: i32, zero: (u64, f64), positive: Side, negative: Side) -> Result<Self, Dropped> {
        let (zero_count, zero_threshold) = zero;
        let possible = SCALES.contains(&scale) && (0.0..f64::INFINITY).contains(&zero_threshold);
        if !possible {
            return Err(Dropped::InvalidHistogram);
        }
        let mut new = Self { scale, zero_count, zero_threshold, positive, negative };
        new.shrink();
        Ok(new)
    }

    /// All observations.
    pub fn count(&self) -> u64 {
        self.zero_count.saturating_add(self.positive.count()).saturating_add(self.negative.count())
    }

    /// Whether anything below zero was observed.
    pub fn has_negative(&self) -> bool {
        !self.negative.counts.is_empty()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + (self.positive.counts.capacity() + self.negative.counts.capacity()) * 8
    }

    /// Whether Prometheus has native buckets for it: none are as coarse as those of a scale below -4.
    pub fn is_native(&self) -> bool {
        self.scale >= *SCHEMAS.start() && i64::try_from(self.count()).is_ok()
    }

    /// Writes the native buckets into a protobuf `Histogram`. Those finer than Prometheus knows are joined.
    pub fn encode(&self, out: &mut Wire) {
        let schema = self.scale.min(*SCHEMAS.end());
        let by = (self.scale - schema).unsigned_abs();
        out.sint32(histogram::SCHEMA, schema);
        let threshold = if self.zero_threshold > 0.0 { self.zero_threshold } else { ZERO_THRESHOLD };
        out.double(histogram::ZERO_THRESHOLD, threshold);
        out.uint(histogram::ZERO_COUNT, self.zero_count);
        self.negative.encode(by, histogram::NEGATIVE_SPAN, out);
        self.positive.encode(by, histogram::POSITIVE_SPAN, out);
    }

    /// The same buckets before anything was observed.
    pub fn zero(&self) -> Self {
        let mut zero = self.clone();
        zero.zero_count = 0;
        zero.positive.counts.fill(0);
        zero.negative.counts.fill(0);
        zero
    }

    /// Adds the observations of another.
    pub fn add(&mut self, other: &Self) {
        let scale = self.scale.min(other.scale);
        self.lower_to(scale);
        let mut other = other.clone();
        other.lower_to(scale);
        // Ranges far apart are brought together before a vector spans them.
        while self.scale > *SCALES.start()
            && (self.positive.span_with(&other.positive) > SIDE_MAX as i64
                || self.negative.span_with(&other.negative) > SIDE_MAX as i64)
        {
            self.lower_to(self.scale - 1);
            other.lower_to(other.scale - 1);
        }
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
        self.positive.add(&other.positive);
        self.negative.add(&other.negative);
    }

    /// What was observed since `earlier`, if it is its continuation.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let scale = self.scale.min(earlier.scale);
        let (mut now, mut then) = (self.clone(), earlier.clone());
        now.lower_to(scale);
        then.lower_to(scale);
        now.zero_count = now.zero_count.checked_sub(then.zero_count)?;
        now.positive.subtract(&then.positive)?;
        now.negative.subtract(&then.negative)?;
        Some(now)
    }

    /// Calls `line` with each upper bound, ascending, and the number of observations up to it. The last
    /// bound is infinite.
    pub fn cumulative(&self, mut line: impl FnMut(f64, u64)) {
        let mut shown = self.clone();
        while shown.positive.counts.len() + shown.negative.counts.len() + 2 > SHOWN_MAX
            && shown.scale > *SCALES.start()
        {
            shown.lower_to(shown.scale - 1);
        }
        let mut below = 0_u64;
        let mut last = f64::NEG_INFINITY;
        let mut show = |bound: f64, below: u64| {
            if bound.is_finite() && bound > last {
                last = bound;
                line(bound, below);
            }
        };
        for (at, count) in shown.negative.counts.iter().enumerate().rev() {
            below = below.saturating_add(*count);
            show(-shown.bound(i64::from(shown.negative.offset) + at as i64), below);
        }
        below = below.saturating_add(shown.zero_count);
        if shown.zero_count > 0 || shown.has_negative() {
            show(shown.zero_threshold, below);
        }
        for (at, count) in shown.positive.counts.iter().enumerate() {
            below = below.saturating_add(*count);
            show(shown.bound(i64::from(shown.positive.offset) + at as i64 + 1), below);
        }
        line(f64::INFINITY, below);
    }

    /// Appends it to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.scale as u32));
        put_varint(out, self.zero_count);
        put_double(out, self.zero_threshold);
        for side in [&self.positive, &self.negative] {
            put_varint(out, u64::from(side.offset as u32));
            put_varint(out, side.counts.len() as u64);
            side.counts.iter().for_each(|count| put_varint(out, *count));
        }
    }

    /// Reads it from a snapshot.
    pub fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let scale = u32::try_from(from.varint()?).ok()? as i32;
        let zero = (from.varint()?, from.double()?);
        let mut side = || {
            let offset = u32::try_from(from.varint()?).ok()? as i32;
            let len = from.count(1)?;
            Side::new(offset, (0..len).map(|_| from.varint()).collect::<Option<Vec<_>>>()?)
        };
        let (positive, negative) = (side()?, side()?);
        Self::new(scale, zero, positive, negative).ok()
    }

    /// factor^index.
    fn bound(&self, index: i64) -> f64 {
        (index as f64 * f64::from(-self.scale).exp2()).exp2()
    }

    fn lower_to(&mut self, scale: i32) {
        let by = self.scale - scale;
        if by > 0 {
            self.positive.lower(by);
            self.negative.lower(by);
            self.scale = scale;
        }
    }

    fn shrink(&mut self) {
        while self.positive.counts.len().max(self.negative.counts.len()) > SIDE_MAX
            && self.scale > *SCALES.start()
        {
            self.lower_to(self.scale - 1);
        }
        self.positive.counts.truncate(SIDE_MAX);
        self.negative.counts.truncate(SIDE_MAX);
    }
}

// === impl Side ===

impl Side {
    /// Takes counts as they came, without the zeros at both ends. `None` if an index is out of range.
    pub fn new(offset: i32, counts: Vec<u64>) -> Option<Self> {
        let mut side = Self { offset, counts };
        while side.counts.last() == Some(&0) {
            side.counts.pop();
        }
        let zeros = side.counts.iter().take_while(|count| **count == 0).count();
        side.counts.drain(..zeros);
        side.offset = side.offset.checked_add(i32::try_from(zeros).ok()?)?;
        let last = side.offset.checked_add(i32::try_from(side.counts.len()).ok()?)?;
        let possible = side.offset > i32::MIN / 2 && last < i32::MAX / 2;
        if side.counts.is_empty() {
            side.offset = 0;
        }
        possible.then_some(side)
    }

    fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn end(&self) -> i64 {
        i64::from(self.offset) + self.counts.len() as i64
    }

    /// How many buckets both would span.
    fn span_with(&self, other: &Self) -> i64 {
        match (self.counts.is_empty(), other.counts.is_empty()) {
            (true, _) => other.counts.len() as i64,
            (_, true) => self.counts.len() as i64,
            _ => self.end().max(other.end()) - i64::from(self.offset.min(other.offset)),
        }
    }

    /// Joins 2^by buckets to one: the index is shifted.
    fn lower(&mut self, by: i32) {
        let by = by.min(31);
        if self.counts.is_empty() {
            return;
        }
        let offset = self.offset >> by;
        let mut joined = vec![0_u64; (((self.end() - 1) >> by) - i64::from(offset) + 1) as usize];
        for (at, count) in self.counts.iter().enumerate() {
            let index = (i64::from(self.offset) + at as i64) >> by;
            let place = &mut joined[(index - i64::from(offset)) as usize];
            *place = place.saturating_add(*count);
        }
        (self.offset, self.counts) = (offset, joined);
    }

    /// Adds counts of the same scale. The caller has seen to it that the span is small.
    fn add(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            *self = other.clone();
            return;
        }
        let missing = (i64::from(self.offset) - i64::from(other.offset)).max(0) as usize;
        self.counts.splice(..0, std::iter::repeat_n(0, missing));
        self.offset = self.offset.min(other.offset);
        let len = (other.end() - i64::from(self.offset)) as usize;
        self.counts.resize(self.counts.len().max(len), 0);
        let start = (other.offset - self.offset) as usize;
        for (count, more) in self.counts[start..].iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// Writes spans with this number and, with the next one, what is in them.
    fn encode(&self, by: u32, spans: u32, out: &mut Wire) {
        let mut end_before = 0;
        for span in self.spans(by) {
            out.message(spans, |out| {
                // Indexes are far from the ends of their type.
                out.sint32(histogram::OFFSET, (span.start - end_before) as i32);
                out.uint(histogram::LENGTH, (span.end - span.start) as u64);
            });
            end_before = span.end;
        }
        if !self.counts.is_empty() {
            out.message(spans + 1, |out| {
                let mut before = 0;
                for at in self.spans(by).flatten() {
                    let count = self.count_of(at - 1, by) as i64;
                    out.varint(zigzag(count - before));
                    before = count;
                }
            });
        }
    }

    /// Runs of native buckets, by their native indexes, once 2^by of ours are joined to one. A single empty bucket is
    /// cheaper within a span than between two.
    fn spans(&self, by: u32) -> impl Iterator<Item = Range<i64>> {
        let mut filled =
            self.joined(by).filter(move |at| self.count_of(*at, by) > 0).map(|at| at + 1).peekable();
        std::iter::from_fn(move || {
            let start = filled.next()?;
            let mut end = start + 1;
            while let Some(at) = filled.next_if(|at| at - end <= 1) {
                end = at + 1;
            }
            Some(start..end)
        })
    }

    /// The indexes that ours have once 2^by are joined to one.
    fn joined(&self, by: u32) -> Range<i64> {
        if self.counts.is_empty() { 0..0 } else { i64::from(self.offset) >> by..((self.end() - 1) >> by) + 1 }
    }

    /// What is in one bucket once 2^by are joined to one.
    fn count_of(&self, at: i64, by: u32) -> u64 {
        let place = |at: i64| {
            usize::try_from((at << by) - i64::from(self.offset)).unwrap_or(0).min(self.counts.len())
        };
        self.counts[place(at)..place(at + 1)].iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn subtract(&mut self, other: &Self) -> Option<()> {
        for (at, less) in other.counts.iter().enumerate() {
            let at = i64::from(other.offset) + at as i64 - i64::from(self.offset);
            let Some(count) = usize::try_from(at).ok().and_then(|at| self.counts.get_mut(at)) else {
                if *less == 0 {
                    continue;
                }
                return None;
            };
            *count = count.checked_sub(*less)?;
        }
        *self = Self::new(self.offset, std::mem::take(&mut self.counts))?;
        Some(())
    }
}

/// Lines with `le` that a page shows for one histogram, at most.
pub const SHOWN_MAX: usize = 64;

/// Buckets kept of one sign, at most, as SDKs do by default.
pub const SIDE_MAX: usize = 160;

/// The scales of Prometheus' native histograms.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// How far the zero bucket reaches where the sender does not say.
const ZERO_THRESHOLD: f64 = 1e-128;

/// Scales that make sense for numbers of 64 bits (OpenTelemetry, *Base2 Exponential Bucket Histogram
/// Aggregation*), and somewhat below so that everything can be joined.
const SCALES: std::ops::RangeInclusive<i32> = -12..=20;

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn side(offset: i32, counts: &[u64]) -> Side {
        Side::new(offset, counts.to_vec()).unwrap()
    }

    fn check(histogram: &Exponential, expected: Expect) {
        let mut out = String::new();
        histogram.cumulative(|bound, below| out += &format!("{bound} {below}\n"));
        expected.assert_eq(&out);
    }

    #[test]
    fn p_t9_buckets_are_shown_with_their_upper_bounds() {
        let histogram = Exponential::new(0, (1, 0.0), side(3, &[10, 0, 20]), side(0, &[4, 5])).unwrap();
        check(
            &histogram,
            expect![[r#"
                -2 5
                -1 9
                0 10
                16 20
                32 20
                64 40
                inf 40
            "#]],
        );
    }

    /// The spans as offset and length, and the differences between counts.
    fn native(side: &Side, by: u32) -> (Vec<(i64, i64)>, Vec<i64>) {
        let mut end = 0;
        let spans = side.spans(by).map(|span| {
            let offset = span.start - end;
            end = span.end;
            (offset, span.end - span.start)
        });
        let counts = side.spans(by).flatten().map(|at| side.count_of(at - 1, by) as i64);
        let spans = spans.collect();
        (spans, counts.scan(0, |before, count| Some(count - std::mem::replace(before, count))).collect())
    }

    #[test]
    fn p_t8_buckets_become_spans_and_differences() {
        let worked = side(3, &[10, 0, 0, 20, 5, 2]);
        assert_eq!(native(&worked, 0), (vec![(4, 1), (2, 3)], vec![10, 10, -15, -3]));
    }

    #[test]
    fn p_t7_finer_buckets_are_joined_and_single_gaps_filled() {
        // Of -3..=4 by two: -2 (10, of -3 alone), -1 (1), 0 (0), 1 (2 + 3), 2 (4).
        let fine = side(-3, &[10, 1, 0, 0, 0, 2, 3, 4]);
        assert_eq!(native(&fine, 1), (vec![(-1, 5)], vec![10, -9, -1, 5, -1]));
        assert_eq!(native(&fine, 31), (vec![(0, 2)], vec![11, -2]));
        assert_eq!(native(&Side::default(), 3), (vec![], vec![]));
    }

    #[test]
    fn two_scales_are_added_at_the_coarser() {
        let mut a = Exponential::new(1, (0, 0.0), side(0, &[1, 1, 1, 1]), Side::default()).unwrap();
        let b = Exponential::new(0, (0, 0.0), side(3, &[7]), Side::default()).unwrap();
        a.add(&b);
        assert_eq!(a.count(), 11);
        check(
            &a,
            expect![[r#"
                2 2
                4 4
                8 4
                16 11
                inf 11
            "#]],
        );
        assert_eq!(a.since(&b).unwrap().count(), 4);
        assert!(b.since(&a).is_none());
    }

    #[test]
    fn ranges_far_apart_are_joined_within_the_bound() {
        let mut a = Exponential::new(20, (0, 0.0), side(-1_000_000_000, &[1]), Side::default()).unwrap();
        let b = Exponential::new(20, (0, 0.0), side(1_000_000_000, &[1]), Side::default()).unwrap();
        a.add(&b);
        assert_eq!(a.count(), 2);
        assert!(a.positive.counts.len() <= SIDE_MAX);
    }

    #[test]
    fn a_wide_histogram_shows_a_bounded_number_of_lines() {
        let wide = Exponential::new(8, (0, 0.0), side(-5000, &vec![1; 10_000]), Side::default()).unwrap();
        let mut lines = 0;
        wide.cumulative(|_, _| lines += 1);
        assert!(lines <= SHOWN_MAX, "{lines}");
        assert_eq!(wide.count(), 10_000);
    }

    #[test]
    fn impossible_scales_and_indexes_are_refused() {
        assert!(Exponential::new(21, (0, 0.0), Side::default(), Side::default()).is_err());
        assert!(Exponential::new(0, (0, f64::NAN), Side::default(), Side::default()).is_err());
        assert_eq!(Side::new(i32::MAX, vec![1]), None);
        assert_eq!(Side::new(i32::MAX, vec![0, 0, 1]), None);
    }
}
