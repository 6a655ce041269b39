//! Histograms: explicit buckets as they are, exponential ones shown as explicit ones.
//!
//! - **In:** counts per bucket (not cumulative, as OTLP has them), or [`exponential::Exponential`].
//! - **Out:** `_bucket` lines that add up, `_sum`, `_count`. In protobuf exponential ones are native histograms, with
//!   the explicit buckets beside them for who does not read native ones.
//! - **Guaranteed:** the `+Inf` bucket equals `_count`; an exemplar stands on the bucket that its value
//!   lies in. In OpenMetrics `_sum` is left out where it may fall (negative buckets), and `_count` with it
//!   (OpenMetrics 1.0, *Histogram*).

pub mod exponential;

use std::sync::Arc;

use proto::wire::Writer as Wire;

use self::exponential::Exponential;
use super::{Dropped, Line, Shelf, Store, Value};
use crate::prometheus::{
    exemplar::{ALLOCATION, Exemplar, keep_newer},
    protobuf::{self, bucket, histogram, metric},
    state::{Reader, put_double, put_exemplar, put_varint},
    text::{ExemplarText, Format, Writer, number::push_double},
};

/// Buckets, sum, and the newest exemplar of each bucket.
#[derive(Debug)]
pub struct Histogram {
    buckets: Buckets,
    /// A number, not `NaN`.
    sum: Option<f64>,
    /// Explicit buckets: one place per bucket, or none at all. Exponential: the newest few.
    exemplars: Box<[Option<Box<Exemplar>>]>,
}

#[derive(Debug)]
enum Buckets {
    /// One more count than bounds; the last is for what is above them all.
    Explicit {
        bounds: Arc<Bounds>,
        counts: Box<[u64]>,
    },
    Exponential(Box<Exponential>),
}

/// Bucket bounds, shared by the series that have the same, and how they are spelled.
#[derive(Debug, PartialEq)]
pub struct Bounds {
    /// Finite and ascending.
    values: Box<[f64]>,
    spelled: Box<[u8]>,
    /// Where each spelling ends.
    ends: Box<[u32]>,
}

/// What a point says.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// Counts per bucket; one more than bounds.
    Explicit {
        /// Upper bounds.
        bounds: &'a Arc<Bounds>,
        /// Not cumulative.
        counts: &'a [u64],
        /// Of all observations, if known.
        sum: Option<f64>,
    },
    /// Buckets that grow by a constant factor.
    Exponential {
        /// The buckets.
        buckets: &'a Exponential,
        /// Of all observations, if known.
        sum: Option<f64>,
    },
}

// === impl Histogram ===

impl Histogram {
    /// Keeps the exemplar if it is the newest of its bucket.
    pub fn take_exemplar(&mut self, exemplar: ExemplarText<'_>) {
        let value = exemplar.value.as_f64();
        if value.is_nan() {
            return;
        }
        let places = match &self.buckets {
            Buckets::Explicit { counts, .. } => counts.len(),
            Buckets::Exponential(_) => EXPONENTIAL_EXEMPLARS,
        };
        if self.exemplars.len() != places {
            self.exemplars = (0..places).map(|_| None).collect();
        }
        let place = match &self.buckets {
            Buckets::Explicit { bounds, .. } => self.exemplars.get_mut(bounds.bucket_of(value)),
            Buckets::Exponential(_) => {
                self.exemplars.iter_mut().min_by_key(|place| place.as_ref().map_or(0, |kept| kept.time_ns))
            }
        };
        if let Some(place) = place {
            keep_newer(place, exemplar);
        }
    }

    fn count(&self) -> u64 {
        match &self.buckets {
            Buckets::Explicit { counts, .. } => total(counts),
            Buckets::Exponential(buckets) => buckets.count(),
        }
    }

    /// Whether the sum can only grow, as OpenMetrics demands of one.
    fn sum_grows(&self) -> bool {
        let negative = match &self.buckets {
            Buckets::Explicit { bounds, .. } => bounds.values.first().is_some_and(|&bound| bound < 0.0),
            Buckets::Exponential(buckets) => buckets.has_negative(),
        };
        !negative && self.sum.is_some_and(|sum| sum >= 0.0)
    }

