//! What a connector tells about itself.

use crate::engine::edge::{Count, Gauge};

/// Counters of one connector, shared with whoever shows them on `/metrics`.
#[derive(Debug, Default)]
pub struct Stats {
    /// Series held now.
    pub series: Gauge,
    /// Bytes held now, as estimated against the limit.
    pub bytes: Gauge,
    /// Records counted in an overflow series for want of room.
    pub overflowed: Count,
    /// Resources given up to make room for others. What they counted is in the overflow series.
    pub evicted: Count,
    /// Series given up because they were idle for longer than the configuration allows.
    pub expired: Count,
    /// Values that could not be taken as they were: a span that ends before it starts (taken as 0), a
    /// measurement that is no number, below zero or absurdly large (left out).
    pub anomalies: Count,
}
