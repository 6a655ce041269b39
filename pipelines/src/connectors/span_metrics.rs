//! `span_metrics`: how often spans happened and how long they took, by service, name, kind and status.
//!
//! - **In:** batches of spans.
//! - **Out:** the sum `<namespace>.calls`, the histogram `<namespace>.duration` and, if asked for, the sum
//!   `<namespace>.events`, of the series that changed, with exemplars that lead back to them; under an empty resource,
//!   or with `add_resource_attributes` under that of their spans.
//! - **Guaranteed:** every span is counted exactly once, and where `tracestate` says that it was sampled, as often as
//!   it stands for; so the sum over all series of a metric is the number of spans: what exceeds a limit is counted in
//!   an overflow series, whose only attribute is `otel.metric.overflow`, and so is what a resource counted that had
//!   to make room. Only series that `metrics_expiration` ends take their spans with them. Series whose labels look
//!   alike are one. Memory stays below `memory_max`. Finding a known series allocates nothing.
//! - **Not here:** sampling. Exemplars are left out where `tracestate` says that the trace was not kept.

pub mod config;
mod delta;
mod dimensions;
mod emit;
mod resources;
mod saved;
mod stream;

use std::sync::Arc;

use proto::{
    AnyBatch,
    view::{Attributes, ResourceSpansView, SpanView, Value},
};
use tracing::warn;

use crate::{
    config::{ByteSize, ConfigError},
    connectors::{
        exemplars::Origin,
        overflow::guilty,
        sampling::{adjusted_count, kept},
        stats::Stats,
        table::{Limits, Series, Table},
        wanted::{Found, NOTHING},
    },
    consumer::{Aggregator, Once, RestoreError},
    time::UnixNanos,
};
pub use config::{Config, Dimension};
use delta::{Delta, Emission};
use dimensions::{Around, Scratch};
use emit::{Point, emit};
use resources::{Lookup, OVERFLOW, Resources};
use stream::{Cell, Counts, Stream};

/// The state machine. Series are grouped by resource and stream; resource [`OVERFLOW`] stands for those without room.
#[derive(Debug)]
pub struct SpanMetrics {
    settings: Settings,
    resources: Resources,
    table: Table<Cell>,
    /// Series given up since the last emission, whose end is still to be told.
    ended: Vec<Ended>,
    /// With delta temporality: what is on its way.
    delta: Delta,
    scratch: Scratch,
    stats: Arc<Stats>,
    /// How many groups have overflowed; see [`SpanMetrics::overflowed`].
    overflows: u32,
}

/// The configuration, made ready.
#[derive(Debug)]
struct Settings {
    config: Config,
    streams: Vec<Stream>,
    unit_ns: f64,
    limits: Limits,
    fingerprint: u64,
}

/// A series that was given up.
#[derive(Debug)]
struct Ended {
    resource: Arc<[u8]>,
    series: Series<Cell>,
}

