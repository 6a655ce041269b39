//! Delta points: each window of a series goes out once.
//!
//! What an emission takes out of the series becomes an [`Emission`]: it is part of the saved state until it is in the
//! journal, under a number that the journal knows again. Whoever drives the connector saves before it pushes. So a
//! crash at any moment finds it in the saved state with its number (it is pushed again, and the journal tells a
//! repeat), or finds a state from before, whose series still hold what was to go out.
//!
//! Numbers count from 1 in an epoch of their own for every life of the process: if the newest snapshot is damaged and
//! the one before it is taken, new content never goes out under a number that the journal has seen.

use proto::{AnyBatch, Batch, Metrics};

use super::{SpanMetrics, emit::emit};
use crate::{
    connectors::state::{Reader, Writer},
    consumer::{Once, RestoreError},
    time::UnixNanos,
};

/// Where a connector with delta temporality stands.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// What was taken out of the series and is not in the journal yet.
    pub(super) emission: Option<Emission>,
    /// The epoch of this life, once it has emitted.
    epoch: Option<u64>,
    /// Batches of this epoch so far.
    numbered: u64,
    /// When the last window ended.
    ended: UnixNanos,
}

/// Points on their way.
#[derive(Debug)]
pub(super) struct Emission {
    /// Of the first batch.
    pub(super) once: Once,
    batches: Vec<Batch<Metrics>>,
}

// === impl Delta ===

impl Delta {
    /// What it holds.
    pub(super) fn bytes(&self) -> usize {
        let batches = self.emission.iter().flat_map(|emission| &emission.batches);
        batches.map(|batch| batch.bytes().len()).sum()
    }

    pub(super) fn save(&self, out: &mut Writer<'_>) {
        let (once, batches) = match &self.emission {
            Some(emission) => (emission.once, &*emission.batches),
            None => (Once { epoch: 0, number: 0 }, &[][..]),
        };
        out.number(once.epoch);
        out.number(once.number);
        out.number(batches.len() as u64);
        batches.iter().for_each(|batch| out.bytes(batch.bytes()));
    }

    pub(super) fn restore(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let once = Once { epoch: from.number()?, number: from.number()? };
        let mut batches = Vec::new();
        for _ in 0..from.index()? {
            let bytes = bytes::Bytes::copy_from_slice(from.bytes()?);
            let passed = proto::validate::<Metrics>(bytes);
            batches.push(passed.map_err(|_| RestoreError("points on their way are not well-formed"))?.batch);
        }
        let emission = (!batches.is_empty()).then_some(Emission { once, batches });
        Ok(Self { emission, ..Self::default() })
    }

    /// The number of the first of so many batches.
    fn next(&mut self, batches: usize, now: UnixNanos) -> Once {
        let epoch = *self.epoch.get_or_insert(now.0);
        let number = self.numbered + 1;
        self.numbered += batches as u64;
        Once { epoch, number }
    }
}

// === impl Emission ===

impl Emission {
    pub(super) fn batches(&self) -> impl Iterator<Item = AnyBatch> {
        self.batches.iter().cloned().map(AnyBatch::from)
    }
}

// === impl SpanMetrics ===

impl SpanMetrics {
    /// Takes what was counted since the last window out of the series, unless the last window is still on its way.
    pub(super) fn close_window(&mut self, now: UnixNanos) {
        if self.delta.emission.is_some() {
            return;
        }
        let mut changed = self.table.take_changed();
        self.resources.emitted();
        changed.retain(|slot| self.table.series(*slot).cell.count() > 0);
        let points: Vec<_> = changed.iter().map(|slot| self.point(self.table.series(*slot))).collect();
        let batches = emit(&self.settings, &points, now);
        let idle_since = self.delta.ended;
        for slot in changed {
            let series = self.table.series(slot);
            let (end, stream) = (series.seen.max(now), self.settings.parts_of(series.group).1);
            self.table.renew(slot, end, || stream.fresh());
        }
        self.forget_idle(idle_since, now);
        self.delta.ended = now;
        if !batches.is_empty() {
            let once = self.delta.next(batches.len(), now);
            self.delta.emission = Some(Emission { once, batches });
        }
        self.tell();
    }

    /// Series without anything in the last window are remembered only so that their next window begins where the one
    /// before it ended: so many of them, and for so long.
    fn forget_idle(&mut self, since: UnixNanos, now: UnixNanos) {
        let mut idle: Vec<_> =
            self.table.iter().map(|series| series.seen).filter(|seen| *seen < since).collect();
        idle.sort_unstable();
        let too_many = idle.len().saturating_sub(self.settings.config.windows_remembered());
        let oldest = too_many.checked_sub(1).map(|last| idle[last]);
        let expiration = self.settings.config.expiration();
        let is_over = |seen: UnixNanos| expiration.is_some_and(|after| now.since(seen) > after);
        let gone = self.table.remove_where(|series| {
            series.seen < since
                && (oldest.is_some_and(|oldest| series.seen <= oldest) || is_over(series.seen))
        });
        self.stats.expired.add(gone.len() as u64);
    }
}
