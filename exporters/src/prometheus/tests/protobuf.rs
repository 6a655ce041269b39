//! The protobuf format, read with types of its own (`io/prometheus/client/metrics.proto`).

use std::collections::HashSet;

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets,
};
use prost::Message;

use super::{otlp::*, *};

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricFamily {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) help: String,
    #[prost(int32, tag = "3")]
    pub(super) kind: i32,
    #[prost(message, repeated, tag = "4")]
    pub(super) metric: Vec<Series>,
    #[prost(string, tag = "5")]
    pub(super) unit: String,
}

/// `Metric`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(super) label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    pub(super) gauge: Option<Value>,
    #[prost(message, optional, tag = "3")]
    pub(super) counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    pub(super) summary: Option<Summary>,
    #[prost(message, optional, tag = "5")]
    pub(super) untyped: Option<Value>,
    #[prost(message, optional, tag = "7")]
    pub(super) histogram: Option<Histogram>,
    #[prost(int64, tag = "6")]
    pub(super) timestamp_ms: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(super) struct LabelPair {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `Gauge` and `Untyped`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Counter {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(message, optional, tag = "2")]
    pub(super) exemplar: Option<Exemplar>,
    #[prost(message, optional, tag = "3")]
    pub(super) created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(uint64, tag = "1")]
    pub(super) count: u64,
    #[prost(double, tag = "2")]
    pub(super) sum: f64,
    #[prost(message, repeated, tag = "3")]
    pub(super) quantile: Vec<Quantile>,
    #[prost(message, optional, tag = "4")]
    pub(super) created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Quantile {
    #[prost(double, tag = "1")]
    pub(super) quantile: f64,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, tag = "1")]
    pub(super) count: u64,
    #[prost(double, tag = "2")]
    pub(super) sum: f64,
    #[prost(message, repeated, tag = "3")]
    pub(super) bucket: Vec<Bucket>,
    #[prost(message, optional, tag = "15")]
    pub(super) created: Option<Timestamp>,
    #[prost(sint32, optional, tag = "5")]
    pub(super) schema: Option<i32>,
    #[prost(double, tag = "6")]
    pub(super) zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    pub(super) zero_count: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) negative_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "10")]
    pub(super) negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    pub(super) positive_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    pub(super) positive_delta: Vec<i64>,
    #[prost(message, repeated, tag = "16")]
    pub(super) exemplars: Vec<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Bucket {
    #[prost(uint64, tag = "1")]
    pub(super) below: u64,
    #[prost(double, tag = "2")]
    pub(super) upper: f64,
    #[prost(message, optional, tag = "3")]
    pub(super) exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(super) label: Vec<LabelPair>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(message, optional, tag = "3")]
    pub(super) timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// Reads a page and checks what must hold of any.
pub(super) fn decode(mut page: &[u8]) -> Vec<MetricFamily> {
    let mut families: Vec<MetricFamily> = Vec::new();
    let mut seen = HashSet::new();
    while !page.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut page).unwrap();
        assert!(!family.metric.is_empty(), "{} is empty", family.name);
        let goes_on = families.last().is_some_and(|last| last.name == family.name);
        let new = families.iter().all(|known| known.name != family.name);
        assert!(new || goes_on, "the family {} appears twice", family.name);
        for series in &family.metric {
            let mut names = HashSet::new();
            assert!(series.label.iter().all(|pair| names.insert(&pair.name)), "a label twice: {series:?}");
            assert!(seen.insert((family.name.clone(), series.label.clone())), "twice: {series:?}");
            series.histogram.iter().for_each(check_histogram);
        }
        families.push(family);
    }
    families
}

fn check_histogram(histogram: &Histogram) {
    let ascending = |pair: &[Bucket]| pair[0].upper < pair[1].upper && pair[0].below <= pair[1].below;
    assert!(histogram.bucket.windows(2).all(ascending), "{histogram:?}");
    let last = histogram.bucket.last().expect("a bucket");
    assert_eq!((last.upper, last.below), (f64::INFINITY, histogram.count));
    if histogram.schema.is_none() {
        return assert!(
            histogram.positive_span.is_empty() && histogram.exemplars.is_empty(),
            "{histogram:?}"
        );
    }
    // As Prometheus' `Histogram.Validate` has it.
    let mut total = histogram.zero_count;
    for (spans, deltas) in [
        (&histogram.negative_span, &histogram.negative_delta),
        (&histogram.positive_span, &histogram.positive_delta),
    ] {
        assert!(spans.iter().skip(1).all(|span| span.offset > 0), "{histogram:?}");
        assert_eq!(spans.iter().map(|span| span.length as usize).sum::<usize>(), deltas.len());
        let counts = deltas.iter().scan(0, |count, delta| {
            *count += delta;
            Some(*count)
        });
        total += counts.map(|count: i64| u64::try_from(count).expect("not negative")).sum::<u64>();
    }
    assert_eq!(total, histogram.count);
    assert!(histogram.zero_threshold > 0.0);
}

