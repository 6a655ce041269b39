//! Delta temporality.

use std::collections::BTreeMap;

use proto::view::{Data, Number};

use super::*;

const DELTA: &str = "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA";

fn delta(options: &str) -> SpanMetrics {
    connector(&format!("{{{DELTA}, {options}}}"))
}

/// Every point of `calls`: labels, start, time, value.
fn calls(batches: &[AnyBatch]) -> Vec<(String, u64, u64, u64)> {
    let mut all = Vec::new();
    for batch in batches {
        let AnyBatch::Metrics(batch) = batch else { panic!("connectors emit metrics") };
        let scopes = batch.view().resource_metrics().flat_map(|resource| resource.scope_metrics());
        for metric in
            scopes.flat_map(|scope| scope.metrics()).filter(|metric| metric.name().ends_with("calls"))
        {
            let Data::Sum(sum) = metric.data() else { panic!("calls are a sum") };
            assert_eq!(sum.temporality(), 1);
            for point in sum.points() {
                let Number::Int(value) = point.value() else { panic!("calls are whole") };
                let labels: Vec<_> = point.attributes().into_iter().map(|pair| format!("{pair:?}")).collect();
                all.push((labels.concat(), point.start_ns(), point.time_ns(), value as u64));
            }
        }
    }
    all
}

