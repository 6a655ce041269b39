//! A cumulative histogram with explicit bounds and its exemplars.
//!
//! - **Guaranteed:** every value is counted in exactly one bucket, the first whose upper bound is not below it
//!   (bounds are inclusive, as OTLP and Prometheus have them); an exemplar lies in its bucket.

use crate::{
    connectors::{
        exemplars::Exemplars,
        state::{Reader, Writer},
    },
    consumer::RestoreError,
};

/// Counts per bucket, their sum, one exemplar slot per bucket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    /// One more than there are bounds.
    pub(crate) counts: Box<[u64]>,
    pub(crate) sum: f64,
    pub(crate) exemplars: Exemplars,
}

// === impl Distribution ===

impl Distribution {
    /// Nothing counted yet.
    pub(crate) fn new(bounds: &[f64]) -> Self {
        let counts = vec![0; bounds.len() + 1].into_boxed_slice();
        Self { counts, sum: 0.0, exemplars: Exemplars::default() }
    }

    /// Counts a value; gives the bucket it went to.
    #[inline]
    pub(crate) fn record(&mut self, bounds: &[f64], value: f64) -> usize {
        debug_assert_eq!(self.counts.len(), bounds.len() + 1, "a distribution keeps its bounds");
        let bucket = bucket_of(bounds, value);
        self.counts[bucket] += 1;
        self.sum += value;
        bucket
    }

    /// Counts a value so many times, as far as [`COUNT_MAX`] allows; gives the bucket it went to.
    pub(crate) fn record_many(&mut self, bounds: &[f64], value: f64, times: u64) -> usize {
        let times = times.min(COUNT_MAX.saturating_sub(self.count()));
        let bucket = bucket_of(bounds, value);
        self.counts[bucket] += times;
        self.sum += value * times as f64;
        bucket
    }

    /// Adds what another of the same bounds counted, as far as [`COUNT_MAX`] allows; its exemplars stay behind.
    pub(crate) fn fold(&mut self, other: &Self) {
        let mut room = COUNT_MAX.saturating_sub(self.count());
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            let more = room.min(*more);
            *count += more;
            room -= more;
        }
        self.sum += other.sum;
    }

    /// How many values were counted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        for &count in &self.counts {
            out.number(count);
        }
        out.double(self.sum);
        self.exemplars.save(out);
    }

    pub(crate) fn restore(from: &mut Reader<'_>, bounds: &[f64]) -> Result<Self, RestoreError> {
        Self::restore_with(from, bounds, bounds)
    }

    /// The same for one whose exemplars are kept apart by other bounds than its counts.
    pub(crate) fn restore_with(
        from: &mut Reader<'_>,
        bounds: &[f64],
        slots: &[f64],
    ) -> Result<Self, RestoreError> {
        let mut restored = Self::new(bounds);
        let mut total = 0_u64;
        for count in &mut restored.counts {
            *count = from.number()?;
            total = total.checked_add(*count).ok_or(RestoreError("the counts of a series overflow"))?;
        }
        if total > i64::MAX as u64 {
            return Err(RestoreError("the counts of a series overflow"));
        }
        restored.sum = from.sum()?;
        // An exemplar is one of the counted values, so its bucket is never empty.
        let counts = &restored.counts;
        let slot_of = |value| {
            let slot = bucket_of(slots, value);
            (counts[bucket_of(bounds, value)] > 0).then_some(slot)
        };
        restored.exemplars = Exemplars::restore(from, slots.len() + 1, slot_of)?;
        Ok(restored)
    }
}

/// The index of the bucket a value belongs to. `bounds` ascend.
#[inline]
pub(crate) fn bucket_of(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// Where counting by weights ends, so that hostile weights leave room for what is counted one by one and the sum of all
/// buckets fits into 63 bits.
const COUNT_MAX: u64 = 1 << 62;

/// More bounds than this help nobody, and each costs memory in every series.
pub(crate) const BOUNDS_MAX: usize = 160;
