//! Everything that stands under the journal's one lock.
//!
//! - **Guaranteed:** an entry is reserved in all its pipelines or in none; nothing here does I/O,
//!   wakes a task or frees a payload (see `effects`).

use std::sync::Arc;

use super::{
    Bounds, CursorError, CursorStats, Entry, Mode, Part, PipelineIndex, Position, Settings, Stats, Ticket,
    effects::Effects,
    pipeline::{Pipeline, Slot},
    producers::{Producers, Standing},
    ticket::Completion,
};
use crate::refusal::{Reason, Refusal};

/// The journal's bookkeeping.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) producers: Producers,
    closed: bool,
    next_key: u64,
    appended: u64,
    refused: u64,
}

/// How an entry was taken.
#[derive(Debug)]
pub(super) enum Admission {
    /// Every promise is kept already.
    Done,
    /// The ticket resolves when it is.
    Waiting(Ticket),
}

// === impl State ===

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        let pipeline = |pipeline: &super::PipelineSettings| {
            Pipeline::new(pipeline.clone(), settings.tail_bytes_max, Position::default())
        };
        Self {
            pipelines: settings.pipelines.iter().map(pipeline).collect(),
            producers: Producers::default(),
            closed: false,
            next_key: 0,
            appended: 0,
            refused: 0,
        }
    }

    /// Takes an entry for all its pipelines or refuses it for all.
    pub(super) fn admit(&mut self, entry: Entry, effects: &mut Effects) -> Result<Admission, Refusal> {
        let admission = self.try_admit(entry, effects);
        match &admission {
            Ok(_) => self.appended += 1,
            Err(_) => self.refused += 1,
        }
        admission
    }

    fn try_admit(&mut self, entry: Entry, effects: &mut Effects) -> Result<Admission, Refusal> {
        if self.closed {
            return Err(Refusal::retry(Reason::ShuttingDown));
        }
        match entry.sequence.map(|sequence| self.producers.standing(sequence)) {
            Some(Standing::Safe) => return Ok(Admission::Done),
            Some(Standing::OnItsWay) | Some(Standing::New) | None => {}
        }
        self.reserve(&entry.parts)?;
        if let Some(sequence) = entry.sequence {
            self.producers.take(sequence);
            self.producers.safe(sequence);
        }
        Ok(self.publish_now(entry, effects))
    }

    fn publish_now(&mut self, entry: Entry, effects: &mut Effects) -> Admission {
        let delivered = entry.parts.iter().filter(|part| self.mode(part.pipeline) == Mode::Delivered).count();
        let (completion, admission) = match delivered {
            0 => (None, Admission::Done),
            _ => {
                let (completion, ticket) = Completion::new(delivered);
                (Some(completion), Admission::Waiting(ticket))
            }
        };
        self.publish(entry, completion.as_ref(), effects);
        admission
    }

    /// Shows a reserved entry to the cursors of all its pipelines.
    fn publish(&mut self, entry: Entry, completion: Option<&Arc<Completion>>, effects: &mut Effects) {
        for Part { pipeline, batch } in entry.parts {
            let Some(pipeline) = self.pipelines.get_mut(pipeline.0) else { continue };
            let written = pipeline.on_disk() && !entry.derivable;
            let position = pipeline.publish(entry.arrival, batch, written, effects);
            if let Some(completion) = completion
                && pipeline.settings.mode == Mode::Delivered
            {
                pipeline.wait_for(position, Arc::clone(completion));
            }
            pipeline.settle(effects);
        }
    }

    fn mode(&self, pipeline: PipelineIndex) -> Mode {
        self.pipelines.get(pipeline.0).map_or(Mode::Memory, |pipeline| pipeline.settings.mode)
    }

    /// Sets bytes aside in every pipeline, or in none.
    fn reserve(&mut self, parts: &[Part]) -> Result<(), Refusal> {
        for (done, part) in parts.iter().enumerate() {
            let Err(refusal) = self.reserve_one(part) else { continue };
            for part in parts.iter().take(done) {
                if let Some(pipeline) = self.pipelines.get_mut(part.pipeline.0) {
                    pipeline.unreserve(&part.batch);
                }
            }
            return Err(refusal);
        }
        Ok(())
    }

    fn reserve_one(&mut self, part: &Part) -> Result<(), Refusal> {
        let pipeline = self.pipelines.get_mut(part.pipeline.0);
        let pipeline = pipeline.filter(|pipeline| pipeline.settings.signal == part.batch.kind());
        pipeline.ok_or(Refusal::permanent(Reason::NoPipeline))?.reserve(&part.batch)
    }

    /// Claims a cursor and gives the key of its slot.
    pub(super) fn claim(
        &mut self,
        index: PipelineIndex,
        name: &str,
        bounds: Bounds,
    ) -> Result<u64, CursorError> {
        let pipeline = self.pipelines.get_mut(index.0).ok_or(CursorError::NoPipeline { index: index.0 })?;
        if pipeline.slots.iter().any(|slot| slot.name == name) {
            let pipeline = pipeline.settings.name.clone();
            return Err(CursorError::InUse { pipeline, name: name.to_owned() });
        }
        let key = self.next_key;
        self.next_key += 1;
        pipeline.slots.push(Slot::new(key, name, bounds, pipeline.tail.end()));
        Ok(key)
    }

    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Takes no more entries. Cursors that wait learn that the end is the end.
    pub(super) fn close(&mut self, effects: &mut Effects) {
        self.closed = true;
        for slot in self.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.slots) {
            effects.wake(slot.waker.take());
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let cursors = self.pipelines.iter().flat_map(|pipeline| {
            pipeline.slots.iter().map(|slot| CursorStats {
                pipeline: pipeline.settings.name.clone(),
                name: slot.name.clone(),
                lag_bytes: slot.lag(pipeline.tail.end()),
                lag_bytes_max: slot.bounds.lag_bytes_max,
                dropped_items: slot.dropped_items,
            })
        });
        Stats {
            tail_bytes: self.pipelines.iter().map(|pipeline| pipeline.tail.bytes()).sum(),
            queued_bytes: 0,
            appended: self.appended,
            refused: self.refused,
            cursors: cursors.collect(),
        }
    }
}
