//! What all connectors write alike: attributes from keys, exemplars, and where to cut.

use proto::{
    encode::{AttributesWriter, ExemplarWriter, ValuesWriter},
    view::Value,
};

use crate::connectors::{
    exemplars::{Exemplar, SLOT_BYTES_MAX},
    key::{Part, Parts},
};

/// Writes the attributes of a series: the named parts of its key and behind them those of a map that brings its own
/// names; or for an overflow series the mark alone.
pub(crate) fn attributes<'n>(
    mut out: AttributesWriter<'_>,
    names: impl IntoIterator<Item = &'n str>,
    key: &[u8],
    overflow: bool,
) {
    if overflow {
        out.bool(OVERFLOW, true);
        return;
    }
    let mut parts = Parts(key);
    for name in names {
        let Some(part) = parts.next() else { return };
        pair(&mut out, name, part);
    }
    if let Some(Part::Map(named)) = parts.next() {
        pairs(&mut out, named);
    }
}

/// Writes names and values in turn.
pub(crate) fn pairs(out: &mut AttributesWriter<'_>, mut parts: Parts<'_>) {
    while let (Some(Part::Str(name)), Some(part)) = (parts.next(), parts.next()) {
        pair(out, name, part);
    }
}

/// Writes where an exemplar leads.
pub(crate) fn exemplar(out: &mut ExemplarWriter<'_>, exemplar: &Exemplar) {
    out.trace_context(&exemplar.origin.trace_id, &exemplar.origin.span_id);
    if !exemplar.task_id.is_empty() {
        out.filtered_attributes().str(TASK_ID, &exemplar.task_id);
    }
}

/// Cuts a list where the sum of the estimated sizes would exceed what one batch should hold.
pub(crate) fn batches<T>(all: &[T], size: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |one: &&T| {
            sum += size(one);
            sum <= BATCH_BYTES
        };
        let fitting = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (batch, later) = rest.split_at(fitting);
        rest = later;
        (!batch.is_empty()).then_some(batch)
    })
}

fn pair(out: &mut AttributesWriter<'_>, name: &str, part: Part<'_>) {
    match part {
        Part::Absent => {}
        Part::Array(values) => {
            out.array(name, |out| values.for_each(|part| value(out, part)));
        }
        Part::Map(nested) => {
            out.map(name, |out| pairs(out, nested));
        }
        other => {
            out.value(name, scalar(other));
        }
    }
}

fn value(out: &mut ValuesWriter<'_>, part: Part<'_>) {
    match part {
        Part::Array(values) => out.array(|out| values.for_each(|part| value(out, part))),
        Part::Map(nested) => out.map(|out| pairs(out, nested)),
        other => out.value(scalar(other)),
    };
}

fn scalar(part: Part<'_>) -> Value<'_> {
    match part {
        Part::Str(text) => Value::Str(text),
        Part::Bool(value) => Value::Bool(value),
        Part::Int(number) => Value::Int(number),
        Part::Double(number) => Value::Double(number),
        Part::Bytes(bytes) => Value::Bytes(bytes),
        Part::Absent | Part::Empty | Part::Array(_) | Part::Map(_) => Value::Empty,
    }
}

/// The attribute of a series that holds what found no room (OpenTelemetry, *Cardinality limits*).
const OVERFLOW: &str = "otel.metric.overflow";

/// The attribute of exemplars that leads to a task.
const TASK_ID: &str = "task.id";

/// `AggregationTemporality`.
pub(crate) const DELTA: i32 = 1;

/// `AggregationTemporality`.
pub(crate) const CUMULATIVE: i32 = 2;

/// `DataPointFlags`: the series has ended.
pub(crate) const NO_RECORDED_VALUE: u32 = 1;

/// What an exemplar takes in a batch, at most.
pub(crate) const EXEMPLAR_BYTES: usize = SLOT_BYTES_MAX;

/// What one batch should hold; half of what gRPC servers take by default.
const BATCH_BYTES: usize = 2 << 20;
