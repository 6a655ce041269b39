//! A series: its labels, its value, and whose value it is.
//!
//! - **In:** points with rendered labels.
//! - **Guaranteed:** the value is that of one stream, or the sum of several ([`Streams`]), never now of one and now
//!   of another; where values cannot be added the first stream is shown until it is silent or one that began after its
//!   last point takes its place, and the points of others are refused.

use super::{
    Dropped,
    index::ENTRY_BYTES,
    streams::{Stream, Streams},
    usage::Usage,
    value::{Show, Temporality, Value},
};
use crate::prometheus::{
    exemplar::ALLOCATION,
    state::{Reader, put_bytes, put_varint},
};

/// What a point says beside its value.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// Rendered; they are the identity of the series.
    pub labels: &'a [u8],
    /// A hash of all that identifies the sender's stream: resource, scope, metric, attributes with their types.
    /// Stable over restarts.
    pub stream: u64,
    /// Whether the values of several streams can be added up.
    pub adds_up: bool,
    /// Start time, zero if unknown.
    pub start_ns: u64,
    /// Time of the point.
    pub time_ns: u64,
    /// Time of its arrival.
    pub now_ns: u64,
    /// How it relates to the point before.
    pub temporality: Temporality,
    /// Whether all that it counts was counted since the table exists, so that a new series began at zero before the
    /// eyes of whoever reads the page.
    pub from_zero: bool,
    /// Which input of the table writes it; snapshots are taken per input.
    pub input: u8,
}

/// One series.
#[derive(Debug)]
pub(super) struct Row<V> {
    pub(super) labels: Box<[u8]>,
    /// Whose the value is; without meaning while there are several.
    stream: u64,
    /// All of them, once there were two that add up.
    streams: Option<Box<Streams<V>>>,
    /// Seconds since 1970.
    pub(super) arrived_s: u32,
    /// When it came, rounded up, while it may be shown as zero; zero for one that did not begin so.
    born_s: u32,
    pub(super) start_ns: u64,
    /// Never falls.
    pub(super) time_ns: u64,
    pub(super) value: V,
    pub(super) input: u8,
    /// The start is not the sender's: there was a restart that was not announced.
    own_start: bool,
}

// === impl Row ===

impl<V: Value> Row<V> {
    /// A series that begins with this point.
    pub(super) fn first(point: &Point<'_>, reading: V::Reading<'_>) -> Result<Self, Dropped> {
        let value = V::first(reading)?;
        let start_ns = match point.temporality {
            Temporality::Delta if point.start_ns == 0 => point.time_ns,
            _ => point.start_ns,
        };
        Ok(Self {
            labels: point.labels.into(),
            stream: point.stream,
            streams: None,
            arrived_s: seconds(point.now_ns),
            born_s: if point.from_zero { seconds(point.now_ns.saturating_add(999_999_999)) } else { 0 },
            start_ns,
            time_ns: point.time_ns,
            value,
            input: point.input,
            own_start: false,
        })
    }

    /// A further point.
    ///
    /// # Errors
    /// It is out of order, or cannot be shown beside what is.
    pub(super) fn take(
        &mut self,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        usage: &Usage,
    ) -> Result<(), Dropped> {
        if self.streams.is_none() && self.is_continued_by(point) {
            return self.go_on(point, reading);
        }
        if point.adds_up {
            return match self.add(point, reading, usage) {
                Err(Dropped::StreamConflict) if self.is_silent(point) => {
                    self.start_anew(point, reading, usage)
                }
                added => added,
            };
        }
        // What began after the last point of the other is the same thing in a new process.
        if self.is_silent(point) || point.start_ns > self.time_ns {
            return self.start_anew(point, reading, usage);
        }
        Err(Dropped::StreamConflict)
    }

    /// Adds what found no room elsewhere.
    pub(super) fn take_overflow(
        &mut self,
        point: &Point<'_>,
        more: &V,
        usage: &Usage,
    ) -> Result<(), Dropped> {
        if self.stream != point.stream {
            self.share(usage)?;
        }
        self.value.fold(more)?;
        self.seen(point);
        Ok(())
    }

    /// The stream of this point has ended. The answer is whether the series has.
    pub(super) fn end(&mut self, point: &Point<'_>, usage: &Usage) -> bool {
        match &mut self.streams {
            Some(streams) => streams.end(point, usage),
            None => self.stream == point.stream && self.time_ns <= point.time_ns,
        }
    }

    /// Enters what was arrived.
    pub(super) fn seen(&mut self, point: &Point<'_>) {
        self.time_ns = self.time_ns.max(point.time_ns);
        self.arrived_s = self.arrived_s.max(seconds(point.now_ns));
        self.input = point.input;
    }

    /// What is shown in place of the value: zero, as long after the series came as `show` says, so that whoever
    /// computes increases sees the first one.
    pub(super) fn zero(&self, show: &Show) -> Option<V> {
        let is_new = self.born_s > 0 && self.age_ns(show.now_ns) < show.zero_first_ns;
        if is_new { self.value.zero() } else { None }
    }

    /// Shows the value from now on, once it is old enough, whatever becomes of the clock.
    pub(super) fn grow_up(&mut self, now_ns: u64, zero_first_ns: u64) {
        if self.born_s > 0 && self.age_ns(now_ns) >= zero_first_ns {
            self.born_s = 0;
        }
    }

    /// A clock that was put back does not make it younger than it was.
    fn age_ns(&self, now_ns: u64) -> u64 {
        (u64::from(self.born_s) * 1_000_000_000).abs_diff(now_ns)
    }

    /// The same beginning with another value.
    pub(super) fn with_value(self, value: V) -> Self {
        Self { value, ..self }
    }