/// A span at hand, measured.
struct Measured<'a> {
    span: &'a SpanView<'a>,
    /// In the unit of the histogram.
    duration: f64,
    /// How many spans it stands for.
    weight: u64,
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
            delta: Delta::default(),
            scratch: Scratch::default(),
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
        let resource = self.resource_of(spans.resource().attributes(), now);
        for stream in 0..self.settings.streams.len() {
            self.stream(stream, resource, spans, now);
        }
    }

    fn stream(&mut self, stream: usize, resource: u32, spans: ResourceSpansView<'_>, now: UnixNanos) {
        let mut around = self.settings.streams[stream].dimensions.begin(spans, &mut self.scratch);
        let mut found = NOTHING;
        for scope in spans.scope_spans() {
            self.settings.streams[stream].dimensions.enter(scope.scope(), &mut around);
            for span in scope.spans() {
                self.span(stream, resource, &span, &around, &mut found, now);
            }
        }
    }

    #[inline]
    fn span<'a>(
        &mut self,
        stream: usize,
        resource: u32,
        span: &SpanView<'a>,
        around: &Around<'a>,
        found: &mut Found<'a>,
        now: UnixNanos,
    ) {
        if stream == 0 && span.end_ns() < span.start_ns() {
            self.stats.anomalies.add(1);
        }
        let duration = span.end_ns().saturating_sub(span.start_ns()) as f64 / self.settings.unit_ns;
        let sampled = match span.trace_state() {
            "" => None,
            state => adjusted_count(state, span.trace_id(), span.span_id()),
        };
        let measured = Measured { span, duration, weight: sampled.unwrap_or(1) };
        let Stream { counts, dimensions, .. } = &self.settings.streams[stream];
        if *counts == Counts::Events {
            for event in span.events() {
                let dimensions = &self.settings.streams[stream].dimensions;
                dimensions.fill(&mut self.scratch, span, Some(event), sampled.is_some(), around, found);
                self.count(stream, resource, &measured, now);
            }
            return;
        }
        dimensions.fill(&mut self.scratch, span, None, sampled.is_some(), around, found);
        self.count(stream, resource, &measured, now);
    }

    /// Counts what lies in `scratch`.
    #[inline]
    fn count(&mut self, stream: usize, resource: u32, measured: &Measured<'_>, now: UnixNanos) {
        let Self { settings, table, scratch, .. } = self;
        let group = settings.group(resource, stream);
        let stream = &settings.streams[stream];
        let place = if resource == OVERFLOW {
            table.touch_overflow(group, now, || stream.fresh())
        } else {
            table.touch(group, &scratch.key, now, || stream.fresh())
        };
        let &Measured { span, duration, weight } = measured;
        let cell = &mut table.series_mut(place.slot).cell;
        let slot = stream.record(cell, duration, weight);
        let exemplars = &cell.distribution.exemplars;
        let wants = settings.config.exemplars.enabled && exemplars.wants(slot, now, EXEMPLAR_EVERY_NS);
        if wants && kept(span.trace_state(), span.trace_id()) {
            let origin = Origin { trace_id: *span.trace_id(), span_id: *span.span_id() };
            let task_id = span.attributes().find(TASK_ID).and_then(Value::as_str).unwrap_or_default();
            table.put_exemplar(place.slot, slot, now, origin, duration, task_id);
        }
        if place.overflow {
            self.overflowed(group);
        }
    }

    /// The number of a resource; makes room for a new one if that loses nothing.
    fn resource_of(&mut self, attributes: Attributes<'_>, now: UnixNanos) -> u32 {
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
        let streams = 0..settings.streams.len();
        let is_told =
            |resource| streams.clone().all(|stream| !table.group_changed(settings.group(resource, stream)));
        let Some(given_up) = resources.candidate(now, is_told) else { return };
        let resource: Arc<[u8]> = resources.remove(given_up).into();
        for (number, stream) in settings.streams.iter().enumerate() {
            for series in table.remove_group(settings.group(given_up, number)) {
                if settings.config.is_delta() {
                    // All of it is in windows that went out.
                    continue;
                } else if table.is_over(&series, now) {
                    stats.expired.add(1);
                } else {
                    let overflow = settings.group(OVERFLOW, number);
                    let place = table.touch_overflow(overflow, now, || stream.fresh());
                    table.series_mut(place.slot).cell.fold(&series.cell);
                }
                ended.push(Ended { resource: Arc::clone(&resource), series });
            }
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
        let (resource, stream) = self.settings.parts_of(group);
        if resource == OVERFLOW {
            let resources = self.resources.len();
            warn!(resources, "too many resources, spans of further ones are counted in the overflow series");
            return;
        }
        let (label, values) = guilty(stream.dimensions.names(), keys).unwrap_or_default();
        warn!(label, values, "too many series, spans of further ones are counted in the overflow series");
    }

    fn clear(&mut self) {
        self.resources = self.settings.no_resources();
        self.table = Table::new(self.settings.limits);
        self.ended.clear();
        self.delta = Delta::default();
    }

    fn point<'a>(&'a self, series: &'a Series<Cell>) -> Point<'a> {
        let (resource, stream) = self.settings.parts_of(series.group);
        Point { resource: self.resources.attributes(resource), stream, series, ended: false }
    }

    fn tell(&self) {
        self.stats.series.set(self.table.len() as u64);
        self.stats.bytes.set((self.table.bytes() + self.resources.bytes() + self.delta.bytes()) as u64);
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
            let resource = self.resources.attributes(self.settings.parts_of(series.group).0).into();
            self.ended.push(Ended { resource, series });
            self.stats.expired.add(1);
        }
        self.tell();
    }

    fn emit(&mut self, now: UnixNanos, out: &mut Vec<AnyBatch>) {
        self.tick(now);
        if self.settings.config.is_delta() {
            self.close_window(now);
            out.extend(self.delta.emission.iter().flat_map(Emission::batches));
            return;
        }
        let ended = std::mem::take(&mut self.ended);
        let changed = self.table.take_changed();
        self.resources.emitted();
        let gone = ended.iter().map(|Ended { resource, series }| Point {
            resource,
            stream: self.settings.parts_of(series.group).1,
            series,
            ended: true,
        });
        let living = changed.into_iter().map(|slot| self.point(self.table.series(slot)));
        let points: Vec<_> = gone.chain(living).collect();
        out.extend(emit(&self.settings, &points, now).into_iter().map(AnyBatch::from));
    }

    fn once(&self) -> Option<Once> {
        self.delta.emission.as_ref().map(|emission| emission.once)
    }

    fn pushed(&mut self) {
        self.delta.emission = None;
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save_all(out);
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
        let memory = config.memory_max.0 - config.memory_max.0 / RESOURCES_SHARE;
        let memory = ByteSize(if config.is_delta() { memory / DELTA_SHARE } else { memory });
        // A series of which windows are told ends where its last one ended.
        let expiration = config.expiration().filter(|_| !config.is_delta());
        Self {
            streams: Stream::all(&config),
            unit_ns: config.unit().ns(),
            limits: Limits::new(config.aggregation_cardinality_limit, memory, expiration),
            fingerprint: config.fingerprint(),
            config,
        }
    }

    /// The group of a resource's series of one stream.
    fn group(&self, resource: u32, stream: usize) -> u32 {
        resource * self.streams.len() as u32 + stream as u32
    }

    /// The resource and the stream of a group.
    fn parts_of(&self, group: u32) -> (u32, &Stream) {
        let streams = self.streams.len() as u32;
        (group / streams, &self.streams[(group % streams) as usize])
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
}

/// The attribute that joins spans, events and exemplars of one task.
const TASK_ID: &str = "task.id";

/// A bucket's exemplar is replaced at most this often. It stays as fresh as anyone can see, and under load nearly
/// all spans are spared the search for what an exemplar carries.
const EXEMPLAR_EVERY_NS: u64 = 10_000_000;

/// One part in so many of the memory is for resources, the rest for series.
const RESOURCES_SHARE: u64 = 8;

/// With delta temporality one part in so many is for series: points take more room than what they were made of.
const DELTA_SHARE: u64 = 3;

#[cfg(test)]
mod tests;
