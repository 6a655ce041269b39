use expect_test::{Expect, expect};
use proto::{AnyBatch, Batch, Logs, Metrics, Traces, encode, testing::sample, view::Attributes};
use serde_saphyr::from_str;

use super::*;
use crate::{
    client::Client,
    connectors,
    refusal::{Reason, Refusal},
    testing::contract,
};

fn config(kind: &str, yaml: &str) -> Config {
    let read = |kind: &str| -> Result<Config, serde_saphyr::Error> {
        match kind {
            "attributes" => from_str(yaml).map(Config::Attributes),
            "resource" => from_str(yaml).map(Config::Resource),
            "batch" => from_str(yaml).map(Config::Batch),
            _ => from_str(yaml).map(Config::MemoryLimiter),
        }
    };
    read(kind).expect("the test writes a readable configuration")
}

fn build<S: Items>(kind: &str, yaml: &str) -> Box<dyn Processor<S>> {
    config(kind, yaml).build(&MemoryGauge::default()).expect("the test writes a sound configuration")
}

/// Spans `s.a`, `s.b` of service s, and `t.a` of service t, with their attributes, after the processor.
fn check(kind: &str, yaml: &str, expected: Expect) {
    let batch = encode::traces(|request| {
        for (service, names) in [("s", &["a", "b"][..]), ("t", &["a"])] {
            request.resource(
                |resource| {
                    resource.str("service.name", service);
                },
                |scopes| {
                    scopes.scope("", "", |spans| {
                        for (index, name) in names.iter().enumerate() {
                            spans.span(&[1; 16], &[2; 8], name, |span| {
                                span.attributes().int("n", index as i64).str("user", "eve");
                            });
                        }
                    })
                },
            );
        }
    });
    let processor = build::<Traces>(kind, yaml);
    contract::check_processor(&*processor, &batch);
    let out = processor.process(batch, &Client::default()).expect("taken").expect("nothing is left out");
    let mut shown = String::new();
    for spans in out.view().resource_spans() {
        shown += &format!("{:?}\n", spans.resource().attributes());
        for span in spans.scope_spans().flat_map(|scope| scope.spans()) {
            shown += &format!("  {} {:?}\n", span.name(), span.attributes());
        }
    }
    expected.assert_eq(&shown);
}

