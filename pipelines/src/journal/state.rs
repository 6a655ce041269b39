//! Everything that stands under the journal's one lock.
//!
//! - **Guaranteed:** an entry is reserved in all its pipelines or in none; nothing here does I/O,
//!   wakes a task or frees a payload (see `effects`).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Bounds, CursorError, CursorStats, Entry, Mode, Part, PipelineIndex, Position, RECORD_COST, Settings,
    Stats, Ticket,
    effects::Effects,
    pipeline::{Pipeline, Slot},
    positions::StoredCursor,
    producers::{Producers, Standing},
    tail::weight,
    ticket::Completion,
};
use crate::{
    refusal::{Reason, Refusal},
    time::UnixNanos,
};

/// The journal's bookkeeping.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) producers: Producers,
    /// Set by the first failed sync: nothing durable is taken any more.
    pub(super) read_only: bool,
    /// Set by a failed write, until one succeeds: the disk is full, most likely.
    pub(super) refusing: bool,
    /// Entries on their way to the disk, in order.
    queue: Vec<Queued>,
    queued_bytes: u64,
    /// Places of cursors that nobody holds at the moment.
    stored: Vec<StoredCursor>,
    /// How cursors stood when they were given free, and nobody has claimed them since.
    left: Vec<CursorStats>,
    /// Whether the stored places are all lost, so that an unknown cursor begins at the oldest record.
    begin_at_start: bool,
    /// Whether a cursor was made that no file knows yet.
    claimed: bool,
    /// Whether a place has changed since the last save.
    moved: bool,
    /// Whether no more entries are taken.
    closed: bool,
    /// Whether no more commits are to come either: the writer may end.
    ended: bool,
    next_key: u64,
    appended: u64,
    refused: u64,
    /// Places that were met in reading back and could not be read.
    pub(super) unreadable: u64,
}

/// An entry that waits for the disk. Its bytes are reserved.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) entry: Entry,
    completion: Arc<Completion>,
}

/// How an entry was taken.
#[derive(Debug)]
pub(super) enum Admission {
    /// Every promise is kept already.
    Done,
    /// The ticket resolves when it is.
    Waiting(Ticket),
    /// Likewise, and the writer has something to do.
    Queued(Ticket),
}

