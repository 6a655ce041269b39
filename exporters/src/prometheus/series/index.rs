//! From the bytes of a label set to the place of its series.
//!
//! - **Guaranteed:** growing never takes long: a big index is many small tables, each of which grows
//!   by itself, and none looks at the keys to do so.
//! - **Not here:** the keys. They stand once, in the rows.

use hashbrown::HashTable;

/// A set of places, found by a hash and a comparison.
#[derive(Debug)]
pub(super) struct Index {
    /// One table while small, then [`SHARDS`].
    shards: Vec<HashTable<Entry>>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    place: u32,
}

// === impl Index ===

impl Index {
    /// An empty index.
    pub(super) fn new() -> Self {
        Self { shards: vec![HashTable::new()], len: 0 }
    }

    /// The place with this hash for which `is` holds.
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag(hash);
        let entry =
            self.shards[self.shard(tag)].find(spread(tag), |entry| entry.tag == tag && is(entry.place));
        entry.map(|entry| entry.place)
    }

    /// Adds a place that is not there yet.
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        if self.shards.len() == 1 && self.len >= SPLIT_AT {
            self.split();
        }
        let tag = tag(hash);
        let shard = self.shard(tag);
        self.shards[shard].insert_unique(spread(tag), Entry { tag, place }, |entry| spread(entry.tag));
        self.len += 1;
    }

    /// Removes a place.
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let tag = tag(hash);
        let shard = self.shard(tag);
        if let Ok(entry) = self.shards[shard].find_entry(spread(tag), |entry| entry.place == place) {
            entry.remove();
            self.len -= 1;
        }
    }

    fn split(&mut self) {
        let mut shards: Vec<HashTable<Entry>> = (0..SHARDS).map(|_| HashTable::new()).collect();
        for entry in self.shards.iter().flatten() {
            let shard = entry.tag as usize % SHARDS;
            shards[shard].insert_unique(spread(entry.tag), *entry, |entry| spread(entry.tag));
        }
        self.shards = shards;
    }

    fn shard(&self, tag: u32) -> usize {
        tag as usize % self.shards.len()
    }
}

/// The half of the hash that an entry keeps.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A table's hash of a tag: it looks at the highest and the lowest bits.
fn spread(tag: u32) -> u64 {
    let mixed = u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

/// Bytes of one entry with its share of the table's spare room, an estimate.
pub(super) const ENTRY_BYTES: usize = 14;

/// An index of this size becomes many tables. Tables grow by doubling, and the copying of one of them
/// is what a scrape may have to wait for.
const SPLIT_AT: usize = 4096;

const SHARDS: usize = 64;
