//! One test per option of the Collector's connector.

use super::*;

const CALLS_ONLY: &str = "histogram: {disable: true}, exemplars: {enabled: false}";

fn check_calls(options: &str, calls: &[Call], expected: Expect) {
    check(&format!("{{{options}, {CALLS_ONLY}}}"), calls, expected);
}

#[test]
fn s_3_a_pattern_brings_every_attribute_of_that_name() {
    let pod =
        Call { attributes: &[("k8s.pod", "a"), ("k8s.node", ""), ("x", "1"), ("region", "us")], ..CALL };
    check_calls(
        "dimensions: [{name: x}, {glob: 'k8s.*'}, {glob: 're*on'}], exclude_dimensions: [service.name, span.kind, status.code]",
        &[CALL, pod, CALL],
        expect![[r#"
            traces.span.metrics.calls[]{span.name="GET /",region="eu"} 2 since 100
            traces.span.metrics.calls[]{span.name="GET /",x="1",k8s.pod="a",region="us"} 1 since 100
        "#]],
    );
}

#[test]
fn s_3_a_pattern_leaves_alone_what_has_a_place_of_its_own() {
    let call = Call { attributes: &[("span.name", "of an attribute"), ("x", "1")], ..CALL };
    check_calls(
        "dimensions: [{glob: '*'}], exclude_dimensions: [span.kind, status.code]",
        &[call],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",region="eu",x="1"} 1 since 100
        "#]],
    );
}

#[test]
fn s_5_calls_durations_and_events_have_dimensions_of_their_own() {
    let get = Call { attributes: &[("method", "GET"), ("route", "/")], events: &["a", "b", "a"], ..CALL };
    let post = Call { attributes: &[("method", "POST"), ("route", "/")], ..get };
    check(
        "{exclude_dimensions: [span.name, span.kind, status.code, collector.instance.id], exemplars: {enabled: false},
          dimensions: [{name: shared, default: s}], calls_dimensions: [{name: method}],
          histogram: {dimensions: [{name: route}]}, events: {enabled: true, dimensions: [{name: kind}]}}",
        &[get, post, get],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",shared="s",method="GET"} 2 since 100
            traces.span.metrics.calls[]{service.name="s1",shared="s",method="POST"} 1 since 100
            traces.span.metrics.duration[ms]{service.name="s1",shared="s",route="/"} le 4: 3, sum 9 of 3 since 100
            traces.span.metrics.events[]{service.name="s1",shared="s",kind="a"} 6 since 100
            traces.span.metrics.events[]{service.name="s1",shared="s",kind="b"} 3 since 100
        "#]],
    );
}

#[test]
fn s_7_the_default_bounds_are_the_collectors() {
    let in_ms = config("{}").bounds();
    assert_eq!(
        in_ms,
        [2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1e3, 1.4e3, 2e3, 5e3, 1e4, 1.5e4]
    );
    let in_s = config("{histogram: {unit: s}}").bounds();
    assert_eq!(in_s, in_ms.iter().map(|ms| ms / 1e3).collect::<Vec<_>>());
}

#[test]
fn s_8_an_exponential_histogram_never_has_more_buckets_than_its_size() {
    let calls: Vec<_> = [0, 1, 2, 5, 900, 1000].map(|ms| Call { ms, trace: 1 + ms as u8, ..CALL }).into();
    check(
        "{histogram: {exponential: {max_size: 4}}, exemplars: {max_per_data_point: 2}}",
        &calls,
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 6 since 100 @100 1/1 0.0 @100 6/6 5.0
            traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} zeros 1, scale -2, -1: [1, 2, 0, 2] sum 1908 of 6 from 0 to 1000 since 100 @100 1/1 0.0 @100 6/6 5.0
        "#]],
    );
}

#[test]
fn s_8_explicit_and_exponential_buckets_at_once_are_two_metrics() {
    let calls = [1, 3, 8].map(|ms| Call { ms, ..CALL });
    check(
        "{histogram: {explicit: {buckets: [4ms]}, exponential: {}}, exemplars: {enabled: false}, exclude_dimensions: [span.kind]}",
        &calls,
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",status.code="STATUS_CODE_UNSET"} 3 since 100
            traces.span.metrics.duration.exponential[ms]{service.name="s1",span.name="GET /",status.code="STATUS_CODE_UNSET"} zeros 0, scale 5, -1: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] sum 12 of 3 from 1 to 8 since 100
            traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /",status.code="STATUS_CODE_UNSET"} le 4: 2, above: 1, sum 12 of 3 since 100
        "#]],
    );
}

