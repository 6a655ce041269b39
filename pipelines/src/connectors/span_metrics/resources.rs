//! The resources that spans are grouped by, bounded.
//!
//! - **Guaranteed:** finding a known resource allocates nothing. At most `resources_max` are held, in at most
//!   `bytes_max`. A resource that is in use, or whose values are not emitted yet, is never given up for a
//!   newcomer; while there is no other, newcomers share the overflow resource, group [`OVERFLOW`].

use std::{hash::BuildHasher, ops::Range};

use hashbrown::HashTable;
use proto::view::Attributes;

use crate::{connectors::key, time::UnixNanos};

/// The groups of the series table that stand for resources.
#[derive(Debug)]
pub(crate) struct Resources {
    /// Groups, by hash of the resource's bytes.
    index: HashTable<u32>,
    /// By group; the first is the overflow resource.
    slots: Vec<Option<Resource>>,
    free: Vec<u32>,
    resources_max: usize,
    bytes_max: usize,
    /// Groups that might be given up, the one idle longest last; found once per emission.
    idle: Option<Vec<u32>>,
    hasher: foldhash::fast::RandomState,
    scratch: Scratch,
    bytes: usize,
}

#[derive(Debug)]
struct Resource {
    /// Keys and values in turn, sorted by key; see [`key`].
    attributes: Box<[u8]>,
    seen: UnixNanos,
}

/// Where a resource is brought into its canonical form.
#[derive(Debug, Default)]
struct Scratch {
    unsorted: Vec<u8>,
    /// Where each pair lies in `unsorted`.
    pairs: Vec<Range<usize>>,
    sorted: Vec<u8>,
}

/// What became of a resource that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It is held, as this group.
    Group(u32),
    /// There is no room for it.
    Full,
}

// === impl Resources ===

impl Resources {
    /// No resource but the overflow one.
    pub(crate) fn new(resources_max: usize, bytes_max: usize) -> Self {
        let overflow = Resource { attributes: Box::default(), seen: UnixNanos(0) };
        Self {
            index: HashTable::new(),
            slots: vec![Some(overflow)],
            free: Vec::new(),
            resources_max,
            bytes_max,
            idle: None,
            hasher: foldhash::fast::RandomState::default(),
            scratch: Scratch::default(),
            bytes: 0,
        }
    }

    /// Finds or makes the group of a resource, known by the attributes that `keeps` accepts.
    pub(crate) fn find(
        &mut self,
        attributes: Attributes<'_>,
        keeps: impl Fn(&str) -> bool,
        now: UnixNanos,
    ) -> Lookup {
        self.scratch.fill(attributes, keeps);
        let hash = self.hasher.hash_one(&*self.scratch.sorted);
        let found = self.index.find(hash, |group| *self.attributes(*group) == *self.scratch.sorted).copied();
        let group = match found {
            Some(group) => group,
            None if self.is_full() => return Lookup::Full,
            None => self.insert(self.scratch.sorted.as_slice().into(), now),
        };
        self.slots[group as usize].as_mut().expect("groups in the index are held").seen = now;
        Lookup::Group(group)
    }

    /// Adds a resource in canonical form, as a saved state has it. Nothing if it is there already.
    pub(crate) fn restore(&mut self, attributes: &[u8], seen: UnixNanos) -> Option<u32> {
        let hash = self.hasher.hash_one(attributes);
        let known = self.index.find(hash, |group| *self.attributes(*group) == *attributes).is_some();
        (!known).then(|| self.insert(attributes.into(), seen))
    }

