//! A request as text for eyes: one line an item, or everything there is to know.
//!
//! **Guaranteed:** at most [`TEXT_BYTES_MAX`] and one more item; control characters are made visible,
//! so that data cannot forge log lines.

use std::fmt::{self, Display, Write};

use proto::{
    AnyBatch, Batch, Logs, Metrics, Traces,
    view::{
        common::{Attributes, ResourceView, ScopeView, Value},
        logs::LogRecordView,
        metrics::{Data, MetricView, Number},
        traces::SpanView,
    },
};

/// The text of a batch.
pub(super) fn text(batch: &AnyBatch, detailed: bool) -> String {
    let mut text = Text { out: String::new(), detailed, full: false, left_out: 0 };
    match batch {
        AnyBatch::Traces(batch) => text.traces(batch),
        AnyBatch::Metrics(batch) => text.metrics(batch),
        AnyBatch::Logs(batch) => text.logs(batch),
    }
    if text.left_out > 0 {
        text.out.push_str(&format!("\n... and {} more", text.left_out));
    }
    text.out
}

struct Text {
    out: String,
    detailed: bool,
    /// Nothing more is written.
    full: bool,
    /// Items that found no room.
    left_out: usize,
}

/// A value that may hold anything, shown in one line.
struct Shown<'a>(Value<'a>);

/// Text with its control characters made visible.
struct Plain<'a>(&'a str);

struct Hex<'a>(&'a [u8]);

/// ` key=value` for each attribute.
struct Pairs<'a>(Attributes<'a>);

// === impl Text ===

impl Text {
    fn traces(&mut self, batch: &Batch<Traces>) {
        for resource in batch.view().resource_spans() {
            self.resource(resource.resource());
            for scope in resource.scope_spans() {
                self.scope(scope.scope());
                scope.spans().for_each(|span| self.span(span));
            }
        }
    }

    fn metrics(&mut self, batch: &Batch<Metrics>) {
        for resource in batch.view().resource_metrics() {
            self.resource(resource.resource());
            for scope in resource.scope_metrics() {
                self.scope(scope.scope());
                scope.metrics().for_each(|metric| self.metric(metric));
            }
        }
    }

    fn logs(&mut self, batch: &Batch<Logs>) {
        for resource in batch.view().resource_logs() {
            self.resource(resource.resource());
            for scope in resource.scope_logs() {
                self.scope(scope.scope());
                scope.log_records().for_each(|record| self.log_record(record));
            }
        }
    }

    fn resource(&mut self, resource: ResourceView<'_>) {
        self.full |= self.out.len() >= TEXT_BYTES_MAX;
        if self.detailed {
            self.line(0, format_args!("resource:{}", Pairs(resource.attributes())));
        }
    }

    fn scope(&mut self, scope: ScopeView<'_>) {
        self.full |= self.out.len() >= TEXT_BYTES_MAX;
        if self.detailed {
            let (name, version) = (Plain(scope.name()), Plain(scope.version()));
            self.line(1, format_args!("scope: {name} {version}{}", Pairs(scope.attributes())));
        }
    }

    fn span(&mut self, span: SpanView<'_>) {
        let (name, trace, id) = (Plain(span.name()), Hex(span.trace_id()), Hex(span.span_id()));
        let attributes = Pairs(span.attributes());
        if !self.detailed {
            return self.item(format_args!("{name} {trace} {id}{attributes}"));
        }
        let parent = Hex(span.parent_span_id().map_or(&[], |parent| &parent[..]));
        let (start, end, status) = (span.start_ns(), span.end_ns(), span.status());
        let nanos = end.saturating_sub(start);
        self.item(format_args!("span: {name} trace={trace} id={id} parent={parent} kind={}", span.kind()));
        self.line(3, format_args!("start={start} end={end} nanoseconds={nanos}"));
        self.line(3, format_args!("status={} {}", status.code(), Plain(status.message())));
        self.line(3, format_args!("attributes:{attributes}"));
        for event in span.events() {
            let (name, time) = (Plain(event.name()), event.time_ns());
            self.line(3, format_args!("event: {name} time={time}{}", Pairs(event.attributes())));
        }
        for link in span.links() {
            let trace = Hex(link.trace_id().map_or(&[], |id| &id[..]));
            let id = Hex(link.span_id().map_or(&[], |id| &id[..]));
            self.line(3, format_args!("link: trace={trace} id={id}{}", Pairs(link.attributes())));
        }
    }