#[test]
fn s_8_exponential_series_that_make_room_leave_their_counts_behind() {
    let mut connector = connector(
        "{add_resource_attributes: true, resource_metrics_cache_size: 1, histogram: {exponential: {max_size: 8}}, exemplars: {enabled: false}}",
    );
    let later = 400 * SECOND;
    for (number, now) in [100, later, 2 * later].into_iter().enumerate() {
        let service = number as u8;
        connector.apply(&batch(&[Call { service, ms: 3 << number, ..CALL }]), UnixNanos(now));
        emitted(&mut connector, now + 1);
    }
    assert_eq!(connector.stats().evicted.total(), 2);
    let mut fresh = SpanMetrics::new(connector.settings.config.clone()).expect("sound");
    expect![[r#"
        traces.span.metrics.calls[]{otel.metric.overflow=true} 2 since 400000000000
        traces.span.metrics.duration[ms]{otel.metric.overflow=true} zeros 0, scale 2, 6: [1, 0, 0, 0, 1] sum 9 of 2 from 3 to 6 since 400000000000
        {region="eu",service.name="s2"} traces.span.metrics.calls[]{service.name="s2",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} 1 since 800000000000
        {region="eu",service.name="s2"} traces.span.metrics.duration[ms]{service.name="s2",span.name="GET /",span.kind="SPAN_KIND_SERVER",status.code="STATUS_CODE_UNSET"} zeros 0, scale 20, 3759105: [1] sum 12 of 1 from 12 to 12 since 800000000000
    "#]].assert_eq(&whole(&connector, &mut fresh, 3 * later));
}

#[test]
fn s_11_names_and_labels_are_tempos() {
    check(
        "{names: tempo, exemplars: {enabled: false}, dimensions: [{name: x}], events: {enabled: true, dimensions: [{name: kind}]}}",
        &[Call { ms: 3, events: &["a"], ..CALL }],
        expect![[r#"
            traces_spanmetrics_calls[]{service="s1",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 1 since 100
            traces_spanmetrics_events[]{service="s1",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET",kind="a"} 1 since 100
            traces_spanmetrics_latency[]{service="s1",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} le 0.004: 1, sum 0.003 of 1 since 100
        "#]],
    );
}

#[test]
fn s_11_what_has_no_place_in_tempos_names_is_a_fault() {
    let faults = |yaml: &str| {
        let faults = config(yaml).check().err().unwrap_or_default();
        faults
            .into_iter()
            .fold(String::new(), |all, fault| format!("{all}{}: {}\n", fault.path, fault.message))
    };
    let none = faults("{names: tempo, histogram: {unit: s}}")
        + &faults("{namespace: x, histogram: {unit: ms}, dimensions: [{name: service}]}");
    assert_eq!(none, "");
    let all = "{names: tempo, namespace: x, histogram: {unit: ms}, dimensions: [{name: service}, {name: span.kind}]}";
    expect![[r#"
        dimensions[0].name: `service` is already one of the default dimensions; leave it out here, or add `service.name` to exclude_dimensions
        dimensions[1].name: `span.kind` is already one of the default dimensions; leave it out here, or add `span.kind` to exclude_dimensions
        namespace: has no place in the names of `names: tempo`, which begin with traces_spanmetrics
        histogram.unit: must be `s` with `names: tempo`, whose latencies are seconds
    "#]].assert_eq(&faults(all));
    assert_ne!(config("{names: tempo}").fingerprint(), config("{histogram: {unit: s}}").fingerprint());
}

#[test]
fn s_12_exemplars_lie_in_the_right_bucket_and_calls_and_events_have_them_too() {
    check(
        "{calls_dimensions: [{name: x}], events: {enabled: true, dimensions: [{name: kind}]}, exclude_dimensions: [span.kind, status.code]}",
        &[Call { ms: 3, events: &["a"], ..CALL }, Call { ms: 300, trace: 2, ..CALL }],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /"} 2 since 100 @100 1/1 3.0
            traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /"} le 4: 1, le 400: 1, sum 303 of 2 since 100 @100 1/1 3.0 @100 2/2 300.0
            traces.span.metrics.events[]{service.name="s1",span.name="GET /",kind="a"} 1 since 100 @100 1/1 3.0
        "#]],
    );
}

#[test]
fn s_13_the_limit_is_of_each_metric() {
    let calls: Vec<_> =
        ["a", "b", "c"].iter().map(|name| Call { name, events: &["x", "y"], ..CALL }).collect();
    check(
        "{aggregation_cardinality_limit: 1, exemplars: {enabled: false}, exclude_dimensions: [span.kind, status.code],
          histogram: {explicit: {buckets: [1s]}, dimensions: [{name: z}]}, events: {enabled: true, dimensions: [{name: kind}]}}",
        &calls,
        expect![[r#"
            traces.span.metrics.calls[]{otel.metric.overflow=true} 2 since 100
            traces.span.metrics.calls[]{service.name="s1",span.name="a"} 1 since 100
            traces.span.metrics.duration[ms]{otel.metric.overflow=true} le 1000: 2, sum 6 of 2 since 100
            traces.span.metrics.duration[ms]{service.name="s1",span.name="a"} le 1000: 1, sum 3 of 1 since 100
            traces.span.metrics.events[]{otel.metric.overflow=true} 5 since 100
            traces.span.metrics.events[]{service.name="s1",span.name="a",kind="x"} 1 since 100
        "#]],
    );
}

#[test]
fn s_14_a_limit_of_zero_is_none_and_ours_is_not_zero() {
    let mut connector = connector(&format!("{{aggregation_cardinality_limit: 0, {CALLS_ONLY}}}"));
    for number in 0..11_000_u32 {
        let name = format!("n{number}");
        let batch = encode::traces(|request| {
            request.resource(
                |_| {},
                |scopes| {
                    scopes.scope("", "", |spans| spans.span(&[1; 16], &[1; 8], &name, |_| {}));
                },
            );
        });
        connector.apply(&batch.into(), UnixNanos(1));
    }
    assert_eq!((connector.table.len(), connector.stats().overflowed.total()), (11_000, 0));
    assert_eq!(Config::default().aggregation_cardinality_limit, 10_000);
}

#[test]
fn s_19_a_sampled_span_counts_for_those_that_were_left_out() {
    let quarter = Call { trace_state: "ot=th:c;rv:f0000000000000", ms: 10, ..CALL };
    check(
        "{histogram: {explicit: {buckets: [4ms]}, exponential: {max_size: 8}}, exclude_dimensions: [span.kind, status.code],
          exemplars: {enabled: false}, events: {enabled: true, dimensions: [{name: kind}]}}",
        &[CALL, quarter, Call { events: &["x"], ..quarter }],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /"} 9 since 100
            traces.span.metrics.duration.exponential[ms]{service.name="s1",span.name="GET /"} zeros 0, scale 2, 6: [1, 0, 0, 0, 0, 0, 0, 8] sum 83 of 9 from 3 to 10 since 100
            traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /"} le 4: 1, above: 8, sum 83 of 9 since 100
            traces.span.metrics.events[]{service.name="s1",span.name="GET /",kind="x"} 4 since 100
        "#]],
    );
}

#[test]
fn s_19_the_sampling_method_may_be_told() {
    let sampled = Call { trace_state: "ot=th:8", ..CALL };
    check_calls(
        "enable_metrics_sampling_method: true, exclude_dimensions: [span.kind, status.code]",
        &[CALL, sampled, CALL, Call { trace_state: "other=th:8", ..CALL }],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",sampling.method="counted"} 3 since 100
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",sampling.method="extrapolated"} 2 since 100
        "#]],
    );
}

#[test]
fn s_19_hostile_thresholds_do_not_overflow() {
    let most = Call { trace_state: "ot=th:ffffffffffffff", ..CALL };
    let mut connector = connector("{histogram: {explicit: {buckets: [1ms]}, exponential: {max_size: 2}}}");
    for _ in 0..10 {
        connector.apply(&batch(&vec![most; 20]), UnixNanos(100));
    }
    let shown = emitted(&mut connector, 200);
    assert!(shown.contains(&format!("}} {} since", 1_u64 << 62)), "{shown}");
    let mut fresh = SpanMetrics::new(connector.settings.config.clone()).expect("sound");
    assert_eq!(whole(&connector, &mut fresh, 200), shown);
}

#[test]
fn s_20_events_are_counted_by_what_the_span_the_event_and_the_resource_say() {
    check_calls(
        "events: {enabled: true, dimensions: [{name: kind}, {name: region}, {name: absent, default: x}]}, exclude_dimensions: [span.kind, status.code]",
        &[
            Call { events: &["a", "b"], attributes: &[("kind", "of the span")], ..CALL },
            Call { events: &["a", "a"], ..CALL },
        ],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /"} 2 since 100
            traces.span.metrics.events[]{service.name="s1",span.name="GET /",kind="a",region="of the event",absent="x"} 2 since 100
            traces.span.metrics.events[]{service.name="s1",span.name="GET /",kind="of the span",region="of the event",absent="x"} 2 since 100
        "#]],
    );
}

#[test]
fn scopes_that_are_named_tell_series_apart() {
    let of = |name, version| Call { scope: (name, version), ..CALL };
    check_calls(
        "include_instrumentation_scope: [lib, bare], exclude_dimensions: [span.kind, status.code]",
        &[of("lib", "1"), of("lib", "2"), of("other", "3"), of("bare", ""), CALL],
        expect![[r#"
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.instrumentation.scope.name="bare"} 1 since 100
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.instrumentation.scope.name="lib",span.instrumentation.scope.version="1"} 1 since 100
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /",span.instrumentation.scope.name="lib",span.instrumentation.scope.version="2"} 1 since 100
            traces.span.metrics.calls[]{service.name="s1",span.name="GET /"} 2 since 100
        "#]],
    );
}

#[test]
fn the_collectors_own_id_is_on_every_series_if_it_is_given() {
    check_calls(
        "collector_instance_id: node-7, aggregation_cardinality_limit: 1, exclude_dimensions: [span.kind, status.code]",
        &[CALL, Call { name: "other", ..CALL }],
        expect![[r#"
            traces.span.metrics.calls[]{collector.instance.id="node-7",otel.metric.overflow=true} 1 since 100
            traces.span.metrics.calls[]{collector.instance.id="node-7",service.name="s1",span.name="GET /"} 1 since 100
        "#]],
    );
}
