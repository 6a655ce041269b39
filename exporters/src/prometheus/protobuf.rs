//! The protobuf format: `MetricFamily` messages, each after its length.
//!
//! - **In:** families (name, type, unit, help) and their series, the labels already rendered.
//! - **Out:** the messages of `io/prometheus/client/metrics.proto`, by its field numbers.
//! - **Guaranteed:** every message is whole and has at least one series; no allocation for a series.
//! - A family of many series comes in several messages of one name, none much larger than a chunk: a message must
//!   know its length before it begins, and memory must not grow with the page.
//! - **Not here:** what a value looks like; each kind of value ([`super::series::value`]) writes its own.

use proto::wire::Writer as Wire;

use super::{
    exemplar::Exemplar,
    text::{Head, Kind},
};

/// The message of the family at hand. Kept and reused.
#[derive(Debug, Default)]
pub struct Message {
    out: Wire,
    /// Whether it has a series yet.
    has_series: bool,
}

// === impl Message ===

impl Message {
    /// Begins the message of a family under this name.
    pub(super) fn begin(&mut self, name: &str, head: &Head<'_>) {
        self.out.truncate(0);
        self.has_series = false;
        let suffix = head.kind.suffix();
        self.out.message(family::NAME, |out| {
            out.raw(name.as_bytes());
            out.raw(suffix.as_bytes());
        });
        self.out.string_unless_empty(family::HELP, head.help);
        self.out.uint(family::TYPE, metric_type(head.kind));
        self.out.string_unless_empty(family::UNIT, head.shown_unit(name));
    }

    /// Adds a series: its rendered labels, then what `fill` writes of its value. `fill` answers whether there is one.
    pub fn series(&mut self, labels: &[u8], fill: impl FnOnce(&mut Wire) -> bool) {
        let start = self.out.len();
        let mut shown = false;
        self.out.message(family::METRIC, |out| {
            push_labels(out, metric::LABEL, labels);
            shown = fill(out);
        });
        if shown {
            self.has_series = true;
        } else {
            self.out.truncate(start);
        }
    }

    /// Appends the message to the page, unless it has no series.
    pub(super) fn end(&mut self, page: &mut Vec<u8>) {
        if self.has_series {
            let mut length = self.out.len();
            while length >= 0x80 {
                page.push(length as u8 | 0x80);
                length >>= 7;
            }
            page.push(length as u8);
            page.extend_from_slice(self.out.as_slice());
        }
        self.out.truncate(0);
        self.has_series = false;
    }

    /// Bytes of the message so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }
}

/// Writes a value that is one number; `more` adds what only counters have.
pub fn push_number(out: &mut Wire, kind: Kind, value: f64, more: impl FnOnce(&mut Wire)) {
    let number = match kind {
        Kind::Counter => metric::COUNTER,
        Kind::Unknown => metric::UNTYPED,
        _ => metric::GAUGE,
    };
    out.message(number, |out| {
        out.double(counter::VALUE, value);
        if kind == Kind::Counter {
            more(out);
        }
    });
}

/// Writes a `Bucket`.
pub fn push_bucket(out: &mut Wire, below: u64, upper: f64, exemplar: impl FnOnce(&mut Wire)) {
    out.message(histogram::BUCKET, |out| {
        out.uint(bucket::CUMULATIVE_COUNT, below);
        out.double(bucket::UPPER_BOUND, upper);
        exemplar(out);
    });
}

/// Writes an `Exemplar`.
pub fn push_exemplar(out: &mut Wire, number: u32, exemplar: &Exemplar) {
    out.message(number, |out| {
        push_labels(out, exemplar::LABEL, &exemplar.labels);
        out.double(exemplar::VALUE, exemplar.value.as_f64());
        push_time(out, exemplar::TIMESTAMP, exemplar.time_ns);
    });
}

/// Writes a `google.protobuf.Timestamp`.
pub fn push_time(out: &mut Wire, number: u32, time_ns: u64) {
    out.message(number, |out| {
        out.uint_unless_zero(timestamp::SECONDS, time_ns / 1_000_000_000);
        out.uint_unless_zero(timestamp::NANOS, time_ns % 1_000_000_000);
    });
}

/// A signed number as `sint64` has it.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Writes rendered labels as `LabelPair`s.
fn push_labels(out: &mut Wire, number: u32, rendered: &[u8]) {
    for (name, value) in Pairs(rendered) {
        out.message(number, |out| {
            out.message(label::NAME, |out| push_unescaped(out, name));
            out.message(label::VALUE, |out| push_unescaped(out, value));
        });
    }
}

fn push_unescaped(out: &mut Wire, mut escaped: &[u8]) {
    while let Some(at) = escaped.iter().position(|byte| *byte == b'\\') {
        out.raw(&escaped[..at]);
        match escaped.get(at + 1) {
            Some(b'n') => out.raw(b"\n"),
            Some(other) => out.raw(&[*other]),
            None => {}
        }
        escaped = escaped.get(at + 2..).unwrap_or_default();
    }
    out.raw(escaped);
}

/// The pairs of rendered labels, `a="x","b.c"="y"`: names and values with their escapes.
pub(super) struct Pairs<'a>(pub(super) &'a [u8]);

