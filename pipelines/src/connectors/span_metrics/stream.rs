//! One set of series: what it counts, by which dimensions, and what a series of it holds.
//!
//! Calls and durations share their series, unless one of them has dimensions of its own.

use super::{config::Config, dimensions::Dimensions};
use crate::{
    connectors::{
        distribution::{Distribution, bucket_of},
        exemplars::Exemplars,
        exponential::Exponential,
        state::{Reader, Writer},
        table,
    },
    consumer::RestoreError,
};

/// A set of series.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) counts: Counts,
    pub(super) dimensions: Dimensions,
    /// Of the explicit buckets; none if there are none.
    pub(super) bounds: Vec<f64>,
    /// Where exemplars are kept apart by other bounds than the counts.
    slots: Option<Vec<f64>>,
    /// Buckets of an exponential histogram at most.
    exponential: Option<usize>,
}

/// What a set of series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Spans and their durations.
    Spans { calls: bool, durations: bool },
    /// Span events.
    Events,
}

/// What a series accumulates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) distribution: Distribution,
    pub(super) exponential: Option<Box<Exponential>>,
}

// === impl Stream ===

impl Stream {
    /// The sets of series of a configuration; one at least.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let has_durations = !config.histogram.disable;
        let (calls, durations) = (&config.calls_dimensions, &config.histogram.dimensions);
        let of = |calls, durations| Counts::Spans { calls, durations };
        let mut all = if has_durations && calls != durations {
            vec![Self::new(config, of(true, false), calls), Self::new(config, of(false, true), durations)]
        } else {
            vec![Self::new(config, of(true, has_durations), calls)]
        };
        if config.events.enabled {
            all.push(Self::new(config, Counts::Events, &config.events.dimensions));
        }
        all
    }

    /// Nothing counted yet.
    pub(super) fn fresh(&self) -> Cell {
        let exponential = self.exponential.map(|size| Box::new(Exponential::new(size)));
        Cell { distribution: Distribution::new(&self.bounds), exponential }
    }

    /// Counts a value so many times; gives the slot for its exemplar.
    #[inline]
    pub(super) fn record(&self, cell: &mut Cell, value: f64, times: u64) -> u16 {
        let bucket = match times {
            1 => cell.distribution.record(&self.bounds, value),
            _ => cell.distribution.record_many(&self.bounds, value, times),
        };
        if let Some(exponential) = &mut cell.exponential {
            exponential.record(value, times);
        }
        self.slots.as_ref().map_or(bucket, |slots| bucket_of(slots, value)) as u16
    }

    pub(super) fn restore(&self, from: &mut Reader<'_>) -> Result<Cell, RestoreError> {
        let slots = self.slots.as_ref().unwrap_or(&self.bounds);
        let distribution = Distribution::restore_with(from, &self.bounds, slots)?;
        let exponential = match self.exponential {
            Some(size) => Some(Box::new(Exponential::restore(from, size)?)),
            None => None,
        };
        Ok(Cell { distribution, exponential })
    }

    fn new(config: &Config, counts: Counts, dimensions: &[super::Dimension]) -> Self {
        let dimensions = Dimensions::new(config, dimensions);
        let times = matches!(counts, Counts::Spans { durations: true, .. });
        if !times {
            return Self { counts, dimensions, bounds: Vec::new(), slots: None, exponential: None };
        }
        let (bounds, exponential) = (config.bounds(), config.exponential_size());
        let slots = bounds.is_empty().then(|| config.default_bounds());
        Self { counts, dimensions, bounds, slots, exponential }
    }
}

// === impl Cell ===

impl Cell {
    /// How many values were counted.
    pub(super) fn count(&self) -> u64 {
        self.distribution.count()
    }

    /// Adds what another of the same stream counted; its exemplars stay behind.
    pub(super) fn fold(&mut self, other: &Self) {
        self.distribution.fold(&other.distribution);
        if let (Some(exponential), Some(other)) = (&mut self.exponential, &other.exponential) {
            exponential.fold(other);
        }
    }

    pub(super) fn save(&self, out: &mut Writer<'_>) {
        self.distribution.save(out);
        if let Some(exponential) = &self.exponential {
            exponential.save(out);
        }
    }
}

impl table::Cell for Cell {
    fn exemplars(&self) -> Option<&Exemplars> {
        Some(&self.distribution.exemplars)
    }

    fn exemplars_mut(&mut self) -> Option<&mut Exemplars> {
        Some(&mut self.distribution.exemplars)
    }

    fn heap_bytes(&self) -> usize {
        let exponential = self.exponential.as_ref().map_or(0, |exponential| exponential.bytes_max());
        size_of_val(&*self.distribution.counts) + exponential
    }
}
