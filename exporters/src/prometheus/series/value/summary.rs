//! Summaries: quantiles that the sender computed.

use proto::wire::Writer as Wire;

use super::{Dropped, Line, Shelf, Store, Value};
use crate::prometheus::{
    protobuf::{metric, summary},
    state::{Reader, put_double, put_varint},
    text::{Writer, number::push_double},
};

/// Quantiles, sum and count as they came.
#[derive(Debug)]
pub struct Summary {
    /// Ascending by quantile, each within 0..=1, no value negative.
    quantiles: Box<[(f64, f64)]>,
    sum: f64,
    count: u64,
}

/// What a point says.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Quantile and value.
    pub quantiles: &'a [(f64, f64)],
    /// Of all observations.
    pub sum: f64,
    /// How many observations.
    pub count: u64,
}

// === impl Summary ===

impl Value for Summary {
    type Reading<'a> = Reading<'a>;

    fn shelf(store: &mut Store) -> Option<&mut Shelf<Self>> {
        match store {
            Store::Summaries(shelf) => Some(shelf),
            _ => None,
        }
    }

    fn first(reading: Reading<'_>) -> Result<Self, Dropped> {
        reading.check()?;
        Ok(Self { quantiles: reading.quantiles.into(), sum: reading.sum, count: reading.count })
    }

    fn replace(&mut self, reading: Reading<'_>) -> Result<bool, Dropped> {
        let fell = reading.count < self.count;
        *self = Self::first(reading)?;
        Ok(fell)
    }

    fn add(&mut self, reading: Reading<'_>) -> Result<bool, Dropped> {
        self.fold(&Self::first(reading)?).map(|()| false)
    }

    fn bare(&self) -> Self {
        Self { quantiles: self.quantiles.clone(), ..*self }
    }

    fn zero(&self) -> Option<Self> {
        None
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        let count = self.count.checked_sub(earlier.count)?;
        Some(Self { quantiles: Box::default(), sum: self.sum - earlier.sum, count })
    }

    /// Sums and counts add up, quantiles do not: they are left out.
    fn fold(&mut self, other: &Self) -> Result<(), Dropped> {
        let sum = self.sum + other.sum;
        if !sum.is_finite() {
            return Err(Dropped::InvalidValue);
        }
        self.sum = sum;
        self.count = self.count.saturating_add(other.count);
        self.quantiles = Box::default();
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.quantiles)
    }

    fn lines(&self) -> usize {
        self.quantiles.len() + 2
    }

    fn render(&self, line: &Line<'_>, writer: &mut Writer<'_>) {
        let mut spelled = Vec::with_capacity(24);
        for &(quantile, value) in &self.quantiles {
            spelled.clear();
            push_double(&mut spelled, quantile);
            writer.sample("", line.labels, Some(("quantile", &spelled)));
            writer.double(value);
            line.end(writer, None);
        }
        if self.sum >= 0.0 {
            writer.sample("_sum", line.labels, None);
            writer.double(self.sum);
            line.end(writer, None);
        }
        writer.sample("_count", line.labels, None);
        writer.count(self.count);
        line.end(writer, None);
        line.created(writer);
    }

    fn encode(&self, line: &Line<'_>, out: &mut Wire) -> bool {
        out.message(metric::SUMMARY, |out| {
            out.uint(summary::COUNT, self.count);
            out.double(summary::SUM, self.sum);
            for &(quantile, value) in &self.quantiles {
                out.message(summary::QUANTILE, |out| {
                    out.double(summary::RANK, quantile);
                    out.double(summary::VALUE, value);
                });
            }
            line.encode_created(out, summary::CREATED);
        });
        true
    }

    fn forget_exemplars(&mut self, _now_ns: u64, _retention_ns: u64) {}

    fn save(&self, out: &mut Vec<u8>) {
        put_double(out, self.sum);
        put_varint(out, self.count);
        put_varint(out, self.quantiles.len() as u64);
        for &(quantile, value) in &self.quantiles {
            put_double(out, quantile);
            put_double(out, value);
        }
    }

    fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let (sum, count) = (from.double()?, from.varint()?);
        let len = from.count(16)?;
        let quantiles =
            (0..len).map(|_| Some((from.double()?, from.double()?))).collect::<Option<Vec<_>>>()?;
        Self::first(Reading { quantiles: &quantiles, sum, count }).ok()
    }
}

// === impl Reading ===

impl Reading<'_> {
    /// OpenMetrics 1.0, *Summary*: quantiles within 0..=1, ascending so that each stands once; values
    /// not negative; the sum a number.
    fn check(&self) -> Result<(), Dropped> {
        let ascending = self.quantiles.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let within = self
            .quantiles
            .iter()
            .all(|&(quantile, value)| (0.0..=1.0).contains(&quantile) && (value >= 0.0 || value.is_nan()));
        if self.quantiles.len() > QUANTILES_MAX || !ascending || !within || self.sum.is_nan() {
            return Err(Dropped::InvalidValue);
        }
        Ok(())
    }
}

/// More quantiles than any sender has a use for.
const QUANTILES_MAX: usize = 256;
