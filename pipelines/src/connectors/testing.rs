//! For the tests of connectors: emitted metrics as text, and states that must survive a restart.

use std::fmt::Write;

use proto::{
    AnyBatch,
    view::{Attributes, Data, ExemplarView, Number},
};

use crate::{consumer::Aggregator, time::UnixNanos};

/// Every point of the batches, one a line, sorted: `metric{attributes} value since start @ exemplars`. The
/// resource stands in front unless it is empty.
pub(crate) fn show(batches: &[AnyBatch]) -> String {
    let mut lines = Vec::new();
    for batch in batches {
        let AnyBatch::Metrics(batch) = batch else { panic!("connectors emit metrics") };
        proto::validate::<proto::Metrics>(batch.bytes().clone()).expect("what is emitted passes the gate");
        for resource in batch.view().resource_metrics() {
            let of = resource.resource().attributes();
            let of = if of.is_empty() { String::new() } else { format!("{} ", pairs(of)) };
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                points(&of, &format!("{}[{}]", metric.name(), metric.unit()), metric.data(), &mut lines);
            }
        }
    }
    lines.sort();
    lines.iter().fold(String::new(), |all, line| all + line + "\n")
}

/// Everything the aggregator holds, as it would emit it after a restart.
pub(crate) fn whole(aggregator: &dyn Aggregator, fresh: &mut dyn Aggregator, now: u64) -> String {
    let mut state = Vec::new();
    aggregator.save(&mut state);
    fresh.restore(&state).expect("what was saved is restored");
    emitted(fresh, now)
}

/// What the aggregator emits, and it is told that it was pushed.
pub(crate) fn emitted(aggregator: &mut dyn Aggregator, now: u64) -> String {
    let mut out = Vec::new();
    aggregator.emit(UnixNanos(now), &mut out);
    aggregator.pushed();
    show(&out)
}

/// Cuts, flips and swaps in a saved state are errors or other states, never panics.
pub(crate) fn survives_damage(aggregator: &mut dyn Aggregator, state: &[u8]) {
    for end in 0..state.len() {
        let _ = aggregator.restore(&state[..end]);
    }
    for place in 0..state.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut state = state.to_vec();
            state[place] ^= mask;
            if aggregator.restore(&state).is_ok() {
                emitted(aggregator, 1_000);
            }
        }
    }
}

fn points(resource: &str, metric: &str, data: Data<'_>, lines: &mut Vec<String>) {
    match data {
        Data::Sum(sum) => {
            assert!(sum.monotonic(), "sums grow");
            for point in sum.points() {
                let (value, exemplars) = (number(point.value()), exemplars(point.exemplars()));
                let end = if point.flags() & 1 == 1 { " ended" } else { "" };
                let labels = pairs(point.attributes());
                let since = since(sum.temporality(), point.start_ns(), point.time_ns());
                lines.push(format!("{resource}{metric}{labels} {value} {since}{end}{exemplars}"));
            }
        }
        Data::Gauge(gauge) => {
            for point in gauge.points() {
                lines.push(format!(
                    "{resource}{metric}{} = {}",
                    pairs(point.attributes()),
                    number(point.value())
                ));
            }
        }
        Data::Histogram(histogram) => {
            for point in histogram.points() {
                let end = if point.flags() & 1 == 1 { " ended" } else { "" };
                let mut line = format!("{resource}{metric}{}", pairs(point.attributes()));
                let bounds: Vec<f64> = point.explicit_bounds().collect();
                for (index, count) in point.bucket_counts().enumerate().filter(|(_, count)| *count > 0) {
                    match bounds.get(index) {
                        Some(bound) => write!(line, " le {bound}: {count},").expect("strings grow"),
                        None => write!(line, " above: {count},").expect("strings grow"),
                    }
                }
                let buckets: u64 = point.bucket_counts().sum();
                assert_eq!(buckets, point.count(), "the buckets add up to the count");
                for exemplar in point.exemplars() {
                    assert_in_a_filled_bucket(&bounds, point.bucket_counts(), exemplar);
                }
                let sum = point.sum().unwrap_or_default();
                let count = point.count();
                let since = since(histogram.temporality(), point.start_ns(), point.time_ns());
                lines.push(format!(
                    "{line} sum {sum} of {count} {since}{end}{}",
                    exemplars(point.exemplars())
                ));
            }
        }
        Data::ExponentialHistogram(histogram) => {
            for point in histogram.points() {
                let end = if point.flags() & 1 == 1 { " ended" } else { "" };
                let (labels, scale) = (pairs(point.attributes()), point.scale());
                let counts: Vec<u64> = point.positive().bucket_counts().collect();
                let (sum, count) = (point.sum().unwrap_or_default(), point.count());
                let since = since(histogram.temporality(), point.start_ns(), point.time_ns());
                let ends = point.min().zip(point.max());
                let ends = ends.map_or(String::new(), |(min, max)| format!(" from {min} to {max}"));
                let offset = point.positive().offset();
                let buckets = format!("zeros {}, scale {scale}, {offset}: {counts:?}", point.zero_count());
                let exemplars = exemplars(point.exemplars());
                lines.push(format!(
                    "{resource}{metric}{labels} {buckets} sum {sum} of {count}{ends} {since}{end}{exemplars}"
                ));
            }
        }
        _ => panic!("connectors emit sums, gauges and histograms"),
    }
}

/// Delta points tell when they end as well.
fn since(temporality: i32, start: u64, time: u64) -> String {
    if temporality == 1 { format!("from {start} to {time}") } else { format!("since {start}") }
}

fn assert_in_a_filled_bucket(bounds: &[f64], counts: impl Iterator<Item = u64>, exemplar: ExemplarView<'_>) {
    let Number::Double(value) = exemplar.value() else { panic!("exemplars carry doubles") };
    let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
    let count = counts.into_iter().nth(bucket);
    assert!(count > Some(0), "the exemplar {value} lies in an empty bucket");
}

fn pairs(attributes: Attributes<'_>) -> String {
    let pairs: Vec<_> = attributes.into_iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn number(number: Number) -> String {
    match number {
        Number::None => "-".to_owned(),
        Number::Int(number) => number.to_string(),
        Number::Double(number) => format!("{number:?}"),
    }
}

fn exemplars<'a>(exemplars: impl IntoIterator<Item = ExemplarView<'a>>) -> String {
    let mut shown: Vec<_> = exemplars.into_iter().map(exemplar).collect();
    shown.sort();
    shown.concat()
}

fn exemplar(exemplar: ExemplarView<'_>) -> String {
    let trace = exemplar.trace_id().map_or(0, |id| id[15]);
    let span = exemplar.span_id().map_or(0, |id| id[7]);
    let task = exemplar.filtered_attributes().into_iter();
    let task: String = task.map(|(key, value)| format!(" {key}={value:?}")).collect();
    format!(" @{} {trace}/{span} {}{task}", exemplar.time_ns(), number(exemplar.value()))
}
