//! Metrics, their points and exemplars.

use crate::{
    batch::{Batch, Metrics},
    schema::{
        buckets, exemplar, exponential_histogram, exponential_point, gauge, histogram, histogram_point,
        metric, number_point, quantile, request_metrics, resource_metrics, scope_metrics, sum, summary,
        summary_point,
    },
    view::common::{Attributes, Extent, Repeated, ResourceView, ScopeView, View, id, text},
    wire::{Fields, Payload, varint, zigzag32},
};

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub struct MetricsView<'a> {
    bytes: &'a [u8],
}

/// The metrics of one sender.
#[derive(Clone, Copy, Debug)]
pub struct ResourceMetricsView<'a> {
    bytes: &'a [u8],
    resource: &'a [u8],
    schema_url: &'a [u8],
}

/// The metrics of one library of one sender.
#[derive(Clone, Copy, Debug)]
pub struct ScopeMetricsView<'a> {
    bytes: &'a [u8],
    scope: &'a [u8],
    schema_url: &'a [u8],
}

/// A metric with its points.
#[derive(Clone, Copy, Debug)]
pub struct MetricView<'a> {
    name: &'a [u8],
    description: &'a [u8],
    unit: &'a [u8],
    metadata: Attributes<'a>,
    data: (u32, &'a [u8]),
}

/// What kind of metric it is.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// Not set, or of a kind we do not know.
    None,
    /// Values of the moment.
    Gauge(GaugeView<'a>),
    /// A total.
    Sum(SumView<'a>),
    /// Buckets with bounds of their own.
    Histogram(HistogramView<'a>),
    /// Buckets that grow by a factor.
    ExponentialHistogram(ExponentialHistogramView<'a>),
    /// Quantiles, computed by the sender.
    Summary(SummaryView<'a>),
}

/// Values of the moment.
#[derive(Clone, Copy, Debug)]
pub struct GaugeView<'a> {
    bytes: &'a [u8],
}

/// A total.
#[derive(Clone, Copy, Debug)]
pub struct SumView<'a> {
    bytes: &'a [u8],
    temporality: i32,
    monotonic: bool,
}

/// Buckets with bounds of their own.
#[derive(Clone, Copy, Debug)]
pub struct HistogramView<'a> {
    bytes: &'a [u8],
    temporality: i32,
}

/// Buckets that grow by a factor.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialHistogramView<'a> {
    bytes: &'a [u8],
    temporality: i32,
}

/// Quantiles.
#[derive(Clone, Copy, Debug)]
pub struct SummaryView<'a> {
    bytes: &'a [u8],
}

/// A number, as points and exemplars carry it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Not set.
    None,
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
}

/// A point of a gauge or a sum.
#[derive(Clone, Copy, Debug)]
pub struct NumberPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    start_ns: u64,
    time_ns: u64,
    value: Number,
    flags: u32,
}

/// A point of a histogram.
#[derive(Clone, Copy, Debug)]
pub struct HistogramPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    start_ns: u64,
    time_ns: u64,
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    flags: u32,
}

/// A point of an exponential histogram.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    positive: &'a [u8],
    negative: &'a [u8],
    start_ns: u64,
    time_ns: u64,
    count: u64,
    zero_count: u64,
    zero_threshold: f64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    scale: i32,
    flags: u32,
}

/// One half of an exponential histogram.
#[derive(Clone, Copy, Debug)]
pub struct BucketsView<'a> {
    bytes: &'a [u8],
    offset: i32,
}

/// A point of a summary.
#[derive(Clone, Copy, Debug)]
pub struct SummaryPoint<'a> {
    bytes: &'a [u8],
    attributes: Attributes<'a>,
    start_ns: u64,
    time_ns: u64,
    count: u64,
    sum: f64,
    flags: u32,
}

/// One quantile of a summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileView {
    quantile: f64,
    value: f64,
}

