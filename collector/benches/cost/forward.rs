//! Whole processes under load: forwarding against a bare gRPC proxy, span metrics end to end, and what durability
//! costs.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
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

/// What a measured collector does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// gRPC in, gRPC out.
    Forward,
    /// The same, and span metrics.
    SpanMetrics,
    /// gRPC in, gRPC out to two backends.
    FanOut,
    /// HTTP/protobuf in, gRPC out.
    Http,
}

async fn forwarding() {
    let mut bare_ns = f64::INFINITY;
    let mut tonic_ns = f64::INFINITY;
    let mut ours_ns = [f64::INFINITY; PATHS.len()];
    for _ in 0..3 {
        for (kind, least) in [("bare", &mut bare_ns), ("bare-tonic", &mut tonic_ns)] {
            let backend = Backend::counting().await;
            let bare = Process::bare(kind, &backend.address.to_string());
            *least = least.min(cpu_per_span(&bare, &[backend], Path::Forward).await);
        }
        for ((path, _), least) in PATHS.into_iter().zip(&mut ours_ns) {
            let backends = backends(path).await;
            let ours = Process::phasor(&path.config(&backends));
            *least = least.min(cpu_per_span(&ours, &backends, path).await);
        }
    }
    line("bare receive + send by hyper, CPU a span", format!("{bare_ns:.0} ns"), String::new(), "-", "-");
    line("bare receive + send by tonic, CPU a span", format!("{tonic_ns:.0} ns"), String::new(), "-", "-");
    for (against, bare_ns) in [("hyper", bare_ns), ("tonic", tonic_ns)] {
        for ((path, work), ours_ns) in PATHS.into_iter().zip(ours_ns) {
            let ratio = format!("{:.2} x", ours_ns / bare_ns);
            let (gate, stretch) = if path == Path::Forward { ("1.8 x", "1.3 x") } else { ("-", "-") };
            line(&format!("{work} against {against}"), format!("{ours_ns:.0} ns"), ratio, gate, stretch);
        }
    }
}

/// CPU time of the process for each span, from the first request until the backends have them all.
async fn cpu_per_span(process: &Process, backends: &[Backend], path: Path) -> f64 {
    let send = async |requests| match (&process.http, path) {
        (Some(address), Path::Http) => load_by_http(address, requests).await,
        _ => load(&process.address, requests).await,
    };
    let arrived = async |requests: usize| {
        for backend in backends {
            backend.wait_for_bytes(requests * request_bytes()).await;
        }
    };
    let warm = send(REQUESTS / 10).await;
    arrived(warm).await;
    let before = process.cpu_ns();
    let sent = send(REQUESTS).await;
    arrived(warm + sent).await;
    (process.cpu_ns() - before) as f64 / (sent * SPANS) as f64
}

/// As many as the path has ends.
pub(crate) async fn backends(path: Path) -> Vec<Backend> {
    let mut backends = vec![Backend::counting().await];
    if path == Path::FanOut {
        backends.push(Backend::counting().await);
    }
    backends
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
pub(crate) async fn load(address: &str, requests: usize) -> usize {
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

/// The same over HTTP/1.1, one request in flight on each connection.
async fn load_by_http(address: &str, requests: usize) -> usize {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let url = format!("http://{address}/v1/traces");
    let (lanes, share) = (CONNECTIONS * IN_FLIGHT, requests / (CONNECTIONS * IN_FLIGHT));
    let mut senders = tokio::task::JoinSet::new();
    for lane in 0..lanes {
        let (client, url, message) = (client.clone(), url.clone(), request(lane as u64));
        senders.spawn(async move {
            for _ in 0..share {
                let post = || {
                    let request = hyper::Request::post(&url).header("content-type", "application/x-protobuf");
                    client.request(request.body(Full::new(message.clone())).expect("a request"))
                };
                while !post().await.is_ok_and(|answer| answer.status().is_success()) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.expect("no sender panics");
    }
    share * lanes
}

/// Every request has the same size, whatever its number.
fn request(_number: u64) -> Bytes {
    sample::traces(SPANS, 10, 1).into_bytes()
}

/// The size of each.
pub(crate) fn request_bytes() -> usize {
    request(0).len()
}

// === impl Path ===

impl Path {
    /// The configuration of a collector between senders and `backends`.
    pub(crate) fn config(self, backends: &[Backend]) -> String {
        let (exporters, metrics) = match self {
            Self::Forward | Self::Http => ("otlp_grpc/0", ""),
            Self::FanOut => ("otlp_grpc/0, otlp_grpc/1", ""),
            Self::SpanMetrics => {
                ("otlp_grpc/0, span_metrics", "metrics: {receivers: [span_metrics], exporters: [prometheus]}")
            }
        };
        let destinations: String = backends
            .iter()
            .enumerate()
            .map(|(number, backend)| {
                let address = backend.address;
                format!(
                    "otlp_grpc/{number}: {{endpoint: \"http://{address}\", compression: none, tls: {{insecure: true}}}}\n  "
                )
            })
            .collect();
        format!(
            r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
connectors: {{span_metrics: {{metrics_flush_interval: 1s}}}}
exporters:
  {destinations}
  prometheus: {{endpoint: "127.0.0.1:0"}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporters}]}}
    {metrics}
"#
        )
    }
}

const PATHS: [(Path, &str); 4] = [
    (Path::Forward, "gRPC -> journal -> gRPC"),
    (Path::SpanMetrics, "the same with span metrics"),
    (Path::FanOut, "the same to two backends"),
    (Path::Http, "HTTP -> journal -> gRPC"),
];
