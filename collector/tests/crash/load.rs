//! Spans over gRPC, as an SDK sends them: again and again until they are acknowledged.

use std::{sync::Arc, time::Duration};

use exporters::delivery::backoff::Random;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message;
use tokio::sync::watch;
use tonic::Code;

use super::{
    ledger::{Ledger, NAMES, Request},
    process::Doors,
    support::{
        sender::{Sender, TRACES},
        spans,
    },
};

/// Sends request after request. Told to stop, it still brings the last one to its answer.
pub async fn send(
    ledger: Arc<Ledger>,
    mut doors: watch::Receiver<Option<Doors>>,
    stop: watch::Receiver<bool>,
    mut random: Random,
) {
    let mut connection = None;
    while !*stop.borrow() {
        let (place, request) = ledger.open(1 + random.number() % SPANS_MAX);
        let padding = if random.unit() < PADDED { PADDING } else { 0 };
        loop {
            let Some(sender) = connected(&mut connection, &mut doors).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let attempt = ledger.attempt(place);
            match sender.export(TRACES, encoded(&request, attempt, padding)).await {
                Ok(answer) if answer.is_empty() => {
                    ledger.acknowledge(place, attempt);
                    break;
                }
                Ok(answer) => return ledger.fault(format!("a partial success nobody asked for: {answer:?}")),
                // The collector's own "later", or a connection that has died.
                Err(status) if RETRYABLE.contains(&status.code()) => connection = None,
                Err(status) => return ledger.fault(format!("a good request was refused: {status:?}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(PAUSE.mul_f64(random.unit())).await;
    }
}

/// A connection to the collector that lives now, if it can be had.
async fn connected<'a>(
    connection: &'a mut Option<Sender>,
    doors: &mut watch::Receiver<Option<Doors>>,
) -> Option<&'a mut Sender> {
    if connection.is_none() {
        let address = doors.wait_for(Option::is_some).await.ok()?.as_ref()?.grpc.clone();
        *connection = Sender::try_connect(&address).await.ok();
    }
    connection.as_mut()
}

fn encoded(request: &Request, attempt: u64, padding: usize) -> Vec<u8> {
    let mut message = spans::request(SERVICE, NAMES[request.name], request.first, request.count);
    let spans = &mut message.resource_spans[0].scope_spans[0].spans;
    for span in spans.iter_mut() {
        let value = AnyValue { value: Some(any_value::Value::IntValue(attempt as i64)) };
        span.attributes.push(KeyValue { key: ATTEMPT.to_owned(), value: Some(value), ..KeyValue::default() });
    }
    spans[0].attributes.push(spans::attribute("padding", &"x".repeat(padding)));
    message.encode_to_vec()
}

/// The service all spans belong to.
pub const SERVICE: &str = "laboratory";
/// The attribute that tells the attempts of a request apart.
pub const ATTEMPT: &str = "attempt";
const SPANS_MAX: u64 = 40;
/// This share of the requests is large, so that snapshots come due and segments fill.
const PADDED: f64 = 0.2;
const PADDING: usize = 256 << 10;
const PAUSE: Duration = Duration::from_millis(20);
/// Codes after which an SDK sends again (OTLP, *Failures*), and what tonic makes of a connection that dies.
const RETRYABLE: [Code; 4] = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
