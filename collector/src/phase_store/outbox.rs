//! The relay: what the store committed goes into the journal, in order, and is then forgotten.
//!
//! - **In:** rows of the outbox, numbered densely. **Out:** one journal record per row.
//! - **Guaranteed:** a row is forgotten only after the journal took it; a row pushed twice (the
//!   process died in between) is recognised by its number and counted once.
//! - **Not here:** making the rows; that happens in the transaction that stores the phase.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pipelines::{
    client::Client,
    engine::{
        drain::Drain,
        edge::ReceiverEdge,
        inlet::{Arrival, Inlet},
    },
    journal::{ProducerId, Sequence},
    time::UnixNanos,
};
use proto::{AnyBatch, SignalKind};

use super::store::{OutboxRow, Store, StoreError};

/// Carries rows from a store into pipelines.
pub struct Relay {
    store: Arc<dyn Store>,
    inlet: Inlet,
    /// Of spans and of events.
    edges: [Arc<ReceiverEdge>; 2],
    now: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
}

/// Why a round ended early.
enum Trouble {
    Store(StoreError),
    Journal(Duration),
}

/// The edges of spans and of events.
pub fn edges() -> [Arc<ReceiverEdge>; 2] {
    SIGNALS.map(super::edge)
}

// === impl Relay ===

impl Relay {
    /// A relay that is not running yet.
    pub fn new(
        store: Arc<dyn Store>,
        inlet: Inlet,
        edges: [Arc<ReceiverEdge>; 2],
        now: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    ) -> Self {
        Self { store, inlet, edges, now }
    }

    /// Runs until the drain has begun and the outbox is empty, or the drain's deadline has passed.
    pub async fn run(self, drain: Drain) {
        let mut deadline = drain.clone();
        tokio::select! {
            () = deadline.expired() => {
                tracing::warn!("phases wait in the outbox; they go out at the next start");
            }
            () = self.relay(drain) => {}
        }
    }

    async fn relay(&self, mut drain: Drain) {
        let mut pause = PAUSE_MIN;
        loop {
            match self.round().await {
                Ok(0) if drain.has_begun() => return,
                Ok(0) => {
                    pause = PAUSE_MIN;
                    // The timer is for rows of another process, and for a lost wake-up.
                    tokio::select! {
                        () = self.store.outbox_changed().notified() => {}
                        () = tokio::time::sleep(LOOK_AGAIN) => {}
                        _ = drain.begun() => {}
                    }
                }
                Ok(_) => pause = PAUSE_MIN,
                Err(trouble) => {
                    let wait = match trouble {
                        Trouble::Store(error) => {
                            tracing::warn!(%error, "the outbox cannot be read or emptied; it is tried again");
                            pause
                        }
                        Trouble::Journal(after) => after.max(pause),
                    };
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Pushes the oldest rows and forgets those that the journal took. Gives how many.
    async fn round(&self) -> Result<usize, Trouble> {
        let rows = self.store.outbox(ROWS_MAX).await.map_err(Trouble::Store)?;
        let (count, mut done, mut trouble) = (rows.len(), None, None);
        for row in rows {
            let number = row.number;
            if let Err(after) = self.push(row).await {
                trouble = Some(Trouble::Journal(after));
                break;
            }
            done = Some(number);
        }
        if let Some(number) = done {
            self.store.forget(number).await.map_err(Trouble::Store)?;
        }
        trouble.map_or(Ok(count), Err)
    }

    /// Pushes one row. `Err`: the pipelines want it later.
    async fn push(&self, row: OutboxRow) -> Result<(), Duration> {
        let number = row.number;
        let batches: Vec<AnyBatch> = [(SignalKind::Traces, row.traces), (SignalKind::Logs, row.logs)]
            .into_iter()
            .filter(|(signal, _)| self.inlet.accepts(*signal))
            .filter_map(|(signal, bytes)| self.batch(number, signal, bytes?))
            .collect();
        if batches.is_empty() {
            return Ok(());
        }
        let items = SIGNALS.map(|signal| items(&batches, signal));
        let sequence = Some(Sequence { producer: ProducerId(self.store.epoch()), number });
        let arrival = Arrival { batches, client: Client::default(), now: (self.now)(), sequence };
        match self.inlet.push(arrival).await {
            Ok(()) => {
                self.edges.iter().zip(items).for_each(|(edge, items)| edge.accepted.add(items));
                Ok(())
            }
            Err(refusal) => match refusal.retry_after() {
                Some(after) => Err(after),
                None => {
                    // The phase is stored; what it told is not wanted by any pipeline.
                    tracing::error!(number, %refusal, "the pipelines refused a stored phase for good");
                    self.edges.iter().zip(items).for_each(|(edge, items)| edge.refused.add(items));
                    Ok(())
                }
            },
        }
    }

    fn batch(&self, number: u64, signal: SignalKind, bytes: Vec<u8>) -> Option<AnyBatch> {
        match AnyBatch::validate(signal, Bytes::from(bytes)) {
            Ok((batch, _)) => Some(batch),
            Err(error) => {
                // We wrote these bytes; only damage to the database explains it.
                tracing::error!(number, %signal, %error, "a row of the outbox is damaged and left out");
                self.edges[usize::from(signal == SignalKind::Logs)].failed.add(1);
                None
            }
        }
    }
}

fn items(batches: &[AnyBatch], signal: SignalKind) -> u64 {
    batches.iter().filter(|batch| batch.kind() == signal).map(|batch| batch.items() as u64).sum()
}

const SIGNALS: [SignalKind; 2] = [SignalKind::Traces, SignalKind::Logs];
/// Rows of one round.
const ROWS_MAX: usize = 64;
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
