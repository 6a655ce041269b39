//! `otlp_grpc`: sends export requests as they are over gRPC.
//!
//! - **In:** the bytes of an export request.
//! - **Out:** one unary call, and what came of it, by the table of [`crate::delivery::retry`].
//! - **Guaranteed:** the bytes are sent as they came, and from where they are unless they are compressed; the start
//!   does not wait for the destination; an attempt ends within its time, connecting included; an answer takes at most [`ANSWER_BYTES_MAX`] of memory, also
//!   when it is compressed; nothing a destination says makes it panic.
//! - **Not here:** retry, joining, order ([`crate::delivery`]).

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Uri, uri::PathAndQuery};
use pipelines::{
    config::ConfigError,
    consumer::{Exporter, Feed},
    spans,
};
use proto::{
    SignalKind,
    response::{self, PartialSuccess},
};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status, client::Grpc, codec::CompressionEncoding, metadata::MetadataMap};

use crate::{
    Settings,
    auth::Credentials,
    delivery::{
        self, Answer, Delivery, Destination, Refused,
        payload::Payload,
        retry::{self, Action},
    },
    tls::Reloads,
};

mod channel;
mod codec;
mod config;
mod connections;
mod frame;
mod resolver;

pub use config::{Balancer, Compression, Config, Keepalive};

use channel::{Guarded, Way};
use codec::BytesCodec;
use connections::{Connections, Lease, Target};
use resolver::{Resolver, System};

/// The exporter: a destination, and the delivery to it.
#[derive(Debug)]
pub struct OtlpGrpc {
    connection: Connection,
    delivery: delivery::Settings,
}

/// All that is needed to connect.
#[derive(Clone, Debug)]
pub struct Connection {
    target: Target,
    metadata: MetadataMap,
    credentials: Option<Arc<Credentials>>,
    compression: Option<CompressionEncoding>,
    timeout: Duration,
}

/// A destination that speaks OTLP over gRPC.
#[derive(Clone, Debug)]
pub struct Client {
    connections: Arc<Connections>,
    origin: Uri,
    metadata: MetadataMap,
    credentials: Option<Arc<Credentials>>,
    compression: Option<CompressionEncoding>,
    timeout: Duration,
}

/// Who speaks through a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// The destination, or the way to it.
    Destination,
    /// The destination in its trailers, or tonic, which could not read the answer.
    Answer,
}

// === impl Config ===

impl Config {
    /// The exporter of one pipeline.
    ///
    /// # Errors
    /// A certificate cannot be read, or [`Config::check`] would have complained.
    pub fn build(&self, settings: &Settings<'_>) -> Result<OtlpGrpc, ConfigError> {
        let delivery = self.sending_queue.settings(&self.retry_on_failure, settings.seed, settings.hints);
        let credentials = Credentials::find(self.auth.as_ref(), settings.authenticators)?;
        Ok(OtlpGrpc { connection: Connection::new(self)?.with_credentials(credentials), delivery })
    }
}

// === impl OtlpGrpc ===

impl OtlpGrpc {
    /// How often it has read its certificates again, if it has any.
    pub fn reloads(&self) -> Option<Arc<Reloads>> {
        self.connection.target.tls.as_ref().map(|tls| Arc::clone(tls.reloads()))
    }
}

impl Exporter for OtlpGrpc {
    fn run(self: Box<Self>, feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::new(Delivery::new(self.connection.open(), self.delivery)).run(feed)
    }
}

// === impl Connection ===

impl Connection {
    /// Checks and reads what connecting needs. Nothing is sent yet.
    ///
    /// # Errors
    /// The endpoint, a header or a certificate is wrong.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            target: config.target()?,
            metadata: config.metadata()?,
            credentials: None,
            compression: config.compression.encoding(),
            timeout: config.timeout.0,
        })
    }

    /// The same, saying who we are with each request.
    #[must_use]
    pub fn with_credentials(self, credentials: Option<Credentials>) -> Self {
        Self { credentials: credentials.map(Arc::new), ..self }
    }

    /// A client that connects on its first request. To be called inside the runtime.
    pub fn open(self) -> Client {
        self.open_with(Box::new(System))
    }

    fn open_with(self, resolver: Box<dyn Resolver>) -> Client {
        let Self { target, metadata, credentials, compression, timeout } = self;
        let origin = target.origin.clone();
        let connections = Arc::new(Connections::new(target, resolver));
        Client { connections, origin, metadata, credentials, compression, timeout }
    }
}

// === impl Client ===

