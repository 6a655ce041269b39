//! Whatever is sent, the page is valid (invariant 6).

use proptest::prelude::*;

use super::{otlp::*, *};
use crate::prometheus::config::TranslationStrategy;

/// Few names and keys, so that they collide; any text as values.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "a",
            "a.b",
            "a_b",
            "a-b",
            "a_dot_b",
            "U__a_2E_b",
            "ä",
            ".",
            "3",
            "__x",
            "a_total",
            "a.total",
            "a_count",
            "a_bucket",
            "a_info",
            "le",
            "quantile",
            "job",
            "1",
            ""
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((text(), text()), 0..4)
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.5, f64::NAN, f64::INFINITY])]
}

fn metric() -> impl Strategy<Value = Metric> {
    let values = prop::collection::vec(number(), 0..4);
    let counts = prop::collection::vec(0_u64..4, 0..5);
    (0..6_u8, text(), text(), text(), pairs(), values, counts, 0..4_i32, any::<bool>(), number()).prop_map(
        |(kind, name, unit, help, pairs, values, counts, temporality, flag, value)| {
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let mut point = double(&pairs, value);
            point.exemplars = vec![exemplar(value, u8::from(flag), 0, &pairs)];
            point.start_time_unix_nano = value.to_bits();
            let mut timed = buckets(&pairs, &values, &counts, value);
            timed.exemplars = vec![exemplar(value, 1, 0, &pairs)];
            let mut metric = match kind {
                0 => gauge(&name, &unit, vec![point]),
                1 | 2 => sum(&name, &unit, temporality, flag, vec![point]),
                3 => histogram(&name, &unit, temporality, vec![timed]),
                4 => summary(
                    &name,
                    vec![quantiles(&values.iter().map(|v| (*v, value)).collect::<Vec<_>>(), 3, value)],
                ),
                _ => exponential(
                    &name,
                    opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint {
                        attributes: labels(&pairs),
                        scale: temporality * 7 - 7,
                        sum: Some(value),
                        zero_count: 1,
                        zero_threshold: value,
                        exemplars: vec![exemplar(value, 1, 0, &pairs)],
                        positive: Some(side(value, &counts)),
                        negative: flag.then(|| side(-value, &counts)),
                        ..Default::default()
                    },
                ),
            };
            metric.description = help;
            if flag {
                metric.metadata =
                    labels(&[("prometheus.type", ["info", "stateset", "unknown"][kind as usize % 3])]);
            }
            metric
        },
    )
}

fn side(
    offset: f64,
    counts: &[u64],
) -> opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets {
    opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets {
        offset: offset as i32,
        bucket_counts: counts.to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_page_is_valid_whatever_was_sent(
        batches in prop::collection::vec((pairs(), text(), prop::collection::vec(metric(), 0..6)), 0..6),
        limit in 0_usize..30,
        created in any::<bool>(),
        strategy in prop::sample::select(vec![
            TranslationStrategy::UnderscoreEscapingWithSuffixes,
            TranslationStrategy::NoUTF8EscapingWithSuffixes,
            TranslationStrategy::NoTranslation,
        ]),
    ) {
        let config = Config {
            series_limit: limit,
            created_timestamps: created,
            translation_strategy: Some(strategy),
            ..Config::default()
        };
        let mut fixture = Fixture::with(&config);
        for (attributes, scope, metrics) in batches {
            let attributes: Vec<_> = attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            fixture.put(Resource::of(&attributes).scope(&scope, "1", &attributes), metrics);
            let now = UnixNanos(fixture.now_ns);
            fixture.input.tick(now);
        }
        fixture.page(Format::Text);
        fixture.families();
        for escaping in [Escaping::Dots, Escaping::Values, Escaping::AllowUtf8].into_iter().filter(|_| config.keeps_utf8()) {
            fixture.page(Style { format: Format::Text, escaping });
            fixture.page(Style { format: Format::OpenMetrics, escaping });
            protobuf::decode(&fixture.bytes(Style { format: Format::Protobuf, escaping }));
        }
        let page = fixture.page(Format::OpenMetrics);
        let mut state = Vec::new();
        fixture.input.save(&mut state);
        fixture.input.restore(&state).unwrap();
        prop_assert_eq!(page, fixture.page(Format::OpenMetrics));
    }
}

#[test]
fn labels_and_buckets_beyond_their_bounds_are_dropped_and_counted() {
    let mut fixture = Fixture::new();
    let long = "x".repeat(20_000);
    fixture.put(Resource::default(), vec![gauge("a", "", vec![int(&[("k", &long)], 1)])]);
    assert_eq!(fixture.dropped(Dropped::LabelsTooLong), 1);
    let bounds: Vec<f64> = (0..600).map(f64::from).collect();
    let point = buckets(&[], &bounds, &[1; 601], 1.0);
    fixture.put(Resource::default(), vec![histogram("h", "", CUMULATIVE, vec![point])]);
    assert_eq!(fixture.dropped(Dropped::TooManyBuckets), 1);
    assert_eq!(fixture.open_metrics(), "# EOF\n");
}

#[test]
fn scrapes_beside_inserts_show_every_series_that_stays_once() {
    let mut fixture = Fixture::new();
    let point = |at: u32| int(&[("at", &at.to_string())], 1);
    fixture.put(Resource::default(), vec![gauge("g", "", (0..4000).map(point).collect())]);
    let table = Arc::clone(&fixture.table);
    let show = Show { now_ns: fixture.now_ns, ..fixture.show };
    std::thread::scope(|threads| {
        let scrapers: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    for _ in 0..10 {
                        let mut scrape = Scrape::new(Arc::clone(&table), Vec::new(), Format::Text, show);
                        let mut out = Vec::new();
                        while scrape.next_chunk(&mut out) {}
                        let page = String::from_utf8(out).unwrap();
                        checker::check(&page, Format::Text);
                        assert!((0..2000).all(|at| page.contains(&format!("{{at=\"{at}\"}}"))));
                    }
                })
            })
            .collect();
        // Series come and go while the page is read; the first two thousand stay.
        let mut round = 0;
        while !scrapers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            round += 1;
            let ended = |at: u32| {
                let mut point = point(at);
                point.flags = round % 2;
                point
            };
            fixture.put(Resource::default(), vec![gauge("g", "", (2000..4000).map(ended).collect())]);
        }
    });
}

#[test]
fn a_series_that_comes_back_while_a_page_is_read_is_not_shown_twice() {
    let mut fixture = Fixture::new();
    let point = |at: u32, flags: u32| {
        let mut point = int(&[("at", &at.to_string())], 1);
        point.flags = flags;
        vec![gauge("g", "", vec![point])]
    };
    let all = (0..6000).map(|at| int(&[("at", &at.to_string())], 1)).collect();
    fixture.put(Resource::default(), vec![gauge("g", "", all)]);
    let show = Show { now_ns: fixture.now_ns, ..fixture.show };
    let mut scrape = Scrape::new(Arc::clone(&fixture.table), Vec::new(), Format::Text, show);
    let mut out = Vec::new();
    assert!(scrape.next_chunk(&mut out));
    // The first series is on the page, the last is not yet; its place becomes free and would be used.
    fixture.put(Resource::default(), point(0, 1)).put(Resource::default(), point(5999, 1));
    fixture.put(Resource::default(), point(0, 0));
    while scrape.next_chunk(&mut out) {}
    let page = String::from_utf8(out).unwrap();
    checker::check(&page, Format::Text);
    assert_eq!(page.matches("{at=\"0\"}").count(), 1);
}