/// One measurement with the span it was made in.
#[derive(Clone, Copy, Debug)]
pub struct ExemplarView<'a> {
    filtered_attributes: Attributes<'a>,
    trace_id: Option<&'a [u8; 16]>,
    span_id: Option<&'a [u8; 8]>,
    time_ns: u64,
    value: Number,
}

/// A list of numbers, packed or not, or some of each.
#[derive(Clone, Debug)]
pub struct Numbers<'a> {
    fields: Fields<'a>,
    number: u32,
    fixed: bool,
    packed: &'a [u8],
}

// === impl Batch ===

impl Batch<Metrics> {
    /// Looks at the request where it lies.
    pub fn view(&self) -> MetricsView<'_> {
        MetricsView { bytes: self.bytes() }
    }
}

// === impl MetricsView ===

impl<'a> MetricsView<'a> {
    /// The senders, in order.
    #[inline]
    pub fn resource_metrics(self) -> Repeated<'a, ResourceMetricsView<'a>> {
        Repeated::new(self.bytes, request_metrics::RESOURCES)
    }
}

// === impl ResourceMetricsView ===

impl<'a> ResourceMetricsView<'a> {
    /// Who sent the metrics.
    #[inline]
    pub fn resource(self) -> ResourceView<'a> {
        ResourceView::read(self.resource)
    }

    /// The libraries, in order.
    #[inline]
    pub fn scope_metrics(self) -> Repeated<'a, ScopeMetricsView<'a>> {
        Repeated::new(self.bytes, resource_metrics::SCOPES)
    }

    /// The schema that the resource follows.
    #[inline]
    pub fn schema_url(self) -> &'a str {
        text(self.schema_url)
    }
}

impl<'a> View<'a> for ResourceMetricsView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, resource: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (resource_metrics::RESOURCE, Payload::Len(resource)) => view.resource = resource,
                (resource_metrics::SCHEMA_URL, Payload::Len(url)) => view.schema_url = url,
                _ => {}
            }
        }
        view
    }
}

// === impl ScopeMetricsView ===

impl<'a> ScopeMetricsView<'a> {
    /// Which library made the metrics.
    #[inline]
    pub fn scope(self) -> ScopeView<'a> {
        ScopeView::read(self.scope)
    }

    /// The metrics, in order.
    #[inline]
    pub fn metrics(self) -> Repeated<'a, MetricView<'a>> {
        Repeated::new(self.bytes, scope_metrics::METRICS)
    }

    /// The schema that scope and metrics follow.
    #[inline]
    pub fn schema_url(self) -> &'a str {
        text(self.schema_url)
    }
}

impl<'a> View<'a> for ScopeMetricsView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, scope: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (scope_metrics::SCOPE, Payload::Len(scope)) => view.scope = scope,
                (scope_metrics::SCHEMA_URL, Payload::Len(url)) => view.schema_url = url,
                _ => {}
            }
        }
        view
    }
}

// === impl MetricView ===

impl<'a> MetricView<'a> {
    /// The metric's name.
    #[inline]
    pub fn name(self) -> &'a str {
        text(self.name)
    }

    /// What it means, for a person.
    #[inline]
    pub fn description(self) -> &'a str {
        text(self.description)
    }

    /// Its unit, in UCUM.
    #[inline]
    pub fn unit(self) -> &'a str {
        text(self.unit)
    }

    /// What else describes it; not part of its identity.
    #[inline]
    pub fn metadata(self) -> Attributes<'a> {
        self.metadata
    }

    /// Its points, by kind.
    #[inline]
    pub fn data(self) -> Data<'a> {
        let (number, bytes) = self.data;
        match number {
            metric::GAUGE => Data::Gauge(GaugeView { bytes }),
            metric::SUM => Data::Sum(SumView::read(bytes)),
            metric::HISTOGRAM => Data::Histogram(HistogramView::read(bytes)),
            metric::EXPONENTIAL_HISTOGRAM => {
                Data::ExponentialHistogram(ExponentialHistogramView::read(bytes))
            }
            metric::SUMMARY => Data::Summary(SummaryView { bytes }),
            _ => Data::None,
        }
    }
}

