//! The series of a connector: found by borrowed bytes, bounded, and never wrong in their totals.
//!
//! Series are arranged in groups (a resource, or a metric), each with a limit of its own. What does not fit
//! goes to the group's overflow series, so that the sum over a group stays exact.
//!
//! - **Guaranteed:** finding a known series allocates nothing; memory stays below `bytes_max` plus one
//!   overflow series per group; a series that was idle for longer than `expiration` starts anew, whenever the
//!   table happens to be swept (the outcome depends on arrival times only).
//! - **Not here:** what a series holds (a [`Cell`]) and how it is emitted.

use std::{hash::BuildHasher, time::Duration};

use hashbrown::HashTable;

use crate::{
    config::ByteSize,
    connectors::exemplars::{Exemplars, Origin, SLOT_BYTES_MAX},
    time::UnixNanos,
};

/// What a series accumulates.
pub(crate) trait Cell {
    /// Where its exemplars are; nothing for kinds that carry none.
    fn exemplars(&self) -> Option<&Exemplars>;
    /// The same, to be changed.
    fn exemplars_mut(&mut self) -> Option<&mut Exemplars>;
    /// Bytes held on the heap, exemplars left out.
    fn heap_bytes(&self) -> usize;
}

/// A bounded table of series.
#[derive(Debug)]
pub(crate) struct Table<C> {
    /// Indices into `slots`, by hash of group and key.
    index: HashTable<u32>,
    slots: Vec<Option<Series<C>>>,
    free: Vec<u32>,
    groups: Vec<Group>,
    /// Slots touched since the last [`take_changed`](Self::take_changed), each once.
    changed: Vec<u32>,
    hasher: foldhash::fast::RandomState,
    limits: Limits,
    /// What all series hold, by the estimate of [`Series::bytes`].
    bytes: usize,
}

/// One series.
#[derive(Debug)]
pub(crate) struct Series<C> {
    pub(crate) group: u32,
    /// See [`crate::connectors::key`]; empty for the overflow series of a group.
    pub(crate) key: Box<[u8]>,
    /// Whether it holds what found no room in its group.
    pub(crate) overflow: bool,
    /// Arrival of the first record, kept over restarts.
    pub(crate) start: UnixNanos,
    /// Arrival of the latest record.
    pub(crate) seen: UnixNanos,
    pub(crate) cell: C,
    changed: bool,
}

/// The bounds of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Series of one group, the overflow series left out; nothing if unlimited.
    pub(crate) series_per_group: Option<usize>,
    /// Bytes of all series.
    pub(crate) bytes_max: usize,
    /// A series idle for longer starts anew; nothing if never.
    pub(crate) expiration_ns: Option<u64>,
}

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    /// It went to the overflow series, for want of room.
    pub(crate) overflow: bool,
}

#[derive(Debug, Default)]
struct Group {
    /// Slots of its series, the overflow series left out.
    members: Vec<u32>,
    overflow: Option<u32>,
    reported: bool,
}

// === impl Table ===

