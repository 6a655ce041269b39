//! `event_metrics`: log records with an event name become the metrics that a catalog declares.
//!
//! - **In:** batches of log records. A record without an event name, or with one that the catalog does not
//!   know, feeds nothing.
//! - **Out:** cumulative counters, histograms and gauges of the series that changed, under an empty resource
//!   and an empty scope, so that Prometheus shows the declared labels and no others.
//! - **Guaranteed:** totals are exact. What exceeds the limit of series is counted in an overflow series of
//!   its metric. Memory stays below `memory_max` and one overflow series per metric. A saved state
//!   outlives a changed catalog: series of metrics that are declared as before go on.
//! - **Not here:** logs as logs. The records pass on to the other consumers of their pipeline untouched.

pub mod catalog;
mod cell;
mod config;
mod emit;

use std::sync::Arc;

use proto::{
    AnyBatch,
    view::{Attributes, LogRecordView, Value},
};
use tracing::warn;

use crate::{
    connectors::{
        exemplars::Origin,
        key,
        overflow::guilty,
        state::{Reader, Writer, stable_hash},
        stats::Stats,
        table::{Limits, Series, Table},
        wanted::{Found, NOTHING},
    },
    consumer::{Aggregator, RestoreError},
    time::UnixNanos,
    value_text::push_value,
};
use catalog::{Catalog, Feed, Kind, Metric};
use cell::{Amount, Cell};
pub use config::Config;
use emit::{Point, emit};

/// The state machine. Series are grouped by metric.
#[derive(Debug)]
pub struct EventMetrics {
    catalog: Catalog,
    exemplars: bool,
    table: Table<Cell>,
    limits: Limits,
    /// Series given up since the last emission, whose end is still to be told.
    ended: Vec<Series<Cell>>,
    key: Vec<u8>,
    /// Room to spell values that are no text.
    text: String,
    stats: Arc<Stats>,
}

/// An event on its way into its metrics.
struct Record<'a> {
    found: Found<'a>,
    environment: Option<Value<'a>>,
    origin: Option<Origin>,
    task_id: &'a str,
    now: UnixNanos,
}

// === impl EventMetrics ===

impl EventMetrics {
    fn new(catalog: Catalog, exemplars: bool, limits: Limits) -> Self {
        let table = Table::new(limits);
        let stats = Arc::default();
        let (ended, key, text) = (Vec::new(), Vec::new(), String::new());
        Self { catalog, exemplars, table, limits, ended, key, text, stats }
    }

    /// What it tells about itself.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    fn record(&mut self, record: LogRecordView<'_>, resource: Attributes<'_>, now: UnixNanos) {
        let Self { catalog, exemplars, table, key, text, stats, .. } = self;
        let Some(event) = catalog.event(record.event_name()) else { return };
        let mut found = NOTHING;
        event.wanted.find(record.attributes(), &mut found);
        let record = Record {
            environment: found[event.environment].or_else(|| resource.find(RESOURCE_ENVIRONMENT)),
            origin: exemplars.then(|| origin_of(record)).flatten(),
            task_id: record.attributes().find(TASK_ID).and_then(Value::as_str).unwrap_or_default(),
            found,
            now,
        };
        for feed in &event.feeds {
            let metric = &catalog.metrics()[feed.metric];
            let amount = match feed.value.map(|place| record.found[place]) {
                None => Some(Amount::Whole(1)),
                Some(None) => continue,
                Some(Some(value)) => amount_of(value, metric.kind),
            };
            match amount {
                Some(amount) => {
                    push_key(key, text, feed, &record);
                    apply(table, key, stats, (metric, feed), &record, amount);
                }
                None => stats.anomalies.add(1),
            }
        }
    }

    fn restore_all(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let mut from = Reader(state);
        if from.byte()? != STATE_VERSION {
            return Err(RestoreError("it has another version"));
        }
        for _ in 0..from.index()? {
            let (fingerprint, mut series) = (from.number()?, Reader(from.bytes()?));
            let metrics = self.catalog.metrics();
            let Some(group) = metrics.iter().position(|metric| metric.fingerprint() == fingerprint) else {
                continue;
            };
            while !series.0.is_empty() {
                self.restore_series(group, &mut series)?;
            }
        }
        from.end()
    }

    fn restore_series(&mut self, group: usize, from: &mut Reader<'_>) -> Result<(), RestoreError> {
        let metric = &self.catalog.metrics()[group];
        let overflow = from.byte()? != 0;
        let (key, start, seen) = (from.bytes()?, UnixNanos(from.number()?), UnixNanos(from.number()?));
        if !key::check(key, if overflow { 0 } else { metric.labels.len() }) {
            return Err(RestoreError("the labels of a series do not fit its metric"));
        }
        let cell = Cell::restore(from, metric.kind, &metric.bounds)?;
        let group = u32::try_from(group).map_err(|_| RestoreError("too many metrics"))?;
        let mut series = Series::new(group, (!overflow).then_some(key), start, cell);
        series.seen = seen;
        if self.table.restore(series) { Ok(()) } else { Err(RestoreError("a series is there twice")) }
    }

    fn clear(&mut self) {
        self.table = Table::new(self.limits);
        self.ended.clear();
    }

    fn tell(&self) {
        self.stats.series.set(self.table.len() as u64);
        self.stats.bytes.set(self.table.bytes() as u64);
    }
}

impl Aggregator for EventMetrics {
    /// The same for every catalog: the state itself says which metrics it is of.
    fn fingerprint(&self) -> u64 {
        stable_hash(["event_metrics 1"])
    }