    /// Enters a restored row's streams into the books.
    pub(super) fn adopt(&self, usage: &Usage) {
        self.streams.iter().for_each(|streams| streams.adopt(usage));
    }

    /// Gives back what remembering its streams took.
    pub(super) fn release(&self, usage: &Usage) {
        self.streams.iter().for_each(|streams| streams.release(usage));
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Option<Self>>() + self.labels.len() + ALLOCATION + ENTRY_BYTES + self.value.heap_bytes()
    }

    /// Appends it to a snapshot.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.labels);
        put_varint(out, self.stream);
        out.push(u8::from(self.own_start) | u8::from(self.streams.is_some()) << 1);
        put_varint(out, u64::from(self.arrived_s));
        put_varint(out, u64::from(self.born_s));
        put_varint(out, self.start_ns);
        put_varint(out, self.time_ns);
        self.value.save(out);
        self.streams.iter().for_each(|streams| streams.save(out));
    }

    /// Reads what [`save`](Self::save) wrote.
    pub(super) fn restore(input: u8, from: &mut Reader<'_>) -> Option<Self> {
        let labels: Box<[u8]> = from.labels()?.into();
        let (stream, flags) = (from.varint()?, from.byte()?);
        let arrived_s = u32::try_from(from.varint()?).ok()?;
        let born_s = u32::try_from(from.varint()?).ok()?;
        let (start_ns, time_ns) = (from.varint()?, from.varint()?);
        let value = V::restore(from)?;
        let streams = if flags & 2 == 0 { None } else { Some(Box::new(Streams::restore(from)?)) };
        let own_start = flags & 1 != 0;
        Some(Self { labels, stream, streams, arrived_s, born_s, start_ns, time_ns, value, input, own_start })
    }

    /// Whether the point is of the stream that is shown, restarted perhaps. One that began earlier is of another
    /// process.
    fn is_continued_by(&self, point: &Point<'_>) -> bool {
        let cumulative = point.adds_up && point.temporality == Temporality::Cumulative;
        let unknown = !cumulative || self.own_start || point.start_ns == 0;
        self.stream == point.stream && (unknown || point.start_ns >= self.start_ns)
    }

    /// Takes a point for the next one of what is shown. Out of order is what is older than that; an increase that
    /// ends where the one before ended is a repeat. A gap between two increases, or an overlap, loses nothing: the
    /// increase is added all the same.
    fn go_on(&mut self, point: &Point<'_>, reading: V::Reading<'_>) -> Result<(), Dropped> {
        let repeat = point.temporality == Temporality::Delta && point.time_ns == self.time_ns;
        if point.time_ns < self.time_ns || repeat {
            return Err(Dropped::OutOfOrder);
        }
        match point.temporality {
            Temporality::Instant => {
                self.value.replace(reading)?;
            }
            Temporality::Delta => {
                if self.value.add(reading)? {
                    self.start_ns = point.start_ns;
                }
            }
            Temporality::Cumulative => {
                let fell = self.value.replace(reading)?;
                // A fall without a new start time is a restart that the sender did not announce.
                let unannounced = fell && point.start_ns <= self.start_ns;
                self.own_start = unannounced || (self.own_start && point.start_ns <= self.start_ns);
                self.start_ns = if unannounced { point.time_ns } else { self.start_ns.max(point.start_ns) };
            }
        }
        self.seen(point);
        Ok(())
    }

    /// Adds what one of several streams says.
    fn add(&mut self, point: &Point<'_>, reading: V::Reading<'_>, usage: &Usage) -> Result<(), Dropped> {
        let met = self.streams.is_none();
        self.share(usage)?;
        let Some(streams) = &mut self.streams else { return Err(Dropped::StreamConflict) };
        let increase = streams.increase(point, reading)?;
        let remembered = streams.make_room(point, increase.heap_bytes(), usage);
        // An increase needs no memory to be right, only to know a repeat.
        if point.temporality == Temporality::Cumulative {
            remembered?;
        }
        self.value.fold(&increase).map_err(|_| Dropped::StreamConflict)?;
        if remembered.is_ok() {
            let new = streams.remember(point, V::first(reading)?, usage);
            usage.conflicts.add(u64::from(new || met));
        }
        self.seen(point);
        Ok(())
    }

    /// From here on the value is the sum of several streams, the one that was shown so far among them.
    fn share(&mut self, usage: &Usage) -> Result<(), Dropped> {
        if self.streams.is_none() {
            let first = Stream {
                id: self.stream,
                start_ns: if self.own_start { 0 } else { self.start_ns },
                time_ns: self.time_ns,
                arrived_s: self.arrived_s,
                value: self.value.bare(),
            };
            self.streams = Some(Box::new(Streams::new(first, usage).ok_or(Dropped::StreamConflict)?));
        }
        Ok(())
    }

    /// Shows a stream in the place of others that are silent and cannot be added to.
    fn start_anew(
        &mut self,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        usage: &Usage,
    ) -> Result<(), Dropped> {
        let fresh = Self::first(point, reading)?;
        self.release(usage);
        // The series is no new one: its value falls, which is how a restart looks.
        *self = Self { labels: std::mem::take(&mut self.labels), born_s: 0, ..fresh };
        Ok(())
    }

    /// Whether nothing came for so long that Prometheus would call the series stale.
    fn is_silent(&self, point: &Point<'_>) -> bool {
        seconds(point.now_ns).saturating_sub(self.arrived_s) >= SILENT_S
    }
}

pub(super) fn seconds(time_ns: u64) -> u32 {
    u32::try_from(time_ns / 1_000_000_000).unwrap_or(u32::MAX)
}

/// Prometheus' lookback: after so many seconds a series is over.
const SILENT_S: u32 = 300;