    /// The group to give up next: idle longest, and for [`IDLE_NS_MIN`] at least, among those that `emitted`
    /// accepts.
    pub(crate) fn candidate(&mut self, now: UnixNanos, emitted: impl Fn(u32) -> bool) -> Option<u32> {
        let Self { slots, idle, .. } = self;
        let idle_ns = |slot: &Option<Resource>| Some(now.0.saturating_sub(slot.as_ref()?.seen.0));
        let idle = idle.get_or_insert_with(|| {
            let held = slots.iter().enumerate().skip(1);
            let held = held.filter_map(|(group, slot)| Some((idle_ns(slot)?, group as u32)));
            let mut idle: Vec<_> = held.filter(|(idle_ns, _)| *idle_ns >= IDLE_NS_MIN).collect();
            idle.sort_unstable();
            idle.into_iter().map(|(_, group)| group).collect()
        });
        // Some may have been heard of since the list was made.
        let is_idle = |group: u32| idle_ns(&slots[group as usize]).is_some_and(|idle| idle >= IDLE_NS_MIN);
        std::iter::from_fn(|| idle.pop()).find(|group| is_idle(*group) && emitted(*group))
    }

    /// From now on the resources may be asked for candidates anew.
    pub(crate) fn emitted(&mut self) {
        self.idle = None;
    }

    /// Gives a resource up; gives its attributes.
    pub(crate) fn remove(&mut self, group: u32) -> Box<[u8]> {
        let Some(resource) = self.slots[group as usize].take() else { return Box::default() };
        let hash = self.hasher.hash_one(&*resource.attributes);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == group) {
            entry.remove();
        }
        self.free.push(group);
        self.bytes -= bytes_of(&resource.attributes);
        resource.attributes
    }

    /// The attributes of a group: keys and values in turn.
    pub(crate) fn attributes(&self, group: u32) -> &[u8] {
        self.slots[group as usize].as_ref().map_or(&[], |resource| &resource.attributes)
    }

    /// Every group but the overflow one, with its attributes and when it was seen last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u8], UnixNanos)> {
        let held = self.slots.iter().enumerate().skip(1);
        held.filter_map(|(group, slot)| {
            slot.as_ref().map(|resource| (group as u32, &*resource.attributes, resource.seen))
        })
    }

    /// How many are held, the overflow resource left out.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - 1 - self.free.len()
    }

    /// What all of them hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no room for the resource in `scratch`.
    fn is_full(&self) -> bool {
        self.len() >= self.resources_max || self.bytes + bytes_of(&self.scratch.sorted) > self.bytes_max
    }

    fn insert(&mut self, attributes: Box<[u8]>, seen: UnixNanos) -> u32 {
        let hash = self.hasher.hash_one(&*attributes);
        self.bytes += bytes_of(&attributes);
        let group = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("memory ends long before 2^32 resources")
        });
        self.slots[group as usize] = Some(Resource { attributes, seen });
        let rehash = |group: &u32| {
            let resource = self.slots[*group as usize].as_ref().expect("groups in the index are held");
            self.hasher.hash_one(&*resource.attributes)
        };
        self.index.insert_unique(hash, group, rehash);
        group
    }
}

// === impl Scratch ===

impl Scratch {
    /// Senders may order attributes as they like; sorted, equal resources have equal bytes. Sorting whole pairs
    /// sorts by key, because each begins with the key's length and text, and any order will do that is the same
    /// for everyone.
    fn fill(&mut self, attributes: Attributes<'_>, keeps: impl Fn(&str) -> bool) {
        self.unsorted.clear();
        self.pairs.clear();
        self.sorted.clear();
        for (name, value) in attributes {
            if keeps(name) {
                let start = self.unsorted.len();
                key::push_str(&mut self.unsorted, name);
                key::push(&mut self.unsorted, value);
                self.pairs.push(start..self.unsorted.len());
            }
        }
        let Self { unsorted, pairs, sorted } = self;
        pairs.sort_unstable_by(|a, b| unsorted[a.clone()].cmp(&unsorted[b.clone()]));
        for pair in pairs.iter() {
            sorted.extend_from_slice(&unsorted[pair.clone()]);
        }
    }
}

fn bytes_of(attributes: &[u8]) -> usize {
    attributes.len() + size_of::<Option<Resource>>() + 2 * size_of::<u32>()
}

/// Only a resource idle for so long makes room for another.
const IDLE_NS_MIN: u64 = 300_000_000_000;

/// The group of those for whom there was no room.
pub(crate) const OVERFLOW: u32 = 0;
