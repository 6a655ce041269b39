//! Memory stays inside the budget that the banner prints, every part of it tells what it holds, and a process at its
//! limit declines what it is sent, retryably, and goes on serving.

use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::support::{
    eventually, http,
    metrics::Metrics,
    phasor::{Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

const SPANS: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_budget_tells_what_it_holds() {
    let phasor = Start::config(default_config("", "")).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    let requests = 10;
    for number in 0..requests {
        send(&mut sender, number).await.expect("accepted");
    }
    let page = eventually("the table has all series", || async {
        let page = phasor.scrape().await?;
        let calls = page.sum("traces_span_metrics_calls_total", &[])?;
        (calls >= (requests * SPANS) as f64).then_some(page)
    })
    .await;
    let series = (requests * SPANS) as f64;
    assert!(used(&page, "span_metrics") > 100.0 * series, "{page:?}");
    assert!(used(&page, "prometheus") > 100.0 * series, "{page:?}");
    assert!(used(&page, "process") > MIB, "{page:?}");
    for part in ["admission", "journal", "event_metrics", "snapshots", "phase_store"] {
        assert!(used(&page, part) <= limit(&page, part), "{part}");
    }
    let printed = mib(phasor.banner("memory budget")) * MIB;
    assert_eq!(printed, 512.0 * MIB, "the limit of the memory_limiter");
    let resident = page.sum("otelcol_process_memory_rss_bytes", &[]).expect("the process tells");
    let held = page.sum("phasor_memory_budget_used_bytes", &[]).expect("the parts tell");
    assert!(resident <= printed && held <= printed, "{resident} {held} {printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_reach_the_limit_stop_the_intake_and_not_the_process() {
    let config = default_config("", "")
        .replace("limit_mib: 512", "limit_mib: 128, spike_limit_mib: 48")
        .replace("span_metrics: {", "span_metrics: {aggregation_cardinality_limit: 0, ");
    let phasor = Start::config(config).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    let mut refusal = None;
    for number in 0..REQUESTS_MAX {
        if let Err(status) = send(&mut sender, number).await {
            refusal = Some(status);
            break;
        }
    }
    let refusal = refusal.expect("128 MiB have an end");
    assert_eq!(refusal.code(), tonic::Code::Unavailable, "{refusal:?}");
    assert!(!refusal.details().is_empty(), "it says when to come back");
    let page = phasor.scrape().await.expect("a scrape is answered all the same");
    let held = page.sum("phasor_memory_budget_used_bytes", &[]).expect("the parts tell");
    let resident = page.sum("otelcol_process_memory_rss_bytes", &[]).expect("the process tells");
    assert!(used(&page, "span_metrics") + used(&page, "prometheus") > MIB);
    let printed = mib(phasor.banner("memory budget")) * MIB;
    // The spike is what a table needs to double, and what was accepted and is not yet counted.
    assert!(resident <= printed && held <= printed, "{resident} {held} {printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_texts_stay_inside_the_budget_at_their_peak_and_leave_nothing_behind() {
    let config = r#"
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
exporters: {debug: {}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [debug]}}}
"#;
    let phasor = Start::config(config.to_owned()).start();
    let printed = mib(phasor.banner("memory budget")) * MIB;
    let text = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{{"stringValue":"\n{}"}}}}]}}]}}]}}"#,
        "x".repeat(50 << 20)
    );
    let url = format!("http://{}/v1/logs", phasor.http());
    for _ in 0..4 {
        let body = text.clone().into_bytes();
        let answer = http::post(&url, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let peak = phasor.peak_bytes() as f64;
    assert!(peak <= printed, "{peak} {printed}");
    eventually("what is resident is the process alone", || async {
        (phasor.resident_bytes() as f64 <= 64.0 * MIB).then_some(())
    })
    .await;
}

/// Spans that are all of different series.
async fn send(sender: &mut Sender, number: u64) -> Result<Bytes, Status> {
    let mut request = spans::request(&format!("service-{number}"), "", number * SPANS, SPANS);
    for span in &mut request.resource_spans[0].scope_spans[0].spans {
        span.name = format!("GET /{}", span.start_time_unix_nano);
    }
    sender.export(TRACES, request.encode_to_vec()).await
}

fn used(page: &Metrics, part: &str) -> f64 {
    page.sum("phasor_memory_budget_used_bytes", &[("part", part)]).expect("there is such a part")
}

fn limit(page: &Metrics, part: &str) -> f64 {
    page.sum("phasor_memory_budget_limit_bytes", &[("part", part)]).expect("there is such a part")
}

/// `512MiB of ...` as a number.
fn mib(line: &str) -> f64 {
    let size = line.split_whitespace().next().expect("a size");
    size.strip_suffix("MiB").unwrap_or_else(|| panic!("{line}")).parse().expect("a number")
}

const MIB: f64 = 1_048_576.0;
/// More than 128 MiB can hold.
const REQUESTS_MAX: u64 = 1_000;
