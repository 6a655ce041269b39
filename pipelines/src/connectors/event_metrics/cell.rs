//! What a series of a declared metric accumulates.

use crate::{
    connectors::{
        distribution::Distribution,
        event_metrics::catalog::{Kind, Metric},
        exemplars::Exemplars,
        state::{Reader, Writer},
        table,
    },
    consumer::RestoreError,
};

/// What a series of a declared metric accumulates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Counter(Counter),
    Histogram(Distribution),
    Gauge(f64),
}

/// A sum that only grows. Whole numbers are summed apart, so that counts stay exact beyond 2^53; beyond 2^64 the
/// sum goes on as a floating-point number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counter {
    whole: u64,
    fraction: f64,
    pub(crate) exemplars: Exemplars,
}

/// A measurement that a metric can take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    Whole(u64),
    Fraction(f64),
}

/// The sum of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Total {
    Whole(i64),
    Fraction(f64),
}

// === impl Cell ===

impl Cell {
    pub(crate) fn new(metric: &Metric) -> Self {
        match metric.kind {
            Kind::Counter => Self::Counter(Counter::default()),
            Kind::Histogram => Self::Histogram(Distribution::new(&metric.bounds)),
            Kind::Gauge => Self::Gauge(0.0),
        }
    }

    /// Takes a measurement; gives the bucket for its exemplar.
    pub(crate) fn record(&mut self, metric: &Metric, amount: Amount) -> usize {
        match self {
            Self::Counter(counter) => counter.add(amount),
            Self::Histogram(distribution) => return distribution.record(&metric.bounds, amount.as_f64()),
            Self::Gauge(value) => *value = amount.as_f64(),
        }
        0
    }

    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        match self {
            Self::Counter(counter) => {
                out.number(counter.whole);
                out.double(counter.fraction);
                counter.exemplars.save(out);
            }
            Self::Histogram(distribution) => distribution.save(out),
            Self::Gauge(value) => out.double(*value),
        }
    }

    pub(crate) fn restore(from: &mut Reader<'_>, kind: Kind, bounds: &[f64]) -> Result<Self, RestoreError> {
        Ok(match kind {
            Kind::Counter => Self::Counter(Counter {
                whole: from.number()?,
                fraction: from.sum()?,
                exemplars: Exemplars::restore(from, 1, |_| Some(0))?,
            }),
            Kind::Histogram => Self::Histogram(Distribution::restore(from, bounds)?),
            Kind::Gauge => Self::Gauge(from.double()?),
        })
    }
}

impl table::Cell for Cell {
    fn exemplars(&self) -> Option<&Exemplars> {
        match self {
            Self::Counter(counter) => Some(&counter.exemplars),
            Self::Histogram(distribution) => Some(&distribution.exemplars),
            Self::Gauge(_) => None,
        }
    }

    fn exemplars_mut(&mut self) -> Option<&mut Exemplars> {
        match self {
            Self::Counter(counter) => Some(&mut counter.exemplars),
            Self::Histogram(distribution) => Some(&mut distribution.exemplars),
            Self::Gauge(_) => None,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Histogram(distribution) => size_of_val(&*distribution.counts),
            Self::Counter(_) | Self::Gauge(_) => 0,
        }
    }
}

// === impl Counter ===

impl Counter {
    /// The sum so far.
    pub(crate) fn total(&self) -> Total {
        match i64::try_from(self.whole) {
            Ok(whole) if self.fraction == 0.0 => Total::Whole(whole),
            _ => Total::Fraction(self.whole as f64 + self.fraction),
        }
    }

    fn add(&mut self, amount: Amount) {
        match amount {
            Amount::Whole(amount) => match self.whole.checked_add(amount) {
                Some(sum) => self.whole = sum,
                None => {
                    self.fraction += self.whole as f64;
                    self.whole = amount;
                }
            },
            Amount::Fraction(amount) => self.fraction += amount,
        }
    }
}

// === impl Amount ===

impl Amount {
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Whole(amount) => amount as f64,
            Self::Fraction(amount) => amount,
        }
    }
}
