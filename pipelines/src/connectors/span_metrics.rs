//! `span_metrics`: how often spans happened and how long they took, by service, name, kind and status.
//!
//! - **In:** batches of spans.
//! - **Out:** the cumulative sum `<namespace>.calls` and the histogram `<namespace>.duration` of the series
//!   that changed, with exemplars that lead back to them; under an empty resource, or with
//!   `add_resource_attributes` under that of their spans.
//! - **Guaranteed:** every span is counted exactly once, so that the sum over all series is the number of
//!   spans: what exceeds a limit is counted in an overflow series, whose only attribute is
//!   `otel.metric.overflow`, and so is what a resource counted that had to make room. Only series that
//!   `metrics_expiration` ends take their spans with them. Series whose labels look alike are one. Memory stays
//!   below `memory_max`. Finding a known series allocates nothing.
//! - **Not here:** sampling. Spans count as they come; exemplars are left out where `tracestate` says that the
//!   trace was not kept.

pub mod config;
mod emit;
mod resources;

use std::sync::Arc;

use proto::{
    AnyBatch,
    view::{Attributes, ResourceSpansView, SpanView, Value},
};
use tracing::warn;

use crate::{
    config::{ByteSize, ConfigError},
    connectors::{
        distribution::Distribution,
        exemplars::{Exemplars, Origin, kept},
        key,
        overflow::guilty,
        state::{Reader, Writer},
        stats::Stats,
        table::{self, Limits, Series, Table},
        wanted::{Found, NOTHING, Wanted},
    },
    consumer::{Aggregator, RestoreError},
    time::UnixNanos,
};
pub use config::{Config, Dimension};
use config::{SERVICE_NAME, SPAN_KIND, SPAN_NAME, STATUS_CODE};
use emit::{Point, emit};
use resources::{Lookup, OVERFLOW, Resources};

/// The state machine. Series are grouped by resource; group [`OVERFLOW`] stands for resources without room.
#[derive(Debug)]
pub struct SpanMetrics {
    settings: Settings,
    resources: Resources,
    table: Table<Distribution>,
    /// Series given up since the last emission, whose end is still to be told.
    ended: Vec<Ended>,
    /// The key of the span at hand.
    key: Vec<u8>,
    /// Room to spell values that are no text.
    text: String,
    stats: Arc<Stats>,
    /// How many groups have overflowed; see [`SpanMetrics::overflowed`].
    overflows: u32,
}

/// The configuration, made ready.
#[derive(Debug)]
struct Settings {
    config: Config,
    standard: Standard,
    wanted: Wanted,
    /// In the order of `wanted`.
    defaults: Vec<Option<Box<str>>>,
    /// Names of the parts of a key, in order.
    names: Vec<Box<str>>,
    bounds: Vec<f64>,
    unit_ns: f64,
    limits: Limits,
    fingerprint: u64,
}

/// Which of the standard dimensions are on.
#[derive(Clone, Copy, Debug)]
struct Standard {
    service_name: bool,
    span_name: bool,
    span_kind: bool,
    status_code: bool,
}

/// A series that was given up.
#[derive(Debug)]
struct Ended {
    resource: Arc<[u8]>,
    series: Series<Distribution>,
}

// === impl SpanMetrics ===

impl SpanMetrics {
    /// Makes the state machine.
    ///
    /// # Errors
    /// As [`Config::check`].
    pub fn new(config: Config) -> Result<Self, Vec<ConfigError>> {
        config.check()?;
        let settings = Settings::new(config);
        Ok(Self {
            resources: settings.no_resources(),
            table: Table::new(settings.limits),
            ended: Vec::new(),
            key: Vec::new(),
            text: String::new(),
            stats: Arc::default(),
            overflows: 0,
            settings,
        })
    }

