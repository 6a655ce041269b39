//! One family: a name, a type, and its series.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{
    Dropped, Metric,
    row::Point,
    shelf::Shelf,
    usage::Usage,
    value::{
        Show, Value,
        histogram::{Bounds, Histogram},
        number::Single,
        summary::Summary,
    },
};
use crate::prometheus::text::{Head, Kind, Writer};

/// A metric family of the page.
#[derive(Debug)]
pub struct Family {
    /// Without the suffix of its samples; unique in the table.
    pub name: Box<str>,
    /// How the first writer spelled the name, if it is kept and another.
    pub spelled: Box<str>,
    /// Settled by the first writer.
    pub kind: Kind,
    /// As the name would end with it; settled by the first writer.
    pub unit: Box<str>,
    /// Settled by the first writer.
    pub help: Box<str>,
    /// Conflicts that have been warned about.
    warned: [AtomicBool; Conflict::COUNT],
    inner: Mutex<Inner>,
}

/// What later writers disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another type. The point is dropped.
    Kind,
    /// Another unit. The point is kept.
    Unit,
    /// Another description. The point is kept.
    Help,
    /// The same labels for another stream.
    Streams,
}

/// The series of a family.
#[derive(Debug)]
pub enum Store {
    /// Counters, gauges, info, state sets, unknown.
    Singles(Shelf<Single>),
    /// Histograms of both sorts.
    Histograms(Shelf<Histogram>),
    /// Summaries.
    Summaries(Shelf<Summary>),
}

/// A scrape within a family. While it lives places are not used again.
#[derive(Debug)]
pub struct Reading {
    family: Arc<Family>,
    place: u32,
    end: u32,
    headed: bool,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    /// Bounds that several series share. At most [`BOUNDS_MAX`] are remembered.
    bounds: Vec<Arc<Bounds>>,
    /// Taken out of the table; whoever still holds it must look the family up again.
    retired: bool,
}

// === impl Family ===

impl Family {
    /// A family without series.
    pub fn new(metric: &Metric<'_>) -> Self {
        let kind = metric.kind;
        Self {
            name: metric.name.into(),
            spelled: metric.spelled.into(),
            kind,
            unit: metric.unit.into(),
            help: metric.help.into(),
            warned: Default::default(),
            inner: Mutex::new(Inner { store: Store::new(kind), bounds: Vec::new(), retired: false }),
        }
    }

    /// Takes a point; see [`Shelf::put`].
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn put<V: Value>(
        &self,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        usage: &Usage,
        then: impl FnOnce(&mut V),
    ) -> Result<(), Dropped> {
        let mut inner = self.lock();
        if inner.retired {
            return Err(Dropped::Retired);
        }
        let shelf = V::shelf(&mut inner.store).ok_or(Dropped::TypeConflict)?;
        shelf.put(point, reading, usage, then)
    }

    /// Ends one series, whatever its kind.
    pub fn end(&self, point: &Point<'_>, usage: &Usage) {
        match &mut self.lock().store {
            Store::Singles(shelf) => shelf.end(point, usage),
            Store::Histograms(shelf) => shelf.end(point, usage),
            Store::Summaries(shelf) => shelf.end(point, usage),
        }
    }

    /// The shared form of bucket bounds.
    ///
    /// # Errors
    /// They are no bounds.
    pub fn bounds(&self, values: &[f64]) -> Result<Arc<Bounds>, Dropped> {
        let mut inner = self.lock();
        if let Some(known) = inner.bounds.iter().find(|known| known.values() == values) {
            return Ok(Arc::clone(known));
        }
        let bounds = Arc::new(Bounds::new(values)?);
        if inner.bounds.len() < BOUNDS_MAX {
            inner.bounds.push(Arc::clone(&bounds));
        }
        Ok(bounds)
    }

    /// Whether this conflict is met for the first time.
    pub fn first_time(&self, conflict: Conflict) -> bool {
        !self.warned[conflict as usize].swap(true, Relaxed)
    }

