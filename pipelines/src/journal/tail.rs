//! The newest records of one pipeline, in memory.
//!
//! - **Guaranteed:** records stand in the order of their positions, without a gap between
//!   [`Tail::start`] and [`Tail::end`] that the tail itself made.
//! - **Not here:** who may read what; see `state`.

use std::collections::VecDeque;

use proto::AnyBatch;

use super::{Position, RECORD_COST, Record};
use crate::time::UnixNanos;

/// One record in memory.
#[derive(Debug)]
pub(super) struct TailRecord {
    pub(super) record: Record,
    /// Whether the disk has it too.
    pub(super) written: bool,
}

/// The records after [`Tail::start`].
#[derive(Debug, Default)]
pub(super) struct Tail {
    records: VecDeque<TailRecord>,
    start: Position,
    end: Position,
    bytes: u64,
}

/// What a batch counts against every bound.
pub(super) fn weight(batch: &AnyBatch) -> u64 {
    batch.bytes().len() as u64 + RECORD_COST
}

// === impl Tail ===

impl Tail {
    /// An empty tail after a recovered end.
    pub(super) fn at(end: Position) -> Self {
        Self { start: end, end, ..Self::default() }
    }

    /// Everything after this place is in memory.
    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// The place of the newest record.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    /// Weight of the records.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds the newest record and gives its place.
    pub(super) fn push(&mut self, arrival: UnixNanos, batch: AnyBatch, written: bool) -> Position {
        self.bytes += weight(&batch);
        self.end = self.end.after(&batch);
        self.records.push_back(TailRecord { record: Record { position: self.end, arrival, batch }, written });
        self.end
    }

    /// Records after `position`, at least one if there is any, until `bytes_max` is reached.
    pub(super) fn run_after(&self, position: Position, bytes_max: usize) -> Vec<Record> {
        let mut bytes = 0_usize;
        let mut run = Vec::new();
        for TailRecord { record, .. } in self.after(position).take(RUN_RECORDS_MAX) {
            bytes = bytes.saturating_add(record.batch.bytes().len());
            if bytes > bytes_max && !run.is_empty() {
                break;
            }
            run.push(record.clone());
        }
        run
    }

    /// The records after `position`.
    pub(super) fn after(&self, position: Position) -> impl Iterator<Item = &TailRecord> {
        self.records.range(self.count_up_to(position)..)
    }

    /// The records up to `position`.
    pub(super) fn up_to(&self, position: Position) -> impl Iterator<Item = &TailRecord> {
        self.records.range(..self.count_up_to(position))
    }

    /// Takes out everything up to `position`.
    pub(super) fn release(&mut self, position: Position) -> impl Iterator<Item = TailRecord> {
        let count = self.count_up_to(position);
        if let Some(last) = count.checked_sub(1).and_then(|index| self.records.get(index)) {
            self.start = last.record.position;
        }
        self.bytes -= self.records.range(..count).map(|tail| weight(&tail.record.batch)).sum::<u64>();
        self.records.drain(..count)
    }

    /// The place up to which records must go for `bytes_max` to hold.
    pub(super) fn surplus(&self, bytes_max: u64) -> Option<Position> {
        let mut bytes = self.bytes;
        let mut position = None;
        for TailRecord { record, .. } in &self.records {
            if bytes <= bytes_max {
                break;
            }
            bytes -= weight(&record.batch);
            position = Some(record.position);
        }
        position
    }

    fn count_up_to(&self, position: Position) -> usize {
        self.records.partition_point(|tail| tail.record.position <= position)
    }
}

/// Records handed out at once, which bounds how long the lock is held.
const RUN_RECORDS_MAX: usize = 1024;