    /// What it tells about itself.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    fn resource(&mut self, spans: ResourceSpansView<'_>, now: UnixNanos) {
        let attributes = spans.resource().attributes();
        let group = self.group_of(attributes, now);
        let settings = &self.settings;
        let mut fallback = NOTHING;
        settings.wanted.find(attributes, &mut fallback);
        self.key.clear();
        if settings.standard.service_name {
            let name = attributes.find(SERVICE_NAME).unwrap_or(Value::Str(UNKNOWN_SERVICE));
            key::push_label(&mut self.key, name, &mut self.text);
        }
        let prefix = self.key.len();
        let mut found = NOTHING;
        for scope in spans.scope_spans() {
            for span in scope.spans() {
                self.key.truncate(prefix);
                self.span(span, group, &mut found, &fallback, now);
            }
        }
    }

    #[inline]
    fn span<'a>(
        &mut self,
        span: SpanView<'a>,
        group: u32,
        found: &mut Found<'a>,
        fallback: &Found<'a>,
        now: UnixNanos,
    ) {
        let Self { settings, table, key, text, stats, .. } = self;
        let fresh = || Distribution::new(&settings.bounds);
        let place = if group == OVERFLOW {
            table.touch_overflow(OVERFLOW, now, fresh)
        } else {
            settings.push_key(key, text, span, found, fallback);
            table.touch(group, key, now, fresh)
        };
        if span.end_ns() < span.start_ns() {
            stats.anomalies.add(1);
        }
        let duration = span.end_ns().saturating_sub(span.start_ns()) as f64 / settings.unit_ns;
        let cell = &mut table.series_mut(place.slot).cell;
        let bucket = cell.record(&settings.bounds, duration) as u16;
        let wants = settings.config.exemplars.enabled && cell.exemplars.wants(bucket, now, EXEMPLAR_EVERY_NS);
        if wants && kept(span.trace_state(), span.trace_id()) {
            let origin = Origin { trace_id: *span.trace_id(), span_id: *span.span_id() };
            let task_id = span.attributes().find(TASK_ID).and_then(Value::as_str).unwrap_or_default();
            table.put_exemplar(place.slot, bucket, now, origin, duration, task_id);
        }
        if place.overflow {
            self.overflowed(group);
        }
    }

    /// The group of a resource; makes room for a new one if that loses nothing.
    fn group_of(&mut self, attributes: Attributes<'_>, now: UnixNanos) -> u32 {
        let Self { settings, resources, .. } = self;
        if let Lookup::Group(group) = resources.find(attributes, |name| settings.keeps(name), now) {
            return group;
        }
        self.make_room(now);
        let Self { settings, resources, .. } = self;
        match resources.find(attributes, |name| settings.keeps(name), now) {
            Lookup::Group(group) => group,
            Lookup::Full => OVERFLOW,
        }
    }

    /// Gives up the resource idle longest, if it is idle long enough. What it counted goes to the overflow
    /// resource, except for series whose time was over anyway.
    fn make_room(&mut self, now: UnixNanos) {
        let Self { settings, resources, table, ended, stats, .. } = self;
        let Some(group) = resources.candidate(now, |group| !table.group_changed(group)) else { return };
        let resource: Arc<[u8]> = resources.remove(group).into();
        for series in table.remove_group(group) {
            if table.is_over(&series, now) {
                stats.expired.add(1);
            } else {
                let place = table.touch_overflow(OVERFLOW, now, || Distribution::new(&settings.bounds));
                table.series_mut(place.slot).cell.fold(&series.cell);
            }
            ended.push(Ended { resource: Arc::clone(&resource), series });
        }
        stats.evicted.add(1);
    }

    /// Counts a span that went to an overflow series. The first one of a group names the label that takes most
    /// values, in the log; with many groups ever fewer of them do (the 1st, 2nd, 4th, 8th...).
    #[cold]
    fn overflowed(&mut self, group: u32) {
        self.stats.overflowed.add(1);
        let Some(keys) = self.table.report_overflow(group) else { return };
        self.overflows = self.overflows.saturating_add(1);
        if !self.overflows.is_power_of_two() {
            return;
        }
        if group == OVERFLOW {
            let resources = self.resources.len();
            warn!(resources, "too many resources, spans of further ones are counted in the overflow series");
            return;
        }
        let names = self.settings.names.iter().map(|name| &**name);
        let (label, values) = guilty(names, keys).unwrap_or_default();
        warn!(label, values, "too many series, spans of further ones are counted in the overflow series");
    }

    fn restore_all(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let mut from = Reader(state);
        if from.byte()? != STATE_VERSION {
            return Err(RestoreError("it has another version"));
        }
        let mut groups = vec![OVERFLOW];
        for _ in 0..from.index()? {
            let (attributes, seen) = (from.bytes()?, UnixNanos(from.number()?));
            if !key::check_pairs(attributes) {
                return Err(RestoreError("the attributes of a resource are not well-formed"));
            }
            let group = self.resources.restore(attributes, seen);
            groups.push(group.ok_or(RestoreError("a resource is there twice"))?);
        }
        while !from.0.is_empty() {
            self.restore_series(&groups, &mut from)?;
        }
        Ok(())
    }

    fn restore_series(&mut self, groups: &[u32], from: &mut Reader<'_>) -> Result<(), RestoreError> {
        let group = *groups.get(from.index()?).ok_or(RestoreError("a series has no resource"))?;
        let overflow = from.byte()? != 0;
        let (key, start, seen) = (from.bytes()?, UnixNanos(from.number()?), UnixNanos(from.number()?));
        if !key::check(key, if overflow { 0 } else { self.settings.names.len() }) {
            return Err(RestoreError("the key of a series does not fit the dimensions"));
        }
        let cell = Distribution::restore(from, &self.settings.bounds)?;
        let mut series = Series::new(group, (!overflow).then_some(key), start, cell);
        series.seen = seen;
        if self.table.restore(series) { Ok(()) } else { Err(RestoreError("a series is there twice")) }
    }

    fn clear(&mut self) {
        self.resources = self.settings.no_resources();
        self.table = Table::new(self.settings.limits);
        self.ended.clear();
    }

    fn tell(&self) {
        self.stats.series.set(self.table.len() as u64);
        self.stats.bytes.set((self.table.bytes() + self.resources.bytes()) as u64);
    }
}

