use expect_test::{Expect, expect};
use proptest::prelude::*;
use proto::encode;

use super::*;
use crate::connectors::testing::{emitted, show, survives_damage, whole};

mod delta;
mod options;

/// A span as the tests write it.
#[derive(Clone, Copy, Debug)]
struct Call {
    service: u8,
    name: &'static str,
    kind: i32,
    status: i32,
    ms: i64,
    attributes: &'static [(&'static str, &'static str)],
    trace_state: &'static str,
    trace: u8,
    /// The value of `kind` of each event.
    events: &'static [&'static str],
    /// Name and version.
    scope: (&'static str, &'static str),
}

const CALL: Call = Call {
    service: 1,
    name: "GET /",
    kind: 2,
    status: 0,
    ms: 3,
    attributes: &[],
    trace_state: "",
    trace: 1,
    events: &[],
    scope: ("", ""),
};

fn batch(calls: &[Call]) -> AnyBatch {
    let batch = encode::traces(|request| {
        for call in calls {
            request.resource(
                |resource| {
                    resource.str("service.name", &format!("s{}", call.service)).str("region", "eu");
                },
                |scopes| {
                    scopes.scope(call.scope.0, call.scope.1, |spans| {
                        let (mut trace, mut span_id) = ([0; 16], [0; 8]);
                        (trace[15], span_id[7]) = (call.trace, call.trace);
                        spans.span(&trace, &span_id, call.name, |span| {
                            let start = 1_000_000_000;
                            span.kind(call.kind).times(start, start.wrapping_add_signed(call.ms * 1_000_000));
                            span.trace_state(call.trace_state).status(call.status, "");
                            for (key, value) in call.attributes {
                                span.attributes().str(key, value);
                            }
                            for kind in call.events {
                                span.event("e", start, |event| {
                                    event.attributes().str("kind", kind).str("region", "of the event");
                                });
                            }
                        });
                    })
                },
            );
        }
    });
    batch.into()
}

fn config(yaml: &str) -> Config {
    serde_saphyr::from_str(yaml).expect("the test writes a readable configuration")
}

fn connector(yaml: &str) -> SpanMetrics {
    SpanMetrics::new(config(yaml)).expect("the test writes a sound configuration")
}

/// Applies the calls, all arriving at 100, and shows what is emitted.
fn check(yaml: &str, calls: &[Call], expected: Expect) {
    let mut connector = connector(yaml);
    connector.apply(&batch(calls), UnixNanos(100));
    let shown = emitted(&mut connector, 200);
    assert_eq!(emitted(&mut connector, 300), "", "what has not changed is not emitted again");
    let mut restored = SpanMetrics::new(config(yaml)).expect("the configuration is sound");
    assert_eq!(whole(&connector, &mut restored, 200), shown, "a restart changes nothing");
    expected.assert_eq(&shown);
}

#[test]
fn s_1_s_2_spans_are_counted_and_timed_by_service_name_kind_and_status() {
    let error = Call { status: 2, ms: 17_000, trace: 3, ..CALL };
    check(
        "{add_resource_attributes: true}",
        &[CALL, Call { trace: 2, ..CALL }, error],
        expect![[r#"
        {region="eu",service.name="s1"} traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_ERROR"} 1 since 100 @100 3/3 17000.0
        {region="eu",service.name="s1"} traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 2 since 100 @100 1/1 3.0
        {region="eu",service.name="s1"} traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_ERROR"} above: 1, sum 17000 of 1 since 100 @100 3/3 17000.0
        {region="eu",service.name="s1"} traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} le 4: 2, sum 6 of 2 since 100 @100 1/1 3.0
    "#]],
    );
}

#[test]
fn s_3_dimensions_come_from_the_span_then_the_resource_then_the_default() {
    let yaml = "{exclude_dimensions: [span.kind, status.code], histogram: {disable: true}, exemplars: {enabled: false},
        dimensions: [{name: http.method, default: GET}, {name: region}, {name: absent}]}";
    let post = Call { attributes: &[("http.method", "POST"), ("region", "us")], ..CALL };
    check(
        yaml,
        &[CALL, post],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",http.method="GET",region="eu"} 1 since 100
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",http.method="POST",region="us"} 1 since 100
        "#]],
    );
}