    /// Begins a scrape of this family.
    pub fn read(self: Arc<Self>) -> Reading {
        let end = {
            let mut inner = self.lock();
            inner.store.begin_reading();
            inner.store.places()
        };
        Reading { family: self, place: 0, end, headed: false }
    }

    /// Runs `change` on the series.
    pub fn with_store<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.lock().store)
    }

    /// Takes the family out of use if it is empty and nobody reads it.
    pub fn retire_if_empty(&self) -> bool {
        let mut inner = self.lock();
        inner.retired |= inner.store.is_empty();
        inner.retired
    }

    /// Bytes beside those of its series, an estimate.
    pub fn bytes(&self) -> usize {
        // The name stands in the list of families and in the claims as well.
        let texts = self.help.len() + self.unit.len() + self.spelled.len();
        size_of::<Self>() + 8 * (self.name.len() + 32) + texts
    }

    fn head(&self) -> Head<'_> {
        Head { name: &self.name, spelled: &self.spelled, kind: self.kind, unit: &self.unit, help: &self.help }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held left a row half written at worst, never an invalid one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Conflict ===

impl Conflict {
    const COUNT: usize = 4;
}

// === impl Store ===

impl Store {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Histogram => Self::Histograms(Shelf::new()),
            Kind::Summary => Self::Summaries(Shelf::new()),
            Kind::Counter | Kind::Gauge | Kind::Info | Kind::StateSet | Kind::Unknown => {
                Self::Singles(Shelf::new())
            }
        }
    }

    /// See [`Shelf::places`].
    pub fn places(&self) -> u32 {
        match self {
            Self::Singles(shelf) => shelf.places(),
            Self::Histograms(shelf) => shelf.places(),
            Self::Summaries(shelf) => shelf.places(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Singles(shelf) => shelf.is_empty(),
            Self::Histograms(shelf) => shelf.is_empty(),
            Self::Summaries(shelf) => shelf.is_empty(),
        }
    }

    fn begin_reading(&mut self) {
        match self {
            Self::Singles(shelf) => shelf.begin_reading(),
            Self::Histograms(shelf) => shelf.begin_reading(),
            Self::Summaries(shelf) => shelf.begin_reading(),
        }
    }

    fn end_reading(&mut self) {
        match self {
            Self::Singles(shelf) => shelf.end_reading(),
            Self::Histograms(shelf) => shelf.end_reading(),
            Self::Summaries(shelf) => shelf.end_reading(),
        }
    }

    /// See [`Shelf::sample`].
    pub fn sample(&self, max: usize, see: impl FnMut(&[u8])) {
        match self {
            Self::Singles(shelf) => shelf.sample(max, see),
            Self::Histograms(shelf) => shelf.sample(max, see),
            Self::Summaries(shelf) => shelf.sample(max, see),
        }
    }
}

// === impl Reading ===

impl Reading {
    /// Writes lines until the family is at its end (`true`) or the buffer holds `bytes_max`. The lock
    /// is held for that long.
    pub fn render(&mut self, show: &Show, writer: &mut Writer<'_>, bytes_max: usize) -> bool {
        let family = &*self.family;
        let inner = family.lock();
        if inner.store.is_empty() {
            return true;
        }
        writer.begin(&family.head(), self.headed);
        self.headed = true;
        let (kind, range) = (family.kind, (self.place, self.end));
        self.place = match &inner.store {
            Store::Singles(shelf) => shelf.render(range, kind, show, (writer, bytes_max)),
            Store::Histograms(shelf) => shelf.render(range, kind, show, (writer, bytes_max)),
            Store::Summaries(shelf) => shelf.render(range, kind, show, (writer, bytes_max)),
        };
        writer.end();
        self.place == self.end
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.family.lock().store.end_reading();
    }
}

/// Different bucket bounds of one family that are shared; more are kept by each series.
const BOUNDS_MAX: usize = 8;
