//! Series of spans as OTLP metrics.

use proto::{
    AnyBatch, Batch, Metrics,
    encode::{self, ItemsWriter},
    view::Number,
};

use crate::{
    connectors::{
        distribution::Distribution,
        emit::{CUMULATIVE, EXEMPLAR_BYTES, NO_RECORDED_VALUE, attributes, batches, exemplar, pairs},
        exemplars::{Exemplar, Exemplars},
        key::Parts,
        span_metrics::Settings,
        table::Series,
    },
    time::UnixNanos,
};

/// A series with the attributes of its resource.
pub(super) struct Point<'a> {
    pub(super) resource: &'a [u8],
    pub(super) series: &'a Series<Distribution>,
    /// It was given up: this is the last that is said of it.
    pub(super) ended: bool,
}

/// Appends the points as batches; points of one resource stand together.
pub(super) fn emit(settings: &Settings, points: &[Point<'_>], now: UnixNanos, out: &mut Vec<AnyBatch>) {
    for points in batches(points, |point| settings.size_of(point)) {
        out.push(settings.batch(points, now).into());
    }
}

impl Settings {
    fn batch(&self, points: &[Point<'_>], now: UnixNanos) -> Batch<Metrics> {
        encode::metrics(|request| {
            for points in points.chunk_by(|a, b| a.resource == b.resource) {
                request.resource(
                    |out| pairs(out, Parts(points[0].resource)),
                    |scopes| {
                        scopes.scope(SCOPE, "", |metrics| {
                            self.calls(metrics, points, now);
                            if !self.config.histogram.disable {
                                self.duration(metrics, points, now);
                            }
                        })
                    },
                );
            }
        })
    }

    fn calls(&self, metrics: &mut ItemsWriter<'_, Metrics>, points: &[Point<'_>], now: UnixNanos) {
        metrics.metric(&self.name("calls"), "Spans.", "", |metric| {
            metric.sum(CUMULATIVE, true, |out| {
                for Point { series, ended, .. } in points {
                    let value = if *ended { Number::None } else { Number::Int(series.cell.count() as i64) };
                    out.point(series.start.0, time(series, now), value, |out| {
                        attributes(out.attributes(), self.names(), &series.key, series.overflow);
                        if *ended {
                            out.flags(NO_RECORDED_VALUE);
                            return;
                        }
                        for kept in self.newest(&series.cell.exemplars, CALLS_EXEMPLARS_MAX) {
                            out.exemplar(kept.time.0, Number::Double(kept.value), |out| exemplar(out, kept));
                        }
                    });
                }
            });
        });
    }

    fn duration(&self, metrics: &mut ItemsWriter<'_, Metrics>, points: &[Point<'_>], now: UnixNanos) {
        metrics.metric(
            &self.name("duration"),
            "Durations of spans.",
            self.config.unit().as_str(),
            |metric| {
                metric.histogram(CUMULATIVE, |out| {
                    for Point { series, ended, .. } in points {
                        let (bounds, counts) =
                            if *ended { (&[][..], &[][..]) } else { (&*self.bounds, &*series.cell.counts) };
                        out.point(series.start.0, time(series, now), bounds, counts, |out| {
                            attributes(out.attributes(), self.names(), &series.key, series.overflow);
                            if *ended {
                                out.flags(NO_RECORDED_VALUE);
                                return;
                            }
                            out.sum(series.cell.sum);
                            for kept in self.newest(&series.cell.exemplars, usize::MAX) {
                                out.exemplar(kept.time.0, Number::Double(kept.value), |out| {
                                    exemplar(out, kept)
                                });
                            }
                        });
                    }
                });
            },
        );
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    fn name(&self, what: &str) -> String {
        match self.config.namespace.as_str() {
            "" => what.to_owned(),
            namespace => format!("{namespace}.{what}"),
        }
    }

    fn newest<'e>(&self, exemplars: &'e Exemplars, max: usize) -> Vec<&'e Exemplar> {
        exemplars.newest(max.min(self.config.exemplars.max_per_data_point.unwrap_or(max)))
    }

    /// An estimate from above.
    fn size_of(&self, point: &Point<'_>) -> usize {
        let names: usize = self.names().map(|name| name.len() + PAIR_BYTES).sum();
        let buckets = 2 * size_of::<f64>() * (self.bounds.len() + 1);
        let exemplars = point.series.cell.exemplars.len() * EXEMPLAR_BYTES;
        point.resource.len() + 2 * (names + point.series.key.len() + POINT_BYTES + exemplars) + buckets
    }
}

/// A batch may hold records that arrived after the tick that emits it began.
fn time(series: &Series<Distribution>, now: UnixNanos) -> u64 {
    series.seen.max(now).0
}

/// The scope of the metrics; what made them. It says no version: a newer one goes on with the same series.
const SCOPE: &str = "span_metrics";

/// As many as the Collector puts on a point.
const CALLS_EXEMPLARS_MAX: usize = 5;

/// Tags and lengths of one attribute.
const PAIR_BYTES: usize = 12;

/// Tags, lengths and times of one point.
const POINT_BYTES: usize = 64;