    fn same_shape(&self, other: &Self) -> bool {
        match (&self.buckets, &other.buckets) {
            (Buckets::Explicit { bounds: a, .. }, Buckets::Explicit { bounds: b, .. }) => same_bounds(a, b),
            (Buckets::Exponential(_), Buckets::Exponential(_)) => true,
            _ => false,
        }
    }

    fn render_explicit(&self, bounds: &Bounds, counts: &[u64], line: &Line<'_>, writer: &mut Writer<'_>) {
        let mut below = 0_u64;
        for (at, count) in counts.iter().enumerate() {
            below = below.saturating_add(*count);
            writer.sample("_bucket", line.labels, Some(("le", bounds.spelling(at))));
            writer.count(below);
            line.end(writer, self.exemplars.get(at).and_then(Option::as_deref));
        }
    }

    fn render_exponential(&self, buckets: &Exponential, line: &Line<'_>, writer: &mut Writer<'_>) {
        let mut lower = f64::NEG_INFINITY;
        let mut spelled = Vec::with_capacity(24);
        buckets.cumulative(|upper, below| {
            spelled.clear();
            push_double(&mut spelled, upper);
            writer.sample("_bucket", line.labels, Some(("le", &spelled)));
            writer.count(below);
            line.end(writer, self.newest_within(lower, upper));
            lower = upper;
        });
    }

    fn encode_explicit(&self, bounds: &Bounds, counts: &[u64], line: &Line<'_>, out: &mut Wire) {
        let mut below = 0_u64;
        let uppers = bounds.values.iter().chain(&[f64::INFINITY]);
        for (at, (count, upper)) in counts.iter().zip(uppers).enumerate() {
            below = below.saturating_add(*count);
            let exemplar = self.exemplars.get(at).and_then(Option::as_deref);
            protobuf::push_bucket(out, below, *upper, |out| {
                line.encode_exemplar(out, bucket::EXEMPLAR, exemplar);
            });
        }
    }

    /// Native buckets, then the explicit ones for who reads only those. Exemplars stand in one list
    /// (`metrics.proto`, *Histogram*).
    fn encode_exponential(&self, buckets: &Exponential, line: &Line<'_>, out: &mut Wire) {
        buckets.encode(out);
        for exemplar in self.exemplars.iter().filter_map(Option::as_deref) {
            line.encode_exemplar(out, histogram::EXEMPLARS, Some(exemplar));
        }
        let mut lower = f64::NEG_INFINITY;
        buckets.cumulative(|upper, below| {
            protobuf::push_bucket(out, below, upper, |out| {
                line.encode_exemplar(out, bucket::EXEMPLAR, self.newest_within(lower, upper));
            });
            lower = upper;
        });
    }

    /// The newest exemplar above one bound and up to another.
    fn newest_within(&self, lower: f64, upper: f64) -> Option<&Exemplar> {
        let within = |exemplar: &&Exemplar| {
            let value = exemplar.value.as_f64();
            value > lower && value <= upper
        };
        let kept = self.exemplars.iter().filter_map(Option::as_deref).filter(within);
        kept.max_by_key(|exemplar| exemplar.time_ns)
    }
}

impl Value for Histogram {
    type Reading<'a> = Reading<'a>;

    fn shelf(store: &mut Store) -> Option<&mut Shelf<Self>> {
        match store {
            Store::Histograms(shelf) => Some(shelf),
            _ => None,
        }
    }

    fn first(reading: Reading<'_>) -> Result<Self, Dropped> {
        let (buckets, sum) = match reading {
            Reading::Explicit { bounds, counts, sum } => {
                if counts.len() != bounds.values.len() + 1 {
                    return Err(Dropped::InvalidHistogram);
                }
                (Buckets::Explicit { bounds: Arc::clone(bounds), counts: counts.into() }, sum)
            }
            Reading::Exponential { buckets, sum } => (Buckets::Exponential(Box::new(buckets.clone())), sum),
        };
        if sum.is_some_and(f64::is_nan) {
            return Err(Dropped::InvalidHistogram);
        }
        Ok(Self { buckets, sum, exemplars: Box::default() })
    }

    fn replace(&mut self, reading: Reading<'_>) -> Result<bool, Dropped> {
        let mut new = Self::first(reading)?;
        let same_shape = self.same_shape(&new);
        if same_shape {
            new.exemplars = std::mem::take(&mut self.exemplars);
        }
        let fell = new.count() < self.count() || !same_shape;
        *self = new;
        Ok(fell)
    }

