//! Families that the process shows about itself, beside the table.
//!
//! - **In:** [`OwnFamilies`], asked once per scrape.
//! - **Guaranteed:** a family whose name is not valid or is taken is left out, a label that is not
//!   valid is made valid: whatever the caller gives, the page stays valid.

use std::borrow::Cow;

use proto::wire::Writer as Wire;

use super::{
    names,
    protobuf::{self, histogram, metric},
    text::{Head, Kind, Number, Writer, number::push_double, push_label},
};

/// Somebody who has something to show.
pub trait OwnFamilies: Send + Sync {
    /// What it shows at the moment. Called once per scrape, and once at the start, when the names that
    /// appear are kept for it; so a family should be there from the start.
    fn gather(&self) -> Vec<Family>;
}

/// A family and its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name; `_total` of a counter may be given or not.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: Kind,
    /// The unit that the name ends with, or nothing.
    pub unit: &'static str,
    /// Description.
    pub help: Cow<'static, str>,
    /// One per label set.
    pub samples: Vec<Sample>,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name and value.
    pub labels: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// Its value.
    pub value: SampleValue,
}

/// What a series holds.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// Anything but a histogram or summary.
    Number(Number),
    /// A histogram.
    Histogram {
        /// Upper bounds, ascending, without infinity.
        bounds: Vec<f64>,
        /// Not cumulative; one more than bounds.
        counts: Vec<u64>,
        /// Of all observations.
        sum: f64,
    },
}

// === impl Family ===

impl Family {
    /// A family without samples.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: Kind, help: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind, unit: "", help: help.into(), samples: Vec::new() }
    }

    /// The same with a unit that the name ends with.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// The same with one more series.
    #[must_use]
    pub fn with(mut self, labels: &[(&'static str, &str)], value: impl Into<SampleValue>) -> Self {
        self.push(labels, value);
        self
    }

    /// Adds a series.
    pub fn push(&mut self, labels: &[(&'static str, &str)], value: impl Into<SampleValue>) {
        let labels = labels.iter().map(|&(name, value)| (name.into(), value.to_owned().into())).collect();
        self.samples.push(Sample { labels, value: value.into() });
    }

    /// The name without the suffix of its samples, if it is valid.
    pub(super) fn base_name(&self) -> Option<&str> {
        let name = self.name.strip_suffix(self.kind.suffix()).unwrap_or(&self.name);
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
        let starts = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        (starts && name.bytes().all(valid)).then_some(name)
    }

    /// Writes the family.
    pub(super) fn render(&self, writer: &mut Writer<'_>) {
        let Some(name) = self.base_name().filter(|_| !self.samples.is_empty()) else { return };
        writer.begin(&Head { name, spelled: "", kind: self.kind, unit: self.unit, help: &self.help }, false);
        let mut labels = Vec::new();
        for sample in &self.samples {
            labels.clear();
            for (name, value) in &sample.labels {
                let mut valid = String::with_capacity(name.len());
                names::push_label_name(&mut valid, "", name);
                push_label(&mut labels, &valid, value);
            }
            match writer.message() {
                Some(message) => message.series(&labels, |out| sample.encode(self.kind, out)),
                None => sample.render(self.kind, &labels, writer),
            }
        }
        writer.end();
    }
}

// === impl Sample ===

impl Sample {
    fn encode(&self, kind: Kind, out: &mut Wire) -> bool {
        match &self.value {
            SampleValue::Number(number) => protobuf::push_number(out, kind, number.as_f64(), |_| {}),
            SampleValue::Histogram { bounds, counts, sum } => out.message(metric::HISTOGRAM, |out| {
                let mut below = 0_u64;
                for (at, bound) in bounds.iter().chain(&[f64::INFINITY]).enumerate() {
                    below = below.saturating_add(counts.get(at).copied().unwrap_or(0));
                    protobuf::push_bucket(out, below, *bound, |_| {});
                }
                out.uint(histogram::COUNT, below);
                out.double(histogram::SUM, *sum);
            }),
        }
        true
    }

    fn render(&self, kind: Kind, labels: &[u8], writer: &mut Writer<'_>) {
        match &self.value {
            SampleValue::Number(number) => {
                writer.sample(kind.suffix(), labels, None);
                writer.number(*number);
                writer.end_line();
            }
            SampleValue::Histogram { bounds, counts, sum } => {
                let mut below = 0_u64;
                let mut spelled = Vec::new();
                for (at, bound) in bounds.iter().chain(&[f64::INFINITY]).enumerate() {
                    below = below.saturating_add(counts.get(at).copied().unwrap_or(0));
                    spelled.clear();
                    push_double(&mut spelled, *bound);
                    writer.sample("_bucket", labels, Some(("le", &spelled)));
                    writer.count(below);
                    writer.end_line();
                }
                writer.sample("_sum", labels, None);
                writer.double(*sum);
                writer.end_line();
                writer.sample("_count", labels, None);
                writer.count(below);
                writer.end_line();
            }
        }
    }
}

impl From<u64> for SampleValue {
    fn from(value: u64) -> Self {
        Self::Number(i64::try_from(value).map_or(Number::Double(value as f64), Number::Int))
    }
}

impl From<i64> for SampleValue {
    fn from(value: i64) -> Self {
        Self::Number(Number::Int(value))
    }
}

impl From<usize> for SampleValue {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<f64> for SampleValue {
    fn from(value: f64) -> Self {
        Self::Number(Number::Double(value))
    }
}
