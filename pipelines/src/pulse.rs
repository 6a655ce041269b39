//! A sign of life: a loop beats, and somebody with a clock looks whether it still does.
//!
//! **Not here:** a clock. How long without a beat is too long is for the one who looks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The beats of one loop. A loop beats at least once in [`BEAT`], also while it has nothing to do.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

// === impl Pulse ===

impl Pulse {
    /// The loop goes round.
    pub fn beat(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How often it has gone round so far.
    pub fn beats(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Who has nothing to do beats this often.
pub const BEAT: std::time::Duration = std::time::Duration::from_secs(1);
