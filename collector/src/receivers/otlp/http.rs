//! OTLP/HTTP with protobuf bodies: one path for each signal.
//!
//! - **In:** `POST` with `application/x-protobuf`, plain or compressed with gzip, by HTTP/1.1 or HTTP/2.
//! - **Out:** 200 with the export response; or a status by the table in [`super::status`] with a
//!   `google.rpc.Status` as its body, in the request's encoding.
//! - **Guaranteed:** a body is read only as far as it is admitted. What is left of a refused one is thrown
//!   away for a moment, so that a client that writes before it reads still sees the answer.
//! - **Not here:** JSON bodies; CORS.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, RETRY_AFTER},
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use proto::SignalKind;
use tokio::time::timeout;

use super::{
    config,
    inflate::{Encoding, inflate},
    intake::Intake,
    listener::Handler,
    status::Decline,
};
use crate::receivers::admission::{Admission, AdmittedBuffer, Permit};

/// Serves the requests of all connections.
#[derive(Clone)]
pub(super) struct Service {
    intake: Intake,
    settings: Arc<Settings>,
}

/// What the configuration says about requests.
struct Settings {
    /// In the order of [`SignalKind::ALL`].
    paths: [String; 3],
    body_bytes_max: usize,
    body_timeout: Duration,
    accepts_plain: bool,
    accepts_gzip: bool,
    response_headers: HeaderMap,
}

/// What a body is written in, and so is its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    Protobuf,
    Json,
    Other,
}

// === impl Service ===

impl Service {
    pub(super) fn new(intake: Intake, config: &config::Http) -> Self {
        let settings = Settings {
            paths: SignalKind::ALL.map(|signal| config.url_path(signal).to_owned()),
            body_bytes_max: config.body_bytes_max(),
            body_timeout: config.body_timeout(),
            accepts_plain: config.accepts_plain(),
            accepts_gzip: config.accepts_gzip(),
            response_headers: config.response_headers(),
        };
        Self { intake, settings: Arc::new(settings) }
    }

    async fn export(
        &self,
        request: &Request<()>,
        media_type: MediaType,
        body: &mut Incoming,
    ) -> Result<Bytes, Decline> {
        let path = request.uri().path();
        let signal = self.settings.signal(path).ok_or_else(|| Decline::unknown_path(path))?;
        if request.method() != Method::POST {
            return Err(Decline::NotPost);
        }
        self.intake.check(signal)?;
        media_type.check()?;
        let read = self.settings.read(request.headers(), body, self.intake.admission()).await;
        self.intake.take(signal, read).await
    }
}

impl Handler for Service {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, mut body) = request.into_parts();
        let request = Request::from_parts(parts, ());
        let media_type = MediaType::of(request.headers());
        let mut response = match self.export(&request, media_type, &mut body).await {
            Ok(message) => answer(message, PROTOBUF),
            Err(decline) => refuse(&decline, media_type),
        };
        // Who asked first and was told no does not send the body at all.
        if !body.is_end_stream() && !request.headers().contains_key(EXPECT) {
            tokio::spawn(timeout(DISCARD_TIMEOUT, discard(body)));
        }
        for (name, value) in &self.settings.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

fn answer(message: Bytes, content_type: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn refuse(decline: &Decline, media_type: MediaType) -> Response<Full<Bytes>> {
    let mut response = match media_type {
        MediaType::Json => answer(decline.to_json(), JSON),
        MediaType::Protobuf | MediaType::Other => answer(decline.details(), PROTOBUF),
    };
    (_, *response.status_mut()) = decline.codes();
    if let Some(after) = decline.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, whole_seconds(after).into());
    }
    if matches!(decline, Decline::NotPost) {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Throws away what a refused client still sends. HTTP/1.1 would otherwise have to close the connection
/// under its feet, and the reset could overtake the answer.
async fn discard(body: Incoming) {
    let mut body = pin!(body);
    let mut left = DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// Retry-After counts whole seconds; a sender should not come back too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

// === impl Settings ===

impl Settings {
    fn signal(&self, path: &str) -> Option<SignalKind> {
        SignalKind::ALL.into_iter().zip(&self.paths).find(|(_, own)| *own == path).map(|(signal, _)| signal)
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: &mut Incoming,
        admission: &Admission,
    ) -> Result<(Bytes, Permit), Decline> {
        let encoding = self.encoding(headers)?;
        let body = timeout(self.body_timeout, read_body(body, admission, self.body_bytes_max))
            .await
            .unwrap_or(Err(Decline::TooSlow(self.body_timeout)))?;
        let Some(encoding) = encoding else { return Ok(body.freeze()) };
        let (compressed, _permit) = body.freeze();
        let inflated = inflate(encoding, &compressed, admission, self.body_bytes_max);
        Ok(inflated.map_err(|error| Decline::inflate(error, self.body_bytes_max))?.freeze())
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Option<Encoding>, Decline> {
        let value = headers.get(CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes).trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if self.accepts_plain && (is("") || is("identity")) {
            Ok(None)
        } else if self.accepts_gzip && (is("gzip") || is("x-gzip")) {
            Ok(Some(Encoding::Gzip))
        } else {
            let accepted = match (self.accepts_gzip, self.accepts_plain) {
                (true, true) => "gzip or none",
                (true, false) => "gzip",
                (false, _) => "none",
            };
            Err(Decline::unknown_encoding(value, accepted))
        }
    }
}

/// Reads a body into a buffer of its announced length; one of unknown length is admitted as it arrives.
async fn read_body<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    admission: &Admission,
    bytes_max: usize,
) -> Result<AdmittedBuffer, Decline> {
    let announced = body.size_hint().exact().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    let full = |full| Decline::full(full, bytes_max);
    let mut buffer = AdmittedBuffer::new(admission, announced, bytes_max).map_err(full)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Decline::CutOff)?;
        if let Some(data) = frame.data_ref() {
            buffer.extend(data).map_err(full)?;
        }
    }
    Ok(buffer)
}

// === impl MediaType ===

impl MediaType {
    /// Parameters such as a charset do not matter, nor does the letter case.
    fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/x-protobuf") {
            Self::Protobuf
        } else if essence.eq_ignore_ascii_case(b"application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }

    fn check(self) -> Result<(), Decline> {
        match self {
            Self::Protobuf => Ok(()),
            Self::Json => Err(Decline::UnsupportedMedia(
                "JSON is not supported in this version; send application/x-protobuf".to_owned(),
            )),
            Self::Other => {
                Err(Decline::UnsupportedMedia("the content type must be application/x-protobuf".to_owned()))
            }
        }
    }
}

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// How much of a refused body is thrown away, and for how long.
const DISCARD_BYTES_MAX: usize = 64 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);
