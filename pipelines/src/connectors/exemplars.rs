//! Exemplars in fixed storage: one slot per histogram bucket, so that nothing can pile up.
//!
//! - **Guaranteed:** at most one exemplar per bucket, at most as many as buckets; whoever is
//!   under load asks [`wants`](Exemplars::wants) first, so that a slot is written a few times a second only.
//! - **Not here:** whether a trace was kept (see [`super::sampling`]) and how long exemplars are shown: that is the
//!   exporter's, by clock.

use crate::{
    connectors::{
        distribution::BOUNDS_MAX,
        state::{Reader, Writer},
    },
    consumer::RestoreError,
    time::UnixNanos,
};

/// The exemplars of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exemplars {
    /// The buckets that have one, a bit each.
    taken: [u64; BUCKETS_MAX.div_ceil(64)],
    /// In the order of their buckets.
    slots: Vec<Exemplar>,
}

/// A measurement that leads to a trace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) origin: Origin,
    pub(crate) value: f64,
    /// When it arrived. Arrival times of a series only grow, as Prometheus wants them.
    pub(crate) time: UnixNanos,
    /// The attribute `task.id`; empty without one. At most [`TASK_ID_BYTES_MAX`].
    pub(crate) task_id: String,
    bucket: u16,
}

/// The span an exemplar leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
}

// === impl Exemplars ===

impl Exemplars {
    /// Whether the bucket would take a candidate that arrived at `now`: its slot is free, or was given `every_ns`
    /// ago or longer. A clock that was set back does not keep a slot from being given anew.
    #[inline]
    pub(crate) fn wants(&self, bucket: u16, now: UnixNanos, every_ns: u64) -> bool {
        self.grows(bucket) || now.0.abs_diff(self.slots[self.place(bucket)].time.0) >= every_ns
    }

    /// Gives the bucket's slot to this candidate. A task id too long to be shown is left out.
    pub(crate) fn put(&mut self, bucket: u16, now: UnixNanos, origin: Origin, value: f64, task_id: &str) {
        let slot = self.place(bucket);
        if self.grows(bucket) {
            self.taken[usize::from(bucket) / 64] |= 1 << (bucket % 64);
            let empty = Exemplar { origin, value, time: now, task_id: String::new(), bucket };
            self.slots.insert(slot, empty);
        }
        let slot = &mut self.slots[slot];
        (slot.origin, slot.value, slot.time) = (origin, value, now);
        slot.task_id.clear();
        if task_id.len() <= TASK_ID_BYTES_MAX {
            slot.task_id.push_str(task_id);
        }
    }

    /// How many slots are in use.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether a candidate for this bucket would take a slot more.
    #[inline]
    pub(crate) fn grows(&self, bucket: u16) -> bool {
        self.taken[usize::from(bucket) / 64] & (1 << (bucket % 64)) == 0
    }

    /// All of them, in the order of their buckets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Exemplar> {
        self.slots.iter()
    }

    /// At most `max` of them, the newest.
    pub(crate) fn newest(&self, max: usize) -> Vec<&Exemplar> {
        let mut all: Vec<_> = self.slots.iter().collect();
        all.sort_by_key(|exemplar| std::cmp::Reverse(exemplar.time));
        all.truncate(max);
        all
    }

    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        out.number(self.slots.len() as u64);
        for slot in &self.slots {
            out.number(u64::from(slot.bucket));
            out.fixed(&slot.origin.trace_id);
            out.fixed(&slot.origin.span_id);
            out.double(slot.value);
            out.number(slot.time.0);
            out.bytes(slot.task_id.as_bytes());
        }
    }

    /// Reads back what [`save`](Self::save) wrote, for a series of `buckets` buckets. `bucket_of` tells where a
    /// value belongs: an exemplar on another bucket would break the exposition.
    pub(crate) fn restore(
        from: &mut Reader<'_>,
        buckets: usize,
        bucket_of: impl Fn(f64) -> Option<usize>,
    ) -> Result<Self, RestoreError> {
        let count = from.index()?;
        if count > buckets {
            return Err(RestoreError("a series has more exemplars than buckets"));
        }
        let mut exemplars = Self::default();
        for _ in 0..count {
            let bucket = from.index()?;
            let origin = Origin { trace_id: from.fixed()?, span_id: from.fixed()? };
            let value = from.double()?;
            let time = UnixNanos(from.number()?);
            let task_id = from.text()?;
            if bucket >= buckets || bucket_of(value) != Some(bucket) {
                return Err(RestoreError("an exemplar lies outside its bucket"));
            }
            let bucket = u16::try_from(bucket).map_err(|_| RestoreError("a bucket index does not fit"))?;
            exemplars.put(bucket, time, origin, value, task_id);
        }
        Ok(exemplars)
    }

    /// Where the slot of a bucket is, or would be: how many of those before it have one.
    #[inline]
    fn place(&self, bucket: u16) -> usize {
        let (word, bit) = (usize::from(bucket) / 64, bucket % 64);
        let before: u32 = self.taken[..word].iter().map(|word| word.count_ones()).sum();
        (before + (self.taken[word] & ((1 << bit) - 1)).count_ones()) as usize
    }
}

/// OpenMetrics allows an exemplar 128 characters, names and values together: `trace_id` 8 + 32, `span_id`
/// 7 + 16, `task_id` 7, which leaves these. Counted in bytes, so that memory is bounded by it too.
pub(crate) const TASK_ID_BYTES_MAX: usize = 58;

/// Buckets of a series at most: one more than there may be bounds.
const BUCKETS_MAX: usize = BOUNDS_MAX + 1;

/// What one slot holds at most.
pub(crate) const SLOT_BYTES_MAX: usize = size_of::<Exemplar>() + TASK_ID_BYTES_MAX;

#[cfg(test)]
mod tests;
