//! How much goes into one request, and how long to wait for it.
//!
//! - **Guaranteed:** without `enough`, what is there is sent at once; records that arrive while all
//!   requests are in flight are joined, so load makes requests larger, not more.
//! - **Not here:** joining and cutting of bytes (`request`).

use std::time::Duration;

use pipelines::journal::Record;
use tokio::time::Instant;

/// The shape of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Records are joined up to this many bytes.
    pub bytes_target: usize,
    /// A request larger than this is cut before it is sent.
    pub bytes_max: usize,
    /// A request of more items than this is cut before it is sent.
    pub items_max: usize,
    /// A request of this size is sent without further wait.
    pub enough: Size,
    /// The longest wait for `enough`.
    pub wait_max: Duration,
}

/// A size in one of two units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Encoded bytes.
    Bytes(usize),
    /// Spans, data points, log records.
    Items(usize),
}

/// Records on their way into the next request.
#[derive(Debug)]
pub(super) struct Gatherer {
    gathering: Gathering,
    records: Vec<Record>,
    bytes: usize,
    items: usize,
    due: Option<Instant>,
}

// === impl Gathering ===

impl Default for Gathering {
    /// 2 MiB and at most 4 MiB, the size that most destinations take; no wait.
    fn default() -> Self {
        Self {
            bytes_target: 2 << 20,
            bytes_max: 4 << 20,
            items_max: usize::MAX,
            enough: Size::Bytes(0),
            wait_max: Duration::ZERO,
        }
    }
}

// === impl Gatherer ===

impl Gatherer {
    pub(super) fn new(gathering: Gathering) -> Self {
        Self { gathering, records: Vec::new(), bytes: 0, items: 0, due: None }
    }

    /// Takes in records read at `now`.
    pub(super) fn add(&mut self, records: Vec<Record>, now: Instant) {
        self.bytes += records.iter().map(|record| record.batch.bytes().len()).sum::<usize>();
        self.items += records.iter().map(|record| record.batch.items()).sum::<usize>();
        self.due.get_or_insert(now + self.gathering.wait_max);
        if self.records.is_empty() {
            self.records = records;
        } else {
            self.records.extend(records);
        }
    }

    /// Whether the records go out without further wait.
    pub(super) fn is_full(&self) -> bool {
        let enough = match self.gathering.enough {
            Size::Bytes(enough) => self.bytes >= enough,
            Size::Items(enough) => self.items >= enough,
        };
        !self.records.is_empty() && (enough || self.room() == 0)
    }

    /// Bytes that the next read may add.
    pub(super) fn room(&self) -> usize {
        self.gathering.bytes_target.saturating_sub(self.bytes)
    }

    /// When the records go out in any case; nothing if there are none.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The records, and their bytes.
    pub(super) fn take(&mut self) -> (Vec<Record>, usize) {
        let bytes = self.bytes;
        (self.bytes, self.items, self.due) = (0, 0, None);
        (std::mem::take(&mut self.records), bytes)
    }
}
