//! The promise of `dashboards/`: whatever a panel, variable, annotation or rule asks for, something emits. And the
//! dashboards are of one style, so that whoever knows one knows all.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use prost::Message;
use serde_json::Value;

use super::support::{
    eventually,
    phasor::{API_KEY, Phasor, Start},
    promql,
    sender::{LOGS, Sender, TRACES},
    spans,
    stack::{self, Query, list, string},
};

mod style;

#[tokio::test]
async fn every_metric_that_a_panel_or_a_rule_names_is_emitted() {
    let emitted = emitted().await;
    let recorded: BTreeSet<_> =
        stack::rules().iter().map(|(_, rule)| stack::rule_name(rule).to_owned()).collect();
    let elsewhere: BTreeSet<_> = elsewhere().into_keys().collect();
    let mut missing = Vec::new();
    for Query { place, expression } in stack::queries() {
        for name in promql::metrics(&expression) {
            if ![&emitted, &recorded, &elsewhere].into_iter().any(|names| names.contains(&name)) {
                missing.push(format!("{place}: nothing emits `{name}`"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn what_comes_from_elsewhere_is_needed_and_has_a_reason() {
    let used: BTreeSet<_> =
        stack::queries().iter().flat_map(|query| promql::metrics(&query.expression)).collect();
    for (name, reason) in elsewhere() {
        assert!(used.contains(&name), "{ELSEWHERE}: nothing asks for `{name}`");
        assert!(reason.len() > 20, "{ELSEWHERE}: `{name}` has no reason");
    }
}

#[test]
fn metric_names_are_told_from_functions_labels_and_variables() {
    let check = |expression: &str, expected: &[&str]| {
        let expected: BTreeSet<_> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(promql::metrics(expression), expected, "{expression}");
    };
    check("up", &["up"]);
    check(
        "sum by (le, status) (rate(a_bucket{x=~\"$y\", z!=\"up\"}[5m])) / on(le) group_left(q) b:c offset 1d",
        &["a_bucket", "b:c"],
    );
    check("sum(increase(a{e=~\"${env:regex}\"}[$__range])) by (x) or vector(0)", &["a"]);
    check(
        "histogram_quantile(0.95, sum(rate(a_bucket[$__rate_interval])) without (x)) > bool 1e3",
        &["a_bucket"],
    );
    check("{__name__=~\"a|b\", x=\"}\"} unless c # d", &["a", "b", "c"]);
    check("label_values(a{x=\"y,\"}, environment)", &["a"]);
    check("clamp_max(1 - (a and b), Inf)[30m:1m] @ end()", &["a", "b"]);
    check("count(ALERTS{alertstate=\"firing\"}) - count_values(\"v\", a)", &["ALERTS", "a"]);
}

/// Every name on the page of a collector that runs the stack's configuration, after a run of the smoke test, some
/// spans, and one event of every kind in the catalog.
async fn emitted() -> BTreeSet<String> {
    let phasor = Start::config(stack::collector_config("127.0.0.1:9")).start();
    smoke(&phasor).await;
    let mut sender = Sender::connect(&phasor.grpc()).await;
    let request = spans::encoded("shop", "GET /api/items/{id}", 0, 10);
    sender.export(TRACES, request).await.expect("the spans are accepted");
    sender.export(LOGS, one_of_every_event()).await.expect("the events are accepted");
    eventually("spans and events are on /metrics", || async {
        let page = phasor.scrape().await?;
        page.sum("traces_span_metrics_calls_total", &[("service_name", "shop")])?;
        declared().iter().all(|name| page.names().any(|on_page| on_page.starts_with(name))).then_some(())
    })
    .await;
    let page = phasor.scrape().await.expect("the collector is ready");
    page.names().map(str::to_owned).collect()
}

async fn smoke(phasor: &Phasor) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_phasor"))
        .arg("smoke")
        .args(["--url", &format!("http://{}", phasor.api())])
        .args(["--metrics-url", &format!("http://{}/metrics", phasor.prometheus())])
        .args(["--api-key", API_KEY])
        .output()
        .await
        .expect("smoke runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The names of the catalog's metrics as far as they stay the same on `/metrics`: without unit and suffix.
fn declared() -> Vec<String> {
    let catalog = catalog();
    let metrics = catalog.values().flat_map(|event| list(event, "/metrics"));
    metrics.map(|metric| string(metric, "/name").replace('.', "_")).collect()
}

/// A log record of every event in the catalog, with every label and every value that it declares.
fn one_of_every_event() -> Vec<u8> {
    let attribute = |key: &str, value: any_value::Value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let record = |(name, event): (String, Value)| {
        let metrics = list(&event, "/metrics");
        let labels =
            list(&event, "/labels").iter().chain(metrics.iter().flat_map(|metric| list(metric, "/labels")));
        let labels = labels.map(|label| {
            attribute(label.as_str().expect("a label"), any_value::Value::StringValue("any".to_owned()))
        });
        let values = metrics.iter().filter_map(|metric| metric["value"].as_str());
        let values = values.map(|value| attribute(value, any_value::Value::IntValue(7)));
        let attributes: BTreeMap<_, _> = labels.chain(values).map(|pair| (pair.key.clone(), pair)).collect();
        LogRecord { event_name: name, attributes: attributes.into_values().collect(), ..LogRecord::default() }
    };
    let log_records = catalog().into_iter().map(record).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// The events of the shipped catalog.
fn catalog() -> BTreeMap<String, Value> {
    let catalog = stack::yaml("pipelines/catalogs/rsolv.yaml");
    let events = catalog["events"].as_object().expect("a catalog has events");
    events.iter().map(|(name, event)| (name.clone(), event.clone())).collect()
}

/// The names that something else emits, with the reason why they may be named.
fn elsewhere() -> BTreeMap<String, String> {
    let sources = stack::yaml(ELSEWHERE);
    let sources = sources.as_array().expect("a list of sources");
    let names = sources.iter().flat_map(|source| {
        let reason = string(source, "/reason");
        list(source, "/names")
            .iter()
            .map(move |name| (name.as_str().expect("a name").to_owned(), reason.to_owned()))
    });
    let found: Vec<_> = names.collect();
    let unique: BTreeMap<_, _> = found.iter().cloned().collect();
    assert_eq!(unique.len(), found.len(), "{ELSEWHERE} names something twice");
    unique
}

/// The list of what the collector does not emit itself.
const ELSEWHERE: &str = "dashboards/metrics-from-elsewhere.yaml";
