//! More than a backend can take: memory stays inside the printed budget, every refusal is retryable and says when to
//! come back, the backend is kept busy all the same, and everything that was accepted arrives.
//!
//! `OVERLOAD_SECONDS` says how long (`make overload`: five minutes at 20 000 spans a second). The short form that every run of
//! the tests does is paced lower, so that it says the same on a busy machine.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tonic::{Code, Status};

use super::support::{
    backend::{Backend, Mind},
    eventually,
    phasor::{Phasor, Start},
    sender::{Sender, TRACES},
    spans,
};

/// What is asked of the collector.
struct Plan {
    seconds: u64,
    /// Spans a second that the backend takes.
    pace: u64,
}

/// A backend that takes so many spans a second and no more, and tells how busy it was.
struct Paced {
    backend: Backend,
    taken: Arc<Taken>,
}

#[derive(Default)]
struct Taken {
    /// Ids of all spans.
    spans: Mutex<BTreeSet<u64>>,
    /// When it has done with what it was given; nothing before the first request.
    free: Mutex<Option<Instant>>,
    /// Nanoseconds between the end of one request and the next one's coming.
    idle_ns: AtomicU64,
    /// Nanoseconds it was given work for.
    busy_ns: AtomicU64,
    /// At the end it takes what is left at once.
    hurries: AtomicBool,
}

/// What a sender has seen.
#[derive(Default)]
struct Seen {
    accepted: BTreeSet<u64>,
    refused: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn o_g12_ten_times_too_much_is_refused_politely_and_nothing_accepted_is_lost() {
    let plan = Plan::from_environment();
    let sink = Paced::start(plan.pace).await;
    let phasor = start(&sink);
    let budget = bytes(phasor.banner("memory budget"));
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let rate = plan.pace * TIMES / SENDERS;
        senders.spawn(push(number, rate, phasor.grpc(), Arc::clone(&stop)));
    }

    let (mut resident_max, mut ends) = (0, None);
    while ends.is_none_or(|ends| now() < ends) {
        // The time counts from the first refusal: from there on the backend must never be short of work.
        if ends.is_none() && refusals(&phasor).await > 0.0 {
            ends = Some(now() + Duration::from_secs(plan.seconds));
            sink.taken.idle_ns.store(0, Relaxed);
            sink.taken.busy_ns.store(0, Relaxed);
        }
        resident_max = resident_max.max(phasor.resident_bytes());
        sleep(Duration::from_millis(100)).await;
    }
    let (busy, idle) = (sink.taken.busy_ns.load(Relaxed), sink.taken.idle_ns.load(Relaxed));
    stop.store(true, Relaxed);
    let mut seen = Seen::default();
    while let Some(ended) = senders.join_next().await {
        let more = ended.expect("no sender panics");
        seen.accepted.extend(more.accepted);
        seen.refused += more.refused;
    }
    sink.taken.hurries.store(true, Relaxed);
    let arrived = eventually("everything accepted arrives", || async {
        let spans = sink.taken.spans.lock().expect("no panic while locked");
        seen.accepted.is_subset(&spans).then(|| spans.clone())
    })
    .await;
    assert_eq!(arrived.len(), seen.accepted.len(), "what was refused was taken all the same");
    let share = busy as f64 / (busy + idle) as f64;
    eprintln!(
        "{} spans accepted, {} requests refused, resident {} of {} MiB, {:.1} % of the pace",
        seen.accepted.len(),
        seen.refused,
        resident_max >> 20,
        budget >> 20,
        share * 100.0
    );
    assert!(seen.refused > 0, "nobody was ever refused, which is no overload");
    assert!(resident_max <= budget, "{resident_max} bytes are resident, the budget says {budget}");
    assert!(share >= 0.9, "the backend was given work for {share:.3} of its time");
}