impl<C: Cell> Table<C> {
    /// An empty table.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            groups: Vec::new(),
            changed: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
            limits,
            bytes: 0,
        }
    }

    /// Finds or makes the series of `key`, or the overflow series of its group if there is no room. The series
    /// counts as seen and changed.
    #[inline]
    pub(crate) fn touch(&mut self, group: u32, key: &[u8], now: UnixNanos, fresh: impl Fn() -> C) -> Place {
        let hash = hash(&self.hasher, group, key);
        let found = self.index.find(hash, |slot| self.series(*slot).is(group, key)).copied();
        let place = match found {
            Some(slot) => Place { slot, overflow: false },
            None => self.make(group, key, now, &fresh),
        };
        self.see(place.slot, now, fresh);
        place
    }

    /// The overflow series of a group; it counts as seen and changed.
    pub(crate) fn touch_overflow(&mut self, group: u32, now: UnixNanos, fresh: impl Fn() -> C) -> Place {
        let slot = self.overflow_of(group, now, &fresh);
        self.see(slot, now, fresh);
        Place { slot, overflow: true }
    }

    /// The series in a slot that [`touch`](Self::touch) gave.
    #[inline]
    pub(crate) fn series(&self, slot: u32) -> &Series<C> {
        self.slots[slot as usize].as_ref().expect("indices lead to living series")
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn series_mut(&mut self, slot: u32) -> &mut Series<C> {
        self.slots[slot as usize].as_mut().expect("indices lead to living series")
    }

    /// Keeps an exemplar, if its bucket has a slot already or memory has room for one.
    pub(crate) fn put_exemplar(
        &mut self,
        slot: u32,
        bucket: u16,
        now: UnixNanos,
        origin: Origin,
        value: f64,
        task_id: &str,
    ) {
        let room = self.bytes + SLOT_BYTES_MAX <= self.limits.bytes_max;
        let Some(exemplars) = self.series_mut(slot).cell.exemplars_mut() else { return };
        let grows = exemplars.grows(bucket);
        if grows && !room {
            return;
        }
        exemplars.put(bucket, now, origin, value, task_id);
        self.bytes += if grows { SLOT_BYTES_MAX } else { 0 };
    }

    /// The slots touched since the last call, group by group; they count as unchanged from now on.
    pub(crate) fn take_changed(&mut self) -> Vec<u32> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.retain(|slot| {
            let series = self.slots[*slot as usize].as_mut();
            series.is_some_and(|series| std::mem::take(&mut series.changed))
        });
        changed.sort_by_key(|slot| (self.series(*slot).group, *slot));
        changed
    }

    /// Whether any series of the group has changed since the last [`take_changed`](Self::take_changed).
    pub(crate) fn group_changed(&self, group: u32) -> bool {
        self.groups.get(group as usize).is_some_and(|group| {
            group.members.iter().chain(&group.overflow).any(|slot| self.series(*slot).changed)
        })
    }

    /// Lets a series begin anew: nothing counted, from `start` on. When it was seen last stays.
    pub(crate) fn renew(&mut self, slot: u32, start: UnixNanos, fresh: impl Fn() -> C) {
        let series = self.series_mut(slot);
        let before = series.bytes();
        (series.cell, series.start) = (fresh(), start);
        self.bytes = self.bytes - before + self.series(slot).bytes();
    }

    /// Removes the series that have been idle for too long.
    pub(crate) fn expire(&mut self, now: UnixNanos) -> Vec<Series<C>> {
        match self.limits.expiration_ns {
            Some(after) => self.remove_where(|series| now.0.saturating_sub(series.seen.0) > after),
            None => Vec::new(),
        }
    }

    /// Removes the series for which `is_over` is true.
    pub(crate) fn remove_where(&mut self, is_over: impl Fn(&Series<C>) -> bool) -> Vec<Series<C>> {
        let mut removed = Vec::new();
        for group in 0..self.groups.len() {
            let Group { members, overflow, reported } = std::mem::take(&mut self.groups[group]);
            let is_over = |slot: &u32| is_over(self.series(*slot));
            let (over, members): (Vec<_>, Vec<_>) = members.into_iter().partition(is_over);
            let (gone, overflow) = (overflow.filter(is_over), overflow.filter(|slot| !is_over(slot)));
            self.groups[group] = Group { members, overflow, reported };
            removed.extend(over.into_iter().chain(gone).filter_map(|slot| self.remove(slot)));
        }
        removed
    }

    /// Removes a group with all its series.
    pub(crate) fn remove_group(&mut self, group: u32) -> Vec<Series<C>> {
        let Some(group) = self.groups.get_mut(group as usize) else { return Vec::new() };
        let Group { members, overflow, .. } = std::mem::take(group);
        members.into_iter().chain(overflow).filter_map(|slot| self.remove(slot)).collect()
    }

    /// Puts a saved series in its place, whatever the limits say; it counts as changed. Says whether there was
    /// no such series yet.
    pub(crate) fn restore(&mut self, mut series: Series<C>) -> bool {
        let hash = hash(&self.hasher, series.group, &series.key);
        let taken = if series.overflow {
            self.group(series.group).overflow.is_some()
        } else {
            self.index.find(hash, |slot| self.series(*slot).is(series.group, &series.key)).is_some()
        };
        if taken {
            return false;
        }
        series.changed = true;
        let slot = self.insert(series);
        self.changed.push(slot);
        true
    }

    /// Every living series.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Series<C>> {
        self.slots.iter().flatten()
    }

    /// How many series there are, overflow series among them.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// What all series hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The keys of a group that has overflowed, once per group: the place to look for the guilty label.
    pub(crate) fn report_overflow(&mut self, group: u32) -> Option<impl Iterator<Item = &[u8]>> {
        if std::mem::replace(&mut self.group(group).reported, true) {
            return None;
        }
        let members = &self.groups[group as usize].members;
        Some(members.iter().map(|slot| &*self.series(*slot).key))
    }

    #[inline]
    fn see(&mut self, slot: u32, now: UnixNanos, fresh: impl Fn() -> C) {
        if self.idle(slot, now) {
            self.renew(slot, now, fresh);
        }
        let series = self.series_mut(slot);
        series.seen = now;
        if !series.changed {
            series.changed = true;
            self.changed.push(slot);
        }
    }

    #[cold]
    fn make(&mut self, group: u32, key: &[u8], now: UnixNanos, fresh: &impl Fn() -> C) -> Place {
        let series = Series::new(group, Some(key), now, fresh());
        let full = self.limits.series_per_group.is_some_and(|max| self.group(group).members.len() >= max);
        if full || self.bytes + series.bytes() > self.limits.bytes_max {
            return Place { slot: self.overflow_of(group, now, fresh), overflow: true };
        }
        Place { slot: self.insert(series), overflow: false }
    }

    fn overflow_of(&mut self, group: u32, now: UnixNanos, fresh: &impl Fn() -> C) -> u32 {
        self.group(group).overflow.unwrap_or_else(|| self.insert(Series::new(group, None, now, fresh())))
    }

    fn insert(&mut self, series: Series<C>) -> u32 {
        let (group, overflow) = (series.group, series.overflow);
        let hash_of_series = hash(&self.hasher, group, &series.key);
        self.bytes += series.bytes();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("memory ends long before 2^32 series")
        });
        self.slots[slot as usize] = Some(series);
        if overflow {
            self.group(group).overflow = Some(slot);
            return slot;
        }
        self.group(group).members.push(slot);
        let rehash = |slot: &u32| {
            let series = self.slots[*slot as usize].as_ref().expect("indices lead to living series");
            hash(&self.hasher, series.group, &series.key)
        };
        self.index.insert_unique(hash_of_series, slot, rehash);
        slot
    }

    /// Takes a series out; its group's lists are the caller's.
    fn remove(&mut self, slot: u32) -> Option<Series<C>> {
        let series = self.slots[slot as usize].take()?;
        self.free.push(slot);
        self.bytes -= series.bytes();
        let hash = hash(&self.hasher, series.group, &series.key);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        Some(series)
    }

    fn group(&mut self, group: u32) -> &mut Group {
        let group = group as usize;
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, Group::default);
        }
        &mut self.groups[group]
    }

    /// Whether a series has been idle for too long.
    pub(crate) fn is_over(&self, series: &Series<C>, now: UnixNanos) -> bool {
        let idle = now.0.saturating_sub(series.seen.0);
        self.limits.expiration_ns.is_some_and(|after| idle > after)
    }

    fn idle(&self, slot: u32, now: UnixNanos) -> bool {
        self.is_over(self.series(slot), now)
    }
}

