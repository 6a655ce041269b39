//! The books of the whole table: how much it holds, how much it may.

use std::{
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use pipelines::engine::edge::Count;

/// Shared by all families of a table.
#[derive(Debug)]
pub struct Usage {
    /// Series as Prometheus counts them: lines on the page.
    pub series: Level,
    /// Bytes, an estimate from sizes and lengths.
    pub bytes: Level,
    /// Hidden series, and streams behind one series, that are remembered.
    pub hidden: Level,
    /// Streams that met in one series.
    pub conflicts: Count,
    /// Points that went to an overflow series.
    pub overflowed: Count,
    /// Series removed because nothing arrived for them.
    pub expired: Count,
    series_max: usize,
    bytes_max: usize,
    hasher: foldhash::fast::RandomState,
    stable: foldhash::fast::FixedState,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Level(AtomicUsize);

// === impl Usage ===

impl Usage {
    /// Nothing used.
    pub fn new(series_max: usize, bytes_max: usize) -> Self {
        Self {
            series: Level::default(),
            bytes: Level::default(),
            hidden: Level::default(),
            conflicts: Count::default(),
            overflowed: Count::default(),
            expired: Count::default(),
            series_max,
            bytes_max,
            hasher: foldhash::fast::RandomState::default(),
            stable: foldhash::fast::FixedState::default(),
        }
    }

    /// Whether a new series fits.
    pub fn has_room(&self, series: usize, bytes: usize) -> bool {
        self.series.get() + series <= self.series_max && self.bytes.get() + bytes <= self.bytes_max
    }

    /// Whether one more exemplar fits.
    pub fn has_room_for_exemplars(&self) -> bool {
        self.bytes.get() < self.bytes_max
    }

    /// Whether one more hidden series can be remembered, for which an eighth is kept on top; see
    /// [`Limits::memory_max`](super::Limits::memory_max).
    pub fn may_hide(&self, bytes: usize) -> bool {
        self.hidden.get() < HIDDEN_MAX && self.bytes.get() + bytes <= self.bytes_max + self.bytes_max / 8
    }

    /// Something of (lines, bytes) became something else.
    pub fn changed(&self, before: (usize, usize), after: (usize, usize)) {
        self.series.change(before.0, after.0);
        self.bytes.change(before.1, after.1);
    }

    /// The hash of a label set in the indexes.
    pub fn hash(&self, labels: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(labels);
        hasher.finish()
    }

    /// A hash that is the same after a restart.
    pub fn stable_hash(&self, labels: &[u8]) -> u64 {
        let mut hasher = self.stable.build_hasher();
        hasher.write(labels);
        hasher.finish()
    }

    /// One more hidden series is remembered.
    pub fn hid(&self, heap_bytes: usize) {
        self.hidden.add(1);
        self.bytes.add(heap_bytes + HIDDEN_BYTES);
    }

    /// One hidden series less is remembered.
    pub fn shown(&self, heap_bytes: usize) {
        self.hidden.sub(1);
        self.bytes.sub(heap_bytes + HIDDEN_BYTES);
    }
}

// === impl Level ===

impl Level {
    /// The level.
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Up.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Down.
    pub fn sub(&self, less: usize) {
        self.0.fetch_sub(less, Relaxed);
    }

    fn change(&self, before: usize, after: usize) {
        if after > before {
            self.add(after - before);
        } else if before > after {
            self.sub(before - after);
        }
    }
}

/// Hidden series that are remembered, at most, beyond the limit of series.
const HIDDEN_MAX: usize = 100_000;

/// What remembering one costs beside what its value has on the heap, an estimate.
const HIDDEN_BYTES: usize = 96;
