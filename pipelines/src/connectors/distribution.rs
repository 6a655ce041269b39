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

    /// Adds what another of the same bounds counted; its exemplars stay behind.
    pub(crate) fn fold(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
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
        let mut restored = Self::new(bounds);
        let mut total = 0_u64;
        for count in &mut restored.counts {
            *count = from.number()?;
            total = total.checked_add(*count).ok_or(RestoreError("the counts of a series overflow"))?;
        }
        restored.sum = from.sum()?;
        // An exemplar is one of the counted values, so its bucket is never empty.
        let counts = &restored.counts;
        let bucket_of = |value| Some(bucket_of(bounds, value)).filter(|bucket| counts[*bucket] > 0);
        restored.exemplars = Exemplars::restore(from, bounds.len() + 1, bucket_of)?;
        Ok(restored)
    }
}

/// The index of the bucket a value belongs to. `bounds` ascend.
#[inline]
pub(crate) fn bucket_of(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// More bounds than this help nobody, and each costs memory in every series.
pub(crate) const BOUNDS_MAX: usize = 160;