// === impl Limits ===

impl Limits {
    /// From what the user writes: 0 series mean no limit.
    pub(crate) fn new(series_per_group: usize, bytes_max: ByteSize, expiration: Option<Duration>) -> Self {
        Self {
            series_per_group: (series_per_group > 0).then_some(series_per_group),
            bytes_max: usize::try_from(bytes_max.0).unwrap_or(usize::MAX),
            expiration_ns: expiration.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

// === impl Series ===

impl<C: Cell> Series<C> {
    /// A series that begins at `now`; without a key, the overflow series of its group.
    pub(crate) fn new(group: u32, key: Option<&[u8]>, now: UnixNanos, cell: C) -> Self {
        let (overflow, key) = (key.is_none(), key.unwrap_or_default().into());
        Self { group, key, overflow, start: now, seen: now, cell, changed: false }
    }

    #[inline]
    fn is(&self, group: u32, key: &[u8]) -> bool {
        self.group == group && *self.key == *key
    }

    /// What the series holds, its share of the index included.
    fn bytes(&self) -> usize {
        let slots = self.cell.exemplars().map_or(0, Exemplars::len);
        size_of::<Option<Self>>()
            + INDEX_BYTES
            + self.key.len()
            + self.cell.heap_bytes()
            + slots * SLOT_BYTES_MAX
    }
}

#[inline]
fn hash(state: &foldhash::fast::RandomState, group: u32, key: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = state.build_hasher();
    hasher.write_u32(group);
    hasher.write(key);
    hasher.finish()
}

/// A slot number in the index (at half load, with its control byte), in `members` and in `changed`.
const INDEX_BYTES: usize = 2 * (size_of::<u32>() + 1) + 2 * size_of::<u32>();

#[cfg(test)]
mod tests;
