//! What the journal has seen of each producer, so that a repeat is known.
//!
//! - **Guaranteed:** at most [`PRODUCERS_MAX`] are kept; the one that was silent longest goes first.

use std::collections::HashMap;

use super::{ProducerId, Sequence};

/// High-water marks of the producers.
#[derive(Debug, Default)]
pub(super) struct Producers {
    marks: HashMap<ProducerId, Mark>,
    /// Counts appends of producers, to tell who was silent longest.
    age: u64,
}

/// `safe <= taken`.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Highest number taken, perhaps still on its way to the disk.
    taken: u64,
    /// Highest number that is as safe as its pipelines promise.
    safe: u64,
    used: u64,
}

/// What is known of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not seen.
    New,
    /// Taken, and on its way to the disk.
    OnItsWay,
    /// Taken, and safe.
    Safe,
}

// === impl Producers ===

impl Producers {
    pub(super) fn standing(&self, sequence: Sequence) -> Standing {
        match self.marks.get(&sequence.producer) {
            Some(mark) if sequence.number <= mark.safe => Standing::Safe,
            Some(mark) if sequence.number <= mark.taken => Standing::OnItsWay,
            _ => Standing::New,
        }
    }

    pub(super) fn take(&mut self, sequence: Sequence) {
        self.age += 1;
        if !self.marks.contains_key(&sequence.producer) && self.marks.len() >= PRODUCERS_MAX {
            let silent = self.marks.iter().min_by_key(|(_, mark)| mark.used).map(|(id, _)| *id);
            silent.map(|id| self.marks.remove(&id));
        }
        let mark = self.marks.entry(sequence.producer).or_default();
        mark.taken = mark.taken.max(sequence.number);
        mark.used = self.age;
    }

    pub(super) fn safe(&mut self, sequence: Sequence) {
        if let Some(mark) = self.marks.get_mut(&sequence.producer) {
            mark.safe = mark.safe.max(sequence.number);
        }
    }

    /// The disk has it.
    pub(super) fn recover(&mut self, sequence: Sequence) {
        self.take(sequence);
        self.safe(sequence);
    }

    /// What was on its way did not arrive: it may come again.
    pub(super) fn forget_unsafe(&mut self) {
        self.marks.values_mut().for_each(|mark| mark.taken = mark.safe);
    }

    /// The safe marks, for the header of a segment.
    pub(super) fn marks(&self) -> Vec<Sequence> {
        self.marks.iter().map(|(id, mark)| Sequence { producer: *id, number: mark.safe }).collect()
    }
}

/// Producers remembered at once. Each costs some 64 bytes here and 24 in every segment header.
const PRODUCERS_MAX: usize = 1024;
