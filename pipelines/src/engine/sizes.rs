//! How many there are of each size: counts by fixed bounds, for a histogram.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts by size. One more than bounds: the last is what is beyond all of them.
#[derive(Debug, Default)]
pub struct Sizes {
    counts: [AtomicU64; Sizes::BOUNDS.len() + 1],
    sum: AtomicU64,
}

// === impl Sizes ===

impl Sizes {
    /// Upper bounds, inclusive, ascending: the Collector's own for its requests, in steps that reach further.
    pub const BOUNDS: [u64; 18] = [
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 4_000_000, 16_000_000,
    ];

    /// One more of this size.
    pub fn add(&self, size: u64) {
        let at = Self::BOUNDS.partition_point(|bound| *bound < size);
        self.counts[at].fetch_add(1, Relaxed);
        self.sum.fetch_add(size, Relaxed);
    }

    /// The counts, not added up, and the sum of all sizes.
    pub fn read(&self) -> (Vec<u64>, u64) {
        (self.counts.iter().map(|count| count.load(Relaxed)).collect(), self.sum.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_what_is_as_large_as_it_and_the_last_count_all_beyond() {
        let sizes = Sizes::default();
        [0, 10, 11, 16_000_000, 16_000_001].into_iter().for_each(|size| sizes.add(size));
        let (counts, sum) = sizes.read();
        assert_eq!((counts[0], counts[1], counts[17], counts[18]), (2, 1, 1, 1));
        assert_eq!(sum, 32_000_022);
        assert_eq!(counts.iter().sum::<u64>(), 5);
    }
}
