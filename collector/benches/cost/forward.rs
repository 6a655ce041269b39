//! Whole processes under load: forwarding against a bare gRPC proxy, span metrics end to end, and what durability
//! costs.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use proto::testing::sample;

use crate::{
    line,
    process::Process,
    support::{
        backend::Backend,
        sender::{Sender, TRACES},
    },
};

const SPANS: usize = 100;
const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 8;
const REQUESTS: usize = 4_000;

/// Measures what is wanted.
pub(crate) fn report(wanted: impl Fn(&str) -> bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if wanted("forward") {
        runtime.block_on(forwarding());
    }
    if wanted("durable") {
        runtime.block_on(durability());
    }
}

/// One request to a process that has just started.
pub(crate) fn send_one(address: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sender = Sender::connect(address).await;
        sender.export(TRACES, request(0)).await.expect("accepted");
    });
}

async fn forwarding() {
    let mut bare_ns = f64::INFINITY;
    let mut tonic_ns = f64::INFINITY;
    let mut ours_ns = f64::INFINITY;
    let mut metrics_ns = f64::INFINITY;
    for _ in 0..3 {
        let backend = Backend::counting().await;
        let bare = Process::bare("bare", &backend.address.to_string());
        bare_ns = bare_ns.min(cpu_per_span(&bare, &backend).await);
        let backend = Backend::counting().await;
        let bare = Process::bare("bare-tonic", &backend.address.to_string());
        tonic_ns = tonic_ns.min(cpu_per_span(&bare, &backend).await);
        let backend = Backend::counting().await;
        let ours = Process::phasor(&forward_config(&backend, "otlp_grpc", ""));
        ours_ns = ours_ns.min(cpu_per_span(&ours, &backend).await);
        let backend = Backend::counting().await;
        let metrics = "metrics: {receivers: [span_metrics], exporters: [prometheus]}";
        let ours = Process::phasor(&forward_config(&backend, "otlp_grpc, span_metrics", metrics));
        metrics_ns = metrics_ns.min(cpu_per_span(&ours, &backend).await);
    }
    line("bare receive + send by hyper, CPU a span", format!("{bare_ns:.0} ns"), String::new(), "-", "-");
    line("bare receive + send by tonic, CPU a span", format!("{tonic_ns:.0} ns"), String::new(), "-", "-");
    for (against, bare_ns) in [("hyper", bare_ns), ("tonic", tonic_ns)] {
        let ratio = format!("{:.2} x", ours_ns / bare_ns);
        let work = format!("gRPC -> journal -> gRPC against {against}");
        line(&work, format!("{ours_ns:.0} ns"), ratio, "1.8 x", "1.3 x");
        let ratio = format!("{:.2} x", metrics_ns / bare_ns);
        line("the same with span metrics", format!("{metrics_ns:.0} ns"), ratio, "-", "-");
    }
}

/// CPU time of the process for each span, from the first request until the backend has them all.
async fn cpu_per_span(process: &Process, backend: &Backend) -> f64 {
    let warm = load(&process.address, REQUESTS / 10).await;
    backend.wait_for_bytes(warm * request(0).len()).await;
    let before = process.cpu_ns();
    let sent = load(&process.address, REQUESTS).await;
    backend.wait_for_bytes((warm + sent) * request(0).len()).await;
    (process.cpu_ns() - before) as f64 / (sent * SPANS) as f64
}

async fn durability() {
    let memory = throughput(false).await;
    let durable = throughput(true).await;
    let raw = raw_log();
    line("memory mode, spans a second", format!("{memory:.0}"), String::new(), "-", "-");
    line("raw append + fdatasync loop, spans a second", format!("{raw:.0}"), String::new(), "-", "-");
    let share = format!("{:.0} %", 100.0 * durable / memory.min(raw));
    line("durable mode, spans a second", format!("{durable:.0}"), share, "70 %", "90 %");
}

async fn throughput(durable: bool) -> f64 {
    let (extension, extensions) =
        if durable { ("extensions: {file_storage: {}}", "extensions: [file_storage], ") } else { ("", "") };
    let config = format!(
        r#"
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters: {{debug: {{}}}}
{extension}
service: {{{extensions}pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}}}
"#
    );
    let process = Process::phasor(&config);
    load(&process.address, REQUESTS / 10).await;
    let mut best: f64 = 0.0;
    for _ in 0..3 {
        let start = Instant::now();
        let sent = load(&process.address, REQUESTS).await;
        best = best.max((sent * SPANS) as f64 / start.elapsed().as_secs_f64());
    }
    best
}

/// What the disk gives: as many requests as can be in flight, one write, one sync, over and over.
fn raw_log() -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut file = File::create(folder.path().join("log")).expect("a file");
    let group = request(0).repeat(CONNECTIONS * IN_FLIGHT);
    let mut spans = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        file.write_all(&group).and_then(|()| file.sync_data()).expect("the disk takes it");
        spans += CONNECTIONS * IN_FLIGHT * SPANS;
    }
    spans as f64 / start.elapsed().as_secs_f64()
}

/// Sends about `requests` over several connections, several in flight on each, and tells how many it were.
async fn load(address: &str, requests: usize) -> usize {
    let mut senders = tokio::task::JoinSet::new();
    let share = requests / (CONNECTIONS * IN_FLIGHT);
    for connection in 0..CONNECTIONS {
        let sender = Sender::connect(address).await;
        for lane in 0..IN_FLIGHT {
            let mut sender = sender.clone();
            let message = request((connection * IN_FLIGHT + lane) as u64);
            senders.spawn(async move {
                for _ in 0..share {
                    while sender.export(TRACES, message.clone()).await.is_err() {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            });
        }
    }
    while let Some(done) = senders.join_next().await {
        done.expect("no sender panics");
    }
    share * CONNECTIONS * IN_FLIGHT
}

/// Every request has the same size, whatever its number.
fn request(_number: u64) -> Bytes {
    sample::traces(SPANS, 10, 1).into_bytes()
}

fn forward_config(backend: &Backend, exporters: &str, more: &str) -> String {
    format!(
        r#"
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}}}
connectors: {{span_metrics: {{metrics_flush_interval: 1s}}}}
exporters:
  otlp_grpc: {{endpoint: "http://{}", compression: none, tls: {{insecure: true}}}}
  prometheus: {{endpoint: "127.0.0.1:0"}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporters}]}}
    {more}
"#,
        backend.address
    )
}