impl Aggregator for SpanMetrics {
    fn fingerprint(&self) -> u64 {
        self.settings.fingerprint
    }

    fn apply(&mut self, batch: &AnyBatch, now: UnixNanos) {
        let AnyBatch::Traces(batch) = batch else { return };
        for spans in batch.view().resource_spans() {
            self.resource(spans, now);
        }
        self.tell();
    }

    fn tick(&mut self, now: UnixNanos) {
        for series in self.table.expire(now) {
            let resource = self.resources.attributes(series.group).into();
            self.ended.push(Ended { resource, series });
            self.stats.expired.add(1);
        }
        self.tell();
    }

    fn emit(&mut self, now: UnixNanos, out: &mut Vec<AnyBatch>) {
        self.tick(now);
        let ended = std::mem::take(&mut self.ended);
        let changed = self.table.take_changed();
        self.resources.emitted();
        let gone = ended.iter().map(|ended| {
            let Ended { resource, series } = ended;
            Point { resource, series, ended: true }
        });
        let living = changed.into_iter().map(|slot| {
            let series = self.table.series(slot);
            Point { resource: self.resources.attributes(series.group), series, ended: false }
        });
        let points: Vec<_> = gone.chain(living).collect();
        emit(&self.settings, &points, now, out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        out.byte(STATE_VERSION);
        out.number(self.resources.len() as u64);
        // Saved groups are numbered without gaps; 0 stays the overflow resource.
        let mut numbers = std::collections::HashMap::from([(OVERFLOW, 0)]);
        for (group, attributes, seen) in self.resources.iter() {
            numbers.insert(group, numbers.len() as u64);
            out.bytes(attributes);
            out.number(seen.0);
        }
        for series in self.table.iter() {
            out.number(numbers[&series.group]);
            out.byte(u8::from(series.overflow));
            out.bytes(&series.key);
            out.number(series.start.0);
            out.number(series.seen.0);
            series.cell.save(&mut out);
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

// === impl Settings ===

impl Settings {
    fn new(config: Config) -> Self {
        let mut wanted = Wanted::default();
        for dimension in &config.dimensions {
            wanted.place(&dimension.name);
        }
        let on = |name| config.standard_dimensions().any(|standard| standard == name);
        let memory = ByteSize(config.memory_max.0 - config.memory_max.0 / RESOURCES_SHARE);
        Self {
            standard: Standard {
                service_name: on(SERVICE_NAME),
                span_name: on(SPAN_NAME),
                span_kind: on(SPAN_KIND),
                status_code: on(STATUS_CODE),
            },
            wanted,
            defaults: config.dimensions.iter().map(Dimension::default_label).collect(),
            names: config.names().map(Box::from).collect(),
            bounds: config.bounds(),
            unit_ns: config.unit().ns(),
            limits: Limits::new(config.aggregation_cardinality_limit, memory, config.expiration()),
            fingerprint: config.fingerprint(),
            config,
        }
    }

    fn no_resources(&self) -> Resources {
        let bytes_max = usize::try_from(self.config.memory_max.0 / RESOURCES_SHARE).unwrap_or(usize::MAX);
        Resources::new(self.config.resource_metrics_cache_size, bytes_max)
    }

    /// Whether a resource attribute tells resources apart, and is emitted.
    fn keeps(&self, name: &str) -> bool {
        let names = &self.config.resource_metrics_key_attributes;
        self.config.add_resource_attributes && (names.is_empty() || names.iter().any(|kept| kept == name))
    }

    /// Appends what tells the series of this span from others of its service. `found` is room to look in, `text`
    /// to spell in.
    #[inline]
    fn push_key<'a>(
        &self,
        key: &mut Vec<u8>,
        text: &mut String,
        span: SpanView<'a>,
        found: &mut Found<'a>,
        fallback: &Found<'a>,
    ) {
        let Standard { span_name, span_kind, status_code, .. } = self.standard;
        if span_name {
            key::push_text(key, span.name_bytes());
        }
        if span_kind {
            key::push_known(key, kind_place(span.kind()));
        }
        if status_code {
            key::push_known(key, status_place(span.status().code()));
        }
        if self.wanted.len() == 0 {
            return;
        }
        found[..self.wanted.len()].fill(None);
        self.wanted.find(span.attributes(), found);
        for ((found, fallback), default) in found.iter().zip(fallback).zip(&self.defaults) {
            match (found.or(*fallback), default) {
                (Some(value), _) => key::push_label(key, value, text),
                (None, Some(default)) => key::push_str(key, default),
                (None, None) => key::push_absent(key),
            }
        }
    }
}

impl table::Cell for Distribution {
    fn exemplars(&self) -> Option<&Exemplars> {
        Some(&self.exemplars)
    }

    fn exemplars_mut(&mut self) -> Option<&mut Exemplars> {
        Some(&mut self.exemplars)
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.counts)
    }
}

/// The place of a span kind among the known strings. A kind from the future is unspecified to us.
fn kind_place(kind: i32) -> u8 {
    match kind {
        1..=5 => kind as u8,
        _ => 0,
    }
}

/// The place of a status code among the known strings.
fn status_place(code: i32) -> u8 {
    match code {
        1 | 2 => code as u8 + 6,
        _ => 6,
    }
}

/// Resource semantic conventions: what a service is called that does not say.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The attribute that joins spans, events and exemplars of one task.
const TASK_ID: &str = "task.id";

/// A bucket's exemplar is replaced at most this often. It stays as fresh as anyone can see, and under load nearly
/// all spans are spared the search for what an exemplar carries.
const EXEMPLAR_EVERY_NS: u64 = 10_000_000;

/// One part in so many of the memory is for resources, the rest for series.
const RESOURCES_SHARE: u64 = 8;

const STATE_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