#[test]
fn s_6_s_10_the_unit_may_be_seconds_the_buckets_ones_own_and_the_namespace_empty() {
    let yaml = "{namespace: '', histogram: {unit: s, explicit: {buckets: [1s, 2500ms]}}, exemplars: {max_per_data_point: 1}}";
    check(
        yaml,
        &[CALL, Call { ms: 1_000, ..CALL }, Call { ms: 9_000, trace: 9, ..CALL }],
        expect![[r#"
            calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 3 since 100 @100 1/1 0.003
            duration[s]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} le 1: 2, above: 1, sum 10.003 of 3 since 100 @100 1/1 0.003
        "#]],
    );
}

#[test]
fn s_9_a_span_that_ends_before_it_starts_took_no_time_and_is_counted_as_an_anomaly() {
    let mut connector = connector("{exemplars: {enabled: false}}");
    connector.apply(&batch(&[Call { ms: -5, ..CALL }]), UnixNanos(100));
    assert!(emitted(&mut connector, 200).contains("le 2: 1, sum 0 of 1"));
    assert_eq!(connector.stats().anomalies.total(), 1);
}

#[test]
fn s_12_an_exemplar_carries_the_task_and_leads_only_to_kept_traces() {
    let task = Call { attributes: &[("task.id", "00ff00ff00ff00ff")], ..CALL };
    let dropped = Call { ms: 900, trace: 2, trace_state: "v=1,ot=rv:00000000000000;th:8", ..CALL };
    let kept = Call { ms: 90, trace: 3, trace_state: "ot=rv:f0000000000000;th:8", ..CALL };
    check(
        "{}",
        &[task, dropped, kept],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 5 since 100 @100 1/1 3.0 task.id="00ff00ff00ff00ff" @100 3/3 90.0
            traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} le 4: 1, le 100: 2, le 1000: 2, sum 1983 of 5 since 100 @100 1/1 3.0 task.id="00ff00ff00ff00ff" @100 3/3 90.0
        "#]],
    );
}

