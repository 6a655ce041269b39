//! Metrics: sums, gauges, histograms of both kinds, with exemplars.

use crate::{
    batch::Metrics,
    encode::{AttributesWriter, ItemsWriter},
    schema::{
        buckets, exemplar, exponential_histogram, exponential_point, gauge, histogram, histogram_point,
        metric, number_point, scope_metrics, sum,
    },
    view::Number,
    wire::Writer,
};

/// Chooses what kind of metric it is.
#[derive(Debug)]
pub struct MetricWriter<'w> {
    out: &'w mut Writer,
    items: &'w mut usize,
}

/// Adds points of the kind `P` to a metric.
#[derive(Debug)]
pub struct Points<'w, P> {
    out: &'w mut Writer,
    items: &'w mut usize,
    number: u32,
    point: std::marker::PhantomData<fn() -> P>,
}

/// Fills a point of a gauge or a sum.
#[derive(Debug)]
pub struct NumberPointWriter<'w> {
    out: &'w mut Writer,
}

/// Fills a point of a histogram.
#[derive(Debug)]
pub struct HistogramPointWriter<'w> {
    out: &'w mut Writer,
}

/// Fills a point of an exponential histogram.
#[derive(Debug)]
pub struct ExponentialPointWriter<'w> {
    out: &'w mut Writer,
}

/// One half of an exponential histogram.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialBuckets<'a> {
    /// The index of the first bucket.
    pub offset: i32,
    /// Measurements in each bucket.
    pub counts: &'a [u64],
}

/// Fills an exemplar.
#[derive(Debug)]
pub struct ExemplarWriter<'w> {
    out: &'w mut Writer,
}

// === impl ItemsWriter ===

impl ItemsWriter<'_, Metrics> {
    /// Adds a metric; `fill` chooses its kind, by which it ends.
    pub fn metric(&mut self, name: &str, description: &str, unit: &str, fill: impl FnOnce(MetricWriter<'_>)) {
        let items = &mut *self.items;
        self.out.message(scope_metrics::METRICS, |out| {
            out.string_unless_empty(metric::NAME, name);
            out.string_unless_empty(metric::DESCRIPTION, description);
            out.string_unless_empty(metric::UNIT, unit);
            fill(MetricWriter { out, items });
        });
    }
}

// === impl MetricWriter ===

impl MetricWriter<'_> {
    /// A total. Temporality: 1 delta, 2 cumulative.
    pub fn sum(
        self,
        temporality: i32,
        monotonic: bool,
        fill: impl FnOnce(&mut Points<'_, NumberPointWriter<'_>>),
    ) {
        let items = self.items;
        self.out.message(metric::SUM, |out| {
            out.int(sum::TEMPORALITY, i64::from(temporality));
            out.bool(sum::MONOTONIC, monotonic);
            fill(&mut Points::new(out, items, sum::POINTS));
        });
    }

    /// Values of the moment.
    pub fn gauge(self, fill: impl FnOnce(&mut Points<'_, NumberPointWriter<'_>>)) {
        let items = self.items;
        self.out.message(metric::GAUGE, |out| fill(&mut Points::new(out, items, gauge::POINTS)));
    }

    /// Buckets with bounds of their own. Temporality: 1 delta, 2 cumulative.
    pub fn histogram(self, temporality: i32, fill: impl FnOnce(&mut Points<'_, HistogramPointWriter<'_>>)) {
        let items = self.items;
        self.out.message(metric::HISTOGRAM, |out| {
            out.int(histogram::TEMPORALITY, i64::from(temporality));
            fill(&mut Points::new(out, items, histogram::POINTS));
        });
    }

    /// Buckets that grow by a factor. Temporality: 1 delta, 2 cumulative.
    pub fn exponential_histogram(
        self,
        temporality: i32,
        fill: impl FnOnce(&mut Points<'_, ExponentialPointWriter<'_>>),
    ) {
        let items = self.items;
        self.out.message(metric::EXPONENTIAL_HISTOGRAM, |out| {
            out.int(exponential_histogram::TEMPORALITY, i64::from(temporality));
            fill(&mut Points::new(out, items, exponential_histogram::POINTS));
        });
    }
}