    fn apply(&mut self, batch: &AnyBatch, now: UnixNanos) {
        let AnyBatch::Logs(batch) = batch else { return };
        for resource in batch.view().resource_logs() {
            let attributes = resource.resource().attributes();
            for scope in resource.scope_logs() {
                for record in scope.log_records() {
                    self.record(record, attributes, now);
                }
            }
        }
        self.tell();
    }

    fn tick(&mut self, now: UnixNanos) {
        let expired = self.table.expire(now);
        self.stats.expired.add(expired.len() as u64);
        self.ended.extend(expired);
        self.tell();
    }

    fn emit(&mut self, now: UnixNanos, out: &mut Vec<AnyBatch>) {
        self.tick(now);
        let ended = std::mem::take(&mut self.ended);
        let changed = self.table.take_changed();
        let ended = ended.iter().map(|series| Point { series, ended: true });
        let living = changed.into_iter().map(|slot| Point { series: self.table.series(slot), ended: false });
        let points: Vec<_> = ended.chain(living).collect();
        emit(self.catalog.metrics(), &points, now, out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        let metrics = self.catalog.metrics();
        let mut by_metric = vec![Vec::new(); metrics.len()];
        for series in self.table.iter() {
            let mut out = Writer(&mut by_metric[series.group as usize]);
            out.byte(u8::from(series.overflow));
            out.bytes(&series.key);
            out.number(series.start.0);
            out.number(series.seen.0);
            series.cell.save(&mut out);
        }
        let mut out = Writer(out);
        out.byte(STATE_VERSION);
        out.number(metrics.len() as u64);
        for (metric, series) in metrics.iter().zip(by_metric) {
            out.number(metric.fingerprint());
            out.bytes(&series);
        }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.clear();
        let restored = self.restore_all(state);
        if restored.is_err() {
            self.clear();
        }
        self.tell();
        restored
    }
}

/// Writes what tells the series of this event from others of the metric.
fn push_key(key: &mut Vec<u8>, text: &mut String, feed: &Feed, record: &Record<'_>) {
    key.clear();
    for label in &feed.labels {
        push_label(key, text, record.found[*label]);
    }
    push_label(key, text, record.environment);
}

fn apply(
    table: &mut Table<Cell>,
    key: &[u8],
    stats: &Stats,
    (metric, feed): (&Metric, &Feed),
    record: &Record<'_>,
    amount: Amount,
) {
    let group = u32::try_from(feed.metric).expect("a catalog has fewer than 2^32 metrics");
    let place = table.touch(group, key, record.now, || Cell::new(metric));
    if place.overflow {
        stats.overflowed.add(1);
        report_overflow(table, group, metric);
    }
    let cell = &mut table.series_mut(place.slot).cell;
    let bucket = u16::try_from(cell.record(metric, amount)).expect("a histogram has fewer than 2^16 buckets");
    if let Some(origin) = record.origin {
        table.put_exemplar(place.slot, bucket, record.now, origin, amount.as_f64(), record.task_id);
    }
}

#[cold]
fn report_overflow(table: &mut Table<Cell>, group: u32, metric: &Metric) {
    let Some(keys) = table.report_overflow(group) else { return };
    let labels = metric.labels.iter().map(String::as_str);
    let (label, values) = guilty(labels, keys).unwrap_or_default();
    let metric = &*metric.name;
    warn!(metric, label, values, "too many series, further ones are counted in the overflow series");
}

/// Labels are text. A missing one, and an empty one that Prometheus would take for missing, is `unknown`.
fn push_label(key: &mut Vec<u8>, text: &mut String, value: Option<Value<'_>>) {
    text.clear();
    match value {
        Some(Value::Str(value)) => text.push_str(value),
        Some(other) => push_value(text, other),
        None => {}
    }
    key::push_str(key, if text.is_empty() { UNKNOWN } else { text });
}

/// Where an exemplar may lead. A log record's flags are reliable: without the bit `sampled` nobody keeps the
/// trace.
fn origin_of(record: LogRecordView<'_>) -> Option<Origin> {
    let sampled = record.flags() & FLAG_SAMPLED != 0;
    sampled.then_some(Origin { trace_id: *record.trace_id()?, span_id: *record.span_id()? })
}

/// A measurement that the metric can take: a finite number, and for all that add up one between zero and
/// [`MEASUREMENT_MAX`].
fn amount_of(value: Value<'_>, kind: Kind) -> Option<Amount> {
    let adds_up = kind != Kind::Gauge;
    match value {
        Value::Int(number) => match u64::try_from(number) {
            Ok(number) => Some(Amount::Whole(number)),
            Err(_) => (!adds_up).then_some(Amount::Fraction(number as f64)),
        },
        Value::Double(number) if adds_up => {
            (0.0..=MEASUREMENT_MAX).contains(&number).then_some(Amount::Fraction(number))
        }
        Value::Double(number) => number.is_finite().then_some(Amount::Fraction(number)),
        _ => None,
    }
}

/// The attribute that joins spans, events and exemplars of one task.
const TASK_ID: &str = "task.id";

/// Where the label `environment` comes from when the event does not say.
const RESOURCE_ENVIRONMENT: &str = "deployment.environment.name";

/// The largest number that is added up: what an integer attribute could say at most. Far from what anyone means,
/// and a sum of such numbers stays finite for longer than there is time to send them.
const MEASUREMENT_MAX: f64 = (1_u64 << 63) as f64;

/// The value of a label that has none.
const UNKNOWN: &str = "unknown";

/// W3C Trace Context, *trace-flags*.
const FLAG_SAMPLED: u32 = 1;

const STATE_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
