//! OTLP metrics to points of the table.
//!
//! - **In:** a validated batch and its arrival time.
//! - **Out:** points with final names and rendered labels, given to the [`Table`].
//! - **Guaranteed:** a fault of one point costs that point only, counted with its reason; times lie
//!   between 0 and the arrival, so that one sender's wrong clock cannot silence a series for good.
//! - **Not here:** what the table does with a point that conflicts.
//!
//! OpenTelemetry, *Prometheus and OpenMetrics Compatibility*, is the text behind it. Where it leaves a
//! choice: delta sums and histograms are accumulated, a delta sum that may fall becomes a gauge,
//! exponential histograms are shown with explicit buckets in the text formats.

mod kind;
mod settings;

use std::sync::Arc;

use pipelines::{time::UnixNanos, value_text::push_value};
use proto::{
    Batch, Metrics,
    view::{
        Attributes, BucketsView, Data, ExemplarView, ExponentialPoint, HistogramPoint, MetricView, Number,
        NumberPoint, ResourceView, ScopeMetricsView, SummaryPoint,
    },
};

use self::kind::{adds_up, check_state, kind_of};
pub use self::settings::Settings;
use super::{
    exemplar::ExemplarLabels,
    identity::Identity,
    labels::{INSTANCE, JOB, LabelSet},
    names,
    series::{
        Dropped, Metric, Table,
        family::Family,
        row::Point,
        value::{
            Temporality, Value,
            histogram::{
                self, BUCKETS_MAX, Histogram,
                exponential::{Exponential, Side},
            },
            number::{self, Single},
            summary::{self, Summary},
        },
    },
    text::{self, ExemplarText, Kind},
};

/// Turns batches into points. Keeps only buffers from one batch to the next.
#[derive(Debug)]
pub struct Translator {
    settings: Settings,
    labels: LabelSet,
    rendered: Vec<u8>,
    /// `job` and `instance` of the resource at hand, rendered.
    service: Vec<u8>,
    identity: Identity,
    /// The stream of the point at hand.
    stream: u64,
    name: String,
    spelled: String,
    exemplars: ExemplarLabels,
    bounds: Vec<f64>,
    counts: Vec<u64>,
    quantiles: Vec<(f64, f64)>,
    /// The first moment it was told of: what began before may have counted before anyone could see it.
    since_ns: u64,
    /// Which input of the table this is.
    input: u8,
}

/// What the points of one metric have in common.
#[derive(Clone, Copy)]
struct Target<'a> {
    table: &'a Table,
    resource: Attributes<'a>,
    /// What the streams of its points have in common.
    stream: u64,
    /// Whether those of several streams can be added up.
    adds_up: bool,
    metric: Metric<'a>,
    temporality: Option<Temporality>,
    now_ns: u64,
    since_ns: u64,
    input: u8,
}

// === impl Translator ===

impl Translator {
    /// A translator for one input of the table.
    pub fn new(settings: Settings, input: u8) -> Self {
        Self {
            settings,
            labels: LabelSet::default(),
            rendered: Vec::new(),
            service: Vec::new(),
            identity: Identity::default(),
            stream: 0,
            name: String::new(),
            spelled: String::new(),
            exemplars: ExemplarLabels::default(),
            bounds: Vec::new(),
            counts: Vec::new(),
            quantiles: Vec::new(),
            since_ns: u64::MAX,
            input,
        }
    }

    /// Takes note that the table existed at this moment.
    pub fn watch_since(&mut self, now: UnixNanos) {
        self.since_ns = self.since_ns.min(now.0);
    }

    /// The first moment it was told of, in nanoseconds since 1970.
    pub fn watches_since(&self) -> u64 {
        self.since_ns
    }

    /// Puts every point of a batch into the table.
    pub fn apply(&mut self, table: &Table, batch: &Batch<Metrics>, now: UnixNanos) {
        self.watch_since(now);
        for resource_metrics in batch.view().resource_metrics() {
            self.resource(table, resource_metrics.resource(), now);
            let resource = self.labels.mark();
            let attributes = resource_metrics.resource().attributes();
            let of_resource = self.identity.attributes(attributes);
            for scope_metrics in resource_metrics.scope_metrics() {
                self.scope(scope_metrics);
                let scope = self.labels.mark();
                let of_scope = self.scope_identity(scope_metrics);
                let stream = self.identity.whole([of_resource, of_scope]);
                for metric in scope_metrics.metrics() {
                    self.metric(table, (attributes, stream), metric, now);
                    self.labels.back_to(scope);
                }
                self.labels.back_to(resource);
            }
        }
    }