// === impl Pairs ===

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = match self.0.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = value_end(quoted)?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => self.0.split_at(self.0.iter().position(|byte| *byte == b'=')?),
        };
        let rest = rest.strip_prefix(b"=\"")?;
        let value = &rest[..value_end(rest)?];
        let rest = &rest[value.len() + 1..];
        self.0 = rest.strip_prefix(b",").unwrap_or(rest);
        Some((name, value))
    }
}

/// Where the quote stands that ends a value.
fn value_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn metric_type(kind: Kind) -> u64 {
    match kind {
        Kind::Counter => 0,
        // The format has neither info nor state sets.
        Kind::Gauge | Kind::Info | Kind::StateSet => 1,
        Kind::Summary => 2,
        Kind::Unknown => 3,
        Kind::Histogram => 4,
    }
}

/// Fields of `MetricFamily`.
mod family {
    pub(super) const NAME: u32 = 1;
    pub(super) const HELP: u32 = 2;
    pub(super) const TYPE: u32 = 3;
    pub(super) const METRIC: u32 = 4;
    pub(super) const UNIT: u32 = 5;
}

/// Fields of `Metric`.
pub mod metric {
    pub(super) const LABEL: u32 = 1;
    pub(super) const GAUGE: u32 = 2;
    pub(super) const COUNTER: u32 = 3;
    /// `Summary`.
    pub const SUMMARY: u32 = 4;
    pub(super) const UNTYPED: u32 = 5;
    /// Milliseconds since 1970.
    pub const TIMESTAMP: u32 = 6;
    /// `Histogram`.
    pub const HISTOGRAM: u32 = 7;
}

/// Fields of `LabelPair`.
mod label {
    pub(super) const NAME: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

/// Fields of `Counter`. `Gauge` and `Untyped` have the first.
pub mod counter {
    pub(super) const VALUE: u32 = 1;
    /// `Exemplar`.
    pub const EXEMPLAR: u32 = 2;
    /// `Timestamp`.
    pub const CREATED: u32 = 3;
}

/// Fields of `Summary` and of `Quantile`.
pub mod summary {
    /// All observations.
    pub const COUNT: u32 = 1;
    /// Their sum.
    pub const SUM: u32 = 2;
    /// `Quantile`.
    pub const QUANTILE: u32 = 3;
    /// `Timestamp`.
    pub const CREATED: u32 = 4;
    /// Of `Quantile`: which one.
    pub const RANK: u32 = 1;
    /// Of `Quantile`: its value.
    pub const VALUE: u32 = 2;
}

/// Fields of `Histogram` and of `BucketSpan`.
pub mod histogram {
    /// All observations.
    pub const COUNT: u32 = 1;
    /// Their sum.
    pub const SUM: u32 = 2;
    pub(super) const BUCKET: u32 = 3;
    /// The scale of native buckets.
    pub const SCHEMA: u32 = 5;
    /// How far the zero bucket reaches.
    pub const ZERO_THRESHOLD: u32 = 6;
    /// Observations in the zero bucket.
    pub const ZERO_COUNT: u32 = 7;
    /// `BucketSpan`s below zero; what is in them has the next number.
    pub const NEGATIVE_SPAN: u32 = 9;
    /// `BucketSpan`s above zero; what is in them has the next number.
    pub const POSITIVE_SPAN: u32 = 12;
    /// `Timestamp`.
    pub const CREATED: u32 = 15;
    /// `Exemplar`s of a native histogram.
    pub const EXEMPLARS: u32 = 16;
    /// Of `BucketSpan`: the gap before it.
    pub const OFFSET: u32 = 1;
    /// Of `BucketSpan`: how many buckets.
    pub const LENGTH: u32 = 2;
}

/// Fields of `Bucket`.
pub mod bucket {
    pub(super) const CUMULATIVE_COUNT: u32 = 1;
    pub(super) const UPPER_BOUND: u32 = 2;
    /// `Exemplar`.
    pub const EXEMPLAR: u32 = 3;
}

/// Fields of `Exemplar`.
mod exemplar {
    pub(super) const LABEL: u32 = 1;
    pub(super) const VALUE: u32 = 2;
    pub(super) const TIMESTAMP: u32 = 3;
}

/// Fields of `Timestamp`.
mod timestamp {
    pub(super) const SECONDS: u32 = 1;
    pub(super) const NANOS: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_labels_are_taken_apart() {
        let mut out = Wire::default();
        push_labels(&mut out, 1, br#"a="x\"\\\n,",b="",c="=""#);
        assert_eq!(
            out.into_vec(),
            b"\x0a\x0a\x0a\x01a\x12\x05x\"\\\n,\x0a\x05\x0a\x01b\x12\x00\x0a\x06\x0a\x01c\x12\x01="
        );
    }

    #[test]
    fn names_may_be_quoted() {
        let pairs: Vec<_> = Pairs(br#""a=\"b"="x",c="y""#).collect();
        assert_eq!(pairs, [(&br#"a=\"b"#[..], &b"x"[..]), (b"c", b"y")]);
    }

    #[test]
    fn damaged_labels_end_where_they_are_damaged() {
        for damaged in ["a", "a=", "a=\"", "a=\"\\", "a=\"x", "=\"\"x"] {
            assert!(Pairs(damaged.as_bytes()).count() <= 1, "{damaged}");
        }
    }
}
