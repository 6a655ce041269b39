//! A consumer's place in one pipeline.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::task::JoinHandle;
use tracing::error;

use super::{
    PipelineIndex, Position, Record, Shared,
    effects::Effects,
    pipeline::Slot,
    readback::{self, ReadBack, Run, Wanted},
    state::State,
};
use crate::refusal::Refusal;

/// A consumer's place in one pipeline: reads in order, commits what is done with. One task reads;
/// commits may come from anywhere. Dropping it gives the name free.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    pipeline: PipelineIndex,
    key: u64,
    lagging: Mutex<Box<Lagging>>,
}

/// How a cursor reads that lags.
#[derive(Debug, Default)]
struct Lagging {
    /// Where reading goes on.
    shortcut: Option<ReadBack>,
    /// What is being read on another thread. A [`Cursor::next`] that was cancelled leaves it to the one after it:
    /// begun anew each time, a slow read would never come to its end.
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    wanted: Wanted,
    task: JoinHandle<io::Result<(Option<ReadBack>, Run)>>,
}

/// What a look at the pipeline gives.
enum Step {
    Run(Vec<Record>),
    /// The next records are on disk only.
    Lagging(Wanted),
    Ended,
}

// === impl Cursor ===

impl Cursor {
    pub(super) fn new(shared: Arc<Shared>, pipeline: PipelineIndex, key: u64) -> Self {
        Self { shared, pipeline, key, lagging: Mutex::default() }
    }

    /// The next records in order, at least one, about `bytes_max` bytes of payload at most; `None`
    /// when the journal is closed and everything was read. Cancel safe.
    pub async fn next(&self, bytes_max: usize) -> Option<Vec<Record>> {
        loop {
            let wanted = match poll_fn(|cx| self.poll_next(bytes_max, cx)).await {
                Step::Run(run) => return Some(run),
                Step::Ended => return None,
                Step::Lagging(wanted) => wanted,
            };
            self.begin_reading(wanted);
            match poll_fn(|cx| self.poll_reading(cx)).await {
                Ok((wanted, run)) => {
                    if self.hand_out(&wanted, &run) && !run.is_empty() {
                        return Some(run);
                    }
                }
                Err(error) => {
                    error!(%error, "the journal cannot be read back, trying again");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        }
    }

    fn begin_reading(&self, wanted: Wanted) {
        let mut lagging = self.lagging();
        let (None, Some(segments)) = (&lagging.reading, self.shared.segments.clone()) else { return };
        let shortcut = lagging.shortcut.take();
        let read = {
            let wanted = wanted.clone();
            move || readback::read(&segments, &wanted, shortcut)
        };
        lagging.reading = Some(Reading { wanted, task: tokio::task::spawn_blocking(read) });
    }

    /// What was wanted when reading began, and what was read.
    fn poll_reading(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Wanted, Vec<Record>)>> {
        let mut lagging = self.lagging();
        let Some(reading) = &mut lagging.reading else {
            return Poll::Ready(Err(io::Error::other("the journal has no files")));
        };
        let outcome = ready!(Pin::new(&mut reading.task).poll(cx));
        let wanted = reading.wanted.clone();
        lagging.reading = None;
        let (shortcut, run) = outcome.map_err(io::Error::other)??;
        lagging.shortcut = shortcut;
        drop(lagging);
        self.shared.lock().unreadable += run.unreadable;
        Poll::Ready(Ok((wanted, run.records)))
    }

    /// Moves past what was read from disk, unless the cursor has moved meanwhile.
    fn hand_out(&self, wanted: &Wanted, run: &[Record]) -> bool {
        let mut handed_out = false;
        self.change(|slot, _| {
            handed_out = slot.read == wanted.from;
            if handed_out {
                // Nothing left on disk before the tail: what was in between never was on disk.
                slot.read = run.last().map_or(wanted.until, |last| last.position);
            }
        });
        handed_out
    }

    fn lagging(&self) -> MutexGuard<'_, Box<Lagging>> {
        self.lagging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to and including `position` is done with.
    pub fn commit(&self, position: Position) {
        self.change(|slot, _| slot.commit(position));
    }

    /// Whoever waits for one of the records behind `after`, up to and including `up_to`, gets this refusal: they were
    /// not delivered. To be called before they are committed.
    pub fn refuse(&self, after: Position, up_to: Position, refusal: &Refusal) {
        let mut effects = Effects::default();
        if let Some(pipeline) = self.shared.lock().pipelines.get_mut(self.pipeline.0) {
            pipeline.fail_waiting(after, up_to, refusal, &mut effects);
        }
        effects.run();
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

    /// Everything up to and including `position` was taken in. Without a commit it may be wanted again, after a crash.
    pub fn apply(&self, position: Position) {
        self.look(|slot, _| slot.apply(position));
    }

    /// Weight between what was taken in, or committed, and the end (see [`super::RECORD_COST`]).
    pub fn lag_bytes(&self) -> u64 {
        self.look(|slot, end| slot.behind(end))
    }

    /// Items lost because the lag budget was used up.
    pub fn dropped_items(&self) -> u64 {
        self.look(|slot, _| slot.dropped_items)
    }

    fn poll_next(&self, bytes_max: usize, cx: &mut Context<'_>) -> Poll<Step> {
        let mut effects = Effects::default();
        let mut state = self.shared.lock();
        let step = self.step(&mut state, bytes_max, cx, &mut effects);
        drop(state);
        effects.run();
        step
    }

    fn step(
        &self,
        state: &mut State,
        bytes_max: usize,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) -> Poll<Step> {
        let closed = state.closed();
        let Some(pipeline) = state.pipelines.get_mut(self.pipeline.0) else {
            return Poll::Ready(Step::Ended);
        };
        let ended = closed && pipeline.reserved == 0;
        let on_disk = pipeline.on_disk();
        let Some(slot) = pipeline.slots.iter_mut().find(|slot| slot.key == self.key) else {
            return Poll::Ready(Step::Ended);
        };
        if on_disk && slot.read < pipeline.tail.start() {
            let (from, until) = (slot.read, pipeline.tail.start());
            let pipeline = pipeline.settings.name.clone();
            return Poll::Ready(Step::Lagging(Wanted { pipeline, from, until, bytes_max }));
        }
        let run = pipeline.tail.run_after(slot.read, bytes_max);
        if let Some(last) = run.last() {
            slot.read = last.position;
            // What the disk has may leave memory as soon as all have read it.
            pipeline.settle(effects);
            return Poll::Ready(Step::Run(run));
        }
        if ended {
            return Poll::Ready(Step::Ended);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn look<T: Default>(&self, look: impl FnOnce(&mut Slot, Position) -> T) -> T {
        let mut state = self.shared.lock();
        let Some(pipeline) = state.pipelines.get_mut(self.pipeline.0) else { return T::default() };
        let end = pipeline.tail.end();
        pipeline.slot(self.key).map(|slot| look(slot, end)).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Slot, Position)) {
        let mut effects = Effects::default();
        let mut state = self.shared.lock();
        state.note_moved();
        if let Some(pipeline) = state.pipelines.get_mut(self.pipeline.0) {
            let recovered_end = pipeline.recovered_end;
            if let Some(slot) = pipeline.slot(self.key) {
                change(slot, recovered_end);
            }
            pipeline.settle(&mut effects);
        }
        drop(state);
        effects.run();
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut effects = Effects::default();
        self.shared.lock().release(self.pipeline, self.key, &mut effects);
        effects.run();
    }
}

/// After a failed read.
const READ_AGAIN: Duration = Duration::from_secs(1);