#[test]
fn resource_edits_resources_and_attributes_edits_items() {
    check(
        "resource",
        "{attributes: [{key: env, value: prod, action: upsert}]}",
        expect![[r#"
        {"service.name": "s", "env": "prod"}
          a {"n": 0, "user": "eve"}
          b {"n": 1, "user": "eve"}
        {"service.name": "t", "env": "prod"}
          a {"n": 0, "user": "eve"}
    "#]],
    );
    check(
        "attributes",
        "{actions: [{key: user, action: delete}, {key: env, value: prod, action: insert}]}",
        expect![[r#"
        {"service.name": "s"}
          a {"n": 0, "env": "prod"}
          b {"n": 1, "env": "prod"}
        {"service.name": "t"}
          a {"n": 0, "env": "prod"}
    "#]],
    );
}

#[test]
fn only_items_that_are_included_and_not_excluded_are_edited() {
    let x = "actions: [{key: x, value: 1, action: insert}]";
    check(
        "attributes",
        &format!("{{{x}, include: {{match_type: strict, services: [s]}}, exclude: {{span_names: [b]}}}}"),
        expect![[r#"
        {"service.name": "s"}
          a {"n": 0, "user": "eve", "x": 1}
          b {"n": 1, "user": "eve"}
        {"service.name": "t"}
          a {"n": 0, "user": "eve"}
    "#]],
    );
    check(
        "attributes",
        &format!(
            "{{{x}, include: {{match_type: regexp, span_names: ['^[b-z]$'], attributes: [{{key: user, value: 'e.e'}}]}}}}"
        ),
        expect![[r#"
        {"service.name": "s"}
          a {"n": 0, "user": "eve"}
          b {"n": 1, "user": "eve", "x": 1}
        {"service.name": "t"}
          a {"n": 0, "user": "eve"}
    "#]],
    );
    check(
        "attributes",
        &format!(
            "{{{x}, exclude: {{attributes: [{{key: n, value: 0}}], resources: [{{key: service.name}}]}}}}"
        ),
        expect![[r#"
        {"service.name": "s"}
          a {"n": 0, "user": "eve"}
          b {"n": 1, "user": "eve", "x": 1}
        {"service.name": "t"}
          a {"n": 0, "user": "eve"}
    "#]],
    );
}

#[test]
fn what_is_not_changed_is_the_very_same_buffer() {
    for (kind, yaml) in [
        ("batch", "{}"),
        ("memory_limiter", "{limit_mib: 1}"),
        ("resource", "{attributes: [{key: none, action: delete}]}"),
        ("attributes", "{actions: [{key: none, action: delete}]}"),
        ("attributes", "{actions: [{key: k, value: v, action: insert}], include: {services: [none]}}"),
    ] {
        let batch = sample::traces(20, 10, 1);
        let out = build::<Traces>(kind, yaml)
            .process(batch.clone(), &Client::default())
            .expect("taken")
            .expect("kept");
        assert_eq!(out.bytes().as_ptr(), batch.bytes().as_ptr(), "{kind} {yaml}");
    }
}

#[test]
fn a_batch_that_would_grow_beyond_all_measure_is_declined_and_one_that_grows_much_is_not() {
    let yaml = "{actions: [{key: tenant, from_context: metadata.x-tenant, action: insert}]}";
    let batch = sample::traces(3_000, 10, 1);
    let grown = |bytes: usize| {
        let client = Client::default().with("x-tenant", &"x".repeat(bytes));
        build::<Traces>("attributes", yaml).process(batch.clone(), &client)
    };
    assert_eq!(grown(60_000).unwrap_err(), Refusal::permanent(Reason::TooLarge));
    let fits = grown(1_000).expect("it is taken").expect("nothing is left out");
    assert!(fits.bytes().len() > batch.bytes().len() + 3_000_000);
}

#[test]
fn all_three_signals_keep_to_the_contract() {
    let (logs, metrics) = (sample::logs(20, 1), sample::metrics(20, 1));
    for (kind, yaml) in [
        ("batch", "{}"),
        ("memory_limiter", "{limit_mib: 1}"),
        (
            "resource",
            "{attributes: [{key: service.name, value: x, action: upsert}, {pattern: host, action: delete}]}",
        ),
        (
            "attributes",
            "{actions: [{key: k, value: v, action: upsert}], exclude: {attributes: [{key: none}]}}",
        ),
    ] {
        contract::check_processor(&*build::<Traces>(kind, yaml), &sample::traces(20, 10, 1));
        contract::check_processor(&*build::<Traces>(kind, yaml), &sample::traces_of_all_kinds(1));
        contract::check_processor(&*build::<Logs>(kind, yaml), &logs);
        contract::check_processor(&*build::<Metrics>(kind, yaml), &metrics);
    }
    let yaml = "{actions: [{key: k, value: v, action: upsert}], include: {resources: [{key: service.name}]}}";
    let edited = |attributes: Attributes<'_>| attributes.find("k").is_some_and(|value| value.is_str("v"));
    let out: Batch<Logs> =
        build::<Logs>("attributes", yaml).process(logs, &Client::default()).unwrap().unwrap();
    let mut records =
        out.view().resource_logs().flat_map(|logs| logs.scope_logs()).flat_map(|scope| scope.log_records());
    assert!(records.all(|record| edited(record.attributes())));
    let out: Batch<Metrics> =
        build::<Metrics>("attributes", yaml).process(metrics, &Client::default()).unwrap().unwrap();
    let mut edits = Vec::new();
    Metrics::walk(&out, |item| edits.push(edited(item.attributes)));
    assert!(edits.len() == 20 && edits.iter().all(|edit| *edit));
}

#[test]
fn faults_are_told_with_their_paths() {
    let check = |kind: &str, yaml: &str, expected: Expect| {
        let errors = config(kind, yaml).build::<Logs>(&MemoryGauge::default()).err().unwrap_or_default();
        expected.assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
    };
    check(
        "batch",
        "{send_batch_size: 10, send_batch_max_size: 5, metadata_keys: [x]}",
        expect![[r#"
        send_batch_max_size: must be 0 or at least send_batch_size, which is 10
        metadata_keys: is not supported yet, leave it out
    "#]],
    );
    check(
        "resource",
        "{}",
        expect![[r#"
        attributes: is empty; name at least one action
    "#]],
    );
    check(
        "attributes",
        "{actions: [{key: a, action: delete}], include: {}, exclude: {match_type: regexp, span_names: ['('], attributes: [{value: 1}]}}",
        expect![[r#"
        include: matches nothing in particular; name services, span_names, attributes or resources
        exclude.span_names[0]: `(` is no regular expression: found open group without closing ')'
        exclude.attributes[0].key: is missing; name an attribute
    "#]],
    );
    check(
        "attributes",
        "{actions: [{key: a, action: delete}], include: {span_names: [x]}}",
        expect![[r#"
        include.span_names: logs have no span names; use the processor in a traces pipeline only
    "#]],
    );
}

#[test]
fn items_are_matched_by_what_only_their_signal_has() {
    let meant = |kind: SignalKind, block: &str| {
        let yaml = format!("{{include: {{{block}}}, actions: [{{key: x, value: 1, action: insert}}]}}");
        let config = serde_saphyr::from_str::<super::attributes::Config>(&yaml).unwrap();
        let (include, exclude) = (config.include.as_ref(), config.exclude.as_ref());
        let selection = matching::Selection::build(include, exclude).unwrap();
        selection.check_signal(kind).unwrap();
        let mut meant = Vec::new();
        match sample::any(kind, 4, 7) {
            AnyBatch::Traces(batch) => Traces::walk(&batch, |item| meant.push(selection.selects(item))),
            AnyBatch::Metrics(batch) => Metrics::walk(&batch, |item| meant.push(selection.selects(item))),
            AnyBatch::Logs(batch) => Logs::walk(&batch, |item| meant.push(selection.selects(item))),
        }
        meant.iter().filter(|meant| **meant).count()
    };
    for (kind, all, none) in [
        (
            SignalKind::Traces,
            "match_type: regexp, span_kinds: ['^SPAN_KIND_']",
            "span_kinds: [SPAN_KIND_PRODUCER, SPAN_KIND_UNSPECIFIED]",
        ),
        (SignalKind::Traces, "match_type: regexp, libraries: [{name: .}]", "libraries: [{name: nobody}]"),
        (SignalKind::Metrics, "match_type: regexp, metric_names: ['.']", "metric_names: [nothing]"),
        (SignalKind::Logs, "match_type: regexp, log_bodies: ['.']", "log_bodies: [nothing]"),
        (SignalKind::Logs, "match_type: regexp, log_severity_texts: ['.']", "log_severity_texts: [NEVER]"),
        (
            SignalKind::Logs,
            "log_severity_number: {min: 1, match_undefined: true}",
            "log_severity_number: {min: 24}",
        ),
    ] {
        assert_eq!((meant(kind, all), meant(kind, none)), (4, 0), "{kind}: {all} | {none}");
    }
}

#[test]
fn a_batch_processor_tells_the_exporters_what_it_asks_for() {
    let hints =
        config("batch", "{timeout: 5s, send_batch_size: 100, send_batch_max_size: 200}").hints().unwrap();
    assert_eq!((hints.timeout.as_secs(), hints.items, hints.items_max), (5, 100, Some(200)));
    assert_eq!(config("resource", "{}").hints(), None);
    assert_eq!(
        config("memory_limiter", "{limit_mib: 2}").memory_limits().map(|limits| limits.bytes_max),
        Some(2 << 20)
    );
}

#[test]
fn connectors_keep_to_the_contract() {
    let spans: Vec<AnyBatch> = (0..6).map(|seed| sample::traces(30, 10, seed % 4).into()).collect();
    let logs: Vec<AnyBatch> = (0..6).map(|seed| events(seed % 4).into()).collect();
    let make = |kind: &str, yaml: &str| {
        let config = match kind {
            "span_metrics" => from_str(yaml).map(connectors::Config::SpanMetrics),
            _ => from_str(yaml).map(connectors::Config::EventMetrics),
        };
        let built = config.expect("readable").build(&Default::default()).expect("sound");
        built.aggregator
    };
    for batches in [&spans, &logs] {
        for yaml in [
            "{}",
            "{aggregation_cardinality_limit: 3, dimensions: [{name: http.route}], metrics_expiration: 1us}",
        ] {
            contract::check_aggregator(|| make("span_metrics", yaml), batches);
        }
        contract::check_aggregator(|| make("event_metrics", "{catalog: [rsolv]}"), batches);
    }
}

/// Outcomes of phases, as the phase store tells them.
fn events(seed: i64) -> Batch<Logs> {
    encode::logs(|request| {
        request.resource(
            |_| {},
            |scopes| {
                scopes.scope("", "", |logs| {
                    for (index, name) in
                        ["rsolv.validation.complete", "rsolv.mitigation.trust_score"].iter().enumerate()
                    {
                        logs.log_record(1, 1, |record| {
                            record.event_name(name).trace_context(&[1; 16], &[seed as u8 + 1; 8], 1);
                            let repo = format!("o/{seed}");
                            record
                                .attributes()
                                .str("repo", &repo)
                                .int("duration", seed * 1_000)
                                .int("value", index as i64);
                        });
                    }
                })
            },
        );
    })
}