    /// `job` and `instance`, `target_info`, and the labels that every series of the resource has.
    fn resource(&mut self, table: &Table, resource: ResourceView<'_>, now: UnixNanos) {
        self.labels.clear();
        let attributes = resource.attributes();
        self.service_labels(attributes);
        self.labels.render("", &mut self.service);
        let service = self.labels.mark();
        let mut described = false;
        for (key, value) in attributes {
            if !SERVICE.contains(&key) {
                described = true;
                self.labels.push_with("", key, |text| push_value(text, value));
            }
        }
        if described && text_of(attributes, SERVICE_NAME).is_some() {
            self.target_info(table, now);
        }
        self.labels.back_to(service);
        for (key, value) in attributes {
            if self.settings.shows(key) {
                self.labels.push_with("", key, |text| push_value(text, value));
            }
        }
        for (name, value) in &self.settings.const_labels {
            self.labels.push(name, value);
        }
    }

    fn service_labels(&mut self, attributes: Attributes<'_>) {
        if let Some(name) = text_of(attributes, SERVICE_NAME) {
            let namespace = text_of(attributes, SERVICE_NAMESPACE);
            self.labels.push_with("", JOB, |text| {
                if let Some(namespace) = namespace {
                    text.push_str(namespace);
                    text.push('/');
                }
                text.push_str(name);
            });
        }
        if let Some(instance) = attributes.find(SERVICE_INSTANCE) {
            self.labels.push_with("", INSTANCE, |text| push_value(text, instance));
        }
    }

    fn target_info(&mut self, table: &Table, now: UnixNanos) {
        self.labels.render("", &mut self.rendered);
        self.teach(table);
        let put = if self.rendered.len() > LABELS_BYTES_MAX {
            Err(Dropped::LabelsTooLong)
        } else {
            table.targets.put(&self.service, &self.rendered, now.0, self.input, &table.usage)
        };
        if let Err(why) = put {
            table.counts.drop_point(why);
        }
    }

    /// `otel_scope_*`, unless the scope has no name.
    fn scope(&mut self, scope_metrics: ScopeMetricsView<'_>) {
        let scope = scope_metrics.scope();
        if !self.settings.scope_labels || scope.name().is_empty() {
            return;
        }
        self.labels.push("otel_scope_name", scope.name());
        self.labels.push("otel_scope_version", scope.version());
        self.labels.push("otel_scope_schema_url", scope_metrics.schema_url());
        for (key, value) in scope.attributes() {
            if !["name", "version", "schema_url"].contains(&key) {
                self.labels.push_with("otel_scope_", key, |text| push_value(text, value));
            }
        }
    }

    fn scope_identity(&mut self, scope_metrics: ScopeMetricsView<'_>) -> u64 {
        let scope = scope_metrics.scope();
        let names = self.identity.texts([scope.name()]);
        names.wrapping_add(self.identity.attributes(scope.attributes()))
    }