/// Sends requests of [`SPANS`] at `rate` spans a second, refused or not, until told to stop.
async fn push(number: u64, rate: u64, address: String, stop: Arc<AtomicBool>) -> Seen {
    let mut sender = Sender::connect(&address).await;
    let mut seen = Seen::default();
    let mut due = now();
    // What is refused is sent again at once, which is less polite than an SDK.
    let mut first = number << 40;
    while !stop.load(Relaxed) {
        due += Duration::from_secs_f64(SPANS as f64 / rate as f64);
        sleep_until(due).await;
        match sender.export(TRACES, Bytes::from(spans::encoded("shop", "GET /", first, SPANS))).await {
            Ok(_) => {
                seen.accepted.extend(first..first + SPANS);
                first += SPANS;
            }
            Err(status) => {
                check(&status);
                seen.refused += 1;
            }
        }
    }
    seen
}

fn check(refusal: &Status) {
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    let details = String::from_utf8_lossy(refusal.details());
    assert!(details.contains("google.rpc.RetryInfo"), "it says when to come back: {refusal:?}");
}

fn start(sink: &Paced) -> Phasor {
    Start::config(format!(
        r#"
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}}}
processors: {{memory_limiter: {{limit_mib: 64}}}}
exporters:
  otlp_grpc: {{endpoint: "http://{}", sending_queue: {{storage: file_storage}}, max_lag_bytes: 16MiB}}
  prometheus: {{endpoint: "127.0.0.1:0", series_memory_limit: 16MiB}}
extensions: {{file_storage: {{}}}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], exporters: [prometheus]}}
"#,
        sink.backend.address
    ))
    .start()
}

async fn refusals(phasor: &Phasor) -> f64 {
    let page = phasor.scrape().await;
    page.and_then(|page| page.sum("otelcol_receiver_refused_spans_total", &[])).unwrap_or_default()
}

/// `96MiB = ...` in bytes.
fn bytes(line: &str) -> u64 {
    let size = line.split_whitespace().next().expect("a size");
    let mib = size.strip_suffix("MiB").unwrap_or_else(|| panic!("{line}"));
    mib.parse::<u64>().expect("a number") << 20
}

#[expect(clippy::disallowed_methods, reason = "a load generator keeps its own pace")]
fn now() -> Instant {
    Instant::now()
}

// === impl Plan ===

impl Plan {
    fn from_environment() -> Self {
        match std::env::var("OVERLOAD_SECONDS")
            .ok()
            .map(|text| text.parse().expect("OVERLOAD_SECONDS is a number"))
        {
            Some(seconds) => Self { seconds, pace: 20_000 },
            None => Self { seconds: 10, pace: 4_000 },
        }
    }
}

// === impl Paced ===

impl Paced {
    async fn start(pace: u64) -> Self {
        let taken = Arc::new(Taken::default());
        let into = Arc::clone(&taken);
        let mind: Mind = Arc::new(move |message: Bytes| {
            let into = Arc::clone(&into);
            async move {
                let request = ExportTraceServiceRequest::decode(message).expect("a valid request");
                let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                let ids: Vec<_> = scopes
                    .flat_map(|scope| scope.spans)
                    .map(|span| u64::from_be_bytes(span.span_id.try_into().expect("8 bytes")) - 1)
                    .collect();
                if let Some(done) = into.take_on(ids.len() as u64, pace) {
                    sleep_until(done).await;
                }
                into.spans.lock().expect("no panic while locked").extend(ids);
                0
            }
            .boxed()
        });
        Self { backend: Backend::with_mind("127.0.0.1:0", mind).await, taken }
    }
}

// === impl Taken ===

impl Taken {
    /// Puts so many spans behind what is being worked on. Gives when they are done.
    fn take_on(&self, spans: u64, pace: u64) -> Option<Instant> {
        if self.hurries.load(Relaxed) {
            return None;
        }
        let (mut free, now) = (self.free.lock().expect("no panic while locked"), now());
        let begins = free.unwrap_or(now).max(now);
        if let Some(free) = *free {
            self.idle_ns.fetch_add((begins - free).as_nanos() as u64, Relaxed);
        }
        let work = Duration::from_nanos(spans * 1_000_000_000 / pace);
        self.busy_ns.fetch_add(work.as_nanos() as u64, Relaxed);
        *free = Some(begins + work);
        *free
    }
}

const SENDERS: u64 = 8;
/// How many times the pace is sent.
const TIMES: u64 = 10;
/// Of each request.
const SPANS: u64 = 100;
