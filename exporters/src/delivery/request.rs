//! One request out of several records, several out of one.
//!
//! **Guaranteed:** a lone record keeps its very bytes; nothing is lost between the pieces; an item is
//! never cut apart.

use pipelines::journal::Record;
use proto::{AnyBatch, Batch, Signal, SignalKind, rewrite};

/// The records as one request, or nothing if they carry no items: empty envelopes are not sent.
pub(super) fn join(records: Vec<Record>) -> Option<AnyBatch> {
    let full = records.into_iter().map(|record| record.batch).filter(|batch| batch.items() > 0);
    let mut batches: Vec<_> = full.collect();
    if batches.len() < 2 {
        return batches.pop();
    }
    Some(match batches[0].kind() {
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
    })
}

/// Pieces of at most so many bytes and items each, as far as items allow: a single item may be larger.
pub(super) fn cut(batch: AnyBatch, bytes_max: usize, items_max: usize) -> Vec<AnyBatch> {
    let fits = |piece: &AnyBatch| piece.bytes().len() <= bytes_max && piece.items() <= items_max;
    if fits(&batch) {
        return vec![batch];
    }
    let mut waiting = split(&batch, bytes_max);
    waiting.reverse();
    let mut done = Vec::with_capacity(waiting.len());
    while let Some(piece) = waiting.pop() {
        match if fits(&piece) { None } else { halve(&piece) } {
            Some((first, second)) => waiting.extend([second, first]),
            None => done.push(piece),
        }
    }
    done
}

/// Both halves by number of items, or nothing if there is only one.
pub(super) fn halve(batch: &AnyBatch) -> Option<(AnyBatch, AnyBatch)> {
    let half = batch.items() / 2;
    if half == 0 {
        return None;
    }
    Some(match batch {
        AnyBatch::Traces(batch) => cut_at(batch, half)?,
        AnyBatch::Metrics(batch) => cut_at(batch, half)?,
        AnyBatch::Logs(batch) => cut_at(batch, half)?,
    })
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
