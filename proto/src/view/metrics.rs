//! Metrics; the points of each kind have a file of their own.

mod exemplar;
mod exponential;
mod histogram;
mod number;
mod numbers;
mod summary;

pub use self::{
    exemplar::ExemplarView,
    exponential::{BucketsView, ExponentialHistogramView, ExponentialPoint},
    histogram::{HistogramPoint, HistogramView},
    number::{GaugeView, Number, NumberPoint, SumView},
    numbers::Numbers,
    summary::{QuantileView, SummaryPoint, SummaryView},
};
use crate::{
    batch::{Batch, Metrics},
    schema::{metric, request_metrics, resource_metrics, scope_metrics},
    view::common::{Attributes, Extent, Repeated, ResourceView, ScopeView, View, text},
    wire::{Fields, Payload},
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

/// The last value of an enum field.
fn last_enum(bytes: &[u8], number: u32) -> i32 {
    Fields::new(bytes).fold(0, |last, field| match field.payload {
        Payload::Varint(value) if field.number == number => value as i32,
        _ => last,
    })
}
