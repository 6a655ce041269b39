//! Series of declared metrics as OTLP metrics, under an empty resource and an empty scope.

use proto::{
    AnyBatch,
    encode::{self, MetricWriter},
    view::Number,
};

use crate::{
    connectors::{
        emit::{CUMULATIVE, EXEMPLAR_BYTES, NO_RECORDED_VALUE, attributes, batches, exemplar},
        event_metrics::{
            catalog::{Kind, Metric},
            cell::{Cell, Total},
        },
        table::{Cell as _, Series},
    },
    time::UnixNanos,
};

/// A series and what there is to say of it.
pub(super) struct Point<'a> {
    pub(super) series: &'a Series<Cell>,
    /// It was given up: this is the last that is said of it.
    pub(super) ended: bool,
}

/// Appends the points as batches; points of one metric stand together.
pub(super) fn emit(metrics: &[Metric], points: &[Point<'_>], now: UnixNanos, out: &mut Vec<AnyBatch>) {
    for points in batches(points, |point| size_of_point(metrics, point)) {
        let batch = encode::metrics(|request| {
            request.resource(
                |_| {},
                |scopes| {
                    scopes.scope("", "", |items| {
                        for points in points.chunk_by(|a, b| a.series.group == b.series.group) {
                            let metric = &metrics[points[0].series.group as usize];
                            items.metric(&metric.name, &metric.description, &metric.unit, |writer| {
                                write(writer, metric, points, now);
                            });
                        }
                    })
                },
            );
        });
        out.push(batch.into());
    }
}

fn write(writer: MetricWriter<'_>, metric: &Metric, points: &[Point<'_>], now: UnixNanos) {
    match metric.kind {
        Kind::Counter => writer.sum(CUMULATIVE, true, |out| {
            for Point { series, ended } in points {
                let value = if *ended { Number::None } else { number(&series.cell) };
                out.point(series.start.0, time(series, now), value, |out| {
                    attributes(out.attributes(), labels(metric), &series.key, series.overflow);
                    if *ended {
                        out.flags(NO_RECORDED_VALUE);
                        return;
                    }
                    for kept in series.cell.exemplars().into_iter().flat_map(|kept| kept.iter()) {
                        out.exemplar(kept.time.0, Number::Double(kept.value), |out| exemplar(out, kept));
                    }
                });
            }
        }),
        Kind::Gauge => writer.gauge(|out| {
            for Point { series, ended } in points {
                let value = if *ended { Number::None } else { number(&series.cell) };
                out.point(0, time(series, now), value, |out| {
                    attributes(out.attributes(), labels(metric), &series.key, series.overflow);
                    if *ended {
                        out.flags(NO_RECORDED_VALUE);
                    }
                });
            }
        }),
        Kind::Histogram => writer.histogram(CUMULATIVE, |out| {
            for Point { series, ended } in points {
                let Cell::Histogram(cell) = &series.cell else { continue };
                let (bounds, counts) =
                    if *ended { (&[][..], &[][..]) } else { (&*metric.bounds, &*cell.counts) };
                out.point(series.start.0, time(series, now), bounds, counts, |out| {
                    attributes(out.attributes(), labels(metric), &series.key, series.overflow);
                    if *ended {
                        out.flags(NO_RECORDED_VALUE);
                        return;
                    }
                    out.sum(cell.sum);
                    for kept in cell.exemplars.iter() {
                        out.exemplar(kept.time.0, Number::Double(kept.value), |out| exemplar(out, kept));
                    }
                });
            }
        }),
    }
}

fn labels(metric: &Metric) -> impl Iterator<Item = &str> {
    metric.labels.iter().map(String::as_str)
}

fn number(cell: &Cell) -> Number {
    match cell {
        Cell::Counter(counter) => match counter.total() {
            Total::Whole(total) => Number::Int(total),
            Total::Fraction(total) => Number::Double(total),
        },
        Cell::Gauge(value) => Number::Double(*value),
        Cell::Histogram(_) => Number::None,
    }
}

fn size_of_point(metrics: &[Metric], point: &Point<'_>) -> usize {
    let metric = &metrics[point.series.group as usize];
    let names: usize = labels(metric).map(|label| label.len() + PAIR_BYTES).sum();
    let buckets = 2 * size_of::<f64>() * (metric.bounds.len() + 1);
    let exemplars = point.series.cell.exemplars().map_or(0, |kept| kept.len() * EXEMPLAR_BYTES);
    names + point.series.key.len() + POINT_BYTES + buckets + exemplars
}

/// A batch may hold records that arrived after the tick that emits it began.
fn time(series: &Series<Cell>, now: UnixNanos) -> u64 {
    series.seen.max(now).0
}

/// Tags and lengths of one attribute.
const PAIR_BYTES: usize = 12;

/// Tags, lengths and times of one point, and its share of the metric's name.
const POINT_BYTES: usize = 160;