    fn log_record(&mut self, record: LogRecordView<'_>) {
        let (body, attributes) = (Shown(record.body()), Pairs(record.attributes()));
        let event = Plain(record.event_name());
        if !self.detailed {
            return self.item(format_args!("{event} {body}{attributes}"));
        }
        let trace = Hex(record.trace_id().map_or(&[], |id| &id[..]));
        let id = Hex(record.span_id().map_or(&[], |id| &id[..]));
        let (time, observed) = (record.time_ns(), record.observed_time_ns());
        let (number, severity) = (record.severity_number(), Plain(record.severity_text()));
        self.item(format_args!("log record: {event} time={time} observed={observed}"));
        self.line(3, format_args!("severity={number} {severity} trace={trace} span={id}"));
        self.line(3, format_args!("body: {body}"));
        self.line(3, format_args!("attributes:{attributes}"));
    }

    fn metric(&mut self, metric: MetricView<'_>) {
        let name = Plain(metric.name());
        if self.detailed {
            let (unit, description) = (Plain(metric.unit()), Plain(metric.description()));
            self.line(2, format_args!("metric: {name} unit={unit} description={description}"));
        }
        match metric.data() {
            Data::None => {}
            Data::Gauge(gauge) => gauge.points().for_each(|point| {
                self.point(&name, "gauge", point.attributes(), point.time_ns(), number(point.value()));
            }),
            Data::Sum(sum) => sum.points().for_each(|point| {
                self.point(&name, "sum", point.attributes(), point.time_ns(), number(point.value()));
            }),
            Data::Histogram(histogram) => histogram.points().for_each(|point| {
                let value = format!("count={} sum={:?}", point.count(), point.sum().unwrap_or_default());
                self.point(&name, "histogram", point.attributes(), point.time_ns(), value);
            }),
            Data::ExponentialHistogram(histogram) => histogram.points().for_each(|point| {
                let value = format!("count={} sum={:?}", point.count(), point.sum().unwrap_or_default());
                self.point(&name, "exponential histogram", point.attributes(), point.time_ns(), value);
            }),
            Data::Summary(summary) => summary.points().for_each(|point| {
                let value = format!("count={} sum={:?}", point.count(), point.sum());
                self.point(&name, "summary", point.attributes(), point.time_ns(), value);
            }),
        }
    }

    fn point(&mut self, name: &Plain<'_>, kind: &str, attributes: Attributes<'_>, time: u64, value: String) {
        let attributes = Pairs(attributes);
        match self.detailed {
            true => self.item(format_args!("{kind} point: time={time} {value}{attributes}")),
            false => self.item(format_args!("{name} {value}{attributes}")),
        }
    }

    /// The first line of an item, if there is room for the item.
    fn item(&mut self, line: fmt::Arguments<'_>) {
        self.full |= self.out.len() >= TEXT_BYTES_MAX;
        self.left_out += usize::from(self.full);
        self.line(if self.detailed { 2 } else { 0 }, line);
    }

    fn line(&mut self, depth: usize, line: fmt::Arguments<'_>) {
        if !self.full {
            // Writing to a string cannot fail.
            let _ = write!(self.out, "\n{:1$}{line}", "", depth * 2);
        }
    }
}

// === impl Shown ===

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Empty => Ok(()),
            Value::Str(text) => Plain(text).fmt(f),
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Double(value) => fmt::Debug::fmt(&value, f),
            Value::Bytes(bytes) => Hex(bytes).fmt(f),
            Value::Array(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { ", " })?;
                    Shown(value).fmt(f)?;
                }
                f.write_str("]")
            }
            Value::KvList(pairs) => write!(f, "{{{} }}", Pairs(pairs)),
        }
    }
}

// === impl Plain ===

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c.is_control() {
                true => c.escape_default().fmt(f)?,
                false => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

// === impl Hex ===

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// === impl Pairs ===

impl Display for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(key, value)| write!(f, " {}={}", Plain(key), Shown(value)))
    }
}

fn number(number: Number) -> String {
    match number {
        Number::None => "no value".to_owned(),
        Number::Int(value) => value.to_string(),
        Number::Double(value) => format!("{value:?}"),
    }
}

/// What one request may add to the log.
const TEXT_BYTES_MAX: usize = 64 << 10;