// === impl Points ===

impl<'w, P> Points<'w, P> {
    fn new(out: &'w mut Writer, items: &'w mut usize, number: u32) -> Self {
        Self { out, items, number, point: std::marker::PhantomData }
    }

    fn add(&mut self, fill: impl FnOnce(&mut Writer)) {
        *self.items += 1;
        self.out.message(self.number, fill);
    }
}

impl Points<'_, NumberPointWriter<'_>> {
    /// Adds a point: since when it counts (0 for a gauge), when it was taken, its value.
    pub fn point(
        &mut self,
        start_ns: u64,
        time_ns: u64,
        value: Number,
        fill: impl FnOnce(&mut NumberPointWriter<'_>),
    ) {
        self.add(|out| {
            write_times(out, [(number_point::START, start_ns), (number_point::TIME, time_ns)]);
            write_number(out, value, number_point::INT, number_point::DOUBLE);
            fill(&mut NumberPointWriter { out });
        });
    }
}

impl Points<'_, HistogramPointWriter<'_>> {
    /// Adds a point: since when it counts, when it was taken, how many measurements in each bucket.
    /// There is one count more than there are bounds.
    pub fn point(
        &mut self,
        start_ns: u64,
        time_ns: u64,
        bounds: &[f64],
        counts: &[u64],
        fill: impl FnOnce(&mut HistogramPointWriter<'_>),
    ) {
        debug_assert!(counts.is_empty() || counts.len() == bounds.len() + 1, "one count more than bounds");
        self.add(|out| {
            write_times(out, [(histogram_point::START, start_ns), (histogram_point::TIME, time_ns)]);
            out.fixed64(histogram_point::COUNT, total(counts));
            out.packed_fixed64(histogram_point::BUCKET_COUNTS, counts.iter().copied());
            out.packed_double(histogram_point::BOUNDS, bounds.iter().copied());
            fill(&mut HistogramPointWriter { out });
        });
    }
}

impl Points<'_, ExponentialPointWriter<'_>> {
    /// Adds a point: since when it counts, when it was taken, the scale, how many measurements are
    /// zero, and the buckets on either side.
    #[expect(clippy::too_many_arguments, reason = "a point is all of these")]
    pub fn point(
        &mut self,
        start_ns: u64,
        time_ns: u64,
        scale: i32,
        zero_count: u64,
        positive: ExponentialBuckets<'_>,
        negative: ExponentialBuckets<'_>,
        fill: impl FnOnce(&mut ExponentialPointWriter<'_>),
    ) {
        let count = total(positive.counts).saturating_add(total(negative.counts)).saturating_add(zero_count);
        self.add(|out| {
            write_times(out, [(exponential_point::START, start_ns), (exponential_point::TIME, time_ns)]);
            out.fixed64(exponential_point::COUNT, count);
            out.sint32(exponential_point::SCALE, scale);
            out.fixed64(exponential_point::ZERO_COUNT, zero_count);
            write_buckets(out, exponential_point::POSITIVE, positive);
            write_buckets(out, exponential_point::NEGATIVE, negative);
            fill(&mut ExponentialPointWriter { out });
        });
    }
}

// === impl NumberPointWriter ===

impl NumberPointWriter<'_> {
    /// What the point is about.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, number_point::ATTRIBUTES)
    }

    /// A measurement behind the value, at a time in nanoseconds since 1970.
    pub fn exemplar(&mut self, time_ns: u64, value: Number, fill: impl FnOnce(&mut ExemplarWriter<'_>)) {
        write_exemplar(self.out, number_point::EXEMPLARS, time_ns, value, fill);
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.out.uint_unless_zero(number_point::FLAGS, u64::from(flags));
        self
    }
}

// === impl HistogramPointWriter ===

impl HistogramPointWriter<'_> {
    /// The sum of all measurements.
    pub fn sum(&mut self, sum: f64) -> &mut Self {
        self.out.double(histogram_point::SUM, sum);
        self
    }

