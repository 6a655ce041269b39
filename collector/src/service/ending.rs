//! What became of the data when the process stops: the last lines of the log.
//!
//! - **In:** the counters of every consumer, and how far behind each cursor was when it was given free.
//! - **Out:** a line for each consumer that left something behind, and one with the sums.
//! - **Guaranteed:** the sums of one line are disjoint: what is in the journal goes out at the next start, what was
//!   lost was acknowledged and is gone, what was not acknowledged is still with its sender.

use pipelines::{
    engine::run::Edges,
    journal::{CursorStats, Journal, Mode},
};
use tracing::{error, info, warn};

/// What became of the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    delivered_items: u64,
    refused_items: u64,
    dropped_items: u64,
    in_journal: Amount,
    lost: Amount,
    unanswered: Amount,
    /// Those that left something behind.
    behind: Vec<CursorStats>,
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    items: u64,
    bytes: u64,
}

// === impl Ending ===

impl Ending {
    /// As it is now; final once the pipelines have stopped.
    pub(super) fn of(edges: &Edges, journal: &Journal) -> Self {
        let mut ending = Self::default();
        for edge in &edges.consumers {
            ending.delivered_items += edge.sent.total();
            ending.refused_items += edge.failed.total();
        }
        for cursor in journal.stats().cursors {
            ending.add(cursor);
        }
        ending
    }

    fn add(&mut self, cursor: CursorStats) {
        self.dropped_items += cursor.dropped_items;
        if cursor.lag_items == 0 {
            return;
        }
        let amount = match cursor.mode {
            Mode::Durable => &mut self.in_journal,
            Mode::Memory => &mut self.lost,
            Mode::Delivered => &mut self.unanswered,
        };
        amount.items += cursor.lag_items;
        amount.bytes += cursor.lag_bytes;
        self.behind.push(cursor);
    }

    /// Writes it into the log, the sums last and under `title`.
    pub(super) fn log(&self, title: &str) {
        for cursor in &self.behind {
            let CursorStats { pipeline, name: consumer, lag_items: items, lag_bytes: bytes, .. } = cursor;
            match cursor.mode {
                Mode::Durable => {
                    warn!(
                        consumer,
                        pipeline, items, bytes, "stays in the journal and goes out at the next start"
                    );
                }
                Mode::Memory => {
                    let reason = "shutdown";
                    error!(
                        consumer,
                        pipeline, items, bytes, reason, "lost: this pipeline keeps its data in memory only"
                    );
                }
                Mode::Delivered => {
                    warn!(consumer, pipeline, items, bytes, "not delivered and not acknowledged either");
                }
            }
        }
        info!(
            delivered_items = self.delivered_items,
            refused_items = self.refused_items,
            dropped_items = self.dropped_items,
            journal_items = self.in_journal.items,
            journal_bytes = self.in_journal.bytes,
            lost_items = self.lost.items,
            lost_bytes = self.lost.bytes,
            unanswered_items = self.unanswered.items,
            "{title}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(mode: Mode, items: u64) -> CursorStats {
        CursorStats {
            pipeline: "traces".to_owned(),
            name: "debug".to_owned(),
            mode,
            lag_bytes: 10 * items,
            lag_items: items,
            held_bytes: 10 * items,
            lag_bytes_max: 1_000,
            dropped_items: 1,
        }
    }

    #[test]
    fn what_is_left_behind_is_told_by_what_becomes_of_it() {
        let mut ending = Ending::default();
        for (mode, items) in [(Mode::Durable, 1), (Mode::Memory, 2), (Mode::Delivered, 4), (Mode::Memory, 0)]
        {
            ending.add(behind(mode, items));
        }
        assert_eq!(ending.in_journal, Amount { items: 1, bytes: 10 });
        assert_eq!(ending.lost, Amount { items: 2, bytes: 20 });
        assert_eq!(ending.unanswered, Amount { items: 4, bytes: 40 });
        assert_eq!((ending.behind.len(), ending.dropped_items), (3, 4));
    }
}
