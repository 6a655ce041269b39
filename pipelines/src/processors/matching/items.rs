//! The items of each signal: spans, log records, points.

use proto::{
    Batch, Logs, Metrics, Traces,
    encode::AttributesWriter,
    rewrite::Edit,
    view::{Attributes, Data, MetricView, ScopeView},
};

use super::{Item, Items};

// === impl Item ===

impl<'a> Item<'a> {
    /// What all items have.
    fn of(resource: Attributes<'a>, scope: ScopeView<'a>, attributes: Attributes<'a>) -> Self {
        Self { resource, scope, name: "", kind: 0, body: None, severity_text: "", severity: 0, attributes }
    }
}

// === impl Items ===

impl Items for Traces {
    fn edit(
        batch: &Batch<Self>,
        mut edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self> {
        batch.edit_spans(|span, out| edit(span.attributes(), out))
    }

    fn walk(batch: &Batch<Self>, mut see: impl FnMut(Item<'_>)) {
        for spans in batch.view().resource_spans() {
            let resource = spans.resource().attributes();
            for spans in spans.scope_spans() {
                let scope = spans.scope();
                for span in spans.spans() {
                    let item = Item::of(resource, scope, span.attributes());
                    see(Item { name: span.name(), kind: span.kind(), ..item });
                }
            }
        }
    }
}

impl Items for Logs {
    fn edit(
        batch: &Batch<Self>,
        mut edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self> {
        batch.edit_log_records(|record, out| edit(record.attributes(), out))
    }

    fn walk(batch: &Batch<Self>, mut see: impl FnMut(Item<'_>)) {
        for logs in batch.view().resource_logs() {
            let resource = logs.resource().attributes();
            for logs in logs.scope_logs() {
                let scope = logs.scope();
                for record in logs.log_records() {
                    let item = Item::of(resource, scope, record.attributes());
                    let (severity, severity_text) = (record.severity_number(), record.severity_text());
                    see(Item { body: record.body().as_str(), severity, severity_text, ..item });
                }
            }
        }
    }
}

impl Items for Metrics {
    fn edit(
        batch: &Batch<Self>,
        edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self> {
        batch.edit_points(edit)
    }

    fn walk(batch: &Batch<Self>, mut see: impl FnMut(Item<'_>)) {
        for metrics in batch.view().resource_metrics() {
            let resource = metrics.resource().attributes();
            for metrics in metrics.scope_metrics() {
                let scope = metrics.scope();
                for metric in metrics.metrics() {
                    let name = metric.name();
                    points(metric, |attributes| see(Item { name, ..Item::of(resource, scope, attributes) }));
                }
            }
        }
    }
}

/// Shows the attributes of every point of a metric, in order.
fn points<'a>(metric: MetricView<'a>, mut see: impl FnMut(Attributes<'a>)) {
    match metric.data() {
        Data::None => {}
        Data::Gauge(gauge) => gauge.points().for_each(|point| see(point.attributes())),
        Data::Sum(sum) => sum.points().for_each(|point| see(point.attributes())),
        Data::Histogram(data) => data.points().for_each(|point| see(point.attributes())),
        Data::ExponentialHistogram(data) => data.points().for_each(|point| see(point.attributes())),
        Data::Summary(data) => data.points().for_each(|point| see(point.attributes())),
    }
}
