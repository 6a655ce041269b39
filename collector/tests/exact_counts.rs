//! Span metrics are exact: a million spans from eight senders at once, counted independently.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::support::{
    eventually,
    phasor::{Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

const SENDERS: u64 = 8;
const REQUESTS: u64 = 250;
const SPANS: u64 = 500;
const NAMES: [&str; 5] = ["GET /", "GET /cart", "POST /cart", "POST /checkout", "GET /health"];

#[tokio::test(flavor = "multi_thread")]
async fn s_24_a_million_spans_from_eight_senders_are_counted_exactly() {
    let phasor = Start::config(default_config("", "")).start();
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..SENDERS {
        senders.spawn(send(number, phasor.grpc()));
    }
    let mut expected: BTreeMap<(String, &str), Sent> = BTreeMap::new();
    while let Some(sent) = senders.join_next().await {
        for (key, more) in sent.expect("no sender panics") {
            let total = expected.entry(key).or_default();
            total.spans += more.spans;
            total.duration_ms += more.duration_ms;
        }
    }
    let total: u64 = expected.values().map(|sent| sent.spans).sum();
    assert_eq!(total, SENDERS * REQUESTS * SPANS);
    let page = eventually("every span is counted", || async {
        let page = phasor.scrape().await?;
        let counted = page.sum("traces_span_metrics_duration_milliseconds_count", &[])?;
        (counted >= total as f64).then_some(page)
    })
    .await;
    for ((service, name), sent) in expected {
        let labels = [("service_name", service.as_str()), ("span_name", name)];
        let calls = page.sum("traces_span_metrics_calls_total", &labels);
        assert_eq!(calls, Some(sent.spans as f64), "{service} {name}");
        let count = page.sum("traces_span_metrics_duration_milliseconds_count", &labels);
        assert_eq!(count, Some(sent.spans as f64), "{service} {name}");
        let sum = page.sum("traces_span_metrics_duration_milliseconds_sum", &labels);
        assert_eq!(sum, Some(sent.duration_ms as f64), "{service} {name}");
    }
    let accepted = page.sum("otelcol_receiver_accepted_spans_total", &[]);
    assert_eq!(accepted, Some(total as f64), "the receiver counted the same");
}

#[derive(Default)]
struct Sent {
    spans: u64,
    duration_ms: u64,
}

/// Sends its share, request by request, again whenever it is told to come back later.
async fn send(number: u64, address: String) -> BTreeMap<(String, &'static str), Sent> {
    let mut sender = Sender::connect(&address).await;
    let mut sent: BTreeMap<_, Sent> = BTreeMap::new();
    // The last two senders share a service, so that their series meet.
    let service = format!("service-{}", number.min(6));
    for request in 0..REQUESTS {
        let name = NAMES[(request % NAMES.len() as u64) as usize];
        let first = (number * REQUESTS + request) * SPANS;
        let message = Bytes::from(spans::encoded(&service, name, first, SPANS));
        while let Err(status) = sender.export(TRACES, message.clone()).await {
            assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let total = sent.entry((service.clone(), name)).or_default();
        total.spans += SPANS;
        total.duration_ms += (first..first + SPANS).map(|span| span % 400).sum::<u64>();
    }
    sent
}
