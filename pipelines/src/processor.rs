//! The contract of a synchronous processor.

use proto::{Batch, Signal};

use crate::{client::Client, refusal::Refusal};

/// Changes or leaves out items of a batch on its way to the journal.
///
/// - Pure and cheap: no I/O, no clock, no state that outlives the call.
/// - `Ok(None)` means everything was left out on purpose; the engine counts it.
/// - A batch that is not changed is returned as it came: the same bytes, no copy.
/// - It counts nothing. The engine counts items at the edges.
pub trait Processor<S: Signal>: Send + Sync + 'static {
    /// Takes a batch that `client` sent, gives what is left of it.
    ///
    /// # Errors
    /// A [`Refusal`] declines the whole batch for this pipeline.
    fn process(&self, batch: Batch<S>, client: &Client) -> Result<Option<Batch<S>>, Refusal>;
}
