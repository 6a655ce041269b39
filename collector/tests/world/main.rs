//! Against the real world: Debian's Prometheus, Alertmanager, exporters and docker-compose, the Python OpenMetrics
//! parser, and OpenTelemetry's SDKs for Python, JavaScript and Rust. `make deps` puts them where the variable `PHASOR_DEPS` says.

#[path = "../support/lib.rs"]
mod support;

mod alerting;
mod files;
mod history;
mod interop;
mod native;
mod panels;
mod servers;
mod zero_first;

use std::{path::Path, process::Stdio};

use servers::{deps, program};
use support::{
    backend::Backend,
    eventually, http,
    phasor::{Phasor, Start, default_config},
};
use tokio::process::Command;

#[tokio::test]
async fn prometheus_stores_the_exemplar_that_leads_to_the_answered_trace() {
    let backend = Backend::start().await;
    let exporter = format!("  otlp_grpc: {{endpoint: \"http://{}\"}}", backend.address);
    let phasor = Start::config(default_config(", otlp_grpc", &exporter)).start();
    let answer = store_validation(&phasor).await;
    let trace_id = answer["trace_id"].as_str().expect("a trace id").to_owned();

    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = format!(
        "global: {{scrape_interval: 200ms}}\nscrape_configs:\n  - {{job_name: phasor, honor_labels: true, \
         static_configs: [{{targets: ['{}']}}]}}\n",
        phasor.prometheus()
    );
    let prometheus = servers::prometheus(folder.path(), &config).await;
    let address = &prometheus.address;
    let url = format!(
        "http://{address}/api/v1/query_exemplars?query=rsolv_validation_duration_milliseconds_bucket\
         &start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z"
    );
    let exemplars = eventually("Prometheus has the exemplar", || async {
        let found = http::get(&url, &[]).await.json()["data"].clone();
        found.as_array().is_some_and(|series| !series.is_empty()).then_some(found)
    })
    .await;
    let ids: Vec<_> = exemplars
        .as_array()
        .expect("a list of series")
        .iter()
        .flat_map(|series| series["exemplars"].as_array().expect("a list of exemplars"))
        .map(|exemplar| exemplar["labels"]["trace_id"].as_str().expect("a trace id").to_owned())
        .collect();
    assert_eq!(ids, std::slice::from_ref(&trace_id));

    let query = format!("http://{address}/api/v1/query?query=rsolv_validation_executions_total");
    let value = http::get(&query, &[]).await.json()["data"]["result"][0]["value"][1].clone();
    assert_eq!(value, "1");

    // And the trace is where the exemplar leads.
    eventually("the backend has the trace", || async {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        backend.spans().iter().any(|span| hex(&span.trace_id) == trace_id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_page_passes_promtool_and_the_python_openmetrics_parser() {
    let phasor = Start::config(default_config("", "")).start();
    store_validation(&phasor).await;
    run(python("send.py").args(["grpc", &phasor.grpc(), "7"])).await;
    eventually("there is something of everything on the page", || async {
        let page = phasor.scrape().await?;
        page.sum("traces_span_metrics_calls_total", &[("service_name", "python-sdk")])?;
        page.sum("rsolv_validation_duration_milliseconds_count", &[])
    })
    .await;
    let url = format!("http://{}/metrics", phasor.prometheus());

    let text = http::get(&url, &[]).await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let said = run_with_input(program("promtool").args(["check", "metrics"]), &text.body).await;
    // The contract's names end in `_milliseconds`; promtool would rather see seconds. It may say so, and no more.
    let other: Vec<_> = said.lines().filter(|line| !line.contains("use base unit \"seconds\"")).collect();
    assert_eq!(other, Vec::<&str>::new(), "promtool objects");

    let accept = "application/openmetrics-text;version=1.0.0";
    let openmetrics = http::get(&url, &[("accept", accept)]).await;
    let families = run_with_input(&mut python("parse.py"), &openmetrics.body).await;
    let families: usize = families.trim().parse().expect("a number of families");
    assert!(families > 20, "{families} families");
}

async fn store_validation(phasor: &Phasor) -> serde_json::Value {
    let body = r#"{"phase":"validation","repo":"a/b","issue_number":1,"commit_sha":"test123","data":{"validated":true,
        "language":"javascript","framework":"express","duration_ms":45000,"tests_generated":5,"tests_passed":4,
        "tests_failed":1,"vulnerabilities_found":2}}"#;
    let answer = phasor.post("/api/v1/phases/store", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// A file of rules that are evaluated this often and wait for nothing.
fn impatient_rules(file: &str, interval: &str) -> String {
    let rules = support::stack::text(file);
    let impatient = rules.lines().map(|line| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.split_once(": ") {
            Some(("interval", _)) => format!("{indent}interval: {interval}"),
            Some(("for", _)) => format!("{indent}for: 0s"),
            _ => line.to_owned(),
        }
    });
    impatient.collect::<Vec<_>>().join("\n")
}

fn python(script: &str) -> Command {
    let mut command = Command::new(deps().join("python/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world").join(script));
    command
}

async fn run(command: &mut Command) -> String {
    run_with_input(command, b"").await
}

/// Standard output and standard error of a command that must succeed; promtool's complaints are no failure.
async fn run_with_input(command: &mut Command, input: &[u8]) -> String {
    use tokio::io::AsyncWriteExt;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("a pipe").write_all(input).await.expect("the input is written");
    let output = child.wait_with_output().await.expect("the command ends");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // promtool ends with 3 when it only has advice.
    assert!(output.status.success() || output.status.code() == Some(3), "{command:?}: {said}");
    said
}
