//! Series of spans as OTLP metrics.

use proto::{
    Batch, Metrics,
    encode::{self, AttributesWriter, ExponentialBuckets, ItemsWriter},
    view::Number,
};

use super::{
    Settings,
    config::COLLECTOR_INSTANCE_ID,
    stream::{Cell, Counts, Stream},
};
use crate::{
    connectors::{
        emit::{CUMULATIVE, DELTA, EXEMPLAR_BYTES, NO_RECORDED_VALUE, attributes, batches, exemplar, pairs},
        exemplars::{Exemplar, Exemplars},
        key::Parts,
        table::Series,
    },
    time::UnixNanos,
};

/// A series with the attributes of its resource.
pub(super) struct Point<'a> {
    pub(super) resource: &'a [u8],
    pub(super) stream: &'a Stream,
    pub(super) series: &'a Series<Cell>,
    /// It was given up: this is the last that is said of it.
    pub(super) ended: bool,
}

/// The points as batches; points of one resource stand together.
pub(super) fn emit(settings: &Settings, points: &[Point<'_>], now: UnixNanos) -> Vec<Batch<Metrics>> {
    batches(points, |point| settings.size_of(point)).map(|points| settings.batch(points, now)).collect()
}

impl Settings {
    fn batch(&self, points: &[Point<'_>], now: UnixNanos) -> Batch<Metrics> {
        encode::metrics(|request| {
            for points in points.chunk_by(|a, b| a.resource == b.resource) {
                request.resource(
                    |out| pairs(out, Parts(points[0].resource)),
                    |scopes| {
                        scopes.scope(SCOPE, "", |metrics| {
                            for points in points.chunk_by(|a, b| std::ptr::eq(a.stream, b.stream)) {
                                self.stream(metrics, points[0].stream, points, now);
                            }
                        })
                    },
                );
            }
        })
    }

    fn stream(
        &self,
        metrics: &mut ItemsWriter<'_, Metrics>,
        stream: &Stream,
        points: &[Point<'_>],
        now: UnixNanos,
    ) {
        let Counts::Spans { calls, durations } = stream.counts else {
            return self.counts(metrics, ("events", "Events of spans."), points, now);
        };
        if calls {
            self.counts(metrics, ("calls", "Spans."), points, now);
        }
        let is_exponential = durations && self.config.exponential_size().is_some();
        let is_explicit = durations && !stream.bounds.is_empty();
        if is_explicit || (durations && !is_exponential) {
            self.explicit(metrics, stream, points, now);
        }
        if is_exponential {
            // One name cannot be of two kinds.
            let name = if is_explicit { "duration.exponential" } else { "duration" };
            self.exponential(metrics, name, points, now);
        }
    }

    fn counts(
        &self,
        metrics: &mut ItemsWriter<'_, Metrics>,
        (name, description): (&str, &str),
        points: &[Point<'_>],
        now: UnixNanos,
    ) {
        metrics.metric(&self.config.metric_name(name), description, "", |metric| {
            metric.sum(self.temporality(), true, |out| {
                for point @ Point { series, ended, .. } in points {
                    let value = if *ended { Number::None } else { Number::Int(series.cell.count() as i64) };
                    out.point(series.start.0, time(series, now), value, |out| {
                        self.attributes(out.attributes(), point);
                        if *ended {
                            out.flags(NO_RECORDED_VALUE);
                            return;
                        }
                        for kept in self.newest(&series.cell.distribution.exemplars, COUNT_EXEMPLARS_MAX) {
                            out.exemplar(kept.time.0, Number::Double(kept.value), |out| exemplar(out, kept));
                        }
                    });
                }
            });
        });
    }

    fn explicit(
        &self,
        metrics: &mut ItemsWriter<'_, Metrics>,
        stream: &Stream,
        points: &[Point<'_>],
        now: UnixNanos,
    ) {
        metrics.metric(&self.config.metric_name("duration"), DURATION, self.config.unit_named(), |metric| {
            metric.histogram(self.temporality(), |out| {
                for point @ Point { series, ended, .. } in points {
                    let distribution = &series.cell.distribution;
                    let (bounds, counts) =
                        if *ended { (&[][..], &[][..]) } else { (&*stream.bounds, &*distribution.counts) };
                    out.point(series.start.0, time(series, now), bounds, counts, |out| {
                        self.attributes(out.attributes(), point);
                        if *ended {
                            out.flags(NO_RECORDED_VALUE);
                            return;
                        }
                        out.sum(distribution.sum);
                        for kept in self.newest(&distribution.exemplars, usize::MAX) {
                            out.exemplar(kept.time.0, Number::Double(kept.value), |out| exemplar(out, kept));
                        }
                    });
                }
            });
        });
    }

    fn exponential(
        &self,
        metrics: &mut ItemsWriter<'_, Metrics>,
        name: &str,
        points: &[Point<'_>],
        now: UnixNanos,
    ) {
        let none = ExponentialBuckets { offset: 0, counts: &[] };
        metrics.metric(&self.config.metric_name(name), DURATION, self.config.unit_named(), |metric| {
            metric.exponential_histogram(self.temporality(), |out| {
                for point @ Point { series, ended, .. } in points {
                    let (start, time) = (series.start.0, time(series, now));
                    let Some(counted) = series.cell.exponential.as_ref().filter(|_| !ended) else {
                        out.point(start, time, 0, 0, none, none, |out| {
                            self.attributes(out.attributes(), point);
                            out.flags(NO_RECORDED_VALUE);
                        });
                        continue;
                    };
                    let buckets = ExponentialBuckets { offset: counted.offset, counts: &counted.counts };
                    out.point(start, time, counted.scale, counted.zeros, buckets, none, |out| {
                        self.attributes(out.attributes(), point);
                        out.sum(series.cell.distribution.sum).extremes(counted.min, counted.max);
                        for kept in self.newest(&series.cell.distribution.exemplars, usize::MAX) {
                            out.exemplar(kept.time.0, Number::Double(kept.value), |out| exemplar(out, kept));
                        }
                    });
                }
            });
        });
    }

    fn attributes(&self, mut out: AttributesWriter<'_>, point: &Point<'_>) {
        if let Some(id) = &self.config.collector_instance_id {
            out.str(COLLECTOR_INSTANCE_ID, id);
        }
        attributes(out, point.stream.dimensions.names(), &point.series.key, point.series.overflow);
    }

    fn temporality(&self) -> i32 {
        if self.config.is_delta() { DELTA } else { CUMULATIVE }
    }

    fn newest<'e>(&self, exemplars: &'e Exemplars, max: usize) -> Vec<&'e Exemplar> {
        exemplars.newest(max.min(self.config.exemplars.max_per_data_point.unwrap_or(max)))
    }

    /// An estimate from above.
    fn size_of(&self, point: &Point<'_>) -> usize {
        let Point { stream, series, resource, .. } = point;
        let names: usize = stream.dimensions.names().map(|name| name.len() + PAIR_BYTES).sum();
        let instance = self.config.collector_instance_id.as_ref().map_or(0, String::len);
        let buckets = 2 * size_of::<f64>() * (stream.bounds.len() + 1);
        let exponential = series.cell.exponential.as_ref();
        let exponential = exponential.map_or(0, |counted| POINT_BYTES + 10 * counted.counts.len());
        let exemplars = series.cell.distribution.exemplars.len() * EXEMPLAR_BYTES;
        let written = 2 + usize::from(exponential > 0);
        resource.len()
            + written * (names + instance + series.key.len() + POINT_BYTES + exemplars)
            + buckets
            + exponential
    }
}

/// A batch may hold records that arrived after the tick that emits it began.
fn time(series: &Series<Cell>, now: UnixNanos) -> u64 {
    series.seen.max(now).0
}

/// The scope of the metrics; what made them. It says no version: a newer one goes on with the same series.
const SCOPE: &str = "span_metrics";

const DURATION: &str = "Durations of spans.";

/// As many as the Collector puts on a point.
const COUNT_EXEMPLARS_MAX: usize = 5;

/// Tags and lengths of one attribute.
const PAIR_BYTES: usize = 12;

/// Tags, lengths and times of one point.
const POINT_BYTES: usize = 64;