impl<'a> View<'a> for MetricView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view =
            Self { name: &[], description: &[], unit: &[], metadata: Attributes::EMPTY, data: (0, &[]) };
        let mut metadata = Extent::NONE;
        for field in Fields::new(bytes) {
            let number = field.number;
            match (number, field.payload) {
                (metric::NAME, Payload::Len(name)) => view.name = name,
                (metric::DESCRIPTION, Payload::Len(description)) => view.description = description,
                (metric::UNIT, Payload::Len(unit)) => view.unit = unit,
                (metric::METADATA, _) => metadata.cover(&field),
                (
                    metric::GAUGE
                    | metric::SUM
                    | metric::HISTOGRAM
                    | metric::EXPONENTIAL_HISTOGRAM
                    | metric::SUMMARY,
                    Payload::Len(data),
                ) => view.data = (number, data),
                _ => {}
            }
        }
        view.metadata = Attributes::new(bytes, metadata, metric::METADATA);
        view
    }
}

// === impl GaugeView ===

impl<'a> GaugeView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, NumberPoint<'a>> {
        Repeated::new(self.bytes, gauge::POINTS)
    }
}

// === impl SumView ===

impl<'a> SumView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, NumberPoint<'a>> {
        Repeated::new(self.bytes, sum::POINTS)
    }

    /// `AggregationTemporality` as a number: 1 delta, 2 cumulative.
    #[inline]
    pub fn temporality(self) -> i32 {
        self.temporality
    }

    /// Whether it never falls.
    #[inline]
    pub fn monotonic(self) -> bool {
        self.monotonic
    }

    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, temporality: 0, monotonic: false };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (sum::TEMPORALITY, Payload::Varint(temporality)) => view.temporality = temporality as i32,
                (sum::MONOTONIC, Payload::Varint(monotonic)) => view.monotonic = monotonic != 0,
                _ => {}
            }
        }
        view
    }
}

// === impl HistogramView ===

impl<'a> HistogramView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, HistogramPoint<'a>> {
        Repeated::new(self.bytes, histogram::POINTS)
    }

    /// `AggregationTemporality` as a number: 1 delta, 2 cumulative.
    #[inline]
    pub fn temporality(self) -> i32 {
        self.temporality
    }

    fn read(bytes: &'a [u8]) -> Self {
        Self { bytes, temporality: last_enum(bytes, histogram::TEMPORALITY) }
    }
}

// === impl ExponentialHistogramView ===

impl<'a> ExponentialHistogramView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, ExponentialPoint<'a>> {
        Repeated::new(self.bytes, exponential_histogram::POINTS)
    }

    /// `AggregationTemporality` as a number: 1 delta, 2 cumulative.
    #[inline]
    pub fn temporality(self) -> i32 {
        self.temporality
    }

    fn read(bytes: &'a [u8]) -> Self {
        Self { bytes, temporality: last_enum(bytes, exponential_histogram::TEMPORALITY) }
    }
}

// === impl SummaryView ===

impl<'a> SummaryView<'a> {
    /// The points, in order.
    #[inline]
    pub fn points(self) -> Repeated<'a, SummaryPoint<'a>> {
        Repeated::new(self.bytes, summary::POINTS)
    }
}

// === impl Number ===

impl Number {
    /// The number as a double; none if not set.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Int(number) => Some(number as f64),
            Self::Double(number) => Some(number),
        }
    }
}

// === impl NumberPoint ===

impl<'a> NumberPoint<'a> {
    /// What the point is about.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// Since when it counts, nanoseconds since 1970; 0 if unknown.
    #[inline]
    pub fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// When it was taken, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// The value.
    #[inline]
    pub fn value(self) -> Number {
        self.value
    }