#[test]
fn s_13_beyond_the_limit_spans_go_to_one_overflow_series_and_none_is_lost() {
    let mut connector = connector(
        "{aggregation_cardinality_limit: 3, histogram: {disable: true}, exemplars: {enabled: false}}",
    );
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let calls: Vec<_> = names.iter().flat_map(|name| vec![Call { name, ..CALL }; 5]).collect();
    connector.apply(&batch(&calls), UnixNanos(100));
    expect![[r#"
        traces.span.metrics.calls[]{otel.metric.overflow=true} 35 since 100
        traces.span.metrics.calls[]{service.name="s1",span.name="a",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 5 since 100
        traces.span.metrics.calls[]{service.name="s1",span.name="b",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 5 since 100
        traces.span.metrics.calls[]{service.name="s1",span.name="c",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 5 since 100
    "#]].assert_eq(&emitted(&mut connector, 200));
    assert_eq!(connector.stats().overflowed.total(), 35);
}

#[test]
fn a_new_resource_takes_the_place_of_an_emitted_one_and_otherwise_overflows() {
    let mut connector = connector(
        "{add_resource_attributes: true, resource_metrics_cache_size: 2, histogram: {disable: true}, exemplars: {enabled: false}}",
    );
    let calls: Vec<_> = (1..=4).map(|service| Call { service, ..CALL }).collect();
    connector.apply(&batch(&calls), UnixNanos(100));
    expect![[r#"
        traces.span.metrics.calls[]{otel.metric.overflow=true} 2 since 100
        {region="eu",service.name="s1"} traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 1 since 100
        {region="eu",service.name="s2"} traces.span.metrics.calls[]{service.name="s2",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 1 since 100
    "#]].assert_eq(&emitted(&mut connector, 200));
    // In use until a moment ago: nobody has to go for the newcomer.
    connector.apply(&batch(&calls[1..3]), UnixNanos(300));
    expect![[r#"
        traces.span.metrics.calls[]{otel.metric.overflow=true} 3 since 100
        {region="eu",service.name="s2"} traces.span.metrics.calls[]{service.name="s2",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 2 since 100
    "#]].assert_eq(&emitted(&mut connector, 400));
    assert_eq!(connector.stats().evicted.total(), 0);
    let later = 300 * SECOND + 200;
    connector.apply(&batch(&calls[1..3]), UnixNanos(later));
    expect![[r#"
        traces.span.metrics.calls[]{otel.metric.overflow=true} 4 since 100
        {region="eu",service.name="s1"} traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} - since 100 ended
        {region="eu",service.name="s2"} traces.span.metrics.calls[]{service.name="s2",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 3 since 100
        {region="eu",service.name="s3"} traces.span.metrics.calls[]{service.name="s3",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 1 since 300000000200
    "#]].assert_eq(&emitted(&mut connector, later + 1));
    assert_eq!(connector.stats().evicted.total(), 1);
    let held: u64 = connector.table.iter().map(|series| series.cell.count()).sum();
    assert_eq!(held, 8, "what was given up is counted in the overflow series");
}

#[test]
fn a_busy_resource_stays_whatever_comes_and_the_total_stays_right() {
    let mut connector = connector("{add_resource_attributes: true, resource_metrics_cache_size: 3}");
    let busy = vec![Call { service: 0, ..CALL }; 50];
    let mut sent = 0;
    for minute in 0..120_u64 {
        let now = minute * 60 * SECOND;
        connector.apply(&batch(&busy), UnixNanos(now));
        let newcomer = Call { service: 1 + minute as u8, ..CALL };
        connector.apply(&batch(&[newcomer]), UnixNanos(now + SECOND));
        emitted(&mut connector, now + 2 * SECOND);
        sent += 51;
    }
    assert!(connector.stats().evicted.total() > 10);
    let held: u64 = connector.table.iter().map(|series| series.cell.count()).sum();
    assert_eq!(held, sent);
    let counts = connector.table.iter().filter(|series| !series.overflow).map(|series| series.cell.count());
    assert_eq!(counts.max(), Some(120 * 50), "the busy one still has every span of its own");
}

#[test]
fn a_series_whose_time_was_over_is_not_revived_by_its_resource_making_room() {
    let mut connector = connector(
        "{add_resource_attributes: true, resource_metrics_cache_size: 1, metrics_expiration: 1s, histogram: {disable: true}}",
    );
    connector.apply(&batch(&[CALL]), UnixNanos(100));
    emitted(&mut connector, 200);
    connector.apply(&batch(&[Call { service: 2, ..CALL }]), UnixNanos(400 * SECOND));
    assert_eq!((connector.stats().evicted.total(), connector.stats().expired.total()), (1, 1));
    let held: u64 = connector.table.iter().map(|series| series.cell.count()).sum();
    assert_eq!(held, 1);
}

#[test]
fn resources_are_added_up_unless_their_attributes_are_wanted() {
    let hosts = |hosts: &[(&str, usize)]| -> AnyBatch {
        let batch = encode::traces(|request| {
            for (host, spans) in hosts {
                request.resource(
                    |resource| {
                        resource.str("service.name", "shop").str("host.name", host);
                    },
                    |scopes| {
                        scopes.scope("", "", |out| {
                            for _ in 0..*spans {
                                out.span(&[1; 16], &[1; 8], "n", |span| {
                                    span.times(1, 2);
                                });
                            }
                        })
                    },
                );
            }
        });
        batch.into()
    };
    let yaml = "{histogram: {disable: true}, exemplars: {enabled: false}}";
    let mut connector = connector(yaml);
    for round in 1..=3 {
        connector.apply(&hosts(&[("a", 100), ("b", 7)]), UnixNanos(round));
    }
    expect![[r#"
        traces.span.metrics.calls[]{service.name="shop",span.name="n",span.kind="SPAN_KIND_UNSPECIFIED",status.code="STATUS_CODE_UNSET"} 321 since 1
    "#]].assert_eq(&emitted(&mut connector, 10));
}

#[test]
fn values_that_look_alike_as_labels_are_one_series() {
    let calls = |values: &[Value<'static>]| -> AnyBatch {
        let batch = encode::traces(|request| {
            request.resource(
                |resource| {
                    resource.str("service.name", "s");
                },
                |scopes| {
                    scopes.scope("", "", |out| {
                        for value in values {
                            out.span(&[1; 16], &[1; 8], "n", |span| {
                                span.times(1, 2).attributes().value("x", *value);
                            });
                        }
                        out.span(&[1; 16], &[1; 8], "n", |span| {
                            span.times(1, 2);
                        });
                    })
                },
            );
        });
        batch.into()
    };
    let yaml = "{dimensions: [{name: x}], exclude_dimensions: [span.kind, status.code], histogram: {disable: true}, exemplars: {enabled: false}}";
    let mut connector = connector(yaml);
    let values = [
        Value::Int(1),
        Value::Str("1"),
        Value::Double(1.5),
        Value::Str("1.5"),
        Value::Bool(true),
        Value::Str("true"),
        Value::Bytes(b"\0"),
        Value::Str("AA=="),
        Value::Str(""),
        Value::Empty,
    ];
    connector.apply(&calls(&values), UnixNanos(1));
    expect![[r#"
        traces.span.metrics.calls[]{service.name="s",span.name="n",x="1"} 2 since 1
        traces.span.metrics.calls[]{service.name="s",span.name="n",x="1.5"} 2 since 1
        traces.span.metrics.calls[]{service.name="s",span.name="n",x="AA=="} 2 since 1
        traces.span.metrics.calls[]{service.name="s",span.name="n",x="true"} 2 since 1
        traces.span.metrics.calls[]{service.name="s",span.name="n"} 3 since 1
    "#]]
    .assert_eq(&emitted(&mut connector, 10));
    // An empty default is no label either.
    let mut connector = self::connector("{dimensions: [{name: x, default: ''}], histogram: {disable: true}}");
    connector.apply(&calls(&[Value::Str("")]), UnixNanos(1));
    assert_eq!(connector.table.len(), 1);
}

#[test]
fn s_21_ten_thousand_resources_stay_within_the_budget_and_every_span_is_counted() {
    let mut connector = connector(
        "{add_resource_attributes: true, memory_max: 256KiB, resource_metrics_cache_size: 1000000}",
    );
    let mut spans = 0;
    for number in 0..10_000_u32 {
        let batch = encode::traces(|request| {
            request.resource(
                |resource| {
                    resource.str("service.name", "s").int("pid", i64::from(number));
                },
                |scopes| {
                    scopes.scope("", "", |spans| {
                        spans.span(&[1; 16], &[1; 8], "n", |span| {
                            span.times(1, 2);
                        })
                    })
                },
            );
        });
        connector.apply(&batch.into(), UnixNanos(u64::from(number)));
        assert!(connector.stats().bytes.value() <= 256 << 10);
        spans += 1;
    }
    let held: u64 = connector.table.iter().map(|series| series.cell.count()).sum();
    assert_eq!(held, spans);
    assert!(connector.stats().overflowed.total() > 0);
}

#[test]
fn s_16_an_idle_series_leaves_and_starts_anew_when_it_returns() {
    let mut connector = connector("{metrics_expiration: 1us, exemplars: {enabled: false}}");
    connector.apply(&batch(&[CALL]), UnixNanos(100));
    emitted(&mut connector, 200);
    expect![[r#"
        traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} - since 100 ended
        traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} sum 0 of 0 since 100 ended
    "#]].assert_eq(&emitted(&mut connector, 2_000));
    connector.apply(&batch(&[CALL]), UnixNanos(3_000));
    expect![[r#"
        traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 1 since 3000
        traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} le 4: 1, sum 3 of 1 since 3000
    "#]].assert_eq(&emitted(&mut connector, 3_100));
    // Whether the table was swept in between makes no difference.
    connector.apply(&batch(&[CALL]), UnixNanos(9_000));
    expect![[r#"
        traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 1 since 9000
        traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} le 4: 1, sum 3 of 1 since 9000
    "#]].assert_eq(&emitted(&mut connector, 9_100));
}

#[test]
fn s_18_resources_with_equal_key_attributes_share_their_series() {
    let yaml = "{add_resource_attributes: true, resource_metrics_key_attributes: [region], exclude_dimensions: [service.name], histogram: {disable: true}, exemplars: {enabled: false}}";
    check(
        yaml,
        &[CALL, Call { service: 2, ..CALL }],
        expect![[r#"
        {region="eu"} traces.span.metrics.calls[]{span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 2 since 100
    "#]],
    );
}

#[test]
fn a_damaged_state_is_refused_without_a_panic() {
    let yaml = "{add_resource_attributes: true, dimensions: [{name: region}, {glob: 'task.*'}], calls_dimensions: [{name: x}],
        histogram: {exponential: {max_size: 4}, explicit: {buckets: [1ms]}}}";
    let mut connector = connector(yaml);
    let task = Call { attributes: &[("task.id", "00ff00ff00ff00ff")], ..CALL };
    connector.apply(&batch(&[task, Call { service: 2, status: 2, ..CALL }]), UnixNanos(100));
    let mut state = Vec::new();
    connector.save(&mut state);
    survives_damage(&mut connector, &state);
    assert!(connector.restore(&state[1..]).is_err());
    assert_eq!(connector.table.len(), 0, "after a failed restore it is as new");
}

#[test]
fn other_dimensions_are_another_state() {
    let yamls = [
        "{}",
        "{namespace: x}",
        "{dimensions: [{name: a}]}",
        "{dimensions: [{glob: a}]}",
        "{calls_dimensions: [{name: a}]}",
        "{histogram: {dimensions: [{name: a}]}}",
        "{events: {enabled: true, dimensions: [{name: a}]}}",
        "{histogram: {unit: s}}",
        "{histogram: {exponential: {}}}",
        "{histogram: {exponential: {max_size: 3}}}",
        "{include_instrumentation_scope: [x]}",
        "{enable_metrics_sampling_method: true}",
        "{collector_instance_id: a}",
    ];
    let mut prints: Vec<_> = yamls.iter().map(|yaml| connector(yaml).fingerprint()).collect();
    assert_eq!(prints[0], connector("{metrics_flush_interval: 1s}").fingerprint());
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), yamls.len());
}

fn any_call() -> impl Strategy<Value = Call> {
    let names = prop::sample::select(vec!["a", "b", "c", "d", "e", "f"]);
    (0..4_u8, names, 0..6, 0..3, -10..20_000_i64, 1..9_u8).prop_map(
        |(service, name, kind, status, ms, trace)| Call { service, name, kind, status, ms, trace, ..CALL },
    )
}

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

proptest! {
    #[test]
    fn limits_never_change_totals(calls in prop::collection::vec(any_call(), 0..200), limit in 0..5_usize, resources in 1..4_usize) {
        let yaml = format!("{{add_resource_attributes: true, aggregation_cardinality_limit: {limit}, resource_metrics_cache_size: {resources}, histogram: {{unit: s}}}}");
        let (mut limited, mut free) = (connector(&yaml), connector("{histogram: {unit: s}}"));
        limited.apply(&batch(&calls), UnixNanos(100));
        free.apply(&batch(&calls), UnixNanos(100));
        let totals = |connector: &SpanMetrics| {
            let mut counts = vec![0; connector.settings.streams[0].bounds.len() + 1];
            for series in connector.table.iter() {
                counts.iter_mut().zip(&series.cell.distribution.counts).for_each(|(sum, count)| *sum += count);
            }
            counts
        };
        prop_assert_eq!(totals(&limited), totals(&free));
        prop_assert_eq!(totals(&free).iter().sum::<u64>(), calls.len() as u64);
    }

    #[test]
    fn s_23_a_restart_at_any_point_changes_nothing(batches in prop::collection::vec(prop::collection::vec(any_call(), 0..20), 0..8), restart in 0..8_usize, emit in 0..8_usize) {
        let yaml = "{add_resource_attributes: true, aggregation_cardinality_limit: 4}";
        let (mut steady, mut restarted) = (connector(yaml), connector(yaml));
        for (index, calls) in batches.iter().enumerate() {
            let now = UnixNanos(100 + index as u64);
            if index == emit {
                emitted(&mut steady, now.0);
                emitted(&mut restarted, now.0);
            }
            if index == restart {
                let mut state = Vec::new();
                restarted.save(&mut state);
                restarted = connector(yaml);
                restarted.restore(&state).expect("what was saved is restored");
            }
            steady.apply(&batch(calls), now);
            restarted.apply(&batch(calls), now);
        }
        prop_assert_eq!(whole(&steady, &mut connector(yaml), 900), whole(&restarted, &mut connector(yaml), 900));
    }

    #[test]
    fn s_24_the_cut_of_the_batches_makes_no_difference(calls in prop::collection::vec(any_call(), 0..60), at in 0..60_usize) {
        let (mut one, mut two) = (connector("{}"), connector("{}"));
        one.apply(&batch(&calls), UnixNanos(100));
        let at = at.min(calls.len());
        two.apply(&batch(&calls[..at]), UnixNanos(100));
        two.apply(&batch(&calls[at..]), UnixNanos(100));
        let mut out = [Vec::new(), Vec::new()];
        one.emit(UnixNanos(200), &mut out[0]);
        two.emit(UnixNanos(200), &mut out[1]);
        prop_assert_eq!(show(&out[0]), show(&out[1]));
    }
}
