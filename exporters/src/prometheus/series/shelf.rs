//! The series of one family: rows in dense pages, found by their labels.
//!
//! - **In:** points with rendered labels.
//! - **Guaranteed:** a place never moves, so that a scrape goes on where it stopped although series
//!   come and go in between; while somebody reads, freed places are not used again, so that no series
//!   is shown twice on one page. Cost of a point: one hash, one comparison, no allocation.
//! - **Beyond the limit** ([`Usage`]) points of new series go to one series `otel_metric_overflow="true"`.
//!   For cumulative points the shelf remembers what each hidden series last said and adds the
//!   difference, so that the total stays right; how many it remembers is bounded too.

use hashbrown::HashMap;

use super::{
    Dropped,
    index::Index,
    row::{Point, Row},
    usage::Usage,
    value::{Line, Show, Temporality, Value},
};
use crate::prometheus::{
    state::{Reader, put_varint},
    text::{Kind, Writer},
};

/// Series of one kind.
#[derive(Debug)]
pub struct Shelf<V> {
    index: Index,
    /// Pages of [`PAGE`] rows; only the last is shorter.
    pages: Vec<Vec<Option<Row<V>>>>,
    /// Places to use again.
    free: Vec<u32>,
    /// Scrapes under way.
    readers: u32,
    /// What hidden series last said, by a hash of their labels that is stable over restarts.
    hidden: HashMap<u64, Hidden<V>, foldhash::fast::RandomState>,
}

/// What is too old at the moment of a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// The moment.
    pub now_ns: u64,
    /// A series that did not arrive since then is removed; in seconds.
    pub expire_before_s: u32,
    /// How long an exemplar is kept.
    pub exemplar_retention_ns: u64,
    /// How long a new series is shown as zero.
    pub zero_first_ns: u64,
}

#[derive(Debug)]
struct Hidden<V> {
    start_ns: u64,
    time_ns: u64,
    value: V,
    input: u8,
}

// === impl Shelf ===

impl<V: Value> Shelf<V> {
    /// No series.
    pub(super) fn new() -> Self {
        Self {
            index: Index::new(),
            pages: vec![Vec::new()],
            free: Vec::new(),
            readers: 0,
            hidden: HashMap::default(),
        }
    }

    /// Takes a point and calls `then` with the value it went to.
    ///
    /// # Errors
    /// The point was not taken, for this reason.
    pub fn put(
        &mut self,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        usage: &Usage,
        then: impl FnOnce(&mut V),
    ) -> Result<(), Dropped> {
        let hash = usage.hash(point.labels);
        let place = match self.find(hash, point.labels) {
            Some(place) => {
                self.update(place, usage, |row| row.take(point, reading, usage))?;
                place
            }
            None => {
                let row = Row::<V>::first(point, reading)?;
                // Streams that only look alike are hidden each for itself.
                let key = usage.stable_hash(point.labels) ^ point.stream;
                if self.hidden.contains_key(&key) || !usage.has_room(row.value.lines(), row.bytes()) {
                    return self.hide(key, point, reading, usage);
                }
                self.insert(hash, row, usage)
            }
        };
        self.update(place, usage, |row| {
            then(&mut row.value);
            Ok(())
        })
    }

    /// Ends one stream, and with the last one its series.
    pub fn end(&mut self, point: &Point<'_>, usage: &Usage) {
        let hash = usage.hash(point.labels);
        let Some(place) = self.find(hash, point.labels) else { return };
        if self.row_mut(place).is_some_and(|row| row.end(point, usage)) {
            self.remove(place, hash, usage);
        }
    }

    /// Places in use, from which a scrape takes its end.
    pub fn places(&self) -> u32 {
        let full = self.pages.len().saturating_sub(1) * PAGE;
        (full + self.pages.last().map_or(0, Vec::len)) as u32
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.places() as usize
    }

    /// A scrape begins: places stay as they are.
    pub fn begin_reading(&mut self) {
        self.readers += 1;
    }

    /// A scrape ended.
    pub fn end_reading(&mut self) {
        self.readers -= 1;
    }