    /// Measurements behind the value.
    #[inline]
    pub fn exemplars(self) -> Repeated<'a, ExemplarView<'a>> {
        Repeated::new(self.bytes, number_point::EXEMPLARS)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }
}

impl<'a> View<'a> for NumberPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            start_ns: 0,
            time_ns: 0,
            value: Number::None,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (number_point::ATTRIBUTES, _) => attributes.cover(&field),
                (number_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (number_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (number_point::DOUBLE, Payload::Fixed64(bits)) => {
                    view.value = Number::Double(f64::from_bits(bits));
                }
                (number_point::INT, Payload::Fixed64(bits)) => view.value = Number::Int(bits as i64),
                (number_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, number_point::ATTRIBUTES);
        view
    }
}

// === impl HistogramPoint ===

impl<'a> HistogramPoint<'a> {
    /// What the point is about.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// Since when it counts, nanoseconds since 1970; 0 if unknown.
    #[inline]
    pub fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// When it was taken, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// Measurements.
    #[inline]
    pub fn count(self) -> u64 {
        self.count
    }

    /// Their sum, if known.
    #[inline]
    pub fn sum(self) -> Option<f64> {
        self.sum
    }

    /// Measurements in each bucket; one more than there are bounds, or none at all.
    #[inline]
    pub fn bucket_counts(self) -> Numbers<'a> {
        Numbers::fixed(self.bytes, histogram_point::BUCKET_COUNTS)
    }

    /// Upper bounds of the buckets but the last, ascending as the sender promises.
    #[inline]
    pub fn explicit_bounds(self) -> impl Iterator<Item = f64> + Clone + use<'a> {
        Numbers::fixed(self.bytes, histogram_point::BOUNDS).map(f64::from_bits)
    }

    /// Measurements behind the buckets.
    #[inline]
    pub fn exemplars(self) -> Repeated<'a, ExemplarView<'a>> {
        Repeated::new(self.bytes, histogram_point::EXEMPLARS)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }

    /// The least measurement, if known.
    #[inline]
    pub fn min(self) -> Option<f64> {
        self.min
    }

    /// The greatest measurement, if known.
    #[inline]
    pub fn max(self) -> Option<f64> {
        self.max
    }
}

impl<'a> View<'a> for HistogramPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            start_ns: 0,
            time_ns: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (histogram_point::ATTRIBUTES, _) => attributes.cover(&field),
                (histogram_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (histogram_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (histogram_point::COUNT, Payload::Fixed64(count)) => view.count = count,
                (histogram_point::SUM, Payload::Fixed64(bits)) => view.sum = Some(f64::from_bits(bits)),
                (histogram_point::MIN, Payload::Fixed64(bits)) => view.min = Some(f64::from_bits(bits)),
                (histogram_point::MAX, Payload::Fixed64(bits)) => view.max = Some(f64::from_bits(bits)),
                (histogram_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, histogram_point::ATTRIBUTES);
        view
    }
}

// === impl ExponentialPoint ===

impl<'a> ExponentialPoint<'a> {
    /// What the point is about.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// Since when it counts, nanoseconds since 1970; 0 if unknown.
    #[inline]
    pub fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// When it was taken, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// Measurements.
    #[inline]
    pub fn count(self) -> u64 {
        self.count
    }

    /// Their sum, if known.
    #[inline]
    pub fn sum(self) -> Option<f64> {
        self.sum
    }

    /// Buckets grow by the factor `2^(2^-scale)`.
    #[inline]
    pub fn scale(self) -> i32 {
        self.scale
    }

    /// Measurements around zero.
    #[inline]
    pub fn zero_count(self) -> u64 {
        self.zero_count
    }

    /// How far from zero the zero bucket reaches.
    #[inline]
    pub fn zero_threshold(self) -> f64 {
        self.zero_threshold
    }

