//! Requests in flight, in the order of the journal.
//!
//! **Guaranteed:** a position is handed out for commit only when every request before it is settled,
//! and its tally with it: what is not committed is still in the journal and counted nowhere else.

use std::collections::{BTreeMap, VecDeque};

use super::Refused;

/// Requests read and not yet committed. `P` is a position in the journal.
#[derive(Debug)]
pub(super) struct Window<P> {
    slots: VecDeque<Slot<P>>,
    /// The ticket of `slots[0]`.
    first: u64,
    bytes: usize,
}

/// What became of the items of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Taken by the destination.
    pub(super) sent: u64,
    /// Given up for good, by the code they were refused with.
    pub(super) failed: BTreeMap<&'static str, u64>,
    /// The first refusal that cost a part of the request.
    pub(super) refused: Option<Refused>,
}

#[derive(Debug)]
struct Slot<P> {
    last: P,
    bytes: usize,
    tally: Option<Tally>,
}

// === impl Tally ===

impl Tally {
    /// These items are given up.
    pub(super) fn fail(&mut self, items: u64, refused: Refused) {
        *self.failed.entry(refused.code).or_default() += items;
        self.refused.get_or_insert(refused);
    }
}

// === impl Window ===

impl<P: Copy> Window<P> {
    pub(super) fn new() -> Self {
        Self { slots: VecDeque::new(), first: 0, bytes: 0 }
    }

    /// Takes in a request that ends at `last`, and gives the ticket to settle it with.
    pub(super) fn push(&mut self, last: P, bytes: usize) -> u64 {
        self.slots.push_back(Slot { last, bytes, tally: None });
        self.bytes += bytes;
        self.first + self.slots.len() as u64 - 1
    }

    /// Notes what became of a request.
    pub(super) fn settle(&mut self, ticket: u64, tally: Tally) {
        let slot = ticket.checked_sub(self.first).and_then(|index| self.slots.get_mut(index as usize));
        debug_assert!(slot.as_ref().is_some_and(|slot| slot.tally.is_none()), "a ticket is settled once");
        if let Some(slot) = slot {
            slot.tally = Some(tally);
        }
    }

    /// Takes out the request at the front, if it is settled: where it ends, and what became of it.
    pub(super) fn advance(&mut self) -> Option<(P, Tally)> {
        let slot = self.slots.pop_front_if(|slot| slot.tally.is_some())?;
        self.first += 1;
        self.bytes -= slot.bytes;
        Some((slot.last, slot.tally?))
    }

    /// Bytes of the requests read and not yet committed.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Requests read and not yet committed.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contiguous_settled_prefix_is_committed() {
        let mut window = Window::new();
        let tickets: Vec<_> = (1..=4).map(|last| window.push(last, 10)).collect();
        let one = |sent| Tally { sent, ..Tally::default() };
        window.settle(tickets[1], one(1));
        assert_eq!(window.advance(), None);
        window.settle(tickets[0], one(0));
        assert_eq!(window.advance(), Some((1, one(0))));
        assert_eq!(window.advance(), Some((2, one(1))));
        assert_eq!(window.advance(), None);
        assert_eq!((window.bytes(), window.len()), (20, 2));
        window.settle(tickets[3], one(3));
        assert_eq!(window.advance(), None);
        window.settle(tickets[2], one(2));
        assert_eq!(window.advance(), Some((3, one(2))));
        assert_eq!(window.advance(), Some((4, one(3))));
        assert_eq!((window.bytes(), window.len()), (0, 0));
    }
}
