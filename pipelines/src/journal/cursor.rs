//! A consumer's place in one pipeline.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use super::{PipelineIndex, Position, Record, Shared, effects::Effects, pipeline::Slot, state::State};

/// A consumer's place in one pipeline: reads in order, commits what is done with. One task reads;
/// commits may come from anywhere. Dropping it gives the name free.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    pipeline: PipelineIndex,
    key: u64,
}

// === impl Cursor ===

impl Cursor {
    pub(super) fn new(shared: Arc<Shared>, pipeline: PipelineIndex, key: u64) -> Self {
        Self { shared, pipeline, key }
    }

    /// The next records in order, at least one, about `bytes_max` bytes of payload at most; `None`
    /// when the journal is closed and everything was read. Cancel safe.
    pub async fn next(&self, bytes_max: usize) -> Option<Vec<Record>> {
        poll_fn(|cx| self.poll_next(bytes_max, cx)).await
    }

    /// Everything up to and including `position` is done with.
    pub fn commit(&self, position: Position) {
        self.change(|slot, _| slot.commit(position));
    }

    /// Goes to the position an aggregator's snapshot was taken at, before the first
    /// [`Cursor::next`] of this process.
    ///
    /// A position the journal had not reached when it was opened stands for data that was in memory
    /// only; it is taken as the recovered end, so that nothing new is passed over.
    pub fn rewind(&self, position: Position) {
        self.change(|slot, recovered_end| slot.rewind(position.min(slot.committed.max(recovered_end))));
    }

    /// Everything up to here was handed out by [`Cursor::next`].
    pub fn position(&self) -> Position {
        self.look(|slot, _| slot.read)
    }

    /// The end of the pipeline as it is now.
    pub fn end(&self) -> Position {
        self.look(|_, end| end)
    }

    /// The end the pipeline had when the journal was opened: what a replay must reach.
    pub fn recovered_end(&self) -> Position {
        let state = self.shared.lock();
        state.pipelines.get(self.pipeline.0).map(|pipeline| pipeline.recovered_end).unwrap_or_default()
    }

    /// Weight between what is committed and the end (see [`super::RECORD_COST`]).
    pub fn lag_bytes(&self) -> u64 {
        self.look(|slot, end| slot.lag(end))
    }

    /// Items lost because the lag budget was used up.
    pub fn dropped_items(&self) -> u64 {
        self.look(|slot, _| slot.dropped_items)
    }

    fn poll_next(&self, bytes_max: usize, cx: &mut Context<'_>) -> Poll<Option<Vec<Record>>> {
        let mut state = self.shared.lock();
        self.step(&mut state, bytes_max, cx)
    }

    fn step(&self, state: &mut State, bytes_max: usize, cx: &mut Context<'_>) -> Poll<Option<Vec<Record>>> {
        let closed = state.closed();
        let Some(pipeline) = state.pipelines.get_mut(self.pipeline.0) else { return Poll::Ready(None) };
        let ended = closed && pipeline.reserved == 0;
        let Some(slot) = pipeline.slots.iter_mut().find(|slot| slot.key == self.key) else {
            return Poll::Ready(None);
        };
        let run = pipeline.tail.run_after(slot.read, bytes_max);
        if let Some(last) = run.last() {
            slot.read = last.position;
            return Poll::Ready(Some(run));
        }
        if ended {
            return Poll::Ready(None);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn look<T: Default>(&self, look: impl FnOnce(&Slot, Position) -> T) -> T {
        let mut state = self.shared.lock();
        let Some(pipeline) = state.pipelines.get_mut(self.pipeline.0) else { return T::default() };
        let end = pipeline.tail.end();
        pipeline.slot(self.key).map(|slot| look(slot, end)).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Slot, Position)) {
        let mut effects = Effects::default();
        if let Some(pipeline) = self.shared.lock().pipelines.get_mut(self.pipeline.0) {
            let recovered_end = pipeline.recovered_end;
            if let Some(slot) = pipeline.slot(self.key) {
                change(slot, recovered_end);
            }
            pipeline.settle(&mut effects);
        }
        effects.run();
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut effects = Effects::default();
        if let Some(pipeline) = self.shared.lock().pipelines.get_mut(self.pipeline.0) {
            pipeline.remove(self.key, &mut effects);
        }
        effects.run();
    }
}
