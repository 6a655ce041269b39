//! What a series holds, and how a new point changes it.
//!
//! - **In:** one reading of a point: cumulative (it replaces), delta (it is added) or instant (a gauge).
//! - **Guaranteed:** a value never becomes something that a page cannot show; counts never wrap; what is added
//!   up from finite numbers stays finite.

pub mod histogram;
pub mod number;
pub mod summary;

use proto::wire::Writer as Wire;

use super::{Dropped, family::Store, shelf::Shelf};
use crate::prometheus::{
    exemplar::Exemplar,
    protobuf::{self, metric},
    state::Reader,
    text::{Format, Kind, Writer},
};

/// How a point's value relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// The total since the start time.
    Cumulative,
    /// The increase since the start time, which is the time of the point before.
    Delta,
    /// The value at the moment.
    Instant,
}

/// What a series of one kind holds.
pub trait Value: Sized + Send + 'static {
    /// What one point says.
    type Reading<'a>: Copy;

    /// The shelf of this kind, if the family has that kind.
    fn shelf(store: &mut Store) -> Option<&mut Shelf<Self>>;

    /// The first value of a series.
    ///
    /// # Errors
    /// The reading cannot be shown.
    fn first(reading: Self::Reading<'_>) -> Result<Self, Dropped>;

    /// Takes a newer total. The answer is whether it fell, which means a restart.
    ///
    /// # Errors
    /// The reading cannot be shown; the value is unchanged.
    fn replace(&mut self, reading: Self::Reading<'_>) -> Result<bool, Dropped>;

    /// Takes an increase. The answer is whether it had to start anew.
    ///
    /// # Errors
    /// The reading cannot be added; the value is unchanged.
    fn add(&mut self, reading: Self::Reading<'_>) -> Result<bool, Dropped>;

    /// The same without exemplars.
    fn bare(&self) -> Self;

    /// What it was before anything was counted; nothing for what does not begin at zero.
    fn zero(&self) -> Option<Self>;

    /// What was added since `earlier`, as a value of its own; `None` if it is no continuation of it.
    fn since(&self, earlier: &Self) -> Option<Self>;

    /// Adds another value, as when many series are folded into one.
    ///
    /// # Errors
    /// The two do not fit together; `self` is unchanged.
    fn fold(&mut self, other: &Self) -> Result<(), Dropped>;

    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;

    /// How many lines, which are series to Prometheus, it shows.
    fn lines(&self) -> usize;

    /// Writes its lines.
    fn render(&self, line: &Line<'_>, writer: &mut Writer<'_>);

    /// Writes its fields of a protobuf `Metric`. The answer is whether that format can show it.
    fn encode(&self, line: &Line<'_>, out: &mut Wire) -> bool;

    /// Drops exemplars whose time has passed.
    fn forget_exemplars(&mut self, now_ns: u64, retention_ns: u64);

    /// Appends it to a snapshot.
    fn save(&self, out: &mut Vec<u8>);

    /// Reads it from a snapshot.
    fn restore(from: &mut Reader<'_>) -> Option<Self>;
}

/// What the lines of one series have in common.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The family's type.
    pub kind: Kind,
    /// The rendered labels.
    pub labels: &'a [u8],
    /// When the series began; zero if unknown.
    pub start_ns: u64,
    /// The time of the last point.
    pub time_ns: u64,
    /// What the page shows.
    pub show: &'a Show,
}

/// What a page shows beside the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// The time of the scrape.
    pub now_ns: u64,
    /// How long an exemplar is shown.
    pub exemplar_retention_ns: u64,
    /// Whether `_created` lines are written (OpenMetrics only).
    pub created: bool,
    /// Whether samples carry the time of their point.
    pub timestamps: bool,
    /// How long a new counter or histogram is shown as zero.
    pub zero_first_ns: u64,
}

// === impl Line ===

impl Line<'_> {
    /// Writes a series in the format of the page.
    pub fn write<V: Value>(&self, value: &V, writer: &mut Writer<'_>) {
        writer.with_labels(self.labels, |writer, labels| {
            let line = &Line { labels, ..*self };
            match writer.message() {
                None => value.render(line, writer),
                Some(message) => message.series(labels, |out| line.encode(value, out)),
            }
        });
    }

    fn encode<V: Value>(&self, value: &V, out: &mut Wire) -> bool {
        let shown = value.encode(self, out);
        if self.show.timestamps && self.time_ns > 0 {
            out.uint(metric::TIMESTAMP, self.time_ns / 1_000_000);
        }
        shown
    }

    /// Whether the page shows an exemplar still.
    pub fn shows(&self, exemplar: &Exemplar) -> bool {
        !exemplar.expired(self.show.now_ns, self.show.exemplar_retention_ns)
    }

    /// Writes an exemplar in protobuf, if there is one to show.
    pub fn encode_exemplar(&self, out: &mut Wire, number: u32, exemplar: Option<&Exemplar>) {
        if let Some(exemplar) = exemplar.filter(|exemplar| self.shows(exemplar)) {
            protobuf::push_exemplar(out, number, exemplar);
        }
    }

    /// Writes in protobuf when the series began, if that is known.
    pub fn encode_created(&self, out: &mut Wire, number: u32) {
        if self.start_ns > 0 {
            protobuf::push_time(out, number, self.start_ns);
        }
    }

    /// Ends a line: time, exemplar, line feed.
    pub fn end(&self, writer: &mut Writer<'_>, exemplar: Option<&Exemplar>) {
        if self.show.timestamps && self.time_ns > 0 {
            writer.timestamp(self.time_ns);
        }
        if let Some(exemplar) = exemplar.filter(|exemplar| self.shows(exemplar)) {
            writer.exemplar(exemplar.text());
        }
        writer.end_line();
    }

    /// Writes the `_created` line where it is wanted.
    pub fn created(&self, writer: &mut Writer<'_>) {
        if self.show.created && self.start_ns > 0 && writer.format() == Format::OpenMetrics {
            writer.sample("_created", self.labels, None);
            writer.created(self.start_ns);
            writer.end_line();
        }
    }
}