    /// `of` is the resource, and the identity of resource and scope.
    fn metric(
        &mut self,
        table: &Table,
        (resource, of): (Attributes<'_>, u64),
        metric: MetricView<'_>,
        now: UnixNanos,
    ) {
        let data = metric.data();
        let (mut kind, temporality) = kind_of(metric, &data);
        let (mut name, mut spelled) = (std::mem::take(&mut self.name), std::mem::take(&mut self.spelled));
        let Settings { namespace, suffixes, ratio, .. } = &self.settings;
        let is_ratio = *ratio && metric.unit() == "1" && matches!(data, Data::Gauge(_));
        let unit = if is_ratio { "ratio" } else { metric.unit() };
        let had_suffix = names::family_name(&mut name, namespace, metric.name(), kind, unit, *suffixes);
        if kind == Kind::Counter && !suffixes && !had_suffix {
            // A counter's sample must end in `_total`, which the user does not want to see added.
            kind = Kind::Unknown;
        }
        if self.settings.utf8 {
            names::spelled_name(&mut spelled, &name, namespace, metric.name(), kind);
        }
        let unit = names::unit_suffix(unit);
        let description =
            Metric { name: &name, spelled: &spelled, kind, unit: &unit, help: metric.description() };
        let stream = self.identity.whole([of, self.identity.texts([metric.name(), metric.unit()])]);
        let target = Target {
            table,
            resource,
            stream,
            adds_up: adds_up(&data, temporality),
            metric: description,
            temporality,
            now_ns: now.0,
            since_ns: self.since_ns,
            input: self.input,
        };
        self.points(&target, &data);
        (self.name, self.spelled) = (name, spelled);
    }

    fn points(&mut self, target: &Target<'_>, data: &Data<'_>) {
        match data {
            Data::Gauge(gauge) => self.each(target, gauge.points(), Self::number),
            Data::Sum(sum) => self.each(target, sum.points(), Self::number),
            Data::Histogram(histogram) => self.each(target, histogram.points(), Self::histogram),
            Data::ExponentialHistogram(histogram) => {
                self.each(target, histogram.points(), Self::exponential);
            }
            Data::Summary(summary) => self.each(target, summary.points(), Self::summary),
            Data::None => target.table.counts.drop_point(Dropped::NoData),
        }
    }

    fn each<P: Copy>(
        &mut self,
        target: &Target<'_>,
        points: impl Iterator<Item = P>,
        put: fn(&mut Self, &Target<'_>, &Family, P) -> Result<(), Dropped>,
    ) {
        let base = self.labels.mark();
        let mut conflicts = target.table.usage.conflicts.total();
        let mut family = target.family();
        for point in points {
            let mut put = |family: &Result<Arc<Family>, Dropped>| {
                let put =
                    family.as_ref().map_err(|why| *why).and_then(|family| put(self, target, family, point));
                self.labels.back_to(base);
                put
            };
            let mut taken = put(&family);
            if taken == Err(Dropped::Retired) {
                family = target.family();
                taken = put(&family);
            }
            if let Err(why) = taken {
                target.table.counts.drop_point(why);
            }
            let met =
                target.table.usage.conflicts.total() != conflicts || taken == Err(Dropped::StreamConflict);
            if let (true, Ok(family)) = (met, &family) {
                conflicts = target.table.usage.conflicts.total();
                target.table.streams_met(family, &self.rendered, || self.unseen(target.resource));
            }
        }
    }

    /// Resource attributes that the labels do not show, as much as a line of the log should hold.
    fn unseen(&self, resource: Attributes<'_>) -> String {
        let mut unseen = String::new();
        for (key, value) in resource {
            if !self.settings.shows(key) && !SERVICE.contains(&key) && unseen.len() < UNSEEN_BYTES_MAX {
                unseen.push_str(if unseen.is_empty() { "" } else { ", " });
                unseen.push_str(key);
                unseen.push('=');
                push_value(&mut unseen, value);
            }
        }
        unseen.truncate(unseen.floor_char_boundary(UNSEEN_BYTES_MAX));
        unseen
    }

    fn number(
        &mut self,
        target: &Target<'_>,
        family: &Family,
        point: NumberPoint<'_>,
    ) -> Result<(), Dropped> {
        self.render(target, point.attributes(), "")?;
        let at = target.point((&self.rendered, self.stream), point.start_ns(), point.time_ns())?;
        if point.flags() & NO_RECORDED_VALUE != 0 {
            family.end(&at, &target.table.usage);
            return Ok(());
        }
        let value = number_of(point.value()).ok_or(Dropped::NoData)?;
        check_state(target.metric, value, at.labels)?;
        let monotonic = target.metric.kind == Kind::Counter;
        let exemplars = &mut self.exemplars;
        let newest = point.exemplars().max_by_key(|exemplar| exemplar.time_ns()).filter(|_| monotonic);
        target.table.put::<Single>(family, &at, number::Reading { value, monotonic }, |single| {
            if let Some(newest) = newest {
                with_exemplar(target, exemplars, newest, |text| single.take_exemplar(text));
            }
        })
    }

    fn histogram(
        &mut self,
        target: &Target<'_>,
        family: &Family,
        point: HistogramPoint<'_>,
    ) -> Result<(), Dropped> {
        self.render(target, point.attributes(), "le")?;
        if point.flags() & NO_RECORDED_VALUE != 0 {
            let at = target.point((&self.rendered, self.stream), point.start_ns(), point.time_ns())?;
            family.end(&at, &target.table.usage);
            return Ok(());
        }
        self.buckets(point)?;
        let bounds = &family.bounds(&self.bounds)?;
        let reading = histogram::Reading::Explicit { bounds, counts: &self.counts, sum: point.sum() };
        let at = target.point((&self.rendered, self.stream), point.start_ns(), point.time_ns())?;
        put_histogram(target, family, &at, reading, point.exemplars(), &mut self.exemplars)
    }

    /// Bounds and counts into the buffers. A last bound that is infinite adds nothing.
    fn buckets(&mut self, point: HistogramPoint<'_>) -> Result<(), Dropped> {
        self.bounds.clear();
        self.counts.clear();
        self.bounds.extend(point.explicit_bounds().take(BUCKETS_MAX + 2));
        self.counts.extend(point.bucket_counts().take(BUCKETS_MAX + 3));
        if self.bounds.len() > BUCKETS_MAX + 1 {
            return Err(Dropped::TooManyBuckets);
        }
        if self.counts.is_empty() && self.bounds.is_empty() {
            self.counts.push(point.count());
        }
        if self.bounds.last() == Some(&f64::INFINITY) && self.counts.len() == self.bounds.len() + 1 {
            let above = self.counts.pop().unwrap_or(0);
            self.bounds.pop();
            if let Some(last) = self.counts.last_mut() {
                *last = last.saturating_add(above);
            }
        }
        Ok(())
    }

    fn exponential(
        &mut self,
        target: &Target<'_>,
        family: &Family,
        point: ExponentialPoint<'_>,
    ) -> Result<(), Dropped> {
        self.render(target, point.attributes(), "le")?;
        let at = target.point((&self.rendered, self.stream), point.start_ns(), point.time_ns())?;
        if point.flags() & NO_RECORDED_VALUE != 0 {
            family.end(&at, &target.table.usage);
            return Ok(());
        }
        let zero = (point.zero_count(), point.zero_threshold());
        let buckets =
            Exponential::new(point.scale(), zero, side(point.positive())?, side(point.negative())?)?;
        if point.sum().is_none() || !buckets.is_native() {
            target.table.counts.not_native.add(1);
        }
        let reading = histogram::Reading::Exponential { buckets: &buckets, sum: point.sum() };
        put_histogram(target, family, &at, reading, point.exemplars(), &mut self.exemplars)
    }

    fn summary(
        &mut self,
        target: &Target<'_>,
        family: &Family,
        point: SummaryPoint<'_>,
    ) -> Result<(), Dropped> {
        self.render(target, point.attributes(), "quantile")?;
        self.quantiles.clear();
        self.quantiles.extend(point.quantiles().map(|quantile| (quantile.quantile(), quantile.value())));
        self.quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
        let at = target.point((&self.rendered, self.stream), point.start_ns(), point.time_ns())?;
        if point.flags() & NO_RECORDED_VALUE != 0 {
            family.end(&at, &target.table.usage);
            return Ok(());
        }
        let reading = summary::Reading { quantiles: &self.quantiles, sum: point.sum(), count: point.count() };
        target.table.put::<Summary>(family, &at, reading, |_| {})
    }

    /// Where spellings are kept: those of the labels rendered last.
    fn teach(&self, table: &Table) {
        if self.settings.utf8 {
            self.labels.teach(&table.spellings, &table.usage);
        }
    }

    /// The labels of a point, rendered; the identity of its series.
    fn render(
        &mut self,
        target: &Target<'_>,
        attributes: Attributes<'_>,
        reserved: &str,
    ) -> Result<(), Dropped> {
        for (key, value) in attributes {
            self.labels.push_with("", key, |text| push_value(text, value));
        }
        let of_point = self.identity.attributes(attributes);
        self.stream = self.identity.whole([target.stream, of_point]);
        if self.labels.bytes() > COLLECTED_BYTES_MAX {
            return Err(Dropped::LabelsTooLong);
        }
        if self.labels.render(reserved, &mut self.rendered) {
            target.table.counts.renamed_labels.add(1);
        }
        self.teach(target.table);
        if self.rendered.len() > LABELS_BYTES_MAX {
            return Err(Dropped::LabelsTooLong);
        }
        Ok(())
    }
}

// === impl Target ===

impl Target<'_> {
    fn family(&self) -> Result<Arc<Family>, Dropped> {
        if self.metric.name.is_empty() {
            return Err(Dropped::InvalidName);
        }
        // Before a family is made that would hold the name and have no series.
        self.temporality.ok_or(Dropped::NoTemporality)?;
        self.table.family(&self.metric)
    }

    fn point<'a>(
        &self,
        (labels, stream): (&'a [u8], u64),
        start_ns: u64,
        time_ns: u64,
    ) -> Result<Point<'a>, Dropped> {
        let time_ns = self.time(time_ns);
        let temporality = self.temporality.ok_or(Dropped::NoTemporality)?;
        // A start after its point says nothing.
        let start_ns = if start_ns > time_ns { 0 } else { start_ns };
        let from_zero = match temporality {
            Temporality::Delta => true,
            Temporality::Cumulative => start_ns >= self.since_ns,
            Temporality::Instant => false,
        };
        Ok(Point {
            labels,
            stream,
            adds_up: self.adds_up,
            start_ns,
            time_ns,
            now_ns: self.now_ns,
            temporality,
            from_zero,
            input: self.input,
        })
    }

