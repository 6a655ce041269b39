//! A base-2 exponential histogram of measurements that are not negative.
//!
//! At scale `s` bucket `i` holds what is above 2^(i / 2^s) and not above 2^((i + 1) / 2^s) (OpenTelemetry, *Metrics Data
//! Model*, ExponentialHistogram).
//!
//! - **Guaranteed:** never more buckets than its size; the scale begins at [`SCALE_MAX`] and only falls; what it counted
//!   is all there, whatever the scale.
//! - **Not here:** the sum, the number of measurements and the exemplars; a [`Distribution`] stands beside it.
//!
//! [`Distribution`]: crate::connectors::distribution::Distribution

use std::ops::RangeInclusive;

use crate::{
    connectors::state::{Reader, Writer},
    consumer::RestoreError,
};

/// Counts per bucket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exponential {
    pub(crate) scale: i32,
    pub(crate) zeros: u64,
    /// The index of the first bucket.
    pub(crate) offset: i32,
    /// At most `size`.
    pub(crate) counts: Vec<u64>,
    pub(crate) min: f64,
    pub(crate) max: f64,
    size: usize,
}

// === impl Exponential ===

impl Exponential {
    /// Nothing counted yet; at most `size` buckets, which are two at least.
    pub(crate) fn new(size: usize) -> Self {
        let (min, max) = (f64::INFINITY, 0.0);
        Self { scale: SCALE_MAX, zeros: 0, offset: 0, counts: Vec::new(), min, max, size: size.max(SIZE_MIN) }
    }

    /// Counts a value so many times.
    pub(crate) fn record(&mut self, value: f64, times: u64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if value <= 0.0 {
            self.zeros = self.zeros.saturating_add(times);
            return;
        }
        let index = index_of(value, self.scale);
        let by = self.too_fine(index, index);
        self.coarsen(by);
        self.add(index >> by, times);
    }

    /// Adds what another of the same size counted.
    pub(crate) fn fold(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.zeros = self.zeros.saturating_add(other.zeros);
        let mut other = other.clone();
        let scale = self.scale.min(other.scale);
        self.coarsen((self.scale - scale).unsigned_abs());
        other.coarsen((other.scale - scale).unsigned_abs());
        let (Some(low), Some(high)) = (other.low(), other.high()) else { return };
        let by = self.too_fine(low, high);
        self.coarsen(by);
        other.coarsen(by);
        for (place, count) in other.counts.iter().enumerate() {
            self.add(other.offset + place as i32, *count);
        }
    }

    #[cfg(test)]
    fn count(&self) -> u64 {
        self.counts.iter().fold(self.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// What it may hold on the heap, itself included.
    pub(crate) fn bytes_max(&self) -> usize {
        size_of::<Self>() + 2 * self.size * size_of::<u64>()
    }

    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        out.signed(self.scale);
        out.signed(self.offset);
        out.number(self.zeros);
        out.double(self.min);
        out.double(self.max);
        out.number(self.counts.len() as u64);
        for &count in &self.counts {
            out.number(count);
        }
    }

    /// Reads back what [`save`](Self::save) wrote.
    pub(crate) fn restore(from: &mut Reader<'_>, size: usize) -> Result<Self, RestoreError> {
        let mut restored = Self::new(size);
        (restored.scale, restored.offset, restored.zeros) = (from.signed()?, from.signed()?, from.number()?);
        (restored.min, restored.max) = (from.double()?, from.sum()?);
        let buckets = from.index()?;
        let is_sound = SCALES.contains(&restored.scale) && buckets <= restored.size && restored.min >= 0.0;
        if !is_sound || !restored.has_numbers(buckets) {
            return Err(RestoreError("an exponential histogram is not well-formed"));
        }
        for _ in 0..buckets {
            restored.counts.push(from.number()?);
        }
        Ok(restored)
    }

    /// Whether there are numbers in so many buckets from the offset on.
    fn has_numbers(&self, buckets: usize) -> bool {
        let exponents = |sign: i64| ((sign * 1024) << self.scale.max(0)) >> (-self.scale).max(0);
        let (low, high) = (i64::from(self.offset), i64::from(self.offset) + buckets as i64);
        low >= exponents(-1) && high <= exponents(1).max(1)
    }

    /// How many times the scale must fall so that these buckets have room too.
    fn too_fine(&self, low: i32, high: i32) -> u32 {
        let low = i64::from(self.low().map_or(low, |own| own.min(low)));
        let high = i64::from(self.high().map_or(high, |own| own.max(high)));
        let mut by = 0;
        while (high >> by) - (low >> by) >= self.size as i64 {
            by += 1;
        }
        by
    }

    /// Lets the scale fall: two buckets become one, so many times.
    fn coarsen(&mut self, by: u32) {
        if by == 0 {
            return;
        }
        let offset = self.offset >> by;
        let mut kept = 0;
        for place in 0..self.counts.len() {
            let to = (((self.offset + place as i32) >> by) - offset) as usize;
            let count = std::mem::take(&mut self.counts[place]);
            self.counts[to] = self.counts[to].saturating_add(count);
            kept = to + 1;
        }
        self.counts.truncate(kept);
        self.offset = offset;
        self.scale -= by as i32;
    }

    /// Adds to a bucket that there is room for.
    fn add(&mut self, index: i32, times: u64) {
        if self.counts.is_empty() {
            self.offset = index;
        }
        if index < self.offset {
            let missing = (self.offset - index) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        }
        let place = (index - self.offset) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(times);
        debug_assert!(self.counts.len() <= self.size, "whoever adds has made room");
    }

    fn low(&self) -> Option<i32> {
        (!self.counts.is_empty()).then_some(self.offset)
    }

    fn high(&self) -> Option<i32> {
        (!self.counts.is_empty()).then(|| self.offset + (self.counts.len() - 1) as i32)
    }
}

/// The bucket of a normal number above zero.
fn index_of(value: f64, scale: i32) -> i32 {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    // A power of two is the upper end of its bucket.
    let is_power = bits & ((1 << 52) - 1) == 0;
    if scale <= 0 {
        return (exponent - i32::from(is_power)) >> -scale;
    }
    let first = exponent << scale;
    if is_power {
        return first - 1;
    }
    let index = (value.log2() * f64::from(1 << scale)).ceil() as i32 - 1;
    index.clamp(first, first + (1 << scale) - 1)
}

/// The finest scale, as SDKs have it.
pub(crate) const SCALE_MAX: i32 = 20;

const SCALES: RangeInclusive<i32> = -11..=SCALE_MAX;

/// Numbers on both sides of one need two buckets at any scale.
pub(crate) const SIZE_MIN: usize = 2;

/// As many as SDKs and the Collector have by default.
pub(crate) const SIZE_DEFAULT: usize = 160;

/// The most that can be configured.
pub(crate) const SIZE_MAX: usize = 16_384;

#[cfg(test)]
mod tests;
