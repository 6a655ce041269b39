//! Two OTLP backends: one that takes everything, and one with bad days.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use exporters::delivery::backoff::Random;
use futures_util::FutureExt;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;

use super::{
    load::ATTEMPT,
    support::backend::{Backend, Mind},
};

/// Both of them.
pub struct Sinks {
    sinks: [Sink; 2],
}

/// One backend and what it has got.
pub struct Sink {
    pub name: &'static str,
    backend: Backend,
    got: Arc<Mutex<Got>>,
    /// Spans with all their repeats.
    pub deliveries: Arc<AtomicU64>,
}

/// What a backend has got, each once.
#[derive(Debug, Default)]
pub struct Got {
    /// Spans of the laboratory: each attempt of a span is one of its own, see [`key`].
    pub spans: HashSet<u64>,
    /// Trace and span ids of all other spans: those of phases.
    pub others: HashSet<(String, String)>,
    /// All trace ids.
    pub traces: HashSet<String>,
}

/// One attempt of one span.
pub fn key(span: u64, attempt: u64) -> u64 {
    assert!(attempt < 1 << ATTEMPT_BITS, "too many attempts to tell them apart");
    span << ATTEMPT_BITS | attempt
}

/// The span that a [`key`] belongs to.
pub fn span_of(key: u64) -> u64 {
    key >> ATTEMPT_BITS
}

// === impl Sinks ===

impl Sinks {
    pub async fn start(seed: u64) -> Self {
        Self { sinks: [Sink::start("steady", None).await, Sink::start("moody", Some(seed)).await] }
    }

    /// Name and address of each.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        self.sinks.iter().map(|sink| (sink.name, sink.backend.address.to_string())).collect()
    }

    pub fn all(&self) -> &[Sink; 2] {
        &self.sinks
    }
}

// === impl Sink ===

impl Sink {
    /// With a seed for its moods, or without any.
    async fn start(name: &'static str, moods: Option<u64>) -> Self {
        let got = Arc::new(Mutex::new(Got::default()));
        let deliveries = Arc::new(AtomicU64::new(0));
        let moods = moods.map(|seed| Arc::new(Mutex::new(Random::new(seed))));
        let (into, counted) = (Arc::clone(&got), Arc::clone(&deliveries));
        let mind: Mind = Arc::new(move |message: Bytes| {
            let mood = moods.as_ref().map(|random| Mood::next(&mut random.lock().unwrap()));
            let (into, counted) = (Arc::clone(&into), Arc::clone(&counted));
            async move {
                let Some(mood) = mood else { return take(&message, &into, &counted) };
                tokio::time::sleep(mood.delay).await;
                if mood.keeps {
                    take(&message, &into, &counted);
                }
                mood.code
            }
            .boxed()
        });
        Self { name, backend: Backend::with_mind("127.0.0.1:0", mind).await, got, deliveries }
    }

    pub fn got(&self) -> MutexGuard<'_, Got> {
        self.got.lock().unwrap()
    }
}

/// How a backend treats one request.
struct Mood {
    delay: Duration,
    keeps: bool,
    code: u16,
}

// === impl Mood ===

impl Mood {
    fn next(random: &mut Random) -> Self {
        let delay = DELAY_MAX.mul_f64(random.unit());
        let (keeps, code) = match random.unit() {
            // Nothing is kept, and the answer says so.
            0.0..0.1 => (false, UNAVAILABLE),
            // Everything is kept, and the answer says the opposite.
            0.1..0.2 => (true, UNAVAILABLE),
            _ => (true, 0),
        };
        Self { delay, keeps, code }
    }
}

fn take(message: &Bytes, into: &Mutex<Got>, counted: &AtomicU64) -> u16 {
    let request =
        ExportTraceServiceRequest::decode(message.clone()).expect("the collector sends valid requests");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| scope.spans).collect();
    counted.fetch_add(spans.len() as u64, Relaxed);
    let mut got = into.lock().unwrap();
    for span in spans {
        got.traces.insert(hex(&span.trace_id));
        match attempt_of(&span) {
            Some(attempt) => {
                let number = u64::from_be_bytes(span.span_id.try_into().expect("8 bytes")) - 1;
                got.spans.insert(key(number, attempt));
            }
            None => {
                got.others.insert((hex(&span.trace_id), hex(&span.span_id)));
            }
        }
    }
    0
}

fn attempt_of(span: &Span) -> Option<u64> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == ATTEMPT)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::IntValue(attempt) => Some(*attempt as u64),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const UNAVAILABLE: u16 = 14;
const DELAY_MAX: Duration = Duration::from_millis(60);
/// Bits of a [`key`] that hold the attempt.
const ATTEMPT_BITS: u32 = 16;