    /// Buckets above zero.
    #[inline]
    pub fn positive(self) -> BucketsView<'a> {
        BucketsView::read(self.positive)
    }

    /// Buckets below zero.
    #[inline]
    pub fn negative(self) -> BucketsView<'a> {
        BucketsView::read(self.negative)
    }

    /// Measurements behind the buckets.
    #[inline]
    pub fn exemplars(self) -> Repeated<'a, ExemplarView<'a>> {
        Repeated::new(self.bytes, exponential_point::EXEMPLARS)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }

    /// The least measurement, if known.
    #[inline]
    pub fn min(self) -> Option<f64> {
        self.min
    }

    /// The greatest measurement, if known.
    #[inline]
    pub fn max(self) -> Option<f64> {
        self.max
    }
}

impl<'a> View<'a> for ExponentialPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            positive: &[],
            negative: &[],
            start_ns: 0,
            time_ns: 0,
            count: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            sum: None,
            min: None,
            max: None,
            scale: 0,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (exponential_point::ATTRIBUTES, _) => attributes.cover(&field),
                (exponential_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (exponential_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (exponential_point::COUNT, Payload::Fixed64(count)) => view.count = count,
                (exponential_point::SUM, Payload::Fixed64(bits)) => view.sum = Some(f64::from_bits(bits)),
                (exponential_point::SCALE, Payload::Varint(scale)) => view.scale = zigzag32(scale),
                (exponential_point::ZERO_COUNT, Payload::Fixed64(count)) => view.zero_count = count,
                (exponential_point::POSITIVE, Payload::Len(positive)) => view.positive = positive,
                (exponential_point::NEGATIVE, Payload::Len(negative)) => view.negative = negative,
                (exponential_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                (exponential_point::MIN, Payload::Fixed64(bits)) => view.min = Some(f64::from_bits(bits)),
                (exponential_point::MAX, Payload::Fixed64(bits)) => view.max = Some(f64::from_bits(bits)),
                (exponential_point::ZERO_THRESHOLD, Payload::Fixed64(bits)) => {
                    view.zero_threshold = f64::from_bits(bits);
                }
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, exponential_point::ATTRIBUTES);
        view
    }
}

// === impl BucketsView ===

impl<'a> BucketsView<'a> {
    /// The index of the first bucket.
    #[inline]
    pub fn offset(self) -> i32 {
        self.offset
    }

    /// Measurements in each bucket.
    #[inline]
    pub fn bucket_counts(self) -> Numbers<'a> {
        Numbers::varints(self.bytes, buckets::COUNTS)
    }

    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, offset: 0 };
        for field in Fields::new(bytes) {
            if let (buckets::OFFSET, Payload::Varint(offset)) = (field.number, field.payload) {
                view.offset = zigzag32(offset);
            }
        }
        view
    }
}

// === impl SummaryPoint ===

impl<'a> SummaryPoint<'a> {
    /// What the point is about.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// Since when it counts, nanoseconds since 1970; 0 if unknown.
    #[inline]
    pub fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// When it was taken, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// Measurements.
    #[inline]
    pub fn count(self) -> u64 {
        self.count
    }

    /// Their sum.
    #[inline]
    pub fn sum(self) -> f64 {
        self.sum
    }

    /// The quantiles, in order.
    #[inline]
    pub fn quantiles(self) -> Repeated<'a, QuantileView> {
        Repeated::new(self.bytes, summary_point::QUANTILES)
    }

    /// `DataPointFlags`: 1 means that no value was recorded.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }
}

impl<'a> View<'a> for SummaryPoint<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            attributes: Attributes::EMPTY,
            start_ns: 0,
            time_ns: 0,
            count: 0,
            sum: 0.0,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (summary_point::ATTRIBUTES, _) => attributes.cover(&field),
                (summary_point::START, Payload::Fixed64(time)) => view.start_ns = time,
                (summary_point::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (summary_point::COUNT, Payload::Fixed64(count)) => view.count = count,
                (summary_point::SUM, Payload::Fixed64(bits)) => view.sum = f64::from_bits(bits),
                (summary_point::FLAGS, Payload::Varint(flags)) => view.flags = flags as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, summary_point::ATTRIBUTES);
        view
    }
}

