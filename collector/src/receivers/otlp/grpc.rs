//! OTLP/gRPC: the three Export methods, and the health service.
//!
//! - **In:** unary calls, plain or compressed with gzip, zstd, snappy or deflate.
//! - **Out:** the export response, never compressed; or a status by the table in [`super::status`], with
//!   `google.rpc.Status` details in `grpc-status-details-bin`.
//! - **Not here:** reflection; deadlines (a client whose deadline has passed resets its stream, which ends
//!   the call here, too).

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName},
};
use hyper::body::Incoming;
use pipelines::engine::drain::Drain;
use proto::{SignalKind, response::PartialSuccess};
use tokio::time::timeout;
use tonic::{Status, body::Body};
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use super::{
    codec::{self, Reply},
    inflate::Encoding,
    intake::Intake,
    status::Decline,
};
use crate::{listener::Handler, telemetry::traces};

/// Serves the calls of all connections.
#[derive(Clone)]
pub(super) struct Service {
    intake: Intake,
    health: HealthServer<HealthService>,
    message_bytes_max: usize,
}

/// Health of the server as a whole, and of each service: serving from now until the drain begins.
pub(super) async fn report_health(reporter: HealthReporter, mut drain: Drain) {
    set_health(&reporter, ServingStatus::Serving).await;
    drain.begun().await;
    set_health(&reporter, ServingStatus::NotServing).await;
}

async fn set_health(reporter: &HealthReporter, status: ServingStatus) {
    reporter.set_service_status("", status).await;
    for signal in SignalKind::ALL {
        reporter.set_service_status(service(signal), status).await;
    }
}

fn service(signal: SignalKind) -> &'static str {
    match signal {
        SignalKind::Traces => "opentelemetry.proto.collector.trace.v1.TraceService",
        SignalKind::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService",
        SignalKind::Logs => "opentelemetry.proto.collector.logs.v1.LogsService",
    }
}

fn signal(path: &str) -> Option<SignalKind> {
    let service_name = path.strip_prefix('/')?.strip_suffix("/Export")?;
    SignalKind::ALL.into_iter().find(|signal| service(*signal) == service_name)
}

// === impl Service ===

impl Service {
    pub(super) fn new(intake: Intake, health: HealthReporter, message_bytes_max: usize) -> Self {
        let health = HealthServer::new(HealthService::from_health_reporter(health));
        Self { intake, health, message_bytes_max }
    }

    async fn export(&self, request: Request<Incoming>, from: Option<IpAddr>) -> Result<Bytes, Decline> {
        let path = request.uri().path();
        let signal = signal(path).ok_or_else(|| Decline::unknown_path(path))?;
        if request.method() != Method::POST {
            return Err(Decline::NotPost);
        }
        self.intake.check(signal, request.headers()).await?;
        let caller = traces::caller(request.headers());
        let client = self.intake.client(request.headers(), from);
        let read = self.read(request).await;
        let partial = self.intake.take(signal, read, client, caller).await?;
        Ok(PartialSuccess::encode(partial.as_ref()).into())
    }

    async fn read(
        &self,
        request: Request<Incoming>,
    ) -> Result<(Bytes, crate::receivers::admission::Permit), Decline> {
        let encoding = encoding(request.headers())?;
        let message = codec::read_message(
            request.into_body(),
            encoding,
            self.intake.inflater(),
            self.message_bytes_max,
        );
        timeout(MESSAGE_TIMEOUT, message).await.unwrap_or(Err(Decline::TooSlow(MESSAGE_TIMEOUT)))
    }
}

impl Handler for Service {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, from: Option<IpAddr>) -> Response<Body> {
        if !is_grpc(request.headers()) {
            self.intake.refused(&Decline::UnsupportedMedia);
            return not_grpc();
        }
        if request.uri().path().starts_with(HEALTH) {
            // Infallible, as its type says.
            return tower::Service::call(&mut self.health.clone(), request)
                .await
                .unwrap_or_else(|never| match never {});
        }
        match self.export(request, from).await {
            Ok(message) => reply(&message),
            Err(decline) => {
                self.intake.refused(&decline);
                refuse(&decline)
            }
        }
    }

    fn unreadable(&self) {
        self.intake.unreadable();
    }
}

fn reply(message: &[u8]) -> Response<Body> {
    let mut response = Response::new(Body::new(Reply::ok(message)));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// Trailers only.
fn refuse(decline: &Decline) -> Response<Body> {
    let status = decline.status(TEXT_BYTES_MAX);
    let details = status.encode().into();
    let mut response = Status::with_details(status.code.into(), status.message, details).into_http();
    if matches!(decline, Decline::UnknownEncoding(..)) {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
    }
    response
}

/// gRPC over HTTP2, *Requests*: what is no gRPC gets an HTTP status instead.
fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let rest = value.as_bytes().strip_prefix(b"application/grpc");
    matches!(rest, Some([] | [b'+' | b';' | b' ', ..]))
}

fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Decline> {
    let Some(name) = headers.get(ENCODING) else { return Ok(None) };
    if name == "identity" {
        return Ok(None);
    }
    let encoding = Encoding::named(name.as_bytes());
    encoding.map(Some).ok_or_else(|| Decline::unknown_encoding(name.as_bytes(), ENCODINGS))
}

const HEALTH: &str = "/grpc.health.v1.Health/";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const ENCODINGS: &str = "gzip,zstd,snappy,deflate,identity";
/// Longest text in a refusal, which travels in headers three times (as it is, in the details, and there as the fault of
/// a field): some clients take no more than 8 KiB of them.
const TEXT_BYTES_MAX: usize = 1024;
/// A message that takes longer would hold its admitted bytes for nothing.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