    fn add(&mut self, reading: Reading<'_>) -> Result<bool, Dropped> {
        let new = Self::first(reading)?;
        if new.sum.is_some_and(f64::is_infinite) {
            return Err(Dropped::InvalidHistogram);
        }
        if !self.same_shape(&new) {
            *self = new;
            return Ok(true);
        }
        self.fold(&new).map(|()| false)
    }

    fn bare(&self) -> Self {
        let buckets = match &self.buckets {
            Buckets::Explicit { bounds, counts } => {
                Buckets::Explicit { bounds: Arc::clone(bounds), counts: counts.clone() }
            }
            Buckets::Exponential(buckets) => Buckets::Exponential(buckets.clone()),
        };
        Self { buckets, sum: self.sum, exemplars: Box::default() }
    }

    fn zero(&self) -> Option<Self> {
        let buckets = match &self.buckets {
            Buckets::Explicit { bounds, counts } => {
                Buckets::Explicit { bounds: Arc::clone(bounds), counts: counts.iter().map(|_| 0).collect() }
            }
            Buckets::Exponential(buckets) => Buckets::Exponential(Box::new(buckets.zero())),
        };
        Some(Self { buckets, sum: self.sum.map(|_| 0.0), exemplars: Box::default() })
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        if !self.same_shape(earlier) {
            return None;
        }
        let buckets = match (&self.buckets, &earlier.buckets) {
            (Buckets::Explicit { bounds, counts }, Buckets::Explicit { counts: before, .. }) => {
                let counts = counts.iter().zip(before).map(|(now, then)| now.checked_sub(*then));
                Buckets::Explicit { bounds: Arc::clone(bounds), counts: counts.collect::<Option<_>>()? }
            }
            (Buckets::Exponential(now), Buckets::Exponential(then)) => {
                Buckets::Exponential(Box::new(now.since(then)?))
            }
            _ => return None,
        };
        let sum = self.sum.zip(earlier.sum).map(|(now, then)| now - then);
        Some(Self { buckets, sum, exemplars: Box::default() })
    }

    fn fold(&mut self, other: &Self) -> Result<(), Dropped> {
        if !self.same_shape(other) {
            return Err(Dropped::InvalidHistogram);
        }
        let sum = self.sum.zip(other.sum).map(|(sum, more)| sum + more);
        if sum.is_some_and(|sum| !sum.is_finite()) {
            return Err(Dropped::InvalidHistogram);
        }
        match (&mut self.buckets, &other.buckets) {
            (Buckets::Explicit { counts, .. }, Buckets::Explicit { counts: more, .. }) => {
                for (count, more) in counts.iter_mut().zip(more) {
                    *count = count.saturating_add(*more);
                }
            }
            (Buckets::Exponential(buckets), Buckets::Exponential(more)) => buckets.add(more),
            _ => return Err(Dropped::InvalidHistogram),
        }
        self.sum = sum;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let buckets = match &self.buckets {
            Buckets::Explicit { counts, .. } => size_of_val(&**counts) + ALLOCATION,
            Buckets::Exponential(buckets) => buckets.heap_bytes() + ALLOCATION,
        };
        let exemplars: usize = self.exemplars.iter().flatten().map(|exemplar| exemplar.bytes()).sum();
        buckets + exemplars + size_of_val(&*self.exemplars)
    }

    fn lines(&self) -> usize {
        2 + match &self.buckets {
            Buckets::Explicit { counts, .. } => counts.len(),
            Buckets::Exponential(_) => exponential::SHOWN_MAX,
        }
    }

    fn render(&self, line: &Line<'_>, writer: &mut Writer<'_>) {
        match &self.buckets {
            Buckets::Explicit { bounds, counts } => self.render_explicit(bounds, counts, line, writer),
            Buckets::Exponential(buckets) => self.render_exponential(buckets, line, writer),
        }
        let complete = self.sum_grows();
        if let Some(sum) = self.sum
            && (complete || writer.format() != Format::OpenMetrics)
        {
            writer.sample("_sum", line.labels, None);
            writer.double(sum);
            line.end(writer, None);
        }
        if complete || writer.format() != Format::OpenMetrics {
            writer.sample("_count", line.labels, None);
            writer.count(self.count());
            line.end(writer, None);
        }
        line.created(writer);
    }