    /// The least and the greatest measurement.
    pub fn extremes(&mut self, min: f64, max: f64) -> &mut Self {
        self.out.double(histogram_point::MIN, min);
        self.out.double(histogram_point::MAX, max);
        self
    }

    /// What the point is about.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, histogram_point::ATTRIBUTES)
    }

    /// A measurement behind the buckets, at a time in nanoseconds since 1970.
    pub fn exemplar(&mut self, time_ns: u64, value: Number, fill: impl FnOnce(&mut ExemplarWriter<'_>)) {
        write_exemplar(self.out, histogram_point::EXEMPLARS, time_ns, value, fill);
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.out.uint_unless_zero(histogram_point::FLAGS, u64::from(flags));
        self
    }
}

// === impl ExponentialPointWriter ===

impl ExponentialPointWriter<'_> {
    /// The sum of all measurements.
    pub fn sum(&mut self, sum: f64) -> &mut Self {
        self.out.double(exponential_point::SUM, sum);
        self
    }

    /// The least and the greatest measurement.
    pub fn extremes(&mut self, min: f64, max: f64) -> &mut Self {
        self.out.double(exponential_point::MIN, min);
        self.out.double(exponential_point::MAX, max);
        self
    }

    /// How far from zero the zero bucket reaches.
    pub fn zero_threshold(&mut self, threshold: f64) -> &mut Self {
        self.out.double(exponential_point::ZERO_THRESHOLD, threshold);
        self
    }

    /// What the point is about.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, exponential_point::ATTRIBUTES)
    }

    /// A measurement behind the buckets, at a time in nanoseconds since 1970.
    pub fn exemplar(&mut self, time_ns: u64, value: Number, fill: impl FnOnce(&mut ExemplarWriter<'_>)) {
        write_exemplar(self.out, exponential_point::EXEMPLARS, time_ns, value, fill);
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.out.uint_unless_zero(exponential_point::FLAGS, u64::from(flags));
        self
    }
}

// === impl ExemplarWriter ===

impl ExemplarWriter<'_> {
    /// The span it was measured in.
    pub fn trace_context(&mut self, trace_id: &[u8; 16], span_id: &[u8; 8]) -> &mut Self {
        self.out.bytes(exemplar::TRACE_ID, trace_id);
        self.out.bytes(exemplar::SPAN_ID, span_id);
        self
    }

    /// Attributes of the measurement that the point does not have.
    pub fn filtered_attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, exemplar::ATTRIBUTES)
    }
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |total, count| total.saturating_add(*count))
}

fn write_times(out: &mut Writer, times: [(u32, u64); 2]) {
    for (number, time_ns) in times {
        if time_ns != 0 {
            out.fixed64(number, time_ns);
        }
    }
}

fn write_number(out: &mut Writer, value: Number, int: u32, double: u32) {
    match value {
        Number::None => {}
        Number::Int(value) => out.fixed64(int, value as u64),
        Number::Double(value) => out.double(double, value),
    }
}

fn write_buckets(out: &mut Writer, number: u32, half: ExponentialBuckets<'_>) {
    if !half.counts.is_empty() {
        out.message(number, |out| {
            out.sint32(buckets::OFFSET, half.offset);
            out.packed_varint(buckets::COUNTS, half.counts.iter().copied());
        });
    }
}

fn write_exemplar(
    out: &mut Writer,
    number: u32,
    time_ns: u64,
    value: Number,
    fill: impl FnOnce(&mut ExemplarWriter<'_>),
) {
    out.message(number, |out| {
        out.fixed64(exemplar::TIME, time_ns);
        write_number(out, value, exemplar::INT, exemplar::DOUBLE);
        fill(&mut ExemplarWriter { out });
    });
}