impl Fixture {
    /// The protobuf page.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        decode(&self.bytes(Format::Protobuf))
    }

    /// The first series of a family, if there is one.
    fn series(&self, name: &str) -> Option<Series> {
        self.families().into_iter().find(|family| family.name == name)?.metric.into_iter().next()
    }
}

/// The worked example of the conformance list, with a scale.
fn worked(scale: i32) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        start_time_unix_nano: START_NS - 100 * SECOND,
        sum: Some(99.0),
        scale,
        positive: Some(Buckets { offset: 3, bucket_counts: vec![10, 0, 0, 20, 5, 2] }),
        zero_count: 3,
        ..ExponentialHistogramDataPoint::default()
    }
}

/// The native histogram of one point.
fn native(point: ExponentialHistogramDataPoint) -> Option<Histogram> {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), vec![exponential("a", point)]);
    let shown = fixture.series("a").map(|series| series.histogram.expect("a histogram"));
    assert_eq!(fixture.table.counts.not_native.total(), u64::from(shown.is_none()));
    shown
}

fn time(seconds: u64) -> Option<Timestamp> {
    Some(Timestamp { seconds: seconds as i64, nanos: 0 })
}

#[test]
fn p_t1_created_times_are_always_there() {
    let mut fixture = Fixture::new();
    let mut timed = buckets(&[], &[1.0], &[1, 2], 3.0);
    timed.start_time_unix_nano = START_NS - 100 * SECOND;
    let mut quantile = quantiles(&[(0.5, 1.0)], 1, 2.0);
    quantile.start_time_unix_nano = START_NS - 100 * SECOND;
    let metrics = vec![
        counter("c", vec![during(int(&[("a", "\"\\\n=,")], 5), 0, 10)]),
        counter("unknown_start", vec![int(&[], 1)]),
        histogram("h", "", CUMULATIVE, vec![timed]),
        summary("s", vec![quantile]),
    ];
    fixture.put(Resource::default(), metrics);
    let created = time(1_699_999_900);
    let series = fixture.series("c_total").unwrap();
    assert_eq!(series.label, [LabelPair { name: "a".into(), value: "\"\\\n=,".into() }]);
    assert_eq!(series.counter, Some(Counter { value: 5.0, exemplar: None, created: created.clone() }));
    assert_eq!(fixture.series("unknown_start_total").unwrap().counter.unwrap().created, None);
    let explicit = fixture.series("h").unwrap().histogram.unwrap();
    assert_eq!((explicit.count, explicit.sum, explicit.created), (3, 3.0, created.clone()));
    let summary = fixture.series("s").unwrap().summary.unwrap();
    assert_eq!((summary.count, summary.sum, summary.created), (1, 2.0, created));
    assert_eq!(summary.quantile, [Quantile { quantile: 0.5, value: 1.0 }]);
}

#[test]
fn p_t7_an_exponential_histogram_is_a_native_one() {
    let histogram = native(ExponentialHistogramDataPoint {
        negative: Some(Buckets { offset: -1, bucket_counts: vec![4] }),
        ..worked(2)
    })
    .unwrap();
    assert_eq!((histogram.schema, histogram.count, histogram.sum), (Some(2), 44, 99.0));
    assert_eq!((histogram.zero_threshold, histogram.zero_count), (1e-128, 3));
    assert_eq!(histogram.negative_span, [Span { offset: 0, length: 1 }]);
    assert_eq!(histogram.negative_delta, [4]);
    assert_eq!(histogram.created, time(1_699_999_900));
    let given = native(ExponentialHistogramDataPoint { zero_threshold: 0.25, ..worked(0) }).unwrap();
    assert_eq!(given.zero_threshold, 0.25);
    let empty = native(ExponentialHistogramDataPoint { sum: Some(0.0), ..Default::default() }).unwrap();
    assert_eq!((empty.count, empty.schema, empty.positive_span), (0, Some(0), vec![]));
}