    fn encode(&self, line: &Line<'_>, out: &mut Wire) -> bool {
        let native = match &self.buckets {
            Buckets::Explicit { .. } => true,
            Buckets::Exponential(buckets) => self.sum.is_some() && buckets.is_native(),
        };
        if !native {
            return false;
        }
        out.message(metric::HISTOGRAM, |out| {
            out.uint(histogram::COUNT, self.count());
            // The format has no way to say that there is no sum, and zero would be one.
            out.double(histogram::SUM, self.sum.unwrap_or(f64::NAN));
            match &self.buckets {
                Buckets::Explicit { bounds, counts } => self.encode_explicit(bounds, counts, line, out),
                Buckets::Exponential(buckets) => self.encode_exponential(buckets, line, out),
            }
            line.encode_created(out, histogram::CREATED);
        });
        true
    }

    fn forget_exemplars(&mut self, now_ns: u64, retention_ns: u64) {
        for place in &mut self.exemplars {
            place.take_if(|exemplar| exemplar.expired(now_ns, retention_ns));
        }
        if self.exemplars.iter().all(Option::is_none) {
            self.exemplars = Box::default();
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        match &self.buckets {
            Buckets::Explicit { bounds, counts } => {
                put_varint(out, bounds.values.len() as u64 + 1);
                bounds.values.iter().for_each(|bound| put_double(out, *bound));
                counts.iter().for_each(|count| put_varint(out, *count));
            }
            Buckets::Exponential(buckets) => {
                put_varint(out, 0);
                buckets.save(out);
            }
        }
        put_double(out, self.sum.unwrap_or(f64::NAN));
        put_varint(out, self.exemplars.len() as u64);
        self.exemplars.iter().for_each(|exemplar| put_exemplar(out, exemplar.as_deref()));
    }

    fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let buckets = match from.count(9)? {
            0 => Buckets::Exponential(Box::new(Exponential::restore(from)?)),
            places => {
                let bounds = (1..places).map(|_| from.double()).collect::<Option<Vec<_>>>()?;
                let counts = (0..places).map(|_| from.varint()).collect::<Option<Box<[u64]>>>()?;
                Buckets::Explicit { bounds: Arc::new(Bounds::new(&bounds).ok()?), counts }
            }
        };
        let sum = Some(from.double()?).filter(|sum| !sum.is_nan());
        let places = from.count(1)?;
        let exemplars =
            (0..places).map(|_| Some(from.exemplar()?.map(Box::new))).collect::<Option<Box<[_]>>>()?;
        Some(Self { buckets, sum, exemplars })
    }
}

// === impl Bounds ===

impl Bounds {
    /// Checks and spells bounds.
    ///
    /// # Errors
    /// They are not finite, not ascending, or too many.
    pub fn new(values: &[f64]) -> Result<Self, Dropped> {
        if values.len() > BUCKETS_MAX {
            return Err(Dropped::TooManyBuckets);
        }
        let ascending = values.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || !values.iter().all(|bound| bound.is_finite()) {
            return Err(Dropped::InvalidHistogram);
        }
        let mut spelled = Vec::with_capacity(values.len() * 6 + 4);
        let mut ends = Vec::with_capacity(values.len() + 1);
        for &value in values.iter().chain(&[f64::INFINITY]) {
            // A bound of minus zero is zero: `-0.0` and `0.0` would be two series.
            push_double(&mut spelled, if value == 0.0 { 0.0 } else { value });
            ends.push(spelled.len() as u32);
        }
        Ok(Self { values: values.into(), spelled: spelled.into(), ends: ends.into() })
    }

    /// The bounds themselves.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Bytes it occupies.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.len() * 12 + self.spelled.len() + 3 * ALLOCATION
    }

    fn spelling(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.spelled[start..self.ends[at] as usize]
    }

    /// The bucket that a value lies in: upper bounds belong to their bucket.
    fn bucket_of(&self, value: f64) -> usize {
        self.values.partition_point(|&bound| bound < value)
    }
}

fn same_bounds(a: &Arc<Bounds>, b: &Arc<Bounds>) -> bool {
    Arc::ptr_eq(a, b) || a.values == b.values
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// Bounds of one histogram, at most.
pub const BUCKETS_MAX: usize = 512;

/// Exemplars that an exponential histogram keeps.
const EXPONENTIAL_EXEMPLARS: usize = 16;
