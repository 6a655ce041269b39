//! One request out of several records, several out of one.
//!
//! **Guaranteed:** a lone record keeps its very bytes; nothing is copied unless a request must be cut or kept; nothing
//! is lost between the pieces; an item is never cut apart.

use pipelines::journal::Record;
use proto::{AnyBatch, Batch, Signal, SignalKind, rewrite};

use super::payload::Payload;

/// Batches of one signal that are sent together. Never none, and never one without items.
#[derive(Clone, Debug)]
pub(super) struct Request {
    batches: Vec<AnyBatch>,
    bytes: usize,
    items: usize,
}

// === impl Request ===

impl Request {
    /// The records as one request, or nothing if they carry no items: empty envelopes are not sent.
    pub(super) fn join(records: Vec<Record>) -> Option<Self> {
        let batches = records.into_iter().map(|record| record.batch).filter(|batch| batch.items() > 0);
        let batches: Vec<_> = batches.collect();
        let bytes = batches.iter().map(|batch| batch.bytes().len()).sum();
        let items = batches.iter().map(AnyBatch::items).sum();
        (!batches.is_empty()).then_some(Self { batches, bytes, items })
    }

    pub(super) fn signal(&self) -> SignalKind {
        self.batches[0].kind()
    }

    /// Encoded bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Spans, data points or log records.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// What is sent.
    pub(super) fn payload(&self) -> Payload {
        Payload::of(&self.batches)
    }

    /// What it was joined from.
    pub(super) fn batches(&self) -> &[AnyBatch] {
        &self.batches
    }

    /// The request as one batch: a copy, if it was joined.
    pub(super) fn whole(&self) -> AnyBatch {
        if let [only] = self.batches.as_slice() {
            return only.clone();
        }
        let batches = self.batches.clone();
        match self.signal() {
            SignalKind::Traces => concat(batches, |batch| match batch {
                AnyBatch::Traces(batch) => Some(batch),
                _ => None,
            }),
            SignalKind::Metrics => concat(batches, |batch| match batch {
                AnyBatch::Metrics(batch) => Some(batch),
                _ => None,
            }),
            SignalKind::Logs => concat(batches, |batch| match batch {
                AnyBatch::Logs(batch) => Some(batch),
                _ => None,
            }),
        }
    }

    /// Pieces of at most so many bytes and items each, as far as items allow: a single item may be larger.
    pub(super) fn cut(self, bytes_max: usize, items_max: usize) -> Vec<Self> {
        let fits = |piece: &Self| piece.bytes <= bytes_max && piece.items <= items_max;
        if fits(&self) {
            return vec![self];
        }
        let mut waiting: Vec<_> = split(&self.whole(), bytes_max).into_iter().map(Self::from).collect();
        waiting.reverse();
        let mut done = Vec::with_capacity(waiting.len());
        while let Some(piece) = waiting.pop() {
            match if fits(&piece) { None } else { piece.halve() } {
                Some((first, second)) => waiting.extend([second, first]),
                None => done.push(piece),
            }
        }
        done
    }

    /// Both halves by number of items, or nothing if there is only one.
    pub(super) fn halve(&self) -> Option<(Self, Self)> {
        let half = self.items / 2;
        if half == 0 {
            return None;
        }
        let (first, second) = match &self.whole() {
            AnyBatch::Traces(batch) => cut_at(batch, half)?,
            AnyBatch::Metrics(batch) => cut_at(batch, half)?,
            AnyBatch::Logs(batch) => cut_at(batch, half)?,
        };
        Some((first.into(), second.into()))
    }
}

impl From<AnyBatch> for Request {
    fn from(batch: AnyBatch) -> Self {
        Self { bytes: batch.bytes().len(), items: batch.items(), batches: vec![batch] }
    }
}

fn concat<S: Signal>(batches: Vec<AnyBatch>, of: fn(AnyBatch) -> Option<Batch<S>>) -> AnyBatch
where
    AnyBatch: From<Batch<S>>,
{
    let count = batches.len();
    let batches: Vec<_> = batches.into_iter().filter_map(of).collect();
    debug_assert_eq!(batches.len(), count, "a pipeline carries one signal");
    rewrite::concat(&batches).into()
}

fn split(batch: &AnyBatch, bytes_max: usize) -> Vec<AnyBatch> {
    match batch {
        AnyBatch::Traces(batch) => all(rewrite::split(batch, bytes_max)),
        AnyBatch::Metrics(batch) => all(rewrite::split(batch, bytes_max)),
        AnyBatch::Logs(batch) => all(rewrite::split(batch, bytes_max)),
    }
}

fn all<S>(batches: Vec<Batch<S>>) -> Vec<AnyBatch>
where
    AnyBatch: From<Batch<S>>,
{
    batches.into_iter().map(AnyBatch::from).collect()
}

fn cut_at<S: Signal>(batch: &Batch<S>, place: usize) -> Option<(AnyBatch, AnyBatch)>
where
    AnyBatch: From<Batch<S>>,
{
    let first = batch.retain_places(|item| item < place)?;
    let second = batch.retain_places(|item| item >= place)?;
    Some((first.into(), second.into()))
}