    /// A time that lies in the future, or is not given, is the time of arrival.
    fn time(&self, time_ns: u64) -> u64 {
        if time_ns == 0 { self.now_ns } else { time_ns.min(self.now_ns) }
    }
}

fn put_histogram<'a>(
    target: &Target<'_>,
    family: &Family,
    at: &Point<'_>,
    reading: <Histogram as Value>::Reading<'_>,
    exemplars: impl Iterator<Item = ExemplarView<'a>>,
    labels: &mut ExemplarLabels,
) -> Result<(), Dropped> {
    target.table.put::<Histogram>(family, at, reading, |histogram| {
        for exemplar in exemplars {
            with_exemplar(target, labels, exemplar, |text| histogram.take_exemplar(text));
        }
    })
}

/// Calls `take` with an exemplar, its labels rendered, if it can be shown.
fn with_exemplar(
    target: &Target<'_>,
    labels: &mut ExemplarLabels,
    exemplar: ExemplarView<'_>,
    take: impl FnOnce(ExemplarText<'_>),
) {
    let value = number_of(exemplar.value()).filter(|value| !value.as_f64().is_nan());
    let Some(value) = value.filter(|_| target.table.usage.has_room_for_exemplars()) else {
        return target.table.counts.dropped_exemplars.add(1);
    };
    labels.begin(exemplar.trace_id(), exemplar.span_id());
    let attributes = exemplar.filtered_attributes();
    let task = attributes.into_iter().filter(|(key, _)| *key == TASK_ID);
    let others = attributes.into_iter().filter(|(key, _)| *key != TASK_ID);
    let (mut name, mut spelled) = (String::new(), String::new());
    for (key, value) in task.chain(others) {
        name.clear();
        spelled.clear();
        names::push_label_name(&mut name, "", key);
        push_value(&mut spelled, value);
        labels.add(&name, &spelled);
    }
    let time_ns = target.time(exemplar.time_ns());
    take(ExemplarText { labels: labels.rendered(), value, time_ns });
}

fn side(buckets: BucketsView<'_>) -> Result<Side, Dropped> {
    let counts: Vec<u64> = buckets.bucket_counts().take(EXPONENTIAL_BUCKETS_MAX + 1).collect();
    if counts.len() > EXPONENTIAL_BUCKETS_MAX {
        return Err(Dropped::TooManyBuckets);
    }
    Side::new(buckets.offset(), counts).ok_or(Dropped::InvalidHistogram)
}

fn number_of(number: Number) -> Option<text::Number> {
    match number {
        Number::None => None,
        Number::Int(value) => Some(text::Number::Int(value)),
        Number::Double(value) => Some(text::Number::Double(value)),
    }
}

/// The text of an attribute, if there is some.
fn text_of<'a>(attributes: Attributes<'a>, key: &str) -> Option<&'a str> {
    attributes.find(key).and_then(|value| value.as_str()).filter(|text| !text.is_empty())
}

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// The attributes that `job` and `instance` are made of.
const SERVICE: [&str; 3] = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];

/// The attribute that comes first after the ids on an exemplar.
const TASK_ID: &str = "task.id";

/// OTLP's `DataPointFlags`: the series ends here.
const NO_RECORDED_VALUE: u32 = 1;

/// Bytes of a resource that a warning repeats.
const UNSEEN_BYTES_MAX: usize = 256;

/// Rendered labels of one series, at most.
const LABELS_BYTES_MAX: usize = 16 * 1024;

/// Names, keys and values before they are rendered, at most.
const COLLECTED_BYTES_MAX: usize = 3 * LABELS_BYTES_MAX;

/// Buckets of one sign of an exponential histogram that are looked at.
const EXPONENTIAL_BUCKETS_MAX: usize = 16 * 1024;
