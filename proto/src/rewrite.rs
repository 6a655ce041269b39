//! Changing batches: leave items out, edit attributes, join, cut.
//!
//! - **In:** batches, so all bytes have passed the gate.
//! - **Out:** batches. What is not changed is copied byte for byte, unknown fields too; what changes
//!   nothing gives back the very same bytes, without a copy.
//! - **Guaranteed:** the order of items. An envelope (metric, scope, resource) that loses its last
//!   item goes with it; one that came empty stays.
//!
//! ```text
//! request [ resource [ header, scope [ header, item, item ] ] ]      a patch replaces a range of bytes
//!                                           ^^^^                     inside one message; the lengths of
//!                                           patch at level 2         all messages around it are rewritten
//! ```

mod edit;
mod retain;
mod splice;
mod split;

pub use edit::Edit;
pub use split::split;

use crate::batch::{Batch, Signal};

/// The batch without the items at these places (ascending, counted over the whole batch). Empty if
/// none is left.
pub(crate) fn without<S: Signal>(batch: &Batch<S>, places: &[usize]) -> Batch<S> {
    let mut places = places.iter().copied().peekable();
    let kept = batch.retain_places(|place| places.next_if_eq(&place).is_none());
    kept.unwrap_or_else(|| Batch::trusted(bytes::Bytes::new(), 0))
}

/// One batch with all items of `batches`, in order: their bytes one after the other, which is again
/// an export request. A single batch is given back as it is.
pub fn concat<S: Signal>(batches: &[Batch<S>]) -> Batch<S> {
    if let [only] = batches {
        return only.clone();
    }
    let mut bytes = Vec::with_capacity(batches.iter().map(|batch| batch.bytes().len()).sum());
    batches.iter().for_each(|batch| bytes.extend_from_slice(batch.bytes()));
    Batch::trusted(bytes.into(), batches.iter().map(Batch::items).sum())
}

#[cfg(test)]
mod tests;
