//! One pipeline: its tail, its cursors and their bounds.
//!
//! - **Guaranteed:** no cursor's lag passes its bound by more than the entry that reaches it; a record
//!   leaves memory only when every cursor has passed it, or the disk has it, or its loss is counted.

use std::{collections::VecDeque, sync::Arc, task::Waker};

use proto::AnyBatch;

use super::{
    Bounds, CursorStats, Mode, OnFull, PipelineSettings, Position,
    effects::Effects,
    tail::{Tail, weight},
    ticket::Completion,
};
use crate::refusal::{Reason, Refusal};

/// What stands under the lock for one pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) settings: PipelineSettings,
    pub(super) tail: Tail,
    /// What of the tail may stay in memory once the disk has it.
    pub(super) tail_bytes_max: u64,
    /// Weight of what was taken and is not published yet.
    pub(super) reserved: u64,
    pub(super) slots: Vec<Slot>,
    /// Places on disk, some [`MARK_BYTES`] apart and in order: a consumer that must drop what left memory drops up to
    /// one of them. The places themselves tell how many items that were.
    pub(super) marks: VecDeque<Position>,
    /// The end at start.
    pub(super) recovered_end: Position,
    /// Tickets that wait for every cursor to pass a place, in order.
    waiting: VecDeque<(Position, Arc<Completion>)>,
}

/// The journal's side of a cursor.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: u64,
    pub(super) name: String,
    pub(super) bounds: Bounds,
    /// Everything up to here was handed out, or dropped.
    pub(super) read: Position,
    /// Everything up to here is done with. `committed <= read`.
    pub(super) committed: Position,
    /// Everything up to here was taken in; what is behind the commit may be wanted again. `committed <= applied`.
    pub(super) applied: Position,
    /// Ranges between `committed` and `read` that were dropped unread, in order.
    pub(super) gaps: Vec<(Position, Position)>,
    pub(super) dropped_items: u64,
    pub(super) waker: Option<Waker>,
}

// === impl Pipeline ===

impl Pipeline {
    pub(super) fn new(settings: PipelineSettings, tail_bytes_max: u64, end: Position) -> Self {
        Self {
            settings,
            tail: Tail::at(end),
            tail_bytes_max,
            reserved: 0,
            slots: Vec::new(),
            marks: VecDeque::new(),
            recovered_end: end,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn on_disk(&self) -> bool {
        self.settings.mode == Mode::Durable
    }

    /// Sets bytes aside for a batch, or says why not.
    pub(super) fn reserve(&mut self, batch: &AnyBatch) -> Result<(), Refusal> {
        let weight = weight(batch);
        for slot in self.slots.iter().filter(|slot| slot.bounds.on_full == OnFull::Refuse) {
            if weight > slot.bounds.lag_bytes_max {
                return Err(Refusal::permanent(Reason::TooLarge));
            }
            if slot.lag(self.tail.end()) + self.reserved + weight > slot.bounds.lag_bytes_max {
                return Err(Refusal::retry(Reason::QueueFull));
            }
        }
        self.reserved += weight;
        Ok(())
    }

    /// Gives back what [`Pipeline::reserve`] set aside.
    pub(super) fn unreserve(&mut self, batch: &AnyBatch) {
        let weight = weight(batch);
        debug_assert!(self.reserved >= weight, "only what was reserved is given back");
        self.reserved -= weight;
    }

    /// Shows a reserved batch to the cursors.
    pub(super) fn publish(
        &mut self,
        arrival: crate::time::UnixNanos,
        batch: AnyBatch,
        written: bool,
        effects: &mut Effects,
    ) -> Position {
        self.unreserve(&batch);
        let before = self.marks.back().copied().unwrap_or(self.recovered_end);
        let position = self.tail.push(arrival, batch, written);
        if self.on_disk() && position.bytes - before.bytes >= MARK_BYTES {
            self.marks.push_back(position);
        }
        for slot in &mut self.slots {
            effects.wake(slot.waker.take());
        }
        position
    }

    /// Resolves `completion` once every cursor has passed `position`.
    pub(super) fn wait_for(&mut self, position: Position, completion: Arc<Completion>) {
        self.waiting.push_back((position, completion));
    }

    /// Brings everything back inside its bounds; called after whatever moves an end or a cursor.
    pub(super) fn settle(&mut self, effects: &mut Effects) {
        self.drop_oldest(effects);
        let floor = self.floor();
        while self.waiting.front().is_some_and(|(position, _)| *position <= floor) {
            if let Some((_, completion)) = self.waiting.pop_front() {
                effects.done(completion);
            }
        }
        // What the disk has need not wait in memory for those who have read it and not finished with it.
        let free = if self.on_disk() {
            self.slots.iter().map(|slot| slot.read).min().unwrap_or(floor)
        } else {
            floor
        };
        while self.marks.len() > 1 && self.marks.front().is_some_and(|mark| *mark <= free) {
            self.marks.pop_front();
        }
        effects.free(self.tail.release(free));
        if self.on_disk()
            && let Some(surplus) = self.tail.surplus(self.tail_bytes_max)
        {
            self.evict(surplus, effects);
        }
    }

    pub(super) fn slot(&mut self, key: u64) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.key == key)
    }

    /// Removes a cursor. Nobody will deliver what it had not committed.
    pub(super) fn remove(&mut self, key: u64, effects: &mut Effects) -> Option<Slot> {
        let index = self.slots.iter().position(|slot| slot.key == key)?;
        let slot = self.slots.swap_remove(index);
        let refusal = Refusal::retry(Reason::ShuttingDown);
        self.fail_waiting(slot.committed, self.tail.end(), &refusal, effects);
        self.settle(effects);
        Some(slot)
    }

