//! What tests of other crates share. Behind the feature `testing`.

pub mod contract;
pub mod disk;

use std::sync::Arc;

use proto::{AnyBatch, SignalKind};

use crate::{
    component::PipelineId,
    disk::files,
    engine::inlet::{Chain, Head, Inlet},
    journal::{Bounds, Cursor, Journal, Mode, OnFull, PipelineIndex, PipelineSettings, Settings},
};

/// Three pipelines in memory, one for each signal, without processors, read by one consumer each.
#[derive(Debug)]
pub struct Pipes {
    /// The way in, as a receiver has it.
    pub inlet: Inlet,
    /// The journal behind it.
    pub journal: Arc<Journal>,
    /// What came out, by [`SignalKind`].
    cursors: [Cursor; 3],
}

// === impl Pipes ===

impl Pipes {
    /// Pipelines that refuse what is more than `lag_bytes_max` ahead of their consumer.
    ///
    /// # Panics
    /// If the journal cannot be opened, which a journal in memory always can.
    pub fn new(lag_bytes_max: u64) -> Self {
        let pipelines = SignalKind::ALL
            .map(|signal| PipelineSettings { name: signal.to_string(), signal, mode: Mode::Memory })
            .to_vec();
        let settings = Settings {
            disk: files(),
            directory: None,
            segment_bytes_max: 1 << 20,
            tail_bytes_max: 1 << 20,
            pipelines,
        };
        let (journal, _) = Journal::open(settings).expect("a journal in memory opens");
        let bounds = Bounds { lag_bytes_max, on_full: OnFull::Refuse };
        let cursors = [0, 1, 2].map(|index| {
            journal.cursor(PipelineIndex(index), "test", bounds).expect("a fresh cursor is free")
        });
        let heads = SignalKind::ALL.into_iter().enumerate().map(|(index, signal)| {
            Arc::new(Head {
                id: PipelineId::new(signal),
                index: PipelineIndex(index),
                chain: Chain::empty(signal),
                left_out: Default::default(),
            })
        });
        Self { inlet: Inlet::for_receiver(Arc::clone(&journal), heads), journal, cursors }
    }

    /// Everything that has come out since the last call, committed. Empty if there is nothing at the moment.
    pub async fn take(&self, signal: SignalKind) -> Vec<AnyBatch> {
        let cursor = &self.cursors[signal as usize];
        if cursor.position() >= cursor.end() {
            return Vec::new();
        }
        let records = cursor.next(usize::MAX).await.unwrap_or_default();
        if let Some(last) = records.last() {
            cursor.commit(last.position);
        }
        records.into_iter().map(|record| record.batch).collect()
    }
}