// === impl State ===

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        let durable =
            settings.pipelines.iter().filter(|pipeline| pipeline.mode == Mode::Durable).count() as u64;
        let tail_bytes_max = settings.tail_bytes_max / durable.max(1);
        let pipeline = |pipeline: &super::PipelineSettings| {
            Pipeline::new(pipeline.clone(), tail_bytes_max, Position::default())
        };
        Self {
            pipelines: settings.pipelines.iter().map(pipeline).collect(),
            producers: Producers::default(),
            read_only: false,
            refusing: false,
            queue: Vec::new(),
            queued_bytes: 0,
            stored: Vec::new(),
            left: Vec::new(),
            begin_at_start: false,
            claimed: false,
            moved: false,
            closed: false,
            ended: false,
            next_key: 0,
            appended: 0,
            refused: 0,
            unreadable: 0,
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
            // The first one has not been answered yet: its repeat waits behind it and adds nothing.
            Some(Standing::OnItsWay) => {
                let entry = Entry { parts: Vec::new(), ..entry };
                self.has_room(&entry)?;
                return Ok(self.enqueue(entry));
            }
            Some(Standing::New) | None => {}
        }
        let durable = entry.parts.iter().any(|part| self.mode(part.pipeline) == Mode::Durable);
        if durable && self.read_only && !entry.derivable {
            return Err(Refusal::retry(Reason::Storage));
        }
        if durable {
            self.has_room(&entry)?;
        }
        self.reserve(&entry.parts)?;
        if let Some(sequence) = entry.sequence {
            self.producers.take(sequence);
        }
        if durable {
            return Ok(self.enqueue(entry));
        }
        if let Some(sequence) = entry.sequence {
            self.producers.safe(sequence);
        }
        Ok(self.publish_now(entry, effects))
    }

    /// Whether the queue takes one more entry. One entry always finds room in an empty queue.
    fn has_room(&self, entry: &Entry) -> Result<(), Refusal> {
        let full = self.queued_bytes > 0 && self.queued_bytes + queued_weight(entry) > QUEUE_BYTES_MAX;
        if full { Err(Refusal::retry(Reason::QueueFull)) } else { Ok(()) }
    }

    /// Hands an entry to the writer. Points of connectors go the same way, because order counts, and are not written.
    fn enqueue(&mut self, entry: Entry) -> Admission {
        let delivered = self.delivered(&entry);
        let (completion, ticket) = Completion::new(delivered + 1);
        self.queued_bytes += queued_weight(&entry);
        self.queue.push(Queued { entry, completion });
        Admission::Queued(ticket)
    }

    fn delivered(&self, entry: &Entry) -> usize {
        entry.parts.iter().filter(|part| self.mode(part.pipeline) == Mode::Delivered).count()
    }

    fn publish_now(&mut self, entry: Entry, effects: &mut Effects) -> Admission {
        let (completion, admission) = match self.delivered(&entry) {
            0 => (None, Admission::Done),
            delivered => {
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
        self.left.retain(|left| left.pipeline != pipeline.settings.name || left.name != name);
        let key = self.next_key;
        self.next_key += 1;
        let end = pipeline.tail.end();
        let is_same =
            |stored: &StoredCursor| stored.pipeline == pipeline.settings.name && stored.name == name;
        let position = match self.stored.iter().position(is_same) {
            // A place behind the recovered end stands for points that were in memory only.
            Some(index) if pipeline.on_disk() => self.stored.swap_remove(index).position.min(end),
            _ if pipeline.on_disk() && self.begin_at_start => Position::default(),
            _ => end,
        };
        self.claimed |= pipeline.on_disk();
        pipeline.slots.push(Slot::new(key, name, bounds, position));
        Ok(key)
    }

    /// Takes up what the disk has kept.
    pub(super) fn recover(
        &mut self,
        ends: &BTreeMap<String, Position>,
        stored: Vec<StoredCursor>,
        producers: Producers,
    ) {
        for pipeline in self.pipelines.iter_mut().filter(|pipeline| pipeline.on_disk()) {
            let end = ends.get(&pipeline.settings.name).copied().unwrap_or_default();
            // Segments may all have been removed: then only the cursors know how far the pipeline had come.
            let cursors = stored.iter().filter(|cursor| cursor.pipeline == pipeline.settings.name);
            pipeline.recover(cursors.map(|cursor| cursor.position).fold(end, Position::max));
        }
        self.stored = stored;
        self.producers = producers;
    }

    /// Takes note of places on disk up to which a consumer can drop what it has not read.
    pub(super) fn mark(&mut self, ends_of: impl Fn(&str) -> Vec<Position>) {
        for pipeline in self.pipelines.iter_mut().filter(|pipeline| pipeline.on_disk()) {
            pipeline.marks = ends_of(&pipeline.settings.name).into();
        }
    }

    /// The same when the cursors' places are lost.
    pub(super) fn recover_from_start(&mut self, ends: &BTreeMap<String, Position>, producers: Producers) {
        self.recover(ends, Vec::new(), producers);
        self.begin_at_start = true;
    }

    /// Gives a cursor's slot free; a durable one's place is kept.
    pub(super) fn release(&mut self, index: PipelineIndex, key: u64, effects: &mut Effects) {
        let Some(pipeline) = self.pipelines.get_mut(index.0) else { return };
        let Some(slot) = pipeline.remove(key, effects) else { return };
        self.left.push(slot.stats(&pipeline.settings, pipeline.tail.end()));
        if pipeline.on_disk() {
            let pipeline = pipeline.settings.name.clone();
            // The time is set when it is saved: somebody held it until now.
            let held = UnixNanos::default();
            self.stored.push(StoredCursor { pipeline, name: slot.name, position: slot.committed, held });
            self.moved = true;
        }
    }

    /// Takes note that some cursor has moved.
    pub(super) fn note_moved(&mut self) {
        self.moved = true;
    }

    /// Whether the writer may sleep.
    pub(super) fn has_no_work(&self) -> bool {
        self.queue.is_empty() && !self.ended && !self.claimed
    }

    /// Everything that waits for the disk.
    pub(super) fn take_queue(&mut self) -> Vec<Queued> {
        std::mem::take(&mut self.queue)
    }

    /// Whether a cursor was made since the last call.
    pub(super) fn take_claimed(&mut self) -> bool {
        std::mem::take(&mut self.claimed)
    }

    /// For each pipeline its place among the durable ones.
    pub(super) fn durable_places(&self) -> Vec<Option<usize>> {
        let mut next = 0..;
        self.pipelines.iter().map(|pipeline| pipeline.on_disk().then(|| next.next()).flatten()).collect()
    }

    /// Where each durable pipeline stands, in order.
    pub(super) fn ends(&self) -> Vec<(String, Position)> {
        let durable = self.pipelines.iter().filter(|pipeline| pipeline.on_disk());
        durable.map(|pipeline| (pipeline.settings.name.clone(), pipeline.tail.end())).collect()
    }

    /// Shows a group that is on disk, and keeps its promises.
    pub(super) fn publish_group(&mut self, group: Vec<Queued>, effects: &mut Effects) {
        for Queued { entry, completion, .. } in group {
            self.queued_bytes -= queued_weight(&entry);
            if let Some(sequence) = entry.sequence {
                self.producers.safe(sequence);
            }
            self.publish(entry, Some(&completion), effects);
            effects.done(completion);
        }
    }

    /// Gives back what a group had reserved. Points of connectors need no disk and are shown all the same.
    pub(super) fn refuse_group(&mut self, mut group: Vec<Queued>, effects: &mut Effects) {
        // Numbered entries behind the refused ones go with them: a later number must not become safe before an earlier
        // one, nor a repeat be answered whose original was refused.
        let (numbered, rest) =
            self.take_queue().into_iter().partition(|queued| queued.entry.sequence.is_some());
        self.queue = rest;
        group.extend::<Vec<_>>(numbered);
        self.producers.forget_unsafe();
        for queued in group {
            if queued.entry.derivable {
                self.publish_group(vec![queued], effects);
                continue;
            }
            self.queued_bytes -= queued_weight(&queued.entry);
            for Part { pipeline, batch } in &queued.entry.parts {
                if let Some(pipeline) = self.pipelines.get_mut(pipeline.0) {
                    pipeline.unreserve(batch);
                }
            }
            effects.fail(queued.completion, Refusal::retry(Reason::Storage));
        }
        for slot in self.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.slots) {
            effects.wake(slot.waker.take());
        }
    }

    /// The places of all durable cursors, if any has changed; those that nobody has held for [`ORPHAN_GRACE`] are
    /// forgotten.
    pub(super) fn cursors_to_save(&mut self, now: UnixNanos, at_once: bool) -> Option<Vec<StoredCursor>> {
        if !at_once && !self.moved {
            return None;
        }
        self.moved = false;
        for stored in self.stored.iter_mut().filter(|stored| stored.held == UnixNanos::default()) {
            stored.held = now;
        }
        self.stored.retain(|stored| now.since(stored.held) < ORPHAN_GRACE);
        let mut cursors = self.stored.clone();
        for pipeline in self.pipelines.iter().filter(|pipeline| pipeline.on_disk()) {
            cursors.extend(pipeline.slots.iter().map(|slot| StoredCursor {
                pipeline: pipeline.settings.name.clone(),
                name: slot.name.clone(),
                position: slot.committed,
                held: now,
            }));
        }
        Some(cursors)
    }

    /// A save has failed.
    pub(super) fn save_again(&mut self) {
        self.moved = true;
    }

    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Nothing more is to come, neither entries nor commits.
    pub(super) fn end(&mut self, effects: &mut Effects) {
        self.ended = true;
        self.close(effects);
    }

    /// Takes no more entries. Cursors that wait learn that the end is the end.
    pub(super) fn close(&mut self, effects: &mut Effects) {
        self.closed = true;
        for slot in self.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.slots) {
            effects.wake(slot.waker.take());
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let held = self.pipelines.iter().flat_map(|pipeline| {
            pipeline.slots.iter().map(|slot| slot.stats(&pipeline.settings, pipeline.tail.end()))
        });
        Stats {
            tail_bytes: self.pipelines.iter().map(|pipeline| pipeline.tail.bytes()).sum(),
            queued_bytes: self.queued_bytes,
            disk_bytes: 0,
            segments: 0,
            read_only: self.read_only,
            refusing: self.refusing,
            appended: self.appended,
            refused: self.refused,
            unreadable: self.unreadable,
            cursors: held.chain(self.left.iter().cloned()).collect(),
        }
    }
}

