use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use proto::encode::{self, AttributesWriter};

use super::*;
use crate::connectors::testing::{emitted, survives_damage, whole};

/// An event as the tests write it: `name key=value key=1.5`; `trace=7` gives it a sampled trace context, and
/// `unsampled=7` one that is not.
fn batch(events: &[&str]) -> AnyBatch {
    let batch = encode::logs(|request| {
        request.resource(
            |resource| {
                resource.str("service.name", "bot").str("deployment.environment.name", "staging");
            },
            |scopes| {
                scopes.scope("", "", |logs| {
                    for event in events {
                        let mut words = event.split(' ');
                        logs.log_record(1, 1, |record| {
                            record.event_name(words.next().expect("an event has a name"));
                            for (key, value) in words.filter_map(|word| word.split_once('=')) {
                                let flags = u32::from(key == "trace");
                                match value.parse::<u8>() {
                                    Ok(id) if matches!(key, "trace" | "unsampled") => {
                                        record.trace_context(&[id; 16], &[id; 8], flags);
                                    }
                                    _ => attribute(&mut record.attributes(), key, value),
                                }
                            }
                        });
                    }
                })
            },
        );
    });
    batch.into()
}

fn attribute(out: &mut AttributesWriter<'_>, key: &str, value: &str) {
    if let Ok(number) = value.parse::<i64>() {
        out.int(key, number);
    } else if let Ok(number) = value.parse::<f64>() {
        out.double(key, number);
    } else {
        out.str(key, value);
    }
}

fn connector(yaml: &str) -> EventMetrics {
    let config: Config = serde_saphyr::from_str(yaml).expect("the test writes a readable configuration");
    config.check().expect("the test writes a sound configuration");
    let own = BTreeMap::from([
        ("./own.yaml".to_owned(), OWN.to_owned()),
        ("./changed.yaml".to_owned(), CHANGED.to_owned()),
    ]);
    config.build(&own).expect("the catalogs are sound")
}

/// Applies the events, all arriving at 100, and shows what is emitted.
fn check(yaml: &str, events: &[&str], expected: Expect) {
    let mut connector = connector(yaml);
    connector.apply(&batch(events), UnixNanos(100));
    let shown = emitted(&mut connector, 200);
    assert_eq!(emitted(&mut connector, 300), "", "what has not changed is not emitted again");
    assert_eq!(whole(&connector, &mut self::connector(yaml), 200), shown, "a restart changes nothing");
    expected.assert_eq(&shown);
}