impl Destination for Client {
    async fn send(&self, signal: SignalKind, request: Payload) -> Answer {
        let deadline = now() + self.timeout;
        let mut failed = Vec::new();
        loop {
            let lease = match timeout_at(deadline, self.connections.take(&mut failed)).await {
                Ok(Ok(lease)) => lease,
                Ok(Err(status)) => return Answer::Refused(refused(Voice::Destination, &status)),
                Err(_) => return late(format!("no connection within {:?}", self.timeout)),
            };
            let way = Arc::new(Way::default());
            let call = self.call(&lease, Arc::clone(&way), signal, request.clone());
            let answer = match timeout_at(deadline, call).await {
                Ok(answer) if !way.is_late() => answer,
                Ok(_) | Err(_) => {
                    self.connections.silent(&lease);
                    return late(format!("no answer from {} within {:?}", lease.address, self.timeout));
                }
            };
            if !way.is_lost() {
                self.connections.answered(&lease);
            } else {
                self.connections.lost(&lease);
                failed.push(lease.address);
                // An idle connection had ended, and could not be opened anew: the next address gets the request.
                if way.is_unsent() && self.connections.has_other(&failed) {
                    continue;
                }
            }
            return match answer {
                Ok(answer) => taken(&answer),
                Err((voice, status)) => Answer::Refused(refused(voice, &status)),
            };
        }
    }
}

impl Client {
    /// One unary call: the bytes of the answer, once the trailers have said that all is well.
    async fn call(
        &self,
        lease: &Lease,
        way: Arc<Way>,
        signal: SignalKind,
        payload: Payload,
    ) -> Result<Bytes, (Voice, Status)> {
        let (plain, compressible) = match self.compression {
            None => (Some(payload), None),
            Some(_) => (None, Some(payload.to_bytes())),
        };
        let channel = Guarded { channel: lease.channel.clone(), plain, way };
        // Go's gRPC server compresses its answer as the request was, whatever we accept.
        let mut grpc = Grpc::with_origin(channel, self.origin.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        if let Some(encoding) = self.compression {
            grpc = grpc.send_compressed(encoding);
        }
        grpc.ready().await.map_err(|status| (Voice::Destination, status))?;
        let codec = BytesCodec { request_bytes: compressible.as_ref().map_or(0, Bytes::len) };
        let mut request = Request::new(tokio_stream::iter(compressible));
        *request.metadata_mut() = self.metadata();
        if let Some(Ok(traceparent)) = spans::traceparent().map(|text| text.parse()) {
            request.metadata_mut().insert("traceparent", traceparent);
        }
        request.set_timeout(self.timeout);
        let answer = grpc.streaming(request, path(signal), codec).await;
        let mut answer = answer.map_err(|status| (Voice::Destination, status))?.into_inner();
        let unreadable = |status| (Voice::Answer, status);
        // No message at all, and yet OK: the destination has the data.
        let message = answer.message().await.map_err(unreadable)?.unwrap_or_default();
        answer.trailers().await.map_err(unreadable)?;
        Ok(message)
    }

    /// The metadata of the next request.
    fn metadata(&self) -> MetadataMap {
        let Some(credentials) = &self.credentials else { return self.metadata.clone() };
        let mut headers = self.metadata.clone().into_headers();
        credentials.apply(&mut headers);
        MetadataMap::from_headers(headers)
    }
}

/// OTLP, *Full Success* and *Partial Success*. An answer that cannot be read is a success all the
/// same: the status said so.
fn taken(answer: &Bytes) -> Answer {
    let PartialSuccess { rejected, message } =
        PartialSuccess::decode(answer).ok().flatten().unwrap_or_default();
    Answer::Taken { rejected: u64::try_from(rejected).unwrap_or_default(), message }
}

fn refused(voice: Voice, status: &Status) -> Refused {
    let message = status.message().to_owned();
    let after = response::Status::decode(status.details()).ok().and_then(|details| details.retry_after);
    let (mut action, mut code) = retry::grpc(status.code() as i32, after);
    if voice == Voice::Answer && is_over_limit(status) {
        (action, code) = (Action::GiveUp, retry::ANSWER_TOO_LARGE);
    } else if status.code() == Code::OutOfRange && status.message().contains(TONIC_TOO_LARGE) {
        // The table says retry, but these are the words of a tonic server that will never take a
        // message of this size.
        action = Action::Split;
    }
    Refused { action, code, message }
}

/// Whether tonic stopped reading an answer at [`ANSWER_BYTES_MAX`]; it says so in no other way.
fn is_over_limit(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains(TONIC_TOO_LARGE)
        || status.code() == Code::ResourceExhausted && status.message().contains(TONIC_BOMB)
}

/// The time of the attempt is over.
fn late(message: String) -> Answer {
    Answer::Refused(refused(Voice::Destination, &Status::deadline_exceeded(message)))
}

#[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
fn now() -> Instant {
    Instant::now()
}

fn path(signal: SignalKind) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        SignalKind::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        SignalKind::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        SignalKind::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    })
}

/// OTLP, *OTLP/gRPC Response*: the bound on an answer, before and after decompression.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
const TONIC_TOO_LARGE: &str = "message length too large";
const TONIC_BOMB: &str = "exceeded while decompressing message";

#[cfg(test)]
mod tests;