    /// Writes series from `place` on, until `end` or until the buffer holds `bytes_max`. Gives the place
    /// to go on from.
    pub fn render(
        &self,
        (place, end): (u32, u32),
        kind: Kind,
        show: &Show,
        (writer, bytes_max): (&mut Writer<'_>, usize),
    ) -> u32 {
        for place in place..end {
            if writer.len() >= bytes_max {
                return place;
            }
            let Some(row) = self.row(place) else { continue };
            let (start_ns, time_ns) = (row.start_ns, row.time_ns);
            let line = Line { kind, labels: &row.labels, start_ns, time_ns, show };
            match row.zero(show) {
                // With times on the page the zero is from before the value.
                Some(zero) => {
                    Line { time_ns: time_ns.saturating_sub(1_000_000), ..line }.write(&zero, writer);
                }
                None => line.write(&row.value, writer),
            }
        }
        end
    }

    /// Looks after some places: removes series that expired and exemplars past their time, and ends the time in which
    /// new series are shown as zero.
    pub fn sweep(&mut self, places: std::ops::Range<u32>, ages: &Ages, usage: &Usage) {
        for place in places {
            let Some(row) = self.row(place) else { continue };
            if row.arrived_s < ages.expire_before_s {
                let hash = usage.hash(&row.labels);
                self.remove(place, hash, usage);
                usage.expired.add(1);
                continue;
            }
            let forget = self.update(place, usage, |row| {
                row.grow_up(ages.now_ns, ages.zero_first_ns);
                row.value.forget_exemplars(ages.now_ns, ages.exemplar_retention_ns);
                Ok(())
            });
            debug_assert!(forget.is_ok(), "forgetting cannot fail");
        }
    }

    /// Removes what came from `input`, as before a restore.
    pub fn clear(&mut self, input: u8, usage: &Usage) {
        for place in 0..self.places() {
            let mine = self.row(place).filter(|row| row.input == input).map(|row| usage.hash(&row.labels));
            if let Some(hash) = mine {
                self.remove(place, hash, usage);
            }
        }
        self.hidden.retain(|_, hidden| {
            if hidden.input == input {
                usage.shown(hidden.value.heap_bytes());
            }
            hidden.input != input
        });
    }

    /// Calls `see` with the labels of up to `max` series, evenly picked.
    pub fn sample(&self, max: usize, mut see: impl FnMut(&[u8])) {
        let step = (self.places() as usize / max.max(1)).max(1);
        for place in (0..self.places()).step_by(step) {
            if let Some(row) = self.row(place) {
                see(&row.labels);
            }
        }
    }

    /// Appends the rows of `input`, and what is remembered of hidden series, to a snapshot.
    pub fn save(&self, input: u8, out: &mut Vec<u8>) {
        for row in self.pages.iter().flatten().flatten().filter(|row| row.input == input) {
            out.push(ROW);
            row.save(out);
        }
        for (hash, hidden) in self.hidden.iter().filter(|(_, hidden)| hidden.input == input) {
            out.push(HIDDEN);
            put_varint(out, *hash);
            put_varint(out, hidden.start_ns);
            put_varint(out, hidden.time_ns);
            hidden.value.save(out);
        }
        out.push(END);
    }

    /// Reads what [`save`](Self::save) wrote. Saved series were within the limits once and are not
    /// counted against them again.
    pub fn restore(&mut self, input: u8, from: &mut Reader<'_>, usage: &Usage) -> Option<()> {
        loop {
            match from.byte()? {
                ROW => {
                    let row = Row::<V>::restore(input, from)?;
                    let hash = usage.hash(&row.labels);
                    if self.find(hash, &row.labels).is_none() {
                        row.adopt(usage);
                        self.insert(hash, row, usage);
                    }
                }
                HIDDEN => {
                    let key = from.varint()?;
                    let (start_ns, time_ns) = (from.varint()?, from.varint()?);
                    let value = V::restore(from)?;
                    let bytes = value.heap_bytes();
                    if self.hidden.insert(key, Hidden { start_ns, time_ns, value, input }).is_none() {
                        usage.hid(bytes);
                    }
                }
                END => return Some(()),
                _ => return None,
            }
        }
    }

    fn hide(
        &mut self,
        key: u64,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        usage: &Usage,
    ) -> Result<(), Dropped> {
        let increase = match point.temporality {
            Temporality::Cumulative => self.increase(key, point, reading, usage)?,
            Temporality::Delta | Temporality::Instant => V::first(reading)?,
        };
        usage.overflowed.add(1);
        let hash = usage.hash(OVERFLOW);
        let shown = Point { labels: OVERFLOW, stream: OVERFLOW_STREAM, ..*point };
        let Some(place) = self.find(hash, OVERFLOW) else {
            let row = Row::<V>::first(&shown, reading)?.with_value(increase);
            self.insert(hash, row, usage);
            return Ok(());
        };
        self.update(place, usage, |row| {
            if point.temporality == Temporality::Instant {
                row.value.replace(reading)?;
                row.seen(&shown);
                return Ok(());
            }
            // A connector's own overflow series may have the same labels: the two are added up.
            row.take_overflow(&shown, &increase, usage)
        })
    }

    /// What a hidden series added since it was last heard of.
    fn increase(
        &mut self,
        key: u64,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        usage: &Usage,
    ) -> Result<V, Dropped> {
        let total = V::first(reading)?;
        let (start_ns, time_ns, input) = (point.start_ns, point.time_ns, point.input);
        let Some(hidden) = self.hidden.get_mut(&key) else {
            if !usage.may_hide(total.heap_bytes()) {
                return Err(Dropped::SeriesLimit);
            }
            usage.hid(total.heap_bytes());
            self.hidden.insert(key, Hidden { start_ns, time_ns, value: V::first(reading)?, input });
            return Ok(total);
        };
        if time_ns < hidden.time_ns {
            return Err(Dropped::OutOfOrder);
        }
        let restarted = start_ns > hidden.start_ns && start_ns >= hidden.time_ns;
        let increase = if restarted { None } else { total.since(&hidden.value) };
        *hidden = Hidden { start_ns, time_ns, value: total, input };
        match increase {
            Some(increase) => Ok(increase),
            None => V::first(reading),
        }
    }

    fn find(&self, hash: u64, labels: &[u8]) -> Option<u32> {
        self.index.find(hash, |place| self.row(place).is_some_and(|row| *row.labels == *labels))
    }

    fn row(&self, place: u32) -> Option<&Row<V>> {
        self.pages.get(place as usize / PAGE)?.get(place as usize % PAGE)?.as_ref()
    }

    fn row_mut(&mut self, place: u32) -> Option<&mut Row<V>> {
        self.pages.get_mut(place as usize / PAGE)?.get_mut(place as usize % PAGE)?.as_mut()
    }

    /// Changes a row and keeps the books.
    fn update(
        &mut self,
        place: u32,
        usage: &Usage,
        change: impl FnOnce(&mut Row<V>) -> Result<(), Dropped>,
    ) -> Result<(), Dropped> {
        let Some(row) = self.row_mut(place) else { return Ok(()) };
        let before = (row.value.lines(), row.value.heap_bytes());
        let changed = change(row);
        usage.changed(before, (row.value.lines(), row.value.heap_bytes()));
        changed
    }

    fn insert(&mut self, hash: u64, row: Row<V>, usage: &Usage) -> u32 {
        usage.changed((0, 0), (row.value.lines(), row.bytes()));
        let reuse = if self.readers == 0 { self.free.pop() } else { None };
        let place = reuse.unwrap_or_else(|| {
            if self.pages.last().is_none_or(|page| page.len() == PAGE) {
                self.pages.push(Vec::with_capacity(PAGE));
            }
            let last = self.pages.len() - 1;
            self.pages[last].push(None);
            self.places() - 1
        });
        self.pages[place as usize / PAGE][place as usize % PAGE] = Some(row);
        self.index.insert(hash, place);
        place
    }

    fn remove(&mut self, place: u32, hash: u64, usage: &Usage) {
        let page = self.pages.get_mut(place as usize / PAGE);
        let Some(row) = page.and_then(|page| page.get_mut(place as usize % PAGE)).and_then(Option::take)
        else {
            return;
        };
        usage.changed((row.value.lines(), row.bytes()), (0, 0));
        row.release(usage);
        self.index.remove(hash, place);
        self.free.push(place);
    }
}

/// The labels of the series that stands for all that found no room (OpenTelemetry, *Metrics SDK*,
/// Cardinality limits).
pub const OVERFLOW: &[u8] = br#"otel_metric_overflow="true""#;

/// The stream that this table makes of what it hides.
const OVERFLOW_STREAM: u64 = 0;

/// Rows of a page: what is allocated at once.
const PAGE: usize = 512;

const END: u8 = 0;
const ROW: u8 = 1;
const HIDDEN: u8 = 2;