// === impl QuantileView ===

impl QuantileView {
    /// Between 0 and 1.
    #[inline]
    pub fn quantile(self) -> f64 {
        self.quantile
    }

    /// The value at the quantile.
    #[inline]
    pub fn value(self) -> f64 {
        self.value
    }
}

impl<'a> View<'a> for QuantileView {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { quantile: 0.0, value: 0.0 };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (quantile::QUANTILE, Payload::Fixed64(bits)) => view.quantile = f64::from_bits(bits),
                (quantile::VALUE, Payload::Fixed64(bits)) => view.value = f64::from_bits(bits),
                _ => {}
            }
        }
        view
    }
}

// === impl ExemplarView ===

impl<'a> ExemplarView<'a> {
    /// Attributes of the measurement that the point does not have.
    #[inline]
    pub fn filtered_attributes(self) -> Attributes<'a> {
        self.filtered_attributes
    }

    /// When it was measured, nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// What was measured.
    #[inline]
    pub fn value(self) -> Number {
        self.value
    }

    /// The trace it was measured in; none if empty or all zero.
    #[inline]
    pub fn trace_id(self) -> Option<&'a [u8; 16]> {
        self.trace_id
    }

    /// The span it was measured in; none if empty or all zero.
    #[inline]
    pub fn span_id(self) -> Option<&'a [u8; 8]> {
        self.span_id
    }
}

impl<'a> View<'a> for ExemplarView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            filtered_attributes: Attributes::EMPTY,
            trace_id: None,
            span_id: None,
            time_ns: 0,
            value: Number::None,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (exemplar::ATTRIBUTES, _) => attributes.cover(&field),
                (exemplar::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (exemplar::DOUBLE, Payload::Fixed64(bits)) => {
                    view.value = Number::Double(f64::from_bits(bits))
                }
                (exemplar::INT, Payload::Fixed64(bits)) => view.value = Number::Int(bits as i64),
                (exemplar::SPAN_ID, Payload::Len(span)) => view.span_id = id(span),
                (exemplar::TRACE_ID, Payload::Len(trace)) => view.trace_id = id(trace),
                _ => {}
            }
        }
        view.filtered_attributes = Attributes::new(bytes, attributes, exemplar::ATTRIBUTES);
        view
    }
}

// === impl Numbers ===

impl<'a> Numbers<'a> {
    fn fixed(bytes: &'a [u8], number: u32) -> Self {
        Self { fields: Fields::new(bytes), number, fixed: true, packed: &[] }
    }

    fn varints(bytes: &'a [u8], number: u32) -> Self {
        Self { fields: Fields::new(bytes), number, fixed: false, packed: &[] }
    }

    fn next_packed(&mut self) -> Option<u64> {
        if self.fixed {
            let (first, rest) = self.packed.split_first_chunk()?;
            self.packed = rest;
            return Some(u64::from_le_bytes(*first));
        }
        let (value, length) = varint(self.packed)?;
        self.packed = &self.packed[length..];
        Some(value)
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if let Some(value) = self.next_packed() {
                return Some(value);
            }
            let field = self.fields.next()?;
            if field.number != self.number {
                continue;
            }
            match field.payload {
                Payload::Len(packed) => self.packed = packed,
                Payload::Varint(value) | Payload::Fixed64(value) => return Some(value),
                Payload::Fixed32(_) => {}
            }
        }
    }
}

/// The last value of an enum field.
fn last_enum(bytes: &[u8], number: u32) -> i32 {
    Fields::new(bytes).fold(0, |last, field| match field.payload {
        Payload::Varint(value) if field.number == number => value as i32,
        _ => last,
    })
}