#[test]
fn p_t7_what_is_too_fine_is_joined_and_what_is_too_coarse_or_without_sum_is_left_out_and_counted() {
    let fine = native(worked(10)).unwrap();
    // Of 3..=8 by four: 0 (10), 1 (20 + 5 of 6 and 7), 2 (2).
    assert_eq!(fine.schema, Some(8));
    assert_eq!(fine.positive_span, [Span { offset: 1, length: 3 }]);
    assert_eq!(fine.positive_delta, [10, 15, -23]);
    assert_eq!(native(worked(-5)), None);
    assert_eq!(native(ExponentialHistogramDataPoint { sum: None, ..worked(0) }), None);
    assert!(native(worked(-4)).is_some());
}

#[test]
fn p_t8_the_worked_example_has_these_spans_and_deltas() {
    let histogram = native(worked(0)).unwrap();
    assert_eq!(histogram.positive_span, [Span { offset: 4, length: 1 }, Span { offset: 2, length: 3 }]);
    assert_eq!(histogram.positive_delta, [10, 10, -15, -3]);
}

#[test]
fn p_t9_explicit_buckets_stand_beside_native_ones() {
    let histogram = native(worked(0)).unwrap();
    let uppers: Vec<_> = histogram.bucket.iter().map(|bucket| (bucket.upper, bucket.below)).collect();
    assert_eq!(uppers[..3], [(0.0, 3), (16.0, 13), (32.0, 13)]);
}

#[test]
fn p_t11_types_that_protobuf_has_not_are_gauges() {
    let mut fixture = Fixture::new();
    let typed = |mut metric: super::Metric, kind: &str| {
        metric.metadata = labels(&[("prometheus.type", kind)]);
        metric
    };
    let metrics = vec![
        typed(gauge("what", "", vec![int(&[], 1)]), "unknown"),
        typed(gauge("build_info", "", vec![int(&[("v", "1")], 1)]), "info"),
        typed(gauge("state", "", vec![int(&[("state", "on")], 1)]), "stateset"),
    ];
    fixture.put(Resource::of(&[("service.name", "n"), ("x", "y")]), metrics);
    let families = fixture.families();
    let kinds: Vec<_> = families.iter().map(|family| (family.name.as_str(), family.kind)).collect();
    assert_eq!(kinds, [("target_info", 1), ("build_info", 1), ("state", 1), ("what", 3)]);
    assert_eq!(families[3].metric[0].untyped, Some(Value { value: 1.0 }));
    assert_eq!(families[2].metric[0].gauge, Some(Value { value: 1.0 }));
}

#[test]
fn p_e10_exemplars_of_a_native_histogram_stand_in_one_list_with_times() {
    let exemplars = vec![exemplar(100.0, 7, 1, &[("k", "v")]), exemplar(0.0, 8, 0, &[])];
    let histogram = native(ExponentialHistogramDataPoint { exemplars, ..worked(0) }).unwrap();
    assert_eq!(histogram.exemplars.len(), 2);
    assert!(histogram.exemplars.iter().all(|exemplar| exemplar.timestamp.is_some()));
    let first = histogram.exemplars.iter().find(|exemplar| exemplar.value == 100.0).unwrap();
    assert_eq!(first.timestamp, time(1_700_000_001));
    let pairs: Vec<_> = first.label.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect();
    assert_eq!(pairs, [("trace_id", &*"07".repeat(16)), ("span_id", &*"07".repeat(8)), ("k", "v")]);
    let holder = histogram.bucket.iter().find(|bucket| bucket.upper == 128.0).unwrap();
    assert_eq!(holder.exemplar.as_ref(), Some(first));
}

#[test]
fn a_large_family_comes_in_messages_of_bounded_size() {
    let mut fixture = Fixture::with(&Config { send_timestamps: true, ..Config::default() });
    let points = (0..5000).map(|at| during(int(&[("at", &at.to_string())], at), 0, 20)).collect();
    let mut many = gauge("many_seconds", "s", points);
    many.description = "Very many".to_owned();
    fixture.put(Resource::default(), vec![many, gauge("other", "", vec![int(&[], 1)])]);
    let families = fixture.families();
    let (many, other) = families.split_at(families.len() - 1);
    assert!(many.len() > 2, "{} messages", many.len());
    for part in many {
        assert_eq!(
            (&*part.name, &*part.help, &*part.unit, part.kind),
            ("many_seconds", "Very many", "seconds", 1)
        );
        assert!(part.encoded_len() < 70_000);
        assert!(part.metric.iter().all(|series| series.timestamp_ms == 1_699_999_920_000));
    }
    assert_eq!(many.iter().map(|part| part.metric.len()).sum::<usize>(), 5000);
    assert_eq!(other[0].name, "other");
}