#[test]
fn s_15_a_point_counts_from_where_the_one_before_it_ended() {
    let mut connector = delta(
        "histogram: {explicit: {buckets: [4ms]}, exponential: {}}, exclude_dimensions: [span.kind, status.code]",
    );
    connector.apply(&batch(&[CALL, CALL]), UnixNanos(100));
    expect![[r#"
        traces.span.metrics.calls[]{service.name="s1",span.name="GET /"} 2 from 100 to 200 @100 1/1 3.0
        traces.span.metrics.duration.exponential[ms]{service.name="s1",span.name="GET /"} zeros 0, scale 20, 1661953: [2] sum 6 of 2 from 3 to 3 from 100 to 200 @100 1/1 3.0
        traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /"} le 4: 2, sum 6 of 2 from 100 to 200 @100 1/1 3.0
    "#]].assert_eq(&emitted(&mut connector, 200));
    assert_eq!(emitted(&mut connector, 250), "", "nothing new");
    connector.apply(&batch(&[Call { ms: 9, trace: 2, ..CALL }]), UnixNanos(300));
    expect![[r#"
        traces.span.metrics.calls[]{service.name="s1",span.name="GET /"} 1 from 200 to 400 @300 2/2 9.0
        traces.span.metrics.duration.exponential[ms]{service.name="s1",span.name="GET /"} zeros 0, scale 20, 3323907: [1] sum 9 of 1 from 9 to 9 from 200 to 400 @300 2/2 9.0
        traces.span.metrics.duration[ms]{service.name="s1",span.name="GET /"} above: 1, sum 9 of 1 from 200 to 400 @300 2/2 9.0
    "#]].assert_eq(&emitted(&mut connector, 400));
}

#[test]
fn an_emission_is_repeated_until_it_was_pushed_over_restarts_too() {
    let mut connector = delta("histogram: {disable: true}, exemplars: {enabled: false}");
    connector.apply(&batch(&[CALL]), UnixNanos(100));
    let mut first = Vec::new();
    connector.emit(UnixNanos(200), &mut first);
    let once = connector.once().expect("it is on its way");
    connector.apply(&batch(&[CALL, CALL]), UnixNanos(250));
    let mut state = Vec::new();
    connector.save(&mut state);
    let mut restarted = delta("histogram: {disable: true}, exemplars: {enabled: false}");
    restarted.restore(&state).expect("what was saved is restored");
    for connector in [&mut connector, &mut restarted] {
        let mut again = Vec::new();
        connector.emit(UnixNanos(300), &mut again);
        assert_eq!((calls(&again), connector.once()), (calls(&first), Some(once)));
        connector.pushed();
        let mut next = Vec::new();
        connector.emit(UnixNanos(300), &mut next);
        let [(_, start, time, value)] = &calls(&next)[..] else { panic!("one point") };
        assert_eq!((*start, *time, *value), (200, 300, 2));
        assert_ne!(connector.once(), Some(once));
    }
}

#[test]
fn as_many_idle_series_are_remembered_as_configured_and_for_as_long() {
    let names = ["a", "b", "c", "d", "e", "f"];
    for (options, remembered) in [
        ("metric_timestamp_cache_size: 2", 2),
        ("metric_timestamp_cache_size: 9", 6),
        ("metrics_expiration: 1us", 0),
        ("metrics_expiration: 1s", 6),
    ] {
        let mut connector = delta(&format!("{options}, histogram: {{disable: true}}"));
        for (number, name) in names.iter().enumerate() {
            connector.apply(&batch(&[Call { name, ..CALL }]), UnixNanos(100 + number as u64));
        }
        emitted(&mut connector, 200);
        assert_eq!(connector.table.len(), names.len(), "all of them had something");
        emitted(&mut connector, 300);
        emitted(&mut connector, 2_000);
        assert_eq!(connector.table.len(), remembered, "{options}");
    }
}

#[test]
fn the_limit_and_a_full_table_of_resources_lose_nothing() {
    let mut connector = delta(
        "aggregation_cardinality_limit: 1, add_resource_attributes: true, resource_metrics_cache_size: 1, histogram: {disable: true}",
    );
    let mut sum = 0;
    for minute in 0..40_u64 {
        let now = minute * 60 * SECOND;
        let call = Call { service: minute as u8 / 7, ..CALL };
        connector.apply(&batch(&[call, Call { name: "other", ..call }]), UnixNanos(now));
        let mut out = Vec::new();
        connector.emit(UnixNanos(now + 1), &mut out);
        connector.pushed();
        sum += calls(&out).iter().map(|(.., value)| value).sum::<u64>();
    }
    assert_eq!(sum, 80);
    assert!(connector.stats().evicted.total() > 0);
}

#[test]
fn a_damaged_delta_state_is_refused_without_a_panic() {
    let mut connector = delta("histogram: {disable: true}");
    connector.apply(&batch(&[CALL]), UnixNanos(100));
    connector.emit(UnixNanos(200), &mut Vec::new());
    let mut state = Vec::new();
    connector.save(&mut state);
    // What passes the gate goes on, however it was damaged: checksums are the snapshot's.
    for place in 0..state.len() {
        assert!(connector.restore(&state[..place]).is_err() || place > 3);
        for mask in [0x01, 0x80, 0xff] {
            let mut state = state.clone();
            state[place] ^= mask;
            if connector.restore(&state).is_ok() {
                connector.emit(UnixNanos(300), &mut Vec::new());
            }
        }
    }
}

proptest! {
    #[test]
    fn s_15_windows_follow_each_other_and_add_up_to_what_was_counted(batches in prop::collection::vec((prop::collection::vec(any_call(), 0..10), any::<bool>(), any::<bool>()), 0..12)) {
        let options = "histogram: {disable: true}, exemplars: {enabled: false}";
        let (mut connector, mut whole) = (delta(options), connector(&format!("{{{options}}}")));
        let (mut sums, mut ends) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
        let mut now = 100;
        for (calls_of_batch, emit, restart) in batches {
            now += 10;
            connector.apply(&batch(&calls_of_batch), UnixNanos(now));
            whole.apply(&batch(&calls_of_batch), UnixNanos(now));
            if restart {
                let mut state = Vec::new();
                connector.save(&mut state);
                connector = delta(options);
                connector.restore(&state).expect("what was saved is restored");
            }
            if emit {
                now += 10;
                let mut out = Vec::new();
                connector.emit(UnixNanos(now), &mut out);
                connector.pushed();
                for (labels, start, time, value) in calls(&out) {
                    prop_assert!(value > 0 && start < time);
                    if let Some(end) = ends.insert(labels.clone(), time) {
                        prop_assert_eq!(start, end);
                    }
                    *sums.entry(labels).or_default() += value;
                }
            }
        }
        let mut out = Vec::new();
        connector.emit(UnixNanos(now + 1), &mut out);
        calls(&out).into_iter().for_each(|(labels, _, _, value)| *sums.entry(labels).or_default() += value);
        let counted: u64 = whole.table.iter().map(|series| series.cell.count()).sum();
        prop_assert_eq!((sums.values().sum::<u64>(), sums.len()), (counted, whole.table.len()));
    }
}