#[test]
fn a_validation_feeds_the_metrics_of_the_phase() {
    check(
        "{catalog: [rsolv]}",
        &[
            "rsolv.validation.complete repo=o/r language=js framework=express status=completed duration=45000 environment=production task.id=00ff00ff00ff00ff tests_generated=5 tests_passed=4 tests_failed=1 vulnerabilities_found=2 trace=7",
        ],
        expect![[r#"
            rsolv.validation.duration[ms]{repo="o/r",language="js",framework="express",environment="production"} le 60000: 1, sum 45000 of 1 since 100 @100 7/7 45000.0 task.id="00ff00ff00ff00ff"
            rsolv.validation.executions[{execution}]{repo="o/r",language="js",framework="express",status="completed",environment="production"} 1 since 100 @100 7/7 1.0 task.id="00ff00ff00ff00ff"
            rsolv.validation.test_generated[{test}]{repo="o/r",language="js",framework="express",environment="production"} 5 since 100 @100 7/7 5.0 task.id="00ff00ff00ff00ff"
            rsolv.validation.tests_failed[{test}]{repo="o/r",language="js",framework="express",environment="production"} 1 since 100 @100 7/7 1.0 task.id="00ff00ff00ff00ff"
            rsolv.validation.tests_passed[{test}]{repo="o/r",language="js",framework="express",environment="production"} 4 since 100 @100 7/7 4.0 task.id="00ff00ff00ff00ff"
            rsolv.validation.vulnerabilities_found[{vulnerability}]{repo="o/r",language="js",framework="express",environment="production"} 2 since 100 @100 7/7 2.0 task.id="00ff00ff00ff00ff"
        "#]],
    );
}

#[test]
fn trust_scores_fall_into_buckets_with_inclusive_bounds() {
    check(
        "{catalog: [rsolv]}",
        &[
            "rsolv.mitigation.trust_score repo=o/r language=js framework=express value=85 trace=1",
            "rsolv.mitigation.trust_score repo=o/r language=js framework=express value=90 trace=2",
            "rsolv.mitigation.trust_score repo=o/r language=js framework=express value=0.0 unsampled=3",
        ],
        expect![[r#"
            rsolv.mitigation.trust_score.value[]{repo="o/r",language="js",framework="express",environment="staging"} le 0: 1, le 90: 2, sum 175 of 3 since 100 @100 2/2 90.0
        "#]],
    );
}

#[test]
fn a_missing_label_is_unknown_and_a_missing_measurement_feeds_nothing() {
    check(
        "{catalog: [rsolv]}",
        &["rsolv.scan.complete language= status=failed"],
        expect![[r#"
        rsolv.scan.executions[{execution}]{repo="unknown",language="unknown",framework="unknown",status="failed",environment="staging"} 1 since 100
    "#]],
    );
}

#[test]
fn what_the_catalog_does_not_know_feeds_nothing() {
    check(
        "{catalog: [rsolv]}",
        &["rsolv.scan", "", "rsolv.validation.test_generated repo=o/r"],
        expect![[""]],
    );
}

#[test]
fn an_event_that_is_sampled_nowhere_leaves_no_exemplar() {
    check(
        "{catalog: [./own.yaml]}",
        &["shop.sale unsampled=7 kind=b"],
        expect![[r#"
        shop.sales[]{kind="b",environment="staging"} 1 since 100
    "#]],
    );
}

#[test]
fn counters_add_whole_numbers_exactly_and_gauges_keep_the_latest() {
    check(
        "{catalog: [./own.yaml], exemplars: {enabled: false}}",
        &[
            "shop.sale kind=a price=9007199254740993 stock=-4",
            "shop.sale kind=a price=1 stock=2.5",
            "shop.sale kind=b price=0.5",
        ],
        expect![[r#"
            shop.revenue[]{kind="a",environment="staging"} 9007199254740994 since 100
            shop.revenue[]{kind="b",environment="staging"} 0.5 since 100
            shop.sales[]{kind="a",environment="staging"} 2 since 100
            shop.sales[]{kind="b",environment="staging"} 1 since 100
            shop.stock[]{kind="a",environment="staging"} = 2.5
        "#]],
    );
}

#[test]
fn a_measurement_that_is_no_number_or_below_zero_is_left_out_and_counted() {
    let mut connector = connector("{catalog: [./own.yaml]}");
    connector.apply(&batch(&["shop.sale price=-1 size=NaN", "shop.sale price=many"]), UnixNanos(100));
    expect![[r#"
        shop.sales[]{kind="unknown",environment="staging"} 2 since 100
    "#]]
    .assert_eq(&emitted(&mut connector, 200));
    assert_eq!(connector.stats().anomalies.total(), 3);
}

#[test]
fn beyond_the_limit_events_go_to_the_overflow_series_of_their_metric() {
    let yaml = "{catalog: [./own.yaml], aggregation_cardinality_limit: 2, exemplars: {enabled: false}}";
    check(
        yaml,
        &["shop.sale kind=a", "shop.sale kind=b", "shop.sale kind=c", "shop.sale kind=d"],
        expect![[r#"
        shop.sales[]{kind="a",environment="staging"} 1 since 100
        shop.sales[]{kind="b",environment="staging"} 1 since 100
        shop.sales[]{otel.metric.overflow=true} 2 since 100
    "#]],
    );
}

#[test]
fn a_changed_catalog_keeps_what_is_declared_as_before() {
    let mut before = connector("{catalog: [./own.yaml]}");
    before.apply(&batch(&["shop.sale kind=a price=3 size=1"]), UnixNanos(100));
    let mut after = connector("{catalog: [./changed.yaml]}");
    assert_eq!(before.fingerprint(), after.fingerprint());
    expect![[r#"
        shop.revenue[]{kind="a",environment="staging"} 3 since 100
    "#]]
    .assert_eq(&whole(&before, &mut after, 200));
}

#[test]
fn an_idle_series_leaves_and_starts_anew_when_it_returns() {
    let mut connector = connector("{catalog: [./own.yaml], metrics_expiration: 1us}");
    connector.apply(&batch(&["shop.sale kind=a size=1 stock=1"]), UnixNanos(100));
    emitted(&mut connector, 200);
    expect![[r#"
        shop.sales[]{kind="a",environment="staging"} - since 100 ended
        shop.size[]{kind="a",environment="staging"} sum 0 of 0 since 100 ended
        shop.stock[]{kind="a",environment="staging"} = -
    "#]]
    .assert_eq(&emitted(&mut connector, 2_000));
    connector.apply(&batch(&["shop.sale kind=a"]), UnixNanos(3_000));
    expect![[r#"
        shop.sales[]{kind="a",environment="staging"} 1 since 3000
    "#]]
    .assert_eq(&emitted(&mut connector, 3_100));
}

#[test]
fn a_damaged_state_is_refused_without_a_panic() {
    let mut connector = connector("{catalog: [./own.yaml]}");
    connector.apply(&batch(&["shop.sale kind=a price=3 size=1 stock=2 trace=1 task.id=aa"]), UnixNanos(100));
    let mut state = Vec::new();
    connector.save(&mut state);
    survives_damage(&mut connector, &state);
    assert!(connector.restore(&state[..state.len() - 1]).is_err());
    assert_eq!(connector.table.len(), 0, "after a failed restore it is as new");
}

#[test]
fn a_wrong_name_of_a_catalog_is_refused_with_the_known_ones() {
    let config: Config = serde_saphyr::from_str("{catalog: [rslv]}").unwrap();
    let errors = config.check().unwrap_err();
    expect!["catalog[0]: `rslv` is no catalog; shipped: rsolv; a file is written with its path, such as ./rslv.yaml"]
        .assert_eq(&errors[0].to_string());
    assert!(Config::default().check().is_err(), "no catalog at all");
}

#[test]
fn labels_that_are_no_text_are_spelled_as_everywhere() {
    let mut connector = connector("{catalog: [./own.yaml]}");
    let values = [Value::Bytes(b"\0"), Value::Int(5), Value::Double(1.5), Value::Double(f64::NAN)];
    let values = values.into_iter().chain([Value::Bool(true), Value::Bytes(b""), Value::Empty]);
    let batch = encode::logs(|request| {
        request.resource(
            |_| {},
            |scopes| {
                scopes.scope("", "", |logs| {
                    for value in values {
                        logs.log_record(1, 1, |record| {
                            record.event_name("shop.sale").attributes().value("kind", value);
                        });
                    }
                })
            },
        );
    });
    connector.apply(&batch.into(), UnixNanos(100));
    expect![[r#"
        shop.sales[]{kind="1.5",environment="unknown"} 1 since 100
        shop.sales[]{kind="5",environment="unknown"} 1 since 100
        shop.sales[]{kind="AA==",environment="unknown"} 1 since 100
        shop.sales[]{kind="NaN",environment="unknown"} 1 since 100
        shop.sales[]{kind="true",environment="unknown"} 1 since 100
        shop.sales[]{kind="unknown",environment="unknown"} 2 since 100
    "#]]
    .assert_eq(&emitted(&mut connector, 200));
}

#[test]
fn an_absurd_measurement_is_left_out_and_counted_and_no_sum_ends_at_infinity() {
    let mut connector = connector("{catalog: [./own.yaml]}");
    for _ in 0..5 {
        connector.apply(&batch(&["shop.sale price=1.7e308 size=1.7e308 stock=1.7e308"]), UnixNanos(100));
    }
    assert_eq!(connector.stats().anomalies.total(), 10);
    // What integers can say is taken, and goes on beyond their own sum.
    for _ in 0..5 {
        let whole = "shop.sale price=9223372036854775807 size=9223372036854775807";
        connector.apply(&batch(&[whole, "shop.sale price=9.2e18"]), UnixNanos(100));
    }
    assert_eq!(connector.stats().anomalies.total(), 10);
    expect![[r#"
        shop.revenue[]{kind="unknown",environment="staging"} 9.211686018427388e19 since 100
        shop.sales[]{kind="unknown",environment="staging"} 15 since 100
        shop.size[]{kind="unknown",environment="staging"} above: 5, sum 46116860184273880000 of 5 since 100
        shop.stock[]{kind="unknown",environment="staging"} = 1.7e308
    "#]]
    .assert_eq(&emitted(&mut connector, 200));
}

fn any_event() -> impl Strategy<Value = String> {
    (0..6_u8, 0..100_u32, 0..400_u32, 1..9_u8).prop_map(|(kind, price, size, trace)| {
        format!("shop.sale kind=k{kind} price={price} size={size} stock=1 trace={trace}")
    })
}

proptest! {
    #[test]
    fn limits_never_change_totals_and_restarts_change_nothing(events in prop::collection::vec(any_event(), 0..80), at in 0..80_usize) {
        let yaml = "{catalog: [./own.yaml], aggregation_cardinality_limit: 2}";
        let (mut free, mut limited, mut restarted) = (connector("{catalog: [./own.yaml]}"), connector(yaml), connector(yaml));
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let (early, late) = events.split_at(at.min(events.len()));
        for (events, now) in [(early, 100), (late, 101)] {
            for connector in [&mut free, &mut limited, &mut restarted] {
                connector.apply(&batch(events), UnixNanos(now));
            }
            let mut state = Vec::new();
            restarted.save(&mut state);
            restarted = connector(yaml);
            restarted.restore(&state).expect("what was saved is restored");
        }
        prop_assert_eq!(whole(&limited, &mut connector(yaml), 200), whole(&restarted, &mut connector(yaml), 200));
        let totals = |connector: &EventMetrics| {
            let counts = connector.table.iter().map(|series| match &series.cell {
                Cell::Counter(counter) => (counter.total() , 0),
                Cell::Histogram(cell) => (cell::Total::Whole(0), cell.count()),
                Cell::Gauge(_) => (cell::Total::Whole(0), 0),
            });
            counts.fold((0, 0), |sum, (total, count)| {
                let cell::Total::Whole(total) = total else { panic!("whole numbers stay whole") };
                (sum.0 + total, sum.1 + count)
            })
        };
        prop_assert_eq!(totals(&free), totals(&limited));
    }
}

const OWN: &str = "
events:
  shop.sale:
    labels: [kind]
    metrics:
      - {name: shop.sales, kind: counter}
      - {name: shop.revenue, kind: counter, value: price}
      - {name: shop.size, kind: histogram, value: size, buckets: [1, 2]}
      - {name: shop.stock, kind: gauge, value: stock}
";

const CHANGED: &str = "
events:
  shop.sale:
    labels: [kind]
    metrics:
      - {name: shop.size, kind: histogram, value: size, buckets: [1, 3]}
      - {name: shop.revenue, kind: counter, value: price}
";