// === impl Queued ===

impl Queued {
    /// Moves the places of the durable pipelines past this entry, and hands its written parts, each with the place its
    /// pipeline reaches by it, to `write`; not at all if none is written. `ends` are the durable pipelines in order.
    pub(super) fn advance(
        &self,
        ends: &mut [(String, Position)],
        durable: &[Option<usize>],
        write: impl FnOnce(&[(&Part, u32, Position)]),
    ) {
        let mut written = Vec::with_capacity(self.entry.parts.len());
        for part in &self.entry.parts {
            let Some(place) = durable.get(part.pipeline.0).copied().flatten() else { continue };
            let Some((_, end)) = ends.get_mut(place) else { continue };
            *end = end.after(&part.batch);
            written.push((part, place as u32, *end));
        }
        if !self.entry.derivable && !written.is_empty() {
            write(&written);
        }
    }
}

/// What an entry counts while it waits for the disk.
fn queued_weight(entry: &Entry) -> u64 {
    RECORD_COST + entry.parts.iter().map(|part| weight(&part.batch)).sum::<u64>()
}

/// What waits for the disk at most: some seconds of a slow one.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// How long the place of a cursor that nobody holds is kept, and pins its segments.
const ORPHAN_GRACE: Duration = Duration::from_secs(72 * 3_600);