    /// Begins at the place the disk has kept.
    pub(super) fn recover(&mut self, end: Position) {
        self.tail = Tail::at(end);
        self.recovered_end = end;
    }

    /// The place every cursor has passed.
    fn floor(&self) -> Position {
        self.slots.iter().map(|slot| slot.committed).min().unwrap_or(self.tail.end())
    }

    fn drop_oldest(&mut self, effects: &mut Effects) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let Some((from, to)) = slot.drop_oldest(&self.tail, &self.marks) else { continue };
            self.fail_waiting(from, to, &Refusal::retry(Reason::QueueFull), effects);
        }
    }

    /// Lets go of records the disk has. Records it never gets are lost to who has not read them.
    fn evict(&mut self, position: Position, effects: &mut Effects) {
        for record in self.tail.up_to(position).filter(|record| !record.written) {
            for slot in self.slots.iter_mut().filter(|slot| slot.read < record.record.position) {
                slot.dropped_items += record.record.batch.items() as u64;
            }
        }
        effects.free(self.tail.release(position));
    }

    /// Resolves every ticket that waits for a place behind `after`, up to and including `up_to`, with this refusal.
    pub(super) fn fail_waiting(
        &mut self,
        after: Position,
        up_to: Position,
        refusal: &Refusal,
        effects: &mut Effects,
    ) {
        self.waiting.retain(|(position, completion)| {
            let lost = after < *position && *position <= up_to;
            if lost {
                effects.fail(Arc::clone(completion), refusal.clone());
            }
            !lost
        });
    }
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(key: u64, name: &str, bounds: Bounds, position: Position) -> Self {
        Self {
            key,
            name: name.to_owned(),
            bounds,
            read: position,
            committed: position,
            applied: position,
            gaps: Vec::new(),
            dropped_items: 0,
            waker: None,
        }
    }

    /// Weight between commit and `end`, without what was dropped.
    pub(super) fn lag(&self, end: Position) -> u64 {
        let dropped: u64 = self.gaps.iter().map(|(from, to)| to.bytes - from.bytes).sum();
        (end.bytes - self.committed.bytes).saturating_sub(dropped)
    }

    /// Weight between what was taken in and `end`, without what was dropped.
    pub(super) fn behind(&self, end: Position) -> u64 {
        self.lag(end).saturating_sub(self.applied.bytes - self.committed.bytes)
    }

    /// Items between what was taken in and `end`, without what was dropped.
    fn items_behind(&self, end: Position) -> u64 {
        let dropped: u64 = self.gaps.iter().map(|(from, to)| to.items - from.items).sum();
        (end.items - self.applied.items).saturating_sub(dropped)
    }

    /// The cursor in numbers, in a pipeline that ends at `end`.
    pub(super) fn stats(&self, pipeline: &PipelineSettings, end: Position) -> CursorStats {
        CursorStats {
            pipeline: pipeline.name.clone(),
            name: self.name.clone(),
            mode: pipeline.mode,
            lag_bytes: self.behind(end),
            lag_items: self.items_behind(end),
            held_bytes: self.lag(end),
            lag_bytes_max: self.bounds.lag_bytes_max,
            dropped_items: self.dropped_items,
        }
    }

    /// Takes note that everything up to `position` is done with.
    pub(super) fn commit(&mut self, position: Position) {
        self.committed = self.committed.max(position.min(self.read));
        // A gap that now begins at the commit has nothing left that could be committed.
        self.gaps.retain(|(from, to)| {
            let passed = *from <= self.committed;
            if passed {
                self.committed = self.committed.max(*to);
            }
            !passed
        });
        self.applied = self.applied.max(self.committed);
    }

    /// Takes note that everything up to `position` was taken in, and may be wanted again.
    pub(super) fn apply(&mut self, position: Position) {
        self.applied = self.applied.max(position.min(self.read));
    }

    /// Goes back, or forward, to `position`.
    pub(super) fn rewind(&mut self, position: Position) {
        self.read = position;
        self.committed = position;
        self.applied = position;
        self.gaps.clear();
    }

    /// Drops unread records, oldest first, until the lag is inside the bound. Gives the range.
    fn drop_oldest(&mut self, tail: &Tail, marks: &VecDeque<Position>) -> Option<(Position, Position)> {
        let lag = self.lag(tail.end());
        if self.bounds.on_full != OnFull::DropOldest || lag <= self.bounds.lag_bytes_max {
            return None;
        }
        let surplus = lag - self.bounds.lag_bytes_max;
        let from = self.read;
        let enough = |to: &Position| *to > from && to.bytes - from.bytes >= surplus;
        let on_disk = marks.iter().take_while(|mark| **mark <= tail.start()).copied();
        let in_memory = tail.after(from).map(|record| record.record.position);
        let to = on_disk.chain(in_memory).find(enough).unwrap_or(tail.end());
        (to > from).then(|| {
            self.skip(to);
            (from, to)
        })
    }

    /// Passes over what is unread up to `to`, counted as dropped.
    fn skip(&mut self, to: Position) {
        let from = std::mem::replace(&mut self.read, to);
        self.dropped_items += to.items - from.items;
        match self.gaps.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => self.gaps.push((from, to)),
        }
        self.commit(self.committed);
    }
}

/// How much a consumer that has left memory behind drops at once, at least.
const MARK_BYTES: u64 = 64 << 10;
